/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's config.json on the host: what a shim has to know of it, and what becomes of it on
 * the way into the guest. The guest's agent knows which words are the host's own and passes over
 * them (namespaces by path, labels); here goes what only the host can tell: where the sources of
 * mounts are, and hooks, most of which are programs of the host.
 */
#ifndef MOTE_SHIM_BUNDLE_H
#define MOTE_SHIM_BUNDLE_H

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

#define BUNDLE_SPEC_MAX    (4u << 20) /* bytes of a config.json */
#define BUNDLE_DEVICES_MAX 256        /* block devices of a container: as many as the guest takes */

/* A block device of the host that the container shall have. */
struct bundle_device {
	const char *path; /* in the container */
	uint32_t major, minor;
	bool readonly;
};

/* When hooks of the host are due (host_hooks.h). */
enum bundle_hooks {
	BUNDLE_HOOKS_CREATE = 0x1,
	BUNDLE_HOOKS_STARTED = 0x2,
	BUNDLE_HOOKS_STOPPED = 0x4,
};

struct bundle {
	yyjson_doc *doc;        /* NULL: there is no config.json */
	const char *sandbox_id; /* of the pod it belongs to; "": it is none's */
	bool is_pause;          /* it is the pod's own container */
	const char *netns;      /* path of the network namespace; "": none, or one to be made */
	bool makes_netns;       /* for this container alone */
	const char *hostname;   /* "" where it has none */
	const char *root;       /* path of the root file system, as the spec has it; "": not said */
	uint64_t memory;        /* bytes, that the pod's containers may take in all; 0: not told */
	uint64_t cpus;          /* likewise, rounded up */
	unsigned int hooks;     /* enum bundle_hooks: those that there are */
	struct bundle_device *devices; /* see bundle_find_devices() */
	size_t n_devices;
};

/* DIR/config.json. A missing file is a bundle without anything. Everything is a's. */
int bundle_read(struct arena *a, const char *dir, struct bundle *out, struct err *e);

/* The same of a text; pure. */
int bundle_parse(struct arena *a, const char *text, size_t len, struct bundle *out, struct err *e);

/* Fills b->devices: the block devices of linux.devices to which a rule of linux.resources.devices
 * of just their number gives access, each path once. Read-only: no such rule gives the right to
 * write. Pure; what is found is a's and the document's. INVALID_ARGUMENT: more than
 * BUNDLE_DEVICES_MAX. */
int bundle_find_devices(struct arena *a, struct bundle *b, struct err *e);

/* Takes the other block devices out of a copy of the document: hardware of the host that is not
 * handed through, by numbers that mean something else in the guest. For bundle.c. */
void bundle_drop_devices(const struct bundle *b, yyjson_mut_val *root);

/* Brings a file or directory of the host into the guest: its path there, NULL with e. number: of
 * the mount in the spec. */
typedef const char *(*bundle_carry_fn)(void *arg, size_t number, const char *source, struct err *e);

/* The text for the guest, in a; *len without its end. NULL with e. pod: the id of a sandbox that
 * containerd made by its Sandbox calls, whose files (/etc/hosts and the like) are the guest's to
 * make: mounts of containerd's own, which may not even be there, are left out. "": there is none.
 */
char *bundle_for_guest(struct arena *a, const struct bundle *b, const char *pod,
		       bundle_carry_fn carry, void *arg, size_t *len, struct err *e);

#endif
