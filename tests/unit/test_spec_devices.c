/* SPDX-License-Identifier: Apache-2.0 */
/* Devices of the guest in a spec: the nodes and the rules that named the host's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "base/str.h"
#include "container/spec_devices.h"

static struct arena arena;
static struct spec *spec;
static struct spec_device devices[8];
static struct cgroup_device_rule rules[8];

static int setup(void **state UNUSED)
{
	arena_init(&arena, 1 << 20);
	spec = spec_new(&arena);
	assert_non_null(spec);
	spec->linux.devices = devices;
	spec->linux.resources = spec_resources_new(&arena);
	assert_non_null(spec->linux.resources);
	spec->linux.resources->devices = rules;
	return 0;
}

static int teardown(void **state UNUSED)
{
	arena_fini(&arena);
	return 0;
}

static void node(const char *path, mode_t type, int64_t major, int64_t minor)
{
	devices[spec->linux.n_devices++] =
		(struct spec_device){ .path = path, .type = type, .major = major, .minor = minor };
}

static void rule(bool allow, char type, int64_t major, int64_t minor, unsigned int access)
{
	rules[spec->linux.resources->n_devices++] =
		(struct cgroup_device_rule){ allow, type, major, minor, access };
}

static struct spec_device_change block(const char *path, uint32_t major, uint32_t minor)
{
	return (struct spec_device_change){
		.path = path, .type = S_IFBLK, .major = major, .minor = minor
	};
}

/* "+b 1:2 7", one a line. */
static const char *told(void)
{
	static char text[1024];
	struct str s = STR_OVER(text);
	const struct spec_resources *res = spec->linux.resources;

	for (size_t i = 0; i < spec->linux.n_devices; i++) {
		const struct spec_device *d = &spec->linux.devices[i];

		str_addf(&s, "%s %c %d:%d\n", d->path, d->type == S_IFBLK ? 'b' : 'c',
			 (int)d->major, (int)d->minor);
	}
	for (size_t i = 0; i < res->n_devices; i++)
		str_addf(&s, "%c%c %d:%d %u\n", res->devices[i].allow ? '+' : '-',
			 res->devices[i].type, (int)res->devices[i].major,
			 (int)res->devices[i].minor, res->devices[i].access);
	assert_true(str_ok(&s));
	return text;
}

static void change(const struct spec_device_change *v, size_t n)
{
	struct err e = { 0 };

	if (spec_devices_change(spec, v, n, &arena, &e) < 0)
		fail_msg("%s", e.msg);
}

/* One that has the other's number on the host: neither follows the other. */
static void numbers_that_change_places(void **state UNUSED)
{
	const struct spec_device_change v[] = { block("/dev/a", 8, 2), block("/dev/b", 8, 1) };

	node("/dev/a", S_IFBLK, 8, 1);
	node("/dev/b", S_IFBLK, 8, 2);
	rule(false, 'a', -1, -1, 7);
	rule(true, 'b', 8, 1, 1);
	rule(true, 'b', 8, 2, 2);
	change(v, 2);
	assert_string_equal(told(), "/dev/a b 8:2\n/dev/b b 8:1\n"
				    "-a -1:-1 7\n+b 8:2 1\n+b 8:1 2\n+b 8:2 7\n+b 8:1 7\n");
}

/* Of the other type, of another number, of many: those are not of this device. */
static void other_rules_stay(void **state UNUSED)
{
	const struct spec_device_change v[] = { block("/dev/a", 254, 16) };

	node("/dev/null", S_IFCHR, 1, 3);
	node("/dev/a", S_IFBLK, 8, 0);
	rule(true, 'c', 8, 0, 7);
	rule(true, 'b', 8, -1, 7);
	rule(true, 'b', -1, 0, 7);
	rule(true, 'b', 8, 1, 7);
	rule(false, 'b', 8, 0, 7);
	change(v, 1);
	assert_string_equal(told(), "/dev/null c 1:3\n/dev/a b 254:16\n"
				    "+c 8:0 7\n+b 8:-1 7\n+b -1:0 7\n+b 8:1 7\n-b 254:16 7\n+b 254:16 7\n");
}

