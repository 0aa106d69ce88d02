/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the calling process is scheduled: policy, I/O priority, processors, memory nodes. Raw system
 * calls: the C libraries lack most of them. All of it is inherited by children and survives execve.
 * Tier 0: 0 or -errno. Never waits.
 */
#ifndef MOTE_KERNEL_SCHED_H
#define MOTE_KERNEL_SCHED_H

#include "base/defs.h"

/* Processors and memory nodes that a list may name: what Linux can have at most. */
#define SCHED_CPUS_MAX	8192
#define SCHED_NODES_MAX	1024

#define SCHED_MASK_WORDS(bits)	((bits) / 64)

/* sched_setattr(2). */
struct sched_params {
	uint32_t policy;	/* SCHED_* */
	int32_t nice;		/* SCHED_OTHER, SCHED_BATCH, SCHED_IDLE */
	uint32_t priority;	/* SCHED_FIFO, SCHED_RR: 1 to 99 */
	uint32_t flags;		/* SCHED_FLAG_* */
	uint64_t runtime_ns, deadline_ns, period_ns;	/* SCHED_DEADLINE */
};

int sched_set_params(const struct sched_params *p);

/* ioprio_set(2): class 1 (real time), 2 (best effort) or 3 (idle); level 0 (first) to 7. */
int sched_set_io(unsigned int class, unsigned int level);

/* sched_setaffinity(2); list: "0-3,7". -EINVAL: not a list, or no such processor is left. */
int sched_set_cpus(const char *list);

/* set_mempolicy(2): mode MPOL_* with MPOL_F_*; list of nodes, NULL or "": none. -ENOSYS: a kernel
 * without NUMA. */
int sched_set_memory(unsigned int mode, const char *list);

#endif
