/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change of the root. pivot_root(".", ".") stacks the old root over the new one, from where it
 * is detached without needing a directory for it. An initramfs root cannot be pivoted: there the
 * other mounts are detached, the new root is moved over "/", and chroot goes into it. The initramfs
 * itself stays below, out of reach for who lacks CAP_SYS_CHROOT or has left no descriptor of it
 * open.
 */
#include "kernel/root.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "base/path.h"
#include "kernel/mountinfo.h"
#include "kernel/sys.h"

static int pivot(int fd, struct err *e)
{
	AUTO_FD old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old < 0)
		return err_sys(e, errno, "open the old root");
	if (fchdir(fd) < 0)
		return err_sys(e, errno, "enter the new root");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, errno, "pivot_root");
	/* The old root is what "." of the old descriptor shows now. It must not propagate the
	 * unmount to where it came from. */
	if (fchdir(old) < 0)
		return err_sys(e, errno, "enter the old root");
	if (mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return err_sys(e, errno, "make the old root a slave");
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(e, errno, "detach the old root");
	return chdir("/") < 0 ? err_sys(e, errno, "enter the new root") : 0;
}

#define CARRIERS 16

struct detach {
	uint64_t carriers[CARRIERS];	/* mounts that have the new root below them */
	size_t n_carriers;
	uint64_t root_id;	/* the mount that is kept, with what lies below its path */
	char root_path[4096];
	size_t len;
	struct err *e;
};

static int find_root(void *arg, const struct mountinfo *m)
{
	struct detach *d = arg;

	if (m->id != d->root_id)
		return 0;
	d->len = strlen(m->target);
	if (d->len >= sizeof(d->root_path))
		return -ENAMETOOLONG;
	memcpy(d->root_path, m->target, d->len + 1);
	return 1;
}

static bool is_new_root(const struct detach *d, const struct mountinfo *m)
{
	return path_is_below(m->target, d->root_path);
}

static bool carries_new_root(const struct detach *d, const struct mountinfo *m)
{
	return path_is_below(d->root_path, m->target) && !is_new_root(d, m);
}

static int find_carriers(void *arg, const struct mountinfo *m)
{
	struct detach *d = arg;

	if (carries_new_root(d, m) && d->n_carriers < CARRIERS)
		d->carriers[d->n_carriers++] = m->id;
	return 0;
}

/* Its parent is made a slave with all that is below it. Not by its own name then: the way to it may lead
 * through a file system whose server does not answer. */
static bool goes_along(const struct detach *d, const struct mountinfo *m)
{
	for (size_t i = 0; i < d->n_carriers; i++)
		if (d->carriers[i] == m->parent)
			return false;
	return !carries_new_root(d, m);
}

/* What is detached must stay where it came from. Not the new root, whose mounts have the propagation
 * that was asked for. A mount that is covered has no name: it goes with its parent. */
static int make_slave(void *arg, const struct mountinfo *m)
{
	const struct detach *d = arg;
	unsigned long tree = carries_new_root(d, m) ? 0 : MS_REC;

	if (is_new_root(d, m) || goes_along(d, m) ||
	    mount(NULL, m->target, NULL, MS_SLAVE | tree, NULL) == 0 ||
	    errno == EINVAL || errno == ENOENT)
		return 0;
	return err_sys(d->e, errno, "make %s a slave", m->target);
}

static int detach_one(void *arg, const struct mountinfo *m)
{
	const struct detach *d = arg;

	if (is_new_root(d, m) || carries_new_root(d, m))
		return 0;
	/* Its parent may have taken it along already. */
	if (umount2(m->target, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL &&
	    errno != ENOENT)
		return err_sys(d->e, errno, "detach %s", m->target);
	return 0;
}

static int move(int fd, struct err *e)
{
	struct detach d = { .e = e };
	int r = mountinfo_mount_id(fd, &d.root_id);

	if (r == 0)
		r = mountinfo_each("/proc/self/mountinfo", find_root, &d);
	if (r <= 0)
		return err_sys(e, r < 0 ? -r : ENOENT, "find the new root among the mounts");
	r = mountinfo_each("/proc/self/mountinfo", find_carriers, &d);
	if (r == 0)
		r = mountinfo_each("/proc/self/mountinfo", make_slave, &d);
	if (r == 0)
		r = mountinfo_each("/proc/self/mountinfo", detach_one, &d);
	if (r < 0)
		return err_is_set(e) ? -1 : err_sys(e, -r, "read the mounts");
	if (fchdir(fd) < 0)
		return err_sys(e, errno, "enter the new root");
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)
		return err_sys(e, errno, "move the new root");
	if (chroot(".") < 0)
		return err_sys(e, errno, "chroot");
	return chdir("/") < 0 ? err_sys(e, errno, "enter the new root") : 0;
}

int root_switch(int fd, enum root_how how, struct err *e)
{
	return how == ROOT_PIVOT ? pivot(fd, e) : move(fd, e);
}
