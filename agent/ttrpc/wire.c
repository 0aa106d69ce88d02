/* SPDX-License-Identifier: Apache-2.0 */
#include "ttrpc/wire.h"

#include "base/num.h"

#define FIELD_MAX 0x1fffffffu

static int read_varint(struct wire *w, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < WIRE_VARINT_MAX && w->at < w->end; i++) {
		uint8_t byte = *w->at++;

		if (i == WIRE_VARINT_MAX - 1 && byte > 1)
			return -EBADMSG;
		v |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80)) {
			*out = v;
			return 0;
		}
	}
	return -EBADMSG;
}

static int skip(struct wire *w, uint64_t n)
{
	if (n > (uint64_t)(w->end - w->at))
		return -EBADMSG;
	w->at += n;
	return 0;
}

static int read_value(struct wire *w, struct wire_field *f)
{
	uint64_t len;

	switch (f->type) {
	case WIRE_VARINT:
		return read_varint(w, &f->value);
	case WIRE_FIXED64:
		return skip(w, 8);
	case WIRE_FIXED32:
		return skip(w, 4);
	case WIRE_BYTES:
		if (read_varint(w, &len) < 0)
			return -EBADMSG;
		f->data = w->at;
		f->len = (size_t)len;
		return skip(w, len);
	}
	return -EBADMSG;
}

int wire_next(struct wire *w, struct wire_field *out)
{
	uint64_t tag;

	if (w->at == w->end)
		return 0;
	memset(out, 0, sizeof(*out));
	out->raw = w->at;
	if (read_varint(w, &tag) < 0 || tag >> 3 == 0 || tag >> 3 > FIELD_MAX)
		return -EBADMSG;
	out->number = (uint32_t)(tag >> 3);
	out->type = (enum wire_type)(tag & 7);
	if (read_value(w, out) < 0)
		return -EBADMSG;
	out->raw_len = (size_t)(w->at - out->raw);
	return 1;
}

int wire_find(const uint8_t *data, size_t len, uint32_t number, enum wire_type type,
	      struct wire_field *out)
{
	struct wire w = wire_of(data, len);
	struct wire_field f;
	int r, found = 0;

	while ((r = wire_next(&w, &f)) > 0) {
		if (f.number != number || f.type != type)
			continue;
		*out = f;
		found = 1;
	}
	return r < 0 ? r : found;
}

char *wire_text(struct arena *a, const uint8_t *data, size_t len, uint32_t number, size_t max)
{
	struct wire_field f;
	int r = wire_find(data, len, number, WIRE_BYTES, &f);

	if (r == 0)
		return arena_strdup(a, "");
	if (r < 0 || f.len > max || memchr(f.data, '\0', f.len))
		return NULL;
	return arena_strndup(a, (const char *)f.data, f.len);
}

uint8_t *wire_varint(uint64_t v, uint8_t *out)
{
	for (; v >= 0x80; v >>= 7)
		*out++ = (uint8_t)(v | 0x80);
	*out++ = (uint8_t)v;
	return out;
}

size_t wire_head(uint32_t number, size_t len, uint8_t out[WIRE_HEAD])
{
	uint8_t *at = wire_varint((uint64_t)number << 3 | WIRE_BYTES, out);

	return (size_t)(wire_varint(len, at) - out);
}

static bool is_edited(uint32_t number, const struct wire_edit *edits, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (edits[i].number == number)
			return true;
	return false;
}

static uint8_t *write_edit(const struct wire_edit *x, uint8_t *out)
{
	if (x->data && x->len) {
		out += wire_head(x->number, x->len, out);
		memcpy(out, x->data, x->len);
		return out + x->len;
	}
	if (x->data || !x->value)
		return out;
	out = wire_varint((uint64_t)x->number << 3 | WIRE_VARINT, out);
	return wire_varint(x->value, out);
}

uint8_t *wire_edit(struct arena *a, const uint8_t *data, size_t len, const struct wire_edit *edits,
		   size_t n, size_t *out_len)
{
	struct wire w = wire_of(data, len);
	struct wire_field f;
	size_t room = len;
	uint8_t *out, *at;
	int r;

	for (size_t i = 0; i < n; i++)
		if (!num_add(room, edits[i].len, &room) || !num_add(room, 2 * WIRE_HEAD, &room))
			return NULL;
	out = at = arena_alloc(a, room);
	if (!out)
		return NULL;
	while ((r = wire_next(&w, &f)) > 0) {
		if (is_edited(f.number, edits, n))
			continue;
		memcpy(at, f.raw, f.raw_len);
		at += f.raw_len;
	}
	if (r < 0)
		return NULL;
	for (size_t i = 0; i < n; i++)
		at = write_edit(&edits[i], at);
	*out_len = (size_t)(at - out);
	return out;
}
