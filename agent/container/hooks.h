/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks of an OCI spec: programs around a container's life, which get the container's state as JSON
 * on their standard input. A hook that fails or takes too long is logged and changes nothing else,
 * as hosts know it.
 */
#ifndef MOTE_CONTAINER_HOOKS_H
#define MOTE_CONTAINER_HOOKS_H

#include "container/spec.h"

#define HOOKS_TIMEOUT_S	10	/* of a hook that says none */

/* What the hooks of one moment are told. Borrowed. */
struct hooks_state {
	const struct spec *spec;
	const char *id, *bundle;
	const char *status;	/* "creating", "created", "running", "stopped" */
	pid_t pid;		/* 0: not told */
};

/* The state as JSON, in the arena; NULL: no memory. */
char *hooks_state_print(const struct hooks_state *s, struct arena *a);

/* Runs the hooks one after the other, each with its timeout. How many failed. WAITS: in jobs and
 * in a container's own child only. Orphans of a hook that was killed stay with whoever reaps for
 * this process. */
size_t hooks_run(const struct spec_hook_list *l, const struct hooks_state *s);

#endif
