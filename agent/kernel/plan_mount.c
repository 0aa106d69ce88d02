/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mounting half of the plan's executor.
 *
 * A filesystem is mounted by mount(2) on "." after fchdir() to the target's descriptor: no path is
 * looked up a second time, and no /proc is needed (at boot there is none yet, and after a pivot it
 * is the container's). Binds clone the source's tree (open_tree, Linux 5.2), change the clone's
 * attributes while nobody sees it (mount_setattr, 5.12), and attach it to the target's descriptor
 * (move_mount). Kernels without these calls get mount(2) by /proc/self/fd, and a remount: there the
 * recursive attributes are refused, and PLAN_READONLY does not reach mounts below.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/path.h"
#include "kernel/mountinfo.h"
#include "kernel/plan_ops.h"
#include "kernel/sys.h"

#ifdef MOTE_TEST
bool plan_test_old_kernel;
#define OLD_KERNEL	plan_test_old_kernel
#else
#define OLD_KERNEL	false
#endif

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW	256
#endif

static bool is_fs(int fd, long magic)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (long)fs.f_type == magic;
}

const char *plan_fd_path(int fd, char buf[32])
{
	AUTO_FD dirfd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return dirfd >= 0 && is_fs(dirfd, SYS_PROC_MAGIC) ? path_of_fd(fd, buf) : NULL;
}

/* S_IFDIR, S_IFREG for all else, or -errno. */
static int place_kind(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? S_IFDIR : S_IFREG;
}

/* Goes into the directory, and back when the caller closes what comes back with leave(). */
static int enter(int dirfd, int *cwd)
{
	*cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*cwd < 0)
		return -errno;
	return fchdir(dirfd) < 0 ? -errno : 0;
}

static void leave(int cwd)
{
	if (cwd >= 0 && fchdir(cwd) == 0)
		return;
	/* The old directory is gone or forbidden: "/" is the one place that is always right for
	 * a job. */
	if (chdir("/") < 0)
		return;
}

int plan_mount_on(int fd, const char *source, const char *fstype, unsigned long flags,
		  const char *data)
{
	char path[32];
	AUTO_FD cwd = -1;
	int r = place_kind(fd);

	if (r < 0)
		return r;
	if (r != S_IFDIR) {
		if (!plan_fd_path(fd, path))
			return -ENOSYS;
		return sys_result(mount(source, path, fstype, flags, data));
	}
	r = enter(fd, &cwd);
	if (r < 0)
		return r;
	r = sys_result(mount(source, ".", fstype, flags, data));
	leave(cwd);
	return r;
}

static int umount_fd(int fd)
{
	char path[32];
	AUTO_FD cwd = -1;
	int r = place_kind(fd);

	if (r < 0)
		return r;
	if (r != S_IFDIR)
		return plan_fd_path(fd, path) ? sys_result(umount2(path, MNT_DETACH)) : -ENOSYS;
	r = enter(fd, &cwd);
	if (r < 0)
		return r;
	r = sys_result(umount2(".", MNT_DETACH));
	leave(cwd);
	return r;
}

