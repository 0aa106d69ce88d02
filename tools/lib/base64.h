/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648): written in the standard alphabet with padding; read in the standard or the URL
 * alphabet, padding optional. Pure. */
#ifndef MOTE_LIB_BASE64_H
#define MOTE_LIB_BASE64_H

#include "base/defs.h"

/* Characters of n bytes, without a terminator. n at most SIZE_MAX / 2. */
static inline size_t base64_length(size_t n)
{
	return (n + 2) / 3 * 4;
}

/* out: base64_length(n) + 1 bytes. */
void base64_encode(const uint8_t *data, size_t n, char *out);

/* out: at least len / 4 * 3 + 3 bytes. Bytes written, or -EINVAL. */
ssize_t base64_decode(const char *text, size_t len, uint8_t *out);

#endif
