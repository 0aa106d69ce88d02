/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits as the guest's kernel keeps them, on whichever version of the control groups the VM was
 * booted with. What the files say is read by a container that sees the guest's hierarchy.
 */
#include "base/clock.h"
#include "lib/cases.h"

#define GROUP "/mote-test/limited"
#define LIMIT_MS 60000 /* against hangs only: for a counter to grow */

/* The same thing in both versions: the file below /groups, and what it says; NULL: none. */
struct value {
	const char *v2, *v2_value;
	const char *v1, *v1_value;
};

static bool is_v1(struct rig *r)
{
	assert_int_equal(rig_guest(r, "test -d /groups/memory && echo 1 || echo 2"), 0);
	return r->reply[0] == '1';
}

static void check_values(struct rig *r, const struct value *v, size_t n)
{
	bool v1 = is_v1(r);
	char script[256];

	for (size_t i = 0; i < n; i++) {
		const char *want = v1 ? v[i].v1_value : v[i].v2_value;

		if (!want)
			continue;
		snprintf(script, sizeof(script), "cat /groups" GROUP "/%s", v[i].v2);
		if (v1) /* "memory/FILE": the hierarchy, then the group, then the file */
			snprintf(script, sizeof(script), "cat /groups/%.*s%s%s",
				 (int)strcspn(v[i].v1, "/"), v[i].v1, GROUP, strchr(v[i].v1, '/'));
		assert_int_equal(rig_guest(r, script), 0);
		if (strcmp(r->reply, want) != 0)
			fail_msg("%s: %s, not %s", script, r->reply, want);
	}
}

static void run_limited(struct rig *r, const char *args, const char *resources)
{
	char linux[512];
	struct rig_container what = { .args = args, .linux = linux };

	snprintf(linux, sizeof(linux), ",\"CgroupsPath\":\"" GROUP "\",\"Resources\":{%s}",
		 resources);
	assert_done(r, rig_run(r, "limited", &what));
}

/* One that lives beside the limited one, and says so. */
static void start_neighbour(struct rig *r)
{
	struct rig_container what = { .args = "[\"cat\"]" };

	assert_done(r, rig_run(r, "neighbour", &what));
}

static void end_neighbour(struct rig *r)
{
	assert_done(r, rig_exec(r, "neighbour", "e", "exit 8"));
	assert_int_equal(rig_wait(r, "neighbour", "e"), 8);
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	assert_done(r, rig_remove(r, "neighbour"));
}

static void values_are_set(void **state)
{
	static const struct value want[] = {
		{ "memory.max", "33554432\n", "memory/memory.limit_in_bytes", "33554432\n" },
		{ "memory.low", "16777216\n", NULL, NULL }, /* version 1: without effect in the kernel */
		{ "pids.max", "20\n", "pids/pids.max", "20\n" },
		{ "cpu.max", "25000 50000\n", "cpu/cpu.cfs_quota_us", "25000\n" },
		{ "cpu.weight", "59\n", "cpu/cpu.shares", "512\n" },
		{ "cpuset.cpus", "0\n", "cpuset/cpuset.cpus", "0\n" },
	};
	struct rig *r = cases_rig;

	(void)state;
	run_limited(r, "[\"cat\"]",
		    "\"Memory\":{\"Limit\":33554432,\"Reservation\":16777216},\"Pids\":{\"Limit\":20},"
		    "\"CPU\":{\"Shares\":512,\"Quota\":25000,\"Period\":50000,\"Cpus\":\"0\"}");
	check_values(r, want, COUNT_OF(want));
	assert_done(r, rig_remove(r, "limited"));
	assert_int_equal(rig_guest(r, "ls -d /groups/mote-test/limited /groups/*/mote-test/limited"),
			 1);
}

/* Until the counter `name` of the group's file is not 0. */
static bool counter_grows(struct rig *r, const char *controller, const char *file, const char *name)
{
	bool v1 = is_v1(r);
	char script[256];
	unsigned long n = 0;

	snprintf(script, sizeof(script), "sed -n 's/^%s //p' /groups%s%s" GROUP "/%s", name,
		 v1 ? "/" : "", v1 ? controller : "", file);
	for (uint64_t end = clock_after(LIMIT_MS); !n && clock_ms() < end;) {
		assert_int_equal(rig_guest(r, script), 0);
		n = strtoul(r->reply, NULL, 10);
	}
	return n > 0;
}

/* tail keeps what it has not seen the end of. */
static void too_much_memory(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	start_neighbour(r);
	run_limited(r, "[\"tail\",\"/dev/zero\"]", "\"Memory\":{\"Limit\":16777216}");
	assert_int_equal(rig_wait(r, "limited", ""), 137);
	assert_done(r, rig_remove(r, "limited"));
	end_neighbour(r);
}

