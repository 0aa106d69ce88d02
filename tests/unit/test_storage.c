/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storage drivers are pure: from a request to a plan. Each row of `cases` has its plan in
 tests/golden/storage/NAME.txt (GOLDEN=write writes them
 * anew: read the difference before it is committed). The other tests go over the table of drivers,
		so that a new one is
 * held to the same rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "base/path.h"
#include "base/str.h"
#include "storage/driver.h"

#define GOLDEN_DIR	"tests/golden/storage"
#define SHARE		"/run/kata-containers/shared/containers"
#define OVERLAY_RW	"io.katacontainers.fs-opt.overlay-rw"
#define OVERLAY_DIR	"io.katacontainers.volume.overlayfs.create_directory"

/* Several options are one text with "|" between them. */
#define OPTS(text)		.opts = text
#define DRIVER_OPTS(text)	.driver_opts = text
#define REQ(d, s, f, m)		{ .driver = (d), .source = (s), .fstype = (f), .mount_point = (m) }
#define GOOD(file, dev, d, s, f, m, ...) \
	{ .name = file, .node = dev, .r = REQ(d, s, f, m), ##__VA_ARGS__ }
#define BAD(code, text, dev, d, s, f, m, ...) \
	{ .rc = code, .why = text, .node = dev, .r = REQ(d, s, f, m), ##__VA_ARGS__ }

struct row {
	const char *name;	/* of the golden file; NULL: the request fails with `why` */
	struct storage_req r;
	const char *node;	/* of the device; NULL: none */
	const char *opts, *driver_opts;
	const char *why;
	enum rc rc;
};

static const struct row cases[] = {
	GOOD("blk-pci", "/dev/vda", "blk", "02/01", "ext4", "/run/kata-containers/c1/rootfs",
		OPTS("ro|noatime")),
	GOOD("blk-node", "/dev/vdb", "blk", "/dev/vdb", "xfs", SHARE "/c1/", OPTS("nouuid|nosuid")),
	GOOD("blk-detect", "/dev/vdb", "blk", "02", "", SHARE "/c1"),
	GOOD("blk-mkfs", "/dev/vdc", "blk", "02", "ext4",
		"/run/kata-containers/sandbox/storage/MDI=",
		DRIVER_OPTS("create_filesystem|size=1"), .r.flags = STORAGE_FS_GROUP,
		.r.fs_group = 1000),
	GOOD("mmioblk", "/dev/vda", "mmioblk", "/dev/vda", "erofs",
		"/run/kata-containers/c1/rootfs", OPTS("ro")),
	GOOD("scsi", "/dev/sda", "scsi", "0:2", "ext4", "/run/kata-containers/c1/rootfs"),
	GOOD("nvdimm", "/dev/pmem1", "nvdimm", "/dev/pmem1", "ext4",
		"/run/kata-containers/c1/rootfs", OPTS("dax|ro")),
	GOOD("virtiofs", NULL, "virtio-fs", "kataShared", "virtiofs", SHARE "/", OPTS("nodev|dax")),
	GOOD("virtiofs-own", NULL, "virtio-fs", "data", "", "/mnt//./data"),
	GOOD("nvdimm-dax-last", "/dev/pmem0p1", "nvdimm", "/dev/pmem0p1", "xfs", "/run/x",
		OPTS("nouuid,dax=always|dax|daxx|dax=inode")),
	GOOD("9p", NULL, "9p", "kataShared", "9p", SHARE "/",
		OPTS("trans=virtio,version=9p2000.L,cache=mmap|nodev|msize=8192")),
	GOOD("9p-own", NULL, "9p", "data", "", "/mnt/data", OPTS("cache=mmap|ro")),
	GOOD("bind", NULL, "bind", SHARE "/c1/data/.", "bind", "/run/x", OPTS("rbind|ro|nosuid")),
	GOOD("bind-plain", NULL, "bind", "/mnt//a", "", "/run/x"),
	GOOD("bind-words", NULL, "bind", "/mnt/a", "none", "/run/x",
		OPTS("bind|rprivate|rro|nodev|exec")),
	GOOD("overlay-rw", NULL, "overlayfs", "overlay", "overlay",
		"/run/kata-containers/c1/rootfs", OPTS("lowerdir=/run/l1:/run/l2|" OVERLAY_RW "|"
		"nodev")),
	GOOD("overlay-own", NULL, "overlayfs", "", "", "/run/kata-containers/c1/rootfs",
		OPTS("lowerdir=/run/l\\:1|upperdir=/run/u|workdir=/run/w"),
		DRIVER_OPTS(OVERLAY_DIR "=/run/u|" OVERLAY_DIR "=/run//w/|other=1")),
	GOOD("overlay-ro", NULL, "overlayfs", "overlay", "overlay", "/run/m",
		OPTS("lowerdir=/a:/b::/data|ro")),
	GOOD("shm", NULL, "ephemeral", "shm", "tmpfs", "/run/kata-containers/sandbox/shm",
		OPTS("noexec|nosuid|nodev|mode=1777|size=67108864")),
	GOOD("ephemeral-plain", NULL, "ephemeral", "", "",
		"/run/kata-containers/sandbox/ephemeral/e"),
	GOOD("ephemeral-gid", NULL, "ephemeral", "tmpfs", "tmpfs",
		"/run/kata-containers/sandbox/ephemeral/e", OPTS("size=50%|fsgid=1234")),
	GOOD("ephemeral-gid-mode", NULL, "ephemeral", "tmpfs", "tmpfs",
		"/run/kata-containers/sandbox/ephemeral/e", OPTS("fsgid=0|mode=0750,nosuid")),
	GOOD("hugepages", NULL, "ephemeral", "nodev", "hugetlbfs",
		"/run/kata-containers/sandbox/ephemeral/h", OPTS("pagesize=2097152,size=4194305")),
	GOOD("local", NULL, "local", "local", "local", SHARE "/s1/rootfs/local/v",
		OPTS("mode=0777")),
	GOOD("local-plain", NULL, "local", "", "", "/run/v"),
	GOOD("local-gid", NULL, "local", "local", "local", "/run/v", OPTS("mode=0770|fsgid=7")),
	GOOD("local-group", NULL, "local", "local", "local", "/run/v",
		.r.flags = STORAGE_FS_GROUP, .r.fs_group = 7),
	GOOD("watchable", NULL, "watchable-bind", SHARE "/s1-config", "bind",
		SHARE "/watchable/s1-config/", OPTS("rbind|ro")),
	GOOD("watchable-user", NULL, "watchable-bind", "/run/user/1000/kata/x", "",
		"/run/user/1000/kata-containers/shared/containers/passthrough/watchable/x"),
	GOOD("layers-alone", "/dev/vdb", "erofs.multi-layer", "/dev/vdb", "erofs",
		"/run/kata-containers/c1/rootfs",
		OPTS("ro|X-kata.overlay-lower|X-kata.multi-layer=true|X-kata.gpt-partitioned=true|X-kata.partition-number=2")),
	BAD(RC_INVALID_ARGUMENT, "watchable-bind: source : not absolute", NULL, "watchable-bind", "",
		"bind", SHARE "/watchable/x"),
	BAD(RC_INVALID_ARGUMENT, "watchable-bind: source /run/../etc: not", NULL, "watchable-bind",
		"/run/../etc", "bind", SHARE "/watchable/x"),
	BAD(RC_INVALID_ARGUMENT, "watchable-bind: source /etc: not below", NULL, "watchable-bind",
		"/etc", "bind", SHARE "/watchable/x"),
	BAD(RC_INVALID_ARGUMENT, "watchable-bind: fstype \"ext4\"", NULL, "watchable-bind",
		"/run/a", "ext4", SHARE "/watchable/x"),
	BAD(RC_INVALID_ARGUMENT, "not a name in the share's directory watchable", NULL,
		"watchable-bind", "/run/a", "bind", SHARE "/watchable/x/y"),
	BAD(RC_INVALID_ARGUMENT, "not a name in the share's directory watchable", NULL,
		"watchable-bind", "/run/a", "bind", SHARE "/other/x"),
	BAD(RC_INVALID_ARGUMENT, "not a name in the share's directory watchable", NULL,
		"watchable-bind", "/run/a", "bind", SHARE "/watchable"),
	BAD(RC_INVALID_ARGUMENT, "not a name in the share's directory watchable", NULL,
		"watchable-bind", "/run/a", "bind",
		"/run/user/x/kata-containers/shared/containers/watchable/y"),
	BAD(RC_UNIMPLEMENTED, "encryption_key: needs a confidential data hub", "/dev/vda",
		"blk", "02", "ext4", "/run/x",
		DRIVER_OPTS("encryption_key=ephemeral|create_filesystem")),
	BAD(RC_INVALID_ARGUMENT, "create_filesystem: makes ext4, not xfs", "/dev/vda", "blk",
		"02", "xfs", "/run/x", DRIVER_OPTS("create_filesystem")),
	BAD(RC_INTERNAL, "planned without its device", NULL, "blk", "02", "ext4", "/run/x"),
	BAD(RC_INVALID_ARGUMENT, "'loop'", "/dev/vda", "blk", "02", "ext4", "/run/x", OPTS("loop")),
	BAD(RC_INVALID_ARGUMENT, "'bind' has no meaning", "/dev/vda", "blk", "02", "ext4",
		"/run/x", OPTS("rbind")),
	BAD(RC_INVALID_ARGUMENT, "'remount' has no", "/dev/vda", "blk", "02", "ext4", "/run/x",
		OPTS("remount")),
	BAD(RC_UNIMPLEMENTED, "'idmap'", "/dev/vda", "blk", "02", "ext4", "/run/x", OPTS("idmap")),
	BAD(RC_INVALID_ARGUMENT, "fstype \"ext 4\": not a name", "/dev/vda", "blk", "02",
		"ext 4", "/run/x"),
	BAD(RC_INVALID_ARGUMENT, "fstype longer than 31", "/dev/vda", "blk", "02",
		"a2345678901234567890123456789012", "/run/x"),
	BAD(RC_INVALID_ARGUMENT, "source (the mount tag) missing", NULL, "virtio-fs", "",
		"virtiofs", "/run/x"),
	BAD(RC_INVALID_ARGUMENT, "fstype \"9p\" is not virtiofs", NULL, "virtio-fs", "x", "9p",
		"/run/x"),
	BAD(RC_INVALID_ARGUMENT, "9p: source (the mount tag) missing", NULL, "9p", "", "9p",
		"/run/x"),
	BAD(RC_INVALID_ARGUMENT, "9p: fstype \"virtiofs\" is not 9p", NULL, "9p", "x", "virtiofs",
		"/run/x"),
	BAD(RC_INVALID_ARGUMENT, "9p: option trans=fd: the transport", NULL, "9p", "x", "9p",
		"/run/x", OPTS("cache=none,trans=fd,rfdno=3")),
	BAD(RC_INVALID_ARGUMENT, "9p: option trans=virtio2: the", NULL, "9p", "x", "9p", "/run/x",
		OPTS("trans=virtio2")),
	BAD(RC_INVALID_ARGUMENT, "9p: option trans=tcp: the", NULL, "9p", "x", "9p", "/run/x",
		OPTS("trans=virtio|trans=tcp")),
	BAD(RC_INVALID_ARGUMENT, "bind: source missing", NULL, "bind", "", "bind", "/run/x"),
	BAD(RC_INVALID_ARGUMENT, "bind: source /etc: not below", NULL, "bind", "/etc", "bind",
		"/run/x"),
	BAD(RC_INVALID_ARGUMENT, "bind: source /dev/vda: not below", NULL, "bind", "/dev//vda",
		"bind", "/run/x"),
	BAD(RC_INVALID_ARGUMENT, "bind: source /run: not below", NULL, "bind", "/run/", "bind",
		"/run/x"),
	BAD(RC_INVALID_ARGUMENT, "bind: source /run/../etc: not absolute", NULL, "bind",
		"/run/../etc", "bind", "/run/x"),
	BAD(RC_INVALID_ARGUMENT, "bind: source run/x: not absolute", NULL, "bind", "run/x", "bind",
		"/run/x"),
	BAD(RC_INVALID_ARGUMENT, "bind: fstype \"ext4\"", NULL, "bind", "/run/a", "ext4", "/run/x"),
	BAD(RC_INVALID_ARGUMENT, "bind: option 'size=1' has no", NULL, "bind", "/run/a", "bind",
		"/run/x", OPTS("ro|size=1")),
	BAD(RC_INVALID_ARGUMENT, "bind: option 'remount' has no", NULL, "bind", "/run/a", "bind",
		"/run/x", OPTS("remount")),
	BAD(RC_INVALID_ARGUMENT, "bind: option 'idmap' has no", NULL, "bind", "/run/a", "bind",
		"/run/x", OPTS("idmap")),
	BAD(RC_INVALID_ARGUMENT, "lowerdir= missing", NULL, "overlayfs", "", "overlay", "/run/x"),
	BAD(RC_INVALID_ARGUMENT, "is not overlay", NULL, "overlayfs", "", "tmpfs", "/run/x",
		OPTS("lowerdir=/a:/b")),
	BAD(RC_INVALID_ARGUMENT, "nothing above it", NULL, "overlayfs", "", "overlay",
		"/run/x", OPTS("lowerdir=/a")),
	BAD(RC_INVALID_ARGUMENT, "lowerdir a: not absolute", NULL, "overlayfs", "", "overlay",
		"/run/x", OPTS("lowerdir=a:/b")),
	BAD(RC_INVALID_ARGUMENT, "lowerdir /b/../c: not", NULL, "overlayfs", "", "overlay",
		"/run/x", OPTS("lowerdir=/a:/b/../c")),
	BAD(RC_INVALID_ARGUMENT, "lowerdir : not", NULL, "overlayfs", "", "overlay", "/run/x",
		OPTS("lowerdir=/a:")),
	BAD(RC_INVALID_ARGUMENT, "in one string", NULL, "overlayfs", "", "overlay", "/run/x",
		OPTS("lowerdir=/a,upperdir=/b")),
	BAD(RC_INVALID_ARGUMENT, "one upperdir, not 2", NULL, "overlayfs", "", "overlay",
		"/run/x", OPTS("lowerdir=/a|upperdir=/b:/c")),
	BAD(RC_INVALID_ARGUMENT, "workdir ../c: not", NULL, "overlayfs", "", "overlay",
		"/run/x", OPTS("lowerdir=/a|workdir=../c")),
	BAD(RC_INVALID_ARGUMENT, "both ", NULL, "overlayfs", "", "overlay", "/run/x",
		OPTS("lowerdir=/a|upperdir=/b|" OVERLAY_RW)),
	BAD(RC_INVALID_ARGUMENT, "create_directory: /etc/x: not below", NULL, "overlayfs", "",
		"overlay", "/run/x", OPTS("lowerdir=/a:/b"), DRIVER_OPTS(OVERLAY_DIR "=/etc/x")),
	BAD(RC_INVALID_ARGUMENT, "create_directory /run/../x: not absolute", NULL, "overlayfs",
		"", "overlay", "/run/x", OPTS("lowerdir=/a:/b"),
		DRIVER_OPTS(OVERLAY_DIR "=/run/../x")),
	BAD(RC_UNIMPLEMENTED, "io.katacontainers.fs-opt.layer=x: not supported", NULL,
		"overlayfs", "", "overlay", "/run/x",
		OPTS("lowerdir=/a:/b|io.katacontainers.fs-opt.layer=x")),
	BAD(RC_INVALID_ARGUMENT, "is not tmpfs", NULL, "ephemeral", "", "ext4", "/run/x"),
	BAD(RC_INVALID_ARGUMENT, "fsgid=-1: not a group", NULL, "ephemeral", "", "tmpfs",
		"/run/x", OPTS("fsgid=-1")),
	BAD(RC_INVALID_ARGUMENT, "not a group", NULL, "ephemeral", "", "tmpfs", "/run/x",
		OPTS("fsgid=4294967295")),
	BAD(RC_INVALID_ARGUMENT, "mode=888: not", NULL, "ephemeral", "", "tmpfs", "/run/x",
		OPTS("mode=888")),
	BAD(RC_INVALID_ARGUMENT, "missing", NULL, "ephemeral", "", "hugetlbfs", "/run/x",
		OPTS("pagesize=2097152")),
	BAD(RC_INVALID_ARGUMENT, "pagesize=2M: not a number", NULL, "ephemeral", "",
		"hugetlbfs", "/run/x", OPTS("pagesize=2M|size=4M")),
	BAD(RC_INVALID_ARGUMENT, "no page has 0 bytes", NULL, "ephemeral", "", "hugetlbfs",
		"/run/x", OPTS("pagesize=0|size=4096")),
	BAD(RC_INVALID_ARGUMENT, "no page has 3072", NULL, "ephemeral", "", "hugetlbfs",
		"/run/x", OPTS("pagesize=3072|size=4096")),
	BAD(RC_INVALID_ARGUMENT, "mode=10000: not", NULL, "local", "", "", "/run/x",
		OPTS("mode=10000")),
	BAD(RC_INVALID_ARGUMENT, "fsgid=x: not", NULL, "local", "", "", "/run/x", OPTS("fsgid=x")),
};

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static const struct storage_driver *driver(const char *name)
{
	struct err e = { 0 };
	const struct storage_driver *d = storage_driver_find(name, &e);

	if (!d)
		fail_msg("%s", e.msg);
	return d;
}

/* "a|b" -> { "a", "b" }, never freed before the test's end. */
static char **split(const char *text, size_t *n)
{
	static char buf[4][1024], *list[4][8];
	static unsigned int turn;
	unsigned int t = turn++ % 4;
	char *s = buf[t];

	*n = 0;
	if (!text)
		return NULL;
	assert_true(strlen(text) < sizeof(buf[t]));
	memcpy(s, text, strlen(text) + 1);
	for (char *word; (word = strsep(&s, "|"));) {
		assert_true(*n < COUNT_OF(list[t]));
		list[t][(*n)++] = word;
	}
	return list[t];
}

static struct storage_req request(const struct row *row)
{
	struct storage_req r = row->r;

	r.options = split(row->opts, &r.n_options);
	r.driver_options = split(row->driver_opts, &r.n_driver_options);
	return r;
}

static int make(const struct row *row, struct storage_plan *sp, struct err *e)
{
	struct storage_req req = request(row);
	struct device_found found = { .major = 254 };
	struct storage_ctx ctx = { .container_id = "c1", .device = row->node ? &found : NULL };
	const struct storage_driver *d = driver(row->r.driver);
	struct device_need need = { 0 };
	int r;

	if (d->need && d->need(&req, &need, e) < 0)
		return -1;
	assert_int_equal(!d->need, need.kind == DEVICE_NONE);
	if (row->node)
		snprintf(found.node, sizeof(found.node), "%s", row->node);
	r = storage_plan_make(d, &req, &ctx, &arena, sp, e);
	/* The device is the caller's, and gone before the plan is run. */
	memset(&found, 'x', sizeof(found));
	return r;
}

/* --- golden plans -------------------------------------------------------------------------- */

static const char *print(const struct storage_plan *sp)
{
	static char buf[8192];
	struct str s = STR_OVER(buf);

	str_reset(&s);
	if (sp->hugepages_dir)
		str_addf(&s, "hugepages %s: %llu\n", sp->hugepages_dir,
		(unsigned long long)sp->hugepages_count);
	if (sp->mkfs_device)
		str_addf(&s, "mkfs %s\n", sp->mkfs_device);
	if (sp->detect_device)
		str_addf(&s, "detect %s for op %zu\n", sp->detect_device, sp->detect_op);
	if (sp->no_dax)
		str_addf(&s, "without dax op %zu has \"%s\"\n", sp->detect_op, sp->no_dax);
	str_add(&s, plan_print(&sp->plan, &arena));
	if (sp->watch_source)
		str_addf(&s, "copy %s to %s and follow it\n", sp->watch_source, sp->watch_target);
	if (sp->group_path)
		str_addf(&s, "group of %s\n", sp->group_path);
	if (sp->flags & STORAGE_KEEP)
		str_add(&s, "keep\n");
	assert_true(str_ok(&s));
	return buf;
}

static void golden(void **state)
{
	const char *write = getenv("GOLDEN");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases) && cases[i].name; i++) {
		struct storage_plan sp;
		struct err e = { 0 };
		char path[128], want[8192];

		if (make(&cases[i], &sp, &e) < 0)
			fail_msg("%s: %s", cases[i].name, e.msg);
		snprintf(path, sizeof(path), GOLDEN_DIR "/%s.txt", cases[i].name);
		if (write && str_eq(write, "write"))
			assert_int_equal(io_create_file(AT_FDCWD, path, print(&sp),
		strlen(print(&sp)), 0644), 0);
		if (io_read_file(AT_FDCWD, path, want, sizeof(want)) < 0)
			fail_msg("%s: cannot be read (run from the top of the tree)", path);
		if (!str_eq(want, print(&sp)))
			fail_msg("%s:\n%s---- is now\n%s", path, want, print(&sp));
	}
}

