/* SPDX-License-Identifier: Apache-2.0 */
/* Time. Deadlines are monotonic milliseconds; a fake clock is set in tests only. Never waits. */
#ifndef MOTE_BASE_CLOCK_H
#define MOTE_BASE_CLOCK_H

#include <time.h>

#include "base/defs.h"

#define CLOCK_NEVER UINT64_MAX

/* CLOCK_MONOTONIC in milliseconds, or the fake time. */
uint64_t clock_ms(void);

/* The same clock in microseconds, for how long things take; 1000 times a faked one. */
uint64_t clock_us(void);

/* now + ms without overflow; ms CLOCK_NEVER stays CLOCK_NEVER. */
uint64_t clock_after(uint64_t ms);

/* Freezes clock_ms() at ms (CLOCK_NEVER: real time again). Tests only. */
void clock_fake(uint64_t ms);

/* "2026-11-24T03:51:36.123456789Z": UTC, RFC 3339. buf: 32 bytes. */
const char *clock_rfc3339(char buf[32]);

/* The same of a given time, 1970 to 9999 (clamped). Async-signal-safe. */
const char *clock_rfc3339_of(const struct timespec *ts, char buf[32]);

#endif
