/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that meet: what one of them takes away under the other is told, and nobody waits for ever. */
#include "lib/cases.h"

#define LATE_MS 60000 /* a call that is answered later has been forgotten */

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

#define EXEC                                                                                        \
	"{\"container_id\":\"%s\",\"exec_id\":\"e%d\",\"process\":{\"Args\":[\"sleep\",\"1000\"]," \
	"\"Cwd\":\"/\",\"Env\":[\"PATH=/bin\"],\"User\":{}}}"

/* Every exec is answered, whether it came to run or not; so is who reads from it and waits for it. */
static void remove_while_execs_are_made(void **state)
{
	static struct rig_pending exec[12], read[12], wait[12];
	struct rig *r = cases_rig;

	(void)state;
	for (int round = 0; round < 4; round++) {
		struct rig_container what = { .args = "[\"sleep\",\"1000\"]" };
		const char *id = rig_id(r);
		static struct rig_pending gone;

		assert_done(r, rig_run(r, id, &what));
		for (int i = 0; i < 12; i++) {
			rig_send(r, r->client, LATE_MS, &exec[i], "ExecProcess", EXEC, id, i);
			rig_send(r, r->client, LATE_MS, &read[i], "ReadStdout",
				 "{\"container_id\":\"%s\",\"exec_id\":\"e%d\",\"len\":10}", id, i);
			rig_send(r, r->client, LATE_MS, &wait[i], "WaitProcess",
				 "{\"container_id\":\"%s\",\"exec_id\":\"e%d\"}", id, i);
			if (i == 3 * round)
				rig_send(r, r->client, LATE_MS, &gone, "RemoveContainer",
					 "{\"container_id\":\"%s\"}", id);
		}
		assert_int_equal(rig_await(r, &gone), RC_OK);
		for (int i = 0; i < 12; i++) {
			assert_int_not_equal(rig_await(r, &exec[i]), RC_DEADLINE_EXCEEDED);
			assert_int_not_equal(rig_await(r, &read[i]), RC_DEADLINE_EXCEEDED);
			assert_int_not_equal(rig_await(r, &wait[i]), RC_DEADLINE_EXCEEDED);
		}
		assert_rc(r, rig_remove(r, id), RC_NOT_FOUND, id);
	}
}

/* The id of an exec that was waited for is free, and nothing of the old one is in the new one. */
static void exec_ids_again(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sleep\",\"1000\"]" };

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	for (int i = 0; i < 20; i++) {
		char script[64], wanted[16];

		snprintf(script, sizeof(script), "echo %d; exit %d", i, i);
		snprintf(wanted, sizeof(wanted), "%d\n", i);
		assert_done(r, rig_exec(r, id, "again", script));
		if (i % 3)
			assert_true(rig_read(r, "ReadStdout", id, "again") > 0);
		if (i % 3)
			assert_string_equal(r->reply, wanted);
		assert_rc(r, rig_exec(r, id, "again", "true"), RC_ALREADY_EXISTS, "again");
		assert_int_equal(rig_wait(r, id, "again"), i);
	}
	assert_done(r, rig_remove(r, id));
}

#define DEAF "[\"sh\",\"-c\",\"trap : USR1; echo ready; sleep 1000 & wait $!; wc -c\"]"

static void await_ready(struct rig *r, const char *id)
{
	assert_done(r, rig_call(r, "ReadStdout", "{\"container_id\":\"%s\",\"len\":6}", id));
}

static char *base64_zeroes(size_t n)
{
	char *s = malloc(n / 3 * 4 + 1);

	assert_non_null(s);
	memset(s, 'A', n / 3 * 4);
	s[n / 3 * 4] = '\0';
	return s;
}

/* A pipe that nobody reads holds up its writer alone, and that one no longer than its deadline; the
 * end of input that comes behind a write that waits does not cut it off. */
static void input_that_waits(void **state)
{
	static struct rig_pending first, second;
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	char *data = base64_zeroes(196608);
	struct rig_container what = { .args = DEAF };
	unsigned int n = 0;

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	await_ready(r, id);
	rig_send(r, r->client, 0, &first, "WriteStdin", "{\"container_id\":\"%s\",\"data\":\"%s\"}", id,
		 data);
	rig_send(r, r->client, 300, &second, "WriteStdin", "{\"container_id\":\"%s\",\"data\":\"QUFB\"}",
		 id);
	assert_int_equal(rig_await(r, &second), RC_DEADLINE_EXCEEDED);
	assert_false(first.done);
	assert_done(r, rig_call(r, "CloseStdin", "{\"container_id\":\"%s\"}", id));
	assert_rc(r, rig_call(r, "WriteStdin", "{\"container_id\":\"%s\",\"data\":\"QUFB\"}", id),
		  RC_FAILED_PRECONDITION, "closed");
	assert_false(first.done);
	assert_done(r, rig_call(r, "SignalProcess", "{\"container_id\":\"%s\",\"signal\":10}", id));
	assert_int_equal(rig_await(r, &first), RC_OK);
	assert_true(rig_read(r, "ReadStdout", id, id) > 0);
	assert_int_equal(sscanf(r->reply, "%u", &n), 1);
	assert_int_equal(n, 196608); /* the second write is not in it */
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
	free(data);
}

