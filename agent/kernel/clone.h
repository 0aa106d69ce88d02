/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New processes by raw clone3(2), and signals by pidfd. Fork semantics: the child continues on a
 * copy of the memory. The C library does not know of such a child: no raise(), abort(), or pthread
 * call in it; _exit() and exec are fine. Tier 0. Never waits (but for the fork itself).
 */
#ifndef MOTE_KERNEL_CLONE_H
#define MOTE_KERNEL_CLONE_H

#include <sched.h>

#include "base/defs.h"

struct clone_opts {
	uint64_t flags;		/* CLONE_NEW*, CLONE_PARENT; CLONE_FILES (fd_fork() says what both sides
				 * then owe); nothing that shares memory */
	/* a cgroup v2 directory the child starts in (CLONE_INTO_CGROUP); -1: the parent's */
	int cgroup_fd;
	/* out, in the parent: close-on-exec, the caller's to close; -1 when the kernel has none */
	int pidfd;
	/* out, in the child: 0, or -errno when it had to join by itself (an old kernel) and that
	 * failed */
	int cgroup_err;
};

/* 0 in the child, the pid in the parent, or -errno. Kernels without clone3 (5.3) or
 * CLONE_INTO_CGROUP (5.7): the same by clone(2), and the child writes itself into the cgroup
 * before this returns in it. Without CLONE_PARENT SIGCHLD is sent at the exit; with it the
 * caller's own parent gets the signal that the caller's exit sends. */
pid_t clone_process(struct clone_opts *o);

/* Close-on-exec descriptor, or -errno (-ESRCH, -ENOSYS before 5.3). */
int clone_pidfd_open(pid_t pid);

/* 0 or -errno (-ESRCH: it is gone). */
int clone_pidfd_signal(int pidfd, int signo);

#ifdef MOTE_TEST
extern int clone_test_errno;
#endif

#endif
