/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files that turn limits into rows; nobody else includes it. Pure. */
#ifndef MOTE_KERNEL_CGROUP_VALUES_H
#define MOTE_KERNEL_CGROUP_VALUES_H

#include "kernel/cgroup_limits.h"

/* Appends a row. file and text may be the NULL of an arena that is exhausted: an error then. */
int cgroup_row(struct cgroup_values *r, unsigned int controller, const char *file, const char *text,
	       unsigned int flags, struct err *e);

/* FAILED_PRECONDITION and INVALID_ARGUMENT with the field of the spec. -1. */
int cgroup_no_file(const char *field, enum cgroup_version v, struct err *e);
int cgroup_bad(const char *field, const char *why, struct err *e);

/* Block I/O, huge pages, network, RDMA, unified. */
int cgroup_list_values(enum cgroup_version v, const struct cgroup_limits *l,
		       struct cgroup_values *r, struct err *e);

#endif
