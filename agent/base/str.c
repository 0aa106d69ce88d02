/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <stdio.h>

void str_init(struct str *s, char *buf, size_t cap)
{
	*s = (struct str){ .buf = buf, .cap = cap };
	if (cap)
		buf[0] = '\0';
}

void str_reset(struct str *s)
{
	str_init(s, s->buf, s->cap);
}

void str_add_n(struct str *s, const char *text, size_t n)
{
	size_t room = s->cap ? s->cap - 1 - s->len : 0;

	if (n > room) {
		s->overflow = true;
		n = room;
	}
	if (!n)
		return;
	memcpy(s->buf + s->len, text, n);
	s->len += n;
	s->buf[s->len] = '\0';
}

void str_add(struct str *s, const char *text)
{
	if (text)
		str_add_n(s, text, strlen(text));
}

void str_add_char(struct str *s, char c)
{
	str_add_n(s, &c, 1);
}

void str_vaddf(struct str *s, const char *fmt, va_list ap)
{
	size_t room = s->cap - s->len;
	int n = vsnprintf(s->cap ? s->buf + s->len : NULL, room, fmt, ap);

	if (n < 0) {
		s->overflow = true;
		if (room)
			s->buf[s->len] = '\0';
	} else if ((size_t)n < room) {
		s->len += (size_t)n;
	} else {
		s->overflow = s->overflow || n > 0;
		s->len = s->cap ? s->cap - 1 : 0;
	}
}

void str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	str_vaddf(s, fmt, ap);
	va_end(ap);
}

/* Unicode 15, table 3-7: the second byte's range rules out overlong forms, surrogates and > U+10FFFF. */
size_t str_utf8_len(const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (n < len)
		return 0;
	switch (p[0]) {
	case 0xe0: low = 0xa0; break;
	case 0xed: high = 0x9f; break;
	case 0xf0: low = 0x90; break;
	case 0xf4: high = 0x8f; break;
	}
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

void str_sanitize(char *text)
{
	size_t left = strlen(text);

	while (left) {
		unsigned char *p = (unsigned char *)text;
		size_t n = str_utf8_len(text, left);
		bool c1 = n == 2 && p[0] == 0xc2 && p[1] < 0xa0;

		if (n == 0 || p[0] < 0x20 || p[0] == 0x7f || c1) {
			n = MAX(n, (size_t)1);
			memset(text, '?', n);
		}
		text += n;
		left -= n;
	}
}

void str_cut(char *text, size_t max, const char *ending)
{
	size_t end_len = MIN(strlen(ending), max);
	size_t len = MIN(strlen(text), max - end_len);

	/* Not in the middle of a UTF-8 sequence. */
	while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	memcpy(text + len, ending, end_len);
	text[len + end_len] = '\0';
}
