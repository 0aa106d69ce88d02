/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives memory back to the host while nobody needs it (agent.mem_agent_enable): from time to time what
 * containers have not touched for long is reclaimed, and free memory is compacted so that a balloon or a
 * host with huge pages can take it. Only while pressure (PSI) is low. The work is done by children.
 */
#ifndef MOTE_SANDBOX_MEM_AGENT_H
#define MOTE_SANDBOX_MEM_AGENT_H

#include "base/err.h"
#include "event/loop.h"

/* Percents are of time in which some process waited for memory, over the last 10 s. */
struct mem_agent_memcg {
	bool disabled;
	bool swap;		/* anonymous memory too */
	uint64_t swappiness_max;
	uint64_t period_secs;
	uint64_t period_psi;	/* a look is skipped above it */
	uint64_t eviction_psi;	/* a container's own: it is left alone above it */
	uint64_t aging_min;	/* looks that a container lives through before anything is taken */
};

struct mem_agent_compact {
	bool disabled;
	uint64_t period_secs;
	uint64_t period_psi;
	uint64_t compact_psi;	/* compaction is stopped above it */
	uint64_t sec_max;	/* seconds that one may take */
	uint64_t order;		/* log2 of the pages of a block that is worth making */
	uint64_t threshold;	/* pages that are in smaller blocks now, and were not after the last one */
	uint64_t force_times;	/* so many looks without one, then there is one */
};

struct mem_agent_config {
	bool enabled;
	struct mem_agent_memcg memcg;
	struct mem_agent_compact compact;
};

struct sandbox;

struct mem_agent {
	struct sandbox *sandbox;
	struct mem_agent_config config;
	struct timer memcg_timer, compact_timer;
	bool memcg_busy, compact_busy;	/* a child works, or hangs */
	uint64_t scattered, rounds;	/* after the last compaction; looks since */
};

void mem_agent_init(struct mem_agent *m, struct sandbox *s, const struct mem_agent_config *config);

void mem_agent_fini(struct mem_agent *m);

/* Changed settings hold from now on. INTERNAL "mem-agent is disabled" where it is not enabled at all. */
int mem_agent_set_memcg(struct mem_agent *m, const struct mem_agent_memcg *c, struct err *e);
int mem_agent_set_compact(struct mem_agent *m, const struct mem_agent_compact *c, struct err *e);

/* The parsers, for tests. "some avg10=1.23 …" in hundredths of a percent; 0: none is told. */
uint64_t mem_agent_pressure(const char *text);

/* Pages in free blocks below an order, of /proc/buddyinfo. */
uint64_t mem_agent_scattered(const char *text, uint64_t order);

#endif
