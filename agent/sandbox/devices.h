/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices of a container that is being made: each is waited for, one after another, and then the
 * nodes of the spec get the numbers that the guest knows them by. Those that are handed through
 * (vfio-pci, vfio-pci-gk) are several PCI devices each: where they are in the guest is kept for the
 * environments of the container's processes.
 */
#ifndef MOTE_SANDBOX_DEVICES_H
#define MOTE_SANDBOX_DEVICES_H

#include "container/spec_devices.h"
#include "device/vfio.h"
#include "sandbox/sandbox.h"

#define DEVICES_MAX 256 /* of one container */
#define DEVICES_PCI_MAX 32 /* PCI devices of one of them: an IOMMU group with all its functions */

struct devices {
	struct sandbox *sandbox;
	struct container *to; /* whose spec is changed; its arenas hold what is needed here */
	const struct sandbox_device *list;
	size_t n;
	uint64_t deadline_ms;
	/* the rest is set by devices_start */
	size_t at, option;
	struct spec_device_change *changes; /* of the spec: not every device has a node there */
	size_t *of;			    /* which device each change is of */
	size_t n_changes;
	bdf_t pci[DEVICES_PCI_MAX]; /* in the guest, of the one that is waited for */
	size_t n_pci;
	sandbox_done_fn done;
	void *owner;
};

/* 1: done comes from the loop, once; d must live until then. 0: there is nothing to wait for. -1 with
 * e: INVALID_ARGUMENT naming the device and the field. Told by done: DEADLINE_EXCEEDED for one that
 * does not come, FAILED_PRECONDITION for one that cannot be handed through. */
int devices_start(struct devices *d, sandbox_done_fn done, void *owner, struct err *e);

#endif
