/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/power.h"

#include <poll.h>
#include <sys/reboot.h>

#include "kernel/clone.h"
#include "kernel/sys.h"

/* In a child, since nothing ends a sync that hangs in the kernel. */
int power_sync(int max_ms)
{
	pid_t pid = _Fork();
	AUTO_FD fd = -1;
	int n;

	if (pid == 0) {
		sync();
		_exit(0);
	}
	if (pid < 0)
		return -errno;
	fd = clone_pidfd_open(pid);
	if (fd < 0)
		return fd;
	n = poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, max_ms);
	return n < 0 ? -errno : n ? 0 : -ETIMEDOUT;
}

int power_end(enum power_action action)
{
	static const int commands[] = {
		[POWER_OFF] = RB_POWER_OFF,
		[POWER_RESTART] = RB_AUTOBOOT,
		[POWER_HALT] = RB_HALT_SYSTEM,
	};

	return sys_result(reboot(commands[action]));
}
