/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port-forward: containerd enters the pod's network namespace and connects to localhost there,
 * where for a machine nobody listens. A program of the kernel's socket lookup
 * (BPF_PROG_TYPE_SK_LOOKUP) hands every TCP connection to 127.0.0.1 or ::1 in that namespace to a
 * socket of the shim, and the guest connects to the same port of its own localhost: mote.v1.Ports,
 * a stream of the connection that carries stdio. It is gone with us.
 *
 * The kernel has accepted a connection before the guest is asked: where nobody listens it is reset.
 */
#ifndef MOTE_SHIM_FORWARD_H
#define MOTE_SHIM_FORWARD_H

#include "base/err.h"
#include "event/loop.h"
#include "ttrpc/client.h"

#define FORWARD_MAX	 64 /* connections at once */
#define FORWARD_FAMILIES 2  /* IPv4, IPv6 */

struct forward;

struct forward_listener {
	struct forward *forward;
	int fd; /* -1: none */
	struct watch watch;
};

struct forward {
	struct loop *loop;
	struct client *guest;
	struct forward_listener listeners[FORWARD_FAMILIES];
	int mapfd, progfd, linkfd;
	struct list pairs;
	size_t n;
};

void forward_init(struct forward *f);

/* In the pod's namespace, which nsfd is, for the thread's time of this call. guest is borrowed, to
 * the close. -1 with e: the host's kernel has no such program, or allows none. */
int forward_open(struct forward *f, struct loop *l, int nsfd, struct client *guest, struct err *e);

/* The same without the program: what comes to the sockets' own ports alone. Of the tests. */
int forward_listen(struct forward *f, struct loop *l, struct client *guest, struct err *e);
void forward_close(struct forward *f);

#endif
