/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's tasks: their life, states, codes and events. */
#include "lib/cases.h"

#include "lib/rig_task.h"

static struct rig_events events;

static void mark(struct rig *r)
{
	uint64_t after;

	rig_events_open(r, r->client, &events, 0);
	/* what earlier tests left is acknowledged: only new ones come */
	after = rig_events_kept(&events);
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
	assert_output(r, "\"bundle\":\"/host/bundle\"");
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
	rig_events_next(&events, "/tasks/create", part, "\"bundle\":\"/host/bundle\"", NULL);
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

/* --- processes ------------------------------------------------------------------------------- */

/* Killed before its start: an exit without a start. */
static void created_and_killed(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { 0 };
	const char *id = rig_id(r);

	mark(r);
	assert_done(r, rig_task_create(r, id, &what));
	assert_rc(r, rig_task_exec(r, id, "e", "true", NULL), RC_FAILED_PRECONDITION, id);
	assert_done(r, rig_task(r, "Kill", "{\"id\":\"%s\",\"signal\":9}", id));
	assert_int_equal(rig_task_wait(r, id, ""), 137);
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
	rig_events_next(&events, "/tasks/create", id, NULL);
	rig_events_next(&events, "/tasks/exit", id, "\"exit_status\":137", NULL);
	rig_events_next(&events, "/tasks/delete", id, "\"exit_status\":137", NULL);
	rig_events_close(&events);
}

/* Deleted before its start: containerd clears away so. */
static void created_and_deleted(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { 0 };
	const char *id = rig_id(r);

	assert_done(r, rig_task_create(r, id, &what));
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
	assert_output(r, "\"exit_status\":137");
	assert_done(r, rig_task_create(r, id, &what));
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
}

static void running_is_not_deleted(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { .args = "[\"sleep\",\"1000\"]" };
	static struct rig_pending waits[3];
	const char *id = rig_id(r);

	assert_done(r, rig_task_run(r, id, &what));
	for (size_t i = 0; i < COUNT_OF(waits); i++)
		rig_send(r, r->client, 0, &waits[i], "containerd.task.v2.Task/Wait", "{\"id\":\"%s\"}",
			 id);
	assert_rc(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id), RC_FAILED_PRECONDITION, "running");
	assert_done(r, rig_task(r, "Pause", "{\"id\":\"%s\"}", id));
	assert_rc(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id), RC_FAILED_PRECONDITION, "paused");
	assert_done(r, rig_task(r, "State", "{\"id\":\"%s\"}", id));
	assert_output(r, "\"status\":\"PAUSED\"");
	assert_done(r, rig_task(r, "Resume", "{\"id\":\"%s\"}", id));
	assert_rc(r, rig_task(r, "Resume", "{\"id\":\"%s\"}", id), RC_FAILED_PRECONDITION, id);
	assert_done(r, rig_task(r, "State", "{\"id\":\"%s\"}", id));
	assert_output(r, "\"status\":\"RUNNING\"");
	assert_null(strstr(r->reply, "exited_at"));
	assert_done(r, rig_task(r, "Kill", "{\"id\":\"%s\",\"signal\":9,\"all\":true}", id));
	for (size_t i = 0; i < COUNT_OF(waits); i++)
		assert_int_equal(rig_await(r, &waits[i]), RC_OK);
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
	assert_output(r, "\"exit_status\":137");
}

