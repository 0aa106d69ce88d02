/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/power.h"

#include <sys/reboot.h>

#include "kernel/sys.h"

int power_end(enum power_action action)
{
	static const int commands[] = {
		[POWER_OFF] = RB_POWER_OFF,
		[POWER_RESTART] = RB_AUTOBOOT,
		[POWER_HALT] = RB_HALT_SYSTEM,
	};

	sync();
	return sys_result(reboot(commands[action]));
}
