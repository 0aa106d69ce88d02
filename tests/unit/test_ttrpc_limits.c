/* SPDX-License-Identifier: Apache-2.0 */
/* The server's limits, its back-pressure, its listeners and its end. */
#include "ttrpc_fixture.h"

#include <sys/resource.h>

static struct call *parked(void)
{
	struct call *c = LIST_FIRST(&fx.parked, struct call, park);

	assert_non_null(c);
	return c;
}

/* --- limits --- */

static void calls_in_flight_are_limited(void **state UNUSED)
{
	int fd = peer_new();
	uint32_t id = 1;

	for (; id < 2 * SERVER_CALLS; id += 2)
		peer_request(fd, id, 0, "grpc.Health", "Version", "", 0);
	settle();
	assert_int_equal(stats().calls, SERVER_CALLS);
	peer_request(fd, id, 0, "grpc.Health", "Version", "", 0);
	expect_status(fd, id, RC_RESOURCE_EXHAUSTED, "too many calls in flight");
	answer_parked(parked());
	expect_status(fd, 1, RC_OK, "");
	peer_request(fd, id + 2, 0, "grpc.Health", "Check", "", 0);
	expect_status(fd, id + 2, RC_OK, "");
	close(fd);
	settle();
	assert_int_equal(fx.cancelled, SERVER_CALLS - 1);
}

static void connections_are_limited(void **state UNUSED)
{
	int fds[SERVER_CONNS], sv[2];
	struct rlimit lim;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
	if (lim.rlim_max < 2 * SERVER_CONNS + 64)
		skip();
	lim.rlim_cur = lim.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
	for (int i = 0; i < SERVER_CONNS; i++)
		fds[i] = peer_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(server_adopt(fx.server, sv[1]), -EUSERS);
	assert_true(peer_is_closed(sv[0]));
	close(sv[0]);
	assert_int_equal(stats().refused, 1);
	for (int i = 0; i < SERVER_CONNS; i++)
		peer_request(fds[i], 1, 0, "grpc.Health", "Version", "", 0);
	settle();
	assert_int_equal(stats().calls, SERVER_CONNS);
	while (!list_empty(&fx.parked))
		answer_parked(parked());
	for (int i = 0; i < SERVER_CONNS; i++) {
		expect_status(fds[i], 1, RC_OK, "");
		close(fds[i]);
	}
	settle();
	assert_int_equal(stats().conns, 0);
}

/* Unfinished frames of all connections together have one limit. Who is beyond it is told so; who
 * holds the memory gets as far as the envelope, whose two million fields take no more of it. */
static void receive_memory_is_limited(void **state UNUSED)
{
	struct frame f = { FRAME_MAX, 1, FRAME_REQUEST, 0 };
	uint8_t head[FRAME_HEADER];
	int fds[9];

	frame_encode(&f, head);
	for (int i = 0; i < 9; i++) {
		fds[i] = peer_new();
		peer_write(fds[i], head, sizeof(head));
		peer_write(fds[i], fx.big, FRAME_MAX - 1);
		settle();
	}
	for (int i = 0; i < 9; i++)
		peer_write(fds[i], fx.big, 1);
	expect_status(fds[8], 1, RC_RESOURCE_EXHAUSTED, "no memory for a message of 4194304 bytes");
	for (int i = 0; i < 8; i++)
		expect_status(fds[i], 1, RC_INVALID_ARGUMENT, " service does not exist");
	for (int i = 0; i < 9; i++) {
		peer_request(fds[i], 3, 0, "grpc.Health", "Check", "", 0);
		expect_status(fds[i], 3, RC_OK, "");
		close(fds[i]);
	}
}

/* --- back-pressure --- */

/* A peer that asks and never reads stops being read itself; nobody else notices; then it gets every
 * answer. */
