/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: flags, closing all but some, pipes and pairs. Tier 0: 0 or a descriptor, or -errno.
 * Never waits. */
#ifndef MOTE_BASE_FD_H
#define MOTE_BASE_FD_H

#include "base/defs.h"

/* Closes every descriptor >= 3 that is not in keep[0..n) (any order, values may be -1), by
 * close_range(2) with a fallback over /proc/self/fd. Called in a fresh child only. */
int fd_close_except(const int *keep, size_t n);

/* A fork copies the table of descriptors and its child closes them one by one: with a thousand
 * containers that is most of what making another one costs. So what is kept for long and is of no
 * use to a child is parked above, and children are made with CLONE_FILES and take a table of their
 * own without it.
 *
 * fd_park: moves *fd, which has CLOEXEC, to FD_PARKED or above; where that fails it stays.
 * fd_fork: fork(2), the table shared. The parent closes none of what the child needs before the
 * child has said something, was killed, or is gone.
 * fd_own: in that child, before it touches any descriptor: a table of its own, in which nothing
 * that is parked is open but what keep[] names. */
#define FD_PARKED 1024
void fd_park(int *fd);
pid_t fd_fork(void);
int fd_own(const int *keep, size_t n);

int fd_set_nonblock(int fd);
int fd_clear_cloexec(int fd);

/* Moves fd to a number >= min (CLOEXEC kept), closing the old one; returns the new number. */
int fd_move_above(int fd, int min);

/* Puts fd on number `to` without CLOEXEC, as dup2 does, also when both are equal. */
int fd_install(int fd, int to);

/* How many descriptors this process has open; -errno. */
int fd_count(void);

#endif
