/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rm -rf with one open directory at a time, whatever the depth. A directory is listed once: what
 * rmdir and unlink take goes at once, the names of directories that are not empty are kept
 * on a stack. Then the walk enters the top one, and comes back by "..", where device and inode must be
 * those of the directory that it came from: somebody who moves a directory away meanwhile
 * makes the removal fail, not spread.
 *
 * Mount points: rmdir(2) refuses them with EBUSY before anything else, and entering uses
 * RESOLVE_NO_XDEV (or compares mount ids) in case one appears between.
 */
#include "base/path.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/num.h"

#ifndef SYS_openat2
#define SYS_openat2	437
#endif

#define DIR_FLAGS	(O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Directories that got new entries, or whose listing skipped some, while they were emptied. */
#define REFILL_MAX	64

struct level {
	dev_t dev;
	ino_t ino;
	size_t names;	/* where its names begin */
};

struct removal {
	int topfd;		/* the caller's */
	const char *topname;
	int fd;			/* the directory of the last level, owned */
	unsigned int refills;
	struct level *levels;
	size_t depth, levels_cap;
	char *names;		/* per level: names of directories to empty; the last one is being emptied */
	size_t names_len, names_cap;
};

/* *p has room for n elements of `size` bytes. */
static int reserve(void *p, size_t *cap, size_t n, size_t size)
{
	size_t new_cap = MAX(2 * *cap, (size_t)64), bytes;
	void *bigger;

	if (n <= *cap)
		return 0;
	new_cap = MAX(new_cap, n);
	if (!num_mul(new_cap, size, &bytes))
		return -ENOMEM;
	bigger = realloc(*(void **)p, bytes);
	if (!bigger)
		return -ENOMEM;
	*(void **)p = bigger;
	*cap = new_cap;
	return 0;
}

static int push_name(struct removal *r, const char *name)
{
	size_t len = strlen(name) + 1;
	int err = reserve(&r->names, &r->names_cap, r->names_len + len, 1);

	if (err < 0)
		return err;
	memcpy(r->names + r->names_len, name, len);
	r->names_len += len;
	return 0;
}

/* Where the last name begins. */
static size_t last_name(const struct removal *r)
{
	size_t at = r->names_len - 1;

	while (at > 0 && r->names[at - 1])
		at--;
	return at;
}

/* 0: gone. 1: a directory that is not empty. Else -errno. */
static int remove_one(int dirfd, const char *name)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return errno == ENOTEMPTY || errno == EEXIST ? 1 : -errno;
}

static int open_dir(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, DIR_FLAGS);

	return fd < 0 ? -errno : fd;
}

/* The id of the mount that fd is on, for kernels without openat2 (which lack STATX_MNT_ID too):
 * a bind mount has the device of what it shows. */
