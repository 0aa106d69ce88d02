/* SPDX-License-Identifier: Apache-2.0 */
/* A file tree in a temporary directory: a sysfs as the test wants it. Paths are relative to it. */
#ifndef MOTE_TESTS_FAKE_TREE_H
#define MOTE_TESTS_FAKE_TREE_H

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "base/str.h"

struct fake_tree {
	char dir[64];	/* "/tmp/mote-…" */
	char sys[80];	/* "…/sys" */
	int fd;
};

static inline void fake_dir(struct fake_tree *t, const char *path)
{
	int fd = path_mkdirs_in(t->fd, path, 0755);

	assert(fd >= 0);
	close(fd);
}

static inline void fake_tree_new(struct fake_tree *t)
{
	snprintf(t->dir, sizeof(t->dir), "/tmp/mote-tree-XXXXXX");
	assert(mkdtemp(t->dir));
	snprintf(t->sys, sizeof(t->sys), "%s/sys", t->dir);
	t->fd = open(t->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert(t->fd >= 0);
	fake_dir(t, "sys/class/block");
	fake_dir(t, "dev");
}

static inline void fake_tree_free(struct fake_tree *t)
{
	close(t->fd);
	assert(path_remove_tree(AT_FDCWD, t->dir) == 0);
}

/* With the directories above it. */
static inline void fake_file(struct fake_tree *t, const char *path, const char *text)
{
	const char *name;
	int fd = path_parent_in(t->fd, path, 0755, &name);

	assert(fd >= 0 && io_create_file(fd, name, text, strlen(text), 0644) == 0);
	close(fd);
}

static inline void fake_link(struct fake_tree *t, const char *path, const char *to)
{
	const char *name;
	int fd = path_parent_in(t->fd, path, 0755, &name);

	assert(fd >= 0 && symlinkat(to, fd, name) == 0);
	close(fd);
}

/* A disk as the kernel shows it: its directory below sys/devices, its link in class/block, its
 * node. */
static inline void fake_disk(struct fake_tree *t, const char *device, const char *name,
			     const char *number)
{
	char path[512];

	snprintf(path, sizeof(path), "sys/devices/%s/block/%s/dev", device, name);
	fake_file(t, path, number);
	snprintf(path, sizeof(path), "sys/devices/%s/block/%s/stat", device, name);
	fake_file(t, path, "       3        0       24        1\n");
	snprintf(path, sizeof(path), "../../devices/%s/block/%s", device, name);
	{
		char link[128];

		snprintf(link, sizeof(link), "sys/class/block/%s", name);
		fake_link(t, link, path);
		snprintf(link, sizeof(link), "dev/%s", name);
		fake_file(t, link, "");
	}
}

#endif
