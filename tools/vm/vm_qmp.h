/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's monitor: one command at a time over a socket that QEMU inherited. Answers of QEMU are
 * trusted as far as their size. */
#ifndef MOTE_VM_QMP_H
#define MOTE_VM_QMP_H

#include "base/err.h"
#include "event/loop.h"

#define VM_QMP_LINE	65536

struct vm_qmp {
	struct loop *loop;	/* NULL: not open */
	struct watch watch;
	int fd;
	bool ready;		/* QEMU took our greeting */
	bool answered, broken;
	struct err result;	/* of the command that runs */
	char *reply;
	size_t reply_cap;
	char shutdown[32];	/* why the guest ended ("guest-reset"), once QEMU told */
	size_t len;
	char buf[VM_QMP_LINE];
};

/* Takes over fd. 0 or -errno; fd is closed on failure too. */
int vm_qmp_open(struct loop *l, struct vm_qmp *q, int fd);
void vm_qmp_close(struct vm_qmp *q);

/* Takes what QEMU has sent so far. Does not wait; harmless on one that is not open. */
void vm_qmp_drain(struct vm_qmp *q);

/* See vm_qmp() in vm.h. Turns the loop until the answer, the deadline (clock_ms) or the
 * connection's end. */
int vm_qmp_run(struct vm_qmp *q, const char *command, const char *arguments, uint64_t deadline_ms,
	       char *reply, size_t cap, struct err *e);

#endif
