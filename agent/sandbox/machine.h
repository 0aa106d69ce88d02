/* SPDX-License-Identifier: Apache-2.0 */
/* What hosts change of the machine itself: processors, memory, swap, the clock. */
#ifndef MOTE_SANDBOX_MACHINE_H
#define MOTE_SANDBOX_MACHINE_H

#include "base/err.h"

/* Puts processors into use until `cpus` are (0: leaves them), and then, unless told otherwise, all
 * memory that was plugged. Waits for processors that the host has promised until the deadline:
 * DEADLINE_EXCEEDED with how many there are. WAITS: jobs only. */
struct machine_online {
	uint32_t cpus;
	bool cpus_only;
	uint64_t deadline_ms;
};

int machine_online(const struct machine_online *what, struct err *e);

/* Tells the kernel of memory at these physical addresses. FAILED_PRECONDITION: it does not take such
 * words. WAITS: jobs only. */
int machine_probe_memory(const uint64_t *addresses, size_t n, struct err *e);

/* A block device or file as swap; one that is in use as such already is fine. WAITS: jobs only. */
int machine_swap_on(const char *path, struct err *e);

/* The clock of the wall, seconds and microseconds since 1970. Timers do not notice. */
int machine_set_clock(int64_t sec, int64_t usec, struct err *e);

/* The same clock in nanoseconds, and by how much it shall go forward, or back. INVALID_ARGUMENT: to before
 * 1970, or further than it counts. */
int64_t machine_clock_ns(void);
int machine_shift_clock(int64_t delta_ns, struct err *e);

#endif
