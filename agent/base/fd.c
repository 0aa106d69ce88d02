/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "base/num.h"

/* The smallest value in keep[] that is >= low, or UINT_MAX. */
static unsigned int next_kept(const int *keep, size_t n, unsigned int low)
{
	unsigned int best = UINT_MAX;

	for (size_t i = 0; i < n; i++)
		if (keep[i] >= 0 && (unsigned int)keep[i] >= low)
			best = MIN(best, (unsigned int)keep[i]);
	return best;
}

#define CLOSE_UNSHARED 0x2 /* CLOSE_RANGE_UNSHARE */

/* musl 1.2.3 has no wrapper. */
static int close_range_raw(unsigned int first, unsigned int last, unsigned int flags)
{
	return syscall(SYS_close_range, first, last, flags) < 0 ? -errno : 0;
}

/* Calls fn for the number of each open descriptor but the one that reads the list. */
static int each_open_fd(void (*fn)(int fd, void *arg), void *arg)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *de;
	uint64_t fd;
	int r;

	if (!dir)
		return -errno;
	while ((errno = 0, de = readdir(dir)))
		if (num_u64(de->d_name, INT_MAX, &fd) == 0 && (int)fd != dirfd(dir))
			fn((int)fd, arg);
	r = -errno;
	closedir(dir);
	return r;
}

struct kept {
	const int *keep;
	size_t n;
};

static void close_unless_kept(int fd, void *arg)
{
	const struct kept *k = arg;

	if (fd >= 3 && next_kept(k->keep, k->n, (unsigned int)fd) != (unsigned int)fd)
		close(fd);
}

int fd_close_except(const int *keep, size_t n)
{
	struct kept k = { keep, n };

	for (unsigned int low = 3;;) {
		unsigned int kept = next_kept(keep, n, low);

		if (kept > low && close_range_raw(low, kept == UINT_MAX ? kept : kept - 1, 0) < 0)
			return each_open_fd(close_unless_kept, &k);
		if (kept == UINT_MAX)
			return 0;
		low = kept + 1;
	}
}

void fd_park(int *fd)
{
	int parked = *fd < 0 ? -1 : fcntl(*fd, F_DUPFD_CLOEXEC, FD_PARKED);

	if (parked < 0)
		return;
	close(*fd);
	*fd = parked;
}

/* With a null stack and no ids only the flags matter of clone's arguments, which come in two
 * orders. */
pid_t fd_fork(void)
{
	unsigned long flags = CLONE_FILES | SIGCHLD;

#if defined(__s390x__)
	return (pid_t)syscall(SYS_clone, NULL, flags, NULL, NULL, 0);
#else
	return (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, 0);
#endif
}

/* The call copies no more than what stays. Kernels before 5.9 copy everything, and
 * fd_close_except() closes it. */
int fd_own(const int *keep, size_t n)
{
	int low = FD_PARKED;

	for (size_t i = 0; i < n; i++)
		low = MAX(low, keep[i] + 1);
	if (close_range_raw((unsigned int)low, UINT_MAX, CLOSE_UNSHARED) == 0)
		return 0;
	return unshare(CLONE_FILES) < 0 ? -errno : 0;
}

int fd_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int fd_clear_cloexec(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0 || fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

int fd_move_above(int fd, int min)
{
	int flags, moved;

	if (fd >= min)
		return fd;
	flags = fcntl(fd, F_GETFD);
	if (flags < 0)
		return -errno;
	moved = fcntl(fd, flags & FD_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, min);
	if (moved < 0)
		return -errno;
	close(fd);
	return moved;
}

int fd_install(int fd, int to)
{
	if (fd == to) {
		int r = fd_clear_cloexec(fd);

		return r < 0 ? r : to;
	}
	while (dup2(fd, to) < 0)
		if (errno != EINTR && errno != EBUSY)
			return -errno;
	return to;
}

static void count_one(int fd UNUSED, void *arg)
{
	(*(int *)arg)++;
}

int fd_count(void)
{
	int n = 0;
	int r = each_open_fd(count_one, &n);

	return r < 0 ? r : n;
}
