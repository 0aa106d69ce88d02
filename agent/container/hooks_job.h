/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks in the agent's own namespaces, as a job of a container; for container.c and remove.c
 * only. */
#ifndef MOTE_CONTAINER_HOOKS_JOB_H
#define MOTE_CONTAINER_HOOKS_JOB_H

#include "container/container.h"

/* Runs the hooks as c->job, then calls done (may be NULL) from the loop, whatever became of
 * them. false: there are none, or no job could be made (which is logged); done is not called
 * then. */
bool hooks_job_start(struct container *c, const struct spec_hook_list *l, const char *status,
		     pid_t pid, void (*done)(struct container *c));

#endif
