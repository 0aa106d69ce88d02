/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>

#include "base/json.h"

#include <cmocka.h>

static yyjson_doc *read_text(struct arena *a, const char *text, struct err *e)
{
	return json_read(a, text, strlen(text), e);
}

static void a_document_lives_in_the_arena(void **state UNUSED)
{
	struct err e = { 0 };
	struct arena a;
	yyjson_doc *doc;
	yyjson_val *root;

	arena_init(&a, 1 << 20);
	doc = read_text(&a, "{\"a\":[1,-2,3.5,true,null],\"s\":\"x\\u00e4\\ud83d\\udc33\"}", &e);
	assert_non_null(doc);
	assert_false(err_is_set(&e));
	root = yyjson_doc_get_root(doc);
	assert_int_equal(yyjson_arr_size(yyjson_obj_get(root, "a")), 5);
	assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "s")), "x\xc3\xa4\xf0\x9f\x90\xb3");
	assert_true(a.total > 0);
	arena_fini(&a);
	assert_int_equal(arena_bytes_in_use(), 0);
}

static void only_strict_json(void **state UNUSED)
{
	static const char *const bad[] = {
		"", " ", "{", "[1,]", "{\"a\":1,}", "{a:1}", "{'a':1}", "NaN", "Infinity", "[1] x",
		"// c\n1", "/* c */1", "01", "+1", ".5", "1.", "\"\n\"", "\"\\x\"", "\"\xff\"",
		"\"\\ud800\"", "\xef\xbb\xbf{}", "tru", "[1 2]", "{\"a\"}", "\"", "nul\0l",
	};
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct err e = { 0 };

		if (read_text(&a, bad[i], &e))
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
		assert_memory_equal(e.msg, "JSON: byte ", 11);
	}
	arena_fini(&a);
}

static void an_error_tells_where_but_not_what(void **state UNUSED)
{
	struct err e = { 0 };
	struct arena a;

	arena_init(&a, 1 << 20);
	assert_null(read_text(&a, "{\"password\": hunter2}", &e));
	assert_memory_equal(e.msg, "JSON: byte 13: ", 15);
	assert_null(strstr(e.msg, "hunter"));
	arena_fini(&a);
}

static void every_budget_either_works_or_says_so(void **state UNUSED)
{
	const char *text = "{\"list\":[{\"k\":\"a long enough text\"},2,3,4,5,6,7,8,9,[[[[]]]]]}";
	bool worked = false;

	for (size_t budget = 0; budget < 8192; budget += 64) {
		struct err e = { 0 };
		struct arena a;
		yyjson_doc *doc;

		arena_init(&a, budget);
		doc = read_text(&a, text, &e);
		if (!doc) {
			assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
			assert_false(worked);
		}
		worked = doc;
		arena_fini(&a);
	}
	assert_true(worked);
}

static void depth_costs_no_stack(void **state UNUSED)
{
	enum { DEPTH = 1000000 };
	char *text = malloc(2 * DEPTH);
	struct err e = { 0 };
	struct arena a;

	memset(text, '[', DEPTH);
	memset(text + DEPTH, ']', DEPTH);
	arena_init(&a, 64 << 20);
	assert_non_null(json_read(&a, text, 2 * DEPTH, &e));
	arena_fini(&a);

	/* Unclosed, and over a small budget. */
	assert_null(json_read(&a, text, DEPTH, &e));
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	arena_fini(&a);
	err_clear(&e);
	arena_init(&a, 1 << 20);
	assert_null(json_read(&a, text, 2 * DEPTH, &e));
	assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
	arena_fini(&a);
	free(text);
}

/* A document with n numbers; NULL when memory ran out on the way. */
static yyjson_mut_doc *make_list(struct arena *a, int n)
{
	yyjson_mut_doc *doc = json_new(a);
	yyjson_mut_val *list = doc ? yyjson_mut_arr(doc) : NULL;

	for (int i = 0; list && i < n; i++)
		if (!yyjson_mut_arr_add_int(doc, list, i))
			return NULL;
	if (list)
		yyjson_mut_doc_set_root(doc, list);
	return list ? doc : NULL;
}

