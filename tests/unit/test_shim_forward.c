/* SPDX-License-Identifier: Apache-2.0 */
/* port-forward between clients on this machine's loopback and a guest that is this program, and that
 * may misbehave. Without the kernel's program: clients come to the listeners' own ports. */
#include "ports_fixture.h"

#include "mote.pb-c.h"
#include "shim/forward.h"
#include "ttrpc/call.h"
#include "ttrpc/server.h"

#define FOUR_MB (4u << 20)

/* The guest's end of a connection. */
struct guest {
	struct call *call; /* NULL: none */
	struct heard heard;
	size_t sent;
	bool given_up, lost;
};

static struct {
	struct loop *loop;
	struct server *server;
	struct client *client;
	struct forward forward;
	struct guest guests[2 * FORWARD_MAX];
	size_t n; /* of them */
	int fds;  /* before the test */
	int fd;	  /* the client */
	uint16_t port;
	struct sink sink; /* what the client has got */
} fx;

/* --- the guest --- */

static void on_raw(struct call *c, const uint8_t *msg, size_t len)
{
	struct guest *g = c->state;

	if (msg)
		heard_take(&g->heard, msg, len);
	else
		g->given_up = true;
}

static void on_cancel(struct call *c)
{
	struct guest *g = c->state;

	g->call = NULL;
	g->lost = true;
	call_failf(c, RC_CANCELLED, "cancelled");
}

static void connect_call(struct call *c)
{
	static const struct call_stream_ops ops = { .on_raw = on_raw };
	struct guest *g = &fx.guests[fx.n++];

	assert_true(fx.n <= COUNT_OF(fx.guests));
	g->call = c;
	c->state = g;
	c->cancel = on_cancel;
	call_stream_start(c, &ops);
}

static const struct rpc_row rows[] = { { "Connect", connect_call, RPC_STREAM | RPC_RAW } };
static const struct rpc_service ports = { &mote__v1__ports__descriptor, NULL, rows, 1, NULL };
static const struct rpc_service *const services[] = { &ports, NULL };

static void say(struct guest *g, const struct piece *p)
{
	static uint8_t buf[(1 << 18) + 64];
	size_t n = piece_write(p, buf);

	g->sent += p->len;
	assert_true(call_send_raw(g->call, buf, n) >= 0);
}

static void refuse(struct guest *g)
{
	call_failf(TAKE_PTR(g->call), RC_UNAVAILABLE, "port 1: Connection refused");
}

static void finish(struct guest *g)
{
	call_stream_end(TAKE_PTR(g->call));
}

/* --- the fixture --- */

static uint16_t port_of(int i)
{
	struct sockaddr_in6 a;
	socklen_t len = sizeof(a);

	assert_int_equal(getsockname(fx.forward.listeners[i].fd, (void *)&a, &len), 0);
	return ntohs(a.sin6_port);
}

static int setup(void **state UNUSED)
{
	struct err e = { 0 };
	int sv[2];

	memset(&fx, 0, sizeof(fx));
	fx.fds = fd_count();
	fx.fd = -1;
	fx.loop = loop_new();
	fx.server = server_new(fx.loop, services, NULL, SERVER_ANY_PEER, &e);
	assert_non_null(fx.server);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(server_adopt(fx.server, sv[1]), 0);
	fx.client = client_new(fx.loop, sv[0], &e);
	assert_non_null(fx.client);
	forward_init(&fx.forward);
	assert_int_equal(forward_listen(&fx.forward, fx.loop, fx.client, &e), 0);
	fx.port = port_of(0);
	return 0;
}

static int teardown(void **state UNUSED)
{
	auto_close(&fx.fd);
	turn(fx.loop);
	forward_close(&fx.forward);
	assert_int_equal(fx.forward.n, 0);
	for (size_t i = 0; i < fx.n; i++)
		if (fx.guests[i].call)
			finish(&fx.guests[i]);
	client_free(fx.client);
	turn(fx.loop);
	server_free(fx.server);
	loop_free(fx.loop);
	assert_int_equal(fd_count(), fx.fds);
	assert_int_equal(arena_bytes_in_use(), 0);
	return 0;
}

/* A client of the i-th family that the guest is told of; its end there. */
static struct guest *connect_guest(int i, int *fd)
{
	struct guest *g = &fx.guests[fx.n];

