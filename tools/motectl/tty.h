/* SPDX-License-Identifier: Apache-2.0 */
/* Our own terminal, while a container has it. */
#ifndef MOTECTL_TTY_H
#define MOTECTL_TTY_H

#include <termios.h>

#include "base/defs.h"

struct tty {
	int fd;
	bool raw;	/* `saved` is to be put back */
	struct termios saved;
};

/* fd is a terminal: every key goes to the container, Ctrl-C included. 0 or -errno. */
int tty_make_raw(struct tty *t, int fd);

/* Harmless when it was not raw. */
void tty_restore(struct tty *t);

/* The size of the terminal behind fd; false when it is none or does not know. */
bool tty_size(int fd, unsigned int *rows, unsigned int *columns);

#endif