/* Removed until nobody knows it. */
static void remove_at_last(struct rig *r, const char *id)
{
	int rc;

	do
		rc = rig_remove(r, id);
	while (rc == RC_FAILED_PRECONDITION); /* it is being created */
	if (rc && rc != RC_NOT_FOUND)
		fail_msg("RemoveContainer: %s", r->err.msg);
}

/* A host that is cut off in the middle of a create finds the container whole or not at all. */
static void cut_in_a_create(void **state)
{
	static struct rig_pending p;
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sh\",\"-c\",\"exit 5\"]" };

	(void)state;
	for (int i = 0; i < 12; i++) {
		struct client *c = rig_connect(r);
		int rc;

		assert_non_null(c);
		rig_send_create(r, c, RIG_CALL_MS, &p, id, &what);
		for (int turns = 0; turns < i; turns++)
			loop_once(r->loop, 1);
		client_free(c);
		rc = rig_create(r, id, &what);
		if (rc == RC_ALREADY_EXISTS) {
			remove_at_last(r, id);
			rc = rig_create(r, id, &what);
		}
		assert_done(r, rc);
		assert_done(r, rig_call(r, "StartContainer", "{\"container_id\":\"%s\"}", id));
		assert_int_equal(rig_wait(r, id, ""), 5);
		assert_done(r, rig_remove(r, id));
	}
}

/* Nobody is left whose time is up before the file systems are taken away: they go all the same. */
static void remove_in_no_time(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = { .args = "[\"true\"]" };
	char script[128];
	int rc;

	(void)state;
	for (int i = 0; i < 8; i++) {
		const char *id = rig_id(r);

		assert_done(r, rig_run(r, id, &what));
		assert_int_equal(rig_wait(r, id, ""), 0);
		rc = rig_call_on(r, r->client, 1, "RemoveContainer", "{\"container_id\":\"%s\"}", id);
		if (rc && rc != RC_DEADLINE_EXCEEDED)
			fail_msg("RemoveContainer: %s", r->err.msg);
		rc = rig_remove(r, id);
		if (rc && rc != RC_NOT_FOUND)
			fail_msg("RemoveContainer again: %s", r->err.msg);
		snprintf(script, sizeof(script), "! grep '/%s/' /guest/1/mountinfo", id);
		assert_int_equal(rig_guest(r, script), 0);
	}
}

/* --- everything at once ----------------------------------------------------------------------- */

#define FLYING  24 /* calls at a time */
#define CALLS   600
#define PARK_MS 200 /* for those that wait for what may never come */

static uint32_t dice_state;

/* Marsaglia's xorshift: the same each time. */
static uint32_t dice(uint32_t n)
{
	dice_state ^= dice_state << 13;
	dice_state ^= dice_state >> 17;
	dice_state ^= dice_state << 5;
	return dice_state % n;
}