	*fd = tcp_connect(i ? AF_INET6 : AF_INET, port_of(i));
	UNTIL(fx.loop, g->heard.messages == 1);
	assert_int_equal(g->heard.port, port_of(i));
	assert_int_equal(g->heard.window, TUNNEL_WINDOW);
	return g;
}

static struct guest *connect_one(void)
{
	return connect_guest(0, &fx.fd);
}

static void client_is_over(bool in_order)
{
	UNTIL(fx.loop, sink_read(&fx.sink, fx.fd));
	assert_int_equal(fx.sink.ended, in_order);
	if (!in_order)
		assert_int_equal(fx.sink.error, ECONNRESET);
}

/* --- tests --- */

static void both_ways(void **state UNUSED)
{
	for (int i = 0; i < FORWARD_FAMILIES; i++) {
		struct guest *g = connect_guest(i, &fx.fd);

		memset(&fx.sink, 0, sizeof(fx.sink));
		assert_int_equal(tcp_fill(fx.fd, 0, 100), 100);
		turn(fx.loop);
		assert_int_equal(g->heard.got, 0); /* not before the guest takes any */
		say(g, &(struct piece){ .window = 60 });
		UNTIL(fx.loop, g->heard.got == 60);
		say(g, &(struct piece){ .window = 60, .len = 1000 });
		UNTIL(fx.loop, g->heard.got == 100);
		UNTIL(fx.loop, (sink_read(&fx.sink, fx.fd), fx.sink.got == 1000));
		auto_close(&fx.fd);
	}
}

static void nobody_listens(void **state UNUSED)
{
	refuse(connect_one());
	client_is_over(false);
	assert_int_equal(fx.forward.n, 0);
}

/* All at once, as a guest says it whose server has answered and is gone. */
static void an_answer_and_its_end(void **state UNUSED)
{
	struct guest *g = connect_one();

	say(g, &(struct piece){ .window = 60, .len = 1000, .end = true });
	client_is_over(true);
	assert_int_equal(fx.sink.got, 1000);
	assert_int_equal(tcp_fill(fx.fd, 0, 10), 10);
	UNTIL(fx.loop, g->heard.got == 10);
	auto_close(&fx.fd);
	UNTIL(fx.loop, g->heard.ended);
	assert_false(g->given_up);
	assert_int_equal(fx.forward.n, 1); /* the guest may be writing yet */
	say(g, &(struct piece){ .window = 10 });
	turn(fx.loop);
	finish(g);
	UNTIL(fx.loop, fx.forward.n == 0);
}

static void the_client_ends_its_half(void **state UNUSED)
{
	struct guest *g = connect_one();

	say(g, &(struct piece){ .window = 1000 });
	assert_int_equal(tcp_fill(fx.fd, 0, 10), 10);
	assert_int_equal(shutdown(fx.fd, SHUT_WR), 0);
	UNTIL(fx.loop, g->heard.ended);
	assert_int_equal(g->heard.got, 10);
	say(g, &(struct piece){ .len = 500 });
	say(g, &(struct piece){ .len = 500, .from = 500, .end = true });
	finish(g);
	client_is_over(true);
	assert_int_equal(fx.sink.got, 1000);
	UNTIL(fx.loop, fx.forward.n == 0);
}

static void the_client_resets(void **state UNUSED)
{
	struct guest *g = connect_one();

	say(g, &(struct piece){ .window = 1000 });
	turn(fx.loop);
	tcp_reset(&fx.fd);
	UNTIL(fx.loop, g->given_up);
	assert_false(g->heard.ended);
	assert_int_equal(fx.forward.n, 0);
}

static void the_guest_resets_behind_an_answer(void **state UNUSED)
{
	struct guest *g = connect_one();

	say(g, &(struct piece){ .window = 1000, .len = 30000 });
	refuse(g);
	client_is_over(false);
	assert_int_equal(fx.sink.got, 30000);
}

/* An end of the stream that no end of the data came before. */
static void a_guest_that_only_leaves(void **state UNUSED)
{
	struct guest *g = connect_one();

	say(g, &(struct piece){ .window = 1000 });
	finish(g);
	client_is_over(false);
}

