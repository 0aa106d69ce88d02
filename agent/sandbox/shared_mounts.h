/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts of a running container that a new one of the pod shall see too. For the files of this
 * directory. */
#ifndef MOTE_SANDBOX_SHARED_MOUNTS_H
#define MOTE_SANDBOX_SHARED_MOUNTS_H

#include "sandbox/sandbox.h"

/* One at a time; a zeroed one is ready for use. */
struct shared_mounts {
	struct sandbox *sandbox;
	struct container *to;
	const struct sandbox_shared_mount *list; /* the caller's */
	size_t n, at;
	uint64_t deadline_ms;
	struct container *from;
	int fds[2]; /* pidfds of the two, for the job, whose own they are */
	sandbox_done_fn done;
	void *owner;
};

/* Attaches to the created container `to` what is meant for it by its name, one after the other: 1,
 * and done comes from the loop. 0: nothing is; -1 with e. A source that is not there (the container
 * does not run, nothing is mounted within 10 s) is logged and left out. */
int shared_mounts_start(struct shared_mounts *m, sandbox_done_fn done, void *owner, struct err *e);

#endif
