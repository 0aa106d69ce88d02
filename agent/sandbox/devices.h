/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices of a container that is being made: each is waited for, one after another, and then the
 * nodes of the spec get the numbers that the guest knows them by.
 */
#ifndef MOTE_SANDBOX_DEVICES_H
#define MOTE_SANDBOX_DEVICES_H

#include "container/spec_devices.h"
#include "sandbox/sandbox.h"

#define DEVICES_MAX 256 /* of one container */

struct devices {
	struct sandbox *sandbox;
	struct container *to; /* whose spec is changed; its arena holds what is needed here */
	const struct sandbox_device *list;
	size_t n;
	uint64_t deadline_ms;
	/* the rest is set by devices_start */
	size_t at;
	struct spec_device_change *changes;
	sandbox_done_fn done;
	void *owner;
};

/* 1: done comes from the loop, once; d must live until then. 0: there is nothing to wait for. -1 with
 * e: INVALID_ARGUMENT naming the device and the field. Told by done: DEADLINE_EXCEEDED for one that
 * does not come. */
int devices_start(struct devices *d, sandbox_done_fn done, void *owner, struct err *e);

#endif
