/* SPDX-License-Identifier: Apache-2.0 */
/* mote.v1.Ports: which server is reached, what a host may not say, and the windows. */
#include "ports_agent.h"

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

/* A host that grants and does not read its connection: what that one does not take waits with the
 * server. The host has a loop of its own here. */
static void a_connection_that_is_full(void **state UNUSED)
{
	struct loop *loop = loop_new();
	struct err e = { 0 };
	size_t written = 0;
	struct conn c;
	int sv[2];

	client_free(fx.client);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(server_adopt(fx.server, sv[1]), 0);
	fx.client = client_new(loop, sv[0], &e);
	fx.listenfd = tcp_bound(AF_INET, &fx.port, 8);
	open_port(&c, fx.port, 0);
	UNTIL(fx.loop, accepted());
	say(&c, &(struct piece){ .window = 3u << 20 });
	for (int i = 0; i < 600; i++) {
		written += tcp_fill(fx.fd, written, (3u << 20) - written);
		turn(fx.loop);
	}
	for (int i = 0; i < 2000 && c.heard.got < 3u << 20; i++) {
		written += tcp_fill(fx.fd, written, (3u << 20) - written);
		loop_once(fx.loop, 1);
		turn(loop);
	}
	assert_int_equal(c.heard.got, 3u << 20);
	close_conn(&c);
	client_free(TAKE_PTR(fx.client));
	loop_free(loop);
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
		TEST(a_connection_that_is_full),
	};

	return cmocka_run_group_tests_name("ports of the guest", tests, NULL, NULL);
}
