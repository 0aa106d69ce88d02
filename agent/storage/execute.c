/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carrying a storage plan out, in a job: huge pages, a new filesystem, what is on the disk, the
 * mounts, a first question, the group. All of it may wait on hardware, on other programs, or on a filesystem of
 * somebody else's (check-code: job).
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/blkid.h"
#include "kernel/clone.h"
#include "kernel/mountinfo.h"
#include "storage/driver.h"
#include "storage/layers.h"
#include "storage/watch.h"

#define DIR_MODE	0755	/* of the directories above a target */
#define FOLLOWER_MS	1000	/* for one that was killed to be gone */

/* For what jobs of several storages do to one thing: a descriptor that has the lock as long as it is open,
 * or -errno. Of a directory that no container has. */
static int lock_shared(void)
{
	AUTO_FD fd = open("/run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || flock(fd, LOCK_EX) < 0 ? -errno : TAKE_FD(fd);
}

/* A pool that is large enough already is left alone: it never shrinks under somebody
 * who uses it. */
static int reserve_hugepages(const char *dir, uint64_t count, struct err *e)
{
	AUTO_FD fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD lock = lock_shared();
	uint64_t have = 0;
	char text[32];
	struct str s = STR_OVER(text);

	(void)lock;
	if (fd < 0)
		return err_sys(e, errno, "huge pages of this size: %s", dir);
	for (int attempt = 0; attempt < 2; attempt++) {
		ssize_t n = io_read_line(fd, "nr_hugepages", text, sizeof(text));
		int r;

		if (n < 0 || num_u64(text, UINT64_MAX, &have) < 0)
			return err_sys(e, n < 0 ? (int)-n : EINVAL, "read %s/nr_hugepages", dir);
		if (have >= count)
			return 0;
		str_reset(&s);
		str_addf(&s, "%llu", (unsigned long long)count);
		r = attempt ? 0 : io_write_file(fd, "nr_hugepages", text);
		if (r < 0)
			return err_sys(e, -r, "write %s/nr_hugepages", dir);
	}
	return err_set(e, RC_RESOURCE_EXHAUSTED,
		       "%s: %llu of %llu huge pages, there is no memory for more", dir,
		       (unsigned long long)have, (unsigned long long)count);
}

/* --- a new filesystem ---------------------------------------------------------------------- */

static const char *const mkfs_paths[] = { "/sbin/mkfs.ext4", "/usr/sbin/mkfs.ext4" };

static void NORETURN mkfs_child(const char *program, const char *device)
{
	const char *const argv[] = {
		"mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-m", "0", "-i", "163840",
		"-I", "128", device, NULL,
	};
	const char *const env[] = { "PATH=/sbin:/usr/sbin:/bin:/usr/bin", NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* The job may be killed at its deadline. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0)
		execve(program, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
	_exit(127);
}

static int make_filesystem(const char *device, struct err *e)
{
	const char *program = NULL;
	siginfo_t info = { 0 };
	pid_t pid;

	for (size_t i = 0; i < COUNT_OF(mkfs_paths) && !program; i++)
		if (access(mkfs_paths[i], X_OK) == 0)
			program = mkfs_paths[i];
	if (!program)
		return err_set(e, RC_FAILED_PRECONDITION,
			       "create_filesystem: no mkfs.ext4 in the guest's image");
	pid = fork();
	if (pid == 0)
		mkfs_child(program, device);
	if (pid < 0)
		return err_sys(e, errno, "fork for mkfs.ext4");
	while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "wait for mkfs.ext4");
	if (info.si_code == CLD_EXITED && info.si_status == 0)
		return 0;
	return err_set(e, RC_INTERNAL, "mkfs.ext4 %s: %s %d", device,
		       info.si_code == CLD_EXITED ? "exit code" : "killed by signal",
		       info.si_status);
}

/* --- the mounts ---------------------------------------------------------------------------- */

static int detect(const char *device, char *buf, size_t cap, struct err *e)
{
	AUTO_FD fd = open(device, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open %s", device);
	return blkid_fstype_of(fd, buf, cap, e) < 0 ? err_ctx(e, "filesystem of %s", device) : 0;
}

int storage_open_parent(const char *target, mode_t make, const char **name, struct err *e)
{
	size_t n = storage_place_length(target);
	char place[64];
	struct str s = STR_OVER(place);
	AUTO_FD top = -1;
	int fd;

	/* The place itself may be a link of the image's (/var/run). */
	str_add_n(&s, target, n);
	top = n && str_ok(&s) ? open(place, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (top < 0)
		return err_sys(e, n ? errno : EINVAL, "%.160s", target);
	fd = path_parent_strict(top, target + n, make, name);
	if (fd == -ELOOP)
		return err_set(e, RC_PERMISSION_DENIED,
			       "%.160s: a symbolic link on the way to it", target);
	return fd < 0 ? err_sys(e, -fd, "%.160s", target) : fd;
}

static int refuse_link(int dirfd, const char *name, const char *target, struct err *e)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%.160s", target);
	if (!S_ISLNK(st.st_mode))
		return 0;
	return err_set(e, RC_PERMISSION_DENIED, "%.160s: a symbolic link", target);
}

/* One op at a time, each with its target's parent for a root. */
static int run_op(const struct plan_op *op, struct err *e)
{
	struct plan_op at = *op;
	struct plan one = { .ops = &at, .n = 1 };
	AUTO_FD dirfd = storage_open_parent(op->target, DIR_MODE, &at.target, e);
	size_t done;

	if (dirfd < 0 || refuse_link(dirfd, at.target, op->target, e) < 0)
		return -1;
	return plan_run(&one, dirfd, &done, e) < 0 ? err_ctx(e, "%s", op->target) : 0;
}

static int run_plan(const struct plan *p, size_t *done, struct err *e)
{
	for (*done = 0; *done < p->n; ++*done)
		if (run_op(&p->ops[*done], e) < 0)
			return -1;
	return 0;
}

/* done: 1, or 0 for the one that failed, which may have made its directory. */
static int undo_op(const struct plan_op *op, size_t done, struct err *e)
{
	struct plan_op at = *op;
	struct plan one = { .ops = &at, .n = 1 };
	AUTO_FD dirfd = storage_open_parent(op->target, 0, &at.target, e);

	if (dirfd < 0)
		return e->sys == ENOENT ? 0 : -1;
	return plan_undo(&one, dirfd, done, e) < 0 ? err_ctx(e, "%s", op->target) : 0;
}

int storage_undo(const struct storage_plan *sp, size_t done, struct err *e)
{
	int result = 0;

	for (size_t i = MIN(done + 1, sp->plan.n); i-- > 0;) {
		struct err one = { 0 };

		if (undo_op(&sp->plan.ops[i], i < done, &one) == 0 || result < 0)
			continue;
		*e = one;
		result = -1;
	}
	if (sp->n_layers && layers_close(sp->layers_base, e) < 0)
		result = -1;
	return result;
}

/* By the working directory of this job: umount2(2) knows no descriptors. */
int storage_unmount(const char *mount_point, struct err *e)
{
	const char *name;
	AUTO_FD dirfd = storage_open_parent(mount_point, 0, &name, e);

	if (dirfd < 0 && e->sys == ENOENT) {
		err_clear(e);
		return 0;
	}
	if (dirfd < 0)
		return -1;
	if (fchdir(dirfd) < 0)
		return err_sys(e, errno, "unmount %s", mount_point);
	if (umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return err_sys(e, errno, "unmount %s", mount_point);
	rmdir(name);
	return 0;
}

static bool is_no_dax(const struct storage_plan *sp, size_t done, const struct err *e)
{
	return sp->no_dax && done == sp->detect_op && (e->sys == EINVAL || e->sys == EOPNOTSUPP);
}

/* The op lends its fstype and its data for the length of the run. */
static int run_mounts(const struct storage_plan *sp, size_t *done, struct err *e)
{
	struct plan_op *op = &sp->plan.ops[sp->detect_op];
	const struct plan_op before = *op;
	char fstype[32];
	int r;

	if (sp->detect_device) {
		if (detect(sp->detect_device, fstype, sizeof(fstype), e) < 0)
			return -1;
		op->fstype = fstype;
	}
	r = run_plan(&sp->plan, done, e);
	if (r < 0 && is_no_dax(sp, *done, e)) {
		err_clear(e);
		op->data = sp->no_dax;
		r = run_plan(&sp->plan, done, e);
	}
	*op = before;
	return r;
}

/* 1, 0, -errno. */
static int is_empty(int dirfd)
{
	AUTO_FD fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	size_t n = 0;

	if (!dir)
		return -errno;
	(void)TAKE_FD(fd); /* the stream's */
	while (n < 3 && readdir(dir))
		n++;
	closedir(dir);
	return n < 3; /* "." and ".." */
}

/* The tmpfs that the last copy was in. Whoever makes another one in it holds it by a descriptor; who
 * comes later makes it anew. */
static int remove_parent(const char *target, const char *name, int *dirfd, struct err *e)
{
	AUTO_FD lock = lock_shared();
	char parent[PATH_MAX];
	const char *last;
	struct str s = STR_OVER(parent);
	AUTO_FD above = -1;
	int r = mountinfo_is_mount(*dirfd);

	(void)lock;
	if (r == 1)
		r = is_empty(*dirfd);
	str_add_n(&s, target, (size_t)(name - target) - 1);
	if (r <= 0 || !str_ok(&s))
		return r < 0 ? err_sys(e, -r, "look for other copies beside %s", target) : 0;
	above = storage_open_parent(parent, 0, &last, e);
	if (above < 0)
		return -1;
	auto_close(dirfd);
	if (fchdir(above) < 0 || (umount2(last, UMOUNT_NOFOLLOW) < 0 && errno != EBUSY))
		return err_sys(e, errno, "unmount %s", parent);
	return 0;
}

/* What it has open keeps the copies' file system; longer than this only a server that is stuck does. */
static void await_end(pid_t pid)
{
	AUTO_FD fd = pid > 0 ? clone_pidfd_open(pid) : -1;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (fd >= 0)
		(void)!poll(&p, 1, FOLLOWER_MS);
}

int storage_remove_copy(const char *target, pid_t follower, struct err *e)
{
	const char *name;
	AUTO_FD dirfd = storage_open_parent(target, 0, &name, e);
	int r;

	if (dirfd < 0 && e->sys == ENOENT) {
		err_clear(e);
		return 0;
	}
	if (dirfd < 0)
		return -1;
	await_end(follower);
	/* One that is stuck may still make something by its last call. */
	for (int i = 0; (r = path_remove_tree(dirfd, name)) == -ENOTEMPTY && i < 3; i++)
		;
	if (r < 0)
		return err_sys(e, -r, "remove %s", target);
	return remove_parent(target, name, &dirfd, e);
}

/* The tmpfs of the copies, there or made now, and held: it does not go with another's last copy. */
static int open_place(const struct storage_plan *sp, size_t *done, struct err *e)
{
	AUTO_FD lock = lock_shared();
	const char *name;

	(void)lock;
	return run_mounts(sp, done, e) < 0 ? -1 :
					     storage_open_parent(sp->watch_target, 0, &name, e);
}

static int copy(const struct storage_plan *sp, size_t *done, struct err *e)
{
	AUTO_FD held = open_place(sp, done, e);
	int r = held < 0 ? -1 : watch_copy(sp->watch_source, sp->watch_target, e);

	if (r == WATCH_TOO_LARGE)
		r = watch_bind(sp->watch_source, sp->watch_target, e);
	if (r < 0 && *done == sp->plan.n) { /* also a tmpfs that could not be held */
		struct err ignored = { 0 };

		auto_close(&held);
		storage_remove_copy(sp->watch_target, 0, &ignored);
	}
	return r < 0 ? -1 : 0;
}

int storage_follow(const char *source, const char *target, struct err *e)
{
	const char *name;
	AUTO_FD dirfd = storage_open_parent(target, 0, &name, e);
	AUTO_FD fd = dirfd < 0 ? -1 : openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && mountinfo_is_mount(fd) == 1)
		return 0; /* the bind mount */
	return dirfd < 0 ? -1 : watch_follow(source, target, e);
}

static int ask(const char *path, struct err *e)
{
	struct statx st;

	if (statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC, STATX_MODE, &st) == 0)
		return 0;
	return err_sys(e, errno, "the file system on %s", path);
}

int storage_execute(const struct storage_plan *sp, const struct storage_req *r, size_t *done,
		    struct err *e)
{
	*done = 0;
	if (sp->hugepages_dir && reserve_hugepages(sp->hugepages_dir, sp->hugepages_count, e) < 0)
		return -1;
	if (sp->mkfs_device && make_filesystem(sp->mkfs_device, e) < 0)
		return -1;
	if (sp->n_layers && layers_open(sp, e) < 0)
		return -1;
	if (sp->watch_source ? copy(sp, done, e) < 0 : run_mounts(sp, done, e) < 0)
		return -1;
	if (sp->ask_path && ask(sp->ask_path, e) < 0)
		return -1;
	return sp->group_path ? storage_apply_fs_group(sp->group_path, r, e) : 0;
}
