/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/str.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_ops.h"

#define MIB	(1024 * 1024)

static const struct {
	struct cgroup_limits l;
	const char *v1, *v2;	/* "file=value;…", or "!word of the error" */
} rows[] = {
	{ .l = { .memory = 64 * MIB }, "memory.limit_in_bytes=67108864;", "memory.max=67108864;" },
	{ .l = { .memory = -1, .reservation = -1, .swap = -1 },
	  "memory.limit_in_bytes=-1;memory.soft_limit_in_bytes=-1;memory.memsw.limit_in_bytes=-1;",
	  "memory.max=max;memory.low=max;memory.swap.max=max;" },
	{ .l = { .memory = 64 * MIB, .swap = 96 * MIB },
	  "memory.limit_in_bytes=67108864;memory.memsw.limit_in_bytes=100663296;",
	  "memory.max=67108864;memory.swap.max=33554432;" },
	{ .l = { .memory = 64 * MIB, .swap = 64 * MIB },
	  "memory.limit_in_bytes=67108864;memory.memsw.limit_in_bytes=67108864;",
	  "memory.max=67108864;memory.swap.max=0;" },
	{ .l = { .swap = 64 * MIB },
	  "memory.memsw.limit_in_bytes=67108864;",
	  "!needs a memory limit" },
	{ .l = { .memory = 64 * MIB, .swap = 1 },
	  "memory.limit_in_bytes=67108864;memory.memsw.limit_in_bytes=1;",
	  "!below" },
	{ .l = { .cpu_shares = 1024 }, "cpu.shares=1024;", "cpu.weight=39;" },
	{ .l = { .cpu_shares = 2 }, "cpu.shares=2;", "cpu.weight=1;" },
	{ .l = { .cpu_shares = 1 }, "cpu.shares=2;", "cpu.weight=1;" },
	{ .l = { .cpu_shares = 262144 }, "cpu.shares=262144;", "cpu.weight=10000;" },
	{ .l = { .cpu_shares = INT64_MAX },
	  "cpu.shares=9223372036854775807;",
	  "cpu.weight=10000;" },
	{ .l = { .cpu_quota = 50000, .cpu_period = 100000 },
	  "cpu.cfs_period_us=100000;cpu.cfs_quota_us=50000;",
	  "cpu.max=50000 100000;" },
	{ .l = { .cpu_quota = 50000 }, "cpu.cfs_quota_us=50000;", "cpu.max=50000 100000;" },
	{ .l = { .cpu_quota = -1, .cpu_period = 20000 },
	  "cpu.cfs_period_us=20000;cpu.cfs_quota_us=-1;",
	  "cpu.max=max 20000;" },
	{ .l = { .cpu_period = 20000 }, "cpu.cfs_period_us=20000;", "cpu.max=max 20000;" },
	{ .l = { .cpu_period = -5 }, "!period", "!period" },
	{ .l = { .pids = 100 }, "pids.max=100;", "pids.max=100;" },
	{ .l = { .pids = -1 }, "pids.max=max;", "pids.max=max;" },
	{ .l = { .cpus = "0-1,3", .mems = "0" },
	  "cpuset.cpus=0-1,3;cpuset.mems=0;",
	  "cpuset.cpus=0-1,3;cpuset.mems=0;" },
	{ .l = { .cpus = "" }, "", "" },
};

static void check(enum cgroup_version version, size_t row, const char *want)
{
	struct cgroup_limits l = rows[row].l;
	struct cgroup_value values[CGROUP_VALUES];
	struct err e = { 0 };
	char text[512];
	struct str s = STR_OVER(text);
	size_t n;
	int r;

	if (l.pids == 0)
		l.pids = CGROUP_UNSET;	/* unlike the others 0 means something there */
	r = cgroup_limits_values(version, &l, values, &n, &e);
	if (*want == '!') {
		assert_int_equal(r, -1);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
		assert_non_null(strstr(e.msg, want + 1));
		return;
	}
	assert_int_equal(r, 0);
	assert_true(n <= CGROUP_VALUES);
	str_reset(&s);
	for (size_t i = 0; i < n; i++)
		str_addf(&s, "%s=%s;", values[i].file,
			 values[i].text ? values[i].text : values[i].value);
	assert_string_equal(text, want);
}

static void test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		check(CGROUP_VERSION_1, i, rows[i].v1);
		check(CGROUP_VERSION_2, i, rows[i].v2);
	}
}

static void test_nothing_given(void **state)
{
	struct cgroup_value values[CGROUP_VALUES];
	struct cgroup_limits l;
	struct err e = { 0 };
	size_t n = 7;

	(void)state;
	cgroup_limits_init(&l);
	assert_int_equal(cgroup_limits_values(CGROUP_VERSION_2, &l, values, &n, &e), 0);
	assert_int_equal(n, 0);
	/* Every limit at once fits. */
	l = (struct cgroup_limits){ 1 * MIB, 1, 2 * MIB, 2, 3, 4, 5, "0", "0" };
	assert_int_equal(cgroup_limits_values(CGROUP_VERSION_1, &l, values, &n, &e), 0);
	assert_int_equal(n, 9);
}

static void test_paths(void **state)
{
	static const struct {
		const char *in, *out;	/* out NULL: refused */
	} paths[] = {
		{ "", "/id1" },
		{ NULL, "/id1" },
		{ "/kubepods/pod1/c1", "/kubepods/pod1/c1" },
		{ "kubepods//c1/", "/kubepods/c1" },
		{ "system.slice:cri-containerd:abc", "/system.slice/cri-containerd/abc" },
		{ "/a:b:c", "/a:b:c" },
		{ "a:b", "/a:b" },
		{ "../x", NULL },
		{ "/a/../../x", NULL },
		{ "/", NULL },
		{ "a:..:c", NULL },
	};
	struct arena a;

	(void)state;
	arena_init(&a, 65536);
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		struct err e = { 0 };
		const char *got = cgroup_path_of_spec(&a, paths[i].in, "id1", &e);

		if (paths[i].out) {
			assert_non_null(got);
			assert_string_equal(got, paths[i].out);
		} else {
			assert_null(got);
			assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
		}
	}
	arena_fini(&a);
}

static void test_relative(void **state)
{
	(void)state;
	assert_string_equal(cgroup_relative("//a/b"), "a/b");
	assert_null(cgroup_relative("/"));
	assert_null(cgroup_relative(""));
	assert_null(cgroup_relative("/a/../b"));
	assert_null(cgroup_relative("/a/./b"));
	assert_null(cgroup_relative("/a//b"));
	assert_null(cgroup_relative("/a/"));
	assert_string_equal(cgroup_relative("/a/..b"), "a/..b");
}

static void test_nothing_mounted(void **state)
{
	struct cgroup_root root;

	(void)state;
	assert_int_equal(cgroup_detect("/nonexistent", &root), 0);
	assert_int_equal(root.version, CGROUP_VERSION_NONE);
	assert_int_equal(cgroup_detect("/tmp", &root), 0);
	assert_int_equal(root.version, CGROUP_VERSION_NONE);
	assert_int_equal(root.fd, -1);
	assert_int_equal(cgroup_open(&root, "/a", 0), -ENODEV);
	assert_int_equal(cgroup_remove(&root, "/a"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_nothing_given),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_relative),
		cmocka_unit_test(test_nothing_mounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
