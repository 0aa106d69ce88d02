/* SPDX-License-Identifier: Apache-2.0 */
/* Changing the root of the calling process, in a mount namespace of its own. For a container's
 * child only. */
#ifndef MOTE_KERNEL_ROOT_H
#define MOTE_KERNEL_ROOT_H

#include "base/err.h"

enum root_how {
	ROOT_PIVOT, /* pivot_root(2), then the old root is detached */
	/* on an initramfs, whose root cannot be pivoted: MS_MOVE onto / and chroot; the other
	 * mounts are detached first */
	ROOT_MOVE,
};

/* fd: the new root, the root of a mount (PLAN_BIND on itself). Afterwards "/" and the working
 * directory are the new root. */
int root_switch(int fd, enum root_how how, struct err *e);

#endif
