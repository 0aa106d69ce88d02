/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copy behind tmpcopyup: what a directory of the image held appears on the tmpfs that covers
 * it. Works on descriptors, follows no symlink, and does not cross into other mounts of the source.
 * Extended attributes are not copied.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "kernel/plan_ops.h"

#define DEPTH_MAX	256	/* two descriptors a level */
#define CHUNK		(1u << 20)

static int copy_dir(int from, int to, dev_t dev, unsigned int depth);

static int copy_data(int from, int to)
{
	for (;;) {
		ssize_t n = sendfile(to, from, NULL, CHUNK);

		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

/* Owner before mode: a change of the owner clears the set-id bits. */
static int copy_meta(int fd, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0)
		return -errno;
	return futimens(fd, times) < 0 ? -errno : 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	AUTO_FD in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_FD out = -1;
	int r;

	if (in < 0)
		return -errno;
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	r = copy_data(in, out);
	return r < 0 ? r : copy_meta(out, st);
}

static int copy_subdir(int from, int to, const char *name, const struct stat *st,
		       unsigned int depth)
{
	AUTO_FD in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD out = -1;
	int r;

	if (in < 0)
		return -errno;
	if (mkdirat(to, name, 0700) < 0)
		return -errno;
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return -errno;
	r = copy_dir(in, out, st->st_dev, depth + 1);
	return r < 0 ? r : copy_meta(out, st);
}

static int copy_link(int from, int to, const char *name, const struct stat *st)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(from, name, text, sizeof(text) - 1);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	if (symlinkat(text, to, name) < 0)
		return -errno;
	return fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_node(int to, const char *name, const struct stat *st)
{
	if (mknodat(to, name, st->st_mode, st->st_rdev) < 0 ||
	    fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		return -errno;
	return 0;
}

static int copy_one(int from, int to, const char *name, dev_t dev, unsigned int depth)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	/* What is mounted below stays there. Only directories tell: an overlay's files show the device
	 * of their layer. */
	if (S_ISDIR(st.st_mode) && st.st_dev != dev)
		return 0;
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		return copy_subdir(from, to, name, &st, depth);
	case S_IFREG:
		return copy_file(from, to, name, &st);
	case S_IFLNK:
		return copy_link(from, to, name, &st);
	default:
		return copy_node(to, name, &st);
	}
}

static int copy_dir(int from, int to, dev_t dev, unsigned int depth)
{
	int own = depth < DEPTH_MAX ? fcntl(from, F_DUPFD_CLOEXEC, 0) : -1;
	const struct dirent *d;
	DIR *dir;
	int r = 0;

	if (own < 0)
		return depth < DEPTH_MAX ? -errno : -ELOOP;
	dir = fdopendir(own);
	if (!dir) {
		r = -errno;
		close(own);
		return r;
	}
	while (r == 0) {
		errno = 0;
		d = readdir(dir);
		if (!d) {
			r = -errno;
			break;
		}
		if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, ".."))
			r = copy_one(from, to, d->d_name, dev, depth);
	}
	closedir(dir);
	return r;
}

int plan_copy_tree(int fromfd, int tofd)
{
	struct stat st;
	int r;

	if (fstat(fromfd, &st) < 0)
		return -errno;
	r = copy_dir(fromfd, tofd, st.st_dev, 0);
	return r < 0 ? r : copy_meta(tofd, &st);
}
