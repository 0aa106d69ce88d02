/* SPDX-License-Identifier: Apache-2.0 */
#include "container/spec_words.h"

#include <sched.h>
#include <sys/personality.h>

const struct spec_word spec_sched_policies[] = {
	{ "SCHED_OTHER", SCHED_OTHER },
	{ "SCHED_FIFO", SCHED_FIFO },
	{ "SCHED_RR", SCHED_RR },
	{ "SCHED_BATCH", SCHED_BATCH },
	{ "SCHED_ISO", SPEC_SCHED_ISO },
	{ "SCHED_IDLE", SCHED_IDLE },
	{ "SCHED_DEADLINE", SPEC_SCHED_DEADLINE },
	{ 0 },
};

const struct spec_word spec_sched_flags[] = {	/* <linux/sched.h> */
	{ "SCHED_FLAG_RESET_ON_FORK", 0x01 },
	{ "SCHED_FLAG_RECLAIM", 0x02 },
	{ "SCHED_FLAG_DL_OVERRUN", 0x04 },
	{ "SCHED_FLAG_KEEP_POLICY", 0x08 },
	{ "SCHED_FLAG_KEEP_PARAMS", 0x10 },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 },
	{ 0 },
};

const struct spec_word spec_io_classes[] = {	/* <linux/ioprio.h> */
	{ "IOPRIO_CLASS_RT", 1 },
	{ "IOPRIO_CLASS_BE", 2 },
	{ "IOPRIO_CLASS_IDLE", 3 },
	{ 0 },
};

const struct spec_word spec_memory_modes[] = {	/* <linux/mempolicy.h> */
	{ "MPOL_DEFAULT", 0 },
	{ "MPOL_PREFERRED", 1 },
	{ "MPOL_BIND", 2 },
	{ "MPOL_INTERLEAVE", 3 },
	{ "MPOL_LOCAL", 4 },
	{ "MPOL_PREFERRED_MANY", 5 },
	{ "MPOL_WEIGHTED_INTERLEAVE", 6 },
	{ 0 },
};

const struct spec_word spec_memory_flags[] = {
	{ "MPOL_F_NUMA_BALANCING", SPEC_MPOL_F_NUMA_BALANCING },
	{ "MPOL_F_RELATIVE_NODES", SPEC_MPOL_F_RELATIVE_NODES },
	{ "MPOL_F_STATIC_NODES", SPEC_MPOL_F_STATIC_NODES },
	{ 0 },
};

const struct spec_word spec_personalities[] = {
	{ "LINUX", PER_LINUX },
	{ "LINUX32", PER_LINUX32 },
	{ 0 },
};

const struct spec_word *spec_word_find(const struct spec_word *table, const char *name)
{
	for (; table->name; table++)
		if (str_eq(table->name, name))
			return table;
	return NULL;
}
