/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mount.h>

#include "kernel/mount_options.h"
#include "kernel/sys.h"

#define MAX_OPTS	8

static const struct {
	const char *opts[MAX_OPTS];
	unsigned long set, clear, propagation;
	uint64_t rec_set, rec_clear;
	const char *data;
	unsigned int extra;
} good[] = {
	{ .opts = { NULL } },
	{ .opts = { "defaults" } },
	{ .opts = { "ro", "nosuid", "nodev", "noexec" },
	  .set = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ .opts = { "noatime", "relatime" }, .set = MS_RELATIME },
	{ .opts = { "strictatime", "noatime", "nodiratime" }, .set = MS_NOATIME | MS_NODIRATIME },
	{ .opts = { "ro", "rw" }, .clear = MS_RDONLY },
	{ .opts = { "rw", "ro" }, .set = MS_RDONLY },
	{ .opts = { "suid", "dev", "exec", "async" },
	  .clear = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS },
	{ .opts = { "bind" }, .set = MS_BIND },
	{ .opts = { "rbind", "rprivate" },
	  .set = MS_BIND | MS_REC,
	  .propagation = MS_PRIVATE | MS_REC },
	{ .opts = { "shared", "slave" }, .propagation = MS_SLAVE },
	{ .opts = { "runbindable" }, .propagation = MS_UNBINDABLE | MS_REC },
	{ .opts = { "mode=1777", "size=65536k", "nosuid" },
	  .set = MS_NOSUID,
	  .data = "mode=1777,size=65536k" },
	{ .opts = { "lowerdir=/a:/b", "upperdir=/u", "workdir=/w" },
	  .data = "lowerdir=/a:/b,upperdir=/u,workdir=/w" },
	{ .opts = { "", "dax" }, .data = "dax" },
	{ .opts = { "rro" }, .rec_set = MOUNT_ATTR_RDONLY },
	{ .opts = { "rro", "rrw" }, .rec_clear = MOUNT_ATTR_RDONLY },
	{ .opts = { "rrw", "rro" }, .rec_set = MOUNT_ATTR_RDONLY },
	{ .opts = { "rnoatime" }, .rec_set = MOUNT_ATTR_NOATIME, .rec_clear = MOUNT_ATTR__ATIME },
	{ .opts = { "rnoatime", "rstrictatime" },
	  .rec_set = MOUNT_ATTR_STRICTATIME,
	  .rec_clear = MOUNT_ATTR__ATIME },
	{ .opts = { "rstrictatime", "rrelatime" }, .rec_clear = MOUNT_ATTR__ATIME },
	{ .opts = { "rnosymfollow", "nosymfollow" },
	  .set = 256,
	  .rec_set = MOUNT_ATTR_NOSYMFOLLOW },
	{ .opts = { "tmpcopyup", "idmap" }, .extra = MOUNT_TMPCOPYUP | MOUNT_IDMAP },
	{ .opts = { "nofail", "_netdev", "noauto", "x-systemd.automount", "X-kata.overlay-upper",
		    "user" } },
	{ .opts = { "relatime", "lazytime", "iversion", "mand", "dirsync", "silent" },
	  .set = MS_RELATIME | MS_LAZYTIME | MS_I_VERSION | MS_MANDLOCK | MS_DIRSYNC | MS_SILENT },
	{ .opts = { "remount", "loud" }, .set = MS_REMOUNT, .clear = MS_SILENT },
	{ .opts = { "user=bob", "group_id=0" }, .data = "user=bob,group_id=0" },
};

static size_t count(const char *const *opts)
{
	size_t n = 0;

	while (n < MAX_OPTS && opts[n])
		n++;
	return n;
}

static void test_parse(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, 65536);
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct mount_options o;
		struct err e = { 0 };
		int r = mount_options_parse((char *const *)good[i].opts, count(good[i].opts), &a,
					    &o, &e);

		if (r != 0 || o.ms_set != good[i].set || o.ms_clear != good[i].clear ||
		    o.propagation != good[i].propagation || o.rec_set != good[i].rec_set ||
		    o.rec_clear != good[i].rec_clear || o.extra != good[i].extra)
			fail_msg("row %zu (%s): %s set=%lx clear=%lx prop=%lx", i,
				 good[i].opts[0] ? good[i].opts[0] : "", e.msg, o.ms_set,
				 o.ms_clear, o.propagation);
		if (good[i].data)
			assert_string_equal(o.data, good[i].data);
		else
			assert_null(o.data);
	}
	arena_fini(&a);
}

static void refuse(const char *opt, const char *word)
{
	char *opts[] = { (char *)opt };
	struct mount_options o;
	struct err e = { 0 };
	struct arena a;

	arena_init(&a, 65536);
	assert_int_equal(mount_options_parse(opts, 1, &a, &o, &e), -1);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	assert_non_null(strstr(e.msg, word));
	arena_fini(&a);
}

static void test_refused(void **state)
{
	static char big[4097];

	(void)state;
	refuse("loop", "loop");
	refuse("loop=/dev/loop0", "loop");
	memset(big, 'x', 4096);
	refuse(big, "4095");
}

static void test_data_fits_exactly(void **state)
{
	static char page[4096];
	char *opts[] = { page, (char *)"ro" };
	struct mount_options o;
	struct err e = { 0 };
	struct arena a;

	(void)state;
	memset(page, 'x', 4095);
	arena_init(&a, 65536);
	assert_int_equal(mount_options_parse(opts, 2, &a, &o, &e), 0);
	assert_int_equal(strlen(o.data), 4095);
	arena_fini(&a);
}

static void test_print(void **state)
{
	char buf[256];
	struct str s = STR_OVER(buf);

	(void)state;
	str_reset(&s);
	mount_options_print(&s, MS_BIND | MS_REC | MS_RDONLY, MS_NOSUID, MS_PRIVATE | MS_REC,
			    MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME);
	assert_string_equal(buf, "rbind,ro,suid,rprivate,rnoatime");
	str_reset(&s);
	mount_options_print(&s, MS_BIND | MS_NOSUID, 0, 0, 0, MOUNT_ATTR__ATIME);
	assert_string_equal(buf, "bind,nosuid,rrelatime");
	str_reset(&s);
	mount_options_print(&s, 0, 0, 0, 0, 0);
	assert_string_equal(buf, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_data_fits_exactly),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
