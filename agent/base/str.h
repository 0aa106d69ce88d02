/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text built into a fixed buffer that the caller owns. A write beyond the end
 * sets a flag instead of cutting silently: check str_ok() once, at the end.
 */
#ifndef MOTE_BASE_STR_H
#define MOTE_BASE_STR_H

#include <stdarg.h>

#include "base/defs.h"

struct str {
	char *buf;	/* always terminated when cap > 0 */
	size_t len;	/* without the terminator */
	size_t cap;
	bool overflow;	/* something did not fit: the text is not whole */
};

/* A struct str over a char array. */
#define STR_OVER(array)	((struct str){ .buf = (array), .cap = sizeof(array) })

void str_init(struct str *s, char *buf, size_t cap);
void str_reset(struct str *s);
void str_add(struct str *s, const char *text);
void str_add_n(struct str *s, const char *text, size_t n);
void str_add_char(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) PRINTF(2, 3);
void str_vaddf(struct str *s, const char *fmt, va_list ap);

static inline bool str_ok(const struct str *s)
{
	return !s->overflow;
}

#endif
