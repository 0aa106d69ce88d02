/* SPDX-License-Identifier: Apache-2.0 */
/* Streams over sockets: the test plays the process, and the peer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "container/pump.h"

#define MANY (1u << 20)

static struct loop *loop;
static struct streams s;
static struct pump p;
static int child[3], peer, told, lost, fds_before;
static char many[MANY], got[MANY + 1];

static void done(struct pump *which, bool is_lost)
{
	assert_ptr_equal(which, &p);
	told++;
	lost = is_lost;
}

static int setup(void **state UNUSED)
{
	struct err e = { 0 };

	fds_before = fd_count();
	loop = loop_new();
	told = lost = 0;
	pump_init(&p);
	for (size_t i = 0; i < MANY; i++)
		many[i] = (char)(i * 7 + i / 251);
	return streams_open(&s, loop, 0, 0, child, &e);
}

static int teardown(void **state UNUSED)
{
	pump_stop(&p);
	streams_close(&s);
	streams_close_child(child);
	auto_close(&peer);
	loop_free(loop);
	return fd_count() - fds_before;
}

static void turn(void)
{
	while (loop_once(loop, 0) > 0)
		;
}

static void start(enum pump_way way)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	peer = ends[1];
	pump_start(&p, loop, &s, way, ends[0], done);
	turn();
}

/* Writes until the other side takes no more for now; how much. */
static size_t flood(int fd)
{
	size_t sent = 0;
	ssize_t n;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (sent < MANY && (n = write(fd, many + sent, MIN(MANY - sent, (size_t)5000))) > 0) {
		sent += (size_t)n;
		turn();
	}
	return sent;
}

/* Reads what there is; how much. */
static size_t take(int fd, size_t have)
{
	ssize_t n;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (have < MANY && (n = read(fd, got + have, MIN(MANY - have, (size_t)3000))) > 0) {
		have += (size_t)n;
		turn();
	}
	return have;
}

/* The writer waits for the reader, and nothing is lost or reordered. */
static void carried(int from, int to)
{
	size_t sent = flood(from), have = 0;

	assert_true(sent > PUMP_BYTES && sent < MANY);
	assert_int_equal(flood(from), 0);
	while (have < sent) {
		size_t before = have;

		have = take(to, have);
		assert_true(have > before);
	}
	assert_int_equal(have, sent);
	assert_memory_equal(got, many, sent);
}

static void an_output(void **state UNUSED)
{
	start(PUMP_OUT);
	carried(child[1], peer);
	assert_int_equal(write(child[1], "end", 3), 3);
	auto_close(&child[1]);
	turn();
	assert_int_equal(told, 1);
	assert_int_equal(lost, 0);
	assert_int_equal(read(peer, got, 10), 3);
	assert_int_equal(read(peer, got, 10), 0);
	assert_false(pump_is_open(&p));
}

/* Its end is told only when the last byte is in the socket. */
static void an_end_behind_a_slow_peer(void **state UNUSED)
{
	size_t sent, have = 0;

	start(PUMP_ERR);
	sent = flood(child[2]);
	auto_close(&child[2]);
	turn();
	assert_int_equal(told, 0);
	while (!told)
		have = take(peer, have);
	have = take(peer, have);
	assert_int_equal(have, sent);
	assert_memory_equal(got, many, sent);
	assert_int_equal(read(peer, got, 10), 0);
}

/* The process goes on. */
static void a_peer_that_is_lost(void **state UNUSED)
{
	start(PUMP_OUT);
	(void)flood(child[1]);
	auto_close(&peer);
	turn();
	assert_int_equal(flood(child[1]), MANY);
	assert_int_equal(told, 0);
	auto_close(&child[1]);
	turn();
	assert_int_equal(told, 1);
	assert_int_equal(lost, 1);
}

static void an_input(void **state UNUSED)
{
	start(PUMP_IN);
	carried(peer, child[0]);
	assert_int_equal(told, 0);
	assert_int_equal(write(peer, "end", 3), 3);
	auto_close(&peer);
	turn();
	assert_int_equal(told, 1);
	assert_int_equal(lost, 0);
	assert_int_equal(read(child[0], got, 10), 3);
	assert_int_equal(read(child[0], got, 10), 0);
}

/* All that was said before is heard, and then the end. */
static void a_peer_that_does_not_wait(void **state UNUSED)
{
	size_t sent, have = 0, before;

	start(PUMP_IN);
	sent = flood(peer);
	auto_close(&peer);
	turn();
	assert_int_equal(told, 0);
	do {
		before = have;
		have = take(child[0], have);
	} while (have > before);
	assert_int_equal(have, sent);
	assert_memory_equal(got, many, sent);
	assert_int_equal(told, 1);
	assert_int_equal(read(child[0], got, 10), 0);
}

static void a_talk_that_ends(void **state UNUSED)
{
	start(PUMP_TALK);
	(void)flood(peer);
	auto_close(&peer);
	turn();
	assert_int_equal(told, 1);
	assert_int_equal(lost, 1);
}

static void a_process_that_is_gone(void **state UNUSED)
{
	start(PUMP_IN);
	(void)flood(peer);
	streams_process_exited(&s);
	turn();
	assert_int_equal(told, 1);
	assert_int_equal(write(peer, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
}

static void nobody_reads(void **state UNUSED)
{
	start(PUMP_IN);
	auto_close(&child[0]);
	assert_int_equal(write(peer, "x", 1), 1);
	turn();
	assert_int_equal(told, 1);
}

/* Whatever waits: nothing is told, nothing is left. */
static void stopped(void **state UNUSED)
{
	static const enum pump_way ways[] = { PUMP_IN, PUMP_TALK, PUMP_OUT };

	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		start(ways[i]);
		(void)flood(ways[i] == PUMP_OUT ? child[1] : peer);
		pump_stop(&p);
		pump_stop(&p);
		turn();
		auto_close(&peer);
	}
	start(PUMP_OUT);
	streams_close(&s); /* its end is not told yet */
	pump_stop(&p);
	turn();
	assert_int_equal(told, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_output),
		TEST(an_end_behind_a_slow_peer),
		TEST(a_peer_that_is_lost),
		TEST(an_input),
		TEST(a_peer_that_does_not_wait),
		TEST(a_talk_that_ends),
		TEST(a_process_that_is_gone),
		TEST(nobody_reads),
		TEST(stopped),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
