/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process namespace of a pod that has no pause container: a process of the agent's own holds it
 * as its first one, so that containers may come and go. It does nothing but live and let the kernel
 * reap the orphans of the containers. Containers see it as their process 1, some with the right to
 * trace it: so it is the agent's program begun anew (no memory of the agent), with no descriptor,
 * an empty root, no rights, and not dumpable. It dies with the sandbox and with the agent.
 */
#ifndef MOTE_SANDBOX_PAUSE_H
#define MOTE_SANDBOX_PAUSE_H

#include "base/err.h"
#include "event/child.h"
#include "event/loop.h"

#define PAUSE_NAME "mote-pause" /* argv[0]: main() then is pause_main() */

struct pause_waiter {
	struct list node;
	void (*done)(void *owner, const struct err *e);
	void *owner;
};

struct pause {
	struct loop *loop;
	struct child child;
	struct watch watch;
	struct list waiters;
	int pidfd, nsfd; /* -1: there is none */
	int fd;          /* where it tells that it is ready; -1 */
	bool ready;
};

void pause_init(struct pause *p, struct loop *l);

/* 1: it is there, nsfd is its namespace; 0: w->done comes from the loop; -1 with e. Starts it when
 * needed. w is the caller's until then; list_init()ed here. */
int pause_need(struct pause *p, struct pause_waiter *w, struct err *e);

/* Kills it, and with it whatever lives in the namespace. */
void pause_end(struct pause *p);

/* The same, and forgets it; before the loop goes. */
void pause_fini(struct pause *p);

/* The process's own main; never returns. */
void pause_main(void) NORETURN;

#endif
