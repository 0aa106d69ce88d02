/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the storage layer and its tests: the drivers, and what they share. Pure but for
 * storage_open_parent. */
#ifndef MOTE_STORAGE_DRIVER_H
#define MOTE_STORAGE_DRIVER_H

#include "storage/storage.h"

extern const struct storage_driver storage_blk, storage_mmioblk, storage_scsi, storage_nvdimm,
	storage_virtiofs, storage_9p, storage_overlayfs, storage_bind, storage_ephemeral,
	storage_local, storage_watchable, storage_layers;

/* Where a host may mount: below one of the places of storage.c. path is cleaned. INVALID_ARGUMENT
 * else. */
int storage_place_check(const char *path, struct err *e);

/* The length of the place that path lies below; 0: none. */
size_t storage_place_length(const char *path);

/* Appends the mount of source on the mount point with the n options; NULL with e. fstype and source
 * are borrowed, "" or NULL is none. */
struct plan_op *storage_add_mount(struct storage_plan *sp, const struct storage_req *r,
				  const char *source, const char *fstype, char *const *opts,
				  size_t n, struct err *e);

/* The text behind "key=" when text begins with that, else NULL. */
const char *storage_option_value(const char *text, const char *key);

/* The number of fsgid=GID. */
int storage_parse_gid(const char *text, gid_t *out, struct err *e);

/* The mode of mode=OCTAL. */
int storage_parse_mode(const char *text, mode_t *out, struct err *e);

/* The arena is out of budget; -1. */
int storage_no_memory(struct err *e);

/* The directory (O_PATH) that holds target, missing ones made if make is not 0, and target's last
 * name. No component below the place may be a symbolic link (PERMISSION_DENIED): a container of this
 * sandbox may write in a shared directory, and would lead the mount elsewhere in the guest. What is
 * then done with the name below the descriptor stays in that directory, whoever changes the tree
 * meanwhile. -1 with e. WAITS: jobs only. */
int storage_open_parent(const char *target, mode_t make, const char **name, struct err *e);

#endif
