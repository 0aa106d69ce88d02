/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file tree. The root is bound to the bundle's directory inside the new mount namespace only
 * (the guest sees nothing of it), the plan is run below it, and then it becomes "/". Sysctls are
 * written while the guest's own /proc is still there: its files answer for the namespaces of the
 * caller.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/path.h"
#include "base/str.h"
#include "container/rootfs.h"
#include "container/stage_parts.h"
#include "kernel/mountinfo.h"
#include "kernel/root.h"

/* "net.ipv4.conf.eth0/1.mtu" is net/ipv4/conf/eth0.1/mtu. */
static void sysctl_path(struct str *s, const char *key)
{
	for (; *key; key++)
		str_add_char(s, *key == '.' ? '/' : *key == '/' ? '.' : *key);
}

static bool is_proc(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* A file of the guest's own /proc and of nothing that lies over it: what is written must not land
 * elsewhere (CVE-2025-52881). */
static int write_sysctl(const char *path, const char *value)
{
	AUTO_FD top = open("/proc/sys", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD fd = -1;
	uint64_t here, there;
	int r;

	if (top < 0)
		return -errno;
	fd = path_open_in(top, path, O_WRONLY, 0);
	if (fd < 0)
		return fd;
	r = mountinfo_mount_id(top, &here);
	if (r == 0)
		r = mountinfo_mount_id(fd, &there);
	if (r < 0)
		return r;
	if (here != there || !is_proc(fd))
		return -EXDEV;
	return io_write_full(fd, value, strlen(value));
}

int stage_sysctls(const struct spec_pairs *pairs, struct err *e)
{
	for (size_t i = 0; i < pairs->n; i++) {
		const struct spec_pair *p = &pairs->v[i];
		char path[512];
		struct str text = STR_OVER(path);
		int r;

		sysctl_path(&text, p->key);
		r = str_ok(&text) ? write_sysctl(path, p->value) : -ENAMETOOLONG;
		if (r < 0 && r != -ENOENT)	/* the kernel may be built without it */
			return err_sys(e, -r, "linux.sysctl: write %s", p->key);
	}
	return 0;
}

/* No symlink on the way: what is checked is what is used. */
static int open_root(const char *path, struct err *e)
{
	AUTO_FD top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = top < 0 ? -errno : path_open_strict(top, path, O_PATH | O_DIRECTORY);

	return fd < 0 ? err_sys(e, -fd, "root.path %s", path) : fd;
}

static int make_private(void *arg, const struct mountinfo *m)
{
	const uint64_t *id = arg;

	if (m->id != *id)
		return 0;
	return mount(NULL, m->target, NULL, MS_PRIVATE, NULL) < 0 ? -errno : 1;
}

/* pivot_root(2) refuses a root whose parent mount is shared; that is so only when shared
 * propagation was asked for. */
static int privatize_parent(const char *dir)
{
	AUTO_FD fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint64_t id;
	int r;

	if (fd < 0)
		return -errno;
	r = mountinfo_mount_id(fd, &id);
	return r < 0 ? r : mountinfo_each("/proc/self/mountinfo", make_private, &id);
}

static int bind_root(const struct stage *st, unsigned long propagation, struct err *e)
{
	AUTO_FD src = open_root(st->spec->root.path, e);
	char path[32];
	int r = 0;

	if (src < 0)
		return -1;
	if (mount(NULL, "/", NULL, propagation, NULL) < 0)
		return err_sys(e, errno, "set the propagation of /");
	if (propagation & MS_SHARED)
		r = privatize_parent(st->bundle_rootfs);
	if (r < 0)
		return err_sys(e, -r, "make the parent of %s private", st->bundle_rootfs);
	if (mount(path_of_fd(src, path), st->bundle_rootfs, NULL, MS_BIND | MS_REC, NULL) < 0)
		return err_sys(e, errno, "bind %s on %s", st->spec->root.path, st->bundle_rootfs);
	if ((propagation & MS_SHARED) && mount(NULL, st->bundle_rootfs, NULL, MS_PRIVATE, NULL) < 0)
		return err_sys(e, errno, "make %s private", st->bundle_rootfs);
	return 0;
}

static unsigned long propagation_of(const struct stage *st)
{
	unsigned long propagation;

	rootfs_propagation(st->spec, &propagation);
	return propagation;
}

/* Which op of the plan binds the console; p->n: none does. */
static size_t console_at(const struct plan *p)
{
	size_t i = 0;

	while (i < p->n && !(p->ops[i].flags & PLAN_SOURCE_FD))
		i++;
	return i;
}

/* The terminal comes from what the ops before have mounted. */
static int run_plan(struct plan *p, int rootfd, int stdio[3], int *master, struct err *e)
{
	const size_t at = console_at(p);
	struct plan first = *p, rest = *p;
	AUTO_FD terminal = -1;
	size_t done;

	first.n = at;
	rest.ops += at;
	rest.n -= at;
	if (plan_run(&first, rootfd, &done, e) < 0)
		return -1;
	if (!rest.n)
		return 0;
	*master = stage_tty_own(rootfd, stdio);
	terminal = stage_tty_find(rootfd, stdio[0], *master >= 0, e);
	if (terminal < 0)
		return -1;
	rest.ops->sourcefd = terminal;
	if (plan_run(&rest, rootfd, &done, e) < 0)
		return -1;
	rest.ops->sourcefd = -1;
	return *master >= 0 ? 0 : stage_tty_use_console(rest.ops->target, rootfd, stdio, e);
}

int stage_root_prepare(const struct stage *st, int stdio[3], int *master, struct err *e)
{
	AUTO_FD fd = -1;

	if (bind_root(st, propagation_of(st), e) < 0)
		return -1;
	fd = open(st->bundle_rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open %s", st->bundle_rootfs);
	if (run_plan(st->rootfs, fd, stdio, master, e) < 0)
		return -1;
	plan_close_sources(st->rootfs);
	return TAKE_FD(fd);
}

int stage_root_switch(const struct stage *st, int rootfd, struct err *e)
{
	int r = mountinfo_root_is_rootfs();

	if (r < 0)
		return err_sys(e, -r, "look what the root is");
	if (root_switch(rootfd, r ? ROOT_MOVE : ROOT_PIVOT, e) < 0)
		return -1;
	if (!str_empty(st->spec->linux.rootfs_propagation) &&
	    mount(NULL, "/", NULL, propagation_of(st), NULL) < 0)
		return err_sys(e, errno, "set the propagation of the container's /");
	return 0;
}

/* Nothing is mounted and nothing hidden: whoever made the namespace has seen to that. */
int stage_root_join(const struct stage *st, struct err *e)
{
	AUTO_FD fd = open_root(st->spec->root.path, e);

	if (fd < 0)
		return -1;
	if (fchdir(fd) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return err_sys(e, errno, "root.path %s", st->spec->root.path);
	return 0;
}