static int mount_id(int fd)
{
	char path[48], text[512];
	const char *line;
	uint64_t id;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	n = io_read_file(AT_FDCWD, path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	line = strstr(text, "mnt_id:\t");
	if (!line)
		return -ENOSYS;
	line += strlen("mnt_id:\t");
	text[line - text + (ssize_t)strcspn(line, "\n")] = '\0';
	return num_u64(line, INT_MAX, &id) < 0 ? -EINVAL : (int)id;
}

static int open_checking_id(int dirfd, const char *name)
{
	AUTO_FD fd = open_dir(dirfd, name);
	int here = mount_id(dirfd);
	int there = fd < 0 ? fd : mount_id(fd);

	if (here < 0 || there < 0)
		return here < 0 ? here : there;
	return here == there ? TAKE_FD(fd) : -EBUSY;
}

/* Opens a directory below dirfd that is on the same mount. */
static int open_same_mount(int dirfd, const char *name)
{
	struct open_how how = { .flags = DIR_FLAGS, .resolve = RESOLVE_NO_XDEV };
	int fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

	if (fd >= 0)
		return fd;
	if (errno == ENOSYS)
		return open_checking_id(dirfd, name);
	return errno == EXDEV ? -EBUSY : -errno;
}

/* Empties the directory r->fd as far as this goes without entering others. ENOENT: somebody else
 * removed it, so it is empty. */
static int list_level(struct removal *r)
{
	int err = 0, listfd = openat(r->fd, ".", DIR_FLAGS);
	DIR *dir = listfd < 0 ? NULL : fdopendir(listfd);
	struct dirent *de;

	if (!dir) {
		err = errno == ENOENT ? 0 : -errno;
		auto_close(&listfd);
		return err;
	}
	while (err >= 0 && (errno = 0, de = readdir(dir))) {
		if (str_eq(de->d_name, ".") || str_eq(de->d_name, ".."))
			continue;
		err = remove_one(r->fd, de->d_name);
		if (err == 1)
			err = push_name(r, de->d_name);
	}
	if (err >= 0)
		err = errno == ENOENT ? 0 : -errno;
	closedir(dir);
	return err;
}

/* fd becomes the last level. */
static int enter(struct removal *r, int fd)
{
	struct stat st;
	int err;

	if (fd < 0)
		return fd;
	auto_close(&r->fd);
	r->fd = fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	err = reserve(&r->levels, &r->levels_cap, r->depth + 1, sizeof(*r->levels));
	if (err < 0)
		return err;
	r->levels[r->depth++] = (struct level){ st.st_dev, st.st_ino, r->names_len };
	return list_level(r);
}

/* From an emptied directory back to the one above. */
static int leave(struct removal *r)
{
	const struct level *above = &r->levels[--r->depth - 1];
	struct stat st;
	int fd = open_dir(r->fd, "..");

	if (fd < 0)
		return fd;
	auto_close(&r->fd);
	r->fd = fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_dev == above->dev && st.st_ino == above->ino ? 0 : -EAGAIN;
}

static int count_refill(struct removal *r)
{
	return ++r->refills > REFILL_MAX ? -ENOTEMPTY : 0;
}

/* Takes the last name off when its directory is gone now; else it is emptied once more. */
static int finish_name(struct removal *r)
{
	size_t at = last_name(r);
	int err = remove_one(r->fd, r->names + at);

	if (err == 1)
		return count_refill(r);
	if (err == 0)
		r->names_len = at;
	return err;
}

/* The top directory, at first and when it was filled again. 1: it is gone. */
static int enter_top(struct removal *r)
{
	int fd = open_dir(r->topfd, r->topname);

	return fd == -ENOENT ? 1 : enter(r, fd);
}

static int finish_top(struct removal *r)
{
	int err = remove_one(r->topfd, r->topname);

	r->depth = 0;
	if (err == 1)
		return count_refill(r);
	return err < 0 ? err : 1;
}

/* Enters the directory whose name is the last one, unless somebody removed or replaced it. */
static int enter_last(struct removal *r)
{
	int fd = open_same_mount(r->fd, r->names + last_name(r));

	return fd == -ENOENT || fd == -ENOTDIR ? finish_name(r) : enter(r, fd);
}

static int leave_last(struct removal *r)
{
	int err = leave(r);

	return err < 0 ? err : finish_name(r);
}

/* One directory entered or left: 0 to go on, 1 when the top one is gone, else -errno. */
static int step(struct removal *r)
{
	if (r->depth == 0)
		return enter_top(r);
	if (r->names_len > r->levels[r->depth - 1].names)
		return enter_last(r);
	return r->depth > 1 ? leave_last(r) : finish_top(r);
}

int path_remove_tree(int dirfd, const char *name)
{
	struct removal r = { .topfd = dirfd, .topname = name, .fd = -1 };
	const char *slash = strrchr(name, '/');
	const char *last = slash ? slash + 1 : name;
	int err;

	if (!*last || str_eq(last, ".") || str_eq(last, ".."))
		return -EINVAL;
	err = remove_one(dirfd, name);
	if (err <= 0)
		return err;
	do
		err = step(&r);
	while (err == 0);
	auto_close(&r.fd);
	free(r.levels);
	free(r.names);
	return err < 0 ? err : 0;
}
