/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox, and containers from their create to their remove. */
#include "lib/cases.h"

static void health(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, rig_call(r, "grpc.Health/Check", "{\"service\":\"anything\"}"));
	assert_string_equal(r->reply, "{\"status\":\"SERVING\"}");
	assert_done(r, rig_call(r, "grpc.Health/Version", "{}"));
	assert_output(r, "\"grpc_version\":\"0.0.1\"");
	assert_output(r, "\"agent_version\":\"" MOTE_VERSION "\"");
}

/* Hosts send network and health calls before there is a sandbox; containers without one work too.
 */
static void sandbox_once(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(
		r,
		rig_call(
			r, "CreateSandbox",
			"{\"hostname\":\"pod-host\",\"sandbox_id\":\"pod\",\"dns\":[\"nameserver 192.0.2.1\"],"
			"\"storages\":[{\"driver\":\"ephemeral\",\"source\":\"shm\",\"fstype\":\"tmpfs\","
			"\"mount_point\":\"/run/kata-containers/sandbox/shm\",\"options\":[\"nosuid\",\"mode=1777\",\"size=1m\"]}]}"));
	assert_rc(r, rig_call(r, "CreateSandbox", "{}"), RC_FAILED_PRECONDITION, "exists already");
	assert_int_equal(rig_shell(r, "hostname"), 0);
	assert_string_equal(r->reply, "pod-host\n");
}

static void guest_details(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, rig_call(r, "GetGuestDetails",
				"{\"mem_block_size\":true,\"mem_hotplug_probe\":true}"));
	assert_output(r, "\"supports_seccomp\":true");
	assert_output(r, "\"storage_handlers\":[");
	assert_output(r, "\"virtio-fs\"");
	assert_output(r, r->kind == RIG_VM ? "\"init_daemon\":true" : "\"init_daemon\":false");
}

static void runs_and_ends(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_int_equal(rig_shell(r, "echo hello; exit 7"), 7);
	assert_string_equal(r->reply, "hello\n");
	assert_int_equal(rig_shell(r, "sh -c 'kill -TERM $$'; exit $?"), 143);
	assert_int_equal(rig_shell(r, "kill -KILL 1; echo survives"), 0);
	assert_string_equal(r->reply, "survives\n");
}

/* A container is not started by its create, and only once by its start. */
static void create_then_start(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sh\",\"-c\",\"read x; exit 3\"]" };

	(void)state;
	assert_done(r, rig_create(r, id, &what));
	assert_rc(r, rig_create(r, id, &what), RC_ALREADY_EXISTS, "exists already");
	assert_rc(r, rig_exec(r, id, "e", "true"), RC_FAILED_PRECONDITION, id);
	assert_done(r, rig_call(r, "StartContainer", "{\"container_id\":\"%s\"}", id));
	assert_rc(r, rig_call(r, "StartContainer", "{\"container_id\":\"%s\"}", id),
		  RC_FAILED_PRECONDITION, id);
	assert_done(r, rig_call(r, "CloseStdin", "{\"container_id\":\"%s\",\"exec_id\":\"%s\"}", id,
				id));
	assert_int_equal(rig_wait(r, id, ""), 3);
	assert_done(r, rig_remove(r, id));
	assert_rc(r, rig_remove(r, id), RC_NOT_FOUND, id);
}

/* The same id is free again as soon as it is removed. */
static void one_after_another(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = { .args = "[\"true\"]" };

	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_done(r, rig_run(r, "again", &what));
		assert_int_equal(rig_wait(r, "again", "again"), 0);
		assert_done(r, rig_remove(r, "again"));
	}
}

static void remove_kills(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sh\",\"-c\",\"sleep 1000 & sleep 1000\"]" };

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_done(r, rig_exec(r, id, "e1", "sleep 1000"));
	assert_done(r,
		    rig_call(r, "RemoveContainer", "{\"container_id\":\"%s\",\"timeout\":10}", id));
	assert_rc(r, rig_wait(r, id, "") < 0 ? RC_INVALID_ARGUMENT : 0, RC_INVALID_ARGUMENT,
		  "InvalidContainerId");
}

/* A waiter that is parked when the container is removed gets the status. */
static void remove_wakes_waiters(void **state)
{
	struct rig *r = cases_rig;
	static struct rig_pending wait, read;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sleep\",\"1000\"]" };

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	rig_send(r, r->client, 0, &wait, "WaitProcess", "{\"container_id\":\"%s\"}", id);
	rig_send(r, r->client, 0, &read, "ReadStdout", "{\"container_id\":\"%s\",\"len\":100}", id);
	assert_done(r, rig_remove(r, id));
	assert_int_equal(rig_await(r, &wait), 0);
	assert_int_equal(rig_await(r, &read), 0);
	assert_int_equal(read.len, 0);
}

