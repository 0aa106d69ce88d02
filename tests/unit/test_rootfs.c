/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of a container's file tree. Each row of `cases` has its plan in
 * tests/golden/rootfs/NAME.txt (GOLDEN=write writes them: read them before they are committed).
 * Rows with a `why` fail with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "container/rootfs.h"

#define GOLDEN_DIR	"tests/golden/rootfs"
#define MOUNTS_MAX	12

static struct arena arena;

/* --- building specs --- */

static struct spec_strings words(const char *text)
{
	struct spec_strings s = { 0 };
	char *copy = arena_strdup(&arena, text), *save = NULL;

	s.v = ARENA_ARRAY(&arena, char *, strlen(text) + 1);
	assert_non_null(s.v);
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
		s.v[s.n++] = w;
	return s;
}

static void mount_on(struct spec *s, const char *destination, const char *source, const char *type,
		     const char *options)
{
	if (!s->mounts)
		s->mounts = ARENA_ARRAY(&arena, struct spec_mount, MOUNTS_MAX);
	assert_true(s->n_mounts < MOUNTS_MAX);
	s->mounts[s->n_mounts++] = (struct spec_mount){
		.destination = destination,
		.source = source,
		.type = type,
		.options = words(options),
	};
}

/* --- the cases --- */

static void bare(struct spec *s, struct rootfs_facts *f)
{
	(void)s;
	(void)f;
}