static void errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct storage_plan sp;
		struct err e = { 0 };

		if (cases[i].name)
			continue;
		if (make(&cases[i], &sp, &e) == 0)
			fail_msg("no error \"%s\"", cases[i].why);
		if (!strstr(e.msg, cases[i].why) || e.rc != cases[i].rc)
			fail_msg("not \"%s\" but %s \"%s\"", cases[i].why, err_rc_name(e.rc),
		e.msg);
	}
}

/* --- rules for every driver ------------------------------------------------------------------ */

static const struct row *good_case(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (cases[i].name && str_eq(cases[i].r.driver, name))
			return &cases[i];
	fail_msg("driver %s has no row in this test", name);
	return NULL;
}

static void every_driver_refuses_bad_places(void **state)
{
	static const char *const bad[] = {
		"", "/", "//", "/.", "run/x", "x", "/run", "/run/", "/run/.", "/run/..",
		"/run/../etc", "/run/x/../../etc",
		"/run/x/..", "/run/x/../y", "/..", "/proc", "/proc/1", "/sys", "/sys/fs/cgroup", "/dev",
		"/dev/shm", "/etc", "/etc/x", "/usr",
		"/usr/bin", "/bin", "/sbin", "/lib", "/lib64", "/boot", "/init", "/root", "/var",
		"/var/run", "/var/lib", "/tmp",
		"/mnt", "/runx/y", "/run/kata-containers", "/run/kata-containers/",
		"/var/run/kata-containers",
		"/run/kata-containers/sandbox", "/run/kata-containers//sandbox/.",
		"/run/sandbox-ns", "/run/sandbox-ns/ipc",
		"/var/run/sandbox-ns/uts", "/run/netns/x",
	};

	(void)state;
	for (const char *const *name = storage_driver_names(); *name; name++) {
		for (size_t i = 0; i < COUNT_OF(bad); i++) {
			struct row row = *good_case(*name);
			struct storage_plan sp;
			struct err e = { 0 }, e2 = { 0 };

			row.r.mount_point = bad[i];
			if (storage_req_check(&row.r, &e) == 0 || make(&row, &sp, &e2) == 0)
				fail_msg("%s takes \"%s\"", *name, bad[i]);
			assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
			assert_int_equal(e2.rc, RC_INVALID_ARGUMENT);
		}
	}
}

