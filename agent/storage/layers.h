/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A root file system of several disks (Kata's erofs.multi-layer): requests with one mount point, each a
 * layer. Lower ones are erofs on a disk or on a partition of one, checked by dm-verity where the host
 * says so; the upper one is an ext4, or else a directory of the container's. An overlay of all of them
 * comes to the mount point. Reading and planning are pure.
 */
#ifndef MOTE_STORAGE_LAYERS_H
#define MOTE_STORAGE_LAYERS_H

#include "kernel/verity.h"
#include "storage/storage.h"

#define LAYERS_MAX 64

/* Is it a layer, by its driver or its options? */
bool layers_is_one(const struct storage_req *r);

/* All layers of reqs[0..n) that have that mount point, in their order; out is LAYERS_MAX long. Their
 * number, or -1 with e: INVALID_ARGUMENT, UNIMPLEMENTED for an option that is not known. */
int layers_read(const struct storage_req *reqs, size_t n, const char *mount_point, struct arena *a,
		struct storage_layer *out, struct err *e);

/* The device of a layer. */
int layers_need(const struct storage_layer *l, struct device_need *out, struct err *e);

/* nodes: of each layer's device. */
int layers_plan(struct storage_layer *v, size_t n, const struct device_found *nodes,
		const char *container_id, const char *mount_point, struct arena *a,
		struct storage_plan *out, struct err *e);

/* Before the plan is run: partitions are found, checked devices made, and both become the sources of
 * their mounts. -1 with e, and no device is left. WAITS: jobs only. */
int layers_open(const struct storage_plan *sp, struct err *e);

/* The other way, after everything is unmounted: base is storage_plan.layers_base. WAITS: jobs only. */
int layers_close(const char *base, struct err *e);

#endif