/* Of a container by its name, %s. */
static const struct {
	const char *method, *json;
	uint64_t ms;
} any_call[] = {
	{ "StartContainer", "{\"container_id\":\"%s\"}", RIG_CALL_MS },
	{ "StartContainer", "{\"container_id\":\"%s\"}", RIG_CALL_MS },
	{ "RemoveContainer", "{\"container_id\":\"%s\"}", RIG_CALL_MS },
	{ "RemoveContainer", "{\"container_id\":\"%s\",\"timeout\":1}", PARK_MS },
	{ "SignalProcess", "{\"container_id\":\"%s\",\"signal\":9}", RIG_CALL_MS },
	{ "SignalProcess", "{\"container_id\":\"%s\",\"exec_id\":\"e\",\"signal\":15}", RIG_CALL_MS },
	{ "ExecProcess", "{\"container_id\":\"%s\",\"exec_id\":\"e\",\"process\":{\"Args\":[\"cat\"],"
			 "\"Cwd\":\"/\",\"Env\":[\"PATH=/bin\"],\"User\":{}}}", RIG_CALL_MS },
	{ "ExecProcess", "{\"container_id\":\"%s\",\"exec_id\":\"f\",\"process\":{\"Args\":[\"true\"],"
			 "\"Cwd\":\"/\",\"Env\":[\"PATH=/bin\"],\"User\":{},\"Terminal\":true}}", RIG_CALL_MS },
	{ "WaitProcess", "{\"container_id\":\"%s\"}", PARK_MS },
	{ "WaitProcess", "{\"container_id\":\"%s\",\"exec_id\":\"e\"}", PARK_MS },
	{ "WaitProcess", "{\"container_id\":\"%s\",\"exec_id\":\"f\"}", PARK_MS },
	{ "ReadStdout", "{\"container_id\":\"%s\",\"exec_id\":\"e\",\"len\":100}", PARK_MS },
	{ "ReadStdout", "{\"container_id\":\"%s\",\"len\":100}", PARK_MS },
	{ "ReadStderr", "{\"container_id\":\"%s\",\"exec_id\":\"f\",\"len\":100}", PARK_MS },
	{ "WriteStdin", "{\"container_id\":\"%s\",\"exec_id\":\"e\",\"data\":\"QUFB\"}", PARK_MS },
	{ "CloseStdin", "{\"container_id\":\"%s\",\"exec_id\":\"e\"}", RIG_CALL_MS },
	{ "PauseContainer", "{\"container_id\":\"%s\"}", 1000 },
	{ "ResumeContainer", "{\"container_id\":\"%s\"}", 1000 },
	{ "UpdateContainer", "{\"container_id\":\"%s\",\"resources\":{}}", RIG_CALL_MS },
	{ "StatsContainer", "{\"container_id\":\"%s\"}", RIG_CALL_MS },
	{ "TtyWinResize", "{\"container_id\":\"%s\",\"exec_id\":\"f\",\"row\":10,\"column\":10}", RIG_CALL_MS },
};

static const char shared[] =
	",{\"driver\":\"bind\",\"source\":\"/run/kata-containers/sandbox\",\"fstype\":\"bind\","
	"\"mount_point\":\"/run/kata-containers/sandbox/storage/shared\"}";

/* A quarter are creates; the containers share a storage. */
static void send_any(struct rig *r, struct client *c, struct rig_pending *p, const char *id)
{
	const struct rig_container what = { .args = "[\"cat\"]", .storages = shared };
	uint32_t i = dice(COUNT_OF(any_call) + 7);

	if (i >= COUNT_OF(any_call))
		rig_send_create(r, c, RIG_CALL_MS, p, id, &what);
	else
		rig_send(r, c, any_call[i].ms, p, any_call[i].method, any_call[i].json, id);
}

static void nothing_is_left(struct rig *r)
{
	struct rig_status st;

	if (r->kind != RIG_NAMESPACES)
		return;
	do
		assert_int_equal(rig_status(r, &st), 0);
	while (st.jobs);
	assert_int_equal(st.containers, 0);
}

/* All calls of three containers by all connections, in any order: each is answered, and all can be taken
 * away in the end. One connection is cut now and then. */
static void everything_at_once(void **state)
{
	static struct rig_pending flying[FLYING];
	struct rig *r = cases_rig;
	struct client *c = NULL;
	char ids[3][64];

	(void)state;
	memset(flying, 0, sizeof(flying));
	dice_state = getenv("MOTE_SEED") ? (uint32_t)strtoul(getenv("MOTE_SEED"), NULL, 10) : 1;
	for (size_t i = 0; i < COUNT_OF(ids); i++)
		snprintf(ids[i], sizeof(ids[i]), "%s", rig_id(r));
	for (int i = 0; i < CALLS; i++) {
		struct rig_pending *p = &flying[i % FLYING];

		if (i >= FLYING)
			rig_await(r, p);
		if (i % 50 == 0) {
			client_free(c);
			c = rig_connect(r);
			assert_non_null(c);
		}
		send_any(r, dice(2) ? c : r->client, p, ids[dice(COUNT_OF(ids))]);
	}
	for (size_t i = 0; i < FLYING; i++)
		rig_await(r, &flying[i]);
	client_free(c);
	for (size_t i = 0; i < COUNT_OF(ids); i++)
		remove_at_last(r, ids[i]);
	nothing_is_left(r);
}

const struct CMUnitTest cases_races[] = {
	cmocka_unit_test(everything_at_once),
	cmocka_unit_test(remove_in_no_time),
	cmocka_unit_test(remove_while_execs_are_made),
	cmocka_unit_test(exec_ids_again),
	cmocka_unit_test(input_that_waits),
	cmocka_unit_test(cut_in_a_create),
	cmocka_unit_test(wait_for_a_create_that_fails),
	{ 0 },
};
