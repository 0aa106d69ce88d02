/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks of a running machine, behind a PCI bridge of their own: a snapshot that is a file system in
 * a file, or on a device, goes into the guest as what it is, and the host mounts nothing. All of it
 * talks to QEMU and turns the loop: in work only.
 */
#ifndef MOTE_SHIM_DISKS_H
#define MOTE_SHIM_DISKS_H

#include "shim/share.h"

struct shim;

#define DISKS_BUS   "pci-bridge,id=disks,chassis_nr=5,bus=pcie.0,addr=0x05"
#define DISKS_PCI_BUS "05"
#define DISKS_SLOTS 27 /* four more are network cards' (net.c) */
#define DISK_PATH   8 /* bytes of "05/1e" with room to spare */

/* Is it one that goes in as a disk: "erofs" and "ext4" from a file or a device? */
bool disk_is_one(const struct share_mount *m);
bool disk_is_readonly(const struct share_mount *m);

/* Plugs a file or a block device. Its slot (> 0); -1 with e. */
int disk_add(struct shim *s, const char *source, bool readonly, struct err *e);

/* How the guest calls the one in a slot. */
void disk_path(int slot, char path[DISK_PATH]);

/* Asks the guest to let go of it, later: may be called anywhere. */
void disk_remove(struct shim *s, int slot);

#endif
