/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a group's counters, in a job: which files there are, and nothing of what they mean. */
#include "kernel/cgroup_stats.h"

#include <dirent.h>
#include <fcntl.h>

#include "base/io.h"
#include "base/str.h"
#include "kernel/cgroup_ops.h"

#define TEXT_MAX 16384 /* of one file */

/* The small ones first: a buffer that fills up loses a device's counters, not the memory's. */
static const char *const files_v2[] = {
	"cpu.stat",        "memory.current",   "memory.max",
	"memory.peak",     "memory.events",    "memory.swap.current",
	"memory.swap.max", "memory.swap.peak", "memory.swap.events",
	"pids.current",    "pids.max",         "memory.stat",
	"io.stat",
};

static const struct {
	unsigned int controller;
	const char *file;
} files_v1[] = {
	{ CGROUP_CPUACCT, "cpuacct.usage" },
	{ CGROUP_CPUACCT, "cpuacct.stat" },
	{ CGROUP_CPU, "cpu.stat" },
	{ CGROUP_MEMORY, "memory.usage_in_bytes" },
	{ CGROUP_MEMORY, "memory.max_usage_in_bytes" },
	{ CGROUP_MEMORY, "memory.limit_in_bytes" },
	{ CGROUP_MEMORY, "memory.failcnt" },
	{ CGROUP_MEMORY, "memory.memsw.usage_in_bytes" },
	{ CGROUP_MEMORY, "memory.memsw.max_usage_in_bytes" },
	{ CGROUP_MEMORY, "memory.memsw.limit_in_bytes" },
	{ CGROUP_MEMORY, "memory.memsw.failcnt" },
	{ CGROUP_MEMORY, "memory.kmem.usage_in_bytes" },
	{ CGROUP_MEMORY, "memory.kmem.max_usage_in_bytes" },
	{ CGROUP_MEMORY, "memory.kmem.limit_in_bytes" },
	{ CGROUP_MEMORY, "memory.kmem.failcnt" },
	{ CGROUP_MEMORY, "memory.use_hierarchy" },
	{ CGROUP_PIDS, "pids.current" },
	{ CGROUP_PIDS, "pids.max" },
	{ CGROUP_MEMORY, "memory.stat" },
	{ CGROUP_CPUACCT, "cpuacct.usage_percpu" },
};

/* Only these have files whose names hold more than the table says. */
static const struct {
	unsigned int controller;
	const char *prefix;
} families[] = {
	{ CGROUP_HUGETLB, "hugetlb." }, { CGROUP_IO, "blkio." }, /* of version 1 */
};

void stat_texts_add(struct stat_texts *t, int dirfd, const char *file, const char *name)
{
	AUTO_FD fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC);
	size_t name_len = strlen(name) + 1, room;
	char *text;
	ssize_t n;

	if (fd < 0 || name_len + 2 > t->cap - t->len)
		return;
	text = t->buf + t->len + name_len;
	room = MIN(t->cap - t->len - name_len - 1, (size_t)TEXT_MAX);
	n = io_read_full(fd, text, room);
	if (n < 0)
		return;
	while ((size_t)n == room && n > 0 && text[n - 1] != '\n')
		n--;
	memcpy(t->buf + t->len, name, name_len);
	text[n] = '\0';
	t->len += name_len + (size_t)n + 1;
}

static bool is_wanted(const char *prefix, const char *name)
{
	static const char *const ends[] = {
		".current", ".max",      ".events", ".usage_in_bytes", ".max_usage_in_bytes",
		".failcnt", "_recursive"
	};
	size_t len = strlen(name);

	if (!str_starts(name, prefix) || strstr(name, ".rsvd."))
		return false;
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		size_t n = strlen(ends[i]);

		if (len > n && str_eq(name + len - n, ends[i]))
			return true;
	}
	return false;
}

static void add_family(struct stat_texts *t, int groupfd, const char *prefix)
{
	int fd = openat(groupfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;

	if (!dir) {
		auto_close(&fd);
		return;
	}
	while ((d = readdir(dir)))
		if (is_wanted(prefix, d->d_name))
			stat_texts_add(t, groupfd, d->d_name, d->d_name);
	closedir(dir);
}

static void collect_v1(const struct cgroup_root *root, const char *path, struct stat_texts *t)
{
	for (size_t i = 0; i < COUNT_OF(files_v1); i++) {
		AUTO_FD fd = cgroup_open(root, path, files_v1[i].controller);

		if (fd >= 0)
			stat_texts_add(t, fd, files_v1[i].file, files_v1[i].file);
	}
	for (size_t i = 0; i < COUNT_OF(families); i++) {
		AUTO_FD fd = cgroup_open(root, path, families[i].controller);

		if (fd >= 0)
			add_family(t, fd, families[i].prefix);
	}
}

int cgroup_stats_collect(const struct cgroup_root *root, const char *path, struct stat_texts *t)
{
	AUTO_FD fd = path ? cgroup_open(root, path, 0) : openat(root->fd, ".", O_PATH | O_CLOEXEC);

	if (fd < 0)
		return path ? fd : -errno;
	if (!path && root->version == CGROUP_VERSION_1)
		return 0;
	if (root->version == CGROUP_VERSION_1) {
		collect_v1(root, path, t);
		return 0;
	}
	for (size_t i = 0; i < COUNT_OF(files_v2); i++)
		stat_texts_add(t, fd, files_v2[i], files_v2[i]);
	for (size_t i = 0; i < COUNT_OF(families); i++)
		add_family(t, fd, families[i].prefix);
	return 0;
}