/* The attributes of one mount for mount flags; those that belong to the filesystem are left out. */
static void attr_of_flags(unsigned long flags, struct sys_mount_attr *attr)
{
	static const struct {
		unsigned long flag;
		uint64_t set, clear;
	} map[] = {
		{ MS_RDONLY, MOUNT_ATTR_RDONLY, 0 },
		{ MS_NOSUID, MOUNT_ATTR_NOSUID, 0 },
		{ MS_NODEV, MOUNT_ATTR_NODEV, 0 },
		{ MS_NOEXEC, MOUNT_ATTR_NOEXEC, 0 },
		{ MS_NODIRATIME, MOUNT_ATTR_NODIRATIME, 0 },
		{ MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW, 0 },
		{ MS_RELATIME, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
		{ MS_NOATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME },
		{ MS_STRICTATIME, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME },
	};

	*attr = (struct sys_mount_attr){ 0 };
	for (size_t i = 0; i < COUNT_OF(map); i++) {
		if (!(flags & map[i].flag))
			continue;
		if (map[i].clear)
			attr->attr_set &= ~map[i].clear; /* one field: the last of the table wins */
		attr->attr_set |= map[i].set;
		attr->attr_clr |= map[i].clear;
	}
}

static int setattr(int fd, unsigned int recursive, const struct sys_mount_attr *attr)
{
	if (OLD_KERNEL)
		return -ENOSYS;
	if (!attr->attr_set && !attr->attr_clr && !attr->propagation)
		return 0;
	return sys_mount_setattr(fd, "", AT_EMPTY_PATH | recursive, attr, sizeof(*attr));
}

static int setattr_recursive(int fd, const struct plan_op *op)
{
	struct sys_mount_attr attr = { .attr_set = op->rec_set, .attr_clr = op->rec_clear };

	if (!op->rec_set && !op->rec_clear)
		return 0;
	return setattr(fd, AT_RECURSIVE, &attr);
}

/* fd: of the mount itself. */
static int propagate(int fd, unsigned long propagation)
{
	struct sys_mount_attr attr = { .propagation = propagation & ~(unsigned long)MS_REC };
	int r;

	if (!propagation)
		return 0;
	r = setattr(fd, propagation & MS_REC ? AT_RECURSIVE : 0, &attr);
	return r == -ENOSYS ? plan_mount_on(fd, NULL, NULL, propagation, NULL) : r;
}

/* The mount that now lies over what targetfd refers to. It is looked up by name again, as no
 * call leads from a covered object to what covers it; so it must be a mount, and another one
 * than the target lies in. */
static int reopen_mount(const struct plan_op *op, int rootfd, int targetfd)
{
	AUTO_FD fd = path_open_in(rootfd, op->target, O_PATH, 0);
	uint64_t now, before;
	int r;

	if (fd < 0)
		return fd;
	r = mountinfo_is_mount(fd);
	if (r < 0)
		return r;
	if (r == 0 || mountinfo_mount_id(fd, &now) < 0 ||
	    mountinfo_mount_id(targetfd, &before) < 0 || now == before)
		return -ESTALE;
	return TAKE_FD(fd);
}

static int fail(struct err *e, int r, const struct plan_op *op)
{
	static const char *const verbs[PLAN_KINDS] = {
		[PLAN_MOUNT] = "mount", [PLAN_BIND] = "bind", [PLAN_REMOUNT] = "remount",
	};
	const char *verb = verbs[op->kind];
	const char *source = str_empty(op->source) ? (op->fstype ? op->fstype : "") : op->source;
	enum rc rc = err_rc_of(-r);

	if (op->kind != PLAN_MOUNT || (r != -EINVAL && r != -ENODEV))
		return *source ? err_sys(e, -r, "%s %s on %s", verb, source, op->target) :
				 err_sys(e, -r, "%s %s", verb, op->target);
	/* The two that strerror() explains badly. */
	if (r == -EINVAL)
		err_set(e, rc, "mount %s on %s: wrong fs type, bad option, bad superblock (EINVAL)",
			source, op->target);
	else
		err_set(e, rc, "mount %s on %s: unknown filesystem type '%s' (ENODEV)", source,
			op->target, op->fstype ? op->fstype : "");
	e->sys = (uint16_t)-r;
	return -1;
}

static int open_strict(const char *path, unsigned int flags)
{
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return root < 0 ? -errno : path_open_strict(root, path, (int)flags);
}

static int open_source(const struct plan_op *op, int rootfd, unsigned int flags)
{
	int fd;

	if (op->flags & PLAN_SOURCE_IN_ROOT)
		return path_open_in(rootfd, op->source, (int)flags, 0);
	if (op->flags & PLAN_SOURCE_STRICT)
		return open_strict(op->source, flags);
	fd = open(op->source, (int)flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

int plan_is_done(const struct plan_op *op, int rootfd)
{
	AUTO_FD fd = path_open_in(rootfd, op->target, O_PATH, 0);
	char fstype[64];
	int r = fd < 0 ? fd : mountinfo_is_mount(fd);

	if (r != 1)
		return r == -ENOENT ? 0 : r;
	if (op->kind == PLAN_BIND) {
		AUTO_FD source = open_source(op, rootfd, O_PATH);

		return source < 0 || same_file(source, fd);
	}
	if (str_empty(op->fstype) || mountinfo_fstype(fd, fstype, sizeof(fstype)) < 0)
		return 1;
	return str_eq(fstype, op->fstype);
}

/* What may still fail once the filesystem is there; fd is its root. */
static int finish_mount(const struct plan_op *op, int fd, int beneath)
{
	int r = 0;

	if (op->flags & PLAN_TMPCOPYUP) {
		AUTO_FD to = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r = to < 0 ? -errno : plan_copy_tree(beneath, to);
	}
	if (!r && (op->flags & PLAN_TMPCOPYUP) && (op->ms_flags & MS_RDONLY))
		r = plan_mount_on(fd, NULL, NULL, MS_REMOUNT | op->ms_flags, op->data);
	if (!r)
		r = setattr_recursive(fd, op);
	if (!r)
		r = propagate(fd, op->propagation);
	return r;
}

int plan_do_mount(const struct plan_op *op, int rootfd, struct err *e)
{
	const char *source =
		str_empty(op->source) ? (str_empty(op->fstype) ? "none" : op->fstype) : op->source;
	unsigned long flags = op->ms_flags;
	AUTO_FD target = -1;
	AUTO_FD beneath = -1;
	AUTO_FD fd = -1;
	AUTO_FD sourcefd = -1;
	char path[32];
	int r;

	r = op->flags & PLAN_SKIP_MOUNTED ? plan_is_done(op, rootfd) : 0;
	if (r)
		return r < 0 ? fail(e, r, op) : 0;
	target = path_target_in(rootfd, op->target, S_IFDIR);
	if (target < 0)
		return err_sys(e, -target, "target %s", op->target);
	if (plan_proc_guard(op, rootfd, target, -1, e) < 0)
		return -1;
	if ((op->flags & PLAN_SOURCE_IN_ROOT) && !str_empty(op->source)) {
		sourcefd = open_source(op, rootfd, O_PATH);
		source = sourcefd < 0 ? NULL : plan_fd_path(sourcefd, path);
		if (!source)
			return fail(e, sourcefd < 0 ? sourcefd : -ENOSYS, op);
	}
	if (op->flags & PLAN_TMPCOPYUP) {
		beneath = openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (beneath < 0)
			return err_sys(e, errno, "read %s", op->target);
		flags &= ~(unsigned long)MS_RDONLY;
	}
	r = plan_mount_on(target, source, op->fstype, flags, op->data);
	if (r < 0)
		return fail(e, r, op);
	if (!op->propagation && !op->rec_set && !op->rec_clear && beneath < 0)
		return 0;
	fd = reopen_mount(op, rootfd, target);
	r = fd < 0 ? fd : finish_mount(op, fd, beneath);
	if (r == 0)
		return 0;
	if (fd >= 0)
		umount_fd(fd);
	return fail(e, r, op);
}

/* What the mount has now, as flags of mount(2): a remount that leaves one out would clear it. */
static unsigned long flags_of_mount(int fd)
{
	static const struct {
		unsigned long have, flag;
	} map[] = {
		{ 0x0001, MS_RDONLY },	 { 0x0002, MS_NOSUID },	     { 0x0004, MS_NODEV },
		{ 0x0008, MS_NOEXEC },	 { 0x0400, MS_NOATIME },     { 0x0800, MS_NODIRATIME },
		{ 0x1000, MS_RELATIME }, { 0x2000, MS_NOSYMFOLLOW },
	};
	unsigned long flags = 0;
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return 0;
	for (size_t i = 0; i < COUNT_OF(map); i++)
		if ((unsigned long)fs.f_flags & map[i].have)
			flags |= map[i].flag;
	return flags;
}

#define PER_MOUNT                                                                                  \
	(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | \
	 MS_STRICTATIME | MS_NOSYMFOLLOW)
#define ATIMES		(MS_NOATIME | MS_RELATIME | MS_STRICTATIME)

/* Adds flags to the one mount whose root fd is. */
static int add_flags(int fd, unsigned long flags)
{
	struct sys_mount_attr attr;
	unsigned long have;
	int r;

	flags &= PER_MOUNT;
	if (!flags)
		return 0;
	attr_of_flags(flags, &attr);
	r = setattr(fd, 0, &attr);
	if (r != -ENOSYS)
		return r;
	have = flags_of_mount(fd);
	if (flags & ATIMES)
		have &= ~(unsigned long)ATIMES;
	return plan_mount_on(fd, NULL, NULL, MS_REMOUNT | MS_BIND | have | flags, NULL);
}

/* The bind of mount(2): attach first, then look at it again and change it. */
static int bind_old(const struct plan_op *op, int rootfd, int source, int target)
{
	AUTO_FD fd = -1;
	char path[32];
	int r;

	if (op->rec_set || op->rec_clear || !plan_fd_path(source, path))
		return -ENOSYS;
	r = plan_mount_on(target, path, NULL, MS_BIND | (op->ms_flags & MS_REC), NULL);
	if (r < 0)
		return r;
	fd = reopen_mount(op, rootfd, target);
	if (fd < 0)
		return fd;
	r = same_file(fd, source) ? add_flags(fd, op->ms_flags) : -ESTALE;
	if (!r)
		r = propagate(fd, op->propagation);
	if (r < 0)
		umount_fd(fd);
	return r;
}

static int bind_new(const struct plan_op *op, int source, int target)
{
	unsigned int clone = OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH |
			     (op->ms_flags & MS_REC ? AT_RECURSIVE : 0);
	AUTO_FD tree = OLD_KERNEL ? -ENOSYS : sys_open_tree(source, "", clone);
	int r;

	if (tree < 0)
		return tree;
	r = add_flags(tree, op->ms_flags);
	if (!r)
		r = setattr_recursive(tree, op);
	if (!r)
		r = sys_move_mount(tree, "", target, "",
				   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	if (r < 0)
		return r;
	/* Only now: a mount that is attached below a shared one becomes shared. */
	r = propagate(tree, op->propagation);
	if (r < 0)
		umount_fd(tree);
	return r;
}

static bool has_setattr(void)
{
	return !OLD_KERNEL && sys_mount_setattr(-1, "", 0, NULL, 0) != -ENOSYS;
}

static int bind(const struct plan_op *op, int rootfd, int source, int target)
{
	int r = has_setattr() ? bind_new(op, source, target) : -ENOSYS;

	return r == -ENOSYS ? bind_old(op, rootfd, source, target) : r;
}

int plan_do_bind(const struct plan_op *op, int rootfd, struct err *e)
{
	AUTO_FD source = open_source(op, rootfd, O_PATH);
	AUTO_FD target = -1;
	int r;

	if (source == -ELOOP && (op->flags & PLAN_SOURCE_STRICT))
		return err_set(e, RC_PERMISSION_DENIED,
			       "bind %s on %s: a symbolic link on the way to it", op->source,
			       op->target);
	if (source < 0)
		return fail(e, source, op);
	r = op->flags & PLAN_SKIP_MOUNTED ? plan_is_done(op, rootfd) : 0;
	if (r)
		return r < 0 ? fail(e, r, op) : 0;
	r = place_kind(source);
	if (r < 0)
		return fail(e, r, op);
	target = path_target_in(rootfd, op->target, (mode_t)r);
	if (target < 0)
		return err_sys(e, -target, "target %s", op->target);
	if (plan_proc_guard(op, rootfd, target, source, e) < 0)
		return -1;
	r = bind(op, rootfd, source, target);
	return r < 0 ? fail(e, r, op) : 0;
}

int plan_do_remount(const struct plan_op *op, int rootfd, struct err *e)
{
	AUTO_FD fd = path_open_in(rootfd, op->target, O_PATH, 0);
	int r = fd < 0 ? fd : 0;

	if (!r && (op->ms_flags & MS_BIND))
		r = add_flags(fd, op->ms_flags);
	else if (!r && op->ms_flags)
		r = plan_mount_on(fd, NULL, NULL, MS_REMOUNT | op->ms_flags, op->data);
	if (!r)
		r = setattr_recursive(fd, op);
	if (!r)
		r = propagate(fd, op->propagation);
	return r < 0 ? fail(e, r, op) : 0;
}

int plan_do_propagate(const struct plan_op *op, int rootfd, struct err *e)
{
	AUTO_FD fd = path_open_in(rootfd, op->target, O_PATH, 0);
	int r = fd < 0 ? fd : propagate(fd, op->propagation);

	return r < 0 ? err_sys(e, -r, "change the propagation of %s", op->target) : 0;
}

/* The image may have put anything at /dev/null: it must be the kernel's. */
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
	int kind = place_kind(target);
	AUTO_FD null = -1;

	if (kind < 0)
		return kind;
	if (kind == S_IFDIR)
		return plan_mount_on(target, "tmpfs", "tmpfs",
				     MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
				     "nr_blocks=1,nr_inodes=1");
	null = open_null();
	if (null < 0)
		return null;
	over.ms_flags = 0;
	return bind(&over, rootfd, null, target);
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
	if (has_setattr())
		over.rec_set = MOUNT_ATTR_RDONLY;
	else
		over.ms_flags |= MS_RDONLY;
	r = target < 0 ? target : bind(&over, rootfd, target, target);
	return r < 0 ? err_sys(e, -r, "make %s read-only", op->target) : 0;
}

int plan_do_umount(const struct plan_op *op, int rootfd, struct err *e)
{
	AUTO_FD fd = path_open_in(rootfd, op->target, O_PATH, 0);
	int r = fd < 0 ? fd : mountinfo_is_mount(fd);

	if (r == 1)
		r = umount_fd(fd);
	return r < 0 && r != -ENOENT ? err_sys(e, -r, "umount %s", op->target) : 0;
}
