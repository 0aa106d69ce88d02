/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that wait for the process that shall have them, with a fake clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>

#include "base/clock.h"
#include "base/fd.h"
#include "sandbox/passed.h"

static struct loop *loop;
static struct passed p;
static struct passed_want w;
static int told, fds_before;

static int setup(void **state UNUSED)
{
	fds_before = fd_count();
	clock_fake(1000);
	loop = loop_new();
	passed_init(&p, loop);
	p.enabled = true;
	told = 0;
	return 0;
}

static int teardown(void **state UNUSED)
{
	passed_fini(&p);
	for (size_t i = 0; i < 3; i++)
		auto_close(&w.fds[i]);
	loop_free(loop);
	clock_fake(CLOCK_NEVER);
	return fd_count() - fds_before;
}

static void on_taken(struct passed_want *which)
{
	assert_ptr_equal(which, &w);
	told++;
}

static void want(uint32_t in, uint32_t out, uint32_t err)
{
	w = (struct passed_want){ .ports = { in, out, err }, .fn = on_taken };
	passed_take(&p, &w);
}

/* The offset of a descriptor tells it from others. */
static void add(uint32_t port)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(lseek(fd, port, SEEK_SET), port);
	assert_true(passed_add(&p, port, fd));
}

static void has(size_t i, uint32_t port)
{
	assert_int_equal(w.fds[i] < 0 ? 0 : lseek(w.fds[i], 0, SEEK_CUR), port);
}

static void turn(uint64_t at)
{
	clock_fake(at);
	while (loop_once(loop, 0) > 0)
		;
}

static void all_there(void **state UNUSED)
{
	add(7);
	add(8);
	add(9);
	want(9, 0, 7);
	assert_int_equal(told, 1);
	has(0, 9);
	has(1, 0);
	has(2, 7);
	assert_int_equal(p.n, 1);
}

static void none_wanted(void **state UNUSED)
{
	want(0, 0, 0);
	assert_int_equal(told, 1);
	p.enabled = false; /* without a listener a port is only a number */
	want(7, 8, 9);
	assert_int_equal(told, 2);
	has(0, 0);
}

static void waited_for(void **state UNUSED)
{
	add(7);
	want(7, 8, 9);
	add(9);
	add(10);
	turn(1000 + PASSED_WAIT_MS - 1);
	assert_int_equal(told, 0);
	add(8);
	assert_int_equal(told, 1);
	has(0, 7);
	has(1, 8);
	has(2, 9);
	turn(1000 + 2 * PASSED_WAIT_MS);
	assert_int_equal(told, 1);
	assert_int_equal(p.n, 1);
}

static void not_for_ever(void **state UNUSED)
{
	want(7, 8, 0);
	add(8);
	turn(1000 + PASSED_WAIT_MS);
	assert_int_equal(told, 1);
	has(0, 0);
	has(1, 8);
	add(7); /* too late: it is kept for another */
	assert_int_equal(p.n, 1);
}

static void untaken(void **state UNUSED)
{
	add(7);
	turn(1000 + PASSED_KEEP_MS - 1);
	add(8);
	assert_int_equal(p.n, 2);
	turn(1000 + PASSED_KEEP_MS);
	assert_int_equal(p.n, 1);
	want(8, 0, 0);
	has(0, 8);
}

static void too_many(void **state UNUSED)
{
	for (uint32_t i = 1; i <= PASSED_MAX; i++)
		add(i);
	assert_false(passed_add(&p, 1000, open("/dev/null", O_RDONLY | O_CLOEXEC)));
	assert_int_equal(fd_count(), fds_before + PASSED_MAX + 1); /* and the loop's */
	add(5); /* in the place of the other one */
	assert_int_equal(p.n, PASSED_MAX);
	want(5, 1000, 0);
	has(0, 5);
	turn(1000 + PASSED_WAIT_MS);
	has(1, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_there), TEST(none_wanted), TEST(waited_for),
		TEST(not_for_ever), TEST(untaken),  TEST(too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