static void execs(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { .args = "[\"sleep\",\"1000\"]" };
	const char *id = rig_id(r);

	mark(r);
	assert_done(r, rig_task_run(r, id, &what));
	assert_done(r, rig_task_exec(r, id, "e1", "exit 5", NULL));
	assert_rc(r, rig_task_exec(r, id, "e1", "exit 5", NULL), RC_ALREADY_EXISTS, "e1");
	assert_done(r, rig_task(r, "State", "{\"id\":\"%s\",\"exec_id\":\"e1\"}", id));
	assert_output(r, "\"status\":\"CREATED\"");
	assert_output(r, "\"exec_id\":\"e1\"");
	assert_rc(r, rig_task(r, "Kill", "{\"id\":\"%s\",\"exec_id\":\"e1\",\"signal\":9}", id),
		  RC_FAILED_PRECONDITION, "e1");
	assert_done(r, rig_task(r, "Start", "{\"id\":\"%s\",\"exec_id\":\"e1\"}", id));
	assert_null(strstr(r->reply, "\"pid\":0"));
	assert_rc(r, rig_task(r, "Start", "{\"id\":\"%s\",\"exec_id\":\"e1\"}", id),
		  RC_FAILED_PRECONDITION, "e1");
	assert_int_equal(rig_task_wait(r, id, "e1"), 5);
	assert_rc(r, rig_task(r, "Kill", "{\"id\":\"%s\",\"exec_id\":\"e1\",\"signal\":9}", id),
		  RC_NOT_FOUND, "finished");
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\",\"exec_id\":\"e1\"}", id));
	assert_output(r, "\"exit_status\":5");
	assert_rc(r, rig_task(r, "Delete", "{\"id\":\"%s\",\"exec_id\":\"e1\"}", id), RC_NOT_FOUND,
		  "e1");
	assert_rc(r, rig_task(r, "Wait", "{\"id\":\"%s\",\"exec_id\":\"e1\"}", id), RC_NOT_FOUND, "e1");
	rig_events_next(&events, "/tasks/create", id, NULL);
	rig_events_next(&events, "/tasks/start", id, NULL);
	rig_events_next(&events, "/tasks/exec-added", id, "\"exec_id\":\"e1\"", NULL);
	rig_events_next(&events, "/tasks/exec-started", id, "\"exec_id\":\"e1\"", NULL);
	rig_events_next(&events, "/tasks/exit", id, "\"id\":\"e1\"", "\"exit_status\":5", NULL);

	/* added and never started, and deleted, or left until the end */
	assert_done(r, rig_task_exec(r, id, "e2", "true", NULL));
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\",\"exec_id\":\"e2\"}", id));
	assert_done(r, rig_task_exec(r, id, "e2", "true", NULL));
	assert_done(r, rig_task(r, "Kill", "{\"id\":\"%s\",\"signal\":9}", id));
	assert_int_equal(rig_task_wait(r, id, ""), 137);
	assert_rc(r, rig_task(r, "Start", "{\"id\":\"%s\",\"exec_id\":\"e2\"}", id),
		  RC_FAILED_PRECONDITION, id);
	assert_int_equal(rig_task_wait(r, id, "e2"), 255);
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
	rig_events_next(&events, "/tasks/exec-added", NULL);
	rig_events_next(&events, "/tasks/exec-added", NULL);
	rig_events_next(&events, "/tasks/exit", "\"exit_status\":137", NULL);
	rig_events_next(&events, "/tasks/delete", NULL);
	rig_events_close(&events);
}

