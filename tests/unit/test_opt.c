/* SPDX-License-Identifier: Apache-2.0 */
/* motectl's options and their values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/opt.h"
#include "lib/parse.h"

#include <cmocka.h>

struct opts {
	bool quick, loud;
	const char *name;
	struct opt_list env;
	uint64_t size;
};

static int size(const char *text, void *member, struct err *e)
{
	return parse_size(text, member, e);
}

static const struct opt table[] = {
	{ "quick", 'q', NULL, "be quick", OPT_FLAG, offsetof(struct opts, quick), NULL },
	{ "loud", 0, NULL, "be loud", OPT_FLAG, offsetof(struct opts, loud), NULL },
	{ "name", 'n', "NAME", "the name,\non two lines", OPT_TEXT, offsetof(struct opts, name),
	  NULL },
	{ "env", 'e', "N=V", "a variable", OPT_LIST, offsetof(struct opts, env), NULL },
	{ "size", 's', "SIZE", "a size", OPT_PARSE, offsetof(struct opts, size), size },
	{ .name = NULL },
};

#define READ(o, rest, e, ...) \
	opt_read(&arena, table, &(o), \
		 (char *const *)(const char *const[]){ "cmd", __VA_ARGS__ NULL }, &(rest), &(e))

static struct arena arena;

static int setup(void **state UNUSED)
{
	arena_init(&arena, 65536);
	return 0;
}

static int teardown(void **state UNUSED)
{
	arena_fini(&arena);
	return arena_bytes_in_use() ? -1 : 0;
}

static void every_way_to_write_an_option(void **state UNUSED)
{
	struct opts o = { 0 };
	struct opt_rest rest;
	struct err e = { 0 };

	assert_int_equal(READ(o, rest, e, "-qea=1", "--env", "b=2", "one", "--env=c=3", "-e", "d",
			      "-nX", "--size=2k", "-", "--loud", "--", "-q", "--", ),
			 0);
	assert_true(o.quick && o.loud);
	assert_string_equal(o.name, "X");
	assert_int_equal(o.size, 2048);
	assert_int_equal(o.env.n, 4);
	assert_string_equal(o.env.items[0], "a=1");
	assert_string_equal(o.env.items[2], "c=3");
	assert_string_equal(o.env.items[3], "d");
	assert_null(o.env.items[4]);
	assert_int_equal(rest.args.n, 2);
	assert_string_equal(rest.args.items[0], "one");
	assert_string_equal(rest.args.items[1], "-");
	assert_int_equal(rest.n_after, 2);
	assert_string_equal(rest.after[0], "-q");
}

static void nothing_is_fine_too(void **state UNUSED)
{
	struct opts o = { 0 };
	struct opt_rest rest;
	struct err e = { 0 };

	assert_int_equal(READ(o, rest, e, ), 0);
	assert_int_equal(rest.args.n, 0);
	assert_null(rest.after);
	assert_int_equal(READ(o, rest, e, "--",), 0);
	assert_non_null(rest.after);
	assert_int_equal(rest.n_after, 0);
}

static void check_mistake(char *const *argv, const char *text)
{
	struct opts o = { 0 };
	struct opt_rest rest;
	struct err e = { 0 };

	assert_int_equal(opt_read(&arena, table, &o, argv, &rest, &e), -1);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	assert_string_equal(e.msg, text);
}

#define MISTAKE(text, ...) \
	check_mistake((char *const *)(const char *const[]){ "cmd", __VA_ARGS__, NULL }, text)

static void a_mistake_names_the_option(void **state UNUSED)
{
	MISTAKE("unknown option '--wrong'", "--wrong=1");
	MISTAKE("unknown option '--qui'", "--qui");
	MISTAKE("unknown option '-x'", "-qx");
	MISTAKE("option '--quick' takes no value", "--quick=yes");
	MISTAKE("option '-n' wants a value (NAME)", "-qn");
	MISTAKE("option '--env' wants a value (N=V)", "--env");
	MISTAKE("option '-s': '2z' is not a size such as 64M", "-s", "2z");
}

static void help_lists_every_row(void **state UNUSED)
{
	char text[1024] = { 0 };
	FILE *f = fmemopen(text, sizeof(text) - 1, "w");

	opt_print_help(f, table);
	fclose(f);
	assert_string_equal(text,
			    "  -q, --quick               be quick\n"
			    "      --loud                be loud\n"
			    "  -n, --name NAME           the name,\n"
			    "                            on two lines\n"
			    "  -e, --env N=V             a variable\n"
			    "  -s, --size SIZE           a size\n");
}

static void sizes(void **state UNUSED)
{
	static const struct { const char *text; uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "1", 1 },
		{ "1k", 1024 },
		{ "64M", 64u << 20 },
		{ "2G", 2ull << 30 },
		{ "3t", 3ull << 40 },
		{ "9223372036854775807", INT64_MAX },
	};
	static const char *const bad[] = {
		"",
		"M",
		"-1",
		"1.5M",
		"1MB",
		"1 M",
		" 1",
		"0x10",
		"9223372036854775808",
		"8388608T",
		"99999999999999999999999999",
	};
	struct err e;
	uint64_t v;

	for (size_t i = 0; i < COUNT_OF(good); i++) {
		err_clear(&e);
		assert_int_equal(parse_size(good[i].text, &v, &e), 0);
		assert_true(v == good[i].bytes);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		err_clear(&e);
		if (parse_size(bad[i], &v, &e) == 0)
			fail_msg("accepted: %s", bad[i]);
	}
}

static void processors_and_seconds(void **state UNUSED)
{
	static const char *const bad[] = { "",	  "0",	       ".5",   "1.", "-1",
					   "1e3", "1.0000001", "1025", "1,5" };
	struct err e = { 0 };
	uint64_t v;

	assert_int_equal(parse_cpus("1.5", &v, &e), 0);
	assert_int_equal(v, 1500000);
	assert_int_equal(parse_cpus("0.01", &v, &e), 0);
	assert_int_equal(v, 10000);
	assert_int_equal(parse_cpus("1024", &v, &e), 0);
	assert_int_equal(parse_seconds("0", &v, &e), 0);
	assert_int_equal(v, 0);
	assert_int_equal(parse_seconds("2.25", &v, &e), 0);
	assert_int_equal(v, 2250);
	assert_int_equal(parse_seconds("86401", &v, &e), -1);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		err_clear(&e);
		if (parse_cpus(bad[i], &v, &e) == 0)
			fail_msg("accepted: %s", bad[i]);
	}
	assert_int_equal(parse_count("0", 4, &v, &e), -1);
	assert_int_equal(parse_count("4", 4, &v, &e), 0);
	assert_int_equal(parse_count("5", 4, &v, &e), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_way_to_write_an_option, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_fine_too, setup, teardown),
		cmocka_unit_test_setup_teardown(a_mistake_names_the_option, setup, teardown),
		cmocka_unit_test(help_lists_every_row),
		cmocka_unit_test(sizes),
		cmocka_unit_test(processors_and_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
