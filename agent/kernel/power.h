/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the machine. Async-signal-safe. */
#ifndef MOTE_KERNEL_POWER_H
#define MOTE_KERNEL_POWER_H

#include "base/defs.h"

enum power_action { POWER_OFF, POWER_RESTART, POWER_HALT };

/* sync(2). WAITS, since nothing else runs at the end, but not for ever: a host's file server that
 * hangs must not keep the machine alive. 0 or -errno; -ETIMEDOUT: it goes on in a child. */
int power_sync(int max_ms);

/* reboot(2). Returns -errno only when the kernel refuses (not PID 1's machine, no CAP_SYS_BOOT). In
 * a pid namespace it ends that namespace. */
int power_end(enum power_action action);

#endif
