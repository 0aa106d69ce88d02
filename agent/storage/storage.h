/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storage drivers: from what a host asks for to a plan of mount operations. A driver is two pure
 * functions and one row in the table of storage.c; it mounts nothing, waits for nothing, and keeps
 * no state. Sharing by mount point, reference counts, running and undoing plans are the sandbox's.
 */
#ifndef MOTE_STORAGE_STORAGE_H
#define MOTE_STORAGE_STORAGE_H

#include "base/err.h"
#include "base/mem.h"
#include "device/device.h"
#include "kernel/plan.h"
#include "kernel/verity.h"

/* What a host sends (Kata's grpc.Storage), neutral. Strings are never NULL and live in an arena. */
struct storage_req {
	const char *driver;
	char **driver_options;
	size_t n_driver_options;
	const char *source;
	const char *fstype;
	char **options;
	size_t n_options;
	const char *mount_point;
	unsigned int flags;	/* enum storage_req_flags */
	uint32_t fs_group;	/* valid with STORAGE_FS_GROUP */
};

enum storage_req_flags {
	STORAGE_FS_GROUP = 0x1,
	STORAGE_FS_GROUP_ON_ROOT_MISMATCH = 0x2,	/* else: always */
	STORAGE_SHARED = 0x4,				/* stays until the sandbox ends */
};

struct storage_ctx {
	const char *container_id;	/* NULL: the sandbox's own storage */
	const struct device_found *device;	/* what need() asked for; NULL if nothing */
};

enum layer_role { LAYER_UPPER = 1, LAYER_LOWER = 2 };

/* One disk of several that make a root file system: layers.h. */
struct storage_layer {
	const struct storage_req *r;
	unsigned int role; /* enum layer_role */
	uint32_t partition; /* 0: the whole disk */
	bool partitioned, checked;
	struct verity verity;
	size_t n_dirs;
	const char *node; /* of the disk */
	size_t op;	  /* its mount */
};

/* What has to be done besides the plan; run in the same job, in this order: huge pages, mkfs,
 * detection, plan, a copy, a first question, fs group. */
struct storage_plan {
	struct plan plan;
	const char *mkfs_device; /* not NULL: make an ext4 there first */
	const char *detect_device; /* not NULL: the fstype of ops[detect_op] is what libblkid finds
				      there */
	size_t detect_op;
	const char *no_dax; /* not NULL: where ops[detect_op] cannot have the option dax, its data */
	const char *hugepages_dir; /* not NULL: DIR/nr_hugepages shall be hugepages_count at least */
	uint64_t hugepages_count;
	const char *ask_path; /* not NULL: the mount is only good if the file system answers here */
	/* not NULL: the target becomes a copy of it, to be followed (storage_follow) unless it is too
	 * large; in the place of the copy is a bind mount then */
	const char *watch_source, *watch_target;
	struct storage_layer *layers; /* n_layers: their partitions and checked devices come first */
	size_t n_layers;
	const char *layers_base; /* the directory that the layers are mounted in; NULL: none */
	const char *group_path;		/* not NULL: apply the request's fs group here at the end */
	unsigned int flags;		/* enum storage_plan_flags */
};

enum storage_plan_flags {
	STORAGE_KEEP = 0x1 /* nothing to unmount at the end: freed with the VM (ephemeral, local) */
};

struct storage_driver {
	const char *name;
	/* Which device must be there first; NULL: none. */
	int (*need)(const struct storage_req *r, struct device_need *out, struct err *e);
	int (*plan)(const struct storage_req *r, const struct storage_ctx *ctx,
		    struct storage_plan *out, struct err *e);
};

/* Exact name. NULL with e: INVALID_ARGUMENT `storage driver "x": unknown; this agent has blk, …`.
 * UNIMPLEMENTED for names that hosts know but this agent has not, saying why. */
const struct storage_driver *storage_driver_find(const char *name, struct err *e);

/* Every driver's name, NULL-terminated (GetGuestDetails). */
const char *const *storage_driver_names(void);

/* The one spelling of a mount point, to compare two: path_clean. What cannot be one (relative, "..",
 * too long) comes back as it is, for the checks to refuse. NULL: no memory. */
const char *storage_mount_point(struct arena *a, const char *path);

/* Checks common to all: mount point absolute and plain, below the directories where a host may
 * mount (/run/kata-containers, …: see storage.c), options sane. */
int storage_req_check(const struct storage_req *r, struct err *e);

/* Checks the request, calls the driver, and checks what it gave: every target below a directory
 * where a host may mount. The plan borrows the request's strings (not the device's); all else is in
 * a. INTERNAL: the driver needs a device and ctx has none. */
int storage_plan_make(const struct storage_driver *d, const struct storage_req *r,
		      const struct storage_ctx *ctx, struct arena *a, struct storage_plan *out,
		      struct err *e);

/* Carries a storage plan out. WAITS: jobs only. *done as in plan_run, for the caller's storage_undo
 * on failure. PERMISSION_DENIED: a symbolic link on the way to a target. */
int storage_execute(const struct storage_plan *sp, const struct storage_req *r, size_t *done,
		    struct err *e);

/* Undoes the first `done` ops as plan_undo does, and as confined as they were carried out. WAITS: jobs
 * only. */
int storage_undo(const struct storage_plan *sp, size_t done, struct err *e);

/* Takes a mount point away, lazily, so that a file that is still open somewhere cannot hold it up,
 * and its directory if it is empty. Not mounted, or gone, is fine. WAITS: jobs only. */
int storage_unmount(const char *mount_point, struct err *e);

/* Keeps the copy as its source is, for ever, or until it has become too large for one and is a bind
 * mount. WAITS: a child of its own only. */
int storage_follow(const char *source, const char *target, struct err *e);

/* Removes a copy that nobody follows any more; one that is not there is fine. follower: who was told to
 * end just now, or 0. WAITS: jobs only. */
int storage_remove_copy(const char *target, pid_t follower, struct err *e);

/* Changes group and modes below path (reference 5.1 "FSGroup"). WAITS: jobs only. */
int storage_apply_fs_group(const char *path, const struct storage_req *r, struct err *e);

#endif
