/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/volumes.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/mount_options.h"
#include "kernel/mountinfo.h"
#include "sandbox/sandbox.h"

#define EXT4_RESIZE _IOW('f', 16, uint64_t) /* EXT4_IOC_RESIZE_FS: blocks */

/* xfs's own calls, which no header of the kernel's has: struct xfs_fsop_geom_v1 and xfs_growfs_data of
 * fs/xfs/libxfs/xfs_fs.h. */
struct xfs_geometry {
	uint32_t before[7];
	uint32_t inodes_percent; /* of the space */
	uint64_t blocks, between[3];
	uint32_t after[11];
};

struct xfs_growth {
	uint64_t blocks;
	uint32_t inodes_percent;
};

_Static_assert(sizeof(struct xfs_geometry) == 112 && sizeof(struct xfs_growth) == 16,
	       "as the kernel has them");

#define XFS_GEOMETRY _IOR('X', 100, struct xfs_geometry)
#define XFS_GROW     _IOW('X', 110, struct xfs_growth)

static int open_volume(const char *path, int flags, struct statfs *fs, struct err *e)
{
	int fd;

	if (*path != '/')
		return err_set(e, RC_INVALID_ARGUMENT, "volume \"%.128s\": not an absolute path",
			       path);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open volume %.128s", path);
	if (fstatfs(fd, fs) == 0)
		return fd;
	err_sys(e, errno, "look at volume %.128s", path);
	auto_close(&fd);
	return -1;
}

/* Of a filesystem without a limit all numbers are 0. */
static struct volume_usage usage(uint64_t total, uint64_t free, uint64_t unit)
{
	return (struct volume_usage){ .total = total * unit,
				      .available = free * unit,
				      .used = (total - MIN(free, total)) * unit };
}

int volume_stats(const char *path, struct volume_stats *out, struct err *e)
{
	struct statfs fs;
	AUTO_FD fd = open_volume(path, O_PATH, &fs, e);

	if (fd < 0)
		return -1;
	out->bytes = usage(fs.f_blocks, fs.f_bfree, (uint64_t)fs.f_bsize);
	out->inodes = usage(fs.f_files, fs.f_ffree, 1);
	return 0;
}

/* --- growing --- */

/* sysfs counts in sectors of 512 bytes, whatever the device's own are. */
static int device_size(dev_t dev, uint64_t *bytes, struct err *e)
{
	char path[64], text[32];
	uint64_t sectors;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/size", major(dev), minor(dev));
	n = io_read_line(AT_FDCWD, path, text, sizeof(text));
	if (n < 0)
		return err_sys(e, (int)-n, "read %s", path);
	if (num_u64(text, UINT64_MAX / 512, &sectors) < 0)
		return err_set(e, RC_INTERNAL, "%s: not a number", path);
	*bytes = sectors * 512;
	return 0;
}

/* How many blocks it shall have: as the host says, or as many as the device has. */
static int wanted_blocks(int fd, const struct statfs *fs, uint64_t size, uint64_t *out, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat");
	if (!size && device_size(st.st_dev, &size, e) < 0)
		return -1;
	*out = size / (uint64_t)fs->f_bsize;
	return 0;
}

static int resize_ext4(int fd, const struct statfs *fs, uint64_t size, struct err *e)
{
	uint64_t blocks;

	if (wanted_blocks(fd, fs, size, &blocks, e) < 0)
		return -1;
	if (ioctl(fd, EXT4_RESIZE, &blocks) < 0)
		return err_sys(e, errno, "to %llu blocks", (unsigned long long)blocks);
	return 0;
}

/* Both numbers are set by the one call: the share of the inodes stays. Smaller than it is, is refused
 * here: the kernel takes an empty end away, which nobody who grows a volume can want. */
