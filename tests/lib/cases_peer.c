/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is inside does not reach the agent's port, by whatever address he tries it. In a VM whose
 * shared directory has motectl.
 */
#include "lib/cases.h"

#define SHARED "/run/kata-containers/shared/containers"

/* The loopback, the host, this guest, one that is not there, "any". The connection is refused, or
 * nobody answers: which of the two is the kernel's and the vsock device's affair. */
static void nobody_inside_is_served(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"for cid in 1 2 3 4 -1; do motectl call vsock://$cid:1024 "
			"grpc.Health/Check '{}' 2>&1 || echo failed & done; wait\"]",
		.root = SHARED,
		.storages = ",{\"driver\":\"virtio-fs\",\"source\":\"rootfs\",\"fstype\":\"virtiofs\","
			    "\"mount_point\":\"" SHARED "\"}",
	};
	int failed = 0;

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_true(rig_read(r, "ReadStdout", id, "") >= 0);
	if (strstr(r->reply, "SERVING"))
		fail_msg("%s", r->reply);
	for (const char *at = r->reply; (at = strstr(at, "failed\n")); at++)
		failed++;
	assert_int_equal(failed, 5);
	assert_output(r, "connect to vsock://"); /* motectl is there, and it tried */
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
}

const struct CMUnitTest cases_peer[] = {
	cmocka_unit_test(nobody_inside_is_served),
	{ 0 },
};
