/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's own hooks: programs in DIR/prestart, DIR/poststart and DIR/poststop, which run for
 * every container beside its spec's. For the files of this directory.
 */
#ifndef MOTE_SANDBOX_GUEST_HOOKS_H
#define MOTE_SANDBOX_GUEST_HOOKS_H

#include "container/spec.h"

#define GUEST_HOOKS_MAX 16384 /* bytes of the list */

/* Lists them, "prestart/NAME" each with its NUL, by name: regular files, no symlinks, that somebody
 * may execute. What cannot be read or is too much is logged and left out. The bytes used. WAITS: jobs
 * only. */
size_t guest_hooks_scan(const char *dir, char *out, size_t cap);

/* The hooks of such a list, in the arena. 0 or -ENOMEM. */
int guest_hooks_take(const char *dir, const char *list, size_t len, struct arena *a,
		     struct spec_hooks *out);

#endif
