/* SPDX-License-Identifier: Apache-2.0 */
#include "container/spec_json_table.h"

#include "base/str.h"

/* --- errors ------------------------------------------------------------------------------ */

static void print_place(struct str *s, const struct spec_json_at *at)
{
	if (at->up)
		print_place(s, at->up);
	if (at->name)
		str_addf(s, "%s%.60s", s->len ? "." : "", at->name);
	else
		str_addf(s, "[%zu]", at->index);
}

int spec_json_bad(struct spec_json *j, const struct spec_json_at *at, const char *fmt, ...)
{
	char place[128], why[128];
	struct str p = STR_OVER(place), w = STR_OVER(why);
	va_list ap;

	va_start(ap, fmt);
	str_vaddf(&w, fmt, ap);
	va_end(ap);
	print_place(&p, at);
	return err_set(j->e, RC_INVALID_ARGUMENT, "%s: %s", place[0] ? place : "the spec", why);
}

static int wrong_type(struct spec_json *j, const struct spec_json_at *at, const char *wanted,
		      yyjson_val *v)
{
	return spec_json_bad(j, at, "%s is wanted, not %s", wanted, yyjson_get_type_desc(v));
}

void *spec_json_alloc(struct spec_json *j, size_t n, size_t size)
{
	void *p = n ? arena_calloc(j->a, n, size) : NULL;

	if (n && !p)
		err_set(j->e, RC_RESOURCE_EXHAUSTED,
			"the spec takes more memory than one container may");
	return p;
}

/* --- objects ----------------------------------------------------------------------------- */

static const struct spec_json_member *find_member(const struct spec_json_object *o, yyjson_val *key,
						  size_t *index)
{
	const char *name = yyjson_get_str(key);
	size_t len = yyjson_get_len(key);

	for (size_t i = 0; o->members[i].name; i++) {
		*index = i;
		if (strlen(o->members[i].name) == len &&
		    memcmp(o->members[i].name, name, len) == 0)
			return &o->members[i];
	}
	return NULL;
}

static void check_required(struct spec_json *j, const struct spec_json_at *at,
			   const struct spec_json_object *o, uint64_t said)
{
	for (size_t i = 0; o->members[i].name; i++) {
		const struct spec_json_at here = { at, o->members[i].name, 0 };

		if (o->members[i].required && !(said >> i & 1))
			spec_json_bad(j, &here, "missing");
	}
}

void spec_json_object(struct spec_json *j, const struct spec_json_at *at, yyjson_val *v,
		      const struct spec_json_object *o, void *obj)
{
	uint64_t seen = 0, said = 0;
	yyjson_obj_iter iter;
	yyjson_val *key;

	if (o->preset)
		o->preset(obj);
	if (!yyjson_obj_iter_init(v, &iter)) {
		wrong_type(j, at, "an object", v);
		return;
	}
	while ((key = yyjson_obj_iter_next(&iter)) && !err_is_set(j->e)) {
		yyjson_val *value = yyjson_obj_iter_get_val(key);
		size_t i = 0;
		const struct spec_json_member *m = find_member(o, key, &i);
		const struct spec_json_at here = { at, m ? m->name : NULL, 0 };

		if (!m)
			continue;
		if (seen >> i & 1)
			spec_json_bad(j, &here, "twice");
		seen |= UINT64_C(1) << i;
		if (yyjson_is_null(value))
			continue;
		said |= UINT64_C(1) << i;
		m->read(j, &here, value, m, obj);
	}
	check_required(j, at, o, said);
}

/* --- readers ----------------------------------------------------------------------------- */

/* A pointer of whatever type. */
static void put_pointer(void *obj, size_t offset, const void *p)
{
	memcpy((char *)obj + offset, &p, sizeof(p));
}

#define AT(type)	(*(type *)(void *)((char *)obj + m->offset))
#define EXTRA(type)	(*(type *)(void *)((char *)obj + m->extra))

