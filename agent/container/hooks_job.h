/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks in the agent's own namespaces, as a job of a container; for container.c, process.c
 * and remove.c only. */
#ifndef MOTE_CONTAINER_HOOKS_JOB_H
#define MOTE_CONTAINER_HOOKS_JOB_H

#include "container/container.h"

/* prestart and createRuntime are due at the same moment. */
enum hooks_moment { HOOKS_BEFORE_PIVOT, HOOKS_POSTSTART, HOOKS_POSTSTOP, HOOKS_MOMENTS };

/* Are there any, the spec's or the guest's? */
bool hooks_job_due(const struct container *c, enum hooks_moment moment);

/* Runs them as c->job, then calls done from the loop: e is unset when all that must have succeeded.
 * -1 with e: no job could be made, done is not called. */
int hooks_job_start(struct container *c, enum hooks_moment moment, pid_t pid,
		    void (*done)(struct container *c, const struct err *e), struct err *e);

#endif
