/* SPDX-License-Identifier: Apache-2.0 */
/* Who has spoken on a guest's console so far, told from the lines: firmware, the kernel, programs. Never waits. */
#ifndef MOTE_VM_VOICE_H
#define MOTE_VM_VOICE_H

#include "base/defs.h"

struct vm_voice {
	bool firmware; /* it may speak next: set at the start where it does so before the kernel */
	bool program;  /* a program of the guest has: the kernel's drivers are up */
};

/* One line without its end; goes_on: a further piece of the line before (vm_lines.h), which tells nothing new. The kernel's own begin with a time in brackets; so do those that a program writes to its log. */
void vm_voice_hear(struct vm_voice *v, const char *line, bool goes_on);

#endif
