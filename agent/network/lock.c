/* SPDX-License-Identifier: Apache-2.0 */
#include "network/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/defs.h"

/* Of a file that no container can open: the guest's network namespace is theirs, too, and who has that
 * one's file could hold the agent up for ever. */
int network_lock(enum network_lock how)
{
	AUTO_FD fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || flock(fd, how == NETWORK_NAMES_CHANGE ? LOCK_EX : LOCK_SH) < 0)
		return -errno;
	return TAKE_FD(fd);
}
