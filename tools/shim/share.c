/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/share.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/mount_options.h"
#include "kernel/ns.h"

#define OPTIONS_MAX 65536
#define MOUNTS_MAX  64 /* on one place */

/* The scratch directory is made before the namespace is left: the guard that removes it shall not
 * see what is mounted in it, which is gone with us. */
static int leave(struct share *s, struct err *e)
{
	s->hostfd = ns_hold(0, NS_MNT);
	if (s->hostfd < 0)
		return err_sys(e, -s->hostfd, "the host's mount namespace");
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, errno, "a mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_sys(e, errno, "make all mounts slaves");
	if (mkdir(s->dir, 0755) < 0 || mkdir(s->shown, 0755) < 0)
		return err_sys(e, errno, "make %s", s->dir);
	if (mount(s->dir, s->dir, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, s->dir, NULL, MS_PRIVATE, NULL) < 0 ||
	    mount(NULL, s->dir, NULL, MS_SHARED, NULL) < 0)
		return err_sys(e, errno, "make %s a mount that is shared", s->dir);
	/* what is mounted in the one appears in the other, and from there in the file server's */
	if (mount(s->dir, s->shown, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, s->shown, NULL, MS_SLAVE, NULL) < 0 ||
	    mount(NULL, s->shown, NULL, MS_SHARED, NULL) < 0 ||
	    mount(NULL, s->shown, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV,
		  NULL) < 0)
		return err_sys(e, errno, "make %s a read-only mount", s->shown);
	return 0;
}

int share_open(struct loop *l, struct share *s, struct err *e)
{
	static const char *const parents[] = { "$MOTE_SHIM_RUN", "/run", "/tmp", NULL };
	struct str dir = STR_OVER(s->dir), shown = STR_OVER(s->shown);

	if (vm_scratch_make(l, &s->scratch, parents, e) < 0)
		return -1;
	str_addf(&dir, "%s/own", s->scratch.path);
	str_addf(&shown, "%s/shared", s->scratch.path);
	if (leave(s, e) == 0)
		return 0;
	share_close(s);
	return -1;
}

void share_close(struct share *s)
{
	if (!s->scratch.loop)
		return;
	umount2(s->shown, MNT_DETACH);
	umount2(s->dir, MNT_DETACH);
	vm_scratch_remove(&s->scratch);
	auto_close(&s->hostfd);
}

/* "DIR/ID[/NAME]"; NULL when it does not fit. */
static const char *place(const struct share *s, const char *id, const char *name,
			 char out[PATH_MAX])
{
	struct str p;

	str_init(&p, out, PATH_MAX);
	str_addf(&p, "%s/%s%s%s", s->dir, id, *name ? "/" : "", name);
	return str_ok(&p) ? out : NULL;
}

/* --- the root file system --- */

static int mount_one(const struct share_mount *m, const char *target, struct err *e)
{
	struct mount_options o = { 0 };
	struct arena a;
	unsigned long flags;
	bool bind;
	int rc = -1;

	arena_init(&a, OPTIONS_MAX);
	if (mount_options_parse(m->options, m->n_options, &a, &o, e) == 0) {
		bind = str_eq(m->type, "bind") || (o.ms_set & MS_BIND);
		flags = bind ? MS_BIND | (o.ms_set & MS_REC) : o.ms_set;
		rc = mount(m->source, target, m->type, flags, bind ? NULL : o.data);
		/* a bind takes flags by a second call alone */
		if (rc == 0 && bind && (o.ms_set & ~(unsigned long)(MS_BIND | MS_REC)))
			rc = mount(NULL, target, NULL,
				   MS_REMOUNT | MS_BIND | (o.ms_set & ~(unsigned long)MS_REC),
				   NULL);
		if (rc < 0)
			err_sys(e, errno, "mount %s (%s)", m->source, m->type);
	}
	arena_fini(&a);
	return rc;
}

/* Below the root of the container's directory, since a mount may be meant for a place inside of it.
 */
