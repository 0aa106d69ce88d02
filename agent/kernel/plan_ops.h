/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the plan's executor; nobody else includes it. All of it can wait. */
#ifndef MOTE_KERNEL_PLAN_OPS_H
#define MOTE_KERNEL_PLAN_OPS_H

#include "kernel/plan.h"

/* Each carries out one op of its kind below rootfd: 0, or -1 with e (the reason, without the
 * op's name). */
int plan_do_mount(const struct plan_op *op, int rootfd, struct err *e);
int plan_do_bind(const struct plan_op *op, int rootfd, struct err *e);
int plan_do_remount(const struct plan_op *op, int rootfd, struct err *e);
int plan_do_propagate(const struct plan_op *op, int rootfd, struct err *e);
int plan_do_mask(const struct plan_op *op, int rootfd, struct err *e);
int plan_do_readonly(const struct plan_op *op, int rootfd, struct err *e);
int plan_do_umount(const struct plan_op *op, int rootfd, struct err *e);

/* Is what lies at the op's target a mount that this op makes? 1, 0, or -errno. */
int plan_is_done(const struct plan_op *op, int rootfd);

/* Refuses (PERMISSION_DENIED) what PLAN_PROC_GUARD forbids; targetfd: the resolved target,
 * sourcefd: a bind's source or -1. */
int plan_proc_guard(const struct plan_op *op, int rootfd, int targetfd, int sourcefd,
		    struct err *e);

/* Copies what fromfd (a directory) holds into tofd: directories, files, links, nodes, with
 * owner, mode and times. 0 or -errno. */
int plan_copy_tree(int fromfd, int tofd);

/* mount(2) on the very object behind fd, whatever happens to its path meanwhile. -errno;
 * -ENOSYS: fd is no directory and /proc is not there. */
int plan_mount_on(int fd, const char *source, const char *fstype, unsigned long flags,
		  const char *data);

/* "/proc/self/fd/N" if /proc is the real one, else NULL: a container's image may bring its own
 * directory of that name. */
const char *plan_fd_path(int fd, char buf[32]);

#ifdef MOTE_TEST
/* Behave as on a kernel without open_tree and mount_setattr. */
extern bool plan_test_old_kernel;
#endif

#endif
