/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's mote.v1.Ports, and a host that is the test, on one loop; servers are on this machine's
 * loopback. After each test no connection is left, and no descriptor.
 */
#ifndef MOTE_TESTS_PORTS_AGENT_H
#define MOTE_TESTS_PORTS_AGENT_H

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

static inline void on_message(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct conn *c = arg;

	if (payload) {
		heard_take(&c->heard, payload, len);
		return;
	}
	c->over = true;
	c->err = *e;
}

static inline void say(struct conn *c, const struct piece *p)
{
	static uint8_t buf[(1 << 18) + 64];
	size_t n = piece_write(p, buf);

	c->sent += p->len;
	assert_true(client_stream_send(c->stream, buf, n) >= 0);
}

static inline void open_raw(struct conn *c)
{
	struct err e = { 0 };

	memset(c, 0, sizeof(*c));
	c->stream = client_stream_open(fx.client, "mote.v1.Ports", "Connect", NULL, 0, on_message,
				       c, &e);
	assert_non_null(c->stream);
}

static inline void open_port(struct conn *c, uint32_t port, uint32_t window)
{
	open_raw(c);
	say(c, &(struct piece){ .port = port, .window = window });
}

static inline void close_conn(struct conn *c)
{
	if (!c->over)
		client_stream_close_send(c->stream);
	client_stream_free(TAKE_PTR(c->stream));
}

static inline bool accepted(void)
{
	if (fx.fd < 0)
		fx.fd = accept4(fx.listenfd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return fx.fd >= 0;
}

/* Connected, both ends know. */
static inline void connect_to(struct conn *c, int family, uint32_t window)
{
	fx.listenfd = tcp_bound(family, &fx.port, 8);
	open_port(c, fx.port, window);
	UNTIL(fx.loop, accepted() && c->heard.messages);
	assert_int_equal(c->heard.window, TUNNEL_WINDOW);
	assert_int_equal(c->heard.port, 0);
}

static inline void expect_over(struct conn *c, enum rc rc, const char *part)
{
	UNTIL(fx.loop, c->over);
	assert_int_equal(c->err.rc, rc);
	if (!strstr(c->err.msg, part))
		fail_msg("\"%s\" is not in \"%s\"", part, c->err.msg);
}

/* As much as the guest lets, once the server has read. */
static inline void send_all(struct conn *c, size_t bytes)
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

static inline void setup_client(void)
{
	struct err e = { 0 };
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(server_adopt(fx.server, sv[1]), 0);
	fx.client = client_new(fx.loop, sv[0], &e);
	assert_non_null(fx.client);
}

static inline int setup(void **state UNUSED)
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

static inline int teardown(void **state UNUSED)
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

#endif
