/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a spec that stand for numbers of the kernel, each field's in one table: what a
 * reader looks up. The numbers are the kernel's ABI; some C libraries lack their names.
 * Capabilities, namespaces, limits and a filter's words have their tables in kernel/.
 */
#ifndef MOTE_CONTAINER_SPEC_WORDS_H
#define MOTE_CONTAINER_SPEC_WORDS_H

#include "base/defs.h"

#define SPEC_SCHED_ISO		4
#define SPEC_SCHED_DEADLINE	6

#define SPEC_MPOL_F_STATIC_NODES	(1u << 15)
#define SPEC_MPOL_F_RELATIVE_NODES	(1u << 14)
#define SPEC_MPOL_F_NUMA_BALANCING	(1u << 13)

struct spec_word {
	const char *name;
	uint32_t value;
};

/* Ends with a NULL name. */
extern const struct spec_word spec_sched_policies[], spec_sched_flags[], spec_io_classes[],
	spec_memory_modes[], spec_memory_flags[], spec_personalities[];

/* NULL: there is none of that name. */
const struct spec_word *spec_word_find(const struct spec_word *table, const char *name);

#endif