static int resize_xfs(int fd, const struct statfs *fs, uint64_t size, struct err *e)
{
	struct xfs_geometry now = { 0 };
	struct xfs_growth to = { 0 };

	if (wanted_blocks(fd, fs, size, &to.blocks, e) < 0)
		return -1;
	if (ioctl(fd, XFS_GEOMETRY, &now) < 0)
		return err_sys(e, errno, "geometry");
	if (to.blocks < now.blocks)
		return err_set(e, RC_INVALID_ARGUMENT, "to %llu blocks: xfs has %llu and only grows",
			       (unsigned long long)to.blocks, (unsigned long long)now.blocks);
	to.inodes_percent = now.inodes_percent;
	if (ioctl(fd, XFS_GROW, &to) < 0)
		return err_sys(e, errno, "to %llu blocks", (unsigned long long)to.blocks);
	return 0;
}

static int resize_tmpfs(int fd, uint64_t size, struct err *e)
{
	char data[32], at[32];

	if (!size)
		return err_set(e, RC_INVALID_ARGUMENT, "memory has no device to be as large as");
	snprintf(data, sizeof(data), "size=%llu", (unsigned long long)size);
	if (mount("tmpfs", path_of_fd(fd, at), NULL, MS_REMOUNT, data) < 0)
		return err_sys(e, errno, "remount");
	return 0;
}

static int resize(int fd, const struct statfs *fs, uint64_t size, struct err *e)
{
	char name[32];

	switch ((unsigned long)fs->f_type) {
	case EXT4_SUPER_MAGIC:
		return resize_ext4(fd, fs, size, e);
	case XFS_SUPER_MAGIC:
		return resize_xfs(fd, fs, size, e);
	case TMPFS_MAGIC:
		return resize_tmpfs(fd, size, e);
	default:
		if (mountinfo_fstype(fd, name, sizeof(name)) < 0)
			snprintf(name, sizeof(name), "its filesystem");
		return err_set(e, RC_UNIMPLEMENTED, "%s cannot be resized while it is in use", name);
	}
}

int volume_resize(const char *path, uint64_t size, struct err *e)
{
	struct statfs fs;
	AUTO_FD fd = open_volume(path, O_RDONLY, &fs, e);

	if (fd < 0)
		return -1;
	return resize(fd, &fs, size, e) < 0 ? err_ctx(e, "resize volume %.128s", path) : 0;
}

/* --- ephemeral storages --- */

/* The options but fsgid, which is for the making of it. */
static int mount_words(const struct storage_req *r, struct arena *a, struct mount_options *out,
		       struct err *e)
{
	char **words = ARENA_ARRAY(a, char *, r->n_options + 1);
	size_t n = 0;

	if (!words)
		return err_sys(e, ENOMEM, "options");
	for (size_t i = 0; i < r->n_options; i++)
		if (!str_starts(r->options[i], "fsgid="))
			words[n++] = r->options[i];
	return mount_options_parse(words, n, a, out, e);
}

int volume_update_ephemeral(const struct storage_req *r, struct arena *a, struct err *e)
{
	struct storage_plan sp = { 0 };
	struct mount_options opts;
	struct plan_op *op;
	size_t done = 0;

	if (!str_eq(r->driver, "ephemeral"))
		return err_set(e, RC_INVALID_ARGUMENT, "driver \"%.64s\" is not ephemeral",
			       r->driver);
	if (storage_req_check(r, e) < 0 || mount_words(r, a, &opts, e) < 0)
		return -1;
	if (!r->n_options)
		return 0;
	plan_init(&sp.plan, a);
	op = plan_add(&sp.plan, opts.ms_set & MS_REMOUNT ? PLAN_REMOUNT : PLAN_MOUNT,
		      r->mount_point, e);
	if (!op)
		return -1;
	op->source = *r->source ? r->source : "tmpfs";
	op->fstype = *r->fstype ? r->fstype : "tmpfs";
	op->ms_flags = opts.ms_set;
	op->data = opts.data;
	return storage_execute(&sp, r, &done, e);
}

/* --- shares --- */

static int look(void *arg UNUSED, const struct mountinfo *m)
{
	struct stat st;

	if (path_is_below(m->target, SANDBOX_SHARED_DIR))
		(void)stat(m->target, &st);
	return 0;
}

void volumes_look_at_shares(void)
{
	(void)mountinfo_each("/proc/self/mountinfo", look, NULL);
}
