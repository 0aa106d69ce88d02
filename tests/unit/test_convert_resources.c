/* SPDX-License-Identifier: Apache-2.0 */
/* grpc.LinuxResources: what was not said stays unset, and what may mean two things allows less. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service/convert.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static const struct spec_resources *convert(const Grpc__LinuxResources *in)
{
	struct err e = { 0 };
	const struct spec_resources *out = convert_resources(in, &arena, &e);

	if (!out)
		fail_msg("%s", e.msg);
	return out;
}

static void zeros_say_nothing(void **state)
{
	Grpc__LinuxResources in = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;
	Grpc__LinuxBlockIO block = GRPC__LINUX_BLOCK_IO__INIT;
	Grpc__LinuxNetwork network = GRPC__LINUX_NETWORK__INIT;

	(void)state;
	in.memory = &memory;
	in.cpu = &cpu;
	in.blockio = &block;
	in.network = &network;
	for (int v = CGROUP_VERSION_1; v <= CGROUP_VERSION_2; v++) {
		struct cgroup_values values;
		struct err e = { 0 };

		assert_int_equal(cgroup_limits_values((enum cgroup_version)v, &convert(&in)->limits,
						      &arena, &values, &e),
				 0);
		assert_int_equal(values.n, 0);
	}
	assert_int_equal(convert(&in)->limits.pids, CGROUP_UNSET);
}

static void numbers_arrive(void **state)
{
	Grpc__LinuxResources in = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;
	Grpc__LinuxPids pids = GRPC__LINUX_PIDS__INIT;
	const struct cgroup_limits *l;

	(void)state;
	memory.limit = -1;
	memory.swap = 5;
	memory.kerneltcp = 6;
	memory.swappiness = 7;
	memory.disableoomkiller = true;
	cpu.shares = UINT64_MAX;
	cpu.quota = -1;
	cpu.realtimeperiod = 8;
	cpu.cpus = (char *)"0-3";
	in.memory = &memory;
	in.cpu = &cpu;
	in.pids = &pids;
	l = &convert(&in)->limits;
	assert_int_equal(l->memory, -1);
	assert_int_equal(l->reservation, CGROUP_UNSET);
	assert_int_equal(l->swap, 5);
	assert_int_equal(l->kernel_tcp, 6);
	assert_int_equal(l->swappiness, 7);
	assert_true(l->disable_oom_killer);
	assert_int_equal(l->cpu_shares, INT64_MAX);
	assert_int_equal(l->cpu_quota, -1);
	assert_int_equal(l->cpu_period, CGROUP_UNSET);
	assert_int_equal(l->rt_period, 8);
	assert_string_equal(l->cpus, "0-3");
	assert_int_equal(l->pids, 0); /* said, and no limit */
}

static const struct {
	bool allow;
	const char *type, *access;
	int64_t major, minor;
	const char *error; /* NULL: it is fine */
	struct cgroup_device_rule want;
} rules[] = {
	{ false, "", "rwm", 0, 0, NULL, { false, 'a', -1, -1, 7 } },
	{ true, "a", "", -1, -1, NULL, { true, 'a', -1, -1, 7 } },
	{ true, "c", "rw", 1, 3, NULL, { true, 'c', 1, 3, 3 } },
	/* the number 0 or none at all: the rule allows the one, and denies all */
	{ true, "b", "r", 8, 0, NULL, { true, 'b', 8, 0, 1 } },
	{ false, "b", "r", 8, 0, NULL, { false, 'b', 8, -1, 1 } },
	{ true, "c", "m", 0, 0, NULL, { true, 'c', -1, -1, 4 } },
	{ true, "c", "m", -1, -1, NULL, { true, 'c', -1, -1, 4 } },
	{ true, "a", "r", 0, 0, "devices[0]", { 0 } },
	{ true, "a", "rwm", 1, 0, "devices[0]", { 0 } },
	{ true, "c", "", 1, 3, "devices[0]", { 0 } },
	{ true, "c", "rwx", 1, 3, "access", { 0 } },
	{ true, "p", "r", 1, 3, "type", { 0 } },
	{ true, "cb", "r", 1, 3, "type", { 0 } },
	{ true, "c", "r", INT64_C(1) << 40, 3, "number", { 0 } },
};

static void device_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		Grpc__LinuxResources in = GRPC__LINUX_RESOURCES__INIT;
		Grpc__LinuxDeviceCgroup d = GRPC__LINUX_DEVICE_CGROUP__INIT, *list = &d;
		const struct cgroup_device_rule *got, *want = &rules[i].want;
		const struct spec_resources *out;
		struct err e = { 0 };

		d.allow = rules[i].allow;
		d.type = (char *)rules[i].type;
		d.access = (char *)rules[i].access;
		d.major = rules[i].major;
		d.minor = rules[i].minor;
		in.devices = &list;
		in.n_devices = 1;
		out = convert_resources(&in, &arena, &e);
		if (rules[i].error) {
			assert_null(out);
			assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
			if (!strstr(e.msg, rules[i].error))
				fail_msg("%zu: %s", i, e.msg);
			continue;
		}
		if (!out)
			fail_msg("%zu: %s", i, e.msg);
		got = &out->devices[0];
		if (got->allow != want->allow || got->type != want->type ||
		    got->major != want->major || got->minor != want->minor ||
		    got->access != want->access)
			fail_msg("%zu: %c %d:%d %u", i, got->type, (int)got->major, (int)got->minor,
				 got->access);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(zeros_say_nothing), TEST(numbers_arrive),
					    TEST(device_rules) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