/* A program that is not there: an error of Start, no event but that it was added, and Delete works. */
static void exec_fails(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { .args = "[\"sleep\",\"1000\"]" };
	const char *id = rig_id(r);
	struct arena a;

	mark(r);
	assert_done(r, rig_task_run(r, id, &what));
	arena_init(&a, 1 << 16);
	assert_done(r, rig_task(r, "Exec", "{\"id\":\"%s\",\"exec_id\":\"bad\",\"spec\":%s}", id,
				rig_any(&a, "x/Process", NULL,
					"{\"args\":[\"/nowhere\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}}")));
	assert_rc(r, rig_task(r, "Exec", "{\"id\":\"%s\",\"exec_id\":\"bad2\",\"spec\":%s}", id,
			      rig_any(&a, "x/Process", NULL, "{\"args\":7}")),
		  RC_INVALID_ARGUMENT, "args");
	assert_rc(r, rig_task(r, "Exec", "{\"id\":\"%s\",\"exec_id\":\"bad3\",\"spec\":%s}", id,
			      rig_any(&a, "x/Other", NULL, "{}")),
		  RC_INVALID_ARGUMENT, "spec");
	assert_rc(r, rig_task(r, "Exec", "{\"id\":\"%s\",\"exec_id\":\"bad4\"}", id),
		  RC_INVALID_ARGUMENT, "spec");
	arena_fini(&a);
	assert_rc(r, rig_task(r, "Start", "{\"id\":\"%s\",\"exec_id\":\"bad\"}", id), RC_NOT_FOUND,
		  "/nowhere");
	assert_int_equal(rig_task_wait(r, id, "bad"), 255);
	assert_done(r, rig_task(r, "State", "{\"id\":\"%s\",\"exec_id\":\"bad\"}", id));
	assert_output(r, "\"status\":\"STOPPED\"");
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\",\"exec_id\":\"bad\"}", id));
	assert_done(r, rig_task(r, "Kill", "{\"id\":\"%s\",\"signal\":9}", id));
	assert_int_equal(rig_task_wait(r, id, ""), 137);
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
	rig_events_next(&events, "/tasks/create", NULL);
	rig_events_next(&events, "/tasks/start", NULL);
	rig_events_next(&events, "/tasks/exec-added", "\"bad\"", NULL);
	rig_events_next(&events, "/tasks/exit", "\"exit_status\":137", NULL);
	rig_events_next(&events, "/tasks/delete", NULL);
	rig_events_close(&events);
}

/* The first process's exit is the last one, also where execs outlive it: in a pod's process
 * namespace nobody else ends them. */
static void first_exits_last(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = {
		.args = "[\"sh\",\"-c\",\"read x; exit 3\"]",
		.in = "stream://last-in",
		.namespaces = "[{\"type\":\"pid\",\"path\":\"/proc/1/ns/pid\"},{\"type\":\"mount\"}]",
		.spec = ",\"annotations\":{\"io.kubernetes.cri.container-type\":\"container\"}",
	};
	static struct rig_stream in;
	const char *id = rig_id(r);

	mark(r);
	assert_done(r, rig_task_run(r, id, &what));
	assert_done(r, rig_task_exec(r, id, "long", "trap '' TERM; sleep 1000", NULL));
	assert_done(r, rig_task(r, "Start", "{\"id\":\"%s\",\"exec_id\":\"long\"}", id));
	rig_stream_open(r, r->client, &in, "last-in", 0);
	rig_stream_end_write(&in);
	assert_int_equal(rig_task_wait(r, id, ""), 3);
	assert_int_equal(rig_task_wait(r, id, "long"), 137);
	rig_stream_close(&in);
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
	rig_events_next(&events, "/tasks/create", NULL);
	rig_events_next(&events, "/tasks/start", NULL);
	rig_events_next(&events, "/tasks/exec-added", NULL);
	rig_events_next(&events, "/tasks/exec-started", NULL);
	rig_events_next(&events, "/tasks/exit", "\"id\":\"long\"", "\"exit_status\":137", NULL);
	rig_events_next(&events, "/tasks/exit", "\"exit_status\":3", NULL);
	rig_events_next(&events, "/tasks/delete", NULL);
	rig_events_close(&events);
}

/* The first process is spared by the kernel, and goes on when what it waits for has ended. It must not end then: its
 * end is SIGKILL for all others, who would have it before the signal that is sent to one after the other. */
