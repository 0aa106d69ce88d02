/* SPDX-License-Identifier: Apache-2.0 */
/* A container's control group: limits, devices, pause, counters, out of memory, groups of its own.
 * In each version that this machine has. */
#include "lib/container_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/str.h"
#include "container/stats.h"

static bool v1(void)
{
	return host.cgroups && host.cgroups->version == CGROUP_VERSION_1;
}

static bool has(unsigned int controllers)
{
	return host.cgroups && (host.cgroups->controllers & controllers) == controllers;
}

static bool can_freeze(void)
{
	return host.cgroups && (!v1() || has(CGROUP_FREEZER));
}

static void must(const struct told *t)
{
	if (err_is_set(&t->e))
		fail_msg("%s", t->e.msg);
}

static struct spec_resources *resources(struct container *c)
{
	c->spec->linux.resources = spec_resources_new(&c->arena);
	assert_non_null(c->spec->linux.resources);
	return c->spec->linux.resources;
}

static void expect_file(const struct container *c, unsigned int controller, const char *file,
			const char *want)
{
	AUTO_FD fd = cgroup_open(host.cgroups, c->cgroup_path, v1() ? controller : 0);
	char text[64];

	assert_true(fd >= 0);
	assert_true(io_read_line(fd, file, text, sizeof(text)) >= 0);
	assert_string_equal(text, want);
}

/* --- limits --- */

static void limits_are_set(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct spec_resources r = { 0 };
	struct told t = { 0 };

	resources(c)->limits.pids = 20;
	create(c);
	expect_file(c, CGROUP_PIDS, "pids.max", "20");
	start(c);
	cgroup_limits_init(&r.limits);
	r.limits.pids = 30;
	container_update(c, &r, CLOCK_NEVER, told_fn, &t);
	turn_until(&t.yes);
	must(&t);
	expect_file(c, CGROUP_PIDS, "pids.max", "30");
	drop(c);
}

/* Limits that are under way when their container is removed: the next one may have its group. */
static void removed_while_limits_are_set(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct told told[64] = { 0 }, *last = &told[63];
	struct spec_resources r = { 0 };

	cgroup_limits_init(&r.limits);
	r.limits.pids = 30;
	create(c);
	for (struct told *t = told; t <= last; t++)
		container_update(c, &r, CLOCK_NEVER, told_fn, t);
	drop(c);
	assert_true(last->yes);
	assert_int_equal(last->e.rc, RC_FAILED_PRECONDITION);
}

/* What no file holds is refused, and nothing is left of the container. */
static void limit_without_file(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	static struct cgroup_hugepage pages = { "3MB", 1 };
	struct err e;

	resources(c)->limits.hugepages = &pages;
	c->spec->linux.resources->limits.n_hugepages = 1;
	e = create_fails(c);
	assert_int_equal(e.rc, RC_FAILED_PRECONDITION);
	assert_contains(e.msg, "hugetlb.3MB");
	assert_int_equal(cgroup_open(host.cgroups, group_of("c1"), 0), -ENOENT);
}

/* What only a config.json says. A burst is set beside its quota, idle instead of shares. */
static void config_json_limits(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct cgroup_limits *l = &resources(c)->limits;
	static struct cgroup_unified unified[] = { { "memory.high", "50331648" },
						   { "cpu.weight.nice", "5" } };
	struct spec_resources idle = { 0 };
	struct told t = { 0 };

	l->cpu_period = 50000;
	l->cpu_quota = 20000;
	l->cpu_burst = 10000;
	if (!v1()) {
		l->unified = unified;
		l->n_unified = COUNT_OF(unified);
	}
	create(c);
	start(c);
	expect_file(c, CGROUP_CPU, v1() ? "cpu.cfs_burst_us" : "cpu.max.burst", "10000");
	if (!v1()) {
		expect_file(c, 0, "memory.high", "50331648");
		expect_file(c, 0, "cpu.weight.nice", "5");
	}
	cgroup_limits_init(&idle.limits);
	idle.limits.cpu_idle = 1;
	container_update(c, &idle, CLOCK_NEVER, told_fn, &t);
	turn_until(&t.yes);
	must(&t);
	expect_file(c, CGROUP_CPU, "cpu.idle", "1");
	drop(c);
}

