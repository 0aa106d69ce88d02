/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the control groups are: detection, the mounts at boot, directories. Version 2 is one tree
 * whose root says which controllers there are; version 1 is a tmpfs with one tree per controller.
 * The root is a parameter everywhere, so that tests can work on a tree of their own.
 */
#include "kernel/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/io.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/cgroup_ops.h"
#include "kernel/sys.h"

#define MOUNT_FLAGS	(MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME)

const struct cgroup_controller_name cgroup_controller_names[CGROUP_CONTROLLERS] = {
	/* blkio before memory: writeback accounting wants it so */
	{ CGROUP_IO, "blkio", "io" },
	{ CGROUP_CPU, "cpu", "cpu" },
	{ CGROUP_CPUACCT, "cpuacct", NULL },
	{ CGROUP_CPUSET, "cpuset", "cpuset" },
	{ CGROUP_MEMORY, "memory", "memory" },
	{ CGROUP_PIDS, "pids", "pids" },
	{ CGROUP_DEVICES, "devices", NULL },
	{ CGROUP_FREEZER, "freezer", NULL },
	{ CGROUP_HUGETLB, "hugetlb", "hugetlb" },
	{ CGROUP_NET_CLS, "net_cls", NULL },
	{ CGROUP_NET_PRIO, "net_prio", NULL },
	{ CGROUP_PERF_EVENT, "perf_event", NULL },
	{ CGROUP_RDMA, "rdma", "rdma" },
};

const char *cgroup_relative(const char *path)
{
	path += strspn(path, "/");
	for (const char *at = path; *at;) {
		size_t n = strcspn(at, "/");

		if (n == 0 || (n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
			return NULL;
		at += n;
		if (*at == '/' && at[1])
			at++;
		else if (*at)
			return NULL;
	}
	return *path ? path : NULL;
}

unsigned int cgroup_any(const struct cgroup_root *root)
{
	static const unsigned int order[] = { CGROUP_MEMORY, CGROUP_PIDS, CGROUP_FREEZER,
					      CGROUP_DEVICES, CGROUP_CPU };

	if (root->version != CGROUP_VERSION_1)
		return 0;
	for (size_t i = 0; i < COUNT_OF(order); i++)
		if (root->controllers & order[i])
			return order[i];
	return root->controllers & -root->controllers;
}

bool cgroup_has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = words; *at; at += strspn(at, " \n")) {
		size_t len = strcspn(at, " \n");

		if (len == n && memcmp(at, word, n) == 0)
			return true;
		at += len;
	}
	return false;
}

int cgroup_read_controllers(struct cgroup_root *root, const char *at)
{
	char words[512], file[sizeof(root->base) + 32];
	struct str s = STR_OVER(file);
	ssize_t n;

	str_addf(&s, "%scgroup.controllers", at);
	n = io_read_file(root->fd, file, words, sizeof(words));
	if (n < 0)
		return (int)n;
	root->controllers = 0;
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
		const struct cgroup_controller_name *c = &cgroup_controller_names[i];

		if (c->v2 && cgroup_has_word(words, c->v2))
			root->controllers |= c->bit;
	}
	return 0;
}

static int detect_v2(struct cgroup_root *root)
{
	int r = cgroup_read_controllers(root, "");

	if (r == 0)
		root->version = CGROUP_VERSION_2;
	return r;
}

static void detect_v1(struct cgroup_root *root)
{
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
		const struct cgroup_controller_name *c = &cgroup_controller_names[i];
		AUTO_FD fd = openat(root->fd, c->v1, O_PATH | O_DIRECTORY | O_CLOEXEC);
		struct statfs fs;

		if (fd >= 0 && fstatfs(fd, &fs) == 0 &&
		    (unsigned long)fs.f_type == SYS_CGROUP_MAGIC)
			root->controllers |= c->bit;
	}
	if (root->controllers)
		root->version = CGROUP_VERSION_1;
}

int cgroup_detect(const char *path, struct cgroup_root *out)
{
	struct statfs fs;
	struct str s;
	int r = 0;

	*out = (struct cgroup_root){ .fd = -1 };
	str_init(&s, out->path, sizeof(out->path));
	str_add(&s, path);
	if (!str_ok(&s))
		return -ENAMETOOLONG;
	out->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (out->fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstatfs(out->fd, &fs) < 0)
		r = -errno;
	else if ((unsigned long)fs.f_type == SYS_CGROUP2_MAGIC)
		r = detect_v2(out);
	else
		detect_v1(out);
	if (r < 0 || out->version == CGROUP_VERSION_NONE)
		cgroup_root_fini(out);
	return r;
}

