/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes that are mounted in the guest. WAIT on their filesystems: jobs only. */
#ifndef MOTE_SANDBOX_VOLUMES_H
#define MOTE_SANDBOX_VOLUMES_H

#include "storage/storage.h"

struct volume_usage {
	uint64_t total, available, used;
};

struct volume_stats {
	struct volume_usage bytes, inodes;
};

int volume_stats(const char *path, struct volume_stats *out, struct err *e);

/* Makes the mounted filesystem that large, while it is in use; 0: as large as its device. ext4 and
 * tmpfs; UNIMPLEMENTED names any other. */
int volume_resize(const char *path, uint64_t size, struct err *e);

/* The options of an ephemeral storage on what is mounted at its mount point (remount, size=…); mounts
 * it where they do not say remount. None: nothing to do. */
int volume_update_ephemeral(const struct storage_req *r, struct arena *a, struct err *e);

/* Looks at every mount of the shared directory, so that the kernel drops what the host has removed
 * there. What cannot be looked at is passed over. */
void volumes_look_at_shares(void);

#endif
