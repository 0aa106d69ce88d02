/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans: building, printing, running and undoing them. The order of a plan is the order of its
 * execution; the first op that fails ends it. What touches mounts is in plan_mount.c; here are the
 * plain file operations.
 *
 * Trust: targets may be shaped by a container's image, so every one is resolved inside rootfd into
 * a descriptor first (path.h) and the system call works on the descriptor. Nothing is looked up
 * twice by name between check and use.
 */
#include "kernel/plan.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/path.h"
#include "base/str.h"
#include "kernel/mount_options.h"
#include "kernel/plan_ops.h"
#include "kernel/sys.h"

#define DIR_MODE	0755
#define LINK_MAX_BYTES	4096

void plan_init(struct plan *p, struct arena *a)
{
	*p = (struct plan){ .a = a };
}

struct plan_op *plan_add(struct plan *p, enum plan_kind kind, const char *target, struct err *e)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 16;
		struct plan_op *ops = ARENA_ARRAY(p->a, struct plan_op, cap);

		if (!ops) {
			err_set(e, RC_RESOURCE_EXHAUSTED, "plan: out of memory");
			return NULL;
		}
		if (p->n)
			memcpy(ops, p->ops, p->n * sizeof(*ops));
		p->ops = ops;
		p->cap = cap;
	}
	p->ops[p->n] = (struct plan_op){
		.kind = kind, .target = target, .sourcefd = -1, .uid = (uid_t)-1, .gid = (gid_t)-1
	};
	return &p->ops[p->n++];
}

/* fchmod(2) refuses O_PATH descriptors; fchmodat2 (Linux 6.6) takes them, and before it only
 * /proc can help. */
static int chmod_fd(int fd, mode_t mode)
{
	char path[32];
	int r = sys_result(syscall(SYS_fchmodat2, fd, "", mode, AT_EMPTY_PATH));

	if (r != -ENOSYS)
		return r;
	if (!plan_fd_path(fd, path))
		return -ENOSYS;
	return sys_result(chmod(path, mode));
}

static int chown_fd(int fd, uid_t uid, gid_t gid)
{
	if (uid == (uid_t)-1 && gid == (gid_t)-1)
		return 0;
	return sys_result(fchownat(fd, "", uid, gid, AT_EMPTY_PATH));
}

static int do_mkdir(const struct plan_op *op, int rootfd, struct err *e)
{
	AUTO_FD fd = path_mkdirs_in(rootfd, op->target, op->mode ? op->mode & 07777 : DIR_MODE);
	int r = fd < 0 ? fd : 0;

	if (!r && (op->flags & PLAN_SET_OWNER)) {
		r = chown_fd(fd, op->uid, op->gid);	/* first: it clears the set-id bits */
		if (!r && op->mode)
			r = chmod_fd(fd, op->mode & 07777);
	}
	return r < 0 ? err_sys(e, -r, "mkdir %s", op->target) : 0;
}

static int symlink_at(int dirfd, const char *name, const char *to)
{
	char old[LINK_MAX_BYTES];
	ssize_t n = readlinkat(dirfd, name, old, sizeof(old));

	if (n >= 0 && (size_t)n == strlen(to) && memcmp(old, to, (size_t)n) == 0)
		return 0;
	if (symlinkat(to, dirfd, name) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (unlinkat(dirfd, name, 0) < 0)
		return -errno;
	return sys_result(symlinkat(to, dirfd, name));
}

static int do_symlink(const struct plan_op *op, int rootfd, struct err *e)
{
	const char *name;
	AUTO_FD dirfd = path_parent_in(rootfd, op->target, DIR_MODE, &name);
	int r = dirfd < 0 ? dirfd : symlink_at(dirfd, name, op->source);

	return r < 0 ? err_sys(e, -r, "symlink %s to %s", op->target, op->source) : 0;
}

static mode_t node_mode(const struct plan_op *op)
{
	AUTO_FD fd = op->flags & PLAN_GUEST_MODE ? plan_open_by_number(op) : -1;
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? st.st_mode : op->mode;
}

static int mknod_at(const struct plan_op *op, int dirfd, const char *name)
{
	mode_t mode = node_mode(op);
	mode_t mask = umask(0);
	int r = sys_result(mknodat(dirfd, name, mode, op->dev));
	struct stat st;

	umask(mask);
	if (r == 0)
		return op->uid == (uid_t)-1 && op->gid == (gid_t)-1 ? 0 :
		       sys_result(fchownat(dirfd, name, op->uid, op->gid, AT_SYMLINK_NOFOLLOW));
	if (r != -EEXIST)
		return r;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) != (op->mode & S_IFMT))
		return -EEXIST;
	if ((S_ISCHR(op->mode) || S_ISBLK(op->mode)) && st.st_rdev != op->dev)
		return -EEXIST;
	return 0;
}

