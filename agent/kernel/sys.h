/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls and constants that the C libraries at hand lack or declare differently:
 * <linux/mount.h> and <sys/mount.h> cannot both be included everywhere. For this layer only. Tier
 * 0: a value, or -errno.
 */
#ifndef MOTE_KERNEL_SYS_H
#define MOTE_KERNEL_SYS_H

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>

#include "base/defs.h"

/* System calls from 424 on have one number on every architecture. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal	424
#endif
#ifndef SYS_open_tree
#define SYS_open_tree	428
#endif
#ifndef SYS_move_mount
#define SYS_move_mount	429
#endif
#ifndef SYS_fsopen
#define SYS_fsopen	430
#endif
#ifndef SYS_fsconfig
#define SYS_fsconfig	431
#endif
#ifndef SYS_fsmount
#define SYS_fsmount	432
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open	434
#endif
#ifndef SYS_clone3
#define SYS_clone3	435
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr	442
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2	452
#endif

#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY	0x00000001
#define MOUNT_ATTR_NOSUID	0x00000002
#define MOUNT_ATTR_NODEV	0x00000004
#define MOUNT_ATTR_NOEXEC	0x00000008
#define MOUNT_ATTR__ATIME	0x00000070
#define MOUNT_ATTR_RELATIME	0x00000000
#define MOUNT_ATTR_NOATIME	0x00000010
#define MOUNT_ATTR_STRICTATIME	0x00000020
#define MOUNT_ATTR_NODIRATIME	0x00000080
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW	0x00200000
#endif

#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP	0x00100000
#endif

/* fsopen(2) and its family; names of our own, as some <sys/mount.h> have them as an enum. */
#define SYS_FSOPEN_CLOEXEC	1
#define SYS_FSMOUNT_CLOEXEC	1
#define SYS_FSCONFIG_FLAG	0
#define SYS_FSCONFIG_STRING	1
#define SYS_FSCONFIG_CREATE	6

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE		1
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH	0x00000004
#endif
#ifndef MOVE_MOUNT_T_EMPTY_PATH
#define MOVE_MOUNT_T_EMPTY_PATH	0x00000040
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE		0x8000
#endif

#ifndef CLONE_PIDFD
#define CLONE_PIDFD		0x00001000
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME		0x00000080
#endif
#define SYS_CLONE_INTO_CGROUP	0x200000000ull

#define SYS_PROC_MAGIC		0x9fa0
#define SYS_NSFS_MAGIC		0x6e736673
#define SYS_CGROUP_MAGIC	0x27e0eb
#define SYS_CGROUP2_MAGIC	0x63677270
#define SYS_DEVPTS_MAGIC	0x1cd1
#define SYS_TMPFS_MAGIC		0x01021994

struct sys_mount_attr {
	uint64_t attr_set, attr_clr, propagation, userns_fd;
};

struct sys_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup;
};

/* statx(2) as the kernel has it; the C libraries' structures differ in what they know. */
struct sys_statx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, pad;
	uint64_t ino, size, blocks, attributes_mask;
	uint64_t times[8];
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t mnt_id;
	uint64_t spare[13];
};
_Static_assert(sizeof(struct sys_statx) == 256, "the kernel writes 256 bytes");

#define SYS_STATX_MNT_ID	0x1000u
#define SYS_STATX_MOUNT_ROOT	0x2000u		/* an attribute */

static inline int sys_result(long r)
{
	return r < 0 ? -errno : (int)r;
}

static inline int sys_open_tree(int dirfd, const char *path, unsigned int flags)
{
	return sys_result(syscall(SYS_open_tree, dirfd, path, flags));
}

static inline int sys_move_mount(int fromfd, const char *from, int tofd, const char *to,
				 unsigned int flags)
{
	return sys_result(syscall(SYS_move_mount, fromfd, from, tofd, to, flags));
}

static inline int sys_fsopen(const char *fstype)
{
	return sys_result(syscall(SYS_fsopen, fstype, SYS_FSOPEN_CLOEXEC));
}

static inline int sys_fsconfig(int fd, unsigned int command, const char *key, const char *value)
{
	return sys_result(syscall(SYS_fsconfig, fd, command, key, value, 0));
}

static inline int sys_fsmount(int fd, uint64_t attr)
{
	return sys_result(syscall(SYS_fsmount, fd, SYS_FSMOUNT_CLOEXEC, attr));
}

static inline int sys_mount_setattr(int dirfd, const char *path, unsigned int flags,
				    const struct sys_mount_attr *attr, size_t size)
{
	return sys_result(syscall(SYS_mount_setattr, dirfd, path, flags, attr, size));
}

#endif
