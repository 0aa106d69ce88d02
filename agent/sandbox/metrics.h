/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine and the agent use, as text for Prometheus. */
#ifndef MOTE_SANDBOX_METRICS_H
#define MOTE_SANDBOX_METRICS_H

#include "base/err.h"
#include "event/loop.h"

struct generation;
struct reading;

struct metrics {
	struct loop *loop;
	const struct generation *generation; /* borrowed */
	uint64_t scrapes;
	/* A child looks at the file systems, or hangs in one: it is the only one that does. */
	bool looking;
	struct reading *reading; /* whose child that is; NULL: nobody waits for it */
};

void metrics_init(struct metrics *m, struct loop *l, const struct generation *g);

/* text lives during the call; empty with e. */
typedef void (*metrics_done_fn)(void *owner, const struct err *e, const void *text, size_t len);

/* Reads everything, in children; done once, from the loop or inside the call. A file system that does
 * not answer within METRICS_LOOK_MS is left out with the others, as long as it does not. */
#define METRICS_LOOK_MS 2000
void metrics_read(struct metrics *m, uint64_t deadline_ms, metrics_done_fn done, void *owner);

#endif
