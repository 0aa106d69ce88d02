/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children of the agent that keep copies of configuration as their sources are (storage_follow): one
 * for each mount point, since a source may hang, and with it who reads it.
 */
#ifndef MOTE_SANDBOX_WATCHER_H
#define MOTE_SANDBOX_WATCHER_H

#include <sys/types.h>

#include "base/err.h"

struct watcher;

/* Both texts are borrowed for the length of the call. NULL with e. */
struct watcher *watcher_start(const char *source, const char *target, struct err *e);

/* Kills it; it is reaped by itself. The pid that ends just now; 0: none does. NULL is fine. */
pid_t watcher_stop(struct watcher *w);

#endif
