/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a task is beside its container: what containerd gave at its create and asks back, who waits
 * for its processes, and which of their events are told. It lives with the container, which knows it
 * by its front. Containers that another front has made are no tasks.
 */
#ifndef MOTE_SERVICE_CONTAINERD_TASK_H
#define MOTE_SERVICE_CONTAINERD_TASK_H

#include "service/containerd/containerd.h"

struct task;

/* The first process, or an exec. */
struct task_process {
	struct list node; /* task.execs; alone for the first */
	struct task *task;
	struct process *process; /* NULL: an exec whose start has failed */
	const char *urls[3];
	bool terminal;
	unsigned int bits; /* enum task_bits */
	uint32_t pid;	   /* 0 before the start of an exec */
	int status;
	uint64_t exited_ms;
	struct process_waiter exit;
	struct list waiters; /* struct call.park */
	struct io_set io;
	const char *id; /* an exec's; "" */
};

enum task_bits {
	TASK_STARTING = 0x1, /* a start is under way: its event comes before that of the exit */
	TASK_STARTED = 0x2,
	TASK_EXITED = 0x4,
	TASK_TOLD = 0x8, /* … and that has been told */
};

struct task {
	struct ctd *ctd;
	struct container *container;
	const char *bundle;
	bool made; /* its create has been answered */
	bool deleting;
	struct task_process first;
	struct list execs;
};

/* A task for the container, which gets it as its front's. Strings are copied. NULL with e. */
struct task *task_new(struct ctd *d, struct container *c, const char *bundle,
		      const char *const urls[3], bool terminal, struct err *e);

/* An exec in the table, whose process is in state new. NULL with e; the process is the caller's
 * then. */
struct task_process *task_exec_new(struct task *t, struct process *p, const char *const urls[3],
				   bool terminal, struct err *e);

/* Ends its streams, forgets the process, tells who waits. */
void task_exec_free(struct task_process *tp);

/* The process is there: its streams are carried, its exit is looked for. */
void task_process_made(struct task_process *tp);

/* Answers the call and returns NULL when there is no such task or process (NOT_FOUND). */
struct task *task_find(struct call *c, const char *id);
struct task_process *task_process_find(struct call *c, const char *id, const char *exec_id);

/* Of its first process; 0: there is no such task. */
uint32_t task_pid(struct ctd *d, const char *id);

/* It is still there, perhaps. */
void task_delete_failed(struct ctd *d, const char *id);

/* Its exit has been seen, or its start is over: tells what is due. A first process's exit is told
 * when its execs have exited. */
void task_tell_exit(struct task_process *tp);

/* What containerd calls the state. */
Containerd__V1__Types__Status task_status(const struct task_process *tp);

#endif
