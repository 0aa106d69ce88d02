/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's side of making a process: clone3 into the cgroup and the new namespaces, a SEQPACKET
 * pair, and the events that tell how far the child has come. The child's side is stage.h. Never
 * waits.
 *
 *   spawn_start → on_ready (all is set up, argv[0] found; the child waits) → spawn_release
 *   → on_exec (execve succeeded)
 *   on_fail instead of either: the child told its error, died, or the deadline passed (it is killed
 *   then). on_exit follows.
 */
#ifndef MOTE_CONTAINER_SPAWN_H
#define MOTE_CONTAINER_SPAWN_H

#include "base/err.h"
#include "container/stage.h"
#include "event/child.h"
#include "event/loop.h"

struct spawn;

struct spawn_events {
	/* the file tree is there: run the hooks of that moment, then spawn_hooks_done */
	void (*on_hooks)(struct spawn *s);
	/* the process has a terminal of the container's own: its master, the callee's */
	void (*on_tty)(struct spawn *s, int master);
	void (*on_ready)(struct spawn *s);
	void (*on_exec)(struct spawn *s);
	void (*on_fail)(struct spawn *s, const struct err *e);
	/* The process has exited (status as in child.h), or its helper where it came to no
	 * process. Exactly once after every spawn_start that succeeded, always the last event; s
	 * may be freed here. */
	void (*on_exit)(struct spawn *s, int status);
};

struct spawn {
	struct loop *loop;
	const struct spawn_events *events;
	const struct stage *stage;
	struct child child;		/* the process */
	/* the helper that joins a pid namespace and makes the process in it */
	struct child first;
	struct watch watch;
	struct timer timer;
	int sockfd;			/* -1: no conversation */
	/* what the child uses of the agent's descriptors, until it has a table of its own */
	int childfd, joinfd, stdio[3];
	/* of the process; -1 before it is known. Owned until taken */
	int pidfd;
	pid_t pid;			/* 0 before it is known */
	/* what the process said before its pid was known; 0: nothing */
	uint32_t early;
	bool ended;			/* the exit was told */
	unsigned int state;
};

/* e is set and no event comes when nothing could be started. st must stay until on_ready or
 * on_fail; the child works on its copy. Its join_pidfd and stdio are taken, and -1 afterwards. */
int spawn_start(struct spawn *s, struct loop *l, struct stage *st, uint64_t deadline_ms,
		const struct spawn_events *events, struct err *e);

/* Answers on_hooks. Fine when the child is gone meanwhile. */
void spawn_hooks_done(struct spawn *s);

/* Lets a ready child go. A new deadline for execve. */
int spawn_release(struct spawn *s, uint64_t deadline_ms, struct err *e);

/* Kills what was started and ends the conversation; the exit is still told. */
void spawn_kill(struct spawn *s);

/* Forgets everything, before s is freed: no event comes any more, a child that still lives
 * becomes a stranger to the reaper. */
void spawn_drop(struct spawn *s);

/* Nothing started: the other calls do nothing on it. */
void spawn_init(struct spawn *s);

#endif
