/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>

#include "base/num.h"

#include <cmocka.h>

typedef int (*parse_fn)(const char *s, uint64_t max, uint64_t *out);

static void check_unsigned(parse_fn parse, const char *s, uint64_t max, int want, uint64_t value)
{
	uint64_t got = 12345;
	int r = parse(s, max, &got);

	if (r != want || got != (want ? 12345 : value))
		fail_msg("\"%s\" up to %llu: %d, %llu", s ? s : "(null)", (unsigned long long)max, r,
			 (unsigned long long)got);
}

static void decimal(void **state UNUSED)
{
	static const char *const bad[] = {
		NULL, "", " ", "1 ", " 1", "+1", "-1", "-0", "0x1", "1.0", "1e3", "1\n", "a", "1a",
		"0b1", "1_000", "99999999999999999999999999x", "\xd9\xa1",
	};

	for (size_t i = 0; i < COUNT_OF(bad); i++)
		check_unsigned(num_u64, bad[i], UINT64_MAX, -EINVAL, 0);
	check_unsigned(num_u64, "0", 0, 0, 0);
	check_unsigned(num_u64, "1", 0, -ERANGE, 0);
	check_unsigned(num_u64, "010", UINT64_MAX, 0, 10);
	check_unsigned(num_u64, "0000000000000000000000000000007", 7, 0, 7);
	check_unsigned(num_u64, "255", 255, 0, 255);
	check_unsigned(num_u64, "256", 255, -ERANGE, 0);
	check_unsigned(num_u64, "18446744073709551615", UINT64_MAX, 0, UINT64_MAX);
	check_unsigned(num_u64, "18446744073709551616", UINT64_MAX, -ERANGE, 0);
	check_unsigned(num_u64, "18446744073709551620", UINT64_MAX, -ERANGE, 0);
	check_unsigned(num_u64, "184467440737095516150", UINT64_MAX, -ERANGE, 0);
	check_unsigned(num_u64, "36893488147419103232", UINT64_MAX, -ERANGE, 0);
}

static void hexadecimal(void **state UNUSED)
{
	check_unsigned(num_hex, "ffFF", UINT64_MAX, 0, 0xffff);
	check_unsigned(num_hex, "1af4", 0xffff, 0, 0x1af4);
	check_unsigned(num_hex, "10000", 0xffff, -ERANGE, 0);
	check_unsigned(num_hex, "ffffffffffffffff", UINT64_MAX, 0, UINT64_MAX);
	check_unsigned(num_hex, "10000000000000000", UINT64_MAX, -ERANGE, 0);
	check_unsigned(num_hex, "0x10", UINT64_MAX, -EINVAL, 0);
	check_unsigned(num_hex, "g", UINT64_MAX, -EINVAL, 0);
	check_unsigned(num_hex, "", UINT64_MAX, -EINVAL, 0);
}

static void octal(void **state UNUSED)
{
	check_unsigned(num_oct, "1777", 07777, 0, 01777);
	check_unsigned(num_oct, "0755", 07777, 0, 0755);
	check_unsigned(num_oct, "10000", 07777, -ERANGE, 0);
	check_unsigned(num_oct, "8", 07777, -EINVAL, 0);
	check_unsigned(num_oct, "0o7", 07777, -EINVAL, 0);
}

static void check_signed(const char *s, int64_t min, int64_t max, int want, int64_t value)
{
	int64_t got = 12345;
	int r = num_i64(s, min, max, &got);

	if (r != want || got != (want ? 12345 : value))
		fail_msg("\"%s\": %d, %lld", s ? s : "(null)", r, (long long)got);
}

