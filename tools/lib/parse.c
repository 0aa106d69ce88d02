/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/parse.h"

#include "base/num.h"
#include "base/str.h"

#define US_PER_SECOND	1000000

int parse_size(const char *text, uint64_t *bytes, struct err *e)
{
	static const char units[] = "kmgt";
	size_t n = strlen(text);
	const char *unit = n ? strchr(units, text[n - 1] | 0x20) : NULL;
	unsigned int shift = unit && *unit ? 10 * (unsigned int)(unit - units + 1) : 0;
	char digits[24];
	struct str s = STR_OVER(digits);
	uint64_t v;

	str_add_n(&s, text, shift ? n - 1 : n);
	if (!str_ok(&s) || num_u64(digits, UINT64_MAX, &v) < 0 || v > (uint64_t)INT64_MAX >> shift)
		return err_set(e, RC_INVALID_ARGUMENT, "'%.40s' is not a size such as 64M", text);
	*bytes = v << shift;
	return 0;
}

/* A decimal fraction in millionths, at most max whole ones. */
static int millionths(const char *text, uint64_t max, uint64_t *out)
{
	const char *dot = strchr(text, '.');
	size_t whole = dot ? (size_t)(dot - text) : strlen(text),
	       fraction = dot ? strlen(dot + 1) : 0;
	char digits[24];
	struct str s = STR_OVER(digits);

	if (!whole || (dot && !fraction) || fraction > 6)
		return -EINVAL;
	str_add_n(&s, text, whole);
	str_add_n(&s, dot ? dot + 1 : "", fraction);
	str_add_n(&s, "000000", 6 - fraction);
	return str_ok(&s) ? num_u64(digits, max * US_PER_SECOND, out) : -ERANGE;
}

int parse_cpus(const char *text, uint64_t *us_per_second, struct err *e)
{
	uint64_t v;

	if (millionths(text, 1024, &v) < 0 || v == 0)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "'%.40s' is not a number of processors such as 1.5", text);
	*us_per_second = v;
	return 0;
}

int parse_seconds(const char *text, uint64_t *ms, struct err *e)
{
	uint64_t v;

	if (millionths(text, 86400, &v) < 0)
		return err_set(e, RC_INVALID_ARGUMENT, "'%.40s' is not a number of seconds", text);
	*ms = v / 1000;
	return 0;
}

int parse_count(const char *text, uint64_t max, uint64_t *out, struct err *e)
{
	uint64_t v;

	if (num_u64(text, max, &v) < 0 || v == 0)
		return err_set(e, RC_INVALID_ARGUMENT, "'%.40s' is not a number from 1 to %llu",
			       text, (unsigned long long)max);
	*out = v;
	return 0;
}