static void the_guest_is_lost(void **state UNUSED)
{
	connect_one();
	client_free(TAKE_PTR(fx.client));
	assert_int_equal(fx.forward.n, 0);
	forward_close(&fx.forward);
	client_is_over(false);
}

static void a_client_after_the_guest_is_lost(void **state UNUSED)
{
	server_free(TAKE_PTR(fx.server));
	turn(fx.loop);
	fx.fd = tcp_connect(AF_INET, fx.port);
	UNTIL(fx.loop, sink_read(&fx.sink, fx.fd));
	assert_int_equal(fx.forward.n, 0);
}

/* --- windows --- */

/* All that the window and the socket take, to a client that sleeps. */
static void fill(struct guest *g)
{
	for (int i = 0; i < 2000 && g->heard.window > g->sent; i++) {
		say(g, &(struct piece){ .len = MIN(g->heard.window - g->sent, (size_t)30000),
					.from = g->sent });
		turn(fx.loop);
	}
	assert_int_equal(g->sent, g->heard.window);
}

static void a_client_that_sleeps_holds_the_guest_up(void **state UNUSED)
{
	struct guest *g = connect_one();
	size_t want;

	fill(g);
	assert_true(g->sent < 64u << 20);
	want = g->sent + FOUR_MB;
	for (int i = 0; i < 200000 && fx.sink.got < want; i++) {
		size_t n = MIN(g->heard.window - g->sent, (size_t)30000);

		n = MIN(n, want - g->sent);
		if (n)
			say(g, &(struct piece){ .len = n, .from = g->sent });
		loop_once(fx.loop, n ? 0 : 1);
		sink_read(&fx.sink, fx.fd);
	}
	assert_int_equal(fx.sink.got, want);
}

/* A guest that grants and does not read its connection: what that one does not take waits with the
 * client. The guest has a loop of its own here. */
static void a_connection_that_is_full(void **state UNUSED)
{
	struct loop *loop = loop_new();
	struct err e = { 0 };
	struct server *server = server_new(loop, services, NULL, SERVER_ANY_PEER, &e);
	struct guest *g = &fx.guests[0];
	size_t written = 0;
	int sv[2];

	forward_close(&fx.forward);
	client_free(fx.client);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(server_adopt(server, sv[1]), 0);
	fx.client = client_new(fx.loop, sv[0], &e);
	assert_int_equal(forward_listen(&fx.forward, fx.loop, fx.client, &e), 0);
	fx.fd = tcp_connect(AF_INET, port_of(0));
	UNTIL(fx.loop, (turn(loop), g->heard.messages));
	say(g, &(struct piece){ .window = 3u << 20 });
	for (int i = 0; i < 600; i++) {
		written += tcp_fill(fx.fd, written, (3u << 20) - written);
		turn(fx.loop);
	}
	for (int i = 0; i < 2000 && g->heard.got < 3u << 20; i++) {
		written += tcp_fill(fx.fd, written, (3u << 20) - written);
		loop_once(fx.loop, 1);
		turn(loop);
	}
	assert_int_equal(g->heard.got, 3u << 20);
	server_free(server);
	turn(fx.loop);
	turn(loop);
	loop_free(loop);
}

static void a_guest_that_takes_little_holds_the_client_up(void **state UNUSED)
{
	struct guest *g = connect_one();
	size_t written = 0, granted = 0;

	for (int i = 0; i < 200000 && g->heard.got < FOUR_MB; i++) {
		if (written < FOUR_MB)
			written += tcp_fill(fx.fd, written, FOUR_MB - written);
		if (granted - g->heard.got < 20000) {
			say(g, &(struct piece){ .window = 30000 });
			granted += 30000;
		}
		loop_once(fx.loop, 1);
		assert_true(g->heard.got <= granted);
	}
	assert_int_equal(g->heard.got, FOUR_MB);
}

/* The guest's end, and its stream's, are there long before the client has read. */
static void an_end_behind_bytes_that_wait(void **state UNUSED)
{
	struct guest *g = connect_one();
	size_t sent;

	assert_int_equal(shutdown(fx.fd, SHUT_WR), 0);
	say(g, &(struct piece){ .window = 10 });
	UNTIL(fx.loop, g->heard.ended);
	fill(g);
	sent = g->sent;
	say(g, &(struct piece){ .end = true });
	finish(g);
	turn(fx.loop);
	assert_int_equal(fx.forward.n, 1);
	client_is_over(true);
	assert_int_equal(fx.sink.got, sent);
	UNTIL(fx.loop, fx.forward.n == 0);
}

