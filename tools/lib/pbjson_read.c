/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text to a message. The document is parsed whole by yyjson (which does not recurse); then one
 * function per kind of value writes into the message's memory at the offsets of the descriptor.
 * Names are put in front of an error on the way up.
 */
#include "lib/pbjson.h"

#include <limits.h>
#include <math.h>

#include "base/json.h"
#include "base/num.h"
#include "lib/base64.h"

struct reader {
	struct arena *arena;
	struct err *e;
	unsigned int depth;
};

static int read_message(struct reader *r, const ProtobufCMessageDescriptor *type, yyjson_val *val,
			ProtobufCMessage **out);

static int no_memory(struct reader *r)
{
	return err_set(r->e, RC_RESOURCE_EXHAUSTED, "no memory");
}

static int wanted(struct reader *r, const char *what, yyjson_val *val)
{
	return err_set(r->e, RC_INVALID_ARGUMENT, "%s is wanted, not %s", what,
		       yyjson_get_type_desc(val));
}

/* A whole number of JSON, or one in a string, into 64 bits; *negative tells how to read them. */
static int whole_number(struct reader *r, yyjson_val *val, uint64_t *out, bool *negative)
{
	double d;
	int64_t s;

	*negative = false;
	if (yyjson_is_uint(val)) {
		*out = yyjson_get_uint(val);
		return 0;
	}
	if (yyjson_is_sint(val)) {
		s = yyjson_get_sint(val);
	} else if (yyjson_is_str(val)) {
		const char *text = yyjson_get_str(val);

		if (num_u64(text, UINT64_MAX, out) == 0)
			return 0;
		if (num_i64(text, INT64_MIN, INT64_MAX, &s) != 0)
			return err_set(r->e, RC_INVALID_ARGUMENT, "the string is not a number");
	} else if (yyjson_is_real(val)) {
		d = yyjson_get_real(val);
		if (!(fabs(d) <= 9007199254740992.0) || trunc(d) != d)
			return err_set(r->e, RC_INVALID_ARGUMENT,
				       "not a whole number that is exact");
		s = (int64_t)d;
	} else {
		return wanted(r, "a number", val);
	}
	*negative = s < 0;
	*out = (uint64_t)s;
	return 0;
}

static int read_signed(struct reader *r, yyjson_val *val, int64_t min, int64_t max, int64_t *out)
{
	uint64_t v;
	bool negative;

	if (whole_number(r, val, &v, &negative) < 0)
		return -1;
	if (negative ? (int64_t)v < min : v > (uint64_t)max)
		return err_set(r->e, RC_INVALID_ARGUMENT, "out of range");
	*out = (int64_t)v;
	return 0;
}

static int read_unsigned(struct reader *r, yyjson_val *val, uint64_t max, uint64_t *out)
{
	bool negative;

	if (whole_number(r, val, out, &negative) < 0)
		return -1;
	if (negative || *out > max)
		return err_set(r->e, RC_INVALID_ARGUMENT, "out of range");
	return 0;
}

static int read_real(struct reader *r, yyjson_val *val, double *out)
{
	static const struct { const char *name; double value; } special[] = {
		{ "NaN", NAN }, { "Infinity", INFINITY }, { "-Infinity", -INFINITY },
	};

	if (yyjson_is_num(val)) {
		*out = yyjson_get_num(val);
		return 0;
	}
	for (size_t i = 0; i < COUNT_OF(special); i++) {
		if (yyjson_equals_str(val, special[i].name)) {
			*out = special[i].value;
			return 0;
		}
	}
	return wanted(r, "a number", val);
}

static int read_string(struct reader *r, yyjson_val *val, char **out)
{
	if (!yyjson_is_str(val))
		return wanted(r, "a string", val);
	if (strlen(yyjson_get_str(val)) != yyjson_get_len(val))
		return err_set(r->e, RC_INVALID_ARGUMENT, "a string with a NUL in it");
	*out = arena_strdup(r->arena, yyjson_get_str(val));
	return *out ? 0 : no_memory(r);
}

static int read_bytes(struct reader *r, yyjson_val *val, ProtobufCBinaryData *out)
{
	size_t len = yyjson_get_len(val);
	ssize_t n;

	if (!yyjson_is_str(val))
		return wanted(r, "base64 in a string", val);
	out->data = arena_alloc(r->arena, len / 4 * 3 + 3);
	if (!out->data)
		return no_memory(r);
	n = base64_decode(yyjson_get_str(val), len, out->data);
	if (n < 0)
		return err_set(r->e, RC_INVALID_ARGUMENT, "not base64");
	out->len = (size_t)n;
	return 0;
}