static void execs(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sleep\",\"1000\"]" };

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_done(r, rig_exec(r, id, "e1", "echo $$; cat /proc/1/comm; exit 5"));
	assert_rc(r, rig_exec(r, id, "e1", "true"), RC_ALREADY_EXISTS, "e1");
	assert_true(rig_read(r, "ReadStdout", id, "e1") > 0);
	assert_output(r, "sleep\n");
	assert_int_equal(rig_wait(r, id, "e1"), 5);
	assert_done(r, rig_exec(r, id, "e1", "exit 6"));
	assert_int_equal(rig_wait(r, id, "e1"), 6);
	assert_rc(r, rig_wait(r, id, "e2") < 0 ? (int)r->err.rc : 0, RC_NOT_FOUND, "InvalidExecId");
	assert_done(r, rig_remove(r, id));
}

static void signals(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"trap 'exit 9' USR1; echo ready; while :; do sleep 1; done\"]"
	};

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_done(r, rig_call(r, "ReadStdout", "{\"container_id\":\"%s\",\"len\":100}",
				id)); /* "ready": the trap is set */
	assert_done(r, rig_call(r, "SignalProcess", "{\"container_id\":\"%s\",\"signal\":10}", id));
	assert_int_equal(rig_wait(r, id, ""), 9);
	assert_done(r, rig_call(r, "SignalProcess", "{\"container_id\":\"%s\",\"signal\":15}",
				id)); /* gone already */
	assert_done(r, rig_remove(r, id));

	/* PID 1 of a namespace has no default action: SIGTERM would be lost. */
	id = rig_id(r);
	what.args = "[\"sleep\",\"1000\"]";
	assert_done(r, rig_run(r, id, &what));
	assert_done(r,
		    rig_call(r, "SignalProcess",
			     "{\"container_id\":\"%s\",\"exec_id\":\"%s\",\"signal\":15}", id, id));
	assert_int_equal(rig_wait(r, id, ""), 137);
	assert_done(r, rig_remove(r, id));
}

/* SIGKILL without an exec id is for everything in the container. */
static void kill_all(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sleep\",\"1000\"]" };

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_done(r, rig_exec(r, id, "e1", "sleep 1000"));
	assert_done(r, rig_call(r, "SignalProcess", "{\"container_id\":\"%s\",\"signal\":9}", id));
	assert_int_equal(rig_wait(r, id, "e1"), 137);
	assert_int_equal(rig_wait(r, id, id), 137);
	assert_done(r, rig_remove(r, id));
}

/* Two containers of a pod see the same shared memory objects and hostname; their process trees are
 * apart unless the pod shares them. */
static void shared_namespaces(void **state)
{
	struct rig *r = cases_rig;
	char first[32], second[32];
	struct rig_container what = { .args = "[\"sleep\",\"1000\"]" };

	(void)state;
	snprintf(first, sizeof(first), "%s", rig_id(r));
	snprintf(second, sizeof(second), "%s", rig_id(r));
	assert_done(r, rig_run(r, first, &what));
	assert_done(r, rig_run(r, second, &what));
	assert_done(
		r, rig_exec(r, first, "e",
			    "for n in ipc uts pid mnt cgroup; do readlink /proc/self/ns/$n; done"));
	assert_true(rig_read(r, "ReadStdout", first, "e") > 0);
	{
		char mine[512], *ipc, *uts;

		snprintf(mine, sizeof(mine), "%.*s", (int)MIN(r->reply_len, sizeof(mine) - 1),
			 r->reply);
		assert_done(
			r,
			rig_exec(
				r, second, "e",
				"for n in ipc uts pid mnt cgroup; do readlink /proc/self/ns/$n; done"));
		assert_true(rig_read(r, "ReadStdout", second, "e") > 0);
		ipc = strtok_r(mine, "\n", &uts);
		assert_non_null(strstr(r->reply, ipc));
		assert_non_null(strstr(r->reply, strtok_r(NULL, "\n", &uts)));
		assert_null(strstr(r->reply, strtok_r(NULL, "\n", &uts)));
		assert_null(strstr(r->reply, strtok_r(NULL, "\n", &uts)));
	}
	assert_done(r, rig_remove(r, first));
	assert_done(r, rig_remove(r, second));
}

const struct CMUnitTest cases_life[] = {
	cmocka_unit_test(health),
	cmocka_unit_test(sandbox_once),
	cmocka_unit_test(guest_details),
	cmocka_unit_test(runs_and_ends),
	cmocka_unit_test(create_then_start),
	cmocka_unit_test(one_after_another),
	cmocka_unit_test(remove_kills),
	cmocka_unit_test(remove_wakes_waiters),
	cmocka_unit_test(execs),
	cmocka_unit_test(signals),
	cmocka_unit_test(kill_all),
	cmocka_unit_test(shared_namespaces),
	{ 0 },
};
