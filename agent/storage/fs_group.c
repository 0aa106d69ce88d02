/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives a volume to a group (Kubernetes' fsGroup): every file gets the group and its read and write
 * bits, directories search and set-group-ID as well. Symbolic links are left alone; other mounts
 * below are not entered.
 *
 * Trust: the files are a container's, and with a shared volume a container may be at work in it
 * meanwhile. So nothing is looked up twice: each entry is opened once without following and without
 * effect (O_PATH), and owner and mode change on that descriptor.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/path.h"
#include "kernel/mountinfo.h"
#include "storage/driver.h"

#define READ_WRITE	0660
#define READ_ONLY	0440
#define SEARCH		0110
#define SETGID		02000
#define MAX_DEPTH	250	/* two descriptors each */

struct change {
	gid_t gid;
	mode_t bits;
};

static mode_t wanted_bits(const struct change *c, mode_t mode)
{
	return c->bits | (S_ISDIR(mode) ? SEARCH | SETGID : 0);
}

/* What is right already is not written: on a copy-on-write or networked filesystem that would cost
 * dearly. */
static int change_one(const struct change *c, int fd, const struct stat *st)
{
	mode_t mode = (st->st_mode & 07777) | wanted_bits(c, st->st_mode);
	char path[32];

	if (st->st_gid != c->gid && fchownat(fd, "", (uid_t)-1, c->gid, AT_EMPTY_PATH) < 0)
		return -errno;
	/* chown(2) clears set-id bits, so the mode comes second; fchmod(2) refuses an O_PATH
	 * descriptor. */
	if ((st->st_gid != c->gid || mode != (st->st_mode & 07777)) &&
	    chmod(path_of_fd(fd, path), mode) < 0)
		return -errno;
	return 0;
}

static int change_tree(const struct change *c, int fd, const struct stat *st, unsigned int depth);

static int change_entry(const struct change *c, int dirfd, const char *name, unsigned int depth)
{
	AUTO_FD fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOENT ? 0 : -errno;	/* deleted meanwhile */
	if (S_ISLNK(st.st_mode))
		return 0;
	if (!S_ISDIR(st.st_mode))
		return change_one(c, fd, &st);
	r = mountinfo_is_mount(fd);	/* what is mounted there is not of this storage */
	if (r)
		return r < 0 ? r : 0;
	return change_tree(c, fd, &st, depth + 1);
}

/* A directory is changed after what it holds, so that a walk that was cut off shows at the root and
 * is done again. */
static int change_tree(const struct change *c, int fd, const struct stat *st, unsigned int depth)
{
	int readable = depth > MAX_DEPTH ? -1 : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = readable < 0 ? NULL : fdopendir(readable);
	struct dirent *d;
	int r = 0;

	if (!dir) {
		r = depth > MAX_DEPTH ? -ELOOP : -errno;
		auto_close(&readable);
		return r;
	}
	while (r == 0 && (errno = 0, d = readdir(dir)))
		if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, ".."))
			r = change_entry(c, readable, d->d_name, depth);
	if (r == 0)
		r = -errno;
	closedir(dir);
	return r < 0 ? r : change_one(c, fd, st);
}

static bool is_read_only(const struct storage_req *r)
{
	for (size_t i = 0; i < r->n_options; i++)
		if (str_eq(r->options[i], "ro"))
			return true;
	return false;
}

int storage_apply_fs_group(const char *path, const struct storage_req *r, struct err *e)
{
	struct change c = { .gid = r->fs_group, .bits = is_read_only(r) ? READ_ONLY : READ_WRITE };
	const char *name;
	AUTO_FD parent = storage_open_parent(path, 0, &name, e);
	AUTO_FD fd = -1;
	struct stat st;
	int error;

	if (parent < 0)
		return err_ctx(e, "fs group");
	fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "fs group of %s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "fs group of %s", path);
	if ((r->flags & STORAGE_FS_GROUP_ON_ROOT_MISMATCH) && st.st_gid == c.gid &&
	    (st.st_mode & wanted_bits(&c, st.st_mode)) == wanted_bits(&c, st.st_mode))
		return 0;
	error = change_tree(&c, fd, &st, 0);
	return error < 0 ? err_sys(e, -error, "fs group %u of %s", c.gid, path) : 0;
}
