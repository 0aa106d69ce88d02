/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/flags.h"

enum kind { BOOL, TEXT };

static const struct flag {
	const char *name;
	enum kind kind;
	size_t offset;
} table[] = {
	{ "namespace", TEXT, offsetof(struct shim_flags, namespace) },
	{ "address", TEXT, offsetof(struct shim_flags, address) },
	{ "publish-binary", TEXT, offsetof(struct shim_flags, publish_binary) },
	{ "id", TEXT, offsetof(struct shim_flags, id) },
	{ "bundle", TEXT, offsetof(struct shim_flags, bundle) },
	{ "debug", BOOL, offsetof(struct shim_flags, debug) },
	{ "v", BOOL, offsetof(struct shim_flags, version) },
	{ "info", BOOL, offsetof(struct shim_flags, info) },
	{ "h", BOOL, offsetof(struct shim_flags, help) },
	{ "help", BOOL, offsetof(struct shim_flags, help) },
};

static const struct flag *find(const char *name, size_t n)
{
	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (strlen(table[i].name) == n && memcmp(table[i].name, name, n) == 0)
			return &table[i];
	return NULL;
}

static int set_bool(bool *member, const char *name, const char *value, struct err *e)
{
	if (!value || str_eq(value, "true") || str_eq(value, "1"))
		*member = true;
	else if (str_eq(value, "false") || str_eq(value, "0"))
		*member = false;
	else
		return err_set(e, RC_INVALID_ARGUMENT, "flag '-%s': neither true nor false", name);
	return 0;
}

/* One flag; *next is its value where that is a word of its own, and becomes NULL when it was taken.
 */
static int read_flag(const char *text, const char **next, struct shim_flags *out, struct err *e)
{
	size_t n = strcspn(text, "=");
	const char *value = text[n] ? text + n + 1 : NULL;
	const struct flag *f = find(text, n);

	if (!f)
		return err_set(e, RC_INVALID_ARGUMENT, "flag '-%.40s' is not known", text);
	if (f->kind == BOOL)
		return set_bool((bool *)((char *)out + f->offset), f->name, value, e);
	if (!value) {
		value = *next;
		*next = NULL;
	}
	if (!value)
		return err_set(e, RC_INVALID_ARGUMENT, "flag '-%s' wants a value", f->name);
	*(const char **)((char *)out + f->offset) = value;
	return 0;
}

int flags_read(char *const *argv, struct shim_flags *out, struct err *e)
{
	memset(out, 0, sizeof(*out));
	for (argv++; *argv; argv++) {
		const char *text = *argv, *next = argv[1];

		if (*text != '-' || !text[1]) {
			if (out->action)
				return err_set(e, RC_INVALID_ARGUMENT, "'%.40s' after '%.40s'",
					       text, out->action);
			out->action = text;
			continue;
		}
		if (read_flag(text + (text[1] == '-' ? 2 : 1), &next, out, e) < 0)
			return -1;
		if (argv[1] && !next)
			argv++;
	}
	return 0;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool flags_is_name(const char *text)
{
	size_t n = text ? strlen(text) : 0;

	if (n == 0 || n > SHIM_NAME_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool between =
			i > 0 && i + 1 < n && is_plain(text[i - 1]) && strchr("._-", text[i]);

		if (!is_plain(text[i]) && !between)
			return false;
	}
	return true;
}
