/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ttrpc frame: ten bytes, big-endian, then the payload (containerd/ttrpc, PROTOCOL.md).
 *
 *   0       4         8      9       10
 *   | length | stream | type | flags | payload …
 *
 * Pure; the length is checked by the caller against FRAME_MAX before any use.
 */
#ifndef MOTE_TTRPC_FRAME_H
#define MOTE_TTRPC_FRAME_H

#include "base/defs.h"

#define FRAME_HEADER	10
#define FRAME_MAX	(4u << 20)	/* payload bytes */

enum frame_type { FRAME_REQUEST = 1, FRAME_RESPONSE = 2, FRAME_DATA = 3 };

enum frame_flags {
	FRAME_REMOTE_CLOSED = 0x1,	/* the sender sends no more on this stream */
	FRAME_REMOTE_OPEN = 0x2,	/* the sender will send data */
	FRAME_NO_DATA = 0x4,		/* the payload is absent, not an empty message */
};

struct frame {
	uint32_t length;
	uint32_t stream;
	uint8_t type;
	uint8_t flags;
};

void frame_decode(const uint8_t in[FRAME_HEADER], struct frame *out);
void frame_encode(const struct frame *f, uint8_t out[FRAME_HEADER]);

#endif
