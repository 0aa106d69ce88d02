/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that are changed in their encoded form. */
#include <setjmp.h>
#include <stdarg.h>

#include "ttrpc/wire.h"

#include <cmocka.h>

static struct arena a;

static int setup(void **state UNUSED)
{
	arena_init(&a, 1u << 20);
	return 0;
}

static int teardown(void **state UNUSED)
{
	arena_fini(&a);
	return 0;
}

/* 1: "id", 2: 150, 3 as fixed64, 4 as fixed32, 1 again: "new". */
static const uint8_t sample[] = {
	0x0a, 2, 'i', 'd',  0x10, 0x96, 0x01, 0x19, 1,    2, 3,   4,   5,
	6,    7, 8,   0x25, 9,    9,    9,    9,    0x0a, 3, 'n', 'e', 'w'
};

static void fields_of_all_kinds(void **state UNUSED)
{
	static const uint32_t numbers[] = { 1, 2, 3, 4, 1 };
	struct wire w = wire_of(sample, sizeof(sample));
	struct wire_field f;
	size_t whole = 0;

	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		assert_int_equal(wire_next(&w, &f), 1);
		assert_int_equal(f.number, numbers[i]);
		whole += f.raw_len;
	}
	assert_int_equal(wire_next(&w, &f), 0);
	assert_int_equal(whole, sizeof(sample));
	assert_int_equal(wire_find(sample, sizeof(sample), 2, WIRE_VARINT, &f), 1);
	assert_int_equal(f.value, 150);
	assert_int_equal(wire_find(sample, sizeof(sample), 2, WIRE_BYTES, &f), 0);
	assert_string_equal(wire_text(&a, sample, sizeof(sample), 1, 10), "new");
	assert_string_equal(wire_text(&a, sample, sizeof(sample), 9, 10), "");
	assert_null(wire_text(&a, sample, sizeof(sample), 1, 2));
}

static void what_is_malformed(void **state UNUSED)
{
	static const struct {
		uint8_t bytes[12];
		size_t n;
	} cases[] = {
		{ { 0x00, 0x01 }, 2 },   /* field 0 */
		{ { 0x0a }, 1 },         /* no length */
		{ { 0x0a, 5, 'x' }, 3 }, /* longer than there is */
		{ { 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 }, 11 },
		{ { 0x10 }, 1 },
		{ { 0x10, 0x80 }, 2 },
		{ { 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02 },
		  11 }, /* 65 bits */
		{ { 0x19, 1, 2, 3 }, 4 },
		{ { 0x25, 1, 2 }, 3 },
		{ { 0x0b, 0x0c }, 2 }, /* a group */
		{ { 0x0f }, 1 },       /* type 7 */
	};
	struct wire_field f;
	size_t len;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct wire w = wire_of(cases[i].bytes, cases[i].n);

		assert_int_equal(wire_next(&w, &f), -EBADMSG);
		assert_null(wire_edit(&a, cases[i].bytes, cases[i].n, NULL, 0, &len));
		assert_null(wire_text(&a, cases[i].bytes, cases[i].n, 1, 100));
	}
}

static void only_what_is_edited_changes(void **state UNUSED)
{
	const struct wire_edit edits[] = {
		WIRE_TEXT(1, "third"),
		{ .number = 2, .value = 300 },
		{ .number = 7, .value = 0 },
		WIRE_TEXT(8, ""),
	};
	static const uint8_t want[] = {
		0x19, 1, 2,    3, 4,   5,   6,   7,   8,   0x25, 9,    9,
		9,    9, 0x0a, 5, 't', 'h', 'i', 'r', 'd', 0x10, 0xac, 0x02
	};
	size_t len;
	uint8_t *out = wire_edit(&a, sample, sizeof(sample), edits, COUNT_OF(edits), &len);

	assert_non_null(out);
	assert_int_equal(len, sizeof(want));
	assert_memory_equal(out, want, len);
	out = wire_edit(&a, sample, sizeof(sample), NULL, 0, &len);
	assert_int_equal(len, sizeof(sample));
	assert_memory_equal(out, sample, len);
}

static void a_zero_byte_is_no_text(void **state UNUSED)
{
	static const uint8_t bytes[] = { 0x0a, 3, 'a', 0, 'b' };

	assert_null(wire_text(&a, bytes, sizeof(bytes), 1, 100));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(fields_of_all_kinds),
		TEST(what_is_malformed),
		TEST(only_what_is_edited_changes),
		TEST(a_zero_byte_is_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
