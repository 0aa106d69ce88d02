/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounting filesystems, and what all parts of the executor need for it.
 *
 * A filesystem is made detached (fsopen, fsconfig, fsmount: Linux 5.2), finished where nobody sees
 * it, and attached to the target's descriptor (move_mount): no path is looked up a second time.
 * Kernels without these calls, and what they cannot say (values of 256 bytes and more, i_version),
 * get mount(2) on "." after fchdir() to the target's descriptor, and what comes after the mount is
 * done on what is then found there. No /proc is needed for directories: at boot there is none yet.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "base/path.h"
#include "base/str.h"
#include "kernel/mountinfo.h"
#include "kernel/plan_ops.h"
#include "kernel/sys.h"

/* --- by descriptor with the old calls ----------------------------------------------------- */

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

int plan_place_kind(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? S_IFDIR : S_IFREG;
}

int plan_same_file(int a, int b)
{
	struct stat sa, sb;

	if (fstat(a, &sa) < 0 || fstat(b, &sb) < 0)
		return -errno;
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
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
	int r = plan_place_kind(fd);

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

int plan_umount_fd(int fd)
{
	char path[32];
	AUTO_FD cwd = -1;
	int r = plan_place_kind(fd);

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

int plan_reopen_mount(const struct plan_op *op, int rootfd, int targetfd)
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

/* --- targets, errors ------------------------------------------------------------------------ */

static int make_last(int dirfd, const char *name, mode_t type)
{
	AUTO_FD made = -1;

	if (type == S_IFDIR)
		return mkdirat(dirfd, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
	made = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	return made < 0 && errno != EEXIST ? -errno : 0;
}

/* An ordinary directory or no directory, and no symlink. */
static int target_nofollow(const char *path, int rootfd, mode_t type)
{
	const char *name;
	AUTO_FD dirfd = path_parent_in(rootfd, path, 0755, &name);
	AUTO_FD fd = -1;
	struct stat st;
	int r = dirfd < 0 ? dirfd : make_last(dirfd, name, type);

	if (r < 0)
		return r;
	fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	if (S_ISDIR(st.st_mode) != (type == S_IFDIR))
		return type == S_IFDIR ? -ENOTDIR : -EISDIR;
	return TAKE_FD(fd);
}

int plan_target(const struct plan_op *op, int rootfd, mode_t type)
{
	return op->flags & PLAN_NOFOLLOW ? target_nofollow(op->target, rootfd, type)
					 : path_target_in(rootfd, op->target, type);
}

int plan_fail(struct err *e, int r, const struct plan_op *op)
{
	static const char *const verbs[PLAN_KINDS] = {
		[PLAN_MOUNT] = "mount",
		[PLAN_BIND] = "bind",
		[PLAN_REMOUNT] = "remount",
	};
	const char *verb = verbs[op->kind];
	const char *source = str_empty(op->source) ? (op->fstype ? op->fstype : "") : op->source;
	enum rc rc = err_rc_of(-r);

	if (op->kind != PLAN_MOUNT || (r != -EINVAL && r != -ENODEV))
		return *source ? err_sys(e, -r, "%s %s on %s", verb, source, op->target)
			       : err_sys(e, -r, "%s %s", verb, op->target);
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

/* --- a filesystem without a place ----------------------------------------------------------- */

#define VALUE_MAX 255 /* bytes that fsconfig(2) takes */

/* One option: a word, key=value, or key="value,with,commas". */
static int set_option(int fs, char *option)
{
	char *value = strchr(option, '=');
	size_t len;

	if (!value)
		return sys_fsconfig(fs, SYS_FSCONFIG_FLAG, option, NULL);
	*value++ = '\0';
	len = strlen(value);
	if (len > 1 && value[0] == '"' && value[len - 1] == '"') {
		value[len - 1] = '\0';
		value++;
	}
	if (strlen(value) > VALUE_MAX)
		return -ENOSYS;
	return sys_fsconfig(fs, SYS_FSCONFIG_STRING, option, value);
}

/* Where the option ends: at a comma outside of quotes. */
static char *option_end(char *at)
{
	for (bool quoted = false; *at && (quoted || *at != ','); at++)
		if (*at == '"')
			quoted = !quoted;
	return at;
}

static int set_data(int fs, const char *data)
{
	char text[4096];
	struct str s = STR_OVER(text);
	int r = 0;

	str_add(&s, data);
	if (!str_ok(&s))
		return -ENOSYS;
	for (char *at = text, *end; r == 0 && *at; at = end) {
		end = option_end(at);
		if (*end)
			*end++ = '\0';
		if (*at)
			r = set_option(fs, at);
	}
	return r;
}

static int set_flags(int fs, unsigned long flags)
{
	static const struct {
		unsigned long flag;
		const char *word;
	} words[] = {
		{ MS_RDONLY, "ro" },         { MS_SYNCHRONOUS, "sync" }, { MS_DIRSYNC, "dirsync" },
		{ MS_LAZYTIME, "lazytime" }, { MS_MANDLOCK, "mand" },
	};
	int r = 0;

	for (size_t i = 0; i < COUNT_OF(words) && r == 0; i++)
		if (flags & words[i].flag)
			r = sys_fsconfig(fs, SYS_FSCONFIG_FLAG, words[i].word, NULL);
	return r;
}

int plan_make_fs(const struct plan_op *op, const char *source)
{
	AUTO_FD fs = -1;
	int r;

	if ((op->ms_flags & MS_I_VERSION) || strlen(source) > VALUE_MAX)
		return -ENOSYS;
	fs = sys_fsopen(op->fstype);
	if (fs < 0)
		return fs;
	r = sys_fsconfig(fs, SYS_FSCONFIG_STRING, "source", source);
	if (r == 0)
		r = set_flags(fs, op->ms_flags);
	if (r == 0 && !str_empty(op->data))
		r = set_data(fs, op->data);
	if (r == 0)
		r = sys_fsconfig(fs, SYS_FSCONFIG_CREATE, NULL, NULL);
	return r < 0 ? r : sys_fsmount(fs, plan_attr_of_flags(op->ms_flags));
}

static int attach(int mountfd, int targetfd)
{
	return sys_move_mount(mountfd, "", targetfd, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int plan_mount_simple(int targetfd, const char *fstype, unsigned long flags, const char *data)
{
	const struct plan_op op = { .fstype = fstype, .ms_flags = flags, .data = data };
	AUTO_FD fd = plan_make_fs(&op, fstype);
	int r = fd < 0 ? fd : attach(fd, targetfd);

	return r == -ENOSYS ? plan_mount_on(targetfd, fstype, fstype, flags, data) : r;
}

/* --- PLAN_MOUNT ----------------------------------------------------------------------------- */

struct mounting {
	const struct plan_op *op;
	int rootfd, target;
	const char *source;
	mode_t mode; /* PLAN_KEEP_MODE: of what is covered; 0: nothing to keep */
};

/* What the new filesystem gets while, or before, it can be written to. fd: its root. */
static int fill(const struct mounting *m, int fd)
{
	AUTO_FD to = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD from = -1;
	int r = to < 0 ? -errno : 0;

	if (r == 0 && (m->op->flags & PLAN_TMPCOPYUP)) {
		from = openat(m->target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = from < 0 ? -errno : plan_copy_tree(from, to);
	}
	if (r == 0 && m->mode)
		r = sys_result(fchmod(to, m->mode));
	return r;
}

static bool is_filled(const struct mounting *m)
{
	return (m->op->flags & PLAN_TMPCOPYUP) || m->mode;
}

/* A filesystem that is filled has to be writable until then. */
static struct plan_op without_readonly(const struct mounting *m)
{
	struct plan_op op = *m->op;

	if (is_filled(m))
		op.ms_flags &= ~(unsigned long)MS_RDONLY;
	return op;
}

static int finish(const struct mounting *m, int fd)
{
	int r = is_filled(m) ? fill(m, fd) : 0;

	if (r == 0 && is_filled(m))
		r = plan_change_flags(fd, m->op->ms_flags & MS_RDONLY, 0);
	return r == 0 ? plan_set_recursive(fd, m->op) : r;
}

static int mount_new(const struct mounting *m)
{
	const struct plan_op op = without_readonly(m);
	/* a remount needs a place */
	bool possible = !is_filled(m) || plan_has_setattr();
	AUTO_FD fd = possible ? plan_make_fs(&op, m->source) : -ENOSYS;
	int r = fd < 0 ? fd : finish(m, fd);

	if (r == 0)
		r = attach(fd, m->target);
	if (r < 0)
		return r;
	/* Only now: a mount that is attached below a shared one becomes shared. */
	r = plan_set_propagation(fd, m->op->propagation);
	if (r < 0)
		plan_umount_fd(fd);
	return r;
}

static int mount_old(const struct mounting *m)
{
	const struct plan_op *op = m->op;
	AUTO_FD fd = -1;
	int r = plan_mount_on(m->target, m->source, op->fstype, without_readonly(m).ms_flags,
			      op->data);

	if (r < 0 || (!is_filled(m) && !op->propagation && !op->rec_set && !op->rec_clear))
		return r;
	fd = plan_reopen_mount(op, m->rootfd, m->target);
	r = fd < 0 ? fd : finish(m, fd);
	if (r == 0)
		r = plan_set_propagation(fd, op->propagation);
	if (r < 0 && fd >= 0)
		plan_umount_fd(fd);
	return r;
}

/* Was the target there before? Its mode is kept then. */
static mode_t mode_of_covered(const struct plan_op *op, int rootfd)
{
	AUTO_FD fd = op->flags & PLAN_KEEP_MODE ? path_open_in(rootfd, op->target, O_PATH, 0) : -1;
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? st.st_mode & 07777 : 0;
}

int plan_do_mount(const struct plan_op *op, int rootfd, struct err *e)
{
	struct mounting m = { .op = op, .rootfd = rootfd, .source = op->source };
	AUTO_FD target = -1;
	AUTO_FD sourcefd = -1;
	char path[32];
	int r;

	if (str_empty(m.source))
		m.source = str_empty(op->fstype) ? "none" : op->fstype;
	r = op->flags & PLAN_SKIP_MOUNTED ? plan_is_done(op, rootfd) : 0;
	if (r)
		return r < 0 ? plan_fail(e, r, op) : 0;
	m.mode = mode_of_covered(op, rootfd);
	m.target = target = plan_target(op, rootfd, S_IFDIR);
	if (target < 0)
		return err_sys(e, -target, "target %s", op->target);
	if (plan_proc_guard(op, rootfd, target, -1, e) < 0)
		return -1;
	if ((op->flags & PLAN_SOURCE_IN_ROOT) && !str_empty(op->source)) {
		sourcefd = plan_open_source(op, rootfd, O_PATH);
		m.source = sourcefd < 0 ? NULL : plan_fd_path(sourcefd, path);
		if (!m.source)
			return plan_fail(e, sourcefd < 0 ? sourcefd : -ENOSYS, op);
	}
	r = str_empty(op->fstype) ? -ENOSYS : mount_new(&m);
	if (r == -ENOSYS)
		r = mount_old(&m);
	return r < 0 ? plan_fail(e, r, op) : 0;
}
