/* SPDX-License-Identifier: Apache-2.0 */
/* What filesystem is on a device, through libblkid. It parses what a host or container wrote and
 * reads the device: job only. */
#ifndef MOTE_KERNEL_BLKID_H
#define MOTE_KERNEL_BLKID_H

#include "base/err.h"

/* The type ("ext4", "erofs", "squashfs", "xfs") of the device or image behind fd (readable).
 * FAILED_PRECONDITION: more than one matches, NOT_FOUND: none does. */
int blkid_fstype_of(int fd, char *buf, size_t cap, struct err *e);

#endif
