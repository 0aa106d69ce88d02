/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks: programs around a container's life, which get the container's state as JSON on their
 * standard input. Those of the spec must succeed but for the poststart and poststop ones
 * (runtime-spec 1.2, Lifecycle): the first that fails, or takes too long, ends the create or the
 * start. The guest's own (a directory
 * that CreateSandbox names) are for who built the guest: a failure is logged and changes nothing.
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

enum hooks_rule { HOOKS_MUST, HOOKS_MAY };

/* Runs the hooks one after the other, each with its timeout. HOOKS_MUST: -1 with e at the first that
 * fails ("hooks.prestart[0] (/bin/x): status 3"); HOOKS_MAY: logs it and goes on. WAITS: in jobs and
 * in a container's own child only. Orphans of a hook that was killed stay with whoever reaps for
 * this process. */
int hooks_run(const struct spec_hook_list *l, const char *stage, enum hooks_rule rule,
	      const struct hooks_state *s, struct err *e);

#endif
