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

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The number at *s, which is moved behind it and the blanks that follow. */
static int list_number(const char **s, size_t n_bits, size_t *out)
{
	bool fits = true;
	size_t v = 0;

	while (is_blank(**s))
		++*s;
	if (digit_value(**s) > 9)
		return -EINVAL;
	for (; digit_value(**s) <= 9; ++*s) {
		v = v * 10 + digit_value(**s);
		fits = fits && v < n_bits;
		v = fits ? v : 0;
	}
	while (is_blank(**s))
		++*s;
	*out = v;
	return fits ? 0 : -ERANGE;
}

static int list_range(const char **s, size_t n_bits, size_t *first, size_t *last)
{
	int r = list_number(s, n_bits, first), r2 = 0;

	*last = *first;
	if (r != -EINVAL && **s == '-') {
		++*s;
		r2 = list_number(s, n_bits, last);
	}
	if (r == -EINVAL || r2 == -EINVAL || (**s && **s != ','))
		return -EINVAL;
	if (r < 0 || r2 < 0)
		return -ERANGE;
	return *first > *last ? -EINVAL : 0;
}

/* Whole words at once: a long list of long ranges must not take long. */
static void set_bits(uint64_t *bits, size_t first, size_t last)
{
	for (size_t i = first; i <= last;) {
		bool whole = i % 64 == 0 && last - i >= 63;

		bits[i / 64] |= whole ? UINT64_MAX : UINT64_C(1) << i % 64;
		i += whole ? 64 : 1;
	}
}

int num_list(const char *s, uint64_t *bits, size_t n_bits)
{
	int result = 0;

	memset(bits, 0, n_bits / 8);
	if (!s)
		return -EINVAL;
	for (;;) {
		size_t first, last;
		int r = list_range(&s, n_bits, &first, &last);

		if (r == -EINVAL)
			return r;
		result = r < 0 ? r : result;
		if (r == 0)
			set_bits(bits, first, last);
		if (!*s++)
			return result;
	}
}
