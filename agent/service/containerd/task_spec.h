/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From containerd's spec, which was made for its own machine, to one for a container in this one.
 * Pure.
 */
#ifndef MOTE_SERVICE_CONTAINERD_TASK_SPEC_H
#define MOTE_SERVICE_CONTAINERD_TASK_SPEC_H

#include "sandbox/sandbox.h"

struct task_spec {
	struct sandbox_container *what; /* its container's spec has been read */
	bool pod_files; /* the sandbox has them */
	const char *bundle; /* what a relative root.path is below; "": nothing */
	const char *rootfs; /* in root.path's place; "": nothing */
	bool terminal;
};

/* Namespaces that are named by paths of the host become the pod's or new ones; the pod's files and
 * sysctls are added where the spec has none of its own. -1 with e. */
int task_spec_adapt(const struct task_spec *in, struct err *e);

/* containerd's mount of a root file system as a storage for it, which borrows the strings.
 * INVALID_ARGUMENT for a kind that no driver has. */
int task_spec_rootfs(const char *type, const char *source, char **options, size_t n_options,
		     const char *mount_point, struct arena *a, struct storage_req *out,
		     struct err *e);

#endif