static void type_and_path_too(void **state UNUSED)
{
	const struct spec_device_change v[] = {
		{ "/dev/vfio/9", "/dev/vfio/1", S_IFCHR, 240, 1, NULL },
		{ "/dev/x", NULL, S_IFBLK, 254, 0, NULL },
	};

	node("/dev/vfio/9", S_IFCHR, 10, 196);
	node("/dev/x", S_IFCHR, 8, 0);
	rule(true, 'c', 10, 196, 3);
	rule(true, 'c', 8, 0, 3);
	change(v, 2);
	assert_string_equal(told(), "/dev/vfio/1 c 240:1\n/dev/x b 254:0\n"
				    "+c 240:1 3\n+b 254:0 3\n+c 240:1 7\n+b 254:0 7\n");
}

/* The nodes of the spec may be used where nothing is said: a rule would only make it say something. */
static void without_rules_none_is_made(void **state UNUSED)
{
	const struct spec_device_change v[] = { block("/dev/a", 254, 16) };

	node("/dev/a", S_IFBLK, 8, 0);
	change(v, 1);
	assert_string_equal(told(), "/dev/a b 254:16\n");
	spec->linux.resources = NULL;
	change(v, 1);
}

static void conflicts(void **state UNUSED)
{
	static const struct {
		const char *first, *second, *why;
	} rows[] = {
		{ "/dev/a", "/dev/none", "container_path /dev/none: not in linux.devices" },
		{ "/dev/a", "/dev/a", "container_path /dev/a: also of another device" },
		{ "/dev/a", "/dev/same", "container_path /dev/same: has the number (8:0) of /dev/a" },
	};

	node("/dev/a", S_IFBLK, 8, 0);
	node("/dev/same", S_IFBLK, 8, 0);
	node("/dev/char", S_IFCHR, 8, 0);
	devices[spec->linux.n_devices++] = (struct spec_device){ 0 };
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct spec_device_change v[] = { block(rows[i].first, 1, 1),
							block(rows[i].second, 1, 2) };
		struct err e = { 0 }, again = { 0 };
		size_t at;

		assert_int_equal(spec_devices_check(spec, v, 2, &at, &e), -1);
		assert_int_equal(at, 1);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
		assert_string_equal(e.msg, rows[i].why);
		assert_int_equal(spec_devices_change(spec, v, 2, &arena, &again), -1);
		assert_string_equal(again.msg, rows[i].why);
		assert_int_equal(devices[0].major, 8);
	}
	{
		const struct spec_device_change v[] = { block("/dev/a", 1, 1),
							block("/dev/char", 1, 2) };
		struct err e = { 0 };
		size_t at;

		assert_int_equal(spec_devices_check(spec, v, 2, &at, &e), 0);
	}
}

/* Two nodes of one number, which are one and the same in the guest: the rule is of both. */
static void one_device_by_two_paths(void **state UNUSED)
{
	struct spec_device_change v[] = { block("/dev/a", 254, 16), block("/dev/b", 254, 16) };
	struct err e = { 0 };
	size_t at;

	node("/dev/a", S_IFBLK, 8, 0);
	node("/dev/b", S_IFBLK, 8, 0);
	rule(true, 'b', 8, 0, 3);
	v[0].guest = "05/01";
	assert_int_equal(spec_devices_check(spec, v, 2, &at, &e), -1);
	err_clear(&e);
	v[1].guest = "05/02";
	assert_int_equal(spec_devices_check(spec, v, 2, &at, &e), -1);
	v[1].guest = "05/01";
	change(v, 2);
	assert_string_equal(told(), "/dev/a b 254:16\n/dev/b b 254:16\n"
				    "+b 254:16 3\n+b 254:16 7\n+b 254:16 7\n");
}

static void memory_is_counted(void **state UNUSED)
{
	const struct spec_device_change v[] = { block("/dev/a", 254, 16) };
	struct arena none;
	struct err e = { 0 };

	node("/dev/a", S_IFBLK, 8, 0);
	rule(true, 'b', 8, 0, 7);
	arena_init(&none, 0);
	assert_int_equal(spec_devices_change(spec, v, 1, &none, &e), -1);
	assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
	assert_string_equal(told(), "/dev/a b 8:0\n+b 8:0 7\n");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(numbers_that_change_places), TEST(other_rules_stay), TEST(type_and_path_too),
		TEST(without_rules_none_is_made), TEST(conflicts), TEST(one_device_by_two_paths),
		TEST(memory_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
