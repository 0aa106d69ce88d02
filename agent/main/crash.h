/* SPDX-License-Identifier: Apache-2.0 */
/* If PID 1 faults after all: build, signal, address and the end of the log on the console, then
 * power off. */
#ifndef MOTE_MAIN_CRASH_H
#define MOTE_MAIN_CRASH_H

#include "base/defs.h"

enum crash_flags {
	CRASH_POWER_OFF = 0x1
}; /* else: the signal's default action follows the report */

/* Installs the handlers on a stack of their own. Forked children reset them
 * (reaper_reset_in_child). */
void crash_install(const char *version, unsigned int flags);

#endif
