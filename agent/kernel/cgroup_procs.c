/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a group: listing, moving, killing, freezing, and the removal of what is empty.
 * Only control files are read and written, and none of these calls waits for a process to react. A
 * group that does not exist has no processes and is removed already.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/num.h"
#include "base/str.h"
#include "kernel/cgroup_ops.h"
#include "kernel/sys.h"

#define KILL_PASSES	8

/* Runs fn for dirfd's subdirectories and theirs, deepest first, and for dirfd itself last. name:
 * in parentfd; parentfd -1 for the top. */
typedef int (*visit_fn)(void *arg, int dirfd, int parentfd, const char *name);

static int visit(int dirfd, int parentfd, const char *name, visit_fn fn, void *arg,
		 unsigned int depth);

static int visit_below(DIR *dir, visit_fn fn, void *arg, unsigned int depth)
{
	const struct dirent *d;
	int r = 0;

	while (r == 0 && (errno = 0, d = readdir(dir))) {
		AUTO_FD sub = -1;

		if (d->d_type != DT_DIR || d->d_name[0] == '.')
			continue;
		sub = openat(dirfd(dir), d->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			r = visit(sub, dirfd(dir), d->d_name, fn, arg, depth + 1);
		else if (errno != ENOENT)
			r = -errno;
	}
	if (!d && errno != ENODEV)	/* ENODEV: the group was removed meanwhile */
		r = -errno;
	return r;
}

static int visit(int fd, int parentfd, const char *name, visit_fn fn, void *arg, unsigned int depth)
{
	int own = depth > CGROUP_DEPTH_MAX ? -1 : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir;
	int r;

	if (own < 0)
		return depth > CGROUP_DEPTH_MAX ? -ELOOP : errno == ENOENT || errno == ENODEV ? 0 : -errno;
	dir = fdopendir(own);
	if (!dir) {
		r = -errno;
		close(own);
		return r;
	}
	r = visit_below(dir, fn, arg, depth);
	closedir(dir);
	return r < 0 ? r : fn(arg, fd, parentfd, name);
}

struct list {
	pid_t *out;
	size_t cap, n;
};

static int take_line(struct list *l, const char *line)
{
	uint64_t pid;

	/* 0: a process outside of the reader's pid namespace. */
	if (num_u64(line, INT32_MAX, &pid) < 0 || pid == 0)
		return 0;
	if (l->n < l->cap)
		l->out[l->n] = (pid_t)pid;
	l->n++;
	return 0;
}

/* Lines may straddle two reads. */
static int list_here(void *arg, int dirfd, int parentfd, const char *name)
{
	struct list *l = arg;
	AUTO_FD fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char buf[4096], line[16];
	size_t len = 0;
	ssize_t n;

	(void)parentfd;
	(void)name;
	if (fd < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] != '\n') {
				if (len < sizeof(line) - 1)
					line[len++] = buf[i];
				continue;
			}
			line[len] = '\0';
			len = 0;
			take_line(l, line);
		}
	}
	/* EOPNOTSUPP: a threaded group of version 2 lists none; its processes are its parent's. */
	return n < 0 && errno != ENODEV && errno != EOPNOTSUPP ? -errno : 0;
}

static ssize_t pids_of(int fd, unsigned int flags, pid_t *out, size_t cap)
{
	struct list l = { .out = out, .cap = cap };
	int r = flags & CGROUP_RECURSIVE ? visit(fd, -1, NULL, list_here, &l, 0) :
					   list_here(&l, fd, -1, NULL);

	return r < 0 ? r : (ssize_t)l.n;
}

ssize_t cgroup_pids(const struct cgroup_root *root, const char *path, unsigned int flags,
		    pid_t *out, size_t cap)
{
	AUTO_FD fd = cgroup_open(root, path, 0);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	return pids_of(fd, flags, out, cap);
}

static int add_to(int fd, const char *pid)
{
	return fd < 0 ? fd : io_write_file(fd, "cgroup.procs", pid);
}

int cgroup_add_pid(const struct cgroup_root *root, const char *path, pid_t pid)
{
	char text[16];
	struct str s = STR_OVER(text);

	str_addf(&s, "%d", pid);
	if (root->version == CGROUP_VERSION_2) {
		AUTO_FD fd = cgroup_open(root, path, 0);

		return add_to(fd, text);
	}
	if (root->version == CGROUP_VERSION_NONE)
		return -ENODEV;
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
		unsigned int bit = cgroup_controller_names[i].bit;
		AUTO_FD fd = -1;
		int r;

		if (!(root->controllers & bit))
			continue;
		fd = cgroup_open(root, path, bit);
		r = add_to(fd, text);
		if (r < 0)
			return r;
	}
	return 0;
}

