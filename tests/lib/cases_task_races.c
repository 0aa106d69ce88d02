/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's calls of a few tasks at once, in any order: each is answered, and all can be deleted. */
#include "lib/cases.h"

#include "lib/rig_task.h"

#define FLYING	24 /* calls at a time */
#define CALLS	600
#define PARK_MS 200 /* for those that wait for what may never come */
#define TASK	"containerd.task.v2.Task/"

static uint32_t dice_state;

/* Marsaglia's xorshift: the same each time. */
static uint32_t dice(uint32_t n)
{
	dice_state ^= dice_state << 13;
	dice_state ^= dice_state >> 17;
	dice_state ^= dice_state << 5;
	return dice_state % n;
}

/* Of a task by its name, %s. */
static const struct {
	const char *method, *json;
	uint64_t ms;
} any_call[] = {
	{ TASK "Start", "{\"id\":\"%s\"}", RIG_CALL_MS },
	{ TASK "Start", "{\"id\":\"%s\"}", RIG_CALL_MS },
	{ TASK "Start", "{\"id\":\"%s\",\"exec_id\":\"e\"}", RIG_CALL_MS },
	{ TASK "Start", "{\"id\":\"%s\",\"exec_id\":\"e\"}", RIG_CALL_MS },
	{ TASK "Kill", "{\"id\":\"%s\",\"signal\":9}", RIG_CALL_MS },
	{ TASK "Kill", "{\"id\":\"%s\",\"signal\":9,\"all\":true}", RIG_CALL_MS },
	{ TASK "Kill", "{\"id\":\"%s\",\"signal\":15,\"all\":true}", RIG_CALL_MS },
	{ TASK "Kill", "{\"id\":\"%s\",\"exec_id\":\"e\",\"signal\":9}", RIG_CALL_MS },
	{ TASK "Delete", "{\"id\":\"%s\"}", RIG_CALL_MS },
	{ TASK "Delete", "{\"id\":\"%s\"}", RIG_CALL_MS },
	{ TASK "Delete", "{\"id\":\"%s\",\"exec_id\":\"e\"}", RIG_CALL_MS },
	{ TASK "Wait", "{\"id\":\"%s\"}", PARK_MS },
	{ TASK "Wait", "{\"id\":\"%s\",\"exec_id\":\"e\"}", PARK_MS },
	{ TASK "State", "{\"id\":\"%s\",\"exec_id\":\"e\"}", RIG_CALL_MS },
	{ TASK "Pids", "{\"id\":\"%s\"}", RIG_CALL_MS },
	{ TASK "Pause", "{\"id\":\"%s\"}", 1000 },
	{ TASK "Resume", "{\"id\":\"%s\"}", 1000 },
	{ TASK "CloseIO", "{\"id\":\"%s\",\"stdin\":true}", RIG_CALL_MS },
	{ TASK "Stats", "{\"id\":\"%s\"}", RIG_CALL_MS },
	{ "RemoveContainer", "{\"container_id\":\"%s\"}", RIG_CALL_MS },
	{ "ReadStdout", "{\"container_id\":\"%s\",\"len\":10}", PARK_MS },
};

static void send_exec(struct rig *r, struct client *c, struct rig_pending *p, const char *id)
{
	struct arena a;

	arena_init(&a, 1 << 20);
	rig_send(r, c, RIG_CALL_MS, p, TASK "Exec",
		 "{\"id\":\"%s\",\"exec_id\":\"e\",\"stdout\":\"stream://%s-e\",\"spec\":%s}", id, id,
		 rig_any(&a, "types.containerd.io/opencontainers/runtime-spec/1/Process", NULL,
			 "{\"args\":[\"cat\"],\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],"
			 "\"user\":{\"uid\":0,\"gid\":0}}"));
	arena_fini(&a);
}

static void send_any(struct rig *r, struct client *c, struct rig_pending *p, const char *id)
{
	char in[80], out[80];
	const struct rig_task what = { .args = "[\"cat\"]", .in = in, .out = out };
	uint32_t i = dice(COUNT_OF(any_call) + 10);

	snprintf(in, sizeof(in), "stream://%s-in", id);
	snprintf(out, sizeof(out), "stream://%s-out", id);
	if (i < COUNT_OF(any_call))
		rig_send(r, c, any_call[i].ms, p, any_call[i].method, any_call[i].json, id);
	else if (i < COUNT_OF(any_call) + 4)
		send_exec(r, c, p, id);
	else
		rig_task_send_create(r, p, id, &what);
}

static void delete_at_last(struct rig *r, const char *id)
{
	int rc;

	rig_task(r, "Kill", "{\"id\":\"%s\",\"signal\":9}", id);
	rig_task(r, "Resume", "{\"id\":\"%s\"}", id); /* version 1 ends nothing that is frozen */
	do
		rc = rig_task(r, "Delete", "{\"id\":\"%s\"}", id);
	while (rc == RC_FAILED_PRECONDITION); /* it runs: it was killed */
	if (rc && rc != RC_NOT_FOUND)
		fail_msg("Delete: %s", r->err.msg);
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

static void everything_at_once(void **state UNUSED)
{
	static struct rig_pending flying[FLYING];
	struct rig *r = cases_rig;
	struct client *c = NULL;
	char ids[3][64];

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
		delete_at_last(r, ids[i]);
	nothing_is_left(r);
}

const struct CMUnitTest cases_task_races[] = {
	cmocka_unit_test(everything_at_once),
	{ 0 },
};
