/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's tasks: their life, states, codes and events. */
#include "lib/cases.h"

#include "lib/rig_task.h"

static struct rig_events events;

static void mark(struct rig *r)
{
	uint64_t after = 0;

	rig_events_open(r, r->client, &events, 0);
	/* what earlier tests left is acknowledged: only new ones come */
	while (loop_once(r->loop, 200) > 0)
		after = events.n ? events.v[events.n - 1].seq : 0;
	rig_events_close(&events);
	if (after)
		assert_done(r, rig_call(r, "mote.v1.Events/Ack", "{\"seq\":%llu}",
					(unsigned long long)after));
	rig_events_open(r, r->client, &events, after);
}

static void whole_life(struct rig *r)
{
	struct rig_task what = { .args = "[\"sh\",\"-c\",\"exit 7\"]" };
	const char *id = rig_id(r);
	char part[64];

	snprintf(part, sizeof(part), "\"container_id\":\"%s\"", id);
	mark(r);
	assert_done(r, rig_task_create(r, id, &what));
	assert_null(strstr(r->reply, "\"pid\":0"));
	assert_rc(r, rig_task_create(r, id, &what), RC_ALREADY_EXISTS, "exists already");
	assert_done(r, rig_task(r, "State", "{\"id\":\"%s\"}", id));
	assert_output(r, "\"status\":\"CREATED\"");
	assert_output(r, "\"bundle\":\"/host/");
	assert_done(r, rig_task(r, "Start", "{\"id\":\"%s\"}", id));
	assert_null(strstr(r->reply, "\"pid\":0"));
	assert_int_equal(rig_task_wait(r, id, ""), 7);
	assert_int_equal(rig_task_wait(r, id, ""), 7);
	assert_done(r, rig_task(r, "State", "{\"id\":\"%s\"}", id));
	assert_output(r, "\"status\":\"STOPPED\"");
	assert_output(r, "\"exit_status\":7");
	assert_rc(r, rig_task(r, "Kill", "{\"id\":\"%s\",\"signal\":9}", id), RC_NOT_FOUND,
		  "already finished");
	assert_rc(r, rig_task(r, "Start", "{\"id\":\"%s\"}", id), RC_FAILED_PRECONDITION, id);
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
	assert_output(r, "\"exit_status\":7");
	assert_rc(r, rig_task(r, "State", "{\"id\":\"%s\"}", id), RC_NOT_FOUND, id);
	assert_rc(r, rig_task(r, "Wait", "{\"id\":\"%s\"}", id), RC_NOT_FOUND, id);
	assert_rc(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id), RC_NOT_FOUND, id);
	rig_events_next(&events, "/tasks/create", part, "\"bundle\":\"/host/", NULL);
	rig_events_next(&events, "/tasks/start", part, NULL);
	rig_events_next(&events, "/tasks/exit", part, "\"exit_status\":7", NULL);
	rig_events_next(&events, "/tasks/delete", part, "\"exit_status\":7", NULL);
	rig_events_close(&events);
}

static void life(void **state UNUSED)
{
	whole_life(cases_rig);
}

static void life_v3(void **state UNUSED)
{
	rig_task_v3 = true;
	whole_life(cases_rig);
	rig_task_v3 = false;
}

const struct CMUnitTest cases_task[] = {
	cmocka_unit_test(life),
	cmocka_unit_test(life_v3),
	{ 0 },
};