static void a_peer_that_does_not_read_is_not_read(void **state UNUSED)
{
	struct peer_in in = { .payload = NULL };
	int lazy = peer_new(), other = peer_new();
	uint32_t n = 0, answered = 0;
	size_t before;

	fx.reply_bytes = 100000;
	for (uint32_t id = 1; id < 200; id += 2, n++) {
		Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
		struct envelope_request r = { "test.Size", "Version", body_of_msg(&req.base), 0 };
		struct frame f = { (uint32_t)envelope_request_size(&r), id, FRAME_REQUEST, 0 };
		uint8_t buf[128];

		frame_encode(&f, buf);
		envelope_request_write(&r, buf + FRAME_HEADER);
		assert_int_equal(send(lazy, buf, FRAME_HEADER + f.length, 0),
				 FRAME_HEADER + f.length);
	}
	settle();
	before = stats().in_bytes;
	assert_true(before < n * 20);	/* some of the 100 requests were left in the socket */
	peer_request(other, 1, 0, "grpc.Health", "Check", "", 0);
	expect_status(other, 1, RC_OK, "");
	assert_int_equal(loop_once(fx.loop, 0), 0);	/* and the loop does not spin */
	for (; answered < n; answered++) {
		peer_next(lazy, &in);
		assert_int_equal(in.f.stream, 2 * answered + 1);
		assert_true(in.f.length > fx.reply_bytes);
	}
	free(in.payload);
	assert_true(peer_is_idle(lazy));
	close(lazy);
	close(other);
}

static void fill(uint8_t *data, size_t len, size_t salt)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i / 7 + 31 * salt + i);
}

/* One reply of the field 1 alone, as the packer would have made it. */
static void expect_data(int fd, uint32_t id, const uint8_t *data, size_t len)
{
	struct peer_in in = { .payload = NULL };
	struct envelope_response r;
	struct err e = { 0 };
	struct arena a;

	peer_next(fd, &in);
	assert_int_equal(in.f.stream, id);
	arena_init(&a, pb_budget(in.f.length));
	assert_int_equal(envelope_response_read(&a, in.payload, in.f.length, &r, &e), 0);
	assert_int_equal(r.rc, RC_OK);
	if (len) {
		assert_int_equal(r.payload.len, len + (len < 128 ? 2 : len < 16384 ? 3 : 4));
		assert_int_equal(r.payload.data[0], 0x0a);
		assert_memory_equal(r.payload.data + r.payload.len - len, data, len);
	} else {
		assert_int_equal(r.payload.len, 0);
	}
	arena_fini(&a);
	free(in.payload);
}

#define ROUNDS 30

/* Data is sent from where it lies; what a peer that is slow leaves over is kept, wherever it was
 * cut. */
static void data_comes_whole_to_a_slow_peer(void **state UNUSED)
{
	static const size_t lens[] = { 40000, 0, 1, 127, 128, 32746, 60000, 65536, 3, 16384, 50000 };
	static uint8_t data[65536];
	int slow = peer_new();
	uint32_t first = 1;

	for (size_t round = 0; round < ROUNDS; round++, first += 2 * COUNT_OF(lens)) {
		for (size_t i = 0; i < COUNT_OF(lens); i++)
			peer_request(slow, first + 2 * (uint32_t)i, 0, "grpc.Health", "Version", "",
				     0);
		settle();
		for (size_t i = 0; i < COUNT_OF(lens); i++) {
			size_t len = lens[i] - MIN(lens[i], round);

			fill(data, len, i);
			call_reply_data(parked(), data, len);
			memset(data, 0, len);
		}
		for (size_t i = 0; i < COUNT_OF(lens); i++) {
			size_t len = lens[i] - MIN(lens[i], round);

			fill(data, len, i);
			expect_data(slow, first + 2 * (uint32_t)i, data, len);
		}
	}
	assert_true(peer_is_idle(slow));
	close(slow);
}