static void with_sign(void **state UNUSED)
{
	check_signed("-1", INT64_MIN, INT64_MAX, 0, -1);
	check_signed("-0", INT64_MIN, INT64_MAX, 0, 0);
	check_signed("9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MAX);
	check_signed("9223372036854775808", INT64_MIN, INT64_MAX, -ERANGE, 0);
	check_signed("-9223372036854775808", INT64_MIN, INT64_MAX, 0, INT64_MIN);
	check_signed("-9223372036854775809", INT64_MIN, INT64_MAX, -ERANGE, 0);
	check_signed("-1000", -1000, 1000, 0, -1000);
	check_signed("-1001", -1000, 1000, -ERANGE, 0);
	check_signed("1001", -1000, 1000, -ERANGE, 0);
	check_signed("-1", 0, 10, -ERANGE, 0);
	check_signed("-", INT64_MIN, INT64_MAX, -EINVAL, 0);
	check_signed("--1", INT64_MIN, INT64_MAX, -EINVAL, 0);
	check_signed("- 1", INT64_MIN, INT64_MAX, -EINVAL, 0);
	check_signed("+1", INT64_MIN, INT64_MAX, -EINVAL, 0);
	check_signed("", INT64_MIN, INT64_MAX, -EINVAL, 0);
	check_signed(NULL, INT64_MIN, INT64_MAX, -EINVAL, 0);
}

static void truth(void **state UNUSED)
{
	static const struct {
		const char *text;
		int r;
		bool value;
	} rows[] = {
		{ "true", 0, true }, { "false", 0, false }, { "1", 0, true }, { "0", 0, false },
		{ "2", 0, true }, { "-1", 0, true }, { "00", 0, false }, { "", -EINVAL, 0 },
		{ "True", -EINVAL, 0 }, { "yes", -EINVAL, 0 }, { "true ", -EINVAL, 0 },
		{ "1x", -EINVAL, 0 }, { "99999999999999999999", -EINVAL, 0 }, { NULL, -EINVAL, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool got = !rows[i].value;

		assert_int_equal(num_bool(rows[i].text, &got), rows[i].r);
		assert_int_equal(got, rows[i].r ? !rows[i].value : rows[i].value);
	}
}

static void lists(void **state UNUSED)
{
	static const struct {
		const char *text;
		int r;
		uint64_t low, high;
	} rows[] = {
		{ "0", 0, 1, 0 },
		{ "0-3,7", 0, 0x8f, 0 },
		{ "127", 0, 0, UINT64_C(1) << 63 },
		{ "63-64", 0, UINT64_C(1) << 63, 1 },
		{ " 1 , 2 - 4\t,2", 0, 0x1e, 0 },
		{ "3-3", 0, 8, 0 },
		{ "0-127", 0, UINT64_MAX, UINT64_MAX },
		{ "1-126", 0, UINT64_MAX - 1, UINT64_MAX >> 1 },
		{ "128", -ERANGE, 0, 0 },
		{ "1,0-128", -ERANGE, 0, 0 },
		{ "99999999999999999999999", -ERANGE, 0, 0 },
		{ "999,x", -EINVAL, 0, 0 },
		{ "", -EINVAL, 0, 0 },
		{ ",", -EINVAL, 0, 0 },
		{ "1,", -EINVAL, 0, 0 },
		{ ",1", -EINVAL, 0, 0 },
		{ "3-1", -EINVAL, 0, 0 },
		{ "1-", -EINVAL, 0, 0 },
		{ "-1", -EINVAL, 0, 0 },
		{ "1-2-3", -EINVAL, 0, 0 },
		{ "1 2", -EINVAL, 0, 0 },
		{ "0x1", -EINVAL, 0, 0 },
		{ NULL, -EINVAL, 0, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t bits[2] = { ~UINT64_C(0), ~UINT64_C(0) };
		int r = num_list(rows[i].text, bits, 128);

		if (r != rows[i].r)
			fail_msg("%s: %d", rows[i].text ? rows[i].text : "NULL", r);
		if (r == 0) {
			assert_int_equal(bits[0], rows[i].low);
			assert_int_equal(bits[1], rows[i].high);
		}
	}
}

static void sizes(void **state UNUSED)
{
	size_t n;

	assert_true(num_mul(SIZE_MAX / 2, 2, &n));
	assert_int_equal(n, SIZE_MAX - 1);
	assert_false(num_mul(SIZE_MAX / 2 + 1, 2, &n));
	assert_true(num_add(SIZE_MAX - 1, 1, &n));
	assert_int_equal(n, SIZE_MAX);
	assert_false(num_add(SIZE_MAX, 1, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimal),
		cmocka_unit_test(hexadecimal),
		cmocka_unit_test(octal),
		cmocka_unit_test(with_sign),
		cmocka_unit_test(truth),
		cmocka_unit_test(lists),
		cmocka_unit_test(sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