static void every_driver_takes_good_places(void **state)
{
	static const char *const good[] = {
		"/run/x", "/var/run/x", "/run/kata-containers/x",
		"/run/kata-containers/sandbox/shm", SHARE "/", "/mnt/a/b/c",
		"/run/user/1000/kata", "/run/..x", "/run/...", "/var/lib/x", "/run/sandbox-nsx",
		"/tmp/x", "/run/netnsx",
	};

	(void)state;
	for (const char *const *name = storage_driver_names(); *name; name++) {
		/* it has a place of its own */
		for (size_t i = 0; i < COUNT_OF(good) && !str_eq(*name, "watchable-bind"); i++) {
			struct row row = *good_case(*name);
			struct storage_plan sp;
			struct err e = { 0 };

			row.r.mount_point = good[i];
			if (make(&row, &sp, &e) < 0)
				fail_msg("%s: \"%s\": %s", *name, good[i], e.msg);
			for (size_t k = 0; k < sp.plan.n; k++)
				assert_true(path_is_plain(sp.plan.ops[k].target));
		}
	}
}

static void every_driver_counts_its_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases) && cases[i].name; i++) {
		struct storage_plan sp;
		size_t budget = 0;
		struct err e;

		/* From nothing at all until there is enough: an error each time,
		never a crash or half a plan. */
		for (;; budget += 64) {
			arena_fini(&arena);
			arena_init(&arena, budget);
			memset(&e, 0, sizeof(e));
			if (make(&cases[i], &sp, &e) == 0)
				break;
			assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
			assert_true(budget < 1 << 20);
		}
		assert_true(budget > 0);
		assert_true(sp.plan.ops[0].kind == PLAN_MKDIR || sp.plan.ops[0].kind == PLAN_BIND);
	}
}