/* The kernel knows the key of neither a file nor a device: the text says which. */
static void names_unknown_to_the_kernel(void **state UNUSED)
{
	static struct cgroup_unified unified = { "memory.no_such", "1" };
	static struct cgroup_rdma rdma = { "mlx5_0", 3, CGROUP_UNSET };
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e;

	resources(c)->limits.unified = &unified;
	c->spec->linux.resources->limits.n_unified = 1;
	e = create_fails(c);
	assert_contains(e.msg, v1() ? "unified" : "memory.no_such");

	c = SHELL("c1", "sleep 1000");
	resources(c)->limits.rdma = &rdma;
	c->spec->linux.resources->limits.n_rdma = 1;
	e = create_fails(c);
	assert_contains(e.msg, "rdma.max");
	assert_contains(e.msg, "mlx5_0");
	assert_int_equal(cgroup_open(host.cgroups, group_of("c1"), 0), -ENOENT);
}

static void usage_is_checked(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct spec_resources r = { 0 };
	struct told t = { 0 };

	create(c);
	start(c);
	cgroup_limits_init(&r.limits);
	r.limits.memory = 4096;
	r.limits.check_usage = true;
	container_update(c, &r, CLOCK_NEVER, told_fn, &t);
	turn_until(&t.yes);
	assert_int_equal(t.e.rc, RC_FAILED_PRECONDITION);
	assert_contains(t.e.msg, "in use");
	drop(c);
}

/* --- devices --- */

/* loop0's number, of a node that the container makes itself. */
#define OPEN_LOOP "mknod /tmp/loop b 7 0 && { true </tmp/loop; } 2>&1; rm /tmp/loop; "

/* Does this kernel let the rules be set at all? */
static bool has_devices(void)
{
	struct err e = { 0 };
	bool yes = false;

	if (!host.cgroups)
		return false;
	if (v1())
		return has(CGROUP_DEVICES);
	if (cgroup_create(host.cgroups, group_of("probe"), &e) == 0)
		yes = cgroup_devices_set(host.cgroups, group_of("probe"), NULL, 0, 0, &e) == 0;
	cgroup_remove(host.cgroups, group_of("probe"));
	return yes;
}

static void devices_are_denied(void **state UNUSED)
{
	struct container *c =
		SHELL("c1", OPEN_LOOP "echo x >/dev/null && head -c 1 /dev/zero | wc -c");
	const char *out;

	out = output_of(c, 0);
	assert_contains(out, "Operation not permitted");
	assert_contains(out, "1\n");
}

static void devices_are_allowed(void **state UNUSED)
{
	static struct cgroup_device_rule rules[] = {
		{ false, 'a', -1, -1, CGROUP_DEV_ALL },
		{ true, 'b', 7, -1, CGROUP_DEV_READ },
	};
	struct container *c = SHELL("c1", OPEN_LOOP "echo end");
	const char *out;

	resources(c)->devices = rules;
	c->spec->linux.resources->n_devices = COUNT_OF(rules);
	out = output_of(c, 0);
	assert_null(strstr(out, "not permitted"));
	assert_contains(out, "end\n");
}

