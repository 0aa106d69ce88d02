/* SPDX-License-Identifier: Apache-2.0 */
#include "motectl/tty.h"

#include <sys/ioctl.h>

int tty_make_raw(struct tty *t, int fd)
{
	struct termios raw;

	if (tcgetattr(fd, &t->saved) < 0)
		return -errno;
	raw = t->saved;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0)
		return -errno;
	t->fd = fd;
	t->raw = true;
	return 0;
}

void tty_restore(struct tty *t)
{
	if (t->raw)
		tcsetattr(t->fd, TCSADRAIN, &t->saved);
	t->raw = false;
}

bool tty_size(int fd, unsigned int *rows, unsigned int *columns)
{
	struct winsize w;

	if (ioctl(fd, TIOCGWINSZ, &w) < 0 || !w.ws_row || !w.ws_col)
		return false;
	*rows = w.ws_row;
	*columns = w.ws_col;
	return true;
}
