/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/url.h"

#include <limits.h>

#include "base/path.h"

#define TEXT_MAX   (2 * PATH_MAX)
#define ARGS_MAX   64
#define STREAM_MAX 255

static const struct {
	const char *scheme;
	enum url_kind kind;
} schemes[] = {
	{ "fifo://", URL_FIFO },
	{ "file://", URL_FILE },
	{ "binary://", URL_BINARY },
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes "%2f"; in a query '+' is a blank. NULL: not an escape, a zero byte, or no memory. */
static char *unescape(struct arena *a, const char *text, size_t n, bool query)
{
	char *out = arena_alloc(a, n + 1), *to = out;

	for (size_t i = 0; out && i < n; i++) {
		int high, low;

		*to = query && text[i] == '+' ? ' ' : text[i];
		if (text[i] == '%') {
			high = i + 2 < n ? hex_digit(text[i + 1]) : -1;
			low = high < 0 ? -1 : hex_digit(text[i + 2]);
			if (low < 0 || (high | low) == 0)
				return NULL;
			*to = (char)(high << 4 | low);
			i += 2;
		}
		to++;
	}
	if (out)
		*to = '\0';
	return out;
}

static int read_args(struct arena *a, const char *query, struct url *out, struct err *e)
{
	struct url_pair *args = ARENA_ARRAY(a, struct url_pair, ARGS_MAX);

	out->args = args;
	while (args && *query) {
		size_t n = strcspn(query, "&"), key = strcspn(query, "=&");
		struct url_pair *p = &args[out->n_args];

		if (out->n_args == ARGS_MAX)
			return err_set(e, RC_INVALID_ARGUMENT, "more than %d arguments", ARGS_MAX);
		p->key = unescape(a, query, key, true);
		p->value = key < n ? unescape(a, query + key + 1, n - key - 1, true) : "";
		if (!p->key || !p->value)
			return err_set(e, RC_INVALID_ARGUMENT, "an escape that is none");
		out->n_args += n > 0;
		query += n + (query[n] == '&');
	}
	return args ? 0 : err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
}

static int read_path(struct arena *a, const char *text, size_t n, bool escaped, struct url *out,
		     struct err *e)
{
	out->path = escaped ? unescape(a, text, n, false) : arena_strndup(a, text, n);
	if (!out->path)
		return err_set(e, RC_INVALID_ARGUMENT, "an escape that is none");
	if (!path_is_plain(out->path) || strlen(out->path) >= PATH_MAX)
		return err_set(e, RC_INVALID_ARGUMENT, "not an absolute path without '..'");
	return 0;
}

static bool read_stream(struct arena *a, const char *text, struct url *out)
{
	static const char key[] = "streaming_id=";
	const char *query = strchr(text, '?');

	for (; query; query = strchr(query, '&')) {
		query++;
		if (str_starts(query, key)) {
			query += strlen(key);
			out->stream = unescape(a, query, strcspn(query, "&"), true);
			return out->stream && *out->stream && strlen(out->stream) <= STREAM_MAX;
		}
	}
	return false;
}

int url_parse(struct arena *a, const char *text, struct url *out, struct err *e)
{
	size_t n;

	memset(out, 0, sizeof(*out));
	if (str_empty(text))
		return 0;
	if (strlen(text) > TEXT_MAX)
		return err_set(e, RC_INVALID_ARGUMENT, "longer than %d bytes", TEXT_MAX);
	if (*text == '/') {
		out->kind = URL_FIFO;
		return read_path(a, text, strlen(text), false, out, e);
	}
	for (size_t i = 0; i < COUNT_OF(schemes); i++) {
		if (!str_starts(text, schemes[i].scheme))
			continue;
		out->kind = schemes[i].kind;
		text += strlen(schemes[i].scheme);
		n = strcspn(text, "?");
		if (read_path(a, text, n, true, out, e) < 0)
			return -1;
		return out->kind == URL_BINARY && text[n] ? read_args(a, text + n + 1, out, e) : 0;
	}
	out->kind = URL_STREAM;
	if (read_stream(a, text, out))
		return 0;
	return err_set(e, RC_INVALID_ARGUMENT,
		       "neither a path, nor fifo://, file://, binary://, nor a stream");
}
