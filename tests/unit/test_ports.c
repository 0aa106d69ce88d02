/* SPDX-License-Identifier: Apache-2.0 */
/* mote.v1.Ports: servers on this machine's loopback, reached through the method by a host that is
 * this program too. After each test no connection is left, and no descriptor. */
#include "ports_fixture.h"

#include "base/clock.h"
#include "mote.pb-c.h"
#include "service/containerd/containerd.h"
#include "ttrpc/client.h"
#include "ttrpc/server.h"

#define FOUR_MB (4u << 20)

static const struct rpc_row rows[] = { { "Connect", ports_connect, RPC_STREAM | RPC_RAW } };
static const struct rpc_service ports = { &mote__v1__ports__descriptor, NULL, rows, 1, NULL };
static const struct rpc_service *const services[] = { &ports, NULL };

static struct {
	struct loop *loop;
	struct server *server;
	struct client *client;
	struct fronts fronts;
	int fds; /* before the test */
	int listenfd, fd; /* the server's */
	uint16_t port;
	struct sink sink; /* what the server has got */
} fx;

/* The host's end of a connection. */
struct conn {
	struct client_stream *stream;
	struct heard heard;
	size_t sent;
	bool over;
	struct err err;
};

static void on_message(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct conn *c = arg;

	if (payload) {
		heard_take(&c->heard, payload, len);
		return;
	}
	c->over = true;
	c->err = *e;
}

static void say(struct conn *c, const struct piece *p)
{
	static uint8_t buf[(1 << 18) + 64];
	size_t n = piece_write(p, buf);

	c->sent += p->len;
	assert_true(client_stream_send(c->stream, buf, n) >= 0);
}

static void open_raw(struct conn *c)
{
	struct err e = { 0 };

	memset(c, 0, sizeof(*c));
	c->stream = client_stream_open(fx.client, "mote.v1.Ports", "Connect", NULL, 0, on_message,
				       c, &e);
	assert_non_null(c->stream);
}

static void open_port(struct conn *c, uint32_t port, uint32_t window)
{
	open_raw(c);
	say(c, &(struct piece){ .port = port, .window = window });
}

static void close_conn(struct conn *c)
{
	if (!c->over)
		client_stream_close_send(c->stream);
	client_stream_free(TAKE_PTR(c->stream));
}

