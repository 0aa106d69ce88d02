/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON with an arena whose budget the first two bytes choose: what is read can be written, and
 * reads back the same; any text can be made a string.
 */
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void document(const char *text, size_t size, size_t budget)
{
	struct err e = { 0 };
	yyjson_mut_doc *copy;
	yyjson_doc *doc;
	struct arena a;
	char *written;
	size_t len;

	arena_init(&a, budget);
	doc = json_read(&a, text, size, &e);
	must(!doc == err_is_set(&e));
	must(a.total <= budget);
	arena_fini(&a);
	if (e.rc == RC_INVALID_ARGUMENT)
		return;

	/* Valid, or too large for that budget. */
	err_clear(&e);
	arena_init(&a, 64 << 20);
	doc = json_read(&a, text, size, &e);
	if (doc) {
		copy = json_new(&a);
		must(copy);
		yyjson_mut_doc_set_root(copy, yyjson_val_mut_copy(copy, yyjson_doc_get_root(doc)));
		written = json_write(&a, copy, 0, &len, &e);
		must(written && strlen(written) == len);
		must(json_read(&a, written, len, &e));
	}
	arena_fini(&a);
	must(arena_bytes_in_use() == 0);
}

static void string(const char *text, size_t size)
{
	size_t cap = 6 * size + 16;
	char *buf = malloc(cap);
	struct err e = { 0 };
	struct arena a;
	struct str s;

	if (!buf)
		return;
	str_init(&s, buf, cap);
	json_add_string(&s, text);
	must(str_ok(&s));
	arena_init(&a, 64 << 20);
	must(json_read(&a, buf, s.len, &e));
	arena_fini(&a);
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t budget;
	char *text;

	if (size < 2 || size > 65536)
		return 0;
	budget = (size_t)(data[0] | data[1] << 8);
	text = malloc(size - 1);
	if (!text)
		return 0;
	memcpy(text, data + 2, size - 2);
	text[size - 2] = '\0';
	document(text, size - 2, budget * 16);
	string(text, size - 2);
	free(text);
	return 0;
}
