/* SPDX-License-Identifier: Apache-2.0 */
/* An image of rootfs-builder as a machine's root file system, in the place of the initrd. */
#ifndef MOTE_VM_VM_IMAGE_H
#define MOTE_VM_VM_IMAGE_H

#include "vm/vm.h"

/* text: "FILE" or "FILE,HOW"; HOW is virtio-blk (the default) or nvdimm (with direct access, an image
 * in Kata's layout); an initrd has none. FILE.boot, which the builder writes, tells what the kernel
 * must be given. Adds to o: a disk before its others or a module of memory, kernel parameters before
 * its own, the initrd; what it adds is in a. Returns how many disks were put before o's, or -1 with
 * e: NOT_FOUND, INVALID_ARGUMENT. Reads the one small file, so it may wait for the disk. */
int vm_image_add(struct arena *a, const char *text, struct vm_opts *o, struct err *e);

/* The value of "KEY: VALUE" in the text of a .boot file, up to the line's end; NULL: there is none.
 * *n: its length. */
const char *vm_image_value(const char *boot, const char *key, size_t *n);

#endif
