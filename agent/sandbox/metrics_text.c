/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/metrics_text.h"

#include <strings.h>

#include "base/mem.h"
#include "base/num.h"

#define SPACE " \t:"

int metrics_text_init(struct metrics_text *t, char *buf, size_t cap)
{
	*t = (struct metrics_text){ .seen = mem_new(2 * METRICS_SERIES_MAX, sizeof(*t->seen)) };
	str_init(&t->out, buf, cap);
	return t->seen ? 0 : -ENOMEM;
}

void metrics_text_fini(struct metrics_text *t)
{
	free(TAKE_PTR(t->seen));
}

/* --- one series --- */

/* A label's value may hold any UTF-8, and these three by an escape. Other bytes come as a name that
 * somebody gave an interface. */
static void add_escaped(struct str *s, const char *value)
{
	size_t left = strlen(value);

	while (left) {
		size_t n = str_utf8_len(value, left);

		if (*value == '\n')
			str_add(s, "\\n");
		else if (*value == '"' || *value == '\\')
			str_addf(s, "\\%c", *value);
		else if (n)
			str_add_n(s, value, n);
		else
			str_add(s, "\xef\xbf\xbd"); /* U+FFFD */
		n = MAX(n, 1u);
		value += n;
		left -= n;
	}
}

static uint64_t hash_of(const char *text, size_t n)
{
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)text[i]) * 0x100000001b3;
	return h ? h : 1;
}

/* Is the series new? It is not any more. */
static bool is_new(struct metrics_text *t, uint64_t hash)
{
	const size_t places = 2 * METRICS_SERIES_MAX;
	size_t i = hash % places;

	if (t->n_series == METRICS_SERIES_MAX)
		return false;
	for (; t->seen[i]; i = (i + 1) % places)
		if (t->seen[i] == hash)
			return false;
	t->seen[i] = hash;
	t->n_series++;
	return true;
}

/* "12" or "0.15". */
static bool is_number(const char *text)
{
	size_t whole = strspn(text, "0123456789"), n = whole;

	if (text[n] == '.')
		n += 1 + strspn(text + n + 1, "0123456789");
	return whole && text[n - 1] != '.' && !text[n];
}

void metrics_text_add(struct metrics_text *t, const struct metrics_family *f,
		      const struct metrics_label *labels, size_t n_labels, const char *value)
{
	struct str before = t->out;
	size_t at;

	if (!is_number(value))
		return;
	if (t->family != f)
		str_addf(&t->out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->type);
	at = t->out.len;
	str_add(&t->out, f->name);
	for (size_t i = 0; i < n_labels; i++) {
		str_addf(&t->out, "%c%s=\"", i ? ',' : '{', labels[i].name);
		add_escaped(&t->out, labels[i].value);
		str_add_char(&t->out, '"');
	}
	str_add(&t->out, n_labels ? "} " : " ");
	if (str_ok(&t->out) && is_new(t, hash_of(t->out.buf + at, t->out.len - at))) {
		str_addf(&t->out, "%s\n", value);
		if (str_ok(&t->out)) {
			t->family = f;
			return;
		}
	}
	t->out = before;
	t->out.buf[t->out.len] = '\0';
}

/* --- values --- */

static uint64_t ticks_per_second(void)
{
	long n = sysconf(_SC_CLK_TCK);

	return n > 0 ? (uint64_t)n : 100;
}

/* The number in the family's unit; it is left alone, and with it out, when it is none. */
static bool convert(enum metrics_unit unit, uint64_t v, struct str *out)
{
	uint64_t ticks = ticks_per_second(), factor = 1;

	switch (unit) {
	case METRICS_PLAIN:
		break;
	case METRICS_BYTES:
		factor = 1024;
		break;
	case METRICS_PAGES:
		factor = (uint64_t)sysconf(_SC_PAGESIZE);
		break;
	case METRICS_MS:
		if (__builtin_mul_overflow(v, (uint64_t)1000, &v))
			return false;
		v /= ticks;
		break;
	case METRICS_SECONDS:
		str_addf(out, "%llu.%02llu", (unsigned long long)(v / ticks),
			 (unsigned long long)(v % ticks * 100 / ticks));
		return true;
	}
	if (__builtin_mul_overflow(v, factor, &v))
		return false;
	str_addf(out, "%llu", (unsigned long long)v);
	return true;
}

/* A word of a kernel's file as a series. item "": no such label. */
static void add_value(struct metrics_text *t, const struct metrics_family *f, enum metrics_unit unit,
		      const char *row, const char *item, const char *word)
{
	struct metrics_label labels[2];
	char text[32];
	struct str s = STR_OVER(text);
	size_t n = 0;
	uint64_t v;

	if (row)
		labels[n++] = (struct metrics_label){ f->row, row };
	if (*item)
		labels[n++] = (struct metrics_label){ "item", item };
	if (strchr(word, '.'))
		metrics_text_add(t, f, labels, n, word); /* a load */
	else if (num_u64(word, UINT64_MAX, &v) == 0 && convert(unit, v, &s))
		metrics_text_add(t, f, labels, n, text);
}

/* --- taking apart --- */

/* The next word of *at, which moves behind it; NULL: none is left. */
static char *next_word(char **at, const char *space)
{
	char *word = *at + strspn(*at, space);
	size_t n = strcspn(word, space);

	if (!n)
		return NULL;
	*at = word + n;
	if (**at)
		*(*at)++ = '\0';
	return word;
}

