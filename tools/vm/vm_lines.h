/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text that a program or a guest prints: cut into lines as it comes, the last few KiB kept for
 * error messages. What a guest prints is not trusted: control bytes become '?' before anyone sees
 * them. Never waits, allocates nothing.
 */
#ifndef MOTE_VM_LINES_H
#define MOTE_VM_LINES_H

#include "base/defs.h"

#define VM_LINES_TAIL	4096
#define VM_LINE_MAX	512	/* a longer line comes in pieces */

struct vm_lines {
	void (*fn)(void *arg, const char *line);	/* each line without its end; may be NULL */
	void *arg;
	bool goes_on;	/* what fn has been given is a further piece of the line before */
	size_t line_len, tail_len;
	char line[VM_LINE_MAX];
	char tail[VM_LINES_TAIL];	/* whole lines, each with '\n'; terminated */
};

void vm_lines_init(struct vm_lines *l, void (*fn)(void *arg, const char *line), void *arg);
void vm_lines_feed(struct vm_lines *l, const char *data, size_t n);

/* Ends an unfinished last line. */
void vm_lines_flush(struct vm_lines *l);

/* The last line that is not blank, as far as it fits; "" when there is none. */
const char *vm_lines_last(const struct vm_lines *l, char *buf, size_t cap);

#endif