/* What is undone last is the directory of the mount point: no driver may forget it. */
static void every_plan_makes_what_it_mounts_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases) && cases[i].name; i++) {
		struct storage_plan sp;
		struct err e = { 0 };

		assert_int_equal(make(&cases[i], &sp, &e), 0);
		for (size_t k = 0; k < sp.plan.n; k++) {
			if (sp.plan.ops[k].kind != PLAN_MOUNT)
				continue;
			assert_true(k > 0);
			assert_int_equal(sp.plan.ops[k - 1].kind, PLAN_MKDIR);
			assert_string_equal(sp.plan.ops[k - 1].target, sp.plan.ops[k].target);
		}
	}
}

/* --- the table ------------------------------------------------------------------------------- */

static void names(void **state)
{
	static const struct {
		const char *name, *why;
		enum rc rc;
	} rows[] = {
		{ "floppy",
		  "storage driver \"floppy\": unknown; this agent has blk, mmioblk, scsi, nvdimm, virtio-fs, "
		  "9p, overlayfs, bind, ephemeral, local, watchable-bind, erofs.multi-layer",
		  RC_INVALID_ARGUMENT },
		{ "", "storage driver \"\": unknown", RC_INVALID_ARGUMENT },
		{ "Blk", "unknown", RC_INVALID_ARGUMENT },
		{ "virtio-9p", "called 9p", RC_UNIMPLEMENTED },
		{ "virtiofs", "called virtio-fs", RC_UNIMPLEMENTED },
		{ "image_guest_pull", "confidential data hub", RC_UNIMPLEMENTED },
	};

	(void)state;
	for (const char *const *name = storage_driver_names(); *name; name++)
		assert_string_equal(driver(*name)->name, *name);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct err e = { 0 };

		assert_null(storage_driver_find(rows[i].name, &e));
		assert_int_equal(e.rc, rows[i].rc);
		if (!strstr(e.msg, rows[i].why))
			fail_msg("%s", e.msg);
	}
}