/* The next word of a list of items, copied. */
static bool next_item(const char **at, char *out, size_t cap)
{
	size_t n;

	*at += strspn(*at, " ");
	n = strcspn(*at, " ");
	if (!n || n >= cap)
		return false;
	memcpy(out, *at, n);
	out[n] = '\0';
	*at += n;
	return true;
}

/* A word for each item, in order; what the line lacks at its end is not there. */
static void add_columns(struct metrics_text *t, const struct metrics_family *f, const char *row,
			char *at, const char *space)
{
	const char *items = f->items;
	char item[40], *word;

	while (next_item(&items, item, sizeof(item)) && (word = next_word(&at, space)))
		add_value(t, f, f->unit, row, item, word);
}

static void add_sum(struct metrics_text *t, const struct metrics_family *f, char *at,
		    const char *space)
{
	const char *items = f->items;
	uint64_t sum = 0, v;
	char item[40], *word, text[32];
	struct str s = STR_OVER(text);

	while (next_item(&items, item, sizeof(item))) {
		word = next_word(&at, space);
		if (!word || num_u64(word, UINT64_MAX, &v) < 0 || __builtin_add_overflow(sum, v, &sum))
			return;
	}
	if (convert(f->unit, sum, &s))
		metrics_text_add(t, f, NULL, 0, text);
}

static void add_fields(struct metrics_text *t, const struct metrics_family *f, char *text)
{
	static const char space[] = " \t\n/"; /* "1/23" are two fields of a load average */
	char *at = strrchr(text, ')'), *word; /* a process's name holds anything */

	at = at ? at + 1 : text;
	for (unsigned int i = 0; i < f->first; i++)
		if (!next_word(&at, space))
			return;
	if (f->unit == METRICS_SECONDS)
		add_sum(t, f, at, space);
	else if (*f->items)
		add_columns(t, f, NULL, at, space);
	else if ((word = next_word(&at, space)))
		add_value(t, f, f->unit, NULL, "", word);
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "Active(anon)" active_anon, "SReclaimable" s_reclaimable, "NFS_Unstable" nfs_unstable,
 * "DirectMap2M" direct_map_2M. */
static void snake(const char *key, struct str *out)
{
	for (const char *p = key; *p; p++) {
		char before = p > key ? p[-1] : '_';
		bool starts = (is_upper(*p) && (is_lower(before) || (is_upper(before) && is_lower(p[1])))) ||
			      (is_digit(*p) && is_lower(before));

		if (*p == ')')
			continue;
		if (starts || *p == '(')
			str_add_char(out, '_');
		if (is_upper(*p) && !is_digit(before))
			str_add_char(out, (char)(*p | 0x20));
		else if (*p != '(')
			str_add_char(out, *p);
	}
}

/* Two words that hosts know in another spelling. */
static void respell(struct str *s)
{
	char *huge = strstr(s->buf, "huge_pages");

	if (str_eq(s->buf, "percpu")) {
		str_reset(s);
		str_add(s, "per_cpu");
	}
	if (!huge)
		return;
	memmove(huge + 4, huge + 5, strlen(huge + 5) + 1);
	s->len--;
}

/* The item that a key is, into out; "": none that is wanted. */
static void item_of(const struct metrics_family *f, const char *key, struct str *out)
{
	const char *items = f->items;
	char item[40];

	if (f->shape == METRICS_ALL_KEYS)
		str_add(out, key);
	if (f->shape == METRICS_ALL_SNAKES) {
		snake(key, out);
		respell(out);
	}
	while (f->shape == METRICS_KEYS && next_item(&items, item, sizeof(item)))
		if (strcasecmp(item, key) == 0)
			str_add(out, item);
}

static void add_key(struct metrics_text *t, const struct metrics_family *f, char *line)
{
	const char *key = next_word(&line, SPACE), *value = next_word(&line, SPACE);
	const char *unit = next_word(&line, SPACE);
	char item[64];
	struct str s = STR_OVER(item);
	bool kb = unit && str_eq(unit, "kB");

	if (!key || !value)
		return;
	item_of(f, key, &s);
	if (s.len && str_ok(&s))
		add_value(t, f, f->unit == METRICS_BYTES && !kb ? METRICS_PLAIN : f->unit, NULL, item,
			  value);
}

static void add_row(struct metrics_text *t, const struct metrics_family *f, char *line)
{
	const char *name = NULL;
	size_t n = f->prefix ? strlen(f->prefix) : 0;

	for (unsigned int i = 0; i <= f->first; i++)
		name = next_word(&line, SPACE);
	if (!name || (f->prefix && !str_starts(name, f->prefix)))
		return;
	name += n;
	add_columns(t, f, n && !*name ? "total" : name, line, SPACE);
}

void metrics_text_add_file(struct metrics_text *t, const struct metrics_family *f, char *text)
{
	char *line, *rest;

	if (f->shape == METRICS_FIELDS) {
		add_fields(t, f, text);
		return;
	}
	for (line = text; line; line = rest) {
		rest = strchr(line, '\n');
		if (rest)
			*rest++ = '\0';
		if (f->shape == METRICS_ROWS)
			add_row(t, f, line);
		else
			add_key(t, f, line);
	}
}
