/* SPDX-License-Identifier: Apache-2.0 */
/* Streams over real pipes and terminals, with a real loop and a fake clock. The test plays the
 * process at the other end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/io.h"
#include "container/streams.h"
#include "kernel/tty.h"

static struct loop *loop;
static struct streams s;
static int child[3];	/* the process's ends */
static int fds_before;

/* --- readers and writers that remember --- */

struct reader {
	struct streams_reader r;	/* first: the callback gets it */
	int calls;
	char data[STREAMS_READ_MAX + 1];
	size_t len;
	struct err e;
	int again;			/* so many times more from inside the callback */
};

static void on_data(struct streams_reader *r, const void *data, size_t len, const struct err *e)
{
	struct reader *me = (struct reader *)r;

	me->calls++;
	memcpy(me->data, data, len);
	me->data[len] = 0;
	me->len = len;
	me->e = *e;
	if (me->again-- > 0)
		streams_read(&s, STREAMS_OUT, &me->r, r->max, on_data, NULL);
}

struct writer {
	struct streams_writer w;
	int calls;
	struct err e;
};

static void on_written(struct streams_writer *w, const struct err *e)
{
	struct writer *me = (struct writer *)w;

	me->calls++;
	me->e = *e;
}

static void turn(void)
{
	while (loop_once(loop, 0) > 0)
		;
}

static void pipes(void)
{
	struct err e = { 0 };

	assert_int_equal(streams_open(&s, loop, 0, 0, child, &e), 0);
}

