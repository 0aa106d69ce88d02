/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests that a Kata host sends to create one container: what a runtime's default spec holds,
 * with the caller's wishes filled in. Pure; all memory is the arena's.
 */
#ifndef MOTE_LIB_SPEC_H
#define MOTE_LIB_SPEC_H

#include "agent.pb-c.h"
#include "base/err.h"
#include "base/mem.h"
#include "lib/user.h"

#define SPEC_PATH	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define SPEC_SHARE_DIR	"/run/kata-containers/shared/containers"

struct spec_opts {
	const char *id, *hostname;
	const char *cwd;			/* NULL: / */
	const char *const *args;		/* NULL-terminated, at least one */
	const char *const *env; /* "NAME=value", NULL-terminated; may be NULL; replaces defaults of
				   the same name */
	const char *term;			/* a terminal of this kind; NULL: pipes */
	unsigned int rows, columns;		/* of the terminal; 0: not said */
	const struct user *user;
	uint64_t memory_bytes;			/* 0: no limit */
	uint64_t cpu_us_per_second;		/* 0: no limit */
	const char *image_pci_path,
		*image_fstype; /* the rootfs is this read-only image below a writable overlay … */
	const char *share_tag;			/* … or this virtio-fs share, as it is */
};

/* NULL with e: RESOURCE_EXHAUSTED, or INVALID_ARGUMENT. */
Grpc__CreateContainerRequest *spec_build(struct arena *a, const struct spec_opts *opts,
					 struct err *e);

#endif
