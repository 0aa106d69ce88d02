/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs: a 64 KiB ring that diagnostics and the crash report read, the console, and a sink that the
 * boot code may add (the vsock log port). Sinks never block: what they do not take is dropped,
 * counted, and told later. One line is one JSON object with the keys that Kata's hosts parse: msg,
 * level, ts, version, subsystem, pid, name, source. The console gets the same as plain text. Safe
 * in a forked child: there it goes to the console only.
 */
#ifndef MOTE_BASE_LOG_H
#define MOTE_BASE_LOG_H

#include "base/defs.h"

enum log_level { LOG_CRITICAL, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

#define LOG_RING_BYTES 65536
#define LOG_LINE_MAX   1024 /* a longer message is cut and ends in "..." */

/* consolefd: plain lines go there by one non-blocking write each (-1: nowhere); it is not owned. */
void log_init(enum log_level level, int consolefd, const char *version);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* The console's lines begin with systemd's mark of their level from now on, which the journal takes
 * off again. */
void log_set_journal(bool on);

/* "warn", "warning", …: the names of agent.log. -EINVAL when unknown. */
int log_level_parse(const char *name, enum log_level *out);
const char *log_level_name(enum log_level level);

/* Called for each line as JSON without newline; must not block and must not log. NULL removes it.
 */
typedef void (*log_sink_fn)(void *arg, const char *json, size_t len);
void log_set_sink(log_sink_fn fn, void *arg);

/* subsystem: a short constant ("boot", "ttrpc", "container"). */
void log_at(enum log_level level, const char *subsystem, const char *fmt, ...) PRINTF(3, 4);

#define log_error(sub, ...) log_at(LOG_ERROR, sub, __VA_ARGS__)
#define log_warn(sub, ...)  log_at(LOG_WARN, sub, __VA_ARGS__)
#define log_info(sub, ...)  log_at(LOG_INFO, sub, __VA_ARGS__)
#define log_debug(sub, ...) log_at(LOG_DEBUG, sub, __VA_ARGS__)

/* The ring's text, oldest whole line first, newest last; length. Async-signal-safe (the crash
 * report calls it). */
size_t log_ring_copy(char *buf, size_t cap);

#endif