static int read_enum(struct reader *r, const ProtobufCEnumDescriptor *type, yyjson_val *val,
		     int32_t *out)
{
	const ProtobufCEnumValue *v;
	int64_t n;

	if (yyjson_is_str(val)) {
		v = protobuf_c_enum_descriptor_get_value_by_name(type, yyjson_get_str(val));
		if (!v)
			return err_set(r->e, RC_INVALID_ARGUMENT, "%s has no value of that name",
				       type->name);
		*out = v->value;
		return 0;
	}
	if (read_signed(r, val, INT32_MIN, INT32_MAX, &n) < 0)
		return -1;
	*out = (int32_t)n;
	return 0;
}

static int read_bool(struct reader *r, yyjson_val *val, protobuf_c_boolean *out)
{
	if (!yyjson_is_bool(val))
		return wanted(r, "true or false", val);
	*out = yyjson_get_bool(val);
	return 0;
}

/* One value of the field's type to `at`: a member of the message or an element of its array. */
static int read_value(struct reader *r, const ProtobufCFieldDescriptor *f, yyjson_val *val,
		      void *at)
{
	int64_t s = 0;
	uint64_t u = 0;
	double d = 0;
	int rc;

	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		rc = read_signed(r, val, INT32_MIN, INT32_MAX, &s);
		*(int32_t *)at = (int32_t)s;
		return rc;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return read_signed(r, val, INT64_MIN, INT64_MAX, at);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		rc = read_unsigned(r, val, UINT32_MAX, &u);
		*(uint32_t *)at = (uint32_t)u;
		return rc;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return read_unsigned(r, val, UINT64_MAX, at);
	case PROTOBUF_C_TYPE_FLOAT:
		rc = read_real(r, val, &d);
		*(float *)at = (float)d;
		return rc;
	case PROTOBUF_C_TYPE_DOUBLE:
		return read_real(r, val, at);
	case PROTOBUF_C_TYPE_BOOL:
		return read_bool(r, val, at);
	case PROTOBUF_C_TYPE_ENUM:
		return read_enum(r, f->descriptor, val, at);
	case PROTOBUF_C_TYPE_STRING:
		return read_string(r, val, at);
	case PROTOBUF_C_TYPE_BYTES:
		return read_bytes(r, val, at);
	case PROTOBUF_C_TYPE_MESSAGE:
		return read_message(r, f->descriptor, val, at);
	}
	return err_set(r->e, RC_INTERNAL, "a type that is not known");
}

/* Memory for n values of a repeated field, noted in the message. */
static char *array_new(struct reader *r, const ProtobufCFieldDescriptor *f, size_t n,
		       ProtobufCMessage *msg)
{
	char *array = arena_calloc(r->arena, n, pbjson_value_size(f->type));

	if (!array) {
		no_memory(r);
		return NULL;
	}
	*(void **)((char *)msg + f->offset) = array;
	*(size_t *)((char *)msg + f->quantifier_offset) = n;
	return array;
}

static int read_array(struct reader *r, const ProtobufCFieldDescriptor *f, yyjson_val *val,
		      ProtobufCMessage *msg)
{
	size_t i, max;
	yyjson_val *item;
	char *array;

	if (!yyjson_is_arr(val))
		return wanted(r, "an array", val);
	if (yyjson_arr_size(val) == 0)
		return 0;
	array = array_new(r, f, yyjson_arr_size(val), msg);
	if (!array)
		return -1;
	yyjson_arr_foreach(val, i, max, item) {
		if (read_value(r, f, item, array + i * pbjson_value_size(f->type)) < 0)
			return err_ctx(r->e, "[%zu]", i);
	}
	return 0;
}

/* A map's key is always a string in JSON; true and false are the only ones that a number cannot be
 * read from. */
static int read_map_key(struct reader *r, const ProtobufCFieldDescriptor *f, yyjson_val *key,
			void *at)
{
	if (f->type != PROTOBUF_C_TYPE_BOOL)
		return read_value(r, f, key, at);
	if (!yyjson_equals_str(key, "true") && !yyjson_equals_str(key, "false"))
		return err_set(r->e, RC_INVALID_ARGUMENT, "a key is neither true nor false");
	*(protobuf_c_boolean *)at = yyjson_equals_str(key, "true");
	return 0;
}

