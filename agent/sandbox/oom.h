/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kills for want of memory, until a host asks for them. One event a container waits at a time: a
 * host that learns late that a container ran out of memory learns it once. Each event goes to one
 * of those who wait, in the order they came.
 */
#ifndef MOTE_SANDBOX_OOM_H
#define MOTE_SANDBOX_OOM_H

#include "base/list.h"

#define OOM_QUEUE_MAX 256 /* containers; beyond that the oldest event is dropped, and logged */
#define OOM_ID_MAX    128

struct oom_queue {
	struct list events, waiters;
	size_t n;
};

struct oom_waiter {
	struct list node;
	void (*fn)(struct oom_waiter *w, const char *container_id); /* w is off the list */
	void *owner;
};

void oom_queue_init(struct oom_queue *q);
void oom_queue_fini(struct oom_queue *q);

/* container_host.oom: queue is a struct oom_queue. */
void oom_queue_add(void *queue, const char *container_id);

/* fn runs inside this call when an event is there, else later, from the loop. */
void oom_queue_wait(struct oom_queue *q, struct oom_waiter *w);
void oom_queue_cancel(struct oom_waiter *w);

#endif
