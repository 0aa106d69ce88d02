/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every storage driver against sources that lead out of where they may, or are no such thing, and
 * against options that contradict each other or the driver. Mount points that escape are walked in
 * test_storage.c, for every driver alike. Nothing of this may come as far as a plan.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/str.h"
#include "storage/driver.h"

#define SHARE	 "/run/kata-containers/shared/containers"
#define RW	 "io.katacontainers.fs-opt.overlay-rw"
#define DIRS	 "io.katacontainers.volume.overlayfs.create_directory"
#define MULTI	 "X-kata.multi-layer=true"
#define CHECKED	 MULTI "|X-kata.dmverity-enabled=true|X-kata.dmverity.roothash=aa|X-kata.dmverity.hashoffset="
#define INVALID	 RC_INVALID_ARGUMENT

enum kind { SOURCE, OPTIONS };

/* Options are one text with "|" between them; those of the driver begin with "!". */
struct lie {
	enum kind kind;
	const char *driver, *source, *fstype, *options;
	enum rc rc;
	const char *why;
};

#define DISK(driver, good)                                                                     \
	{ SOURCE, driver, "", "ext4", "", INVALID, "" },                                       \
	{ SOURCE, driver, "/etc/passwd", "ext4", "", INVALID, "" },                            \
	{ SOURCE, driver, "/dev/../etc/passwd", "ext4", "", INVALID, "" },                     \
	{ SOURCE, driver, "../../etc", "ext4", "", INVALID, "" },                              \
	{ SOURCE, driver, "/dev/shm/disk", "ext4", "", INVALID, "" },                          \
	{ SOURCE, driver, good "/..", "ext4", "", INVALID, "" },                               \
	{ SOURCE, driver, good "\n", "ext4", "", INVALID, "" },                                \
	{ OPTIONS, driver, good, "ext4", "rbind", INVALID, "'bind' has no meaning" },          \
	{ OPTIONS, driver, good, "ext4", "ro|remount", INVALID, "'remount' has no meaning" },  \
	{ OPTIONS, driver, good, "ext4", "idmap", RC_UNIMPLEMENTED, "'idmap'" },               \
	{ OPTIONS, driver, good, "xfs", "!create_filesystem", INVALID, "makes ext4, not xfs" }, \
	{ OPTIONS, driver, good, "ext4", "!create_filesystem|!encryption_key=ephemeral",       \
	  RC_UNIMPLEMENTED, "encryption_key: needs a confidential data hub" }

static const struct lie lies[] = {
	DISK("blk", "02/01"),
	DISK("blk", "/dev/vda"),
	DISK("mmioblk", "/dev/vda"),
	DISK("scsi", "0:1"),
	DISK("nvdimm", "/dev/pmem0"),

	{ SOURCE, "erofs.multi-layer", "/dev/../etc/passwd", "erofs", MULTI, INVALID, "" },
	{ SOURCE, "erofs.multi-layer", "../02", "erofs", MULTI, INVALID, "" },
	{ SOURCE, "erofs.multi-layer", "", "erofs", MULTI, INVALID, "" },
	{ OPTIONS, "erofs.multi-layer", "02", "ext4", MULTI, INVALID, "no lower layer" },
	{ OPTIONS, "erofs.multi-layer", "02", "erofs", MULTI "|X-kata.overlay-upper|X-kata.overlay-lower", INVALID,
	  "both upper and lower" },
	{ OPTIONS, "erofs.multi-layer", "02", "erofs", MULTI "|X-kata.partition-number=1", INVALID, "go together" },
	{ OPTIONS, "erofs.multi-layer", "02", "erofs", CHECKED "x", INVALID, "hashoffset" },
	{ OPTIONS, "erofs.multi-layer", "02", "erofs", MULTI "|X-kata.mkdir.path={{ mount 0 }}/../../etc", INVALID, "\"..\"" },
	{ OPTIONS, "erofs.multi-layer", "02", "erofs", MULTI "|X-kata.mkdir.path=/etc", INVALID, "does not begin with" },
	{ OPTIONS, "erofs.multi-layer", "02", "erofs", MULTI "|!encryption_key=ephemeral", RC_UNIMPLEMENTED,
	  "encryption_key: needs a confidential data hub" },

	{ SOURCE, "virtio-fs", "", "virtiofs", "", INVALID, "source (the mount tag) missing" },
	{ OPTIONS, "virtio-fs", "tag", "9p", "", INVALID, "is not virtiofs" },
	{ OPTIONS, "virtio-fs", "tag", "virtiofs", "bind", INVALID, "'bind' has no meaning" },
	{ SOURCE, "9p", "", "9p", "", INVALID, "source (the mount tag) missing" },
	{ OPTIONS, "9p", "tag", "9p", "trans=virtio|trans=fd,rfdno=3", INVALID, "trans=fd" },
	{ OPTIONS, "9p", "tag", "9p", "remount", INVALID, "'remount' has no meaning" },

	{ SOURCE, "bind", "", "bind", "", INVALID, "source missing" },
	{ SOURCE, "bind", "/run/../etc", "bind", "", INVALID, "not absolute" },
	{ SOURCE, "bind", "/proc/1/root", "bind", "", INVALID, "not below" },
	{ SOURCE, "bind", "/dev/vda", "bind", "", INVALID, "not below" },
	{ OPTIONS, "bind", SHARE "/a", "tmpfs", "", INVALID, "fstype" },
	{ OPTIONS, "bind", SHARE "/a", "bind", "ro|remount", INVALID, "'remount' has no" },
	{ OPTIONS, "bind", SHARE "/a", "bind", "size=1", INVALID, "'size=1' has no" },

	{ SOURCE, "overlayfs", "overlay", "overlay", "lowerdir=/a:/b/../../etc", INVALID, "lowerdir /b/../../etc: not" },
	{ SOURCE, "overlayfs", "overlay", "overlay", "lowerdir=/a|upperdir=/run/../etc|workdir=/run/w", INVALID, "upperdir" },
	{ SOURCE, "overlayfs", "overlay", "overlay", "lowerdir=/a:/b|!" DIRS "=/etc/x", INVALID, "not below" },
	{ OPTIONS, "overlayfs", "overlay", "overlay", "", INVALID, "lowerdir= missing" },
	{ OPTIONS, "overlayfs", "overlay", "ext4", "lowerdir=/a:/b", INVALID, "is not overlay" },
	{ OPTIONS, "overlayfs", "overlay", "overlay", "lowerdir=/a|upperdir=/run/u|" RW, INVALID, "both " },

	{ SOURCE, "watchable-bind", "", "bind", "", INVALID, "not absolute" },
	{ SOURCE, "watchable-bind", "/run/../etc", "bind", "", INVALID, "not" },
	{ SOURCE, "watchable-bind", "/proc/self/root", "bind", "", INVALID, "not below" },
	{ OPTIONS, "watchable-bind", SHARE "/a", "ext4", "", INVALID, "fstype" },

	{ OPTIONS, "ephemeral", "tmpfs", "ext4", "", INVALID, "is not tmpfs" },
	{ OPTIONS, "ephemeral", "tmpfs", "tmpfs", "fsgid=1|fsgid=x", INVALID, "fsgid=x" },
	{ OPTIONS, "ephemeral", "tmpfs", "tmpfs", "rbind", INVALID, "'bind' has no meaning" },
	{ OPTIONS, "ephemeral", "nodev", "hugetlbfs", "pagesize=2097152,size=x", INVALID, "size" },
	{ OPTIONS, "local", "local", "local", "mode=0999", INVALID, "mode=0999" },
	{ OPTIONS, "local", "local", "local", "fsgid=-1", INVALID, "fsgid=-1" },
};

