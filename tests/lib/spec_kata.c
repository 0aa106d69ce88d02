/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>

#include "lib/spec_kata.h"

#include "agent.pb-c.h"
#include "base/json.h"
#include "lib/pbjson.h"

#define TEXT_MAX	(1u << 20)

struct walk {
	struct arena *a;
	struct spec_kata *out;
	struct str text;
};

static bool same_name(const char *a, const char *b)
{
	for (; *a || *b; a++, b++) {
		while (*a == '_')
			a++;
		if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
			return false;
		if (!*a)
			return true;
	}
	return true;
}

static const ProtobufCFieldDescriptor *find(const ProtobufCMessageDescriptor *d, const char *key)
{
	if (d == &grpc__spec__descriptor && str_eq(key, "ociVersion"))
		key = "Version";
	for (unsigned int i = 0; i < d->n_fields; i++)
		if (same_name(d->fields[i].name, key))
			return &d->fields[i];
	return NULL;
}

static void raw(struct walk *w, yyjson_val *v)
{
	char *text = yyjson_val_write(v, 0, NULL);

	assert_non_null(text);
	str_add(&w->text, text);
	free(text);
}

static void message(struct walk *w, yyjson_val *v, const ProtobufCMessageDescriptor *d,
		    const char *path);

static void field(struct walk *w, yyjson_val *v, const ProtobufCMessageDescriptor *d,
		  const ProtobufCFieldDescriptor *f, const char *path)
{
	yyjson_val *entry;
	size_t i, n;

	if (f->type != PROTOBUF_C_TYPE_MESSAGE || pbjson_is_map(d, f) ||
	    (f->label == PROTOBUF_C_LABEL_REPEATED) != yyjson_is_arr(v)) {
		raw(w, v);
		return;
	}
	if (!yyjson_is_arr(v)) {
		message(w, v, f->descriptor, path);
		return;
	}
	str_add_char(&w->text, '[');
	yyjson_arr_foreach(v, i, n, entry) {
		str_add(&w->text, i ? "," : "");
		message(w, entry, f->descriptor, arena_printf(w->a, "%s[%zu]", path, i));
	}
	str_add_char(&w->text, ']');
}

static void message(struct walk *w, yyjson_val *v, const ProtobufCMessageDescriptor *d,
		    const char *path)
{
	yyjson_val *key, *value;
	bool first = true;
	size_t i, n;

	if (!yyjson_is_obj(v)) {
		raw(w, v);
		return;
	}
	str_add_char(&w->text, '{');
	yyjson_obj_foreach(v, i, n, key, value) {
		const char *name = yyjson_get_str(key);
		const char *here = arena_printf(w->a, "%s%s%s", path, *path ? "." : "", name);
		const ProtobufCFieldDescriptor *f = find(d, name);

		if (yyjson_is_null(value))
			continue;
		if (!f) {
			assert_true(w->out->n_lost < SPEC_KATA_LOST_MAX);
			w->out->lost[w->out->n_lost++] = here;
			continue;
		}
		str_addf(&w->text, "%s\"%s\":", first ? "" : ",", f->name);
		field(w, value, d, f, here);
		first = false;
	}
	str_add_char(&w->text, '}');
}

int spec_kata_from(const char *text, struct arena *a, struct spec_kata *out, struct err *e)
{
	yyjson_doc *doc = json_read(a, text, strlen(text), e);
	struct walk w = { .a = a, .out = out };

	memset(out, 0, sizeof(*out));
	if (!doc)
		return -1;
	out->text = arena_alloc(a, TEXT_MAX);
	assert_non_null(out->text);
	str_init(&w.text, out->text, TEXT_MAX);
	message(&w, yyjson_doc_get_root(doc), &grpc__spec__descriptor, "");
	assert_true(str_ok(&w.text));
	return 0;
}
