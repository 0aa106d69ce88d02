/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks over groups and those below them. A container that is shown its own groups may nest them as
 * deep and as many as it likes: the walks hold one directory open at a time, whatever the depth,
 * and find back by "..", which leads nowhere else in a tree of groups.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>

#include "kernel/cgroup_ops.h"

struct walk {
	DIR *dir;
	long *back; /* where each directory above was left */
	size_t depth, cap;
};

static DIR *open_dir(int fd, const char *name, int flags)
{
	int own = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	DIR *dir = own < 0 ? NULL : fdopendir(own);

	if (!dir && own >= 0)
		close(own);
	return dir;
}

/* A subdirectory that went meanwhile is none. */
static int go_down(struct walk *w, const char *name)
{
	DIR *sub = open_dir(dirfd(w->dir), name, O_NOFOLLOW);

	if (!sub)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	if (w->depth == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 16;
		long *back = realloc(w->back, cap * sizeof(*back));

		if (!back) {
			closedir(sub);
			return -ENOMEM;
		}
		w->back = back;
		w->cap = cap;
	}
	w->back[w->depth++] = telldir(w->dir);
	closedir(w->dir);
	w->dir = sub;
	return 0;
}

static int go_up(struct walk *w)
{
	DIR *up = open_dir(dirfd(w->dir), "..", 0);

	if (!up)
		return -errno;
	closedir(w->dir);
	w->dir = up;
	seekdir(up, w->back[--w->depth]);
	return 0;
}

static bool is_group(const struct dirent *d)
{
	return d->d_type == DT_DIR && d->d_name[0] != '.';
}

int cgroup_walk(int fd, int (*fn)(void *arg, int dirfd), void *arg)
{
	struct walk w = { .dir = open_dir(fd, ".", 0) };
	int r;

	if (!w.dir)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	r = fn(arg, dirfd(w.dir));
	while (r == 0) {
		const struct dirent *d = (errno = 0, readdir(w.dir));
		size_t depth = w.depth;

		if (!d && errno && errno != ENODEV) { /* ENODEV: the group was removed meanwhile */
			r = -errno;
			break;
		}
		if (d && !is_group(d))
			continue;
		if (!d && !w.depth)
			break;
		r = d ? go_down(&w, d->d_name) : go_up(&w);
		if (r == 0 && w.depth > depth)
			r = fn(arg, dirfd(w.dir));
	}
	closedir(w.dir);
	free(w.back);
	return r;
}

/* Removes those of dir's groups that have none below them, and says one that has: 1 with its name,
 * 0: none is left, -EBUSY: one has no groups below and does not go, so it has processes. */
static int prune(DIR *dir, char name[NAME_MAX + 1])
{
	const struct dirent *d;
	bool deeper = false;

	rewinddir(dir);
	while ((errno = 0, d = readdir(dir))) {
		if (!is_group(d) || unlinkat(dirfd(dir), d->d_name, AT_REMOVEDIR) == 0 ||
		    errno == ENOENT)
			continue;
		if (errno != EBUSY && errno != ENOTEMPTY)
			return -errno;
		memcpy(name, d->d_name, strlen(d->d_name) + 1);
		deeper = true;
	}
	return errno && errno != ENODEV ? -errno : deeper;
}

static bool has_groups(DIR *dir)
{
	const struct dirent *d;
	bool found = false;

	rewinddir(dir);
	while (!found && (d = readdir(dir)))
		found = is_group(d);
	return found;
}

/* Down along groups that have groups below, up again when all of them are gone. What has none and
 * does not go is full. */
int cgroup_remove_below(int fd)
{
	DIR *dir = open_dir(fd, ".", 0);
	char name[NAME_MAX + 1];
	size_t depth = 0;
	int r;

	if (!dir)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	while ((r = prune(dir, name)) >= 0 && (r || depth)) {
		DIR *next = open_dir(dirfd(dir), r ? name : "..", O_NOFOLLOW);

		if (!next && errno == ENOENT)
			continue;
		if (!next) {
			r = -errno;
			break;
		}
		closedir(dir);
		dir = next;
		depth = r ? depth + 1 : depth - 1;
		if (r && !has_groups(dir)) {
			r = -EBUSY;
			break;
		}
	}
	closedir(dir);
	return r;
}
