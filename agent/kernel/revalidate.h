/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that a file server's host has removed. The kernel keeps what it knows of a name for as long
 * as the server allowed, and what is below it until memory is short: entries, inodes, pages, the
 * control group that they were charged to, and the server's descriptor of each inode. A look that
 * trusts nothing (LOOKUP_EXCL, see fuse_dentry_revalidate()) finds that the name is gone, and the
 * kernel drops all of it. Both calls WAIT for the server: jobs only. Tier 0.
 */
#ifndef MOTE_KERNEL_REVALIDATE_H
#define MOTE_KERNEL_REVALIDATE_H

/* The directory, in a read-only view of its own that nobody else sees. -ENOTSUP: no file server is
 * behind it; -errno. Linux 5.12. */
int revalidate_open(const char *dir);

/* Looks at a name (one component) of such a view. 1: it is there; 0: it is not; -errno: nobody
 * knows. */
int revalidate_name(int view, const char *name);

#endif
