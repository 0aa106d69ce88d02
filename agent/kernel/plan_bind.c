/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binds and what is made of them: masks, read-only paths, remounts.
 *
 * A bind clones the source's tree (open_tree, Linux 5.2), changes the clone's attributes while
 * nobody sees it (mount_setattr, 5.12), and attaches it to the target's descriptor (move_mount).
 * Kernels without these calls get mount(2) by /proc/self/fd, and a remount: there the recursive
 * attributes are refused, and PLAN_READONLY does not reach mounts below.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/mountinfo.h"
#include "kernel/plan_ops.h"
#include "kernel/sys.h"

/* --- sources ------------------------------------------------------------------------------ */

static int open_strict(const char *path, int flags)
{
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return root < 0 ? -errno : path_open_strict(root, path, flags);
}

static bool is_device(const struct plan_op *op, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == (op->mode & S_IFMT) &&
	       st.st_rdev == op->dev;
}

/* The name below /dev, from a line "DEVNAME=…" of the device's uevent file. */
int plan_open_by_number(const struct plan_op *op)
{
	char path[64], text[1024], *name;
	AUTO_FD dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/%s/%u:%u/uevent",
		 S_ISBLK(op->mode) ? "block" : "char", major(op->dev), minor(op->dev));
	n = io_read_file(AT_FDCWD, path, text, sizeof(text));
	name = n < 0 ? NULL : strstr(text, "DEVNAME=");
	if (!name || dev < 0)
		return -ENODEV;
	name += strlen("DEVNAME=");
	name[strcspn(name, "\n")] = '\0';
	fd = path_open_in(dev, name, O_PATH | O_NOFOLLOW, 0);
	return fd >= 0 && is_device(op, fd) ? TAKE_FD(fd) : -ENODEV;
}

