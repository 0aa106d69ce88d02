/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>

#include "base/str.h"

#include <cmocka.h>

static void text_is_put_together(void **state UNUSED)
{
	char buf[32];
	struct str s = STR_OVER(buf);

	assert_string_equal(buf, "");
	str_add(&s, "a");
	str_add(&s, NULL);
	str_add_char(&s, '-');
	str_add_n(&s, "bcd", 2);
	str_addf(&s, "%d%s", 42, "!");
	assert_string_equal(buf, "a-bc42!");
	assert_int_equal(s.len, 7);
	assert_true(str_ok(&s));

	str_reset(&s);
	assert_string_equal(buf, "");
	assert_int_equal(s.len, 0);
}

static void the_last_byte_is_the_terminator(void **state UNUSED)
{
	char buf[4];
	struct str s = STR_OVER(buf);

	str_add(&s, "abc");
	assert_true(str_ok(&s));
	assert_string_equal(buf, "abc");
	str_add(&s, "");
	str_addf(&s, "%s", "");
	assert_true(str_ok(&s));
	str_add_char(&s, 'd');
	assert_false(str_ok(&s));
	assert_string_equal(buf, "abc");

	str_reset(&s);
	assert_true(str_ok(&s));
	str_addf(&s, "%s", "abc");
	assert_true(str_ok(&s));
	str_reset(&s);
	str_addf(&s, "%s", "abcd");
	assert_false(str_ok(&s));
	assert_string_equal(buf, "abc");
	assert_int_equal(s.len, 3);

	str_reset(&s);
	str_add(&s, "abcdef");
	assert_false(str_ok(&s));
	assert_string_equal(buf, "abc");
}

/* Adding after an overflow keeps the flag and the bounds. */
static void an_overflow_is_remembered(void **state UNUSED)
{
	char buf[4];
	struct str s = STR_OVER(buf);

	str_add(&s, "abcdef");
	str_add(&s, "");
	str_addf(&s, "%d", 1);
	str_add_char(&s, 'x');
	assert_false(str_ok(&s));
	assert_string_equal(buf, "abc");
}

static void no_room_at_all(void **state UNUSED)
{
	struct str s;

	str_init(&s, NULL, 0);
	str_add(&s, "");
	str_addf(&s, "%s", "");
	assert_true(str_ok(&s));
	str_addf(&s, "%d", 1);
	assert_false(str_ok(&s));
	str_reset(&s);
	str_add(&s, "x");
	assert_false(str_ok(&s));
	assert_int_equal(s.len, 0);
}

static void utf8_is_told_from_other_bytes(void **state UNUSED)
{
	static const struct {
		const char *text;
		size_t len;
	} rows[] = {
		{ "a", 1 }, { "\x7f", 1 }, { "\xc2\x80", 2 }, { "\xdf\xbf", 2 },
		{ "\xe0\xa0\x80", 3 }, { "\xed\x9f\xbf", 3 }, { "\xee\x80\x80", 3 },
		{ "\xef\xbf\xbf", 3 }, { "\xf0\x90\x80\x80", 4 }, { "\xf4\x8f\xbf\xbf", 4 },
		/* alone, overlong, surrogate, too large, cut */
		{ "\x80", 0 }, { "\xbf", 0 }, { "\xc0\x80", 0 }, { "\xc1\xbf", 0 },
		{ "\xe0\x9f\xbf", 0 }, { "\xed\xa0\x80", 0 }, { "\xf0\x8f\xbf\xbf", 0 },
		{ "\xf4\x90\x80\x80", 0 }, { "\xf5\x80\x80\x80", 0 }, { "\xff", 0 },
		{ "\xc3", 0 }, { "\xe2\x82", 0 }, { "\xf0\x9f\x90", 0 }, { "\xc3" "a", 0 },
		{ "\xe2\x82" "a", 0 }, { "\xf0\x9f\x90" "a", 0 }, { "", 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(str_utf8_len(rows[i].text, strlen(rows[i].text)), rows[i].len);
}

static void control_characters_become_question_marks(void **state UNUSED)
{
	char text[] = "a\001\033b\177 \303\244\302\237\302\240\377\342\202";

	str_sanitize(text);
	assert_string_equal(text, "a??b? \303\244??\302\240???");
}

static void cut_text_shows_it(void **state UNUSED)
{
	char text[] = "0123456789";
	char wide[] = "01\xe2\x82\xac" "56789";
	char tiny[] = "0123";

	str_cut(text, 8, "...");
	assert_string_equal(text, "01234...");
	str_cut(wide, 7, "...");
	assert_string_equal(wide, "01...");
	str_cut(tiny, 2, "...");
	assert_string_equal(tiny, "..");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_put_together),
		cmocka_unit_test(the_last_byte_is_the_terminator),
		cmocka_unit_test(an_overflow_is_remembered),
		cmocka_unit_test(no_room_at_all),
		cmocka_unit_test(utf8_is_told_from_other_bytes),
		cmocka_unit_test(control_characters_become_question_marks),
		cmocka_unit_test(cut_text_shows_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
