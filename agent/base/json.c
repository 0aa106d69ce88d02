/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yyjson reads and writes without recursion, so depth costs memory only, and all its memory
 * comes from an arena. Growing a buffer leaves the old one behind in the arena; yyjson grows by
 * doubling, so at most as much again is lost.
 */
#include "base/json.h"

static void *alc_malloc(void *ctx, size_t size)
{
	return arena_alloc(ctx, size);
}

static void *alc_realloc(void *ctx, void *old, size_t old_size, size_t size)
{
	void *p;

	if (size <= old_size)
		return old;
	p = arena_alloc(ctx, size);
	if (p && old_size)
		memcpy(p, old, old_size);
	return p;
}

static void alc_free(void *ctx UNUSED, void *p UNUSED)
{
}

static yyjson_alc alc_of(struct arena *a)
{
	return (yyjson_alc){
		.malloc = alc_malloc,
		.realloc = alc_realloc,
		.free = alc_free,
		.ctx = a,
	};
}

yyjson_doc *json_read(struct arena *a, const char *text, size_t len, struct err *e)
{
	yyjson_alc alc = alc_of(a);
	yyjson_read_err why;
	/* yyjson writes into its input only when told so (YYJSON_READ_INSITU). */
	yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text, len, YYJSON_READ_NOFLAG, &alc, &why);

	if (doc)
		return doc;
	if (why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		err_set(e, RC_RESOURCE_EXHAUSTED, "JSON: no memory to read %zu bytes", len);
	else
		err_set(e, RC_INVALID_ARGUMENT, "JSON: byte %zu: %s", why.pos, why.msg);
	return NULL;
}

yyjson_mut_doc *json_new(struct arena *a)
{
	yyjson_alc alc = alc_of(a);

	return yyjson_mut_doc_new(&alc);
}

char *json_write(struct arena *a, yyjson_mut_doc *doc, uint32_t flags, size_t *len, struct err *e)
{
	yyjson_alc alc = alc_of(a);
	yyjson_write_err why;
	char *text = yyjson_mut_write_opts(doc, flags, &alc, len, &why);

	if (text)
		return text;
	if (why.code == YYJSON_WRITE_ERROR_MEMORY_ALLOCATION)
		err_set(e, RC_RESOURCE_EXHAUSTED, "JSON: no memory to write");
	else
		err_set(e, RC_INTERNAL, "JSON: cannot write: %s", why.msg);
	return NULL;
}

static void add_escaped(struct str *s, unsigned char c)
{
	static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (size_t i = 0; i + 1 < sizeof(names); i += 2) {
		if ((unsigned char)names[i] == c) {
			str_add_char(s, '\\');
			str_add_char(s, names[i + 1]);
			return;
		}
	}
	str_addf(s, "\\u%04x", c);
}

void json_add_string(struct str *s, const char *text)
{
	size_t left = text ? strlen(text) : 0;

	str_add_char(s, '"');
	while (left) {
		unsigned char c = (unsigned char)*text;
		size_t n = str_utf8_len(text, left);

		if (n == 0) {
			str_add(s, "\xef\xbf\xbd");
			n = 1;
		} else if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f) {
			add_escaped(s, c);
		} else {
			str_add_n(s, text, n);
		}
		text += n;
		left -= n;
	}
	str_add_char(s, '"');
}
