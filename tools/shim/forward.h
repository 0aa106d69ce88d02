/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port-forward: containerd enters the pod's network namespace and connects to localhost there,
 * where for a machine nobody listens. A program of the kernel's socket lookup
 * (BPF_PROG_TYPE_SK_LOOKUP) hands every TCP connection to 127.0.0.1 in that namespace to one socket
 * of the shim, which connects to the same port of the pod's address and carries both ways. It is
 * gone with us.
 */
#ifndef MOTE_SHIM_FORWARD_H
#define MOTE_SHIM_FORWARD_H

#include <netinet/in.h>

#include "base/err.h"
#include "event/loop.h"

#define FORWARD_MAX 64 /* connections at once */

struct forward {
	struct loop *loop; /* NULL: not open */
	int listenfd, mapfd, progfd, linkfd;
	struct watch watch;
	struct in_addr to;
	struct list pairs;
	size_t n;
};

void forward_init(struct forward *f);

/* In the pod's namespace, which nsfd is, for the thread's time of this call. -1 with e: the host's
 * kernel has no such program, or allows none. */
int forward_open(struct forward *f, struct loop *l, int nsfd, struct in_addr to, struct err *e);
void forward_close(struct forward *f);

#endif
