/* SPDX-License-Identifier: Apache-2.0 */
/* Pseudo terminals. Tier 0. Never waits. */
#ifndef MOTE_KERNEL_TTY_H
#define MOTE_KERNEL_TTY_H

#include "base/defs.h"

/* A pair from the multiplexer at `ptmx` ("/dev/pts/ptmx", or that of a container's own devpts)
 * relative to dirfd. Both close-on-exec, neither becomes the controlling terminal; *slave needs
 * no path (TIOCGPTPEER, Linux 4.13). 0 or -errno. */
int tty_open_pair(int dirfd, const char *ptmx, int *master, int *slave);

/* A pair of the devpts that ptsfd (O_PATH) is the root of. What only looks like one is not asked for
 * anything: a container may have put a file system of its own there, and with it any answer. -ENOTTY.
 * Its slave is MINOR of its st_rdev there. */
int tty_open_pair_in(int ptsfd, int *master, int *slave);

/* `to` gets the size that `from` has. 0 or -errno. */
int tty_copy_size(int from, int to);

/* 0 or -errno. */
int tty_set_size(int fd, unsigned int rows, unsigned int columns);

/* Makes fd the controlling terminal of the caller, a session leader without one (or, with force,
 * of root: takes it away). */
enum tty_ctty { TTY_CTTY, TTY_CTTY_STEAL };
int tty_set_controlling(int fd, enum tty_ctty how);

#endif
