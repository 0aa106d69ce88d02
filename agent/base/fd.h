/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: flags, closing all but some, pipes and pairs. Tier 0: 0 or a descriptor, or -errno.
 * Never waits. */
#ifndef MOTE_BASE_FD_H
#define MOTE_BASE_FD_H

#include "base/defs.h"

/* Closes every descriptor >= 3 that is not in keep[0..n) (any order, values may be -1), by
 * close_range(2) with a fallback over /proc/self/fd. Called in a fresh child only. */
int fd_close_except(const int *keep, size_t n);

int fd_set_nonblock(int fd);
int fd_clear_cloexec(int fd);

/* Moves fd to a number >= min (CLOEXEC kept), closing the old one; returns the new number. */
int fd_move_above(int fd, int min);

/* Puts fd on number `to` without CLOEXEC, as dup2 does, also when both are equal. */
int fd_install(int fd, int to);

/* How many descriptors this process has open; -errno. */
int fd_count(void);

#endif