void cgroup_root_fini(struct cgroup_root *root)
{
	auto_close(&root->fd);
	root->version = CGROUP_VERSION_NONE;
	root->controllers = 0;
}

static int make_dir(const char *path)
{
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD fd = root < 0 ? -errno : path_mkdirs_in(root, path, 0755);

	return fd < 0 ? fd : 0;
}

/* Is the controller in /proc/cgroups, and enabled (fourth column)? */
static bool kernel_has(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		unsigned int hierarchy, groups, enabled;

		line += *line == '\n';
		if (strncmp(line, name, n) == 0 && line[n] == '\t' &&
		    sscanf(line + n, "%u %u %u", &hierarchy, &groups, &enabled) == 3)
			return enabled != 0;
	}
	return false;
}

static int mount_one(const char *base, const char *name, struct err *e)
{
	char path[128];
	struct str s = STR_OVER(path);

	str_addf(&s, "%s/%s", base, name);
	if (!str_ok(&s))
		return err_sys(e, ENAMETOOLONG, "mount the %s controller", name);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "mkdir %s", path);
	if (mount("cgroup", path, "cgroup", MOUNT_FLAGS, name) < 0)
		return err_sys(e, errno, "mount the %s controller on %s", name, path);
	return 0;
}

static int mount_v1(const char *path, struct err *e)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	char text[2048], file[128];
	struct str s = STR_OVER(file);
	ssize_t n = io_read_file(AT_FDCWD, "/proc/cgroups", text, sizeof(text));

	if (n < 0)
		return err_sys(e, (int)-n, "read /proc/cgroups");
	if (mount("tmpfs", path, "tmpfs", flags, "mode=755") < 0)
		return err_sys(e, errno, "mount tmpfs on %s", path);
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
		const char *name = cgroup_controller_names[i].v1;

		if (kernel_has(text, name) && mount_one(path, name, e) < 0)
			return -1;
	}
	if (mount(NULL, path, NULL, MS_REMOUNT | MS_RDONLY | flags, "mode=755") < 0)
		return err_sys(e, errno, "remount %s read-only", path);
	str_addf(&s, "%s/memory/memory.use_hierarchy", path);
	n = io_write_file(AT_FDCWD, file, "1");
	return n < 0 && n != -ENOENT ? err_sys(e, (int)-n, "write %s", file) : 0;
}

static int mount_v2(const char *path, struct err *e)
{
	if (mount("cgroup2", path, "cgroup2", MOUNT_FLAGS, "nsdelegate") < 0)
		return err_sys(e, errno, "mount cgroup2 on %s", path);
	return 0;
}

static int detect(const char *path, struct cgroup_root *out, struct err *e)
{
	int r = cgroup_detect(path, out);

	return r < 0 ? err_sys(e, -r, "look at the cgroups in %s", path) : 0;
}

int cgroup_setup_root(const char *path, enum cgroup_version want, struct cgroup_root *out,
		      struct err *e)
{
	int r;

	if (detect(path, out, e) < 0)
		return -1;
	if (out->version == CGROUP_VERSION_NONE) {
		r = make_dir(path);
		if (r < 0)
			return err_sys(e, -r, "mkdir %s", path);
		if ((want == CGROUP_VERSION_1 ? mount_v1(path, e) : mount_v2(path, e)) < 0)
			return -1;
		if (detect(path, out, e) < 0)
			return -1;
	}
	if (out->version != want) {
		cgroup_root_fini(out);
		return err_set(e, RC_FAILED_PRECONDITION, "%s has not the wanted cgroup version %d",
			       path, want == CGROUP_VERSION_1 ? 1 : 2);
	}
	return 0;
}

static const char *v1_name(unsigned int controller)
{
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++)
		if (cgroup_controller_names[i].bit == controller)
			return cgroup_controller_names[i].v1;
	return NULL;
}

int cgroup_open(const struct cgroup_root *root, const char *path, unsigned int controller)
{
	const char *at = cgroup_relative(path);
	AUTO_FD tree = -1;
	int fd;

	if (root->version == CGROUP_VERSION_NONE)
		return -ENODEV;
	if (!at)
		return -EINVAL;
	if (root->version == CGROUP_VERSION_1) {
		const char *name = v1_name(controller ? controller : cgroup_any(root));

		if (!name || !(root->controllers & (controller ? controller : cgroup_any(root))))
			return -ENODEV;
		tree = openat(root->fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (tree < 0)
			return -errno;
	}
	fd = openat(tree >= 0 ? tree : root->fd, at, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