static void terminal(void)
{
	struct err e = { 0 };

	if (streams_open(&s, loop, STREAMS_TTY, 0, child, &e) < 0)
		fail_msg("%s", e.msg);
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* --- reading --- */

static void read_waits(void **state UNUSED)
{
	struct reader r = { 0 };

	pipes();
	streams_read(&s, STREAMS_OUT, &r.r, 100, on_data, NULL);
	turn();
	assert_int_equal(r.calls, 0);
	say(child[1], "hello");
	turn();
	assert_int_equal(r.calls, 1);
	assert_string_equal(r.data, "hello");
}

static void read_at_once(void **state UNUSED)
{
	struct reader r = { 0 };

	pipes();
	say(child[2], "abcdef");
	streams_read(&s, STREAMS_ERR, &r.r, 4, on_data, NULL);
	assert_string_equal(r.data, "abcd");
	streams_read(&s, STREAMS_ERR, &r.r, 0, on_data, NULL);	/* 0 counts as 1 */
	assert_string_equal(r.data, "e");
	streams_read(&s, STREAMS_ERR, &r.r, SIZE_MAX, on_data, NULL);
	assert_string_equal(r.data, "f");
}

static void unread_is_not_read(void **state UNUSED)
{
	struct pollfd p;
	char kb[1024] = { 0 };

	pipes();
	assert_int_equal(fd_set_nonblock(child[1]), 0);
	while (write(child[1], kb, sizeof(kb)) > 0)
		turn();
	p = (struct pollfd){ .fd = child[1], .events = POLLOUT };
	turn();
	assert_int_equal(poll(&p, 1, 0), 0);	/* full: nobody reads, so the process waits */
}

static void readers_in_order(void **state UNUSED)
{
	struct reader a = { 0 }, b = { 0 }, c = { 0 };

	pipes();
	streams_read(&s, STREAMS_OUT, &a.r, 3, on_data, NULL);
	streams_read(&s, STREAMS_OUT, &b.r, 3, on_data, NULL);
	streams_read(&s, STREAMS_OUT, &c.r, 3, on_data, NULL);
	streams_read_cancel(&b.r);
	streams_read_cancel(&b.r);	/* twice is fine */
	say(child[1], "123456");
	turn();
	assert_string_equal(a.data, "123");
	assert_int_equal(b.calls, 0);
	assert_string_equal(c.data, "456");
}

/* Reading on from inside must not recurse: each read is a turn of its own. */
static void reading_on(void **state UNUSED)
{
	struct reader r = { .again = 3 };

	pipes();
	say(child[1], "abcdef");
	streams_read(&s, STREAMS_OUT, &r.r, 1, on_data, NULL);
	assert_int_equal(r.calls, 1);
	turn();
	assert_int_equal(r.calls, 4);
	assert_string_equal(r.data, "d");
}

static void end_of_pipe(void **state UNUSED)
{
	struct reader r = { 0 };

	pipes();
	say(child[1], "last");
	auto_close(&child[1]);
	streams_read(&s, STREAMS_OUT, &r.r, 100, on_data, NULL);
	assert_string_equal(r.data, "last");
	streams_read(&s, STREAMS_OUT, &r.r, 100, on_data, NULL);
	assert_int_equal(r.calls, 2);
	assert_int_equal(r.len, 0);
	assert_false(err_is_set(&r.e));
}

static void end_while_parked(void **state UNUSED)
{
	struct reader a = { 0 }, b = { 0 };

	pipes();
	streams_read(&s, STREAMS_OUT, &a.r, 100, on_data, NULL);
	streams_read(&s, STREAMS_OUT, &b.r, 100, on_data, NULL);
	auto_close(&child[1]);
	turn();
	assert_int_equal(a.calls + b.calls, 2);
	assert_int_equal(a.len + b.len, 0);
}

/* --- the drain window --- */

static void drain_parked(void **state UNUSED)
{
	struct reader out = { 0 }, err = { 0 };

	pipes();	/* child[1] stays open: the grandchild */
	streams_read(&s, STREAMS_OUT, &out.r, 100, on_data, NULL);
	streams_read(&s, STREAMS_ERR, &err.r, 100, on_data, NULL);
	streams_process_exited(&s);
	clock_fake(1000 + STREAMS_DRAIN_MS - 1);
	turn();
	assert_int_equal(out.calls, 0);
	say(child[1], "late");
	turn();
	assert_string_equal(out.data, "late");
	streams_read(&s, STREAMS_OUT, &out.r, 100, on_data, NULL);
	clock_fake(1000 + STREAMS_DRAIN_MS);
	turn();
	assert_int_equal(out.calls, 2);
	assert_int_equal(out.len, 0);
	assert_int_equal(err.calls, 1);
}

static void drain_begun_after_exit(void **state UNUSED)
{
	struct reader r = { 0 };

	pipes();
	say(child[1], "rest");
	streams_process_exited(&s);
	clock_fake(1000 + 10 * STREAMS_DRAIN_MS);
	turn();
	/* what is there is there, however late */
	streams_read(&s, STREAMS_OUT, &r.r, 100, on_data, NULL);
	assert_string_equal(r.data, "rest");
	streams_read(&s, STREAMS_OUT, &r.r, 100, on_data, NULL);
	assert_int_equal(r.calls, 2);
	assert_int_equal(r.len, 0);
	say(child[1], "too late");
	streams_read(&s, STREAMS_OUT, &r.r, 100, on_data, NULL);	/* the end stays the end */
	assert_int_equal(r.calls, 3);
	assert_int_equal(r.len, 0);
}

/* --- writing --- */

static char big[300000];

static void write_waits_for_room(void **state UNUSED)
{
	struct writer a = { 0 }, b = { 0 };
	static char got[sizeof(big) + 1];
	size_t n = 0;

	pipes();
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)('a' + i % 26);
	streams_write(&s, &a.w, big, sizeof(big), on_written, NULL);
	streams_write(&s, &b.w, "!", 1, on_written, NULL);
	turn();
	assert_int_equal(a.calls + b.calls, 0);
	assert_int_equal(fd_set_nonblock(child[0]), 0);
	while (!b.calls) {
		ssize_t r = read(child[0], got + n, sizeof(got) - n);

		if (r > 0)
			n += (size_t)r;
		turn();
	}
	while (n < sizeof(got)) {
		ssize_t r = read(child[0], got + n, sizeof(got) - n);

		assert_true(r > 0);
		n += (size_t)r;
	}
	assert_int_equal(a.calls, 1);
	assert_false(err_is_set(&a.e));
	assert_memory_equal(got, big, sizeof(big));
	assert_int_equal(got[sizeof(big)], '!');
}