static void data_fits_whole_sends(void **state UNUSED)
{
	static const size_t rows[][2] = {
		{ 0, 0 },	  { 1, 1 },	    { 32746, 32746 },
		{ 32747, 32746 }, { 32768, 32746 }, { 32769, 32769 },
		{ 40000, 40000 }, { 65514, 65514 }, { 65536, 65514 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(call_data_fit(rows[i][0]), rows[i][1]);
}

/* What is in flight may still pile up; at OUT_MAX the connection is given up. */
static void a_heap_of_unread_replies_ends_the_connection(void **state UNUSED)
{
	int lazy = peer_new();

	for (uint32_t id = 1; id < 20; id += 2)
		peer_request(lazy, id, 0, "grpc.Health", "Version", "", 0);
	settle();
	fx.reply_bytes = FRAME_MAX - 10;
	for (int i = 0; i < 10; i++)
		version_big(parked());
	settle();
	assert_int_equal(stats().conns, 0);
	assert_int_equal(stats().calls, 0);
	close(lazy);
}

/* A muted connection whose peer goes must not make the loop spin. */
static void a_lazy_peer_may_vanish(void **state UNUSED)
{
	int lazy = peer_new();

	fx.reply_bytes = FRAME_MAX - 10;
	peer_request(lazy, 1, 0, "test.Size", "Version", "", 0);
	peer_request(lazy, 3, 0, "test.Size", "Version", "", 0);
	settle();
	close(lazy);
	settle();
	assert_int_equal(stats().conns, 0);
}

/* --- listening --- */

static void wait_for_conns(size_t n)
{
	clock_fake(CLOCK_NEVER);
	while (stats().conns != n)
		assert_true(loop_once(fx.loop, 2000) > 0);
}

static void listens(void **state UNUSED)
{
	char path[] = "/tmp/test_ttrpc_XXXXXX";
	struct address a = { .kind = ADDRESS_UNIX };
	struct err e = { 0 };
	int fds[20];

	assert_non_null(mkdtemp(path));
	snprintf(a.path, sizeof(a.path), "%s/s", path);
	assert_int_equal(server_listen(fx.server, &a, &e), 0);
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = address_connect(&a, 1000, &e);
		assert_true(fds[i] >= 0);
	}
	wait_for_conns(COUNT_OF(fds));
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		peer_request(fds[i], 1, 0, "grpc.Health", "Check", "", 0);
		expect_status(fds[i], 1, RC_OK, "");
		close(fds[i]);
	}
	wait_for_conns(0);
	unlink(a.path);
	rmdir(path);
}

/* Without descriptors the listener rests, the loop does not spin, and it comes back. */
static void accepts_again_after_emfile(void **state UNUSED)
{
	struct address a = { .kind = ADDRESS_UNIX };
	struct rlimit lim, low;
	struct err e = { 0 };
	int fd;

	snprintf(a.path, sizeof(a.path), "@mote-test-%d", getpid());
	assert_int_equal(server_listen(fx.server, &a, &e), 0);
	fd = address_connect(&a, CLOCK_NEVER, &e);
	assert_true(fd >= 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
	low = (struct rlimit){ (rlim_t)fd, lim.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(loop_once(fx.loop, 0), 1);
	assert_int_equal(loop_once(fx.loop, 0), 0);
	assert_int_equal(stats().conns, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
	clock_fake(1100);
	settle();
	assert_int_equal(stats().conns, 1);
	close(fd);
}

/* --- draining --- */

static void count(void *arg)
{
	++*(int *)arg;
}

static void drains_when_all_is_sent(void **state UNUSED)
{
	struct peer_in in = { .payload = NULL };
	int fd = peer_new(), done = 0;

	fx.reply_bytes = 3000000;
	peer_request(fd, 1, 0, "test.Size", "Version", "", 0);
	settle();
	server_drain(fx.server, 1000, count, &done);
	settle();
	assert_int_equal(done, 0);
	peer_next(fd, &in);
	settle();
	assert_int_equal(done, 1);
	clock_fake(5000);
	settle();
	assert_int_equal(done, 1);
	free(in.payload);
	close(fd);
}

static void drains_at_most_so_long(void **state UNUSED)
{
	int fd = peer_new(), done = 0;

	fx.reply_bytes = 3000000;
	peer_request(fd, 1, 0, "test.Size", "Version", "", 0);
	settle();
	server_drain(fx.server, 1000, count, &done);
	clock_fake(1999);
	settle();
	assert_int_equal(done, 0);
	clock_fake(2000);
	settle();
	assert_int_equal(done, 1);
	close(fd);
}

static void drains_an_idle_server(void **state UNUSED)
{
	int fd = peer_new(), done = 0;

	peer_request(fd, 1, 0, "grpc.Health", "Version", "", 0);
	settle();
	server_drain(fx.server, 1000, count, &done);
	assert_int_equal(done, 0);
	settle();
	assert_int_equal(done, 1);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(calls_in_flight_are_limited),
		TEST(connections_are_limited),
		TEST(receive_memory_is_limited),
		TEST(a_peer_that_does_not_read_is_not_read),
		TEST(data_comes_whole_to_a_slow_peer),
		TEST(data_fits_whole_sends),
		TEST(a_heap_of_unread_replies_ends_the_connection),
		TEST(a_lazy_peer_may_vanish),
		TEST(listens),
		TEST(accepts_again_after_emfile),
		TEST(drains_when_all_is_sent),
		TEST(drains_at_most_so_long),
		TEST(drains_an_idle_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