const char *spec_json_copy(struct spec_json *j, const struct spec_json_at *at, yyjson_val *v)
{
	const char *text = yyjson_get_str(v);
	char *copy;

	if (!text) {
		wrong_type(j, at, "a string", v);
		return NULL;
	}
	if (strlen(text) != yyjson_get_len(v)) {
		spec_json_bad(j, at, "a NUL byte in the text");
		return NULL;
	}
	copy = spec_json_alloc(j, yyjson_get_len(v) + 1, 1);
	if (copy)
		memcpy(copy, text, yyjson_get_len(v));
	return copy;
}

SPEC_JSON_READER(spec_json_word)
{
	AT(const char *) = spec_json_copy(j, at, v);
}

SPEC_JSON_READER(spec_json_text)
{
	const char *text = spec_json_copy(j, at, v);

	AT(const char *) = str_empty(text) ? NULL : text;
}

SPEC_JSON_READER(spec_json_bool)
{
	if (yyjson_is_bool(v))
		AT(bool) = yyjson_get_bool(v);
	else
		wrong_type(j, at, "true or false", v);
}

/* Real numbers are none, also those that are whole: 1e3 is no size. */
bool spec_json_number(struct spec_json *j, const struct spec_json_at *at, yyjson_val *v,
		      uint64_t max, uint64_t *out)
{
	*out = 0;
	if (!yyjson_is_int(v)) {
		wrong_type(j, at, "a whole number", v);
		return false;
	}
	if (!yyjson_is_uint(v) || yyjson_get_uint(v) > max) {
		spec_json_bad(j, at, "not in 0..%llu", (unsigned long long)max);
		return false;
	}
	*out = yyjson_get_uint(v);
	return true;
}

static int64_t signed_number(struct spec_json *j, const struct spec_json_at *at, yyjson_val *v,
			     int64_t min, int64_t max)
{
	uint64_t n;

	if (yyjson_is_sint(v) && !yyjson_is_uint(v)) {
		if (yyjson_get_sint(v) >= min)
			return yyjson_get_sint(v);
		spec_json_bad(j, at, "less than %lld", (long long)min);
		return 0;
	}
	return spec_json_number(j, at, v, (uint64_t)max, &n) ? (int64_t)n : 0;
}

static uint64_t unsigned_number(struct spec_json *j, const struct spec_json_at *at, yyjson_val *v,
				uint64_t max)
{
	uint64_t n;

	spec_json_number(j, at, v, max, &n);
	return n;
}

SPEC_JSON_READER(spec_json_u16)
{
	AT(uint16_t) = (uint16_t)unsigned_number(j, at, v, UINT16_MAX);
}

SPEC_JSON_READER(spec_json_u32)
{
	AT(uint32_t) = (uint32_t)unsigned_number(j, at, v, UINT32_MAX);
}

SPEC_JSON_READER(spec_json_u64)
{
	AT(uint64_t) = unsigned_number(j, at, v, UINT64_MAX);
}

SPEC_JSON_READER(spec_json_i32)
{
	AT(int32_t) = (int32_t)signed_number(j, at, v, INT32_MIN, INT32_MAX);
}

SPEC_JSON_READER(spec_json_i64)
{
	AT(int64_t) = signed_number(j, at, v, INT64_MIN, INT64_MAX);
}

SPEC_JSON_READER(spec_json_some_i64)
{
	AT(struct spec_i64) = (struct spec_i64){ signed_number(j, at, v, INT64_MIN, INT64_MAX),
						 true };
}

SPEC_JSON_READER(spec_json_some_u64)
{
	AT(struct spec_u64) = (struct spec_u64){ unsigned_number(j, at, v, UINT64_MAX), true };
}

SPEC_JSON_READER(spec_json_some_u32)
{
	uint32_t *n = spec_json_alloc(j, 1, sizeof(*n));

	if (n)
		*n = (uint32_t)unsigned_number(j, at, v, UINT32_MAX);
	put_pointer(obj, m->offset, n);
}