static void needs(void **state)
{
	static const struct {
		const char *driver, *source;
		enum device_kind want;	/* DEVICE_NONE: refused */
	} rows[] = {
		{ "blk", "02/01", DEVICE_BLK_PCI }, { "blk", "/dev/vda", DEVICE_BLK_NODE }, { "blk",
		"", DEVICE_NONE },
		{ "blk", "/dev/../vda", DEVICE_NONE }, { "mmioblk", "/dev/vda", DEVICE_BLK_NODE },
		{ "mmioblk", "02", DEVICE_NONE }, { "scsi", "0:1", DEVICE_SCSI }, { "scsi",
		"/dev/sda", DEVICE_NONE },
		{ "nvdimm", "/dev/pmem0", DEVICE_PMEM }, { "nvdimm", "/dev/vda", DEVICE_NONE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct storage_req r = REQ(rows[i].driver, rows[i].source, "ext4", "/run/x");
		struct device_need n = { 0 };
		struct err e = { 0 };

		assert_int_equal(driver(r.driver)->need(&r, &n, &e),
		rows[i].want == DEVICE_NONE ? -1 : 0);
		assert_int_equal(n.kind, rows[i].want);
		assert_int_equal(e.rc, rows[i].want == DEVICE_NONE ? RC_INVALID_ARGUMENT : RC_OK);
	}
}

static void overlay_needs_a_container(void **state)
{
	static const char *const ids[] = { NULL, "", ".", "..", "a/b", "a:b", "a,b", "a\\b" };
	struct row row = BAD(RC_OK, NULL, NULL, "overlayfs", "", "", "/run/x",
		OPTS("lowerdir=/a|" OVERLAY_RW));
	struct storage_req r = request(&row);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		struct storage_ctx ctx = { .container_id = ids[i] };
		struct storage_plan sp;
		struct err e = { 0 };

		assert_int_equal(storage_plan_make(&storage_overlayfs, &r, &ctx, &arena, &sp, &e),
		-1);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	}
}

