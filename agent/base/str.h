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
	char *buf;  /* always terminated when cap > 0 */
	size_t len; /* without the terminator */
	size_t cap;
	bool overflow; /* something did not fit: the text is not whole */
};

/* A struct str over a char array (not a pointer), which is made empty. */
#define STR_OVER(array) ((struct str){ .buf = ((array)[0] = '\0', (array)), .cap = sizeof(array) })

void str_init(struct str *s, char *buf, size_t cap);
void str_reset(struct str *s);

/* What fits is added, then the flag is set. NULL adds nothing. */
void str_add(struct str *s, const char *text);
void str_add_n(struct str *s, const char *text, size_t n);
void str_add_char(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) PRINTF(2, 3);
void str_vaddf(struct str *s, const char *fmt, va_list ap);

static inline bool str_ok(const struct str *s)
{
	return !s->overflow;
}

/* Length of the UTF-8 sequence that starts text[0..n), 1 to 4; 0 when it is malformed or n is 0. */
size_t str_utf8_len(const char *text, size_t n);

/* Turns control characters (C0, DEL, C1) and malformed UTF-8 into '?', byte for byte, in place. */
void str_sanitize(char *text);

/* Shortens text to at most max bytes that end in `ending`, not inside a UTF-8 sequence; a shorter
 * text gets the ending too. The buffer holds max + 1 bytes. */
void str_cut(char *text, size_t max, const char *ending);

#endif
