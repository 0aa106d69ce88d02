/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>

#include "base/io.h"

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

static char dir_name[] = "/tmp/test_io.XXXXXX";
static int dirfd_;

static int make_dir(void **state UNUSED)
{
	if (!mkdtemp(dir_name))
		return -1;
	dirfd_ = open(dir_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ < 0 ? -1 : 0;
}

static int remove_dir(void **state UNUSED)
{
	static const char *const names[] = { "file", "link", "target", "fifo", "secret" };

	for (size_t i = 0; i < COUNT_OF(names); i++)
		unlinkat(dirfd_, names[i], 0);
	close(dirfd_);
	return rmdir(dir_name);
}

static void put(const char *name, const void *data, size_t n)
{
	assert_int_equal(io_create_file(dirfd_, name, data, n, 0600), 0);
}

static void a_file_fits_or_is_too_big(void **state UNUSED)
{
	char buf[8];

	put("file", "1234567", 7);
	assert_int_equal(io_read_file(dirfd_, "file", buf, sizeof(buf)), 7);
	assert_string_equal(buf, "1234567");
	put("file", "12345678", 8);
	assert_int_equal(io_read_file(dirfd_, "file", buf, sizeof(buf)), -EFBIG);
	assert_string_equal(buf, "");
	put("file", "", 0);
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(io_read_file(dirfd_, "file", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
	assert_int_equal(io_read_file(dirfd_, "file", buf, 1), 0);
	assert_int_equal(io_read_file(dirfd_, "file", buf, 0), -EINVAL);
	assert_int_equal(io_read_file(dirfd_, "none", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(io_read_file(AT_FDCWD, dir_name, buf, sizeof(buf)), -EISDIR);
}

static void a_line_loses_its_end(void **state UNUSED)
{
	char buf[32];

	put("file", "  a b \t\r\n\n", 10);
	assert_int_equal(io_read_line(dirfd_, "file", buf, sizeof(buf)), 5);
	assert_string_equal(buf, "  a b");
	put("file", "\n \n", 3);
	assert_int_equal(io_read_line(dirfd_, "file", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
	put("file", "a\n\0", 3);
	assert_int_equal(io_read_line(dirfd_, "file", buf, sizeof(buf)), 3);
	assert_int_equal(io_read_line(dirfd_, "none", buf, sizeof(buf)), -ENOENT);
}

static void a_file_of_any_size_goes_into_an_arena(void **state UNUSED)
{
	static char data[100000];
	struct arena a;
	char *out;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7);
	arena_init(&a, 1 << 20);
	for (size_t n = 0; n < sizeof(data); n = n * 3 + 1) {
		put("file", data, n);
		assert_int_equal(io_read_file_arena(dirfd_, "file", &a, n, &out), n);
		assert_memory_equal(out, data, n);
		assert_int_equal(out[n], 0);
		if (n)
			assert_int_equal(io_read_file_arena(dirfd_, "file", &a, n - 1, &out), -EFBIG);
	}
	assert_int_equal(io_read_file_arena(dirfd_, "file", &a, SIZE_MAX, &out), 88573);
	assert_int_equal(io_read_file_arena(dirfd_, "none", &a, 10, &out), -ENOENT);
	arena_fini(&a);

	arena_init(&a, 1000);
	assert_int_equal(io_read_file_arena(dirfd_, "file", &a, SIZE_MAX, &out), -ENOMEM);
	arena_fini(&a);
}

/* Kernel files say size 0 (proc) or 4096 (sysfs); a pipe is a file of unknown size, too. */
static void a_file_that_hides_its_size(void **state UNUSED)
{
	static char data[5000];
	struct arena a;
	char name[32], *out;
	int p[2];

	memset(data, 'p', sizeof(data));
	arena_init(&a, 1 << 20);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(io_write_full(p[1], data, sizeof(data)), 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", p[0]);
	close(p[1]);
	assert_int_equal(io_read_file_arena(AT_FDCWD, name, &a, 10000, &out), 5000);
	assert_memory_equal(out, data, 5000);
	close(p[0]);

	assert_true(io_read_file_arena(AT_FDCWD, "/proc/self/status", &a, 10000, &out) > 100);
	assert_memory_equal(out, "Name:", 5);
	arena_fini(&a);
}

static void writing_neither_makes_nor_cuts_a_file(void **state UNUSED)
{
	char buf[16];

	assert_int_equal(io_write_file(dirfd_, "none", "x"), -ENOENT);
	put("file", "abcdef", 6);
	assert_int_equal(io_write_file(dirfd_, "file", "XY"), 0);
	assert_int_equal(io_read_file(dirfd_, "file", buf, sizeof(buf)), 6);
	assert_string_equal(buf, "XYcdef");
	assert_int_equal(io_write_file(AT_FDCWD, "/dev/full", "x"), -ENOSPC);
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dirfd_, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

static void a_new_file_has_exactly_its_mode(void **state UNUSED)
{
	mode_t old = umask(0777);
	char buf[16];

	assert_int_equal(io_create_file(dirfd_, "secret", "long text", 9, 0666), 0);
	umask(old);
	assert_int_equal(mode_of("secret"), 0666);
	assert_int_equal(io_create_file(dirfd_, "secret", "s", 1, 0400), 0);
	assert_int_equal(mode_of("secret"), 0400);
	assert_int_equal(io_read_file(dirfd_, "secret", buf, sizeof(buf)), 1);
	assert_string_equal(buf, "s");
}

static void only_a_regular_file_is_replaced(void **state UNUSED)
{
	char buf[16];
	int fd;

	put("target", "old", 3);
	assert_int_equal(symlinkat("target", dirfd_, "link"), 0);
	assert_int_equal(io_create_file(dirfd_, "link", "new", 3, 0600), -ELOOP);
	assert_int_equal(io_read_file(dirfd_, "target", buf, sizeof(buf)), 3);
	assert_string_equal(buf, "old");

	assert_int_equal(mkfifoat(dirfd_, "fifo", 0600), 0);
	assert_int_equal(io_create_file(dirfd_, "fifo", "x", 1, 0600), -ENXIO);
	fd = openat(dirfd_, "fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(io_create_file(dirfd_, "fifo", "x", 1, 0600), -EEXIST);
	assert_int_equal(read(fd, buf, 1), 0);
	close(fd);
	assert_int_equal(io_create_file(AT_FDCWD, dir_name, "x", 1, 0600), -EISDIR);
}

/* More than a pipe holds, in pieces of another size on the other side. */
static void whole_transfers_through_a_pipe(void **state UNUSED)
{
	enum { TOTAL = 1 << 20 };
	char *data = malloc(TOTAL), *got = malloc(TOTAL + 1);
	int p[2], status;
	pid_t pid;

	for (size_t i = 0; i < TOTAL; i++)
		data[i] = (char)(i ^ i >> 11);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		close(p[0]);
		_exit(io_write_full(p[1], data, TOTAL) == 0 ? 0 : 1);
	}
	close(p[1]);
	assert_int_equal(io_read_full(p[0], got, 1), 1);
	/* Short at the end of the file only. */
	assert_int_equal(io_read_full(p[0], got + 1, TOTAL), TOTAL - 1);
	assert_memory_equal(got, data, TOTAL);
	assert_int_equal(io_read_full(p[0], got, 10), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(p[0]);
	free(data);
	free(got);
}

static int pipe_in;

static void write_a_byte(int sig UNUSED)
{
	if (write(pipe_in, "b", 1) != 1)
		abort();
}

/* Each signal interrupts the read that waits for the byte which the handler then writes. */
static void signals_do_not_end_a_transfer(void **state UNUSED)
{
	struct sigaction act = { .sa_handler = write_a_byte }, old;
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } }, never = { 0 };
	char buf[5];
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pipe_in = p[1];
	sigaction(SIGALRM, &act, &old);
	setitimer(ITIMER_REAL, &every, NULL);
	assert_int_equal(io_read_full(p[0], buf, sizeof(buf)), sizeof(buf));
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &old, NULL);
	assert_memory_equal(buf, "bbbbb", sizeof(buf));
	close(p[0]);
	close(p[1]);
}

static void errors_of_descriptors(void **state UNUSED)
{
	char buf[4];
	int p[2];

	assert_int_equal(io_read_full(-1, buf, 4), -EBADF);
	assert_int_equal(io_write_full(-1, buf, 4), -EBADF);
	assert_int_equal(io_read_full(0, buf, SIZE_MAX), -EINVAL);
	assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(io_read_full(p[0], buf, 4), -EAGAIN);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_fits_or_is_too_big),
		cmocka_unit_test(a_line_loses_its_end),
		cmocka_unit_test(a_file_of_any_size_goes_into_an_arena),
		cmocka_unit_test(a_file_that_hides_its_size),
		cmocka_unit_test(writing_neither_makes_nor_cuts_a_file),
		cmocka_unit_test(a_new_file_has_exactly_its_mode),
		cmocka_unit_test(only_a_regular_file_is_replaced),
		cmocka_unit_test(whole_transfers_through_a_pipe),
		cmocka_unit_test(signals_do_not_end_a_transfer),
		cmocka_unit_test(errors_of_descriptors),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
