/* SPDX-License-Identifier: Apache-2.0 */
/* Version 1's cpusets: a new one is empty, and only the root's follows the machine's processors. */
#include <fcntl.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/str.h"
#include "kernel/cgroup_ops.h"

/* last: it is the path's own group. */
typedef int (*cpuset_fn)(int parentfd, int fd, bool last);

/* The groups on the way to `at`, from the top down. */
static int each_cpuset(const struct cgroup_root *root, const char *at, cpuset_fn fn)
{
	AUTO_FD fd = openat(root->fd, "cpuset", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	while (r == 0 && *at) {
		char name[256];
		struct str s = STR_OVER(name);
		size_t n = strcspn(at, "/");
		int sub;

		str_add_n(&s, at, n);
		if (!str_ok(&s))
			return -ENAMETOOLONG;
		at += n + (at[n] == '/');
		sub = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			return -errno;
		r = fn(fd, sub, !*at);
		auto_close(&fd);
		fd = sub;
	}
	return r;
}

static int copy(int parentfd, int fd, const char *file)
{
	char text[1024];
	ssize_t n = io_read_line(parentfd, file, text, sizeof(text));

	return n < 0 ? (int)n : io_write_file(fd, file, text);
}

static int inherit(int parentfd, int fd, const char *file)
{
	char text[1024];
	ssize_t n = io_read_line(fd, file, text, sizeof(text));

	if (n != 0)
		return n < 0 ? (int)n : 0;
	return copy(parentfd, fd, file);
}

static int fill(int parentfd, int fd, bool last UNUSED)
{
	int r = inherit(parentfd, fd, "cpuset.cpus");

	return r < 0 ? r : inherit(parentfd, fd, "cpuset.mems");
}

int cgroup_fill_cpusets(const struct cgroup_root *root, const char *at)
{
	return each_cpuset(root, at, fill);
}

static int follow(int parentfd, int fd, bool last UNUSED)
{
	return copy(parentfd, fd, "cpuset.cpus");
}

static int follow_above(int parentfd, int fd, bool last)
{
	return last ? 0 : follow(parentfd, fd, last);
}

int cgroup_follow_cpus(const struct cgroup_root *root, const char *path, bool leaf, struct err *e)
{
	const char *at = cgroup_relative(path);
	int r;

	if (root->version != CGROUP_VERSION_1 || !(root->controllers & CGROUP_CPUSET) || !at)
		return 0;
	r = each_cpuset(root, at, leaf ? follow : follow_above);
	return r < 0 && r != -ENOENT ? err_sys(e, -r, "processors of cgroup %s", at) : 0;
}