static void pids(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = {
		.args = "[\"sh\",\"-c\",\"mkfifo /tmp/go; sleep 1000 & sleep 1000; exec cat /tmp/go\"]"
	};
	const char *id = rig_id(r), *at;
	size_t n = 0;

	assert_done(r, rig_task_run(r, id, &what));
	assert_done(r, rig_task_exec(r, id, "e", "exec sleep 1000", NULL));
	assert_done(r, rig_task(r, "Start", "{\"id\":\"%s\",\"exec_id\":\"e\"}", id));
	while (n != 4) { /* the shell forks when it likes */
		assert_done(r, rig_task(r, "Pids", "{\"id\":\"%s\"}", id));
		for (n = 0, at = r->reply; (at = strstr(at, "\"pid\":")); at++)
			n++;
	}
	assert_output(r, "\"type_url\":\"containerd.runc.v1.ProcessDetails\"");
	assert_rc(r, rig_task(r, "Pids", "{\"id\":\"nobody\"}"), RC_NOT_FOUND, "nobody");
	assert_done(r, rig_task(r, "Kill", "{\"id\":\"%s\",\"signal\":15,\"all\":true}", id));
	assert_int_equal(rig_task_wait(r, id, "e"), 143);
	assert_done(r, rig_task_exec(r, id, "go", "echo >/tmp/go", NULL)); /* until there is a reader */
	assert_done(r, rig_task(r, "Start", "{\"id\":\"%s\",\"exec_id\":\"go\"}", id));
	assert_int_equal(rig_task_wait(r, id, ""), 0);
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
}

/* --- the rest -------------------------------------------------------------------------------- */

static void questions(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { .args = "[\"sleep\",\"1000\"]" };
	const char *id = rig_id(r);
	struct arena a;

	assert_done(r, rig_task(r, "Connect", "{\"id\":\"nobody\"}"));
	assert_output(r, "\"task_pid\":0");
	assert_done(r, rig_task_run(r, id, &what));
	assert_done(r, rig_task(r, "Connect", "{\"id\":\"%s\"}", id));
	assert_null(strstr(r->reply, "\"task_pid\":0"));
	assert_rc(r, rig_task(r, "Checkpoint", "{\"id\":\"%s\"}", id), RC_UNIMPLEMENTED, "CRIU");
	assert_done(r, rig_task(r, "ResizePty", "{\"id\":\"%s\",\"width\":80,\"height\":24}", id));
	assert_done(r, rig_task(r, "CloseIO", "{\"id\":\"%s\",\"stdin\":true}", id));
	assert_done(r, rig_task(r, "Shutdown", "{\"id\":\"%s\",\"now\":true}", id));
	assert_done(r, rig_task(r, "Stats", "{\"id\":\"%s\"}", id));
	assert_output(r, "\"type_url\":\"io.containerd.cgroups.v2.Metrics\"");
	arena_init(&a, 1 << 16);
	/* this machine may not have the controller */
	assert_rc(r, rig_task(r, "Update", "{\"id\":\"%s\",\"resources\":%s}", id,
			      rig_any(&a, "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources",
				      NULL, "{\"pids\":{\"limit\":77}}")),
		  r->kind == RIG_VM ? RC_OK : RC_FAILED_PRECONDITION,
		  r->kind == RIG_VM ? "" : "pids.max");
	assert_rc(r, rig_task(r, "Update", "{\"id\":\"%s\",\"resources\":%s}", id,
			      rig_any(&a, "LinuxResources", NULL, "{\"pids\":{\"limit\":\"x\"}}")),
		  RC_INVALID_ARGUMENT, "pids");
	assert_rc(r, rig_task(r, "Update", "{\"id\":\"%s\",\"resources\":%s}", id,
			      rig_any(&a, "Other", NULL, "{}")),
		  RC_INVALID_ARGUMENT, "resources");
	arena_fini(&a);
	assert_done(r, rig_task(r, "Kill", "{\"id\":\"%s\",\"signal\":9}", id));
	assert_int_equal(rig_task_wait(r, id, ""), 137);
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
}

