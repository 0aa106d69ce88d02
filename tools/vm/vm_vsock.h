/* SPDX-License-Identifier: Apache-2.0 */
/* The way to the guest's vsock: the kernel's vhost-vsock where the host has it, else a user-space
 * device beside QEMU. */
#ifndef MOTE_VM_VSOCK_H
#define MOTE_VM_VSOCK_H

#include "base/err.h"
#include "vm/vm_proc.h"

struct vm_vsock {
	int fd; /* for QEMU: the open /dev/vhost-vsock, or a connection to the device */
	uint32_t cid;		/* the guest's */
	bool kernel;
	struct vm_proc proc;	/* the device */
};

/* cid 0: a free one is taken. dir: a private directory for sockets. -1 with e. Turns the loop. The
 * address for clients goes to address. */
int vm_vsock_start(struct loop *l, struct vm_vsock *v, uint32_t cid, const char *dir,
		   const bool *cancel, char *address, size_t cap, struct err *e);

#endif
