/* SPDX-License-Identifier: Apache-2.0 */
/* The states of a container, and what may be asked of it in each. */
#include "container/container.h"

#define BIT(verb)	(1u << CONTAINER_DO_##verb)

#define ALIVE	(BIT(SIGNAL) | BIT(UPDATE) | BIT(STATS) | BIT(REMOVE))

static const struct {
	const char *name;
	unsigned int verbs;
} states[] = {
	[CONTAINER_CREATING] = { "being created", 0 },
	[CONTAINER_CREATED] = { "created", ALIVE | BIT(START) | BIT(PAUSE) },
	[CONTAINER_RUNNING] = { "running", ALIVE | BIT(EXEC) | BIT(PAUSE) },
	[CONTAINER_PAUSING] = { "being paused", ALIVE },
	[CONTAINER_PAUSED] = { "paused", ALIVE | BIT(RESUME) },
	[CONTAINER_RESUMING] = { "being resumed", ALIVE },
	[CONTAINER_STOPPED] = { "stopped", BIT(SIGNAL) | BIT(STATS) | BIT(REMOVE) },
	[CONTAINER_REMOVING] = { "being removed", BIT(REMOVE) },
};

_Static_assert(COUNT_OF(states) == CONTAINER_STATES, "every state has a row");

static const char *const verbs[] = {
	[CONTAINER_DO_START] = "start",
	[CONTAINER_DO_EXEC] = "exec",
	[CONTAINER_DO_SIGNAL] = "signal",
	[CONTAINER_DO_UPDATE] = "update",
	[CONTAINER_DO_STATS] = "stats",
	[CONTAINER_DO_PAUSE] = "pause",
	[CONTAINER_DO_RESUME] = "resume",
	[CONTAINER_DO_REMOVE] = "remove",
};

_Static_assert(COUNT_OF(verbs) == CONTAINER_VERBS, "every verb has a word");

const char *container_state_name(enum container_state state)
{
	return states[state].name;
}

bool container_state_allows(enum container_state state, enum container_verb verb)
{
	return states[state].verbs >> verb & 1;
}

int container_allows(const struct container *c, enum container_verb verb, struct err *e)
{
	if (container_state_allows(c->state, verb))
		return 0;
	return err_set(e, RC_FAILED_PRECONDITION, "container %s is %s: cannot %s", c->id,
		       states[c->state].name, verbs[verb]);
}