/* Each is refused, and nothing is left: the same id can be had afterwards. */
static void refusals(void **state UNUSED)
{
	static const struct {
		struct rig_task what;
		int rc;
		const char *part;
	} rows[] = {
		{ { .args = "7" }, RC_INVALID_ARGUMENT, "process.args" },
		{ { .args = "[\"/nowhere\"]" }, RC_NOT_FOUND, "/nowhere" },
		{ { .in = "/run/fifo" }, RC_INVALID_ARGUMENT, "stdin" },
		{ { .out = "stream://" }, RC_INVALID_ARGUMENT, "stdout" },
		{ { .out = "file:///x" }, RC_INVALID_ARGUMENT, "stdout" },
		{ { .out = "stream://same", .err = "stream://same" }, RC_ALREADY_EXISTS, "same" },
		{ { .err = "stream://e", .terminal = true }, RC_INVALID_ARGUMENT, "stderr" },
		{ { .request = ",\"checkpoint\":\"/x\"" }, RC_UNIMPLEMENTED, "checkpoint" },
		{ { .request = ",\"rootfs\":[{\"type\":\"nfs\"}]" }, RC_INVALID_ARGUMENT, "nfs" },
		{ { .request = ",\"rootfs\":[{},{}]" }, RC_INVALID_ARGUMENT, "rootfs" },
		{ { .options = ",\"devices\":[{\"type\":\"none\"}]" }, RC_INVALID_ARGUMENT, "devices" },
	};
	struct rig *r = cases_rig;
	struct rig_task usual = { .args = "[\"true\"]" };
	const char *id = rig_id(r);

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_rc(r, rig_task_create(r, id, &rows[i].what), rows[i].rc, rows[i].part);
		assert_rc(r, rig_task(r, "State", "{\"id\":\"%s\"}", id), RC_NOT_FOUND, id);
	}
	assert_rc(r, rig_task(r, "Create", "{\"id\":\"%s\",\"bundle\":\"/nowhere\"}", id), RC_NOT_FOUND,
		  "/nowhere");
	assert_rc(r, rig_task(r, "Create", "{\"id\":\"%s\",\"bundle\":\"run/x\"}", id),
		  RC_INVALID_ARGUMENT, "bundle");
	assert_rc(r, rig_task(r, "Create", "{\"id\":\"%s\",\"bundle\":\"/run/../etc\"}", id),
		  RC_INVALID_ARGUMENT, "bundle");
	assert_rc(r, rig_task(r, "Create", "{\"id\":\"%s\"}", id), RC_INVALID_ARGUMENT, "bundle");
	assert_rc(r, rig_task(r, "Create", "{\"id\":\"../x\",\"bundle\":\"/run\"}"), RC_NOT_FOUND,
		  "config.json");
	assert_done(r, rig_task_run(r, id, &usual));
	assert_int_equal(rig_task_wait(r, id, ""), 0);
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
}

/* What Kata's calls have made is no task, and a task is a container like any other. */
static void two_fronts(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_container kata = { .args = "[\"sleep\",\"1000\"]" };
	struct rig_task what = { .args = "[\"sleep\",\"1000\"]" };
	const char *id = rig_id(r), *other = rig_id(r);

	assert_done(r, rig_run(r, id, &kata));
	assert_rc(r, rig_task(r, "State", "{\"id\":\"%s\"}", id), RC_NOT_FOUND, id);
	assert_rc(r, rig_task_create(r, id, &what), RC_ALREADY_EXISTS, id);
	assert_done(r, rig_remove(r, id));
	assert_done(r, rig_task_run(r, other, &what));
	assert_done(r, rig_remove(r, other));
	assert_rc(r, rig_task(r, "State", "{\"id\":\"%s\"}", other), RC_NOT_FOUND, other);
}

const struct CMUnitTest cases_task[] = {
	cmocka_unit_test(life),
	cmocka_unit_test(life_v3),
	cmocka_unit_test(created_and_killed),
	cmocka_unit_test(created_and_deleted),
	cmocka_unit_test(running_is_not_deleted),
	cmocka_unit_test(execs),
	cmocka_unit_test(exec_fails),
	cmocka_unit_test(first_exits_last),
	cmocka_unit_test(pids),
	cmocka_unit_test(questions),
	cmocka_unit_test(refusals),
	cmocka_unit_test(two_fronts),
	{ 0 },
};