/* A status that comes behind bytes that wait here: they go first. What the kernel holds of them a
 * reset may take. */
static void a_reset_behind_bytes_that_wait(void **state UNUSED)
{
	struct guest *g = connect_one();

	fill(g);
	refuse(g);
	turn(fx.loop);
	assert_int_equal(fx.forward.n, 1);
	client_is_over(false);
	assert_true(fx.sink.got > TUNNEL_WINDOW);
	UNTIL(fx.loop, fx.forward.n == 0);
}

/* --- a guest that is not trusted --- */

static void more_than_it_was_granted(void **state UNUSED)
{
	struct guest *g = connect_one(), *other;
	int fd;

	other = connect_guest(0, &fd);
	say(g, &(struct piece){ .len = TUNNEL_WINDOW + 1 });
	client_is_over(false);
	assert_int_equal(fx.sink.got, 0);
	UNTIL(fx.loop, g->given_up);
	assert_int_equal(fx.forward.n, 1);
	memset(&fx.sink, 0, sizeof(fx.sink));
	say(other, &(struct piece){ .len = 5 });
	UNTIL(fx.loop, (sink_read(&fx.sink, fd), fx.sink.got == 5));
	close(fd);
}

static void data_behind_its_end(void **state UNUSED)
{
	struct guest *g = connect_one();

	say(g, &(struct piece){ .window = 1, .end = true });
	say(g, &(struct piece){ .len = 1 });
	UNTIL(fx.loop, g->given_up);
	assert_int_equal(fx.forward.n, 0);
}

static void no_message_at_all(void **state UNUSED)
{
	struct guest *g = connect_one();

	assert_true(call_send_raw(g->call, (const uint8_t *)"\x0f", 1) >= 0);
	client_is_over(false);
	UNTIL(fx.loop, g->given_up);
}

/* --- bounds --- */

static void too_many(void **state UNUSED)
{
	int fds[FORWARD_MAX], more;

	for (int i = 0; i < FORWARD_MAX; i++)
		say(connect_guest(0, &fds[i]), &(struct piece){ .window = 10 });
	more = tcp_connect(AF_INET, fx.port);
	UNTIL(fx.loop, sink_read(&fx.sink, more));
	close(more);
	assert_int_equal(fx.n, FORWARD_MAX);
	assert_int_equal(fx.forward.n, FORWARD_MAX);
	/* one whose client has sent its end makes room, and no other */
	assert_int_equal(shutdown(fds[7], SHUT_WR), 0);
	UNTIL(fx.loop, fx.guests[7].heard.ended);
	connect_guest(0, &more);
	UNTIL(fx.loop, fx.guests[7].given_up);
	assert_int_equal(fx.forward.n, FORWARD_MAX);
	for (int i = 0; i < FORWARD_MAX; i++) {
		assert_int_equal(fx.guests[i].given_up, i == 7);
		close(fds[i]);
	}
	close(more);
}

static void closed_with_connections(void **state UNUSED)
{
	struct guest *g = connect_one();

	say(g, &(struct piece){ .window = 10 });
	turn(fx.loop);
	forward_close(&fx.forward);
	client_is_over(false);
	UNTIL(fx.loop, g->given_up);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(both_ways),
		TEST(nobody_listens),
		TEST(an_answer_and_its_end),
		TEST(the_client_ends_its_half),
		TEST(the_client_resets),
		TEST(the_guest_resets_behind_an_answer),
		TEST(a_guest_that_only_leaves),
		TEST(the_guest_is_lost),
		TEST(a_client_after_the_guest_is_lost),
		TEST(a_client_that_sleeps_holds_the_guest_up),
		TEST(a_connection_that_is_full),
		TEST(a_guest_that_takes_little_holds_the_client_up),
		TEST(an_end_behind_bytes_that_wait),
		TEST(a_reset_behind_bytes_that_wait),
		TEST(more_than_it_was_granted),
		TEST(data_behind_its_end),
		TEST(no_message_at_all),
		TEST(too_many),
		TEST(closed_with_connections),
	};

	return cmocka_run_group_tests_name("the shim's port-forward", tests, NULL, NULL);
}
