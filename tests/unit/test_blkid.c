/* SPDX-License-Identifier: Apache-2.0 */
/* Images are made by the real mkfs programs, below the temporary directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kernel/blkid.h"

extern char **environ;

static char dir[] = "/tmp/mote-blkid-XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

/* false: the program is not installed. */
static bool run(char *const *argv)
{
	posix_spawn_file_actions_t quiet;
	int status = -1;
	pid_t pid;
	int r;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	r = posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&quiet);
	if (r != 0)
		return false;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return false;
	assert_int_equal(status, 0);
	return true;
}

static int image(char path[64], off_t size)
{
	int fd;

	snprintf(path, 64, "%s/image", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static void expect(char *const *argv, off_t size, const char *want)
{
	char path[64], type[32], small[3];
	AUTO_FD fd = image(path, size);
	struct err e = { 0 };

	if (!run(argv)) {
		unlink(path);
		print_message("skip: no %s\n", argv[0]);
		skip();
	}
	assert_int_equal(blkid_fstype_of(fd, type, sizeof(type), &e), 0);
	assert_string_equal(type, want);
	assert_int_equal(blkid_fstype_of(fd, small, sizeof(small), &e), -1);
	assert_int_equal(e.sys, ENAMETOOLONG);
	unlink(path);
}

static void test_ext4(void **state)
{
	char path[64];
	char *argv[] = { (char *)"mke2fs", (char *)"-q", (char *)"-F", (char *)"-t",
			 (char *)"ext4",   path,	 NULL };

	(void)state;
	snprintf(path, sizeof(path), "%s/image", dir);
	expect(argv, 4 << 20, "ext4");
}

static void test_erofs(void **state)
{
	char path[64], from[64];
	char *argv[] = { (char *)"mkfs.erofs", path, from, NULL };

	(void)state;
	snprintf(path, sizeof(path), "%s/image", dir);
	snprintf(from, sizeof(from), "%s/from", dir);
	assert_int_equal(mkdir(from, 0755), 0);
	expect(argv, 0, "erofs");
	assert_int_equal(rmdir(from), 0);
}

static void test_nothing(void **state)
{
	char path[64], type[32];
	AUTO_FD fd = image(path, 1 << 20);
	AUTO_FD empty = -1;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(blkid_fstype_of(fd, type, sizeof(type), &e), -1);
	assert_int_equal(e.rc, RC_NOT_FOUND);
	assert_string_equal(type, "");
	err_clear(&e);
	empty = image(path, 0);
	assert_int_equal(blkid_fstype_of(empty, type, sizeof(type), &e), -1);
	assert_int_equal(e.rc, RC_NOT_FOUND);
	err_clear(&e);
	assert_int_equal(blkid_fstype_of(-1, type, sizeof(type), &e), -1);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ext4),
		cmocka_unit_test(test_erofs),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
