/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>

#include "base/path.h"

#include <cmocka.h>

static void the_path_of_a_descriptor(void **state UNUSED)
{
	char buf[32];

	assert_string_equal(path_of_fd(7, buf), "/proc/self/fd/7");
	assert_string_equal(path_of_fd(INT32_MAX, buf), "/proc/self/fd/2147483647");
}

static void lexical_cleaning(void **state UNUSED)
{
	static const struct {
		const char *path, *want;
	} rows[] = {
		{ "", "." }, { ".", "." }, { "/", "/" }, { "//", "/" }, { "/.", "/" }, { "/..", "/" },
		{ "/../..", "/" }, { "a", "a" }, { "a/", "a" }, { "a//b", "a/b" }, { "./a", "a" },
		{ "a/./b", "a/b" }, { "a/..", "." }, { "a/../b", "b" }, { "/a/..", "/" },
		{ "/a/../b", "/b" }, { "/a/b/../..", "/" }, { "/a/b/../../c", "/c" },
		{ "..", ".." }, { "../..", "../.." }, { "../a", "../a" }, { "a/../..", ".." },
		{ "a/../../b", "../b" }, { "../a/..", ".." }, { "../../a/../b", "../../b" },
		{ "/a/../../b", "/b" }, { "...", "..." }, { "..a/..", "." }, { "a../..", "." },
		{ "/a/b/c/./../../g", "/a/g" }, { "/..a", "/..a" }, { "a/b/../c..", "a/c.." },
	};
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *clean = path_clean(&a, rows[i].path);

		assert_string_equal(clean, rows[i].want);
		assert_string_equal(path_clean(&a, clean), clean);
	}
	arena_fini(&a);
	arena_init(&a, 0);
	assert_null(path_clean(&a, "/a"));
	assert_null(path_join(&a, "/a", "b"));
	arena_fini(&a);
}

static void joining(void **state UNUSED)
{
	struct arena a;

	arena_init(&a, 1 << 20);
	assert_string_equal(path_join(&a, "a", "b"), "a/b");
	assert_string_equal(path_join(&a, "/a/", "/b/"), "/a/b/");
	assert_string_equal(path_join(&a, "/a//", "///b"), "/a/b");
	assert_string_equal(path_join(&a, "/", "b"), "/b");
	assert_string_equal(path_join(&a, "", "b"), "/b");
	assert_string_equal(path_join(&a, "a", ""), "a/");
	arena_fini(&a);
}

static void below(void **state UNUSED)
{
	assert_true(path_is_below("/a/b", "/a"));
	assert_true(path_is_below("/a", "/a"));
	assert_true(path_is_below("/a", "/"));
	assert_true(path_is_below("/", "/"));
	assert_false(path_is_below("/ab", "/a"));
	assert_false(path_is_below("/", "/a"));
	assert_false(path_is_below("a", "/"));
	assert_true(path_is_below("a/b", "a"));
	assert_false(path_is_below("/a", ""));
}

static void plain(void **state UNUSED)
{
	static const char *const yes[] = { "/", "/a", "//a/", "/a/./b", "/..a", "/a..", "/..." };
	static const char *const no[] = { "", "a", ".", "/..", "/../a", "/a/..", "/a/../b", "/a//.." };

	for (size_t i = 0; i < COUNT_OF(yes); i++)
		assert_true(path_is_plain(yes[i]));
	for (size_t i = 0; i < COUNT_OF(no); i++)
		assert_false(path_is_plain(no[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_path_of_a_descriptor),
		cmocka_unit_test(lexical_cleaning),
		cmocka_unit_test(joining),
		cmocka_unit_test(below),
		cmocka_unit_test(plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
