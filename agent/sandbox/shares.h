/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What containers that are gone had of the directory that the host shares: the guest looks there
 * once more when the host says that it has removed it, or all that was cached of a container's
 * files would stay, and its control group with it, until memory is short.
 */
#ifndef MOTE_SANDBOX_SHARES_H
#define MOTE_SANDBOX_SHARES_H

#include "base/err.h"
#include "base/mem.h"

#define SHARES_MAX 64 /* names that are remembered: older ones are the kernel's to reclaim */

struct sandbox;
struct sandbox_container;

/* Names in the shared directory, of containers that are gone; owned. */
struct shares {
	size_t n;
	char *names[SHARES_MAX];
};

/* What a container has of it: a's. */
struct shares_used {
	const char **names;
	size_t n;
};

/* The names of the shared directory that the spec and its storages are made of. Without memory there
 * are none. */
void shares_find(const struct sandbox_container *what, struct arena *a, struct shares_used *out);

/* Its container is gone. */
void shares_left(struct shares *s, const struct shares_used *used);
void shares_fini(struct shares *s);

/* Looks at every mount of the shared directory and at the names that were left, in a job. What the
 * host still has is looked at again the next time; what cannot be looked at is passed over. */
void sandbox_look_at_shares(struct sandbox *s, uint64_t deadline_ms,
			    void (*done)(void *owner, const struct err *e), void *owner);

#endif