static void write_at_once(void **state UNUSED)
{
	struct writer w = { 0 };
	char got[8];

	pipes();
	streams_write(&s, &w.w, "in", 2, on_written, NULL);
	assert_int_equal(w.calls, 1);
	assert_int_equal(read(child[0], got, sizeof(got)), 2);
	streams_write(&s, &w.w, "", 0, on_written, NULL);
	assert_int_equal(w.calls, 2);
	assert_false(err_is_set(&w.e));
}

static void write_cancelled(void **state UNUSED)
{
	struct writer a = { 0 }, b = { 0 };

	pipes();
	streams_write(&s, &a.w, big, sizeof(big), on_written, NULL);
	streams_write(&s, &b.w, "x", 1, on_written, NULL);
	streams_write_cancel(&s, &a.w);
	streams_write_cancel(&s, &a.w);
	assert_int_equal(read(child[0], big, sizeof(big)) > 0, 1);
	turn();
	assert_int_equal(a.calls, 0);
	assert_int_equal(b.calls, 1);
	assert_false(err_is_set(&b.e));
}

static void write_to_nobody(void **state UNUSED)
{
	struct writer w = { 0 };

	pipes();
	auto_close(&child[0]);
	streams_write(&s, &w.w, "x", 1, on_written, NULL);
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.e.sys, EPIPE);
}

static void exit_fails_parked_writers(void **state UNUSED)
{
	struct writer a = { 0 }, b = { 0 }, c = { 0 };

	pipes();
	streams_write(&s, &a.w, big, sizeof(big), on_written, NULL);
	streams_write(&s, &b.w, "x", 1, on_written, NULL);
	streams_process_exited(&s);
	assert_int_equal(a.e.sys, EPIPE);
	assert_int_equal(b.e.sys, EPIPE);
	assert_int_equal(a.e.rc, RC_FAILED_PRECONDITION);
	streams_write(&s, &c.w, "x", 1, on_written, NULL);
	assert_int_equal(c.e.sys, EPIPE);
}

static void close_comes_last(void **state UNUSED)
{
	struct writer a = { 0 }, b = { 0 };
	char byte;

	pipes();
	streams_write(&s, &a.w, big, sizeof(big), on_written, NULL);
	streams_close_stdin(&s);
	streams_close_stdin(&s);
	streams_write(&s, &b.w, "x", 1, on_written, NULL);
	assert_int_equal(b.e.rc, RC_FAILED_PRECONDITION);
	while (!a.calls) {
		assert_true(read(child[0], big, sizeof(big)) > 0);
		turn();
	}
	assert_false(err_is_set(&a.e));
	turn();
	/* blocks for ever if the pipe is not closed */
	while (read(child[0], big, sizeof(big)) > 0)
		;
	assert_int_equal(read(child[0], &byte, 1), 0);
}

/* --- terminals --- */

static void tty_reads_and_writes(void **state UNUSED)
{
	struct reader r = { 0 }, e = { 0 };
	struct writer w = { 0 };
	char got[16];

	terminal();
	streams_write(&s, &w.w, "line\n", 5, on_written, NULL);
	assert_int_equal(w.calls, 1);
	assert_int_equal(read(child[0], got, sizeof(got)), 5);
	say(child[1], "out\n");
	streams_read(&s, STREAMS_OUT, &r.r, 100, on_data, NULL);
	turn();
	assert_non_null(strstr(r.data, "line"));	/* the echo */
	streams_read(&s, STREAMS_ERR, &e.r, 100, on_data, NULL);
	turn();
	assert_int_equal(e.calls, 1);
	assert_int_equal(e.len, 0);
}