/* The container's first process only lights it: a shell that is refused a fork ends. */
static void fork_bomb(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	start_neighbour(r);
	run_limited(r, "[\"sh\",\"-c\",\"b() { b & b & wait; }; b 2>/dev/null & exec cat\"]",
		    "\"Pids\":{\"Limit\":30}");
	assert_true(counter_grows(r, "pids", "pids.events", "max"));
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	assert_done(r, rig_call(r, "SignalProcess",
				"{\"container_id\":\"limited\",\"signal\":9}"));
	assert_int_equal(rig_wait(r, "limited", ""), 137);
	assert_done(r, rig_remove(r, "limited"));
	end_neighbour(r);
}

/* A tenth of a processor: who wants all of it is held back. */
static void too_much_cpu(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	start_neighbour(r);
	run_limited(r, "[\"sh\",\"-c\",\"while :; do :; done\"]",
		    "\"CPU\":{\"Quota\":5000,\"Period\":50000}");
	assert_true(counter_grows(r, "cpu", "cpu.stat", "nr_throttled"));
	assert_done(r, rig_remove(r, "limited"));
	end_neighbour(r);
}

/* A limit that the kernel does not take is an error, and nothing is left of the container. */
static void impossible_limit(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = {
		.linux = ",\"CgroupsPath\":\"" GROUP "\",\"Resources\":{\"CPU\":{\"Cpus\":\"7777\"}}"
	};

	(void)state;
	assert_true(rig_create(r, "limited", &what) != RC_OK);
	if (!strstr(r->err.msg, "limited"))
		fail_msg("%s", r->err.msg);
	assert_int_equal(rig_guest(r, "ls -d /groups/mote-test/limited /groups/*/mote-test/limited"),
			 1);
}

/* What the container sees of the hierarchy is its own group, and read-only. */
static void own_view(void **state)
{
	struct rig *r = cases_rig;
	bool v1 = is_v1(r);

	(void)state;
	run_limited(r, v1 ? "[\"sh\",\"-c\",\"cat /sys/fs/cgroup/memory/memory.limit_in_bytes;"
			    "cat /sys/fs/cgroup/pids/cgroup.procs; mkdir /sys/fs/cgroup/pids/x 2>/dev/null || echo no;"
			    "mkdir /sys/fs/cgroup/x 2>/dev/null || echo no\"]" :
			    "[\"sh\",\"-c\",\"cat /sys/fs/cgroup/memory.max;"
			    "cat /sys/fs/cgroup/cgroup.procs; mkdir /sys/fs/cgroup/x 2>/dev/null || echo no; echo no\"]",
		    "\"Memory\":{\"Limit\":33554432}");
	assert_true(rig_read(r, "ReadStdout", "limited", "") > 0);
	/* the shell and the cat that reads */
	assert_int_equal(strncmp(r->reply, "33554432\n1\n", 11), 0);
	assert_output(r, "\nno\nno\n");
	assert_int_equal(rig_wait(r, "limited", ""), 0);
	assert_done(r, rig_remove(r, "limited"));
}

#define UPDATES	8

/* Calls that are not waited for take place in their order: the last one's values hold. */
static void updates_in_their_order(void **state)
{
	static const struct value want[] = {
		{ "pids.max", "107\n", "pids/pids.max", "107\n" },
		{ "memory.max", "41943040\n", "memory/memory.limit_in_bytes", "41943040\n" },
	};
	static struct rig_pending pending[UPDATES];
	struct rig *r = cases_rig;

	(void)state;
	run_limited(r, "[\"cat\"]", "\"Pids\":{\"Limit\":20}");
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < UPDATES; i++)
			rig_send(r, r->client, RIG_CALL_MS, &pending[i], "UpdateContainer",
				 "{\"container_id\":\"limited\",\"resources\":{\"Pids\":{\"Limit\":%d},"
				 "\"Memory\":{\"Limit\":%d}}}",
				 100 + i, (33 + i) << 20);
		for (int i = 0; i < UPDATES; i++)
			assert_done(r, rig_await(r, &pending[i]));
		check_values(r, want, COUNT_OF(want));
	}
	assert_done(r, rig_remove(r, "limited"));
}

/* Of a case that failed. */
static int clear(void **state)
{
	(void)state;
	rig_remove(cases_rig, "limited");
	rig_remove(cases_rig, "neighbour");
	return 0;
}

#define CASE(f) cmocka_unit_test_teardown(f, clear)

const struct CMUnitTest cases_limits[] = {
	CASE(values_are_set),
	CASE(too_much_memory),
	CASE(fork_bomb),
	CASE(too_much_cpu),
	CASE(impossible_limit),
	CASE(own_view),
	CASE(updates_in_their_order),
	{ 0 },
};