static void writing_grows_in_the_arena(void **state UNUSED)
{
	struct err e = { 0 };
	yyjson_mut_doc *doc;
	yyjson_doc *again;
	struct arena a;
	char *text;
	size_t len;

	arena_init(&a, 4 << 20);
	doc = make_list(&a, 3);
	text = json_write(&a, doc, 0, &len, &e);
	assert_string_equal(text, "[0,1,2]");
	assert_int_equal(len, 7);
	text = json_write(&a, doc, YYJSON_WRITE_PRETTY, &len, &e);
	assert_string_equal(text, "[\n    0,\n    1,\n    2\n]");

	doc = make_list(&a, 20000);
	text = json_write(&a, doc, 0, &len, &e);
	assert_int_equal(strlen(text), len);
	again = json_read(&a, text, len, &e);
	assert_int_equal(yyjson_arr_size(yyjson_doc_get_root(again)), 20000);
	arena_fini(&a);
	assert_int_equal(arena_bytes_in_use(), 0);
}

static void writing_with_every_budget(void **state UNUSED)
{
	int no_doc = 0, no_text = 0, done = 0;

	for (size_t budget = 0; budget < 65536; budget += 512) {
		struct err e = { 0 };
		yyjson_mut_doc *doc;
		struct arena a;
		size_t len;

		arena_init(&a, budget);
		doc = make_list(&a, 500);
		if (!doc) {
			no_doc++;
		} else if (!json_write(&a, doc, 0, &len, &e)) {
			assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
			no_text++;
		} else {
			done++;
		}
		arena_fini(&a);
	}
	assert_true(no_doc && no_text && done);
}

static void what_cannot_be_written_is_an_error(void **state UNUSED)
{
	struct err e = { 0 };
	yyjson_mut_doc *doc;
	struct arena a;
	size_t len;

	arena_init(&a, 1 << 20);
	doc = json_new(&a);
	yyjson_mut_doc_set_root(doc, yyjson_mut_str(doc, "\xff"));
	assert_null(json_write(&a, doc, 0, &len, &e));
	assert_int_equal(e.rc, RC_INTERNAL);
	arena_fini(&a);
}

static void check_string(const char *text, const char *want)
{
	char buf[256];
	struct str s = STR_OVER(buf);

	json_add_string(&s, text);
	assert_true(str_ok(&s));
	assert_string_equal(buf, want);
}

static void strings_are_escaped(void **state UNUSED)
{
	check_string("", "\"\"");
	check_string(NULL, "\"\"");
	check_string("plain", "\"plain\"");
	check_string("a\"b\\c/", "\"a\\\"b\\\\c/\"");
	check_string("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"");
	check_string("\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\"");
	check_string("\xc3\xa4\xf0\x9f\x90\xb3", "\"\xc3\xa4\xf0\x9f\x90\xb3\"");
	check_string("a\xff" "b\xe2\x82", "\"a\xef\xbf\xbd" "b\xef\xbf\xbd\xef\xbf\xbd\"");
	check_string("\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void escaped_strings_read_back(void **state UNUSED)
{
	char text[256], buf[2048];
	struct str s = STR_OVER(buf);
	struct err e = { 0 };
	yyjson_doc *doc;
	struct arena a;

	for (int i = 1; i < 128; i++)
		text[i - 1] = (char)i;
	text[127] = '\0';
	json_add_string(&s, text);
	arena_init(&a, 1 << 20);
	doc = json_read(&a, buf, s.len, &e);
	assert_non_null(doc);
	assert_string_equal(yyjson_get_str(yyjson_doc_get_root(doc)), text);
	arena_fini(&a);
}

static void a_string_that_does_not_fit_is_flagged(void **state UNUSED)
{
	char buf[8];
	struct str s = STR_OVER(buf);

	json_add_string(&s, "12345");
	assert_true(str_ok(&s));
	str_reset(&s);
	json_add_string(&s, "123456");
	assert_false(str_ok(&s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_lives_in_the_arena),
		cmocka_unit_test(only_strict_json),
		cmocka_unit_test(an_error_tells_where_but_not_what),
		cmocka_unit_test(every_budget_either_works_or_says_so),
		cmocka_unit_test(depth_costs_no_stack),
		cmocka_unit_test(writing_grows_in_the_arena),
		cmocka_unit_test(writing_with_every_budget),
		cmocka_unit_test(what_cannot_be_written_is_an_error),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(escaped_strings_read_back),
		cmocka_unit_test(a_string_that_does_not_fit_is_flagged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
