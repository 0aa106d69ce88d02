/* SPDX-License-Identifier: Apache-2.0 */
/* PCI addresses, "0000:3a:00.0": domain (4 to 8 digits), bus, slot and function, in hexadecimal. */
#ifndef MOTE_BASE_BDF_H
#define MOTE_BASE_BDF_H

#include "base/defs.h"

#define BDF_TEXT 24 /* bytes that bdf_print needs */

typedef uint64_t bdf_t; /* domain << 16 | bus << 8 | slot << 3 | function */

/* How many bytes of s are an address, at its beginning; 0: none are. What follows is not looked at. */
size_t bdf_parse(const char *s, bdf_t *out);

/* In the kernel's spelling. */
const char *bdf_print(bdf_t b, char buf[BDF_TEXT]);

#endif