static bool accepted(void)
{
	if (fx.fd < 0)
		fx.fd = accept4(fx.listenfd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return fx.fd >= 0;
}

/* Connected, both ends know. */
static void connect_to(struct conn *c, int family, uint32_t window)
{
	fx.listenfd = tcp_bound(family, &fx.port, 8);
	open_port(c, fx.port, window);
	UNTIL(fx.loop, accepted() && c->heard.messages);
	assert_int_equal(c->heard.window, TUNNEL_WINDOW);
	assert_int_equal(c->heard.port, 0);
}

static void expect_over(struct conn *c, enum rc rc, const char *part)
{
	UNTIL(fx.loop, c->over);
	assert_int_equal(c->err.rc, rc);
	if (!strstr(c->err.msg, part))
		fail_msg("\"%s\" is not in \"%s\"", part, c->err.msg);
}

/* As much as the guest lets, once the server has read. */
static void send_all(struct conn *c, size_t bytes)
{
	for (int i = 0; i < 200000 && fx.sink.got < bytes; i++) {
		size_t n = MIN(c->heard.window - c->sent, (size_t)30000);

		n = MIN(n, bytes - c->sent);
		if (n)
			say(c, &(struct piece){ .len = n, .from = c->sent });
		loop_once(fx.loop, n ? 0 : 1);
		sink_read(&fx.sink, fx.fd);
	}
	assert_int_equal(fx.sink.got, bytes);
}

static void setup_client(void)
{
	struct err e = { 0 };
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(server_adopt(fx.server, sv[1]), 0);
	fx.client = client_new(fx.loop, sv[0], &e);
	assert_non_null(fx.client);
}

static int setup(void **state UNUSED)
{
	struct err e = { 0 };

	memset(&fx, 0, sizeof(fx));
	fx.fds = fd_count();
	fx.listenfd = fx.fd = -1;
	fx.loop = loop_new();
	fx.server = server_new(fx.loop, services, &fx.fronts, SERVER_ANY_PEER, &e);
	assert_non_null(fx.server);
	setup_client();
	return 0;
}

static int teardown(void **state UNUSED)
{
	auto_close(&fx.fd);
	auto_close(&fx.listenfd);
	client_free(fx.client);
	turn(fx.loop);
	assert_int_equal(fx.fronts.ctd.n_ports, 0);
	server_free(fx.server);
	loop_free(fx.loop);
	assert_int_equal(fd_count(), fx.fds);
	assert_int_equal(arena_bytes_in_use(), 0);
	return 0;
}

/* --- where to --- */

static void talk(int family)
{
	struct conn c;

	connect_to(&c, family, 1000);
	say(&c, &(struct piece){ .len = 5 });
	UNTIL(fx.loop, (sink_read(&fx.sink, fx.fd), fx.sink.got == 5));
	assert_int_equal(tcp_fill(fx.fd, 0, 7), 7);
	UNTIL(fx.loop, c.heard.got == 7);
	close_conn(&c);
}

static void a_server_of_ipv4(void **state UNUSED)
{
	talk(AF_INET);
}

static void a_server_of_ipv6_alone(void **state UNUSED)
{
	int taken = tcp_bound(AF_INET, &fx.port, -1); /* refuses */

	talk(AF_INET6);
	close(taken);
}

static void ipv4_comes_first(void **state UNUSED)
{
	struct conn c;
	int other;

	connect_to(&c, AF_INET, 0);
	close_conn(&c);
	auto_close(&fx.fd);
	other = tcp_bound(AF_INET6, &fx.port, 8);
	open_port(&c, fx.port, 0);
	UNTIL(fx.loop, accepted());
	close_conn(&c);
	close(other);
}

static void nobody_listens(void **state UNUSED)
{
	int taken = tcp_bound(AF_INET, &fx.port, -1), also = tcp_bound(AF_INET6, &fx.port, -1);
	struct conn c;

	open_port(&c, fx.port, 1000);
	expect_over(&c, RC_UNAVAILABLE, "Connection refused");
	assert_int_equal(c.heard.messages, 0);
	close_conn(&c);
	close(taken);
	close(also);
}

/* A server whose queue is full answers nothing. */
static void a_server_that_does_not_answer(void **state UNUSED)
{
	int clients[8];
	struct conn c;

	fx.listenfd = tcp_bound(AF_INET, &fx.port, 0);
	for (size_t i = 0; i < COUNT_OF(clients); i++)
		clients[i] = tcp_connect(AF_INET, fx.port);
	clock_fake(1000);
	open_port(&c, fx.port, 1000);
	turn(fx.loop);
	clock_fake(1000 + PORTS_DIAL_MS - 1);
	turn(fx.loop);
	assert_false(c.over);
	assert_int_equal(fx.fronts.ctd.n_ports, 1);
	clock_fake(1000 + PORTS_DIAL_MS);
	turn(fx.loop);
	clock_fake(CLOCK_NEVER);
	expect_over(&c, RC_UNAVAILABLE, "timed out");
	close_conn(&c);
	for (size_t i = 0; i < COUNT_OF(clients); i++)
		close(clients[i]);
}

/* The time is for connecting alone. */
static void a_connection_that_rests(void **state UNUSED)
{
	struct conn c;

	clock_fake(1000);
	connect_to(&c, AF_INET, 10);
	clock_fake(1000 + 10 * PORTS_DIAL_MS);
	turn(fx.loop);
	clock_fake(CLOCK_NEVER);
	assert_int_equal(tcp_fill(fx.fd, 0, 10), 10);
	UNTIL(fx.loop, c.heard.got == 10);
	close_conn(&c);
}

static void given_up_before_the_server_answers(void **state UNUSED)
{
	int clients[8];
	struct conn c;

	fx.listenfd = tcp_bound(AF_INET, &fx.port, 0);
	for (size_t i = 0; i < COUNT_OF(clients); i++)
		clients[i] = tcp_connect(AF_INET, fx.port);
	open_port(&c, fx.port, 1000);
	turn(fx.loop);
	assert_int_equal(fx.fronts.ctd.n_ports, 1);
	client_stream_close_send(c.stream);
	expect_over(&c, RC_CANCELLED, "gives it up");
	close_conn(&c);
	for (size_t i = 0; i < COUNT_OF(clients); i++)
		close(clients[i]);
}

/* --- what a host may not say --- */

static void ports_that_are_none(void **state UNUSED)
{
	static const uint32_t bad[] = { 0, 65536, UINT32_MAX };
	struct conn c;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		open_port(&c, bad[i], 1);
		expect_over(&c, RC_INVALID_ARGUMENT, "1 to 65535");
		close_conn(&c);
	}
	open_raw(&c);
	assert_true(client_stream_send(c.stream, (const uint8_t *)"\x0f", 1) >= 0);
	expect_over(&c, RC_INVALID_ARGUMENT, "1 to 65535");
	close_conn(&c);
	open_raw(&c);
	client_stream_close_send(c.stream);
	expect_over(&c, RC_CANCELLED, "gives it up");
	close_conn(&c);
}

