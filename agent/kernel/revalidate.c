/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/revalidate.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "kernel/sys.h"

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

int revalidate_open(const char *dir)
{
	struct sys_mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	AUTO_FD tree = sys_open_tree(AT_FDCWD, dir, OPEN_TREE_CLONE | O_CLOEXEC);
	struct statfs fs;
	int r;

	if (tree < 0)
		return tree;
	if (fstatfs(tree, &fs) < 0)
		return -errno;
	if (fs.f_type != FUSE_SUPER_MAGIC)
		return -ENOTSUP;
	r = sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr));
	return r < 0 ? r : TAKE_FD(tree);
}

/* What is about to be made must not be there, so the kernel asks the server before it says that the
 * view is read-only. Nothing else asks that leaves no trace: a stat trusts the entry for as long as
 * the server allowed, a second with cache=auto, and a container may well live shorter. */
int revalidate_name(int view, const char *name)
{
	if (mkdirat(view, name, 0) == 0)
		return -EIO; /* not a read-only view */
	if (errno == EEXIST)
		return 1;
	return errno == EROFS || errno == ENOENT ? 0 : -errno;
}
