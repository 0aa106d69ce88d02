/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the machine. sync can wait for a slow disk: that is wanted here, nothing else runs
 * any more. */
#ifndef MOTE_KERNEL_POWER_H
#define MOTE_KERNEL_POWER_H

#include "base/defs.h"

enum power_action { POWER_OFF, POWER_RESTART, POWER_HALT };

/* sync(2), then reboot(2). Returns -errno only when the kernel refuses (not PID 1's machine, no
 * CAP_SYS_BOOT). In a pid namespace it ends that namespace. */
int power_end(enum power_action action);

#endif