/* They take whatever name stands there and look for nothing by it. */
static const char *const without_source[] = { "ephemeral", "local", NULL };

static struct arena arena;

static int setup(void **state UNUSED)
{
	arena_init(&arena, 1 << 20);
	return 0;
}

static int teardown(void **state UNUSED)
{
	arena_fini(&arena);
	return 0;
}

static void read_options(struct storage_req *r, const char *text)
{
	static char *plain[8], *own[8];
	char *s = arena_strdup(&arena, text), *word;

	r->options = plain;
	r->driver_options = own;
	while (s && *text && (word = strsep(&s, "|"))) {
		assert_true(r->n_options < COUNT_OF(plain) && r->n_driver_options < COUNT_OF(own));
		if (*word == '!')
			own[r->n_driver_options++] = word + 1;
		else
			plain[r->n_options++] = word;
	}
}

/* As the sandbox does: which device, and, with it, the plan. */
static int attempt(const struct lie *l, bool *waited, struct err *e)
{
	const struct storage_driver *d = storage_driver_find(l->driver, e);
	struct storage_req r = { .driver = l->driver, .source = l->source, .fstype = l->fstype,
				 .mount_point = str_eq(l->driver, "watchable-bind") ? SHARE "/watchable/x" : "/run/x" };
	struct device_found found = { .node = "/dev/vda", .major = 254 };
	struct storage_ctx ctx = { .container_id = "c1", .device = d && d->need ? &found : NULL };
	struct device_need need = { 0 };
	struct storage_plan sp;

	*waited = false;
	if (!d)
		return -1;
	read_options(&r, l->options);
	if (d->need && d->need(&r, &need, e) < 0)
		return -1;
	*waited = d->need;
	return storage_plan_make(d, &r, &ctx, &arena, &sp, e);
}

static void refused(void **state UNUSED)
{
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		const struct lie *l = &lies[i];
		struct err e = { 0 };
		bool waited;

		if (attempt(l, &waited, &e) == 0)
			fail_msg("%s takes \"%s\" with \"%s\"", l->driver, l->source, l->options);
		if (e.rc != l->rc || !*e.msg || !strstr(e.msg, l->why))
			fail_msg("%s \"%s\" \"%s\": not \"%s\" but %s \"%s\"", l->driver, l->source, l->options,
				 l->why, err_rc_name(e.rc), e.msg);
		/* no device that cannot be right is waited for, nor one that would not be used */
		if (waited && (l->kind == SOURCE || l->rc == RC_UNIMPLEMENTED) && !strstr(l->options, "idmap"))
			fail_msg("%s \"%s\" \"%s\": said after a wait", l->driver, l->source, l->options);
	}
}

static size_t rows_of(const char *driver, enum kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(lies); i++)
		n += lies[i].kind == kind && str_eq(lies[i].driver, driver);
	return n;
}

static void every_driver_has_its_rows(void **state UNUSED)
{
	for (const char *const *name = storage_driver_names(); *name; name++) {
		bool needs_none = false;

		for (const char *const *w = without_source; *w; w++)
			needs_none = needs_none || str_eq(*w, *name);
		if (!rows_of(*name, SOURCE) && !needs_none)
			fail_msg("%s: no source that lies", *name);
		if (!rows_of(*name, OPTIONS))
			fail_msg("%s: no options that contradict", *name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(refused, setup, teardown),
		cmocka_unit_test(every_driver_has_its_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
