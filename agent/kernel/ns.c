/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces. A new ipc, uts, net or cgroup namespace needs no child: this process, which has one
 * thread, steps into a new one, takes a descriptor, and steps back.
 */
#include "kernel/ns.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/path.h"
#include "base/str.h"
#include "kernel/sys.h"

#define GET_NSTYPE	_IO(0xb7, 0x3)	/* NS_GET_NSTYPE, Linux 4.11 */

static const struct ns_info table[NS_TYPES] = {
	[NS_USER] = { "user", "user", CLONE_NEWUSER },
	[NS_CGROUP] = { "cgroup", "cgroup", CLONE_NEWCGROUP },
	[NS_IPC] = { "ipc", "ipc", CLONE_NEWIPC },
	[NS_UTS] = { "uts", "uts", CLONE_NEWUTS },
	[NS_NET] = { "network", "net", CLONE_NEWNET },
	[NS_PID] = { "pid", "pid", CLONE_NEWPID },
	[NS_TIME] = { "time", "time", CLONE_NEWTIME },
	[NS_MNT] = { "mount", "mnt", CLONE_NEWNS },
};

#define RETURNABLE	(CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP)

const struct ns_info *ns_info(enum ns_type type)
{
	return &table[type];
}

int ns_by_name(const char *oci)
{
	for (int i = 0; i < NS_TYPES; i++)
		if (str_eq(table[i].oci, oci))
			return i;
	return -EINVAL;
}

int ns_hold(pid_t pid, enum ns_type type)
{
	char path[64];
	struct str s = STR_OVER(path);
	int fd;

	if (pid)
		str_addf(&s, "/proc/%d/ns/%s", pid, table[type].file);
	else
		str_addf(&s, "/proc/self/ns/%s", table[type].file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int ns_supported(enum ns_type type)
{
	AUTO_FD fd = ns_hold(0, type);

	if (fd >= 0)
		return 1;
	return fd == -ENOENT ? 0 : fd;
}

/* 0, or -EINVAL: not a namespace of this type. Kernels that cannot tell the type leave the check
 * to setns. */
static int check_type(int fd, enum ns_type type)
{
	struct statfs fs;
	int got;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if ((unsigned long)fs.f_type != SYS_NSFS_MAGIC)
		return -EINVAL;
	got = ioctl(fd, GET_NSTYPE);
	if (got < 0)
		return errno == ENOTTY ? 0 : -errno;
	return (uint64_t)got == table[type].flag ? 0 : -EINVAL;
}

int ns_open(const char *path, enum ns_type type, struct err *e)
{
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int r;

	if (fd < 0)
		return err_sys(e, errno, "open %s namespace %s", table[type].oci, path);
	r = check_type(fd, type);
	if (r == -EINVAL)
		return err_set(e, RC_INVALID_ARGUMENT, "%s is not a %s namespace", path,
			       table[type].oci);
	if (r < 0)
		return err_sys(e, -r, "%s namespace %s", table[type].oci, path);
	return TAKE_FD(fd);
}

int ns_make(enum ns_type type)
{
	AUTO_FD old = -1;
	AUTO_FD made = -1;

	if (!(table[type].flag & RETURNABLE))
		return -EINVAL;
	old = ns_hold(0, type);
	if (old < 0)
		return old;
	if (unshare((int)table[type].flag) < 0)
		return -errno;
	made = ns_hold(0, type);
	if (setns(old, (int)table[type].flag) < 0)
		return -errno;
	return TAKE_FD(made);
}

int ns_bind(int fd, const char *path, struct err *e)
{
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD target = root < 0 ? -errno : path_target_in(root, path, S_IFREG);
	char from[32], to[32];

	if (target < 0)
		return err_sys(e, -target, "keep a namespace at %s", path);
	if (mount(path_of_fd(fd, from), path_of_fd(target, to), NULL, MS_BIND, NULL) < 0)
		return err_sys(e, errno, "keep a namespace at %s", path);
	return 0;
}

int ns_unbind(const char *path)
{
	int r = 0;

	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		r = -errno;
	if (unlink(path) < 0 && errno != ENOENT && !r)
		r = -errno;
	return r;
}

int ns_join(int fd, enum ns_type type)
{
	return sys_result(setns(fd, (int)table[type].flag));
}

int ns_same(int fd_a, int fd_b)
{
	struct stat a, b;

	if (fstat(fd_a, &a) < 0 || fstat(fd_b, &b) < 0)
		return -errno;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}