static void tty_hang_up_is_the_end(void **state UNUSED)
{
	struct reader r = { 0 };

	terminal();
	streams_read(&s, STREAMS_OUT, &r.r, 100, on_data, NULL);
	streams_close_child(child);
	turn();
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.len, 0);
	assert_false(err_is_set(&r.e));
}

/* As when a container gives a terminal of its own: who waits goes on with the new one. */
static void tty_is_replaced(void **state UNUSED)
{
	struct reader r = { 0 };
	struct winsize size = { 0 };
	struct writer w = { 0 };
	struct err e = { 0 };
	int master, slave;
	char got[16];

	terminal();
	assert_int_equal(streams_take_terminal(&s, open("/dev/null", O_RDWR), &e), -1);
	err_clear(&e);
	assert_int_equal(streams_resize(&s, 30, 90, &e), 0);
	streams_read(&s, STREAMS_OUT, &r.r, 100, on_data, NULL);
	assert_int_equal(tty_open_pair(AT_FDCWD, "/dev/ptmx", &master, &slave), 0);
	assert_int_equal(streams_take_terminal(&s, master, &e), 0);
	streams_close_child(child);
	turn();
	assert_int_equal(r.calls, 0);	/* the end of the old one is none */
	say(slave, "new");
	while (!r.calls)	/* the kernel hands a terminal's output over in its own time */
		loop_once(loop, -1);
	assert_memory_equal(r.data, "new", 3);
	streams_write(&s, &w.w, "line\n", 5, on_written, NULL);
	assert_int_equal(read(slave, got, sizeof(got)), 5);
	assert_int_equal(ioctl(slave, TIOCGWINSZ, &size), 0);
	assert_int_equal(size.ws_row, 30);
	assert_int_equal(size.ws_col, 90);
	close(slave);
}

static void tty_end_of_input(void **state UNUSED)
{
	struct writer w = { 0 };
	struct reader r = { 0 };
	char got[16];

	terminal();
	streams_write(&s, &w.w, "part", 4, on_written, NULL);
	streams_close_stdin(&s);
	assert_int_equal(read(child[0], got, sizeof(got)), 4);	/* the unfinished line */
	assert_int_equal(read(child[0], got, sizeof(got)), 0);	/* and the end */
	streams_write(&s, &w.w, "x", 1, on_written, NULL);
	assert_int_equal(w.e.rc, RC_FAILED_PRECONDITION);
	say(child[1], "still here\n");
	streams_read(&s, STREAMS_OUT, &r.r, 100, on_data, NULL);
	turn();
	assert_true(r.len > 0);	/* output is not cut off by it */
}

static void tty_end_after_a_whole_line(void **state UNUSED)
{
	struct writer w = { 0 };
	char got[16];

	terminal();
	streams_write(&s, &w.w, "line\n", 5, on_written, NULL);
	streams_close_stdin(&s);
	assert_int_equal(read(child[0], got, sizeof(got)), 5);
	assert_int_equal(read(child[0], got, sizeof(got)), 0);
	assert_int_equal(fd_set_nonblock(child[0]), 0);
	assert_int_equal(read(child[0], got, sizeof(got)), -1);	/* one end, not two */
}

static void tty_raw_gets_no_character(void **state UNUSED)
{
	struct termios t;
	char got[16];

	terminal();
	assert_int_equal(tcgetattr(child[0], &t), 0);
	cfmakeraw(&t);
	assert_int_equal(tcsetattr(child[0], TCSANOW, &t), 0);
	streams_close_stdin(&s);
	turn();
	assert_int_equal(fd_set_nonblock(child[0]), 0);
	assert_int_equal(read(child[0], got, sizeof(got)), -1);
	assert_int_equal(errno, EAGAIN);
}

