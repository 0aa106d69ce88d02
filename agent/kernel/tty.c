/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/tty.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "kernel/sys.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER	_IO('T', 0x41)
#endif

int tty_open_pair(int dirfd, const char *ptmx, int *master, int *slave)
{
	AUTO_FD m = openat(dirfd, ptmx, O_RDWR | O_NOCTTY | O_CLOEXEC);
	AUTO_FD s = -1;
	int unlock = 0;

	if (m < 0)
		return -errno;
	if (ioctl(m, TIOCSPTLCK, &unlock) < 0)
		return -errno;
	s = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (s < 0)
		return -errno;
	*master = TAKE_FD(m);
	*slave = TAKE_FD(s);
	return 0;
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
