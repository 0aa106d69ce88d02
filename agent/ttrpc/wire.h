/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf in its encoded form: what is passed on is looked at, and changed, where it lies, without
 * being decoded as a whole, so that fields that nobody here knows stay. One level at a time; a
 * message inside is a field of bytes. Pure. Input is not trusted: every length is checked.
 */
#ifndef MOTE_TTRPC_WIRE_H
#define MOTE_TTRPC_WIRE_H

#include "base/defs.h"
#include "base/mem.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;      /* of a varint */
	const uint8_t *data; /* of bytes, in the input */
	size_t len;
	const uint8_t *raw; /* the whole field, tag and all */
	size_t raw_len;
};

struct wire {
	const uint8_t *at, *end;
};

static inline struct wire wire_of(const uint8_t *data, size_t len)
{
	return (struct wire){ data, len ? data + len : data };
}

/* 1: a field; 0: the end; -EBADMSG: not protobuf (groups are not either). */
int wire_next(struct wire *w, struct wire_field *out);

/* The last field of that number, as protobuf has it: 1, 0 (there is none), -EBADMSG. A field of
 * another type than the wanted one counts as none. */
int wire_find(const uint8_t *data, size_t len, uint32_t number, enum wire_type type,
	      struct wire_field *out);

/* A copy of a text field in a: "" when there is none; NULL: not protobuf, longer than max, with a
 * zero byte, or no memory. */
char *wire_text(struct arena *a, const uint8_t *data, size_t len, uint32_t number, size_t max);

/* What a field becomes. data NULL: the number in value, and none at all where that is 0, as proto3
 * has it; empty data: the field goes. */
struct wire_edit {
	uint32_t number;
	const void *data;
	size_t len;
	uint64_t value;
};

/* The message with all fields of the edits' numbers replaced, in a. NULL: not protobuf, or no
 * memory. */
uint8_t *wire_edit(struct arena *a, const uint8_t *data, size_t len, const struct wire_edit *edits,
		   size_t n, size_t *out_len);

/* A text as an edit's data and len. */
#define WIRE_TEXT(no, text)                                         \
	{                                                           \
		.number = (no), .data = (text), .len = strlen(text) \
	}

/* Writes at most WIRE_VARINT_MAX bytes; returns the end. */
#define WIRE_VARINT_MAX 10 /* of 64 bits */
uint8_t *wire_varint(uint64_t v, uint8_t *out);

/* Bytes that stand before `len` bytes in field `number`: tag and length, at most WIRE_HEAD. */
#define WIRE_HEAD 15
size_t wire_head(uint32_t number, size_t len, uint8_t out[WIRE_HEAD]);

#endif