static int read_map(struct reader *r, const ProtobufCFieldDescriptor *f, yyjson_val *val,
		    ProtobufCMessage *msg)
{
	const ProtobufCMessageDescriptor *type = f->descriptor;
	const ProtobufCFieldDescriptor *kf = &type->fields[0], *vf = &type->fields[1];
	size_t i, max;
	yyjson_val *key, *item;
	char *array;

	if (!yyjson_is_obj(val))
		return wanted(r, "an object", val);
	if (yyjson_obj_size(val) == 0)
		return 0;
	array = array_new(r, f, yyjson_obj_size(val), msg);
	if (!array)
		return -1;
	yyjson_obj_foreach(val, i, max, key, item) {
		ProtobufCMessage *entry = arena_alloc(r->arena, type->sizeof_message);

		if (!entry)
			return no_memory(r);
		protobuf_c_message_init(type, entry);
		((ProtobufCMessage **)array)[i] = entry;
		if (read_map_key(r, kf, key, (char *)entry + kf->offset) < 0 ||
		    read_value(r, vf, item, (char *)entry + vf->offset) < 0)
			return err_ctx(r->e, "entry %zu", i);
	}
	return 0;
}

static int read_field(struct reader *r, const ProtobufCMessageDescriptor *type,
		      const ProtobufCFieldDescriptor *f, yyjson_val *val, ProtobufCMessage *msg)
{
	void *quantifier = (char *)msg + f->quantifier_offset;

	if (pbjson_is_map(type, f))
		return read_map(r, f, val, msg);
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return read_array(r, f, val, msg);
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		if (*(uint32_t *)quantifier != 0)
			return err_set(r->e, RC_INVALID_ARGUMENT,
				       "another member of its oneof is set");
		*(uint32_t *)quantifier = f->id;
	} else if (f->label == PROTOBUF_C_LABEL_OPTIONAL && f->type != PROTOBUF_C_TYPE_STRING &&
		   f->type != PROTOBUF_C_TYPE_MESSAGE) {
		*(protobuf_c_boolean *)quantifier = true;
	}
	return read_value(r, f, val, (char *)msg + f->offset);
}

static const ProtobufCFieldDescriptor *field_find(const ProtobufCMessageDescriptor *type,
						  yyjson_val *key)
{
	const char *name = yyjson_get_str(key);
	char json[PBJSON_NAME];

	if (strlen(name) != yyjson_get_len(key))
		return NULL;
	for (unsigned int i = 0; i < type->n_fields; i++) {
		if (str_eq(type->fields[i].name, name))
			return &type->fields[i];
	}
	for (unsigned int i = 0; i < type->n_fields; i++) {
		pbjson_name(type->fields[i].name, json);
		if (json[0] && str_eq(json, name))
			return &type->fields[i];
	}
	return NULL;
}

static int read_fields(struct reader *r, const ProtobufCMessageDescriptor *type, yyjson_val *val,
		       ProtobufCMessage *msg)
{
	bool *seen = arena_calloc(r->arena, type->n_fields, sizeof(*seen));
	size_t i, max;
	yyjson_val *key, *item;

	if (!seen)
		return no_memory(r);
	yyjson_obj_foreach(val, i, max, key, item) {
		const ProtobufCFieldDescriptor *f = field_find(type, key);

		if (!f)
			return err_set(r->e, RC_INVALID_ARGUMENT, "%s has no field '%.40s'",
				       type->name, yyjson_get_str(key));
		if (seen[f - type->fields])
			return err_set(r->e, RC_INVALID_ARGUMENT, "%s: given twice", f->name);
		seen[f - type->fields] = true;
		if (yyjson_is_null(item))
			continue;
		if (read_field(r, type, f, item, msg) < 0)
			return err_ctx(r->e, "%s", f->name);
	}
	return 0;
}

static int read_message(struct reader *r, const ProtobufCMessageDescriptor *type, yyjson_val *val,
			ProtobufCMessage **out)
{
	ProtobufCMessage *msg;
	int rc;

	if (!yyjson_is_obj(val))
		return wanted(r, "an object", val);
	if (r->depth == PBJSON_DEPTH)
		return err_set(r->e, RC_INVALID_ARGUMENT, "more than %d messages in one another",
			       PBJSON_DEPTH);
	msg = arena_alloc(r->arena, type->sizeof_message);
	if (!msg)
		return no_memory(r);
	protobuf_c_message_init(type, msg);
	*out = msg;
	r->depth++;
	rc = read_fields(r, type, val, msg);
	r->depth--;
	return rc;
}

ProtobufCMessage *pbjson_read(struct arena *a, const ProtobufCMessageDescriptor *type,
			      const char *text, size_t len, struct err *e)
{
	struct reader r = { .arena = a, .e = e };
	yyjson_doc *doc = json_read(a, text, len, e);
	ProtobufCMessage *msg = NULL;

	if (!doc || read_message(&r, type, yyjson_doc_get_root(doc), &msg) < 0)
		return NULL;
	return msg;
}
