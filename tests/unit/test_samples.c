/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/samples.h"

static struct samples s;

static void add(const double *values, size_t n)
{
	samples_clear(&s);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(samples_add(&s, values[i]), 0);
}

static void none(void **state)
{
	(void)state;
	samples_clear(&s);
	assert_true(isnan(samples_median(&s)));
}

static void ranks(void **state)
{
	static const double odd[] = { 3, 1, 2 }, even[] = { 4, 1, 3, 2 }, one[] = { 7 };

	(void)state;
	add(odd, 3);
	assert_true(samples_at(&s, 0) == 1);
	assert_true(samples_median(&s) == 2);
	assert_true(samples_at(&s, 1) == 3);
	add(even, 4);
	assert_true(samples_median(&s) == 2); /* a value that was measured, not a mean */
	assert_true(samples_at(&s, 0.51) == 3);
	add(one, 1);
	assert_true(samples_at(&s, 0) == 7 && samples_median(&s) == 7 && samples_at(&s, 1) == 7);
}

/* Ten of a hundred lie above the 90th percentile, one above the 99th; later values count too. */
static void percentiles(void **state)
{
	(void)state;
	samples_clear(&s);
	for (int i = 100; i > 0; i--)
		assert_int_equal(samples_add(&s, i), 0);
	assert_true(samples_at(&s, 0.9) == 90);
	assert_true(samples_at(&s, 0.99) == 99);
	assert_int_equal(samples_add(&s, 0.5), 0);
	assert_true(samples_at(&s, 0) == 0.5);
}

static void full(void **state)
{
	(void)state;
	samples_clear(&s);
	for (size_t i = 0; i < SAMPLES_MAX; i++)
		assert_int_equal(samples_add(&s, 1), 0);
	assert_int_equal(samples_add(&s, 2), -ENOSPC);
	assert_true(samples_at(&s, 1) == 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(none),
		cmocka_unit_test(ranks),
		cmocka_unit_test(percentiles),
		cmocka_unit_test(full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
