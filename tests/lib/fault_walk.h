/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenarios, and the walk through their faults: each call and allocation that a scenario makes fails
 * once, and each time the agent must say so, keep nothing, live, and do the same thing well right
 * afterwards.
 */
#ifndef MOTE_TESTS_FAULT_WALK_H
#define MOTE_TESTS_FAULT_WALK_H

#include "lib/fault.h"

/* A scenario's answer when the agent said OK to what did not work. */
#define FAULT_WRONG 1000

struct fault_scenario {
	const char *name;
	/* From nothing to nothing: 0; the code of the call that failed (r->err); FAULT_WRONG. */
	int (*run)(struct rig *r);
	int (*before)(struct rig *r); /* once for each agent, without a fault; or NULL */
	const char *const *ids; /* of its containers: those that are left after a failure are removed */
	unsigned int flags;
	const char *kept; /* a storage for the pod's life: a helper that died may have mounted it */
};

enum fault_flags {
	FAULT_FRESH = 0x1, /* each run needs an agent of its own */
	FAULT_ENDS = 0x2,  /* and a good one is the end of it */
	FAULT_ONCE = 0x4,  /* it cannot be undone: an answer that is lost does not mean that it failed */
	FAULT_RESUMES = 0x8, /* what is left of a failure is what the next try begins with */
};

/* Sets r->err to what is wrong; FAULT_WRONG. */
int fault_wrong(struct rig *r, const char *fmt, ...) PRINTF(2, 3);

struct fault_walk {
	struct fault *f;
	bool whole; /* every time that a site is passed, not only the first in any scenario */
};

/* Starts the agent, walks. How many faults were badly borne; each is told on standard output. */
unsigned int fault_walk(struct fault_walk *w, const struct fault_scenario *s);

#endif