static int do_mknod(const struct plan_op *op, int rootfd, struct err *e)
{
	const char *name;
	AUTO_FD dirfd = path_parent_in(rootfd, op->target, DIR_MODE, &name);
	int r = dirfd < 0 ? dirfd : mknod_at(op, dirfd, name);

	return r < 0 ? err_sys(e, -r, "mknod %s", op->target) : 0;
}

static int do_chmod(const struct plan_op *op, int rootfd, struct err *e)
{
	AUTO_FD fd = path_open_in(rootfd, op->target, O_PATH | O_NOFOLLOW, 0);
	int r = fd < 0 ? fd : chmod_fd(fd, op->mode & 07777);

	return r < 0 ? err_sys(e, -r, "chmod %s", op->target) : 0;
}

static int do_chown(const struct plan_op *op, int rootfd, struct err *e)
{
	AUTO_FD fd = path_open_in(rootfd, op->target, O_PATH | O_NOFOLLOW, 0);
	int r = fd < 0 ? fd : chown_fd(fd, op->uid, op->gid);

	return r < 0 ? err_sys(e, -r, "chown %s", op->target) : 0;
}

static const struct {
	const char *name;
	int (*run)(const struct plan_op *op, int rootfd, struct err *e);
} kinds[] = {
	[PLAN_MKDIR] = { "mkdir", do_mkdir },
	[PLAN_MOUNT] = { "mount", plan_do_mount },
	[PLAN_BIND] = { "bind", plan_do_bind },
	[PLAN_REMOUNT] = { "remount", plan_do_remount },
	[PLAN_PROPAGATE] = { "propagate", plan_do_propagate },
	[PLAN_SYMLINK] = { "symlink", do_symlink },
	[PLAN_MKNOD] = { "mknod", do_mknod },
	[PLAN_MASK] = { "mask", plan_do_mask },
	[PLAN_READONLY] = { "readonly", plan_do_readonly },
	[PLAN_CHMOD] = { "chmod", do_chmod },
	[PLAN_CHOWN] = { "chown", do_chown },
	[PLAN_UMOUNT] = { "umount", plan_do_umount },
};

_Static_assert(COUNT_OF(kinds) == PLAN_KINDS, "every kind has a row");

static int run_op(const struct plan_op *op, int rootfd, struct err *e)
{
	bool wants_source = op->kind == PLAN_BIND || op->kind == PLAN_SYMLINK;

	if (op->kind >= PLAN_KINDS || str_empty(op->target) ||
	    (wants_source && str_empty(op->source)))
		return err_set(e, RC_INTERNAL, "a plan with an incomplete operation");
	if (kinds[op->kind].run(op, rootfd, e) == 0)
		return 0;
	if ((op->flags & PLAN_OPTIONAL) && e->sys == ENOENT) {
		err_clear(e);
		return 0;
	}
	return op->what ? err_ctx(e, "%s", op->what) : -1;
}

int plan_run(const struct plan *p, int rootfd, size_t *done, struct err *e)
{
	for (*done = 0; *done < p->n; ++*done)
		if (run_op(&p->ops[*done], rootfd, e) < 0)
			return -1;
	return 0;
}

/* A directory that still holds something, or is still busy, is somebody else's now. */
static int remove_empty(const struct plan_op *op, int rootfd)
{
	const char *name;
	AUTO_FD dirfd = path_parent_in(rootfd, op->target, 0, &name);

	if (dirfd < 0)
		return 0;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
		return 0;
	switch (errno) {
	case EEXIST:
	case ENOTEMPTY:
	case EBUSY:
	case ENOENT:
	case ENOTDIR:
	case EROFS:
	case EINVAL:
		return 0;
	default:
		return -errno;
	}
}

static int undo_op(const struct plan_op *op, int rootfd, struct err *e)
{
	bool mounts = op->kind == PLAN_MOUNT || op->kind == PLAN_BIND;
	int r;

	if (op->flags & PLAN_NO_UNDO)
		return 0;
	/* A mount that may have been there before this plan is not this plan's to take away. */
	if (mounts && (op->flags & PLAN_SKIP_MOUNTED))
		return 0;
	if (mounts && plan_is_done(op, rootfd) && plan_do_umount(op, rootfd, e) < 0)
		return op->what ? err_ctx(e, "%s", op->what) : -1;
	if (!mounts && op->kind != PLAN_MKDIR)
		return 0;
	r = remove_empty(op, rootfd);
	return r < 0 ? err_sys(e, -r, "rmdir %s", op->target) : 0;
}