static void resize(void **state UNUSED)
{
	struct winsize w;
	struct err e = { 0 };

	terminal();
	assert_int_equal(streams_resize(&s, 30, 100, &e), 0);
	assert_int_equal(ioctl(child[0], TIOCGWINSZ, &w), 0);
	assert_int_equal(w.ws_row, 30);
	assert_int_equal(w.ws_col, 100);
	streams_close(&s);
	assert_int_equal(streams_resize(&s, 30, 100, &e), -1);
	streams_close_child(child);
	err_clear(&e);
	pipes();
	assert_int_equal(streams_resize(&s, 30, 100, &e), -1);
	assert_int_equal(e.rc, RC_UNAVAILABLE);
	assert_string_equal(e.msg, "no tty");
}

/* --- size, closing --- */

static void pipe_size(void **state UNUSED)
{
	struct err e = { 0 };

	assert_int_equal(streams_open(&s, loop, 0, 16384, child, &e), 0);
	assert_int_equal(fcntl(child[1], F_GETPIPE_SZ), 16384);
	assert_int_equal(fcntl(child[2], F_GETPIPE_SZ), 16384);
}

static void close_tells_everybody(void **state UNUSED)
{
	struct reader out = { 0 }, err = { 0 }, more = { 0 };
	struct writer a = { 0 }, b = { 0 };

	pipes();
	streams_read(&s, STREAMS_OUT, &out.r, 100, on_data, NULL);
	streams_read(&s, STREAMS_ERR, &err.r, 100, on_data, NULL);
	streams_write(&s, &a.w, big, sizeof(big), on_written, NULL);
	streams_write(&s, &b.w, "x", 1, on_written, NULL);
	streams_close_stdin(&s);
	streams_close(&s);
	assert_int_equal(out.calls + err.calls, 2);
	assert_int_equal(out.len + err.len, 0);
	assert_true(err_is_set(&a.e) && err_is_set(&b.e));
	streams_read(&s, STREAMS_OUT, &more.r, 100, on_data, NULL);
	assert_int_equal(more.calls, 1);
	assert_int_equal(more.len, 0);
	turn();
}

static void nothing_open(void **state UNUSED)
{
	struct reader r = { 0 };
	struct writer w = { 0 };

	streams_read(&s, STREAMS_OUT, &r.r, 100, on_data, NULL);
	assert_int_equal(r.calls, 1);
	streams_write(&s, &w.w, "x", 1, on_written, NULL);
	assert_true(err_is_set(&w.e));
	streams_close_stdin(&s);
	streams_process_exited(&s);
	turn();
}

static int setup(void **state UNUSED)
{
	signal(SIGPIPE, SIG_IGN);
	fds_before = fd_count();
	clock_fake(1000);
	loop = loop_new();
	child[0] = child[1] = child[2] = -1;
	if (loop)
		streams_init(&s, loop);
	return loop ? 0 : -1;
}

static int teardown(void **state UNUSED)
{
	streams_close(&s);
	streams_close_child(child);
	turn();
	loop_free(loop);
	clock_fake(CLOCK_NEVER);
	assert_int_equal(fd_count(), fds_before);
	return 0;
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(read_waits),
		TEST(read_at_once),
		TEST(unread_is_not_read),
		TEST(readers_in_order),
		TEST(reading_on),
		TEST(end_of_pipe),
		TEST(end_while_parked),
		TEST(drain_parked),
		TEST(drain_begun_after_exit),
		TEST(write_waits_for_room),
		TEST(write_at_once),
		TEST(write_cancelled),
		TEST(write_to_nobody),
		TEST(exit_fails_parked_writers),
		TEST(close_comes_last),
		TEST(tty_reads_and_writes),
		TEST(tty_hang_up_is_the_end),
		TEST(tty_is_replaced),
		TEST(tty_end_of_input),
		TEST(tty_end_after_a_whole_line),
		TEST(tty_raw_gets_no_character),
		TEST(resize),
		TEST(pipe_size),
		TEST(close_tells_everybody),
		TEST(nothing_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
