/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the rootfs plan; nobody else includes it. */
#ifndef MOTE_CONTAINER_ROOTFS_PARTS_H
#define MOTE_CONTAINER_ROOTFS_PARTS_H

#include "container/rootfs.h"

int rootfs_no_memory(struct err *e);

/* Links, nodes and console, after the spec's mounts. */
int rootfs_add_dev(const struct spec *s, const struct rootfs_facts *f, struct plan *p,
		   struct err *e);

/* The last thing that happens in /dev, when the spec wants it read-only. */
int rootfs_add_readonly_dev(const struct spec *s, struct plan *p, struct err *e);

#endif
