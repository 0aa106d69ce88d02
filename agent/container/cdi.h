/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Container Device Interface: files that say what a container needs for a device of a name
 * ("nvidia.com/gpu=0"): nodes, environment, mounts, hooks. The part of version 1.0 that a guest can have a
 * use for, in JSON; members that are not known are passed over. Pure but for cdi_resolve.
 */
#ifndef MOTE_CONTAINER_CDI_H
#define MOTE_CONTAINER_CDI_H

#include "container/spec.h"

struct cdi_node {
	struct spec_device device; /* type 0: as the guest's node, if there is one */
	const char *host_path;	   /* of the guest; NULL: device.path */
	const char *permissions;   /* NULL: "rwm" */
};

struct cdi_hook {
	const char *stage; /* "createContainer" */
	struct spec_hook hook;
};

struct cdi_edits {
	struct spec_strings env;
	struct cdi_node *nodes;
	size_t n_nodes;
	struct spec_mount *mounts;
	size_t n_mounts;
	struct cdi_hook *hooks;
	size_t n_hooks;
	uint32_t *gids;
	size_t n_gids;
};

struct cdi_device {
	const char *name; /* "0" */
	struct cdi_edits edits;
};

/* One file. */
struct cdi_file {
	const char *version, *kind; /* "nvidia.com/gpu" */
	struct cdi_device *devices;
	size_t n_devices;
	struct cdi_edits edits; /* for every one of them */
};

/* A list of names out of "a/b=c,d/e=f". They are added to out, in a; one that is there already is not.
 * INVALID_ARGUMENT for what is no name. */
int cdi_names(const char *list, char separator, struct arena *a, struct spec_strings *out,
	      struct err *e);

/* INVALID_ARGUMENT naming the member, RESOURCE_EXHAUSTED. All that out holds is a's. */
int cdi_read(struct arena *a, const char *text, size_t len, struct cdi_file *out, struct err *e);

/* Finds every name, and the numbers of nodes that the files leave open, below /dev of the guest.
 * NOT_FOUND: a name or a node; ALREADY_EXISTS: a name in two files. */
int cdi_resolve(struct cdi_file *files, size_t n, const struct spec_strings *names, struct err *e);

/* Puts what the named devices need into the spec; after cdi_resolve. What the spec has is replaced
 * where it is the same variable or node. Texts are borrowed of the files. RESOURCE_EXHAUSTED. */
int cdi_inject(struct spec *s, const struct cdi_file *files, size_t n,
	       const struct spec_strings *names, struct arena *a, struct err *e);

#endif