/* In the request itself: then the host has closed its half as well. */
static void a_message_in_the_request(void **state UNUSED)
{
	Mote__V1__PortPiece first = MOTE__V1__PORT_PIECE__INIT;
	struct err e = { 0 };
	struct conn c;

	for (int i = 0; i < 2; i++) {
		memset(&c, 0, sizeof(c));
		c.stream = client_stream_open(fx.client, "mote.v1.Ports", "Connect", &first.base, 0,
					      on_message, &c, &e);
		assert_non_null(c.stream);
		if (first.port)
			expect_over(&c, RC_CANCELLED, "gives it up");
		else
			expect_over(&c, RC_INVALID_ARGUMENT, "1 to 65535");
		close_conn(&c);
		fx.listenfd = fx.listenfd < 0 ? tcp_bound(AF_INET, &fx.port, 8) : fx.listenfd;
		first.port = fx.port;
	}
}

static void more_than_its_window(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, 0);
	say(&c, &(struct piece){ .len = TUNNEL_WINDOW + 1 });
	expect_over(&c, RC_INVALID_ARGUMENT, "");
	UNTIL(fx.loop, sink_read(&fx.sink, fx.fd));
	assert_int_equal(fx.sink.error, ECONNRESET);
	close_conn(&c);
}

static void data_before_it_is_connected(void **state UNUSED)
{
	struct conn c;

	fx.listenfd = tcp_bound(AF_INET, &fx.port, 8);
	open_raw(&c);
	say(&c, &(struct piece){ .port = fx.port, .len = 1 });
	expect_over(&c, RC_INVALID_ARGUMENT, "");
	close_conn(&c);
}

static void data_behind_the_end(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, 0);
	say(&c, &(struct piece){ .end = true });
	say(&c, &(struct piece){ .len = 1 });
	expect_over(&c, RC_INVALID_ARGUMENT, "");
	close_conn(&c);
}

static void too_many(void **state UNUSED)
{
	struct conn c[PORTS_MAX + 1];

	fx.listenfd = tcp_bound(AF_INET, &fx.port, PORTS_MAX + 1);
	for (size_t i = 0; i < PORTS_MAX; i++)
		open_port(&c[i], fx.port, 0);
	for (size_t i = 0; i < PORTS_MAX; i++)
		UNTIL(fx.loop, c[i].heard.messages);
	open_port(&c[PORTS_MAX], fx.port, 0);
	expect_over(&c[PORTS_MAX], RC_RESOURCE_EXHAUSTED, "64");
	close_conn(&c[0]);
	close_conn(&c[PORTS_MAX]);
	open_port(&c[0], fx.port, 0);
	UNTIL(fx.loop, c[0].heard.messages);
	for (size_t i = 0; i < PORTS_MAX; i++)
		close_conn(&c[i]);
}

