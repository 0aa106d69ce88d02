/* SPDX-License-Identifier: Apache-2.0 */
/* A volume given to a group, on real files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage_world.h"

static void make_volume(void)
{
	put("/run/v/file", "", 0600);
	put("/run/v/dir/program", "", 0755);
	make_dir("/run/v/dir/empty");
	assert_int_equal(chmod("/run/v/dir", 0700), 0);
	put("/run/outside", "", 0600);
	assert_int_equal(symlink("/run/outside", "/run/v/link"), 0);
	assert_int_equal(symlink("/run/none", "/run/v/dangling"), 0);
	assert_int_equal(mkfifo("/run/v/fifo", 0600), 0);
	make_dir("/run/v/mount");
	assert_int_equal(mount("tmpfs", "/run/v/mount", "tmpfs", 0, "mode=700"), 0);
}

static struct storage_req group_request(void)
{
	struct storage_req r = request("local", "", "", "/run/v");

	r.flags = STORAGE_FS_GROUP;
	r.fs_group = other_gid();
	return r;
}

static void whole_tree(void **state)
{
	static const struct {
		const char *path;
		mode_t mode;
	} rows[] = {
		{ "/run/v", 02775 }, { "/run/v/file", 0660 },
		{ "/run/v/dir", 02770 }, { "/run/v/dir/program", 0775 },
		{ "/run/v/dir/empty", 02775 }, { "/run/v/fifo", 0660 },
	};
	struct storage_req r = group_request();
	struct storage_plan sp;

	NEEDS_NAMESPACE();
	make_volume();
	must(&r, &sp);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(stat_of(rows[i].path).st_gid, other_gid());
		assert_mode(rows[i].path, rows[i].mode);
	}
	assert_int_equal(stat_of("/run/outside").st_gid, 0);
	assert_mode("/run/outside", 0600);
	assert_int_equal(stat_of("/run/v/link").st_gid, 0);
	assert_mode("/run/v/mount", 0700);
}

static void read_only_bits(void **state)
{
	struct storage_req r = group_request();

	NEEDS_NAMESPACE();
	put("/run/v/file", "", 0600);
	make_dir("/run/v/dir");
	set_options(&r, "ro");
	assert_int_equal(storage_apply_fs_group("/run/v", &r, &err), 0);
	assert_mode("/run/v/file", 0640);
	assert_mode("/run/v/dir", 02755);
}

static void only_on_mismatch(void **state)
{
	struct storage_req r = group_request();

	NEEDS_NAMESPACE();
	r.flags |= STORAGE_FS_GROUP_ON_ROOT_MISMATCH;
	put("/run/v/file", "", 0600);
	assert_int_equal(storage_apply_fs_group("/run/v", &r, &err), 0);
	assert_mode("/run/v/file", 0660);
	assert_mode("/run/v", 02775);

	assert_int_equal(chmod("/run/v/file", 0600), 0);
	assert_int_equal(storage_apply_fs_group("/run/v", &r, &err), 0);
	assert_mode("/run/v/file", 0600);	/* the root is right: nobody looked further */

	assert_int_equal(chmod("/run/v", 0775), 0);
	assert_int_equal(storage_apply_fs_group("/run/v", &r, &err), 0);
	assert_mode("/run/v/file", 0660);

	assert_int_equal(chmod("/run/v/file", 0600), 0);
	r.flags &= ~(unsigned int)STORAGE_FS_GROUP_ON_ROOT_MISMATCH;
	assert_int_equal(storage_apply_fs_group("/run/v", &r, &err), 0);
	assert_mode("/run/v/file", 0660);
}

static void limits(void **state)
{
	struct storage_req r = group_request();
	AUTO_FD fd = -1;

	NEEDS_NAMESPACE();
	assert_int_equal(storage_apply_fs_group("/run/nowhere", &r, &err), -1);
	assert_int_equal(err.rc, RC_NOT_FOUND);
	err_clear(&err);
	make_dir("/run/v");
	fd = open("/run/v", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 1000; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		next = openat(fd, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	assert_int_equal(storage_apply_fs_group("/run/v", &r, &err), -1);
	assert_int_equal(err.sys, ELOOP);
	assert_mode("/run/v", 0755);	/* so that a walk on mismatch starts again */
}

int main(void)
{
#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(whole_tree), TEST(read_only_bits), TEST(only_on_mismatch), TEST(limits),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
