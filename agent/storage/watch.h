/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of a small directory (or file) that follows its source: volumes of configuration and secrets,
 * which hosts change behind a file system that tells the guest nothing of it. Jobs and children of the
 * agent only: everything here waits.
 *
 * Files are written beside their place and renamed into it; links come after what they lead to, and go
 * before it. So whoever reads through "..data", as Kubernetes' volumes want, sees one state whole: the
 * old one or the new.
 */
#ifndef MOTE_STORAGE_WATCH_H
#define MOTE_STORAGE_WATCH_H

#include "base/err.h"

#define WATCH_ENTRIES	16		/* files and links; directories are counted apart, as many again */
#define WATCH_BYTES	(1u << 20)
#define WATCH_POLL_MS	2000		/* where no events come: virtio-fs, 9p */

enum watch_result { WATCH_SAME, WATCH_CHANGED, WATCH_TOO_LARGE };

/* Makes target as source is now, once. Both are absolute and plain; no link is followed on the way to
 * them. WATCH_TOO_LARGE: nothing of use is at target. -1 with e. */
int watch_copy(const char *source, const char *target, struct err *e);

/* Follows source for ever: by inotify, and by a look every WATCH_POLL_MS where its file system has no
 * events. Returns when it became too large (target is the source itself from then on, by a bind
 * mount). -1 with e: target cannot be written any more. */
int watch_follow(const char *source, const char *target, struct err *e);

/* Lays source over target. */
int watch_bind(const char *source, const char *target, struct err *e);

#endif
