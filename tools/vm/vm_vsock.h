/* SPDX-License-Identifier: Apache-2.0 */
/* The way to the guest's vsock: the kernel's vhost-vsock where the host has it, else a user-space
 * device beside QEMU. */
#ifndef MOTE_VM_VSOCK_H
#define MOTE_VM_VSOCK_H

#include "base/err.h"
#include "vm/vm.h"
#include "vm/vm_proc.h"

struct vm_vsock {
	int fd; /* for QEMU: the open /dev/vhost-vsock, or a connection to the device */
	uint32_t cid;		/* the guest's */
	bool kernel;
	const char *dir;	/* of the device's sockets */
	unsigned int free;	/* places for siblings; taken from the last one down */
	struct vm_proc proc;	/* the device; not started when another VM's is used */
};

/* Of the options those of the vsock. dir: a private directory for sockets, which must outlive v.
 * -1 with e. Turns the loop. The address for clients goes to address. */
int vm_vsock_start(struct loop *l, struct vm_vsock *v, const struct vm_opts *o, const char *dir,
		   char *address, size_t cap, struct err *e);

/* As a sibling, by the device of owner, which must outlive v. The rest as above. */
int vm_vsock_join(struct loop *l, struct vm_vsock *v, struct vm_vsock *owner, const bool *cancel,
		  char *address, size_t cap, struct err *e);

#endif