static void devices_change(void **state UNUSED)
{
	static struct cgroup_device_rule rules[] = { { true, 'b', 7, -1, CGROUP_DEV_READ } };
	static struct cgroup_device_rule none[] = { { false, 'a', -1, -1, CGROUP_DEV_ALL } };
	struct container *c = SHELL("c1", "while read x; do " OPEN_LOOP "echo $x; done");
	struct spec_resources r = { .devices = rules, .n_devices = 1 };
	static const char *const words[] = { "first\n", "second\n", "third\n" };
	struct err e = { 0 };

	cgroup_limits_init(&r.limits);
	create(c);
	start(c);
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		struct told t = { 0 };
		struct process *p = EXEC(c,
					 words[i][0] == 'f'   ? "a"
					 : words[i][0] == 's' ? "b"
							      : "d",
					 &e, "/bin/sh", "-c", OPEN_LOOP "echo end");
		const char *out;

		if (!p)
			fail_msg("%s", e.msg);
		out = read_all(p, STREAMS_OUT);
		assert_contains(out, "end\n");
		assert_int_equal(strstr(out, "not permitted") != NULL, i != 1);
		r.devices = i ? none : rules;
		container_update(c, &r, CLOCK_NEVER, told_fn, &t);
		turn_until(&t.yes);
		must(&t);
	}
	drop(c);
}

/* --- pause --- */

static struct told pause_now(struct container *c)
{
	struct told t = { 0 };

	container_pause(c, clock_after(20000), told_fn, &t);
	turn_until(&t.yes);
	return t;
}

static struct told resume_now(struct container *c)
{
	struct told t = { 0 };

	container_resume(c, clock_after(20000), told_fn, &t);
	turn_until(&t.yes);
	return t;
}

static void pause_and_resume(void **state UNUSED)
{
	struct container *c = SHELL("c1", "while true; do sleep 0.01; done");
	struct err e = { 0 };
	struct told t;

	create(c);
	start(c);
	t = pause_now(c);
	must(&t);
	assert_int_equal(c->state, CONTAINER_PAUSED);
	assert_int_equal(cgroup_frozen(host.cgroups, c->cgroup_path), 1);
	assert_int_equal(pause_now(c).e.rc, RC_FAILED_PRECONDITION);
	assert_null(EXEC(c, "e", &e, "true"));
	assert_int_equal(e.rc, RC_FAILED_PRECONDITION);
	assert_contains(e.msg, "is paused: cannot exec");
	t = resume_now(c);
	must(&t);
	assert_int_equal(c->state, CONTAINER_RUNNING);
	assert_int_equal(cgroup_frozen(host.cgroups, c->cgroup_path), 0);
	assert_int_equal(resume_now(c).e.rc, RC_FAILED_PRECONDITION);
	t = pause_now(c);
	must(&t);
	drop(c); /* also frozen */
}

/* One that was not started yet goes on to be startable. */
static void pause_before_the_start(void **state UNUSED)
{
	struct container *c = SHELL("c1", "echo ran");
	struct told t;

	create(c);
	t = pause_now(c);
	must(&t);
	t = resume_now(c);
	must(&t);
	assert_int_equal(c->state, CONTAINER_CREATED);
	start(c);
	assert_string_equal(read_all(c->init, STREAMS_OUT), "ran\n");
	drop(c);
}

/* What is not done in time is undone, also when the kernel was ready before we looked. */
static void pause_too_late(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	uint64_t end = clock_after(20000);
	struct told t = { 0 };

	create(c);
	start(c);
	container_pause(c, 0, told_fn, &t);
	while (cgroup_frozen(host.cgroups, c->cgroup_path) != 1 && clock_ms() < end)
		sched_yield();
	assert_false(t.yes);
	turn_until(&t.yes);
	assert_int_equal(t.e.rc, RC_DEADLINE_EXCEEDED);
	assert_int_equal(c->state, CONTAINER_RUNNING);
	assert_true(cgroup_frozen(host.cgroups, c->cgroup_path) != 1);
	drop(c);
}

static void kill_paused(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e = { 0 };
	struct told t;

	create(c);
	start(c);
	t = pause_now(c);
	must(&t);
	assert_int_equal(container_kill_all(c, &e), 0);
	assert_int_equal(wait_exit(c->init), 128 + 9);
	assert_int_equal(c->state, CONTAINER_STOPPED);
	drop(c);
}