static int open_device(const struct plan_op *op)
{
	AUTO_FD fd = open(op->source, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && is_device(op, fd) ? TAKE_FD(fd) : plan_open_by_number(op);
}

int plan_open_source(const struct plan_op *op, int rootfd, int flags)
{
	int fd;

	if (op->sourcefd >= 0)
		fd = fcntl(op->sourcefd, F_DUPFD_CLOEXEC, 3);
	else if (op->flags & PLAN_SOURCE_FD)
		return -EBADF;
	else if (op->flags & PLAN_SOURCE_DEVICE)
		return open_device(op);
	else if (op->flags & PLAN_SOURCE_IN_ROOT)
		return path_open_in(rootfd, op->source, flags, 0);
	else if (op->flags & PLAN_SOURCE_STRICT)
		return open_strict(op->source, flags);
	else
		fd = open(op->source, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int plan_is_done(const struct plan_op *op, int rootfd)
{
	AUTO_FD fd = path_open_in(rootfd, op->target, O_PATH, 0);
	char fstype[64];
	int r = fd < 0 ? fd : mountinfo_is_mount(fd);

	if (r != 1)
		return r == -ENOENT ? 0 : r;
	if (op->kind == PLAN_BIND) {
		AUTO_FD source = plan_open_source(op, rootfd, O_PATH);

		return source < 0 ? 1 : plan_same_file(source, fd);
	}
	if (str_empty(op->fstype) || mountinfo_fstype(fd, fstype, sizeof(fstype)) < 0)
		return 1;
	return str_eq(fstype, op->fstype);
}

/* --- binds -------------------------------------------------------------------------------- */

/* The bind of mount(2): attach first, then look at it again and change it. */
static int bind_old(const struct plan_op *op, int rootfd, int source, int target)
{
	AUTO_FD fd = -1;
	char path[32];
	int r;

	if (op->rec_set || op->rec_clear || op->idmap || !plan_fd_path(source, path))
		return -ENOSYS;
	r = plan_mount_on(target, path, NULL, MS_BIND | (op->ms_flags & MS_REC), NULL);
	/* not opened again without need: below /proc/net that drops what is mounted there */
	if (r < 0 || (!op->propagation && !plan_flags_change(op->ms_flags, op->ms_clear)))
		return r;
	fd = plan_reopen_mount(op, rootfd, target);
	if (fd < 0)
		return fd;
	r = plan_same_file(fd, source);
	if (r >= 0)
		r = r ? plan_change_flags(fd, op->ms_flags, op->ms_clear) : -ESTALE;
	if (!r && op->propagation)
		r = plan_set_propagation(fd, op->propagation);
	if (r < 0)
		plan_umount_fd(fd);
	return r;
}

/* With an idmap that was opened before, source is the tree itself. */
static int clone_tree(const struct plan_op *op, int source)
{
	if (op->idmap && op->sourcefd >= 0) {
		int fd = fcntl(source, F_DUPFD_CLOEXEC, 3);

		return fd < 0 ? -errno : fd;
	}
	if (op->idmap)
		return plan_idmap_tree(op, source);
	return sys_open_tree(source, "",
			     OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH |
				     (op->ms_flags & MS_REC ? AT_RECURSIVE : 0));
}

static int bind_new(const struct plan_op *op, int source, int target)
{
	AUTO_FD tree = clone_tree(op, source);
	int r;

	if (tree < 0)
		return tree;
	r = plan_change_flags(tree, op->ms_flags, op->ms_clear);
	if (!r)
		r = plan_set_recursive(tree, op);
	if (!r)
		r = sys_move_mount(tree, "", target, "",
				   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	if (r < 0)
		return r;
	/* Only now: a mount that is attached below a shared one becomes shared. */
	r = plan_set_propagation(tree, op->propagation);
	if (r < 0)
		plan_umount_fd(tree);
	return r;
}

int plan_bind_fd(const struct plan_op *op, int rootfd, int source, int target)
{
	int r = plan_has_setattr() ? bind_new(op, source, target) : -ENOSYS;

	return r == -ENOSYS ? bind_old(op, rootfd, source, target) : r;
}

int plan_do_bind(const struct plan_op *op, int rootfd, struct err *e)
{
	AUTO_FD source = plan_open_source(op, rootfd, O_PATH);
	AUTO_FD target = -1;
	int r;

	if (source == -ELOOP && (op->flags & PLAN_SOURCE_STRICT))
		return err_set(e, RC_PERMISSION_DENIED,
			       "bind %s on %s: a symbolic link on the way to it", op->source,
			       op->target);
	if (source < 0)
		return plan_fail(e, source, op);
	r = op->flags & PLAN_SKIP_MOUNTED ? plan_is_done(op, rootfd) : 0;
	if (r)
		return r < 0 ? plan_fail(e, r, op) : 0;
	r = plan_place_kind(source);
	if (r < 0)
		return plan_fail(e, r, op);
	target = plan_target(op, rootfd, (mode_t)r);
	if (target < 0)
		return err_sys(e, -target, "target %s", op->target);
	if (plan_proc_guard(op, rootfd, target, source, e) < 0)
		return -1;
	r = plan_bind_fd(op, rootfd, source, target);
	return r < 0 ? plan_fail(e, r, op) : 0;
}

/* --- changes of what is there ------------------------------------------------------------- */

int plan_do_remount(const struct plan_op *op, int rootfd, struct err *e)
{
	AUTO_FD fd = path_open_in(rootfd, op->target, O_PATH, 0);
	int r = fd < 0 ? fd : 0;

	if (!r && (op->ms_flags & MS_BIND))
		r = plan_change_flags(fd, op->ms_flags, op->ms_clear);
	else if (!r && (op->ms_flags || op->data))
		r = plan_mount_on(fd, NULL, NULL, MS_REMOUNT | op->ms_flags, op->data);
	if (!r)
		r = plan_set_recursive(fd, op);
	if (!r && op->propagation)
		r = plan_set_propagation(fd, op->propagation);
	return r < 0 ? plan_fail(e, r, op) : 0;
}

int plan_do_propagate(const struct plan_op *op, int rootfd, struct err *e)
{
	AUTO_FD fd = path_open_in(rootfd, op->target, O_PATH, 0);
	int r = fd < 0 ? fd : plan_set_propagation(fd, op->propagation);

	return r < 0 ? err_sys(e, -r, "change the propagation of %s", op->target) : 0;
}

/* It must be the kernel's: a symlink or another device in its place would be bound instead of
 * hiding anything (CVE-2025-31133). */
static int open_null(void)
{
	AUTO_FD fd = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		/* ENOENT would read as "no target", which is fine. */
		return errno == ENOENT ? -ENXIO : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return -ENXIO;
	return TAKE_FD(fd);
}

static int mask(const struct plan_op *op, int rootfd, int target)
{
	struct plan_op over = *op;
	int kind = plan_place_kind(target);
	AUTO_FD null = -1;

	if (kind < 0)
		return kind;
	if (kind == S_IFDIR)
		return plan_mount_simple(target, "tmpfs",
					 MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
					 "nr_blocks=1,nr_inodes=1");
	null = open_null();
	if (null < 0)
		return null;
	over.ms_flags = 0;
	return plan_bind_fd(&over, rootfd, null, target);
}

static bool is_missing(int r)
{
	return r == -ENOENT || r == -ENOTDIR;
}

int plan_do_mask(const struct plan_op *op, int rootfd, struct err *e)
{
	AUTO_FD target = path_open_in(rootfd, op->target, O_PATH, 0);
	int r = target < 0 ? target : mask(op, rootfd, target);

	if (target < 0 && is_missing(target))
		return 0;
	return r < 0 ? err_sys(e, -r, "mask %s", op->target) : 0;
}

int plan_do_readonly(const struct plan_op *op, int rootfd, struct err *e)
{
	AUTO_FD target = path_open_in(rootfd, op->target, O_PATH, 0);
	struct plan_op over = *op;
	int r;

	if (target < 0 && is_missing(target))
		return 0;
	over.ms_flags = MS_REC;
	if (plan_has_setattr())
		over.rec_set = MOUNT_ATTR_RDONLY;
	else
		over.ms_flags |= MS_RDONLY;
	r = target < 0 ? target : plan_bind_fd(&over, rootfd, target, target);
	return r < 0 ? err_sys(e, -r, "make %s read-only", op->target) : 0;
}

int plan_do_umount(const struct plan_op *op, int rootfd, struct err *e)
{
	AUTO_FD fd = path_open_in(rootfd, op->target, O_PATH, 0);
	int r = fd < 0 ? fd : mountinfo_is_mount(fd);

	if (r == 1)
		r = plan_umount_fd(fd);
	return r < 0 && r != -ENOENT ? err_sys(e, -r, "umount %s", op->target) : 0;
}
