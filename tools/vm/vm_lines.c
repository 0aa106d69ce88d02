/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_lines.h"

#include "base/str.h"

void vm_lines_init(struct vm_lines *l, void (*fn)(void *arg, const char *line), void *arg)
{
	memset(l, 0, sizeof(*l));
	l->fn = fn;
	l->arg = arg;
}

/* Makes room by dropping the oldest lines; every line fits, since VM_LINE_MAX is far below
 * VM_LINES_TAIL. */
static void keep(struct vm_lines *l)
{
	size_t need = l->line_len + 2, drop = 0;

	while (l->tail_len - drop + need > sizeof(l->tail)) {
		const char *end = memchr(l->tail + drop, '\n', l->tail_len - drop);

		drop = end ? (size_t)(end - l->tail) + 1 : l->tail_len;
	}
	memmove(l->tail, l->tail + drop, l->tail_len - drop);
	l->tail_len -= drop;
	memcpy(l->tail + l->tail_len, l->line, l->line_len);
	l->tail_len += l->line_len;
	l->tail[l->tail_len++] = '\n';
	l->tail[l->tail_len] = 0;
}

static void end_line(struct vm_lines *l)
{
	l->line[l->line_len] = 0;
	keep(l);
	if (l->fn)
		l->fn(l->arg, l->line);
	l->line_len = 0;
}

void vm_lines_feed(struct vm_lines *l, const char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '\n') {
			end_line(l);
			l->goes_on = false;
			continue;
		}
		if (c == '\r')
			continue;
		if (l->line_len == sizeof(l->line) - 1) {
			end_line(l);
			l->goes_on = true;
		}
		l->line[l->line_len++] = (char)((c < 32 && c != '\t') || c == 127 ? '?' : c);
	}
}

void vm_lines_flush(struct vm_lines *l)
{
	if (l->line_len)
		end_line(l);
}

const char *vm_lines_last(const struct vm_lines *l, char *buf, size_t cap)
{
	struct str s;
	size_t end = l->tail_len, start;

	str_init(&s, buf, cap);
	while (end > 0 && strchr(" \t\n", l->tail[end - 1]))
		end--;
	for (start = end; start > 0 && l->tail[start - 1] != '\n';)
		start--;
	str_add_n(&s, l->tail + start, MIN(end - start, cap - 1));
	return buf;
}
