/* SPDX-License-Identifier: Apache-2.0 */
/* One end of a tunnel, whose stream and socket are the test's: what the tests of its owners cannot
 * set up. */
#include "ports_fixture.h"

static struct {
	struct loop *loop;
	struct tunnel tunnel;
	struct heard heard;
	int fd; /* the socket's other end */
	bool full;
	int overs, errnum;
	struct sink sink;
} fx;

static int on_send(struct tunnel *t UNUSED, const uint8_t *msg, size_t len)
{
	heard_take(&fx.heard, msg, len);
	return !fx.full;
}

static void on_over(struct tunnel *t, int errnum)
{
	assert_int_equal(t->fd, -1);
	fx.overs++;
	fx.errnum = errnum;
}

static int setup(void **state UNUSED)
{
	static const struct tunnel_ops ops = { .send = on_send, .over = on_over };
	const int little = 4608;
	int sv[2];

	memset(&fx, 0, sizeof(fx));
	fx.loop = loop_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	for (int i = 0; i < 2; i++)
		setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
	fx.fd = sv[0];
	tunnel_init(&fx.tunnel, fx.loop, &ops);
	assert_int_equal(tunnel_begin(&fx.tunnel, sv[1], 7), 0);
	assert_int_equal(fx.heard.port, 7);
	assert_int_equal(fx.heard.window, TUNNEL_WINDOW);
	return 0;
}

static int teardown(void **state UNUSED)
{
	tunnel_fini(&fx.tunnel);
	auto_close(&fx.fd);
	loop_free(fx.loop);
	return 0;
}

static int take(const struct piece *p)
{
	static uint8_t buf[TUNNEL_WINDOW + 64];

	return tunnel_take(&fx.tunnel, buf, piece_write(p, buf));
}

/* A socket that takes little at a time, from one who sends whenever there is room. */
static void bytes_that_wait_keep_their_order(void **state UNUSED)
{
	size_t sent = 0, most = 0;
	uint8_t buf[700];
	ssize_t n;

	for (int i = 0; i < 2000; i++) {
		size_t len = MIN(fx.heard.window - sent, (size_t)5000);

		assert_int_equal(take(&(struct piece){ .len = len, .from = sent }), 0);
		sent += len;
		most = MAX(most, fx.tunnel.len);
		n = recv(fx.fd, buf, sizeof(buf), MSG_DONTWAIT);
		for (ssize_t k = 0; k < n; k++, fx.sink.got++)
			assert_int_equal(buf[k], (uint8_t)fx.sink.got);
		turn(fx.loop);
	}
	assert_true(most > TUNNEL_WINDOW / 2 && most <= TUNNEL_WINDOW);
	assert_true(sent > 10 * TUNNEL_WINDOW);
	assert_int_equal(fx.overs, 0);
}

static void nothing_is_sent_while_the_stream_is_full(void **state UNUSED)
{
	assert_int_equal(take(&(struct piece){ .window = 1000 }), 0);
	fx.full = true;
	assert_int_equal(tcp_fill(fx.fd, 0, 10), 10);
	turn(fx.loop);
	assert_int_equal(fx.heard.got, 10);
	assert_int_equal(tcp_fill(fx.fd, 10, 10), 10);
	assert_int_equal(take(&(struct piece){ .window = 1000 }), 0);
	turn(fx.loop);
	assert_int_equal(fx.heard.got, 10);
	fx.full = false;
	tunnel_drained(&fx.tunnel);
	turn(fx.loop);
	assert_int_equal(fx.heard.got, 20);
}

/* 2 to the 31st, twice, is no window of 0; nor is anything above. */
static void windows_do_not_overflow(void **state UNUSED)
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(take(&(struct piece){ .window = 1u << 31 }), 0);
	assert_int_equal(tcp_fill(fx.fd, 0, 10), 10);
	turn(fx.loop);
	assert_int_equal(fx.heard.got, 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(bytes_that_wait_keep_their_order),
		TEST(nothing_is_sent_while_the_stream_is_full),
		TEST(windows_do_not_overflow),
	};

	return cmocka_run_group_tests_name("one end of a tunnel", tests, NULL, NULL);
}
