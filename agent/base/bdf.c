/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bdf.h"

#include "base/str.h"

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* min to max digits; how many there are, 0: too few. */
static size_t hex(const char *s, size_t min, size_t max, uint64_t *out)
{
	size_t n = 0;

	*out = 0;
	for (; n < max && digit(s[n]) >= 0; n++)
		*out = *out << 4 | (uint64_t)digit(s[n]);
	return n < min ? 0 : n;
}

size_t bdf_parse(const char *s, bdf_t *out)
{
	uint64_t domain, bus, slot, function;
	size_t n = hex(s, 4, 8, &domain);

	if (!n || s[n] != ':' || !hex(s + n + 1, 2, 2, &bus) || s[n + 3] != ':' ||
	    !hex(s + n + 4, 2, 2, &slot) || slot > 0x1f || s[n + 6] != '.' ||
	    !hex(s + n + 7, 1, 1, &function) || function > 7)
		return 0;
	*out = domain << 16 | bus << 8 | slot << 3 | function;
	return n + 8;
}

const char *bdf_print(bdf_t b, char buf[BDF_TEXT])
{
	struct str s;

	str_init(&s, buf, BDF_TEXT);
	str_addf(&s, "%04llx:%02x:%02x.%x", (unsigned long long)(b >> 16 & UINT32_MAX),
		 (unsigned int)(b >> 8 & 0xff), (unsigned int)(b >> 3 & 0x1f),
		 (unsigned int)(b & 7));
	return buf;
}