static int freeze_fd(const struct cgroup_root *root, int fd, int frozen)
{
	if (root->version == CGROUP_VERSION_2)
		return io_write_file(fd, "cgroup.freeze", frozen ? "1" : "0");
	return io_write_file(fd, "freezer.state", frozen ? "FROZEN" : "THAWED");
}

int cgroup_freeze(const struct cgroup_root *root, const char *path, int frozen)
{
	AUTO_FD fd =
		cgroup_open(root, path, root->version == CGROUP_VERSION_1 ? CGROUP_FREEZER : 0);

	return fd < 0 ? fd : freeze_fd(root, fd, frozen);
}

static int kill_listed(int fd, bool *any)
{
	pid_t pids[256];
	ssize_t n = pids_of(fd, CGROUP_RECURSIVE, pids, COUNT_OF(pids));

	*any = n > 0;
	if (n < 0)
		return (int)n;
	for (ssize_t i = 0; i < MIN(n, (ssize_t)COUNT_OF(pids)); i++)
		if (kill(pids[i], SIGKILL) < 0 && errno != ESRCH)
			return -errno;
	*any = n > (ssize_t)COUNT_OF(pids);	/* more than fits in one pass */
	return 0;
}

/* Frozen processes cannot fork; a SIGKILL takes effect at the thaw (version 1) or at once (2). */
static int kill_by_ids(const struct cgroup_root *root, int fd)
{
	bool again = true;
	int r = 0;

	(void)freeze_fd(root, fd, 1);
	for (int i = 0; i < KILL_PASSES && r == 0 && again; i++)
		r = kill_listed(fd, &again);
	(void)freeze_fd(root, fd, 0);
	return r;
}

int cgroup_kill(const struct cgroup_root *root, const char *path)
{
	unsigned int freezer =
		root->version == CGROUP_VERSION_1 ? root->controllers & CGROUP_FREEZER : 0;
	AUTO_FD fd = cgroup_open(root, path, freezer);
	int r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (root->version == CGROUP_VERSION_2) {
		r = io_write_file(fd, "cgroup.kill", "1");
		if (r != -ENOENT)
			return r == -ENODEV ? 0 : r;
	}
	return kill_by_ids(root, fd);
}

int cgroup_populated(const struct cgroup_root *root, const char *path)
{
	AUTO_FD fd = cgroup_open(root, path, 0);
	char text[256];
	ssize_t n;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (root->version == CGROUP_VERSION_2) {
		n = io_read_file(fd, "cgroup.events", text, sizeof(text));
		if (n < 0)
			return n == -ENOENT || n == -ENODEV ? 0 : (int)n;
		return strstr(text, "populated 1") ? 1 : 0;
	}
	n = pids_of(fd, CGROUP_RECURSIVE, NULL, 0);
	return n < 0 ? (int)n : n > 0;
}

static int remove_here(void *arg, int fd, int parentfd, const char *name)
{
	(void)arg;
	(void)fd;
	if (parentfd < 0)
		return 0;	/* the top is the caller's */
	return unlinkat(parentfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/* at: the group, relative to treefd. */
static int remove_from(int treefd, const char *at)
{
	AUTO_FD fd = openat(treefd, at, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	/* Most groups have none below: no need to look. */
	if (unlinkat(treefd, at, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	r = visit(fd, -1, NULL, remove_here, NULL, 0);
	if (r < 0)
		return r;
	return unlinkat(treefd, at, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int cgroup_remove(const struct cgroup_root *root, const char *path)
{
	const char *at = cgroup_relative(path);
	int result = 0;

	if (!at)
		return -EINVAL;
	if (root->version == CGROUP_VERSION_NONE)
		return 0;
	if (root->version == CGROUP_VERSION_2)
		return remove_from(root->fd, at);
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
		const char *name = cgroup_controller_of(root, i);
		AUTO_FD tree = name ? openat(root->fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
		int r;

		if (!name)
			continue;
		r = tree < 0 ? -errno : remove_from(tree, at);
		if (r < 0 && !result)
			result = r;
	}
	return result;
}
