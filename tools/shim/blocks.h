/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block devices of the host in the pod's machine, as disks. One that several containers have is
 * plugged once, for as long as one of them is there; one that is given to some to read and to
 * others to write is plugged once for either. Two writers of two machines QEMU keeps apart by its
 * lock.
 */
#ifndef MOTE_SHIM_BLOCKS_H
#define MOTE_SHIM_BLOCKS_H

#include "shim/disks.h"

struct task;
struct bundle_device;

/* What a slot of the machine's disks has, where that is one of them. */
struct block {
	bool taken;
	bool readonly;
	uint32_t major, minor;
};

/* The task has it from now on; path: how the guest calls it. Opens the device, which waits as
 * long as the host's driver does. In work only. -1 with e, which names path and numbers:
 * FAILED_PRECONDITION where the host has no such device, it is empty, held by somebody else or
 * cannot be plugged; RESOURCE_EXHAUSTED. */
int block_add(struct shim *s, struct task *t, const struct bundle_device *d, char path[DISK_PATH],
	      struct err *e);

/* Unplugs, later, those that no other task has. May be called anywhere. */
void block_remove(struct shim *s, struct task *t);

/* The node of a device of the host; path holds PATH_MAX bytes. -errno. root: "", a tree in its
 * place for tests. */
int block_find(const char *root, uint32_t major, uint32_t minor, char *path);

#endif
