/* SPDX-License-Identifier: Apache-2.0 */
/* What follows when the machine grows: memory that comes is put into use, and version 1's control
 * groups are given the processors that have come. For the files of this directory, and fronts. */
#ifndef MOTE_SANDBOX_HOTPLUG_H
#define MOTE_SANDBOX_HOTPLUG_H

#include "base/err.h"
#include "event/loop.h"

struct sandbox;

struct hotplug {
	struct loop *loop;
	bool running, again; /* memory is put into use; more has come meanwhile */
};

/* One block of memory, or many, have come. Starts a job, or lets the one that runs begin anew. */
void hotplug_memory(struct hotplug *h);

/* Every container that has not been given processors of its own, and the groups above each, may use
 * all of the machine's. WAITS: jobs only. */
int hotplug_follow_cpus(const struct sandbox *s, struct err *e);

#endif