static void signal_paused(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e = { 0 };
	struct told t;

	create(c);
	start(c);
	t = pause_now(c);
	must(&t);
	assert_int_equal(process_signal(c->init, 9, &e), 0);
	assert_int_equal(wait_exit(c->init), 128 + 9);
	drop(c);
}

/* The end comes between: both callers are told. */
static void remove_while_pausing(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct told t = { 0 };

	create(c);
	start(c);
	container_pause(c, clock_after(20000), told_fn, &t);
	drop(c);
	assert_true(t.yes);
	assert_int_equal(t.e.rc, RC_FAILED_PRECONDITION);
}

/* --- counters --- */

struct counted {
	bool yes;
	struct err e;
	uint64_t cpu, memory, pids, keys, links;
};

static void on_stats(void *owner, const struct err *e, const struct container_stats *s)
{
	struct counted *n = owner;

	*n = (struct counted){ true,
			       *e,
			       s->cgroup.cpu_total,
			       s->cgroup.memory.usage,
			       s->cgroup.pids,
			       s->cgroup.n_memory_stat,
			       s->n_links };
}

static void counters(void **state UNUSED)
{
	struct container *c =
		SHELL("c1", "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; echo over; "
			    "sleep 1000 & sleep 1000 & wait");
	struct counted n = { 0 };

	container_stats(c, CLOCK_NEVER, on_stats, &n);
	assert_int_equal(n.e.rc, RC_FAILED_PRECONDITION);
	create(c);
	start(c);
	n.yes = false;
	/* as long as it takes to make them */
	for (uint64_t end = clock_after(20000); n.pids != 3 && clock_ms() < end;) {
		n.yes = false;
		container_stats(c, CLOCK_NEVER, on_stats, &n);
		turn_until(&n.yes);
		if (err_is_set(&n.e))
			fail_msg("%s", n.e.msg);
		if (!has(CGROUP_PIDS))
			break;
	}
	if (has(CGROUP_PIDS))
		assert_int_equal(n.pids, 3);
	if (has(CGROUP_CPUACCT) || !v1())
		assert_true(n.cpu > 0);
	if (has(CGROUP_MEMORY))
		assert_true(n.memory > 0 && n.keys > 10);
	drop(c);
}

/* The object may go before the job is back. */
static void counters_of_one_that_goes(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct counted n = { 0 };

	create(c);
	start(c);
	container_stats(c, CLOCK_NEVER, on_stats, &n);
	drop(c);
	turn_until(&n.yes);
}

/* --- out of memory --- */

static size_t ooms;

static void on_oom(void *arg, const char *id)
{
	assert_null(arg);
	assert_string_equal(id, "c1");
	ooms++;
}

static void out_of_memory(void **state UNUSED)
{
	struct container *c = SHELL("c1", "tail /dev/zero; echo over");

	ooms = 0;
	host.oom = on_oom;
	resources(c)->limits.memory = 16 << 20;
	c->spec->linux.resources->limits.swap = 16 << 20;
	create(c);
	start(c);
	assert_string_equal(read_all(c->init, STREAMS_OUT), "over\n");
	assert_int_equal(wait_exit(c->init), 0);
	drop(c);
	host.oom = NULL;
	assert_true(ooms >= 1);
}

/* --- groups of its own --- */

static void mount_groups(struct container *c)
{
	static const char *const rw[] = { "rw", NULL };

	c->spec->mounts[c->spec->n_mounts++] = (struct spec_mount){
		.destination = "/groups",
		.source = "cgroup",
		.type = "cgroup",
		.options = strings(&c->arena, rw),
	};
	c->spec->linux.ns[NS_CGROUP].want = true;
}

