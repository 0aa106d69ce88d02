/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The /proc guard. A container whose spec could mount over /proc could fake what its own security
 * set-up writes there (attr/exec, sysctls), so only procfs itself may be mounted on /proc, and
 * below it only the files that tools fake to show limits. The decision is made on the resolved
 * target, not on its name: a symlink in the image may lead into /proc.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/path.h"
#include "kernel/plan_ops.h"
#include "kernel/sys.h"

#define PROC_ROOT_INO	1	/* a fixed number of the kernel */

static const char *const harmless[] = {
	"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo",  "/proc/stat",    "/proc/swaps",
	"/proc/uptime",	 "/proc/loadavg",   "/proc/slabinfo", "/proc/net/dev",
	"/proc/sys/kernel/ns_last_pid",	    "/proc/sys/crypto/fips_enabled",
};

/* The questions of this file: 1, 0, or -errno, which nothing is allowed for. */
static int on_proc(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) < 0 ? -errno : (long)fs.f_type == SYS_PROC_MAGIC;
}

static int is_path(int rootfd, int fd, const char *path)
{
	AUTO_FD other = path_open_in(rootfd, path, O_PATH, 0);

	if (other < 0)
		return other == -ENOENT ? 0 : other;
	return plan_same_file(fd, other);
}

/* By name where the name says it: a second look-up of /proc/net/dev makes the kernel drop the
 * entry of the first, and nothing can be mounted on that any more. */
static int is_harmless(const struct plan_op *op, int rootfd, int targetfd)
{
	for (size_t i = 0; i < COUNT_OF(harmless); i++)
		if (str_eq(op->target, harmless[i]))
			return 1;
	for (size_t i = 0; i < COUNT_OF(harmless); i++) {
		int r = is_path(rootfd, targetfd, harmless[i]);

		if (r)
			return r;
	}
	return 0;
}

/* Only the whole of a procfs may lie on /proc. */
static int may_cover_proc(const struct plan_op *op, int sourcefd)
{
	struct stat st;
	int r;

	if (op->kind == PLAN_MOUNT)
		return op->fstype && str_eq(op->fstype, "proc");
	r = sourcefd < 0 ? 0 : on_proc(sourcefd);
	if (r != 1)
		return r;
	return fstat(sourcefd, &st) < 0 ? -errno : st.st_ino == PROC_ROOT_INO;
}

/* Is the name itself below /proc? Where no procfs is mounted yet the descriptor does not show
 * it. */
static bool named_below_proc(const char *path)
{
	while (*path == '/' || (path[0] == '.' && path[1] == '/'))
		path++;
	return str_starts(path, "proc/");
}

static int is_allowed(const struct plan_op *op, int rootfd, int targetfd, int sourcefd)
{
	int r = is_path(rootfd, targetfd, "/proc");

	if (r)
		return r < 0 ? r : may_cover_proc(op, sourcefd);
	r = on_proc(targetfd);
	if (r < 0)
		return r;
	if (!r && !named_below_proc(op->target))
		return 1;
	return op->kind == PLAN_BIND ? is_harmless(op, rootfd, targetfd) : 0;
}

int plan_proc_guard(const struct plan_op *op, int rootfd, int targetfd, int sourcefd, struct err *e)
{
	int r;

	if (!(op->flags & PLAN_PROC_GUARD))
		return 0;
	r = plan_same_file(targetfd, rootfd);
	if (r < 0)
		return err_sys(e, -r, "look whether %s is the root", op->target);
	if (r)
		return err_set(e, RC_PERMISSION_DENIED, "mount on %s: it is the root", op->target);
	r = is_allowed(op, rootfd, targetfd, sourcefd);
	if (r < 0)
		return err_sys(e, -r, "look whether %s is inside /proc", op->target);
	if (r)
		return 0;
	return err_set(e, RC_PERMISSION_DENIED, "mount on %s: it is inside /proc", op->target);
}
