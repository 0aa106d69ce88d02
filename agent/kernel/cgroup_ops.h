/* SPDX-License-Identifier: Apache-2.0 */
/* Between the cgroup files; nobody else includes it. Tier 0, never waits. */
#ifndef MOTE_KERNEL_CGROUP_OPS_H
#define MOTE_KERNEL_CGROUP_OPS_H

#include "kernel/cgroup.h"

#define CGROUP_CONTROLLERS	13

struct cgroup_controller_name {
	unsigned int bit;	/* enum cgroup_controller_bit */
	const char *v1, *v2;	/* NULL: the version has no such controller */
};

extern const struct cgroup_controller_name cgroup_controller_names[CGROUP_CONTROLLERS];

static inline const char *cgroup_controller_of(const struct cgroup_root *root, size_t i)
{
	const struct cgroup_controller_name *n = &cgroup_controller_names[i];

	if (!(root->controllers & n->bit))
		return NULL;
	return root->version == CGROUP_VERSION_1 ? n->v1 : n->v2;
}

/* The path without leading slashes; NULL when it is empty or not plain. */
const char *cgroup_relative(const char *path);

/* Version 2: takes the controllers of the group at `at` (relative, "" or ending in a slash) as those of
 * the root. 0 or -errno. */
int cgroup_read_controllers(struct cgroup_root *root, const char *at);

/* Is `word` one of the words, parted by blanks or newlines? */
bool cgroup_has_word(const char *words, const char *word);

/* Version 1: a controller that has the group's processes too; version 2: 0. */
unsigned int cgroup_any(const struct cgroup_root *root);

/* Version 1: without CPUs and memory nodes no process can join a group. Copies the parent's where the
 * group, or one above it, has none. 0 or -errno. */
int cgroup_fill_cpusets(const struct cgroup_root *root, const char *at);

/* Runs fn for the group at fd and all below it, from the top down. It may be handed a directory
 * that goes meanwhile. 0, or the first result that is not, or -errno. */
int cgroup_walk(int fd, int (*fn)(void *arg, int dirfd), void *arg);

/* Removes all groups below the one at fd. -EBUSY: one of them has processes. Job only: there may be
 * any number of them. */
int cgroup_remove_below(int fd);

#endif
