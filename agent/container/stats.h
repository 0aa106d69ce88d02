/* SPDX-License-Identifier: Apache-2.0 */
/* What a container has used. */
#ifndef MOTE_CONTAINER_STATS_H
#define MOTE_CONTAINER_STATS_H

#include "base/err.h"
#include "kernel/cgroup_stats.h"

struct container;

struct container_stats {
	struct cgroup_stats cgroup;
	struct net_link_stats *links; /* of the network that the container is in */
	size_t n_links;
};

/* s and what it holds are valid during the call; empty when e is set. */
typedef void (*container_stats_fn)(void *owner, const struct err *e,
				   const struct container_stats *s);

/* done once the job has read. FAILED_PRECONDITION for a container that is being made or removed,
 * or has no cgroup. */
void container_stats(struct container *c, uint64_t deadline_ms, container_stats_fn done,
		     void *owner);

/* The same of everything that runs here, with the machine's memory. */
struct container_host;
void container_stats_all(const struct container_host *h, uint64_t deadline_ms,
			 container_stats_fn done, void *owner);

#endif
