/* SPDX-License-Identifier: Apache-2.0 */
/* Error values: from another process byte for byte, and built from text that a peer chose. */
#include "base/err.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* A host must be able to decode it, and a console to show it. */
static void check(const struct err *e)
{
	size_t left = strnlen(e->msg, sizeof(e->msg));
	const char *p = e->msg;

	must(left < sizeof(e->msg));
	must(err_is_set(e) && !str_eq(err_rc_name(e->rc), "?"));
	while (left) {
		size_t n = str_utf8_len(p, left);

		must(n > 0 && (unsigned char)*p >= 0x20 && *p != 0x7f);
		p += n;
		left -= n;
	}
}

static void from_text(const char *text, int errnum)
{
	struct err e = { 0 };
	char before[sizeof(e.msg)];

	err_set(&e, RC_NOT_FOUND, "%s", text);
	check(&e);
	err_clear(&e);
	err_sys(&e, errnum, "open %s", text);
	check(&e);
	must(strstr(e.msg, err_errno_name(errnum)));
	memcpy(before, e.msg, sizeof(before));
	err_ctx(&e, "%s", text);
	check(&e);
	must(str_eq(e.msg + strlen(e.msg) - strlen(before), before));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { 0 };
	char *text;

	memcpy(&e, data, MIN(size, sizeof(e)));
	err_sanitize(&e);
	check(&e);

	text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	from_text(text, size ? data[0] : 0);
	free(text);
	return 0;
}
