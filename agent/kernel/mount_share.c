/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/mount_share.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <time.h>

#include "base/path.h"
#include "kernel/mountinfo.h"
#include "kernel/plan_ops.h"
#include "kernel/sys.h"

#define POLL_MS 100

/* Goes into the mount namespace; its root. */
static int enter(int pidfd, const char *what, struct err *e)
{
	int fd;

	if (setns(pidfd, CLONE_NEWNS) < 0)
		return err_sys(e, errno, "enter the mount namespace of the %s", what);
	fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, errno, "the root of the %s", what) : fd;
}

/* -ENOENT: nothing is there, or no mount. */
static int open_mount(int root, const char *path)
{
	AUTO_FD fd = path_open_in(root, path, O_PATH, 0);

	if (fd < 0)
		return fd;
	return mountinfo_is_mount(fd) == 1 ? TAKE_FD(fd) : -ENOENT;
}

static int await_mount(int root, const struct mount_share *m)
{
	const struct timespec nap = { .tv_nsec = POLL_MS * 1000000L };
	int fd = open_mount(root, m->source);

	for (uint32_t t = 0; fd == -ENOENT && t < m->patience_ms; t += POLL_MS) {
		nanosleep(&nap, NULL);
		fd = open_mount(root, m->source);
	}
	return fd;
}

static int attach(const struct mount_share *m, int root, int tree, struct err *e)
{
	const struct plan_op op = { .kind = PLAN_BIND,
				    .target = m->target,
				    .source = m->source,
				    .flags = PLAN_PROC_GUARD };
	int r = plan_place_kind(tree);
	AUTO_FD target = r < 0 ? r : path_target_in(root, m->target, (mode_t)r);

	if (target < 0)
		return err_sys(e, -target, "target %s", m->target);
	if (plan_proc_guard(&op, root, target, tree, e) < 0)
		return -1;
	r = sys_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	return r < 0 ? err_sys(e, -r, "attach %s to %s", m->source, m->target) : 1;
}

int mount_share(const struct mount_share *m, struct err *e)
{
	AUTO_FD from = enter(m->from, "source", e);
	AUTO_FD fd = from < 0 ? -1 : await_mount(from, m);
	AUTO_FD tree = -1;
	AUTO_FD to = -1;

	if (from < 0)
		return -1;
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(e, -fd, "source %s", m->source);
	tree = sys_open_tree(fd, "", OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	if (tree < 0)
		return err_sys(e, -tree, "copy the mounts at %s", m->source);
	to = enter(m->to, "target", e);
	return to < 0 ? -1 : attach(m, to, tree, e);
}
