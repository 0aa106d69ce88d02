/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4), for names that others must be able to find again. Pure. */
#ifndef MOTE_LIB_SHA256_H
#define MOTE_LIB_SHA256_H

#include "base/defs.h"

#define SHA256_HEX	65	/* bytes of the text, with its end */

/* Of data, at most 2^32 bytes, as 64 lower-case hexadecimal digits. */
void sha256_hex(const void *data, size_t len, char out[SHA256_HEX]);

#endif