static int mount_at(const char *root, const struct share_mount *m, struct err *e)
{
	char fdpath[32];
	AUTO_FD rootfd = -1;
	AUTO_FD fd = -1;

	if (str_empty(m->target))
		return mount_one(m, root, e);
	rootfd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = rootfd < 0 ? -errno : path_open_in(rootfd, m->target, O_PATH, 0);
	if (fd < 0)
		return err_sys(e, -fd, "%s of the rootfs", m->target);
	return mount_one(m, path_of_fd(fd, fdpath), e);
}

static int fill(const char *root, const char *source, const struct share_mount *mounts, size_t n,
		struct err *e)
{
	struct share_mount own = { .type = "bind",
				   .source = source,
				   .options = (char *[]){ (char *)"rbind" },
				   .n_options = 1 };

	if (n == 0)
		return mount_one(&own, root, e);
	for (size_t i = 0; i < n; i++)
		if (mount_at(root, &mounts[i], e) < 0)
			return err_ctx(e, "rootfs[%zu]", i);
	return 0;
}

int share_make(struct share *s, const char *id, struct err *e)
{
	char dir[PATH_MAX];

	if (!place(s, id, "", dir))
		return err_set(e, RC_INVALID_ARGUMENT, "the path is too long");
	return mkdir(dir, 0755) < 0 ? err_sys(e, errno, "make %s", dir) : 0;
}

int share_add(struct share *s, const char *id, const char *source, const struct share_mount *mounts,
	      size_t n, struct err *e)
{
	char root[PATH_MAX];

	if (share_make(s, id, e) < 0)
		return -1;
	if (!place(s, id, "rootfs", root))
		err_set(e, RC_INVALID_ARGUMENT, "the path is too long");
	else if (mkdir(root, 0755) < 0)
		err_sys(e, errno, "make %s", root);
	else if (fill(root, source, mounts, n, e) == 0)
		return 0;
	share_remove(s, id);
	return -1;
}

/* --- volumes --- */

static int make_target(const char *target, const char *source, struct err *e)
{
	struct stat st;
	int fd;

	if (stat(source, &st) < 0)
		return err_sys(e, errno, "%s", source);
	if (S_ISDIR(st.st_mode))
		return mkdir(target, 0755) < 0 ? err_sys(e, errno, "make %s", target) : 0;
	fd = open(target, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return err_sys(e, errno, "make %s", target);
	close(fd);
	return 0;
}

const char *share_bind(struct share *s, struct arena *a, const char *id, size_t number,
		       const char *source, struct err *e)
{
	char name[24], target[PATH_MAX];
	const char *guest;

	snprintf(name, sizeof(name), "%zu", number);
	if (!place(s, id, name, target) || !path_is_plain(source)) {
		err_set(e, RC_INVALID_ARGUMENT, "'%.100s' is no absolute path without '..'",
			source);
		return NULL;
	}
	guest = arena_printf(a, SHARE_GUEST "/%s/%s", id, name);
	if (!guest) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
		return NULL;
	}
	if (make_target(target, source, e) < 0)
		return NULL;
	if (mount(source, target, NULL, MS_BIND | MS_REC, NULL) == 0)
		return guest;
	err_sys(e, errno, "bind %s", source);
	return NULL;
}

/* --- the end --- */

/* A detached mount takes what is mounted in it along. Several may lie on one another. */
static void detach(int dirfd, const char *name)
{
	char path[PATH_MAX];
	struct str p = STR_OVER(path);

	str_addf(&p, "/proc/self/fd/%d/%s", dirfd, name);
	for (int i = 0; i < MOUNTS_MAX && str_ok(&p); i++)
		if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			break;
}

void share_remove(struct share *s, const char *id)
{
	char path[PATH_MAX];
	DIR *dir = place(s, id, "", path) ? opendir(path) : NULL;
	struct dirent *entry;
	int parentfd, rc;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			detach(dirfd(dir), entry->d_name);
	closedir(dir);
	parentfd = open(s->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	rc = parentfd < 0 ? -errno : path_remove_tree(parentfd, id);
	if (rc < 0)
		log_warn("share", "remove %s: %s", path, strerror(-rc));
	auto_close(&parentfd);
}
