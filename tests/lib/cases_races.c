/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that meet: what one of them takes away under the other is told, and nobody waits for ever. */
#include "lib/cases.h"

#define LATE_MS 10000

/* A container whose create waits for a disk that never comes, and fails then. */
static void create_waiting(struct rig *r, struct client *c, struct rig_pending *p, const char *id)
{
	rig_send(
		r, c, 20000, p, "CreateContainer",
		"{\"container_id\":\"%s\",\"OCI\":{\"Root\":{\"Path\":\"/x\"},\"Linux\":{},"
		"\"Process\":{\"Args\":[\"x\"],\"Cwd\":\"/\",\"Capabilities\":{}}},"
		"\"storages\":[{\"driver\":\"blk\",\"fstype\":\"ext4\",\"source\":\"1f/1e\","
		"\"mount_point\":\"/run/kata-containers/x\"}]}",
		id);
}

/* The first process of a container that never came to have one. */
static void wait_for_a_create_that_fails(void **state)
{
	struct rig *r = cases_rig;
	static struct rig_pending create, wait;
	const char *id = rig_id(r);

	(void)state;
	create_waiting(r, r->client, &create, id);
	rig_send(r, r->client, LATE_MS, &wait, "WaitProcess", "{\"container_id\":\"%s\"}", id);
	assert_int_equal(rig_await(r, &create), RC_DEADLINE_EXCEEDED);
	if (rig_await(r, &wait))
		fail_msg("WaitProcess: %s", wait.err.msg);
	assert_rc(r, rig_remove(r, id), RC_NOT_FOUND, id);
}

const struct CMUnitTest cases_races[] = {
	cmocka_unit_test(wait_for_a_create_that_fails),
	{ 0 },
};
