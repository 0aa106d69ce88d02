/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal of a process. A terminal has a name only in the devpts that it is of: ttyname(3),
 * and what stands on it, fails for one of the guest's. So the container's own devpts gives one, and
 * the agent takes its master; where the container has none the agent's terminal stays, and the first
 * process has it by the name of its console.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/path.h"
#include "container/stage_parts.h"
#include "kernel/tty.h"

#define PTS "/dev/pts"

int stage_tty_own(int rootfd, int stdio[3])
{
	AUTO_FD pts = path_open_in(rootfd, PTS, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	int master, slave;

	if (pts < 0 || tty_open_pair_in(pts, &master, &slave) < 0)
		return -1;
	/* the old one stays open until the agent has the new one: its end would be the output's */
	stdio[0] = stdio[1] = stdio[2] = slave;
	return master;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return S_ISCHR(a->st_mode) && a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The guest's is that of this mount namespace's copy of its /dev/pts: from the agent's nothing can be
 * bound. */
int stage_tty_find(int rootfd, int tty, bool own, struct err *e)
{
	AUTO_FD fd = -1;
	char path[32];
	struct stat a, b;

	if (fstat(tty, &a) < 0)
		return err_sys(e, errno, "console");
	snprintf(path, sizeof(path), PTS "/%u", minor(a.st_rdev));
	fd = own ? path_open_in(rootfd, path, O_PATH | O_NOFOLLOW, 0)
		 : open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &b) < 0)
		return err_sys(e, own && fd < 0 ? -fd : errno, "console: open %s", path);
	if (!is_same(&a, &b))
		return err_set(e, RC_INTERNAL, "console: %s is not the terminal", path);
	return TAKE_FD(fd);
}

/* What lies at that place must be the terminal itself. */
static int open_console(const char *target, int rootfd, int tty, struct err *e)
{
	AUTO_FD at = path_open_in(rootfd, target, O_PATH | O_NOFOLLOW, 0);
	char path[32];
	struct stat a, b;
	int fd;

	if (at < 0 || fstat(at, &a) < 0 || fstat(tty, &b) < 0)
		return err_sys(e, at < 0 ? -at : errno, "console");
	if (!is_same(&a, &b))
		return err_set(e, RC_PERMISSION_DENIED, "console: %s is not the terminal", target);
	fd = open(path_of_fd(at, path), O_RDWR | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, errno, "console: open %s", target) : fd;
}

int stage_tty_use_console(const char *target, int rootfd, int stdio[3], struct err *e)
{
	int fd = open_console(target, rootfd, stdio[0], e);

	if (fd < 0)
		return -1;
	close(stdio[0]);
	stdio[0] = stdio[1] = stdio[2] = fd;
	return 0;
}