/* What a Kata host sends for a pod's container. */
static void pod(struct spec *s, struct rootfs_facts *f)
{
	static struct spec_device devices[] = {
		{ .path = "/dev/fuse",
		  .type = S_IFCHR,
		  .major = 10,
		  .minor = 229,
		  .mode = 0660,
		  .mode_set = true,
		  .gid = 6 },
		{ .path = "/dev/null",
		  .type = S_IFCHR,
		  .major = 1,
		  .minor = 3,
		  .mode = 0600,
		  .mode_set = true },
		{ .path = "/dev/disk/data", .type = S_IFBLK, .major = 254, .minor = 16 },
		{ .path = "/dev/talk", .type = S_IFIFO },
	};

	f->run_dir = "/run/kata-containers";
	mount_on(s, "/proc", "proc", "proc", "nosuid,noexec,nodev");
	mount_on(s, "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
	mount_on(s, "/dev/pts", "devpts", "devpts",
		 "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
	mount_on(s, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
	mount_on(s, "/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro");
	mount_on(s, "/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro");
	mount_on(s, "/etc/hosts", "/run/kata-containers/shared/containers/c1-hosts", "bind",
		 "rbind,rprivate,rw");
	mount_on(s, "/dev/shm", "/run/kata-containers/sandbox/shm", "bind", "rbind");
	mount_on(s, "/data", "/run/data", "bind", "rbind,rslave,ro,nosuid");
	s->linux.devices = devices;
	s->linux.n_devices = COUNT_OF(devices);
	s->linux.masked_paths = words("/proc/acpi,/proc/kcore,/sys/firmware");
	s->linux.readonly_paths = words("/proc/bus,/proc/sys");
	s->process->cwd = "/srv/app";
	s->root.readonly = true;
}

static void own_dev(struct spec *s, struct rootfs_facts *f)
{
	(void)f;
	mount_on(s, "/dev", "/dev", "bind", "rbind,rslave");
}

static void readonly_dev(struct spec *s, struct rootfs_facts *f)
{
	(void)f;
	mount_on(s, "/dev", "tmpfs", "tmpfs", "nosuid,ro,mode=755");
}

static void in_user_ns(struct spec *s, struct rootfs_facts *f)
{
	static struct spec_device devices[] = {
		{ .path = "/dev/xvda", .type = S_IFBLK, .major = 254, .minor = 16 },
		{ .path = "/dev/talk", .type = S_IFIFO },
		{ .path = "/dev/ptmx", .type = S_IFCHR, .major = 5, .minor = 2 },
	};

	f->user_ns = true;
	mount_on(s, "/dev", "tmpfs", "tmpfs", "mode=755");
	mount_on(s, "/sys", "sysfs", "sysfs", "nosuid,ro");
	s->linux.devices = devices;
	s->linux.n_devices = COUNT_OF(devices);
}

/* A network namespace of its own has a sysfs of its own. */
static void user_and_net_ns(struct spec *s, struct rootfs_facts *f)
{
	f->user_ns = true;
	s->linux.ns[NS_NET].want = true;
	mount_on(s, "/dev", "/dev", "bind", "rbind");
	mount_on(s, "/sys", "sysfs", "sysfs", "nosuid,ro");
}

static void terminal(struct spec *s, struct rootfs_facts *f)
{
	f->kcore = true;
	s->process->terminal = true;
	mount_on(s, "dev/", "tmpfs", "tmpfs", "nosuid,ro,mode=755");
}

static void joined_mount_ns(struct spec *s, struct rootfs_facts *f)
{
	(void)f;
	s->process->terminal = true;
	s->process->cwd = "/srv";
	s->linux.ns[NS_MNT].path = "/proc/7/ns/mnt";
}

static void remounts(struct spec *s, struct rootfs_facts *f)
{
	(void)f;
	mount_on(s, "/proc/", "proc", "proc", "remount,nosuid,noexec,nodev");
	mount_on(s, "/data", "/run/data", "bind", "remount,bind,ro,suid");
	mount_on(s, "/", "", "", "remount,bind,noexec,rprivate");
}

/* Below the run directory symlinks stay inside of their volume. */
static void volumes(struct spec *s, struct rootfs_facts *f)
{
	f->run_dir = "/run/kata-containers";
	mount_on(s, "/a", "/run/kata-containers/sandbox/ephemeral/../ephemeral/v/sub", "bind",
		 "rbind,rw");
	mount_on(s, "/b", "/run/kata-containers-not", "bind", "bind");
	mount_on(s, "/c", "/run/kata-containers/../elsewhere", "bind", "bind");
}

static void cgroup1(struct spec *s, struct rootfs_facts *f)
{
	f->cgroup2 = false;
	f->controllers = CGROUP_MEMORY | CGROUP_IO | CGROUP_PIDS;
	f->cgroup_path = "/pod/c1";
	mount_on(s, "/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,ro");
}

static void labelled(struct spec *s, struct rootfs_facts *f)
{
	(void)f;
	s->linux.mount_label = "system_u:object_r:container_file_t:s0";
	mount_on(s, "/proc", "proc", "proc", "");
	mount_on(s, "/tmp", "tmpfs", "tmpfs", "size=1m");
	mount_on(s, "/var/tmp", "tmpfs", "tmpfs", "");
}

static void bind_words(struct spec *s, struct rootfs_facts *f)
{
	(void)f;
	mount_on(s, "/a", "/src/a", "none", "bind");
	mount_on(s, "/b", "/src/b", "", "rbind,ro");
	mount_on(s, "/c", "/src/c", "bind", "");
	mount_on(s, "/d", "/src/d", "bind", "bind,rro,rnosuid");
	mount_on(s, "/e", "tmpfs", "tmpfs", "tmpcopyup,size=4k");
}

static void relative_source(struct spec *s, struct rootfs_facts *f)
{
	(void)f;
	mount_on(s, "/tmp", "tmpfs", "tmpfs", "");
	mount_on(s, "/a", "src/a", "bind", "rbind");
}

static void no_type(struct spec *s, struct rootfs_facts *f)
{
	(void)f;
	mount_on(s, "/a", "/src/a", "", "ro");
}

static void idmapped(struct spec *s, struct rootfs_facts *f)
{
	static struct spec_id_map maps[] = { { 0, 100000, 1000 }, { 1000, 5, 1 } }, own = { 0, 7, 9 };

	(void)f;
	s->linux.uid_maps = s->linux.gid_maps = maps;
	s->linux.n_uid_maps = 2;
	s->linux.n_gid_maps = 1;
	mount_on(s, "/a", "/src/a", "bind", "rbind,idmap,ro");
	mount_on(s, "/b", "/src/b", "bind", "rbind,ridmap");
	mount_on(s, "/c", "/src/c", "bind", "bind");
	s->mounts[2].uid_maps = s->mounts[2].gid_maps = &own;
	s->mounts[2].n_uid_maps = s->mounts[2].n_gid_maps = 1;
}

static void idmap_of_what(struct spec *s, struct rootfs_facts *f)
{
	(void)f;
	mount_on(s, "/a", "/src/a", "bind", "rbind,idmap");
}

static void idmap_of_one_half(struct spec *s, struct rootfs_facts *f)
{
	static struct spec_id_map own = { 0, 7, 9 };

	(void)f;
	mount_on(s, "/a", "/src/a", "bind", "rbind,idmap");
	s->mounts[0].uid_maps = &own;
	s->mounts[0].n_uid_maps = 1;
}

static void idmap_of_a_filesystem(struct spec *s, struct rootfs_facts *f)
{
	(void)f;
	mount_on(s, "/a", "tmpfs", "tmpfs", "idmap");
}

static void proc_elsewhere(struct spec *s, struct rootfs_facts *f)
{
	(void)f;
	mount_on(s, "/host/proc", "proc", "proc", "");
}

static void on_the_root(struct spec *s, struct rootfs_facts *f)
{
	(void)f;
	mount_on(s, "/./", "/src", "bind", "rbind");
}

static const struct row {
	const char *name;
	void (*make)(struct spec *s, struct rootfs_facts *f);
	const char *why;	/* NULL: it has a golden file */
} cases[] = {
	{ "bare", bare, NULL },
	{ "pod", pod, NULL },
	{ "own-dev", own_dev, NULL },
	{ "readonly-dev", readonly_dev, NULL },
	{ "user-ns", in_user_ns, NULL },
	{ "user-and-net-ns", user_and_net_ns, NULL },
	{ "terminal", terminal, NULL },
	{ "joined-mount-ns", joined_mount_ns, NULL },
	{ "remounts", remounts, NULL },
	{ "volumes", volumes, NULL },
	{ "idmapped", idmapped, NULL },
	{ "cgroup1", cgroup1, NULL },
	{ "labelled", labelled, NULL },
	{ "bind-words", bind_words, NULL },
	{ "relative-source", relative_source,
	  "mounts[1] (/a): the source is not an absolute path" },
	{ "no-type", no_type, "mounts[0] (/a): no type" },
	{ "idmap-of-what", idmap_of_what,
	  "mounts[0] (/a): an id-mapped mount without mappings, its own or the container's" },
	{ "idmap-of-one-half", idmap_of_one_half,
	  "mounts[0] (/a): uidMappings and gidMappings need each other" },
	{ "idmap-of-a-filesystem", idmap_of_a_filesystem,
	  "mounts[0] (/a): only a bind can be id-mapped" },
	{ "proc-elsewhere", proc_elsewhere,
	  "mounts[0] (/host/proc): proc is mounted on /proc only" },
	{ "on-the-root", on_the_root, "mounts[0] (/./): the root comes from root.path" },
};

static int plan(const struct row *row, struct plan *p, struct err *e)
{
	struct rootfs_facts facts = { .cgroup2 = true, .cgroup_path = "/c1" };
	struct spec *s = spec_new(&arena);

	assert_non_null(s);
	s->process = ARENA_NEW(&arena, struct spec_process);
	assert_non_null(s->process);
	row->make(s, &facts);
	plan_init(p, &arena);
	return rootfs_plan(s, &facts, p, e);
}

static void golden(const struct row *row)
{
	const char *write = getenv("GOLDEN"), *now;
	char path[128], want[8192];
	struct err e = { 0 };
	struct plan p;

	if (plan(row, &p, &e) < 0)
		fail_msg("%s: %s", row->name, e.msg);
	now = plan_print(&p, &arena);
	assert_non_null(now);
	snprintf(path, sizeof(path), GOLDEN_DIR "/%s.txt", row->name);
	if (write && str_eq(write, "write"))
		assert_int_equal(io_create_file(AT_FDCWD, path, now, strlen(now), 0644), 0);
	if (io_read_file(AT_FDCWD, path, want, sizeof(want)) < 0)
		fail_msg("%s: cannot be read (run from the top of the tree)", path);
	if (!str_eq(want, now))
		fail_msg("%s:\n%s---- is now\n%s", path, want, now);
}

static void plans(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (!cases[i].why)
			golden(&cases[i]);
}

static void errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err e = { 0 };
		struct plan p;

		if (!cases[i].why)
			continue;
		assert_int_equal(plan(&cases[i], &p, &e), -1);
		assert_string_equal(e.msg, cases[i].why);
	}
}

/* Every memory budget that is too small is told as such, none crashes. */
static void no_memory(void **state)
{
	struct arena small;
	struct err e;
	int r = -1;

	(void)state;
	for (size_t budget = 0; r < 0; budget += 512) {
		struct rootfs_facts facts = { .cgroup2 = true, .cgroup_path = "/c1" };
		struct spec *s = spec_new(&arena);
		struct plan p;

		assert_true(budget < 1 << 18);
		assert_non_null(s);
		s->process = ARENA_NEW(&arena, struct spec_process);
		assert_non_null(s->process);
		pod(s, &facts);
		arena_init(&small, budget);
		plan_init(&p, &small);
		err_clear(&e);
		r = rootfs_plan(s, &facts, &p, &e);
		if (r < 0)
			assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
		arena_fini(&small);
	}
}

static void propagation(void **state)
{
	static const struct { const char *word; unsigned long flags; int r;
	} words_of[] = {
		{ NULL, MS_SLAVE | MS_REC, 0 },
		{ "", MS_SLAVE | MS_REC, 0 },
		{ "rshared", MS_SHARED | MS_REC, 0 },
		{ "private", MS_PRIVATE, 0 },
		{ "runbindable", MS_UNBINDABLE | MS_REC, 0 },
		{ "both", MS_SLAVE | MS_REC, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(words_of); i++) {
		struct spec s = { .linux.rootfs_propagation = words_of[i].word };
		unsigned long flags;

		assert_int_equal(rootfs_propagation(&s, &flags), words_of[i].r);
		assert_int_equal(flags, words_of[i].flags);
	}
}

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 16 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(plans), TEST(errors), TEST(no_memory),
					    TEST(propagation) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
