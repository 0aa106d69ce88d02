/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_voice.h"

#include <string.h>

/*
 * The kernel's lines begin with a time in brackets. Behind it "name[pid]:" is what a program wrote to the kernel's log, as
 * systemd and what it starts do.
 */
static bool is_of_program(const char *line)
{
	const char *name = *line == '[' ? strchr(line, ']') : NULL;
	size_t n, digits;

	if (!name)
		return *line && *line != '[';
	name += 1 + strspn(name + 1, " ");
	n = strcspn(name, " []:");
	digits = name[n] == '[' ? strspn(name + n + 1, "0123456789") : 0;
	return n > 0 && digits > 0 && name[n + 1 + digits] == ']' && name[n + 2 + digits] == ':';
}

void vm_voice_hear(struct vm_voice *v, const char *line, bool goes_on)
{
	if (goes_on)
		return;
	if (*line == '[')
		v->firmware = false;
	if (!v->firmware && is_of_program(line))
		v->program = true;
}
