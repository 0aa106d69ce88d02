/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent in namespaces holds, as it says itself and as this machine sees it. */
#ifndef MOTE_TESTS_FAULT_REST_H
#define MOTE_TESTS_FAULT_REST_H

#include "lib/fault.h"

#define REST_TEXT 65536

struct fault_rest {
	struct rig_status status;
	uint64_t heap;
	char mounts[REST_TEXT]; /* lines: mount points */
	char files[REST_TEXT];  /* lines: what lies in /run, and cgroups */
	char children[1024];    /* pids */
};

/* ids: of containers whose cgroups are looked for. 0, or -1: the agent does not answer. */
int fault_rest_take(struct fault *f, const char *const *ids, struct fault_rest *out);

/* Is it the same? A file less is nothing that was left over. If not, why has what is more or less (one line). */
bool fault_rest_same(const struct fault_rest *before, const struct fault_rest *after, char *why,
		     size_t cap);

#endif
