/* SPDX-License-Identifier: Apache-2.0 */
/* Which files of a directory are the guest's hooks, and what becomes of the list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "sandbox/guest_hooks.h"

static char dir[64];

static void put(const char *name, mode_t mode)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(io_create_file(AT_FDCWD, path, "#!/bin/sh\n", 10, mode), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void make_dir(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/mote-hooks-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return path_remove_tree(AT_FDCWD, dir);
}

static void programs_only(void **state)
{
	static const char want[] = "prestart/10-first\0prestart/20-second\0poststop/last";
	char list[GUEST_HOOKS_MAX], path[128];
	struct spec_hooks h;
	struct arena a;
	size_t n;

	(void)state;
	make_dir("prestart");
	make_dir("poststop");
	make_dir("other");
	make_dir("prestart/a-directory");
	put("prestart/20-second", 0700);
	put("prestart/10-first", 0001);
	put("prestart/no-program", 0644);
	put("poststop/last", 0755);
	put("other/no-stage", 0755);
	snprintf(path, sizeof(path), "%s/prestart/a-link", dir);
	assert_int_equal(symlink("10-first", path), 0);
	n = guest_hooks_scan(dir, list, sizeof(list));
	assert_int_equal(n, sizeof(want));
	assert_memory_equal(list, want, n);

	arena_init(&a, 65536);
	assert_int_equal(guest_hooks_take(dir, list, n, &a, &h), 0);
	assert_int_equal(h.prestart.n, 2);
	assert_int_equal(h.poststart.n, 0);
	assert_int_equal(h.poststop.n, 1);
	snprintf(path, sizeof(path), "%s/prestart/10-first", dir);
	assert_string_equal(h.prestart.v[0].path, path);
	assert_string_equal(h.prestart.v[1].args.v[0], "20-second");
	assert_string_equal(h.prestart.v[1].args.v[1], "prestart");
	assert_null(h.prestart.v[1].args.v[2]);
	arena_fini(&a);
}

static void nothing_there(void **state)
{
	struct spec_hooks h;
	struct arena a;
	char list[8];

	(void)state;
	assert_int_equal(guest_hooks_scan("/no/such/directory", list, sizeof(list)), 0);
	assert_int_equal(guest_hooks_scan(dir, list, sizeof(list)), 0);
	arena_init(&a, 64);
	assert_int_equal(guest_hooks_take(dir, "", 0, &a, &h), 0);
	assert_int_equal(guest_hooks_take(dir, "prestart/x", 10, &a, &h), -EINVAL);
	assert_int_equal(guest_hooks_take(dir, "prestart/x", 11, &a, &h), -ENOMEM);
	assert_int_equal(h.prestart.n, 0);
	arena_fini(&a);
}

/* More than there is room for: what fits stays whole. */
static void too_many(void **state)
{
	char list[40];

	(void)state;
	make_dir("poststart");
	put("poststart/one", 0755);
	put("poststart/three", 0755);
	put("poststart/two", 0755);
	assert_int_equal(guest_hooks_scan(dir, list, sizeof(list)), 30);
	assert_memory_equal(list, "poststart/one\0poststart/three", 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(programs_only, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_there, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
