/* SPDX-License-Identifier: Apache-2.0 */
/* What is mounted: asked of the kernel by descriptor, or read from mountinfo. Tier 0. Does not
 * wait on the filesystems themselves. */
#ifndef MOTE_KERNEL_MOUNTINFO_H
#define MOTE_KERNEL_MOUNTINFO_H

#include "base/defs.h"

struct mountinfo {
	uint64_t id, parent;
	unsigned int major, minor;
	char *root, *target, *options, *fstype, *source, *super;	/* octal escapes decoded */
	unsigned int shared, master;	/* peer group ids, 0: none */
	bool unbindable;
};

/* Takes one line of /proc/PID/mountinfo apart, in place (strings point into it). 0 or -EINVAL. */
int mountinfo_parse(char *line, struct mountinfo *out);

/* Calls fn for each mount of the file ("/proc/self/mountinfo"); a result other than 0 ends the
 * walk and is returned. 0, fn's result, or -errno. */
typedef int (*mountinfo_fn)(void *arg, const struct mountinfo *m);
int mountinfo_each(const char *path, mountinfo_fn fn, void *arg);

/* Is what fd (O_PATH is fine) refers to the root of a mount? 1, 0, -errno. */
int mountinfo_is_mount(int fd);

/* The kernel's id of the mount that fd lies in. 0 or -errno. */
int mountinfo_mount_id(int fd, uint64_t *id);

/* The type of the filesystem that fd lies in ("tmpfs", "fuse.x"): from mountinfo, without /proc
 * by statfs for the kernel's own. 0, -errno; -ENODATA: no name known. */
int mountinfo_fstype(int fd, char *buf, size_t cap);

/* The filesystem type of "/": "rootfs" or "tmpfs"/"ramfs" of an initramfs cannot be pivoted
 * away. 1: it is the initial rootfs, 0 not, -errno. */
int mountinfo_root_is_rootfs(void);

#endif
