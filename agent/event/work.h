/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job as one piece of work: a function, its argument, and an outcome of any length, which it
 * writes to a memory file. For verbs that are nothing but a job.
 */
#ifndef MOTE_EVENT_WORK_H
#define MOTE_EVENT_WORK_H

#include "base/err.h"
#include "event/loop.h"

/* Runs in the job (see event/job.h). out: where the outcome is written; -1: none is wanted. */
typedef int (*work_fn)(void *arg, int out, struct err *e);

/* Runs in the loop. out lives during the call only, and is never NULL; empty with e. */
typedef void (*work_done_fn)(void *owner, const struct err *e, const void *out, size_t len);

struct work_opts {
	const char *what;	/* as in job_opts */
	uint64_t deadline_ms;
	size_t out_max;		/* bytes of outcome; more is RESOURCE_EXHAUSTED. 0: none is wanted */
	/* of arg, once it is not needed any more, right before done; NULL: it is the caller's */
	void (*release)(void *arg);
	/* of owner, as in job_opts: once after a done with DEADLINE_EXCEEDED, when the job has ended.
	 * NULL: nobody asks */
	void (*late)(void *owner);
};

/* done is told once: from the loop, or inside the call when no job can be made. arg must live until
 * then. */
void work_start(struct loop *l, const struct work_opts *opts, work_fn fn, void *arg,
		work_done_fn done, void *owner);

#endif