/* --- windows --- */

static void a_server_that_does_not_read_holds_the_host_up(void **state UNUSED)
{
	size_t granted;
	struct conn c;

	connect_to(&c, AF_INET, 0);
	for (int i = 0; i < 2000 && c.heard.window > c.sent; i++) {
		say(&c, &(struct piece){ .len = MIN(c.heard.window - c.sent, (size_t)30000),
					 .from = c.sent });
		turn(fx.loop);
	}
	granted = c.heard.window;
	assert_int_equal(c.sent, granted); /* less than it wants to send: the kernel's buffers */
	assert_true(granted < 64u << 20);
	send_all(&c, granted + FOUR_MB);
	close_conn(&c);
}

static void a_host_that_does_not_read_holds_the_server_up(void **state UNUSED)
{
	size_t written = 0, granted = 10;
	struct conn c;

	connect_to(&c, AF_INET, 10);
	for (int i = 0; i < 100; i++) {
		written += tcp_fill(fx.fd, written, FOUR_MB);
		turn(fx.loop);
	}
	assert_int_equal(c.heard.got, 10);
	for (int i = 0; i < 200000 && c.heard.got < written; i++) {
		say(&c, &(struct piece){ .window = 50000 });
		granted += 50000;
		loop_once(fx.loop, 1);
		assert_true(c.heard.got <= granted);
		if (written < FOUR_MB)
			written += tcp_fill(fx.fd, written, FOUR_MB - written);
	}
	assert_true(written >= FOUR_MB);
	assert_int_equal(c.heard.got, written);
	assert_true(c.heard.largest <= 16384);
	close_conn(&c);
}

/* --- ends --- */

static void the_host_ends_its_half(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, 1000);
	say(&c, &(struct piece){ .len = 10, .end = true });
	UNTIL(fx.loop, sink_read(&fx.sink, fx.fd));
	assert_true(fx.sink.ended && fx.sink.got == 10);
	assert_int_equal(tcp_fill(fx.fd, 0, 100), 100);
	UNTIL(fx.loop, c.heard.got == 100);
	assert_false(c.over || c.heard.ended);
	auto_close(&fx.fd);
	expect_over(&c, RC_OK, "");
	assert_true(c.heard.ended);
	close_conn(&c);
}

/* … before the connection is there. */
static void the_host_ends_its_half_at_once(void **state UNUSED)
{
	struct conn c;

	fx.listenfd = tcp_bound(AF_INET, &fx.port, 8);
	open_raw(&c);
	say(&c, &(struct piece){ .port = fx.port, .end = true });
	UNTIL(fx.loop, accepted() && sink_read(&fx.sink, fx.fd));
	assert_true(fx.sink.ended);
	auto_close(&fx.fd);
	close_conn(&c);
}

static void the_server_ends_its_half(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, FOUR_MB);
	assert_int_equal(tcp_fill(fx.fd, 0, 1000), 1000);
	assert_int_equal(shutdown(fx.fd, SHUT_WR), 0);
	UNTIL(fx.loop, c.heard.ended);
	assert_int_equal(c.heard.got, 1000);
	send_all(&c, FOUR_MB);
	assert_false(c.over);
	say(&c, &(struct piece){ .end = true });
	UNTIL(fx.loop, sink_read(&fx.sink, fx.fd));
	assert_true(fx.sink.ended);
	expect_over(&c, RC_OK, "");
	close_conn(&c);
}

/* All that the host has sent is written before its end is. */
static void an_end_behind_bytes_that_wait(void **state UNUSED)
{
	struct conn c;
	size_t sent;

	connect_to(&c, AF_INET, 0);
	for (int i = 0; i < 2000 && c.heard.window > c.sent; i++) {
		say(&c, &(struct piece){ .len = MIN(c.heard.window - c.sent, (size_t)30000),
					 .from = c.sent });
		turn(fx.loop);
	}
	sent = c.sent;
	say(&c, &(struct piece){ .end = true });
	turn(fx.loop);
	UNTIL(fx.loop, sink_read(&fx.sink, fx.fd));
	assert_true(fx.sink.ended);
	assert_int_equal(fx.sink.got, sent);
	close_conn(&c);
}

