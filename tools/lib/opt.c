/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/opt.h"

#define HELP_COLUMN	28

struct reading {
	struct arena *arena;
	const struct opt *table;
	char *into;
	char *const *at;	/* the argument that is being read */
	struct err *e;
};

static int list_add(struct arena *a, struct opt_list *l, const char *item, struct err *e)
{
	const char **items = ARENA_ARRAY(a, const char *, l->n + 2);

	if (!items)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	if (l->n)
		memcpy(items, l->items, l->n * sizeof(*items));
	items[l->n++] = item;
	l->items = items;
	return 0;
}

static int set_value(struct reading *r, const struct opt *o, const char *shown, const char *value)
{
	void *member = r->into + o->offset;

	switch (o->kind) {
	case OPT_FLAG:
		*(bool *)member = true;
		return 0;
	case OPT_TEXT:
		*(const char **)member = value;
		return 0;
	case OPT_LIST:
		return list_add(r->arena, member, value, r->e);
	case OPT_PARSE:
		break;
	}
	return o->parse(value, member, r->e) < 0 ? err_ctx(r->e, "option '%s'", shown) : 0;
}

/* The value: what hangs on the option itself, else the next argument. */
static int take(struct reading *r, const struct opt *o, const char *shown, const char *attached)
{
	if (!o->value)
		return set_value(r, o, shown, NULL);
	if (!attached) {
		attached = r->at[1];
		if (!attached)
			return err_set(r->e, RC_INVALID_ARGUMENT, "option '%s' wants a value (%s)",
				       shown, o->value);
		r->at++;
	}
	return set_value(r, o, shown, attached);
}

static int read_long(struct reading *r, const char *text)
{
	const char *equals = strchr(text, '=');
	size_t n = equals ? (size_t)(equals - text) : strlen(text);
	char shown[40];

	snprintf(shown, sizeof(shown), "--%.*s", (int)MIN(n, sizeof(shown) - 3), text);
	for (const struct opt *o = r->table; o->name; o++) {
		if (strlen(o->name) != n || strncmp(o->name, text, n) != 0)
			continue;
		if (equals && !o->value)
			return err_set(r->e, RC_INVALID_ARGUMENT, "option '%s' takes no value",
				       shown);
		return take(r, o, shown, equals ? equals + 1 : NULL);
	}
	return err_set(r->e, RC_INVALID_ARGUMENT, "unknown option '%s'", shown);
}

static int read_letters(struct reading *r, const char *text)
{
	for (; *text; text++) {
		const struct opt *o = r->table;
		char shown[] = { '-', *text, 0 };

		while (o->name && o->letter != *text)
			o++;
		if (!o->name)
			return err_set(r->e, RC_INVALID_ARGUMENT, "unknown option '%s'", shown);
		if (o->value)
			return take(r, o, shown, text[1] ? text + 1 : NULL);
		if (take(r, o, shown, NULL) < 0)
			return -1;
	}
	return 0;
}

int opt_read(struct arena *a, const struct opt *table, void *into, char *const *argv,
	     struct opt_rest *rest, struct err *e)
{
	struct reading r = { .arena = a, .table = table, .into = into, .at = argv, .e = e };

	memset(rest, 0, sizeof(*rest));
	while (*r.at && *++r.at) {
		const char *text = *r.at;
		int rc;

		if (str_eq(text, "--")) {
			rest->after = (const char *const *)r.at + 1;
			while (rest->after[rest->n_after])
				rest->n_after++;
			return 0;
		}
		if (text[0] != '-' || !text[1])
			rc = list_add(a, &rest->args, text, e);
		else
			rc = text[1] == '-' ? read_long(&r, text + 2) : read_letters(&r, text + 1);
		if (rc < 0)
			return -1;
	}
	return 0;
}

void opt_print_help(FILE *out, const struct opt *table)
{
	for (const struct opt *o = table; o->name; o++) {
		int n = fprintf(out, "  %c%c%c --%s%s%s", o->letter ? '-' : ' ',
				o->letter ? o->letter : ' ', o->letter ? ',' : ' ', o->name,
				o->value ? " " : "", o->value ? o->value : "");
		const char *text = o->help;

		for (;;) {
			int len = (int)strcspn(text, "\n");

			fprintf(out, "%*s%.*s\n", n < HELP_COLUMN ? HELP_COLUMN - n : 1, "", len,
				text);
			if (!text[len])
				break;
			text += len + 1;
			n = 0;
		}
	}
}
