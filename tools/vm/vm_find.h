/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the programs and files lie that a VM needs: what a variable of the environment names, else
 * in $MOTE_BUILD (the tests' build directory), else beside the running program, else
 * ../libexec/mote and ../share/mote of it (an installation), else well-known places, else PATH.
 * Does not wait.
 */
#ifndef MOTE_VM_FIND_H
#define MOTE_VM_FIND_H

#include <limits.h>

#include "base/err.h"
#include "vm/vm_arch.h"

enum vm_find_what {
	VM_FIND_QEMU,
	VM_FIND_VSOCK_DEVICE,
	VM_FIND_VIRTIOFSD,
	VM_FIND_KERNEL,
	VM_FIND_INITRD
};

/* The file's path; arch: of the guest that QEMU is for, the host's when NULL. -1 with e: NOT_FOUND, telling the variable that would name it. */
int vm_find(enum vm_find_what what, const struct vm_arch *arch, char out[PATH_MAX], struct err *e);

/* A program of PATH (or a path with a slash). 0 or -ENOENT. */
int vm_find_in_path(const char *name, char out[PATH_MAX]);

#endif
