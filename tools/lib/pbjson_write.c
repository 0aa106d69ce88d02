/* SPDX-License-Identifier: Apache-2.0 */
/* A message to JSON text: a tree of yyjson values in the arena, written at the end. */
#include "lib/pbjson.h"

#include <inttypes.h>
#include <math.h>

#include "base/json.h"
#include "lib/base64.h"

struct writer {
	struct arena *arena;
	yyjson_mut_doc *doc;
	unsigned int flags;
	unsigned int depth;
};

static yyjson_mut_val *write_message(struct writer *w, const ProtobufCMessage *msg);

/* Bytes of the well-formed UTF-8 sequence at s, 0 when there is none. */
static size_t utf8_length(const unsigned char *s, size_t n)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t min;
	} form[] = {
		{ 0x80, 0x00, 0 },
		{ 0xe0, 0xc0, 0x80 },
		{ 0xf0, 0xe0, 0x800 },
		{ 0xf8, 0xf0, 0x10000 },
	};
	for (size_t k = 0; k < COUNT_OF(form) && k < n; k++) {
		uint32_t v = s[0] & (unsigned char)~form[k].mask;

		if ((s[0] & form[k].mask) != form[k].lead)
			continue;
		for (size_t i = 1; i <= k; i++) {
			if ((s[i] & 0xc0) != 0x80)
				return 0;
			v = v << 6 | (s[i] & 0x3f);
		}
		if (v < form[k].min || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
			return 0;
		return k + 1;
	}
	return 0;
}

/* A JSON string of text that a peer sent: as it is, or copied with U+FFFD for every byte that is
 * not UTF-8. */
static yyjson_mut_val *write_text(struct writer *w, const char *text)
{
	size_t len = text ? strlen(text) : 0, bad = 0, n;
	char *clean, *to;

	for (size_t i = 0; i < len; i += n ? n : 1) {
		n = utf8_length((const unsigned char *)text + i, len - i);
		bad += n == 0;
	}
	if (!bad)
		return yyjson_mut_strn(w->doc, text ? text : "", len);
	clean = to = arena_alloc(w->arena, len + 2 * bad + 1);
	if (!clean)
		return NULL;
	for (size_t i = 0; i < len; i += n ? n : 1) {
		n = utf8_length((const unsigned char *)text + i, len - i);
		memcpy(to, n ? text + i : "\xef\xbf\xbd", n ? n : 3);
		to += n ? n : 3;
	}
	return yyjson_mut_strn(w->doc, clean, (size_t)(to - clean));
}

static yyjson_mut_val *write_bytes(struct writer *w, const ProtobufCBinaryData *b)
{
	char *text = arena_alloc(w->arena, base64_length(b->len) + 1);

	if (!text)
		return NULL;
	base64_encode(b->data, b->len, text);
	return yyjson_mut_strn(w->doc, text, base64_length(b->len));
}

static yyjson_mut_val *write_real(struct writer *w, double d)
{
	if (isnan(d))
		return yyjson_mut_str(w->doc, "NaN");
	if (isinf(d))
		return yyjson_mut_str(w->doc, d < 0 ? "-Infinity" : "Infinity");
	return yyjson_mut_real(w->doc, d);
}

static yyjson_mut_val *write_enum(struct writer *w, const ProtobufCEnumDescriptor *type, int value)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(type, value);

	return v ? yyjson_mut_str(w->doc, v->name) : yyjson_mut_sint(w->doc, value);
}

static yyjson_mut_val *write_long(struct writer *w, ProtobufCType type, const void *at)
{
	char text[24];

	if (type == PROTOBUF_C_TYPE_UINT64 || type == PROTOBUF_C_TYPE_FIXED64)
		snprintf(text, sizeof(text), "%" PRIu64, *(const uint64_t *)at);
	else
		snprintf(text, sizeof(text), "%" PRId64, *(const int64_t *)at);
	return yyjson_mut_strcpy(w->doc, text);
}

static yyjson_mut_val *write_value(struct writer *w, const ProtobufCFieldDescriptor *f,
				   const void *at)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return yyjson_mut_sint(w->doc, *(const int32_t *)at);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return yyjson_mut_uint(w->doc, *(const uint32_t *)at);
	case PROTOBUF_C_TYPE_FLOAT:
		return write_real(w, *(const float *)at);
	case PROTOBUF_C_TYPE_DOUBLE:
		return write_real(w, *(const double *)at);
	case PROTOBUF_C_TYPE_BOOL:
		return yyjson_mut_bool(w->doc, *(const protobuf_c_boolean *)at);
	case PROTOBUF_C_TYPE_ENUM:
		return write_enum(w, f->descriptor, *(const int *)at);
	case PROTOBUF_C_TYPE_STRING:
		return write_text(w, *(char *const *)at);
	case PROTOBUF_C_TYPE_BYTES:
		return write_bytes(w, at);
	case PROTOBUF_C_TYPE_MESSAGE:
		return write_message(w, *(ProtobufCMessage *const *)at);
	default:
		return write_long(w, f->type, at);
	}
}

