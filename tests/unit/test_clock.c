/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>

#include "base/clock.h"

#include <cmocka.h>

#include <stdio.h>

static void time_goes_on(void **state UNUSED)
{
	struct timespec ts;
	uint64_t a, b, real;

	a = clock_ms();
	clock_gettime(CLOCK_MONOTONIC, &ts);
	b = clock_ms();
	real = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	assert_true(a <= real && real <= b);
}

static void a_fake_clock_stands_still(void **state UNUSED)
{
	uint64_t before = clock_ms();

	clock_fake(1000);
	assert_int_equal(clock_ms(), 1000);
	assert_int_equal(clock_after(500), 1500);
	assert_int_equal(clock_after(0), 1000);
	clock_fake(0);
	assert_int_equal(clock_ms(), 0);
	clock_fake(CLOCK_NEVER);
	assert_true(clock_ms() >= before);
}

static void a_deadline_does_not_overflow(void **state UNUSED)
{
	clock_fake(1000);
	assert_true(clock_after(CLOCK_NEVER) == CLOCK_NEVER);
	assert_true(clock_after(CLOCK_NEVER - 1) == CLOCK_NEVER);
	assert_true(clock_after(CLOCK_NEVER - 1000) == CLOCK_NEVER);
	assert_true(clock_after(CLOCK_NEVER - 1001) == CLOCK_NEVER - 1);
	clock_fake(0);
	assert_true(clock_after(CLOCK_NEVER) == CLOCK_NEVER);
	clock_fake(CLOCK_NEVER);
	assert_true(clock_after(CLOCK_NEVER) == CLOCK_NEVER);
}

static void check_against_libc(time_t sec, long nsec)
{
	struct timespec ts = { sec, nsec };
	char want[64], got[32];
	struct tm tm;
	size_t n;

	gmtime_r(&sec, &tm);
	n = strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(want + n, sizeof(want) - n, ".%09ldZ", nsec);
	assert_string_equal(clock_rfc3339_of(&ts, got), want);
}

static void dates_are_those_of_libc(void **state UNUSED)
{
	static const time_t edges[] = {
		0, 1, 59, 60, 3599, 3600, 86399, 86400, 68169599, 68169600 /* 1972-02-29 */,
		951782399, 951782400 /* 2000-02-29 */, 951868800, 4107542399 /* 2100-02-28 */,
		4107542400 /* 2100-03-01 */, 1795492296, 253402300799,
	};
	uint64_t x = 1;

	for (size_t i = 0; i < COUNT_OF(edges); i++)
		check_against_libc(edges[i], 0);
	for (int i = 0; i < 20000; i++) {
		x = x * 6364136223846793005 + 1442695040888963407;
		check_against_libc((time_t)((x >> 16) % 253402300800), (long)((x >> 8) % 1000000000));
	}
	/* Every day of 400 years and a bit. */
	for (time_t day = 0; day < 150000; day++)
		check_against_libc(day * 86400 + 86399, 999999999);
}

static void dates_outside_four_digits_are_clamped(void **state UNUSED)
{
	struct timespec late = { INT64_MAX, 5 }, early = { -1, 0 };
	char buf[32];

	assert_string_equal(clock_rfc3339_of(&late, buf), "9999-12-31T23:59:59.000000005Z");
	assert_string_equal(clock_rfc3339_of(&early, buf), "1970-01-01T00:00:00.000000000Z");
}

static void now_in_words(void **state UNUSED)
{
	char before[32], buf[32], after[32];
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	clock_rfc3339_of(&ts, before);
	assert_ptr_equal(clock_rfc3339(buf), buf);
	clock_gettime(CLOCK_REALTIME, &ts);
	clock_rfc3339_of(&ts, after);
	assert_true(strcmp(before, buf) <= 0 && strcmp(buf, after) <= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_goes_on),
		cmocka_unit_test(a_fake_clock_stands_still),
		cmocka_unit_test(a_deadline_does_not_overflow),
		cmocka_unit_test(dates_are_those_of_libc),
		cmocka_unit_test(dates_outside_four_digits_are_clamped),
		cmocka_unit_test(now_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
