/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of real storages share: a mount namespace of the test alone (in a user namespace
 * too when it is not run by root), an empty tmpfs on /run for each test, and helpers. Include
 * cmocka.h first.
 */
#ifndef MOTE_TESTS_STORAGE_WORLD_H
#define MOTE_TESTS_STORAGE_WORLD_H

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "kernel/mountinfo.h"
#include "storage/driver.h"

#define OTHER_GID	54321

static const char *no_namespace;	/* why there is none */
static bool in_userns;			/* where only one group exists */

static struct arena arena;
static struct err err;
static size_t done;

static UNUSED int enter_userns(void)
{
	gid_t gid = getgid();	/* inside it is nobody's, until it is mapped */
	char map[64];

	snprintf(map, sizeof(map), "0 %u 1", getuid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
	    io_write_file(AT_FDCWD, "/proc/self/setgroups", "deny") < 0 ||
	    io_write_file(AT_FDCWD, "/proc/self/uid_map", map) < 0)
		return -1;
	snprintf(map, sizeof(map), "0 %u 1", gid);
	in_userns = true;
	return io_write_file(AT_FDCWD, "/proc/self/gid_map", map);
}

static UNUSED int group_setup(void **state)
{
	(void)state;
	umask(022);
	if (unshare(CLONE_NEWNS) < 0 && enter_userns() < 0)
		no_namespace = "no mount namespace can be made here";
	else if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		no_namespace = "the mount tree cannot be made private";
	return 0;
}

static UNUSED int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	err_clear(&err);
	done = 0;
	return no_namespace ? 0 : mount("tmpfs", "/run", "tmpfs", 0, "mode=755");
}

static UNUSED int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return no_namespace ? 0 : umount2("/run", MNT_DETACH);
}

#define NEEDS_NAMESPACE()					\
	do {							\
		(void)state;					\
		if (no_namespace) {				\
			print_message("skip: %s\n", no_namespace); \
			skip();					\
		}						\
	} while (0)

static UNUSED gid_t other_gid(void)
{
	return in_userns ? 0 : OTHER_GID;
}

/* --- helpers ------------------------------------------------------------------------------- */

static UNUSED struct storage_req request(const char *driver, const char *source, const char *fstype,
					 const char *where)
{
	return (struct storage_req){
		.driver = driver, .source = source, .fstype = fstype, .mount_point = where
	};
}

/* "a|b": two options, which live as long as the arena. */
static UNUSED char **split(const char *text, size_t *n)
{
	char *s = arena_strdup(&arena, text);
	char **list = ARENA_ARRAY(&arena, char *, 8);

	assert_true(s && list);
	for (*n = 0; s; ++*n) {
		assert_true(*n < 8);
		list[*n] = strsep(&s, "|");
	}
	return list;
}

static UNUSED void set_options(struct storage_req *r, const char *text)
{
	r->options = split(text, &r->n_options);
}

static UNUSED int attempt(const struct storage_req *r, const char *node, struct storage_plan *sp)
{
	const struct storage_driver *d = storage_driver_find(r->driver, &err);
	struct device_found found = { .major = 1 };
	struct storage_ctx ctx = { .container_id = "c1", .device = node ? &found : NULL };

	assert_non_null(d);
	if (node)
		snprintf(found.node, sizeof(found.node), "%s", node);
	if (storage_plan_make(d, r, &ctx, &arena, sp, &err) < 0)
		fail_msg("plan: %s", err.msg);
	return storage_execute(sp, r, &done, &err);
}

static UNUSED void must(const struct storage_req *r, struct storage_plan *sp)
{
	if (attempt(r, NULL, sp) < 0)
		fail_msg("%s: %s", r->driver, err.msg);
	assert_int_equal(done, sp->plan.n);
}

static UNUSED void undo(const struct storage_plan *sp)
{
	struct err e = { 0 };

	if (storage_undo(sp, done, &e) < 0)
		fail_msg("undo: %s", e.msg);
}

static UNUSED bool is_mount(const char *path)
{
	AUTO_FD fd = open(path, O_PATH | O_CLOEXEC);

	return fd >= 0 && mountinfo_is_mount(fd) == 1;
}

static UNUSED bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static UNUSED struct stat stat_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		fail_msg("%s: not there", path);
	return st;
}

static UNUSED void assert_mode(const char *path, mode_t mode)
{
	mode_t is = stat_of(path).st_mode & 07777;

	if (is != mode)
		fail_msg("%s has mode 0%o, not 0%o", path, is, mode);
}

static UNUSED void put(const char *path, const char *text, mode_t mode)
{
	const char *name;
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD dir = path_parent_in(root, path, 0755, &name);

	assert_true(dir >= 0);
	assert_int_equal(io_create_file(dir, name, text, strlen(text), mode), 0);
}

static UNUSED void make_dir(const char *path)
{
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = path_mkdirs_in(root, path, 0755);

	assert_true(fd >= 0);
	close(fd);
}

static UNUSED bool holds(const char *path, const char *text)
{
	char buf[256];

	return io_read_file(AT_FDCWD, path, buf, sizeof(buf)) >= 0 && str_eq(buf, text);
}

#endif
