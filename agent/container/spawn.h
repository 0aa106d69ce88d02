/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's side of making a process: clone3 into the cgroup and the new namespaces, a SEQPACKET pair, and the events that tell how far the
 * child has come. The child's side is stage.h. Never waits.
 *
 *   spawn_start → on_ready (all is set up, argv[0] found; the child waits) → spawn_release → on_exec (execve succeeded)
 *   on_fail instead of either: the child told its error, died, or the deadline passed (it is killed then). The child still has to be reaped.
 */
#ifndef MOTE_CONTAINER_SPAWN_H
#define MOTE_CONTAINER_SPAWN_H

#include "base/err.h"
#include "event/child.h"
#include "event/loop.h"

struct spawn;
struct stage;

struct spawn_events {
	void (*on_ready)(struct spawn *s);
	void (*on_exec)(struct spawn *s);
	void (*on_fail)(struct spawn *s, const struct err *e);
	child_fn on_exit;		/* of the process (s->child); for every child that spawn_start made, exactly once */
};

struct spawn {
	struct loop *loop;
	const struct spawn_events *events;
	struct child *child;		/* the process's; tracked by spawn */
	struct child first;		/* the helper that joined a pid namespace and made the process in it */
	struct watch watch;
	struct timer timer;
	int sockfd;			/* -1: no conversation */
	int pidfd;			/* of the process; -1 before it is known. Owned until taken */
	pid_t pid;			/* 0 before it is known */
	uint8_t state;
};

/* e is set and no event comes when nothing could be started. st stays the caller's; the child works on its copy. */
int spawn_start(struct spawn *s, struct loop *l, const struct stage *st, struct child *child, uint64_t deadline_ms,
		const struct spawn_events *events, struct err *e);

/* Lets a ready child go. A new deadline for execve. */
int spawn_release(struct spawn *s, uint64_t deadline_ms, struct err *e);

/* Kills what was started and ends the conversation; the exit is still told. */
void spawn_kill(struct spawn *s);

/* Ends the conversation without touching the child. */
void spawn_close(struct spawn *s);

void spawn_init(struct spawn *s);

#endif
