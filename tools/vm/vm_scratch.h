/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private directory that is gone when we are, however we end: a guard process holds the read end
 * of a pipe, and removes the directory when the pipe closes, be it by vm_scratch_remove() or by our
 * death. The reaper must run (event/child.h).
 */
#ifndef MOTE_VM_SCRATCH_H
#define MOTE_VM_SCRATCH_H

#include "base/err.h"
#include "event/child.h"
#include "event/loop.h"

struct vm_scratch {
	struct loop *loop;	/* NULL: there is none */
	struct child guard;
	int pipefd;
	bool removed;
	char path[80];		/* short: sockets lie in it (sun_path holds 108 bytes) */
};

/* Makes "PARENT/mote-XXXXXX" with mode 0700. parents: tried in order, NULL-terminated; "$NAME" is a
 * variable of the environment (left out when unset). */
int vm_scratch_make(struct loop *l, struct vm_scratch *s, const char *const *parents,
		    struct err *e);

/* Removes it with all that is in it and waits until it is gone. Harmless on a zeroed object. Turns
 * the loop. */
void vm_scratch_remove(struct vm_scratch *s);

#endif
