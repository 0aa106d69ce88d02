/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"

/* The value of a digit, or 255. */
static unsigned int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned int)(c - 'A') + 10;
	return 255;
}

/* Reads on after an overflow: "9…9x" is not a number, rather than a large one. */
static int parse_digits(const char *s, unsigned int base, uint64_t max, uint64_t *out)
{
	bool fits = true;
	uint64_t v = 0;

	if (str_empty(s))
		return -EINVAL;
	for (; *s; s++) {
		unsigned int d = digit_value(*s);

		if (d >= base)
			return -EINVAL;
		fits = fits && !__builtin_mul_overflow(v, base, &v) &&
		       !__builtin_add_overflow(v, d, &v);
	}
	if (!fits || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

int num_u64(const char *s, uint64_t max, uint64_t *out)
{
	return parse_digits(s, 10, max, out);
}

int num_hex(const char *s, uint64_t max, uint64_t *out)
{
	return parse_digits(s, 16, max, out);
}

int num_oct(const char *s, uint64_t max, uint64_t *out)
{
	return parse_digits(s, 8, max, out);
}

int num_i64(const char *s, int64_t min, int64_t max, int64_t *out)
{
	bool negative = s && *s == '-';
	uint64_t limit = (uint64_t)INT64_MAX + negative;
	uint64_t magnitude = 0;
	int64_t v;
	int r;

	r = parse_digits(negative ? s + 1 : s, 10, limit, &magnitude);
	if (r < 0)
		return r;
	/* In unsigned arithmetic, since -INT64_MIN does not exist. */
	v = (int64_t)(negative ? 0 - magnitude : magnitude);
	if (v < min || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

int num_bool(const char *s, bool *out)
{
	int64_t v;

	if (!s)
		return -EINVAL;
	if (str_eq(s, "true") || str_eq(s, "false")) {
		*out = *s == 't';
		return 0;
	}
	if (num_i64(s, INT64_MIN, INT64_MAX, &v) < 0)
		return -EINVAL;
	*out = v != 0;
	return 0;
}