static void on_made(struct streams_reader *r, const void *data, size_t len, const struct err *e)
{
	struct told *t = r->owner;

	assert_false(err_is_set(e));
	assert_int_equal(len, 5);
	assert_memory_equal(data, "made\n", 5);
	t->yes = true;
}

/* The container moves into groups that it makes; all of them and what lives in them go with it. */
static void own_groups(void **state UNUSED)
{
	struct container *c = SHELL(
		"c1",
		"for g in /groups/cgroup.procs /groups/*/cgroup.procs; do [ -e $g ] || continue; "
		"case $g in */cpuset/*) continue;; esac; " /* new ones are empty there */
		"d=${g%/cgroup.procs}/own; mkdir -p $d/a/b/c $d/d/e || exit 1; "
		"echo $$ >$d/a/b/c/cgroup.procs || exit 2; done; "
		"sleep 1000 & echo made; wait");
	struct streams_reader r;
	struct told got = { 0 };
	struct err e = { 0 };
	pid_t pids[4];

	mount_groups(c);
	create(c);
	start(c);
	streams_read(&c->init->streams, STREAMS_OUT, &r, 64, on_made, &got);
	turn_until(&got.yes);
	assert_int_equal(cgroup_pids(host.cgroups, c->cgroup_path, 0, pids, 4), 0);
	assert_int_equal(cgroup_pids(host.cgroups, c->cgroup_path, CGROUP_RECURSIVE, pids, 4), 2);
	assert_int_equal(container_kill_all(c, &e), 0);
	assert_int_equal(wait_exit(c->init), 128 + 9);
	drop(c);
	assert_int_equal(cgroup_open(host.cgroups, group_of("c1"), 0), -ENOENT);
}

static bool has_pids(void)
{
	return has(CGROUP_PIDS);
}

static bool has_all_of_them(void)
{
	return has(CGROUP_CPU | CGROUP_MEMORY | CGROUP_RDMA);
}

static bool has_memory(void)
{
	return has(CGROUP_MEMORY);
}

/* What a case needs. A host need not have it: cases_inside.c runs this program in guests that do. */
static const struct {
	struct CMUnitTest test;
	bool (*needs)(void);	/* NULL: any cgroups */
} rows[] = {
	{ TEST(limits_are_set), has_pids },
	{ TEST(removed_while_limits_are_set), has_pids },
	{ TEST(limit_without_file), NULL },
	{ TEST(config_json_limits), has_all_of_them },
	{ TEST(names_unknown_to_the_kernel), has_all_of_them },
	{ TEST(usage_is_checked), has_memory },
	{ TEST(devices_are_denied), has_devices },
	{ TEST(devices_are_allowed), has_devices },
	{ TEST(devices_change), has_devices },
	{ TEST(pause_and_resume), can_freeze },
	{ TEST(pause_before_the_start), can_freeze },
	{ TEST(pause_too_late), can_freeze },
	{ TEST(kill_paused), can_freeze },
	{ TEST(signal_paused), can_freeze },
	{ TEST(remove_while_pausing), can_freeze },
	{ TEST(counters), NULL },
	{ TEST(counters_of_one_that_goes), NULL },
	{ TEST(out_of_memory), has_memory },
	{ TEST(own_groups), NULL },
};

int main(void)
{
	struct CMUnitTest tests[COUNT_OF(rows)];
	int failed = 0;

	if (getenv("MOTE_ONLY"))
		cmocka_set_test_filter(getenv("MOTE_ONLY"));
	for (int version = 1; version <= 2; version++) {
		size_t n = 0;

		if (!fixture_cgroups(version))
			continue;
		for (size_t i = 0; i < COUNT_OF(rows); i++)
			if (!rows[i].needs || rows[i].needs())
				tests[n++] = rows[i].test;
		failed += _cmocka_run_group_tests(version == 1 ? "cgroup version 1" :
								 "cgroup version 2",
						  tests, n, fixture_group_setup,
						  fixture_group_teardown);
	}
	return failed;
}
