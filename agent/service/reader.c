/* SPDX-License-Identifier: Apache-2.0 */
#include "service/reader.h"

static void *no_memory(struct reader *r)
{
	err_set(r->e, RC_RESOURCE_EXHAUSTED,
		"the request takes more memory than one container may, or than there is");
	return NULL;
}

void *reader_array(struct reader *r, size_t n, size_t size)
{
	void *p;

	if (!n)
		return NULL;
	p = arena_calloc(r->a, n, size);
	return p ? p : no_memory(r);
}

const char *reader_word(struct reader *r, const char *s)
{
	char *copy = arena_strdup(r->a, s ? s : "");

	if (!copy)
		no_memory(r);
	return copy ? copy : "";
}

const char *reader_text(struct reader *r, const char *s)
{
	return str_empty(s) ? NULL : reader_word(r, s);
}

struct spec_strings reader_strings(struct reader *r, char *const *v, size_t n)
{
	struct spec_strings out = { .v = n ? READER_ARRAY(r, char *, n + 1) : NULL, .n = n };

	if (!out.v)
		return (struct spec_strings){ 0 };
	for (size_t i = 0; i < n; i++)
		out.v[i] = (char *)reader_word(r, v[i]);
	return out;
}
