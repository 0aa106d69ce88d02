/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine that was restored from a snapshot, or is a copy of another one, is of a new generation:
 * the hypervisor tells the kernel so (VMGENID), which mixes the new number into its random
 * generator at once. User space is told by nothing but the kernel's log (drivers/char/random.c,
 * add_vmfork_randomness(), Linux 5.18). Here the clock of the wall follows, which stood still.
 */
#ifndef MOTE_SANDBOX_GENERATION_H
#define MOTE_SANDBOX_GENERATION_H

#include "event/loop.h"
#include "event/timer.h"

struct generation {
	int fd; /* the kernel's log; -1 */
	struct loop *loop;
	struct watch watch;
	struct timer rest; /* after a read that failed */
	bool failing;	   /* which has been told */
	uint64_t changes; /* since this agent began */
	uint64_t stepped; /* of those, how many times the clock was set by the hypervisor's */
};

/* Listens. A machine whose log cannot be read is told of in the log, and lives without. */
void generation_start(struct generation *g, struct loop *l);
void generation_stop(struct generation *g);

/* Is that the kernel's word? */
struct kmsg;
bool generation_is_new(const struct kmsg *m);

#endif
