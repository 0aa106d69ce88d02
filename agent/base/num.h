/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict numbers: the whole text must be the number. No space, no sign where none
 * makes sense, no trailing byte, no octal surprise, no overflow. Locale plays no part.
 */
#ifndef MOTE_BASE_NUM_H
#define MOTE_BASE_NUM_H

#include "base/defs.h"

/* Decimal, 0..max. 0, or -EINVAL (not a number), -ERANGE (too large). *out is written on success
 * only. */
int num_u64(const char *s, uint64_t max, uint64_t *out);

/* Decimal with an optional leading '-', min..max. */
int num_i64(const char *s, int64_t min, int64_t max, int64_t *out);

/* Hexadecimal without prefix, either case, 0..max. */
int num_hex(const char *s, uint64_t max, uint64_t *out);

/* Octal, as in mode=1777, 0..max. */
int num_oct(const char *s, uint64_t max, uint64_t *out);

/* "true"/"false", or a decimal integer (nonzero is true): Kata's rule for kernel parameters.
 * -EINVAL else. */
int num_bool(const char *s, bool *out);

/* The kernel's lists, "0-3,7": the bits of the numbers are set, the others cleared. Blanks around a
 * number or a range are fine, an empty list or an upside-down range is not (-EINVAL); a number of
 * n_bits or more is -ERANGE. n_bits: a multiple of 64. */
int num_list(const char *s, uint64_t *bits, size_t n_bits);

/* a*b and a+b for sizes; false on overflow. */
static inline MUST_CHECK bool num_mul(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

static inline MUST_CHECK bool num_add(size_t a, size_t b, size_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}

#endif
