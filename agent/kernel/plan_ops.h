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
int plan_umount_fd(int fd);

/* "/proc/self/fd/N" if /proc is the real one, else NULL: a container's image may bring its own
 * directory of that name. */
const char *plan_fd_path(int fd, char buf[32]);

int plan_place_kind(int fd);		/* S_IFDIR, S_IFREG for all else, or -errno */
int plan_same_file(int a, int b);	/* 1, 0, or -errno */

/* The op's target, made when missing; type S_IFDIR or S_IFREG. */
int plan_target(const struct plan_op *op, int rootfd, mode_t type);

/* The op's source; flags of open(2). */
int plan_open_source(const struct plan_op *op, int rootfd, int flags);

/* The guest's node with the op's type and number, wherever it is below /dev; -ENODEV. */
int plan_open_by_number(const struct plan_op *op);

/* Text of a failed mount, bind or remount; returns -1. */
int plan_fail(struct err *e, int r, const struct plan_op *op);

/* The mount that now lies over what targetfd refers to. It is looked up by name again, as no call
 * leads from a covered object to what covers it; so it must be a mount, and another one than the
 * target lies in (-ESTALE). For kernels without the calls that give a mount's own descriptor. */
int plan_reopen_mount(const struct plan_op *op, int rootfd, int targetfd);

/* plan_attr.c: changes of mounts by a descriptor of their root. -errno. */
bool plan_has_setattr(void);
uint64_t plan_attr_of_flags(unsigned long flags);	/* for fsmount(2) */
bool plan_flags_change(unsigned long set, unsigned long clear);
int plan_change_flags(int fd, unsigned long set, unsigned long clear);
int plan_set_recursive(int fd, const struct plan_op *op);
int plan_set_propagation(int fd, unsigned long propagation);

/* A detached filesystem as op says (its root), without its attributes that come last. -ENOSYS: it
 * has to be done by mount(2). */
int plan_make_fs(const struct plan_op *op, const char *source);

/* Mounts a filesystem without more ado, as plan_mount_on does, where it can by descriptor. */
int plan_mount_simple(int targetfd, const char *fstype, unsigned long flags, const char *data);

int plan_bind_fd(const struct plan_op *op, int rootfd, int source, int target);

/* A detached copy of source's tree with the op's idmap. -errno. */
int plan_idmap_tree(const struct plan_op *op, int source);

#endif
