/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps: a long operation as a table {name, run, undo}. The engine runs them in order; a step that
 * has to wait answers PARK and someone calls steps_resume() later (never from inside run). When
 * step k fails, steps k-1..0 are undone in reverse order and the failing step's name becomes the
 * error's context ("CreateContainer: storages: …" by the caller). Undo functions do not fail; what
 * they cannot do at once they hand to a job. The time that each took is kept. No loop, no allocation.
 */
#ifndef MOTE_EVENT_STEP_H
#define MOTE_EVENT_STEP_H

#include "base/err.h"
#include "base/str.h"

#define STEPS_TIMED 8	/* so many of a table are timed */

enum step_result { STEP_DONE, STEP_PARK, STEP_FAIL };

struct steps;

struct step {
	const char *name;
	enum step_result (*run)(struct steps *s, struct err *e); /* FAIL: e is set */
	void (*undo)(struct steps *s);                           /* NULL: nothing to undo */
};

struct steps {
	const struct step *table; /* ends with a row whose name is NULL */
	size_t at;                /* the step that runs or is parked */
	struct err err;
	void (*finished)(
		struct steps *s); /* once, after the last step or after the undo; err tells which */
	bool running, parked, resumed;
	uint64_t since_us; /* the one that runs or is parked; clock_us() */
	uint32_t took_us[STEPS_TIMED];
};

/* "storages 120 us, rootfs 3 us": the steps that are done, and what each took, parked or not. */
void steps_tell_times(const struct steps *s, struct str *out);

/* Runs from the first step until PARK or the end. `finished` may run inside this call and may free
 * s. */
void steps_start(struct steps *s, const struct step *table, void (*finished)(struct steps *s));

/* Continues after PARK: the parked step counts as done when e is unset, as failed else. A resume
 * that comes while the step's run is still on the stack is remembered and taken when run returns
 * PARK. One that nobody waits for (after an abort, a second one) does nothing. */
void steps_resume(struct steps *s, const struct err *e);

/* Gives up from outside (deadline, lost connection): undoes the steps before the parked one, then
 * `finished` with e. The parked step is told through its undo too (it has to cancel what it waits
 * for). Only while parked; does nothing else. */
void steps_abort(struct steps *s, const struct err *e);

#endif
