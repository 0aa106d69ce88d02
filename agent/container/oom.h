/* SPDX-License-Identifier: Apache-2.0 */
/* Watching a container's group for kills for want of memory; embedded in the container, for this
 * directory. */
#ifndef MOTE_CONTAINER_OOM_H
#define MOTE_CONTAINER_OOM_H

#include "event/loop.h"

struct oom_watch {
	struct watch watch;
	int file;      /* version 2: memory.events, watched; version 1: memory.oom_control */
	int event;     /* version 1: the eventfd, watched; -1 else */
	uint64_t seen; /* kills that were told */
};

struct container;

void oom_init(struct oom_watch *o);

/* The group is there. A kernel without memory controller tells nothing. */
void oom_start(struct container *c);

/* Tells what has happened until now: the loop may hear of a process's end before it hears why. */
void oom_look(struct container *c);

/* Before the group goes. */
void oom_stop(struct container *c);

#endif