static bool makes_directory(const struct plan_op *op)
{
	return !(op->flags & (PLAN_NO_UNDO | PLAN_SKIP_MOUNTED)) &&
	       (op->kind == PLAN_MKDIR || op->kind == PLAN_MOUNT);
}

int plan_undo(const struct plan *p, int rootfd, size_t done, struct err *e)
{
	int result = 0;

	/* the one that failed may have made its directory */
	if (done < p->n && makes_directory(&p->ops[done]))
		remove_empty(&p->ops[done], rootfd);
	for (size_t i = MIN(done, p->n); i-- > 0;) {
		struct err one = { 0 };

		if (undo_op(&p->ops[i], rootfd, &one) < 0 && result == 0) {
			*e = one;
			result = -1;
		}
	}
	return result;
}

static const struct {
	unsigned int flag;
	const char *name;
} flag_names[] = {
	{ PLAN_OPTIONAL, "optional" },
	{ PLAN_SKIP_MOUNTED, "skip-mounted" },
	{ PLAN_SOURCE_IN_ROOT, "source-in-root" },
	{ PLAN_SET_OWNER, "set-owner" },
	{ PLAN_TMPCOPYUP, "tmpcopyup" },
	{ PLAN_NO_UNDO, "no-undo" },
	{ PLAN_PROC_GUARD, "proc-guard" },
	{ PLAN_SOURCE_STRICT, "strict-source" },
	{ PLAN_NOFOLLOW, "nofollow" },
	{ PLAN_KEEP_MODE, "keep-mode" },
	{ PLAN_SOURCE_FD, "source-fd" },
	{ PLAN_SOURCE_DEVICE, "source-device" },
	{ PLAN_GUEST_MODE, "guest-mode" },
};

static void print_text(struct str *s, const char *key, const char *value)
{
	if (!str_empty(value))
		str_addf(s, " %s=%s", key, value);
}

static void print_lines(struct str *s, const char *text)
{
	for (; *text && !str_eq(text, "\n"); text++)
		str_add_char(s, *text == '\n' ? ',' : *text == ' ' ? ':' : *text);
}

/* "bind /a: source=/b options=rbind,ro,rprivate [optional]" */
static void print_op(struct str *s, const struct plan_op *op)
{
	char words[512];
	struct str w = STR_OVER(words);

	str_addf(s, "%s %s:", op->kind < PLAN_KINDS ? kinds[op->kind].name : "?", op->target);
	print_text(s, "fstype", op->fstype);
	print_text(s, "source", op->source);
	str_reset(&w);
	mount_options_print(&w, op->ms_flags, op->ms_clear, op->propagation, op->rec_set,
			    op->rec_clear);
	print_text(s, "options", words);
	print_text(s, "data", op->data);
	if (op->idmap) {
		str_addf(s, " %s=", op->idmap->recursive ? "ridmap" : "idmap");
		print_lines(s, op->idmap->uid_map);
		str_add_char(s, '/');
		print_lines(s, op->idmap->gid_map);
	}
	if (op->mode)
		str_addf(s, " mode=0%o", (unsigned int)op->mode);
	if (op->uid != (uid_t)-1)
		str_addf(s, " uid=%u", op->uid);
	if (op->gid != (gid_t)-1)
		str_addf(s, " gid=%u", op->gid);
	if (op->dev)
		str_addf(s, " dev=%u:%u", major(op->dev), minor(op->dev));
	for (size_t i = 0; i < COUNT_OF(flag_names); i++)
		if (op->flags & flag_names[i].flag)
			str_addf(s, " [%s]", flag_names[i].name);
	str_add_char(s, '\n');
}

static size_t text_len(const char *s)
{
	return s ? strlen(s) : 0;
}

char *plan_print(const struct plan *p, struct arena *a)
{
	size_t cap = 1;
	struct str s;
	char *buf;

	for (size_t i = 0; i < p->n; i++) {
		const struct plan_op *op = &p->ops[i];

		/* 1024: every word of the tables and every number, with room to spare */
		cap += 1024 + text_len(op->target) + text_len(op->source) + text_len(op->fstype) +
		       text_len(op->data);
		if (op->idmap)
			cap += text_len(op->idmap->uid_map) + text_len(op->idmap->gid_map);
	}
	buf = arena_alloc(a, cap);
	if (!buf)
		return NULL;
	str_init(&s, buf, cap);
	for (size_t i = 0; i < p->n; i++)
		print_op(&s, &p->ops[i]);
	return buf;
}
