/* SPDX-License-Identifier: Apache-2.0 */
/* A vsock port that only the host may connect to. Never waits. */
#ifndef MOTE_MAIN_PORT_H
#define MOTE_MAIN_PORT_H

#include "base/err.h"
#include "event/loop.h"
#include "ttrpc/address.h"

struct port;

/* fd: a non-blocking connection, the callee's. peer: its port on the host. */
typedef void (*port_fn)(struct port *p, int fd, uint32_t peer);

/* Lives until the machine's end. */
struct port {
	struct loop *loop;
	const char *what; /* "the log": who is refused was refused this; the subsystem of the log too */
	const char *subsystem;
	bool any_peer;	  /* for tests */
	port_fn fn;
	struct watch watch;
	struct timer rest;
	size_t refused;
};

/* Listens; all members above `watch` are set. */
int port_listen(struct port *p, const struct address *a, int backlog, struct err *e);

#endif
