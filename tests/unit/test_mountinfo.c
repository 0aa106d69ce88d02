/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>

#include "kernel/mountinfo.h"

static void test_parse(void **state)
{
	char line[] =
		"36 35 98:0 /mnt1 /mnt\\0402\\134x rw,noatime master:1 shared:7 propagate_from:9 - fuse.x my\\011src rw,a=b\n";
	struct mountinfo m;

	(void)state;
	assert_int_equal(mountinfo_parse(line, &m), 0);
	assert_int_equal(m.id, 36);
	assert_int_equal(m.parent, 35);
	assert_int_equal(m.major, 98);
	assert_int_equal(m.minor, 0);
	assert_string_equal(m.root, "/mnt1");
	assert_string_equal(m.target, "/mnt 2\\x");
	assert_string_equal(m.options, "rw,noatime");
	assert_int_equal(m.master, 1);
	assert_int_equal(m.shared, 7);
	assert_false(m.unbindable);
	assert_string_equal(m.fstype, "fuse.x");
	assert_string_equal(m.source, "my\tsrc");
	assert_string_equal(m.super, "rw,a=b");
}

static void test_parse_plain(void **state)
{
	char line[] = "1 1 0:2 / / rw unbindable - rootfs none rw";
	char no_source[] = "25 1 0:3 / /x rw - tmpfs  rw\n";
	struct mountinfo m;

	(void)state;
	assert_int_equal(mountinfo_parse(line, &m), 0);
	assert_true(m.unbindable);
	assert_string_equal(m.fstype, "rootfs");
	assert_int_equal(mountinfo_parse(no_source, &m), 0);
	assert_string_equal(m.source, "");
	assert_string_equal(m.super, "rw");
}

static void test_malformed(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"36",
		"36 35 98:0 / /mnt rw",
		"36 35 98:0 / /mnt rw -",
		"36 35 98:0 / /mnt rw - ext4",
		"x 35 98:0 / /mnt rw - ext4 a b",
		"36 35 98 / /mnt rw - ext4 a b",
		"36 35 98:x / /mnt rw - ext4 a b",
		"36 35 98:0 / /mnt rw shared:x - ext4 a b",
		"36 35 98:0 / /mnt rw shared:1 ext4 a b",
		"36 35 98:99999999999 / /mnt rw - ext4 a b",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		char line[128];
		struct mountinfo m;

		memcpy(line, bad[i], strlen(bad[i]) + 1);
		if (mountinfo_parse(line, &m) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
	}
}

static void test_asked_of_the_kernel(void **state)
{
	AUTO_FD proc = open("/proc", O_PATH | O_CLOEXEC);
	AUTO_FD below = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	uint64_t a, b;
	char fstype[32], tiny[4];

	(void)state;
	assert_int_equal(mountinfo_is_mount(proc), 1);
	assert_int_equal(mountinfo_is_mount(below), 0);
	assert_int_equal(mountinfo_is_mount(file), 0);
	assert_int_equal(mountinfo_is_mount(-1), -EBADF);
	assert_int_equal(mountinfo_mount_id(proc, &a), 0);
	assert_int_equal(mountinfo_mount_id(file, &b), 0);
	assert_int_equal(a, b);
	assert_int_equal(mountinfo_fstype(file, fstype, sizeof(fstype)), 0);
	assert_string_equal(fstype, "proc");
	assert_int_equal(mountinfo_fstype(file, tiny, sizeof(tiny)), -ENAMETOOLONG);
	assert_in_range(mountinfo_root_is_rootfs(), 0, 1);
}

static int count(void *arg, const struct mountinfo *m)
{
	(void)m;
	return ++*(int *)arg == 2 ? 77 : 0;
}

static void test_each(void **state)
{
	int n = 0;

	(void)state;
	assert_int_equal(mountinfo_each("/proc/self/mountinfo", count, &n), 77);
	assert_int_equal(n, 2);
	assert_int_equal(mountinfo_each("/nonexistent", count, &n), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_plain),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_asked_of_the_kernel),
		cmocka_unit_test(test_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
