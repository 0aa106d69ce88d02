/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A helper program (QEMU, the vsock device, virtiofsd, mkfs) as a child of ours: dies with us
 * (PR_SET_PDEATHSIG), in its own session so that Ctrl-C reaches us alone, its output read by the
 * loop. The reaper must run (event/child.h). The object must stay at its place until
 * vm_proc_stop().
 */
#ifndef MOTE_VM_PROC_H
#define MOTE_VM_PROC_H

#include "base/err.h"
#include "event/child.h"
#include "event/loop.h"
#include "vm/vm_lines.h"

struct vm_proc {
	struct loop *loop;	/* NULL: never started, or stopped */
	struct child child;
	struct watch out;
	int outfd;
	const char *name;
	bool exited;
	int status;		/* as child_fn, once exited */
	struct vm_lines lines;	/* stdout and stderr */
	void (*ended)(void *arg);
	void *arg;
};

struct vm_proc_opts {
	const char *name;		/* for messages; must outlive the process */
	const char *const *argv;	/* argv[0]: the program's path; NULL-terminated */
	const int *fds;			/* stay open in the child, same numbers */
	size_t n_fds;
	int netns;			/* a network namespace to run in; 0: ours */
	void (*line)(void *arg, const char *line);	/* may be NULL */
	void (*ended)(void *arg);	/* in the loop, once it is reaped; may be NULL */
	void *arg;
};

/* Forks and runs. A program that cannot be executed exits with 127 and says why in its lines. */
int vm_proc_start(struct loop *l, struct vm_proc *p, const struct vm_proc_opts *opts,
		  struct err *e);

bool vm_proc_is_alive(const struct vm_proc *p);
void vm_proc_signal(struct vm_proc *p, int signo);

/* Turns the loop until the process has ended: 0; -ETIMEDOUT at deadline_ms (clock_ms); -ECANCELED
 * when *cancel is true (may be NULL). */
int vm_proc_wait(struct vm_proc *p, uint64_t deadline_ms, const bool *cancel);

/* Sets e from a process that has ended: "NAME ended with status 1: LAST LINE". Returns -1. */
int vm_proc_explain(const struct vm_proc *p, struct err *e);

/* SIGKILL if it lives, reaped, everything closed. Harmless on a zeroed or stopped object. Turns the
 * loop. */
void vm_proc_stop(struct vm_proc *p);

#endif