/* The key of a map as the string that JSON wants. */
static yyjson_mut_val *write_map_key(struct writer *w, const ProtobufCFieldDescriptor *f,
				     const void *at)
{
	char text[16];

	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return yyjson_mut_str(w->doc, *(const protobuf_c_boolean *)at ? "true" : "false");
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		snprintf(text, sizeof(text), "%" PRId32, *(const int32_t *)at);
		return yyjson_mut_strcpy(w->doc, text);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		snprintf(text, sizeof(text), "%" PRIu32, *(const uint32_t *)at);
		return yyjson_mut_strcpy(w->doc, text);
	default:
		return write_value(w, f, at);
	}
}

static yyjson_mut_val *write_map(struct writer *w, const ProtobufCFieldDescriptor *f,
				 ProtobufCMessage *const *entries, size_t n)
{
	const ProtobufCFieldDescriptor *kv =
		((const ProtobufCMessageDescriptor *)f->descriptor)->fields;
	yyjson_mut_val *object = yyjson_mut_obj(w->doc);

	for (size_t i = 0; i < n; i++) {
		yyjson_mut_val *key =
			write_map_key(w, &kv[0], (const char *)entries[i] + kv[0].offset);
		yyjson_mut_val *value =
			write_value(w, &kv[1], (const char *)entries[i] + kv[1].offset);

		if (!key || !value || !yyjson_mut_obj_add(object, key, value))
			return NULL;
	}
	return object;
}

static yyjson_mut_val *write_array(struct writer *w, const ProtobufCFieldDescriptor *f,
				   const char *array, size_t n)
{
	yyjson_mut_val *list = yyjson_mut_arr(w->doc);

	for (size_t i = 0; i < n; i++) {
		yyjson_mut_val *value = write_value(w, f, array + i * pbjson_value_size(f->type));

		if (!value || !yyjson_mut_arr_append(list, value))
			return NULL;
	}
	return list;
}

/* Does a proto3 field without presence hold its default? */
static bool is_default(const ProtobufCFieldDescriptor *f, const void *at)
{
	static const char zero[sizeof(uint64_t)];

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return str_empty(*(char *const *)at);
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)at)->len == 0;
	default:
		return memcmp(at, zero, pbjson_value_size(f->type)) == 0;
	}
}

/* Is a field that is not repeated there, so that it is written without being asked for? */
static bool is_present(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
	const void *quantifier = (const char *)msg + f->quantifier_offset;
	const void *at = (const char *)msg + f->offset;

	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)quantifier == f->id;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE || f->label == PROTOBUF_C_LABEL_NONE)
		return !is_default(f, at);
	if (f->label == PROTOBUF_C_LABEL_REQUIRED)
		return true;
	return f->type == PROTOBUF_C_TYPE_STRING ? *(char *const *)at != NULL
						 : *(const protobuf_c_boolean *)quantifier;
}

/* The field's value; *skip when it is not to be written. */
static yyjson_mut_val *write_field(struct writer *w, const ProtobufCMessage *msg,
				   const ProtobufCFieldDescriptor *f, bool *skip)
{
	const char *at = (const char *)msg + f->offset;
	bool all = w->flags & PBJSON_DEFAULTS;
	size_t n;

	*skip = false;
	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		*skip = !is_present(msg, f) && !(all && f->label == PROTOBUF_C_LABEL_NONE &&
						 f->type != PROTOBUF_C_TYPE_MESSAGE &&
						 !(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF));
		return *skip ? NULL : write_value(w, f, at);
	}
	n = *(const size_t *)((const char *)msg + f->quantifier_offset);
	*skip = n == 0 && !all;
	if (*skip)
		return NULL;
	if (pbjson_is_map(msg->descriptor, f))
		return write_map(w, f, *(ProtobufCMessage *const *const *)at, n);
	return write_array(w, f, *(const char *const *)at, n);
}

static yyjson_mut_val *write_message(struct writer *w, const ProtobufCMessage *msg)
{
	yyjson_mut_val *object = yyjson_mut_obj(w->doc);

	if (w->depth == PBJSON_DEPTH)
		return NULL;
	w->depth++;
	for (unsigned int i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];
		bool skip;
		yyjson_mut_val *value = write_field(w, msg, f, &skip);

		if (skip)
			continue;
		if (!value || !yyjson_mut_obj_add(object, yyjson_mut_str(w->doc, f->name), value))
			return NULL;
	}
	w->depth--;
	return object;
}

char *pbjson_write(struct arena *a, const ProtobufCMessage *msg, unsigned int flags, size_t *len,
		   struct err *e)
{
	struct writer w = { .arena = a, .doc = json_new(a), .flags = flags };
	yyjson_mut_val *root = w.doc ? write_message(&w, msg) : NULL;

	if (!root) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "%s as JSON: no memory, or nested too deep",
			msg->descriptor->name);
		return NULL;
	}
	yyjson_mut_doc_set_root(w.doc, root);
	return json_write(a, w.doc, flags & PBJSON_COMPACT ? 0 : YYJSON_WRITE_PRETTY_TWO_SPACES,
			  len, e);
}
