/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict reader of Prometheus' text format (0.0.4): what it takes, Prometheus takes; it also refuses
 * what the format leaves open and an agent shall not do (a family in two parts, one without samples).
 */
#ifndef MOTE_TESTS_PROMETHEUS_H
#define MOTE_TESTS_PROMETHEUS_H

#include <ctype.h>
#include <stdio.h>

#include "base/str.h"

static size_t prometheus_name(const char *p, const char *more)
{
	size_t n = 0;

	while (isalpha((unsigned char)p[n]) || p[n] == '_' || (p[n] && strchr(more, p[n])) ||
	       (n && isdigit((unsigned char)p[n])))
		n++;
	return n;
}

/* `name="value"`: its length, 0 when it is none. */
static size_t prometheus_label(const char *p)
{
	size_t n = prometheus_name(p, ""), left = strlen(p);

	if (!n || p[n] != '=' || p[n + 1] != '"')
		return 0;
	for (n += 2; p[n] != '"';) {
		size_t u = str_utf8_len(p + n, left - n);

		if (!u || p[n] == '\n' || !p[n])
			return 0;
		if (p[n] == '\\' && (!p[n + 1] || !strchr("\\\"n", p[++n])))
			return 0;
		n += u;
	}
	return n + 1;
}

/* The length of "name{label="x",…}" at p, 0 when it is none. */
static size_t prometheus_series(const char *p)
{
	size_t n = prometheus_name(p, ":"), l;

	if (!n || p[n] != '{')
		return n;
	do {
		l = prometheus_label(p + ++n);
		if (!l)
			return 0;
		n += l;
	} while (p[n] == ',');
	return p[n] == '}' ? n + 1 : 0;
}

/* Does a line with these n bytes and a blank stand in the text before `end`? */
static bool prometheus_stands(const char *text, const char *end, const char *start, size_t n)
{
	for (const char *at = text; at < end; at = strchr(at, '\n') + 1)
		if (strncmp(at, start, n) == 0 && at[n] == ' ')
			return true;
	return false;
}

/* One sample of the family `name` of n bytes. The length of its line, 0 when it is none. */
static size_t prometheus_sample(const char *text, const char *at, const char *name, size_t n)
{
	size_t s = prometheus_series(at), v;

	if (prometheus_name(at, ":") != n || strncmp(at, name, n) != 0 || at[s] != ' ')
		return 0;
	if (prometheus_stands(text, at, at, s))
		return 0;
	v = strspn(at + s + 1, "0123456789.");
	return v && at[s + 1 + v] == '\n' ? s + v + 2 : 0;
}

/* What is wrong with the text: where the first bad line begins; NULL: nothing. */
static UNUSED const char *prometheus_problem(const char *text)
{
	for (const char *at = text; *at;) {
		const char *head = at, *name = at + 7, *end = strchr(at, '\n');
		size_t n = strncmp(head, "# HELP ", 7) == 0 ? prometheus_name(name, ":") : 0, len;
		char type[160];

		if (!n || name[n] != ' ' || !end)
			return at;
		if (prometheus_stands(text, head, head, 7 + n))
			return at;
		at = end + 1;
		snprintf(type, sizeof(type), "# TYPE %.*s ", (int)n, name);
		if (strncmp(at, type, strlen(type)) != 0)
			return at;
		at += strlen(type);
		at += strncmp(at, "gauge\n", 6) == 0 ? 6 : strncmp(at, "counter\n", 8) == 0 ? 8 : 0;
		if (at[-1] != '\n')
			return head;
		for (len = 0; *at && *at != '#'; at += len) {
			len = prometheus_sample(text, at, name, n);
			if (!len)
				return at;
		}
		if (!len)
			return head;
	}
	return NULL;
}

/* The text of a series' value, up to the line's end; NULL: there is no such series. */
static UNUSED const char *prometheus_value(const char *text, const char *series)
{
	size_t n = strlen(series);

	for (const char *at = text; *at; at = strchr(at, '\n') + 1)
		if (strncmp(at, series, n) == 0 && at[n] == ' ')
			return at + n + 1;
	return NULL;
}

#endif