static void sizes(void **state)
{
	static char longer[4097];
	char *many[1025];
	struct storage_req r = REQ("local", "", "", "/run/x");
	struct err e = { 0 };

	(void)state;
	memset(longer, 'a', sizeof(longer) - 1);
	for (size_t i = 0; i < COUNT_OF(many); i++)
		many[i] = longer + 4090;
	assert_int_equal(storage_req_check(&r, &e), 0);
	r.options = many;
	r.n_options = 1024;
	assert_int_equal(storage_req_check(&r, &e), 0);
	r.n_options = 1025;
	assert_int_equal(storage_req_check(&r, &e), -1);
	err_clear(&e);
	r.n_options = 1;
	many[0] = longer;
	assert_int_equal(storage_req_check(&r, &e), -1);
	err_clear(&e);
	r.n_options = 0;
	r.source = longer;
	assert_int_equal(storage_req_check(&r, &e), -1);
	err_clear(&e);
	r.source = "";
	longer[0] = '/';
	r.mount_point = longer;
	assert_int_equal(storage_req_check(&r, &e), -1);
	assert_string_equal(e.msg, "mount point longer than 4095 bytes");
}

int main(void)
{
#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(golden), TEST(errors), TEST(every_driver_refuses_bad_places),
		TEST(every_driver_takes_good_places),
		TEST(every_driver_counts_its_memory), TEST(every_plan_makes_what_it_mounts_on),
		TEST(names), TEST(needs),
		TEST(overlay_needs_a_container), TEST(sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
