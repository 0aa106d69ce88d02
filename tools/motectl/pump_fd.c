/* SPDX-License-Identifier: Apache-2.0 */
#include "motectl/pump_fd.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/path.h"

int pump_fd_open(int fd, size_t *write_max)
{
	struct stat st;
	char path[32];
	int own = -1;

	*write_max = SIZE_MAX;
	if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		own = open(path_of_fd(fd, path), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own >= 0)
		return own;
	*write_max = PIPE_BUF;
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}
