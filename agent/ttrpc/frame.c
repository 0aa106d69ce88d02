/* SPDX-License-Identifier: Apache-2.0 */
#include "ttrpc/frame.h"

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

void frame_decode(const uint8_t in[FRAME_HEADER], struct frame *out)
{
	*out = (struct frame){
		.length = get_be32(in),
		.stream = get_be32(in + 4),
		.type = in[8],
		.flags = in[9],
	};
}

void frame_encode(const struct frame *f, uint8_t out[FRAME_HEADER])
{
	put_be32(out, f->length);
	put_be32(out + 4, f->stream);
	out[8] = f->type;
	out[9] = f->flags;
}
