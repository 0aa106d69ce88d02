/* SPDX-License-Identifier: Apache-2.0 */
/* Pausing and resuming; embedded in the container, for this directory. */
#ifndef MOTE_CONTAINER_FREEZE_H
#define MOTE_CONTAINER_FREEZE_H

#include "container/process.h"

struct freeze {
	struct watch watch; /* version 2: cgroup.events */
	struct timer look, deadline;
	uint32_t look_ms;     /* version 1: until the next look */
	process_done_fn done; /* NULL: nothing is under way */
	void *owner;
};

struct container;

/* What is under way ends with this failure: the container has ended, or goes. */
void freeze_abort(struct container *c, const char *why);

/* Everything in the group was killed: version 1 thaws for that. */
void freeze_killed(struct container *c);

#endif
