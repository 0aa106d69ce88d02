/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process of a container: its first one, or an exec. Owns its spec (arena), streams, pidfd and
 * exit status. It stays in the container's table after its exit until process_forget, so that its
 * status can be asked for and its output read. Nothing here waits: what takes time tells a
 * callback.
 */
#ifndef MOTE_CONTAINER_PROCESS_H
#define MOTE_CONTAINER_PROCESS_H

#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "container/spawn.h"
#include "container/spec.h"
#include "container/streams.h"
#include "event/child.h"

#define PROCESS_ARENA_MAX	(4u << 20)	/* bytes that one exec's spec may take */

enum process_state {
	PROCESS_NEW,		/* spec being filled, nothing started */
	PROCESS_CREATING,	/* the stage runs */
	PROCESS_CREATED,	/* ready: waits for the start */
	PROCESS_STARTING,	/* told to start, execve not yet seen */
	PROCESS_RUNNING,
	PROCESS_EXITED,
};

struct container;
struct process;
struct process_waiter;

/* e unset on success. */
typedef void (*process_done_fn)(void *owner, const struct err *e);

/* status: exit code 0..255, 128 + signal, or 255 of a process that never ran. w is parked no more.
 * The process is in the table still, unless it never ran and is being freed: then it must not be
 * forgotten here. */
typedef void (*process_exit_fn)(struct process_waiter *w, struct process *p, int status);

struct process_pumps; /* process_pumps.c */

struct process_waiter {
	struct list node;
	process_exit_fn fn;
	void *owner;
};

struct process {
	struct list node;		/* container->processes */
	struct container *container;
	/* an exec's own; empty for the first process (its spec is the container's) */
	struct arena arena;
	/* to be filled in by the caller between process_new and process_exec; NULL again once an
	 * exec runs */
	struct spec_process *spec;
	enum process_state state;
	/* of the guest; 0 before it is known. Kept after the exit */
	pid_t pid;
	int pidfd;			/* -1 when not running */
	int status;			/* valid in PROCESS_EXITED */
	uint64_t started_ms, exited_ms;	/* CLOCK_REALTIME, for fronts that tell them; 0: not yet */
	struct streams streams;
	struct process_pumps *pumps;	/* what carries them over sockets; NULL: calls do */
	struct list waiters;
	struct spawn spawn;
	struct stage stage;		/* while it is being made */
	struct err failed;		/* why it could not be made; told once it is reaped */
	bool forgotten;			/* a first process that process_find hides */
	struct deferred kick;
	struct timer hangs;		/* killed at its deadline, and not reaped yet */
	uint64_t deadline_ms;
	process_done_fn done;		/* of the create, exec or start that is under way */
	void *done_owner;
	char id[];			/* exec id; the container's id for its first process */
};

/* May this be the id of an exec? [A-Za-z0-9_.-], 1 to CONTAINER_ID_MAX of them: ids travel in paths and
 * in logs of hosts. */
bool process_id_is_good(const char *id);

/* A new exec, not started: fill p->spec from p->arena, then process_exec or process_forget.
 * ALREADY_EXISTS `exec_id '…' already exists`; FAILED_PRECONDITION when the container does not
 * run; INVALID_ARGUMENT for a bad id. */
struct process *process_new(struct container *c, const char *exec_id, struct err *e);

/* Starts an exec in the container's namespaces; done (once, from the loop) when execve has
 * succeeded. On failure the process is gone from the table and freed before done runs; only one that
 * is past its deadline and does not die of SIGKILL stays, with its id, until it is reaped. NOT_FOUND
 * when the container's first process died meanwhile. deadline_ms: clock_ms() value or
 * CLOCK_NEVER. */
void process_exec(struct process *p, uint64_t deadline_ms, process_done_fn done, void *owner);

/* Tells w->fn at the exit, outputs that are carried copied. Returns true, and does not park, when it has exited already: the
 * status is p->status. */
bool process_wait(struct process *p, struct process_waiter *w, process_exit_fn fn, void *owner);
void process_wait_cancel(struct process_waiter *w);

/* Before process_exec or container_create: the streams 0 to 2 go over these sockets (-1: not that one),
 * which are taken over, and are set to -1. The exit is told once the outputs are copied; nothing else
 * waits for that. */
int process_pass(struct process *p, int fds[3], struct err *e);

/* For process.c: starts the copying; is an output still copied? ends it. */
void process_pumps_start(struct process *p);
bool process_pumps_carry(const struct process *p);
void process_pumps_stop(struct process *p);

/* For process_pumps.c: the last output has been copied. */
void process_outputs_over(struct process *p);

/* Sends a signal. A process that is gone already is success. To the first process of a container
 * SIGTERM is sent as SIGKILL when it has no handler for it (it would be ignored: it is PID 1 of
 * its namespace). INVALID_ARGUMENT for a bad number; FAILED_PRECONDITION before the process
 * exists. */
int process_signal(struct process *p, unsigned int signo, struct err *e);

/* Closes the streams and takes an exited (or never started) process out of the table; an exec is
 * freed. The first process is only marked: process_find does not see it any more. */
void process_forget(struct process *p);

/* The first process of a container, for container.c: made with it, freed with it. */
struct process *process_new_first(struct container *c, struct err *e);
void process_free(struct process *p);

/* Makes the process up to READY; done then, or when it failed and is reaped, or hangs beyond
 * its deadline. For container.c;
 * rootfs as in struct stage. */
void process_create(struct process *p, struct plan *rootfs, const char *bundle_rootfs,
		    uint64_t deadline_ms, process_done_fn done, void *owner);

/* Lets a created process go; done when execve has succeeded or failed. For container.c. */
void process_start(struct process *p, uint64_t deadline_ms, process_done_fn done, void *owner);

/* Answers the start that is under way. For container.c, after the poststart hooks. */
void process_started(struct process *p, const struct err *e);

/* SIGKILL, also while it is being made. A process that is gone is fine. */
void process_kill(struct process *p);

/* Is it alive, or being made? A helper that made it and is reaped after it does not count. */
bool process_is_live(const struct process *p);

/* By exec id; "" or the container's id: the first process. NULL: unknown or forgotten. */
struct process *process_find(struct container *c, const char *exec_id);

#endif
