/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CDI devices of a container that is being made: annotations cdi.k8s.io/… name them, files in
 * CDI_DIR say what they are. Something in the guest writes these files when a device has come, so
 * they are looked at once a second until all names are found.
 */
#ifndef MOTE_SANDBOX_CDI_H
#define MOTE_SANDBOX_CDI_H

#include "container/cdi.h"
#include "sandbox/sandbox.h"

#define CDI_DIR "/var/run/cdi"

struct cdi {
	struct sandbox *sandbox;
	struct container *to;
	uint64_t deadline_ms;
	/* the rest is set by cdi_start */
	struct spec_strings names;
	uint64_t start_ms;
	struct timer again, limit;
	bool looking; /* a job is under way */
	bool late;    /* no look comes after it */
	struct err why; /* of the last look that found not all */
	sandbox_done_fn done;
	void *owner;
};

/* 1: done comes from the loop, once; c must live until then. 0: the container has none. -1 with e:
 * INVALID_ARGUMENT. Told by done: DEADLINE_EXCEEDED with what the last look was missing. */
int cdi_start(struct cdi *c, sandbox_done_fn done, void *owner, struct err *e);

#endif
