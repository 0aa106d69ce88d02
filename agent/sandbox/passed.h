/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams that a host opens before it asks for the process which shall have them
 * (agent.passfd_listener_port): they are kept by the port that the host has connected from, until a
 * process is made whose request names them. Nothing here waits.
 */
#ifndef MOTE_SANDBOX_PASSED_H
#define MOTE_SANDBOX_PASSED_H

#include "base/list.h"
#include "event/loop.h"

#define PASSED_MAX     256   /* that nobody has taken; more are closed */
#define PASSED_KEEP_MS 30000 /* then they are closed too */
#define PASSED_WAIT_MS 300   /* for one that is named and not there yet */

struct passed {
	struct loop *loop;
	bool enabled; /* there is a listener */
	size_t n;
	struct list streams, wants;
};

struct passed_want;
typedef void (*passed_fn)(struct passed_want *w);

/* The caller's, until fn: zeroed but for ports, fn and owner. */
struct passed_want {
	struct list node;
	struct passed *passed;
	uint32_t ports[3]; /* 0: none is wanted */
	int fds[3];	   /* when fn runs: the caller's; -1: none came */
	struct timer late;
	passed_fn fn;
	void *owner;
};

void passed_init(struct passed *p, struct loop *l);
void passed_fini(struct passed *p);

/* Keeps a connection, which is taken over. false: it was closed, there are too many. A port that is kept
 * already is closed: its host has used it again. */
bool passed_add(struct passed *p, uint32_t port, int fd);

/* Calls fn, once, with the streams: inside this call when all are there or none is wanted, else from the
 * loop when they have come or PASSED_WAIT_MS are over. */
void passed_take(struct passed *p, struct passed_want *w);

#endif