/* --- resets --- */

static void the_server_resets(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, 1000);
	tcp_reset(&fx.fd);
	expect_over(&c, RC_UNAVAILABLE, "reset");
	assert_false(c.heard.ended);
	close_conn(&c);
}

/* Of one who has sent its end: nobody reads there any more. */
static void the_server_resets_behind_its_end(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, 1000);
	assert_int_equal(shutdown(fx.fd, SHUT_WR), 0);
	UNTIL(fx.loop, c.heard.ended);
	tcp_reset(&fx.fd);
	expect_over(&c, RC_UNAVAILABLE, "reset");
	close_conn(&c);
}

/* A host that takes nothing hears of it once it does; the loop rests meanwhile. */
static void the_server_resets_while_nobody_reads(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, 0);
	tcp_reset(&fx.fd);
	for (int i = 0; i < 50; i++)
		loop_once(fx.loop, 1);
	assert_int_equal(loop_once(fx.loop, 0), 0);
	say(&c, &(struct piece){ .window = 10 });
	expect_over(&c, RC_UNAVAILABLE, "reset");
	close_conn(&c);
}

/* As servers do that answer before they have read all: the answer comes, then the reset. */
static void an_answer_before_a_reset(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, 0);
	say(&c, &(struct piece){ .len = 100 });
	turn(fx.loop);
	assert_int_equal(tcp_fill(fx.fd, 0, 5000), 5000);
	auto_close(&fx.fd); /* with bytes that it has not read */
	say(&c, &(struct piece){ .len = 100, .from = 100 });
	turn(fx.loop);
	say(&c, &(struct piece){ .window = 3000 });
	UNTIL(fx.loop, c.heard.got == 3000);
	say(&c, &(struct piece){ .window = 3000 });
	expect_over(&c, RC_UNAVAILABLE, "");
	assert_int_equal(c.heard.got, 5000);
	assert_false(c.heard.ended);
	close_conn(&c);
}

static void the_host_gives_it_up(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, 1000);
	say(&c, &(struct piece){ .len = 10 });
	client_stream_close_send(c.stream);
	expect_over(&c, RC_CANCELLED, "gives it up");
	UNTIL(fx.loop, sink_read(&fx.sink, fx.fd));
	assert_int_equal(fx.sink.error, ECONNRESET);
	close_conn(&c);
}

static void the_host_is_lost(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, 1000);
	client_free(fx.client);
	assert_true(c.over);
	UNTIL(fx.loop, sink_read(&fx.sink, fx.fd));
	assert_int_equal(fx.sink.error, ECONNRESET);
	assert_int_equal(fx.fronts.ctd.n_ports, 0);
	close_conn(&c);
	setup_client();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_server_of_ipv4),
		TEST(a_server_of_ipv6_alone),
		TEST(ipv4_comes_first),
		TEST(nobody_listens),
		TEST(a_server_that_does_not_answer),
		TEST(a_connection_that_rests),
		TEST(given_up_before_the_server_answers),
		TEST(ports_that_are_none),
		TEST(a_message_in_the_request),
		TEST(more_than_its_window),
		TEST(data_before_it_is_connected),
		TEST(data_behind_the_end),
		TEST(too_many),
		TEST(a_server_that_does_not_read_holds_the_host_up),
		TEST(a_host_that_does_not_read_holds_the_server_up),
		TEST(the_host_ends_its_half),
		TEST(the_host_ends_its_half_at_once),
		TEST(the_server_ends_its_half),
		TEST(an_end_behind_bytes_that_wait),
		TEST(the_server_resets),
		TEST(the_server_resets_behind_its_end),
		TEST(the_server_resets_while_nobody_reads),
		TEST(an_answer_before_a_reset),
		TEST(the_host_gives_it_up),
		TEST(the_host_is_lost),
	};

	return cmocka_run_group_tests_name("ports of the guest", tests, NULL, NULL);
}