static uint32_t find_word(struct spec_json *j, const struct spec_json_at *at, yyjson_val *v,
			  const struct spec_word *words)
{
	const char *name = spec_json_copy(j, at, v);
	const struct spec_word *w = name ? spec_word_find(words, name) : NULL;

	if (name && !w)
		spec_json_bad(j, at, "unknown \"%.40s\"", name);
	return w ? w->value : 0;
}

SPEC_JSON_READER(spec_json_choice)
{
	AT(uint32_t) = find_word(j, at, v, m->words);
}

static bool is_array(struct spec_json *j, const struct spec_json_at *at, yyjson_val *v)
{
	if (!yyjson_is_arr(v))
		wrong_type(j, at, "a list", v);
	return yyjson_is_arr(v);
}

SPEC_JSON_READER(spec_json_bits)
{
	yyjson_val *entry;
	size_t i, n;

	if (!is_array(j, at, v))
		return;
	yyjson_arr_foreach(v, i, n, entry) {
		const struct spec_json_at here = { at, NULL, i };

		AT(uint32_t) |= find_word(j, &here, entry, m->words);
	}
}

SPEC_JSON_READER(spec_json_strings)
{
	struct spec_strings s = { 0 };
	yyjson_val *entry;
	size_t i, n;

	if (!is_array(j, at, v))
		return;
	if (yyjson_arr_size(v))
		s.v = spec_json_alloc(j, yyjson_arr_size(v) + 1, sizeof(*s.v));
	yyjson_arr_foreach(v, i, n, entry) {
		const struct spec_json_at here = { at, NULL, i };
		const char *text = err_is_set(j->e) ? NULL : spec_json_copy(j, &here, entry);

		if (!text)
			return;
		s.v[s.n++] = (char *)text;
	}
	if (!m->extra) {
		AT(struct spec_strings) = s;
		return;
	}
	put_pointer(obj, m->offset, s.v);
	EXTRA(size_t) = s.n;
}

SPEC_JSON_READER(spec_json_pairs)
{
	struct spec_pairs *out = &AT(struct spec_pairs);
	yyjson_val *key, *value;
	size_t i, n;

	if (!yyjson_is_obj(v)) {
		wrong_type(j, at, "an object", v);
		return;
	}
	out->v = spec_json_alloc(j, yyjson_obj_size(v), sizeof(*out->v));
	yyjson_obj_foreach(v, i, n, key, value) {
		const struct spec_json_at here = { at, yyjson_get_str(key), 0 };
		struct spec_pair p = { 0 };

		if (out->v && !err_is_set(j->e))
			p.key = spec_json_copy(j, at, key);
		if (p.key)
			p.value = spec_json_copy(j, &here, value);
		if (!p.value)
			return;
		out->v[out->n++] = p;
	}
}

SPEC_JSON_READER(spec_json_struct)
{
	spec_json_object(j, at, v, m->object, (char *)obj + m->offset);
	if (m->extra)
		EXTRA(bool) = true;
}

SPEC_JSON_READER(spec_json_inline)
{
	spec_json_object(j, at, v, m->object, obj);
}

SPEC_JSON_READER(spec_json_pointer)
{
	void *p = spec_json_alloc(j, 1, m->object->size);

	if (p)
		spec_json_object(j, at, v, m->object, p);
	put_pointer(obj, m->offset, p);
}

SPEC_JSON_READER(spec_json_list)
{
	yyjson_val *entry;
	char *p = NULL;
	size_t i, n;

	if (is_array(j, at, v))
		p = spec_json_alloc(j, yyjson_arr_size(v), m->object->size);
	if (!p)
		return;
	yyjson_arr_foreach(v, i, n, entry) {
		const struct spec_json_at here = { at, NULL, i };

		if (!err_is_set(j->e))
			spec_json_object(j, &here, entry, m->object, p + i * m->object->size);
	}
	put_pointer(obj, m->offset, p);
	EXTRA(size_t) = yyjson_arr_size(v);
}
