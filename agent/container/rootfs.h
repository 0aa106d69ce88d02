/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a spec to the plan of the container's file tree: mounts in the spec's order, links and
 * devices, masked and read-only paths, read-only root. Pure: it looks at no file. The stage runs
 * the plan in the container's own mount namespace, with its root directory as the plan's root.
 */
#ifndef MOTE_CONTAINER_ROOTFS_H
#define MOTE_CONTAINER_ROOTFS_H

#include "container/spec.h"
#include "kernel/plan.h"

/* What the kernel of this guest has, so that the function stays pure. */
struct rootfs_facts {
	bool cgroup2;			/* the unified hierarchy */
	/* the container has its own user namespace: devices are bound, not made */
	bool user_ns;
	bool kcore;			/* /proc/kcore is there */
	const char *cgroup_path;	/* of the container in its hierarchies, for version 1 */
	/* version 1: enum cgroup_controller of those that are mounted */
	unsigned int controllers;
	/* Below it bundles and volumes lie, where containers write: sources of binds there are
	 * reached without following a link. NULL: nowhere. */
	const char *run_dir;
};

/* Appends to p (strings in p's arena or the spec's). INVALID_ARGUMENT naming the entry:
 * "mounts[3] (/proc/x): …". */
int rootfs_plan(const struct spec *s, const struct rootfs_facts *facts, struct plan *p,
		struct err *e);

/* MS_* of linux.rootfsPropagation for "/" of the new mount namespace; MS_SLAVE|MS_REC when not
 * said. -EINVAL. */
int rootfs_propagation(const struct spec *s, unsigned long *out);

#endif
