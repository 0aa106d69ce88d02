/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a group: listing, moving, killing, freezing, and the removal of what is empty.
 * Only control files are read and written, and none of these calls waits for a process to react. A
 * group that does not exist has no processes and is removed already.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/cgroup_ops.h"
#include "kernel/sys.h"

#define KILL_PASSES	8

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
static int list_here(void *arg, int dirfd)
{
	struct list *l = arg;
	AUTO_FD fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char buf[4096], line[16];
	size_t len = 0;
	ssize_t n;

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
	int r = flags & CGROUP_RECURSIVE ? cgroup_walk(fd, list_here, &l) : list_here(&l, fd);

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

/* --- frozen? --- */

int cgroup_frozen(const struct cgroup_root *root, const char *path)
{
	bool v1 = root->version == CGROUP_VERSION_1;
	AUTO_FD fd = cgroup_open(root, path, v1 ? CGROUP_FREEZER : 0);
	char text[256];
	ssize_t n = fd < 0 ? fd :
			     io_read_line(fd, v1 ? "freezer.state" : "cgroup.events", text,
					  sizeof(text));

	if (n < 0)
		return (int)n;
	if (v1)
		return str_eq(text, "FREEZING") ? -EINPROGRESS : str_eq(text, "FROZEN");
	return strstr(text, "frozen 1") != NULL;
}

/* --- removal --- */

/* at: the group, relative to treefd. */
static int remove_from(int treefd, const char *at, bool below)
{
	AUTO_FD fd = -1;
	int r;

	if (unlinkat(treefd, at, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	if (!below)
		return -EBUSY;
	fd = openat(treefd, at, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = cgroup_remove_below(fd);
	if (r < 0)
		return r;
	return unlinkat(treefd, at, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_all(const struct cgroup_root *root, const char *path, bool below)
{
	const char *at = cgroup_relative(path);
	int result = 0;

	if (!at)
		return -EINVAL;
	if (root->version == CGROUP_VERSION_NONE)
		return 0;
	if (root->version == CGROUP_VERSION_2)
		return remove_from(root->fd, at, below);
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
		const char *name = cgroup_controller_of(root, i);
		AUTO_FD tree = name ? openat(root->fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
		int r;

		if (!name)
			continue;
		r = tree < 0 ? -errno : remove_from(tree, at, below);
		if (r < 0 && !result)
			result = r;
	}
	return result;
}

int cgroup_remove(const struct cgroup_root *root, const char *path)
{
	return remove_all(root, path, true);
}

int cgroup_remove_leaf(const struct cgroup_root *root, const char *path)
{
	return remove_all(root, path, false);
}

static bool dir_has_groups(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink > 2;
}

bool cgroup_has_groups(const struct cgroup_root *root, const char *path)
{
	bool found = false;

	if (root->version == CGROUP_VERSION_2) {
		AUTO_FD fd = cgroup_open(root, path, 0);

		return dir_has_groups(fd);
	}
	for (size_t i = 0; !found && i < CGROUP_CONTROLLERS; i++) {
		unsigned int bit = cgroup_controller_names[i].bit & root->controllers;
		AUTO_FD fd = bit ? cgroup_open(root, path, bit) : -1;

		found = dir_has_groups(fd);
	}
	return found;
}

/* --- the group of a process --- */

bool cgroup_is_inner(int cgroup_fd)
{
	char text[512];

	return io_read_line(cgroup_fd, "cgroup.subtree_control", text, sizeof(text)) > 0;
}

int cgroup_open_of_pid(const struct cgroup_root *root, const char *path, pid_t pid)
{
	char text[4096], file[32];
	struct str s = STR_OVER(file);
	const char *line;
	ssize_t n;

	str_addf(&s, "/proc/%d/cgroup", (int)pid);
	n = io_read_file(AT_FDCWD, file, text, sizeof(text));
	if (n < 0)
		return (int)n;
	line = strstr(text, "0::/");
	if (!line || (line != text && line[-1] != '\n'))
		return -ENOENT;
	text[line - text + (ssize_t)strcspn(line, "\n")] = '\0';
	line += strlen("0::");
	if (!path_is_below(line, path))
		return -ENOENT;
	return cgroup_open(root, line, 0);
}
