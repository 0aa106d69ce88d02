/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>

#include "base/fd.h"

#include <cmocka.h>

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "deny_syscall.h"

static int open_null(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static bool has_cloexec(int fd)
{
	return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

/* The status of a child that ran fn. */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* 0, or the number of the check that failed. */
static int close_all_but_some(void)
{
	int fds[20], keep[5];

	for (size_t i = 0; i < COUNT_OF(fds); i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (dup2(fds[0], 500) != 500)
		return 1;
	keep[0] = 500;
	keep[1] = fds[7];
	keep[2] = -1;
	keep[3] = fds[6];
	keep[4] = fds[7];
	if (fd_close_except(keep, COUNT_OF(keep)) != 0)
		return 2;
	for (int fd = 3; fd < 1000; fd++)
		if (is_open(fd) != (fd == 500 || fd == fds[7] || fd == fds[6]))
			return 3;
	if (is_open(0) + is_open(1) + is_open(2) < 2)
		return 4;
	if (fd_close_except(NULL, 0) != 0)
		return 5;
	for (int fd = 3; fd < 1000; fd++)
		if (is_open(fd))
			return 6;
	return 0;
}

static int close_all_but_some_by_proc(void)
{
	if (deny_syscall(SYS_close_range, ENOSYS) < 0)
		return 100;
	return close_all_but_some();
}

static void a_child_keeps_what_it_names(void **state UNUSED)
{
	assert_int_equal(in_child(close_all_but_some), 0);
}

static void a_child_on_an_old_kernel_too(void **state UNUSED)
{
	assert_int_equal(in_child(close_all_but_some_by_proc), 0);
}

static void flags(void **state UNUSED)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(fd_set_nonblock(p[0]), 0);
	assert_true(fcntl(p[0], F_GETFL) & O_NONBLOCK);
	assert_false(fcntl(p[1], F_GETFL) & O_NONBLOCK);
	assert_int_equal(fd_clear_cloexec(p[0]), 0);
	assert_false(has_cloexec(p[0]));
	assert_true(has_cloexec(p[1]));
	close(p[0]);
	close(p[1]);
	assert_int_equal(fd_set_nonblock(p[0]), -EBADF);
	assert_int_equal(fd_clear_cloexec(p[0]), -EBADF);
}

static void moving_keeps_cloexec(void **state UNUSED)
{
	int fd = open_null();
	int moved = fd_move_above(fd, 100);

	assert_true(moved >= 100);
	assert_false(is_open(fd));
	assert_true(has_cloexec(moved));
	assert_int_equal(fd_move_above(moved, 100), moved);
	assert_int_equal(fd_clear_cloexec(moved), 0);
	fd = fd_move_above(moved, moved + 1);
	assert_true(fd > moved);
	assert_false(is_open(moved));
	assert_false(has_cloexec(fd));
	assert_int_equal(fd_move_above(moved, 900), -EBADF);

	/* A number that the limit forbids: the old one stays. */
	assert_int_equal(fd_move_above(fd, 1 << 30), -EINVAL);
	assert_true(is_open(fd));
	close(fd);
}

static void installing_is_dup2_without_cloexec(void **state UNUSED)
{
	int fd = open_null();

	assert_int_equal(fd_install(fd, 200), 200);
	assert_true(is_open(fd));
	assert_true(has_cloexec(fd));
	assert_false(has_cloexec(200));
	assert_int_equal(fd_install(fd, fd), fd);
	assert_false(has_cloexec(fd));
	close(fd);
	assert_int_equal(fd_install(fd, 200), -EBADF);
	assert_int_equal(fd_install(fd, fd), -EBADF);
	assert_true(is_open(200));
	close(200);
}

static int shared_low, shared_kept, shared_parked;

/* 0, or the number of the check that failed. */
static int own_table(void)
{
	const int keep[] = { -1, shared_kept };

	if (fd_own(keep, COUNT_OF(keep)) < 0)
		return 1;
	if (!is_open(shared_low) || !is_open(shared_kept))
		return 2;
	close(shared_low); /* of its own table: the parent's stays open */
	if (fd_close_except(keep, COUNT_OF(keep)) < 0 || is_open(shared_parked))
		return 3;
	return is_open(shared_kept) ? 0 : 4;
}

static int own_table_on_an_old_kernel(void)
{
	deny_syscall(SYS_close_range, ENOSYS);
	return own_table();
}

static int leaves_it_shared(void)
{
	return close(shared_low);
}

static void fork_with_shared_table(int (*fn)(void))
{
	int status;
	pid_t pid = fd_fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_child_takes_a_table_without_what_is_parked(void **state UNUSED)
{
	int before = fd_count(), none = -1;

	shared_low = open_null();
	shared_kept = open_null();
	shared_parked = open_null();
	fd_park(&none);
	assert_int_equal(none, -1);
	fd_park(&shared_kept);
	fd_park(&shared_parked);
	assert_true(shared_kept >= FD_PARKED && shared_parked > shared_kept);
	assert_true(has_cloexec(shared_parked));
	assert_int_equal(fd_count(), before + 3);
	fork_with_shared_table(own_table);
	fork_with_shared_table(own_table_on_an_old_kernel);
	assert_true(is_open(shared_low) && is_open(shared_kept) && is_open(shared_parked));
	fork_with_shared_table(leaves_it_shared);
	assert_false(is_open(shared_low));
	close(shared_kept);
	close(shared_parked);
	assert_int_equal(fd_count(), before);
}

static void counting(void **state UNUSED)
{
	int before = fd_count();
	int fd = open_null();

	assert_true(before > 0);
	assert_int_equal(fd_count(), before + 1);
	close(fd);
	assert_int_equal(fd_count(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_keeps_what_it_names),
		cmocka_unit_test(a_child_on_an_old_kernel_too),
		cmocka_unit_test(flags),
		cmocka_unit_test(moving_keeps_cloexec),
		cmocka_unit_test(installing_is_dup2_without_cloexec),
		cmocka_unit_test(a_child_takes_a_table_without_what_is_parked),
		cmocka_unit_test(counting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
