/* SPDX-License-Identifier: Apache-2.0 */
/* A mount of one mount namespace, shown in another too. */
#ifndef MOTE_KERNEL_MOUNT_SHARE_H
#define MOTE_KERNEL_MOUNT_SHARE_H

#include "base/err.h"

struct mount_share {
	int from, to;                /* pidfds of processes in the two mount namespaces */
	const char *source, *target; /* each resolved inside of its namespace's root */
	uint32_t patience_ms;        /* how long the source may take to become a mount */
};

/* The tree of mounts at source, attached to target (made when missing). 1; 0: there is no mount at
 * source; -1 with e. The caller ends up in the other namespace. WAITS: jobs only. Linux 5.8. */
int mount_share(const struct mount_share *m, struct err *e);

#endif
