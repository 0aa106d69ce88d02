/* SPDX-License-Identifier: Apache-2.0 */
/* Values of options: sizes, processors, users, times. Pure, but user_resolve(), which reads two
 * files of the rootfs. */
#ifndef MOTE_LIB_PARSE_H
#define MOTE_LIB_PARSE_H

#include "base/err.h"

/* "65536", "64M", "1g": bytes; K, M, G, T are powers of 1024. */
int parse_size(const char *text, uint64_t *bytes, struct err *e);

/* "2", "0.5": CPU time in microseconds per second of time and processor, so 2000000 and 500000.
 * More than 0, at most 1024. */
int parse_cpus(const char *text, uint64_t *us_per_second, struct err *e);

/* "90", "1.5": seconds to milliseconds; 0..86400. */
int parse_seconds(const char *text, uint64_t *ms, struct err *e);

/* 1..max. */
int parse_count(const char *text, uint64_t max, uint64_t *out, struct err *e);

#endif
