/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/tty.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <termios.h>

#include "kernel/sys.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER	_IO('T', 0x41)
#endif

/* The peer of ptmx, an open multiplexer. */
static int open_peer(int ptmx, int *master, int *slave)
{
	AUTO_FD m = ptmx;
	AUTO_FD s = -1;
	int unlock = 0;

	if (ioctl(m, TIOCSPTLCK, &unlock) < 0)
		return -errno;
	s = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (s < 0)
		return -errno;
	*master = TAKE_FD(m);
	*slave = TAKE_FD(s);
	return 0;
}

int tty_open_pair(int dirfd, const char *ptmx, int *master, int *slave)
{
	int m = openat(dirfd, ptmx, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return m < 0 ? -errno : open_peer(m, master, slave);
}

static bool is_of_devpts(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (unsigned long)fs.f_type == SYS_DEVPTS_MAGIC;
}

int tty_open_pair_in(int ptsfd, int *master, int *slave)
{
	AUTO_FD m = -1;

	if (!is_of_devpts(ptsfd))
		return -ENOTTY;
	m = openat(ptsfd, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	if (m < 0)
		return -errno;
	return is_of_devpts(m) ? open_peer(TAKE_FD(m), master, slave) : -ENOTTY;
}

int tty_copy_size(int from, int to)
{
	struct winsize size;

	if (ioctl(from, TIOCGWINSZ, &size) < 0)
		return -errno;
	return sys_result(ioctl(to, TIOCSWINSZ, &size));
}

int tty_set_size(int fd, unsigned int rows, unsigned int columns)
{
	const struct winsize size = {
		.ws_row = (unsigned short)MIN(rows, 65535u),
		.ws_col = (unsigned short)MIN(columns, 65535u),
	};

	return sys_result(ioctl(fd, TIOCSWINSZ, &size));
}

int tty_set_controlling(int fd, enum tty_ctty how)
{
	return sys_result(ioctl(fd, TIOCSCTTY, how == TTY_CTTY_STEAL ? 1 : 0));
}
