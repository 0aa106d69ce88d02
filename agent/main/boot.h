/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What PID 1 of a machine does before it serves: mounts, console, session, hostname (Kata's agent
 * does the same, in the same order). Called once, before the loop; it touches only filesystems of
 * the kernel, which do not wait.
 */
#ifndef MOTE_MAIN_BOOT_H
#define MOTE_MAIN_BOOT_H

#include "base/err.h"

/* The mounts of an init (proc, sysfs, dev, …). What can be missing without harm only warns: PID 1
 * goes on as far as it can, since a reachable agent that tells what is wrong is worth more than a
 * panic. Returns how many of the steps failed; each is logged. */
int boot_mounts(void);

/* The cgroup tree: v2, or v1 with a mount per controller. */
int boot_cgroups(bool v2, struct err *e);

/* /dev/ptmx, a session with the console as its terminal, PATH, umask, hostname of /etc/hostname. */
int boot_session(void);

#endif
