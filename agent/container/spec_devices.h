/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices of the guest in the place of a host's: a spec names the nodes by the numbers that they have
 * on the host, the guest's own are other ones. All devices of a request are replaced at once: the
 * number of one in the guest may be that of another on the host. Pure.
 */
#ifndef MOTE_CONTAINER_SPEC_DEVICES_H
#define MOTE_CONTAINER_SPEC_DEVICES_H

#include "container/spec.h"

/* Borrowed by both calls, and what node points to by the spec afterwards. */
struct spec_device_change {
	const char *path; /* which entry of linux.devices */
	const char *node; /* the path that it has from now on; NULL: the same */
	mode_t type;      /* S_IFBLK, S_IFCHR */
	uint32_t major, minor;
	const char *guest; /* how the host calls the one that it is in the guest; NULL: not told */
};

/* Can these be replaced (only `path` and `guest` are looked at)? INVALID_ARGUMENT: no such entry, two changes of
 * one entry, or of two entries of one number that are not told to be the same one in the guest (a
 * rule by that number would be of both). *at: which one it is. */
int spec_devices_check(const struct spec *s, const struct spec_device_change *v, size_t n,
		       size_t *at, struct err *e);

/* Replaces numbers in linux.devices and in the device rules that name exactly one of them, and adds a
 * rule for each new one where there are rules at all (without, the nodes of the spec are allowed).
 * What it needs is the arena's. INVALID_ARGUMENT as above, RESOURCE_EXHAUSTED. */
int spec_devices_change(struct spec *s, const struct spec_device_change *v, size_t n,
			struct arena *a, struct err *e);

/* One more node, with a rule as above; in the place of one that has its path. d's strings are
 * borrowed. RESOURCE_EXHAUSTED. */
int spec_devices_add(struct spec *s, const struct spec_device *d, unsigned int access,
		     struct arena *a, struct err *e);

#endif
