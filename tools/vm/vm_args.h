/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's command line: a pure function of the options and of what the launcher found and opened. */
#ifndef MOTE_VM_ARGS_H
#define MOTE_VM_ARGS_H

#include "vm/vm.h"
#include "vm/vm_arch.h"

struct vm_plan {
	const struct vm_opts *opts;
	const struct vm_arch *arch;
	const char *qemu, *kernel, *initrd, *accel;	/* decided; initrd NULL: none */
	uint32_t tsc_khz;		/* of an emulated x86 guest's time stamp counter; 0: not known */
	int qmpfd, consolefd;		/* QEMU's ends, inherited */
	int vsockfd; /* the open /dev/vhost-vsock, or the connection to the vsock device */
	uint32_t kernel_cid; /* for /dev/vhost-vsock; 0: vsockfd is a vhost-user connection */
	int share_fds[VM_SHARES];	/* connections to virtiofsd */
};

/* argv, NULL-terminated, in a. NULL with e. */
const char **vm_args_build(struct arena *a, const struct vm_plan *plan, struct err *e);

#endif
