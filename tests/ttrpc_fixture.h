/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server with four services over health.proto's messages, and hand-made peers, in one loop:
 *
 *   grpc.Health   Check answers at once; Version waits in `parked` until the test answers
 *   test.Size     Check answers at once; Version answers at once with `reply_bytes` bytes
 *   test.Stream   Check streams; Version is left out (UNIMPLEMENTED)
 *   test.Raw      Version echoes the bytes of its request, Check the bytes of each message
 */
#ifndef MOTE_TESTS_TTRPC_FIXTURE_H
#define MOTE_TESTS_TTRPC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "health.pb-c.h"
#include "ttrpc/call.h"
#include "ttrpc/client.h"
#include "ttrpc/envelope.h"
#include "ttrpc/frame.h"
#include "ttrpc/pb.h"
#include "ttrpc/server.h"

#define BIG	(FRAME_MAX + 100)

struct fixture {
	struct loop *loop;
	struct server *server;
	struct list parked;
	int cancelled;
	size_t reply_bytes;
	char *big;			/* BIG bytes of 'x' */
	rpc_handler on_stream;
	size_t arena_bytes;
	int fds;
};

static struct fixture fx;

/* --- services --- */

static void parked_cancel(struct call *c)
{
	fx.cancelled++;
	call_failf(c, RC_CANCELLED, "cancelled");
}

static void check_now(struct call *c)
{
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;

	assert_ptr_equal(call_context(c), &fx);
	reply.status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	call_reply(c, &reply.base);
}

static void version_parks(struct call *c)
{
	c->cancel = parked_cancel;
	list_append(&fx.parked, &c->park);
}

/* The text of the reply is what the request said. */
static void UNUSED answer_parked(struct call *c)
{
	const Grpc__CheckRequest *req = (const Grpc__CheckRequest *)c->req;
	Grpc__VersionCheckResponse reply = GRPC__VERSION_CHECK_RESPONSE__INIT;

	reply.agent_version = req->service;
	call_reply(c, &reply.base);
}

static void version_big(struct call *c)
{
	Grpc__VersionCheckResponse reply = GRPC__VERSION_CHECK_RESPONSE__INIT;

	fx.big[fx.reply_bytes] = '\0';
	reply.agent_version = fx.big;
	call_reply(c, &reply.base);
	fx.big[fx.reply_bytes] = 'x';
}

static void check_stream(struct call *c)
{
	fx.on_stream(c);
}

static void raw_echo(struct call *c)
{
	assert_null(c->req);
	call_reply_raw(c, c->raw, c->raw_len);
}

static void raw_message(struct call *c, const uint8_t *bytes, size_t len)
{
	if (bytes)
		assert_int_equal(call_send_raw(c, bytes, len), 1);
	else
		call_stream_end(c);
}

static void raw_cancel(struct call *c)
{
	call_failf(c, RC_CANCELLED, "cancelled");
}

static void raw_stream(struct call *c)
{
	static const struct call_stream_ops raw_ops = { .on_raw = raw_message };

	c->cancel = raw_cancel;
	if (c->raw)
		assert_int_equal(call_send_raw(c, c->raw, c->raw_len), 1);
	call_stream_start(c, &raw_ops);
}

static const struct rpc_row health_rows[] = { { "Check", check_now, 0 },
					      { "Version", version_parks, 0 } };
static const struct rpc_row size_rows[] = { { "Check", check_now, 0 },
					    { "Version", version_big, 0 } };
static const struct rpc_row stream_rows[] = { { "Check", check_stream, RPC_STREAM } };
static const char *const left_out[] = { "Version", NULL };
static const struct rpc_service health = { &grpc__health__descriptor, NULL, health_rows, 2, NULL };
static const struct rpc_service size = { &grpc__health__descriptor, "test.Size", size_rows, 2,
					 NULL };
static const struct rpc_service stream = { &grpc__health__descriptor, "test.Stream", stream_rows, 1,
					   left_out };
static const struct rpc_row raw_rows[] = { { "Version", raw_echo, RPC_RAW },
					   { "Check", raw_stream, RPC_RAW | RPC_STREAM } };
static const struct rpc_service raw = { &grpc__health__descriptor, "test.Raw", raw_rows, 2, NULL };
static const struct rpc_service *const services[] = { &health, &size, &stream, &raw, NULL };

static int fixture_setup(void **state UNUSED)
{
	struct err e = { 0 };

	fx = (struct fixture){ .arena_bytes = arena_bytes_in_use(), .fds = fd_count() };
	list_init(&fx.parked);
	clock_fake(1000);
	fx.big = malloc(BIG + 1);
	memset(fx.big, 'x', BIG + 1);
	fx.loop = loop_new();
	fx.server = server_new(fx.loop, services, &fx, 0, &e);
	assert_non_null(fx.server);
	return 0;
}

/* Nothing is left behind: no call, no byte of any arena, no descriptor. */
static int fixture_teardown(void **state UNUSED)
{
	server_free(fx.server);
	assert_true(list_empty(&fx.parked));
	loop_free(fx.loop);
	free(fx.big);
	clock_fake(CLOCK_NEVER);
	assert_int_equal(arena_bytes_in_use(), fx.arena_bytes);
	assert_int_equal(fd_count(), fx.fds);
	return 0;
}

/* Turns the loop until nothing happens any more. Socket pairs deliver at once. */
static void settle(void)
{
	while (loop_once(fx.loop, 0) > 0)
		;
}

static struct server_stats stats(void)
{
	struct server_stats s;

	server_stats(fx.server, &s);
	return s;
}

/* --- hand-made peers --- */

/* A connection to the server; our end does not block. */
static int peer_new(void)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(server_adopt(fx.server, sv[1]), 0);
	return sv[0];
}

/* Turns the loop while the server's end is full. */
static void peer_write(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			assert_true(loop_once(fx.loop, 0) > 0);
			continue;
		}
		assert_true(n > 0);
		p += n;
		len -= (size_t)n;
	}
}

static void UNUSED peer_frame(int fd, uint32_t id, uint8_t type, uint8_t flags, const void *data,
			      size_t len)
{
	struct frame f = { (uint32_t)len, id, type, flags };
	uint8_t head[FRAME_HEADER];

	frame_encode(&f, head);
	peer_write(fd, head, sizeof(head));
	peer_write(fd, data, len);
}

static void UNUSED peer_request(int fd, uint32_t id, uint8_t flags, const char *service,
				const char *method, const char *text, int64_t timeout_nano)
{
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	struct envelope_request r = { service, method, { 0 }, timeout_nano };
	uint8_t buf[512];

	if (text) {
		req.service = (char *)text;
		r.payload = body_of_msg(&req.base);
	}
	assert_true(envelope_request_size(&r) <= sizeof(buf));
	envelope_request_write(&r, buf);
	peer_frame(fd, id, FRAME_REQUEST, flags, buf, envelope_request_size(&r));
}

/* One frame as the server sent it; the payload is freed by the next one. False: there is none
 * (whole) yet. */
struct peer_in {
	struct frame f;
	uint8_t *payload;
};

static void peer_read(int fd, void *data, size_t len)
{
	uint8_t *p = data;

	while (len) {
		ssize_t n = recv(fd, p, len, 0);

		if (n < 0 && errno == EAGAIN) {
			assert_true(loop_once(fx.loop, 0) > 0);
			continue;
		}
		assert_true(n > 0);
		p += n;
		len -= (size_t)n;
	}
}

static struct peer_in *peer_next(int fd, struct peer_in *in)
{
	uint8_t head[FRAME_HEADER];

	free(in->payload);
	settle();
	peer_read(fd, head, sizeof(head));
	frame_decode(head, &in->f);
	assert_true(in->f.length <= FRAME_MAX);
	in->payload = malloc(in->f.length + 1);
	peer_read(fd, in->payload, in->f.length);
	return in;
}

static bool UNUSED peer_is_idle(int fd)
{
	uint8_t b;

	settle();
	return recv(fd, &b, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

static bool UNUSED peer_is_closed(int fd)
{
	uint8_t b;

	settle();
	errno = 0;
	return recv(fd, &b, 1, MSG_PEEK) <= 0 && errno != EAGAIN;
}

/* The next frame is the answer to `id` with this status and text. */
static void UNUSED expect_status(int fd, uint32_t id, enum rc rc, const char *text)
{
	struct peer_in in = { .payload = NULL };
	struct envelope_response r;
	struct err e = { 0 };
	struct arena a;

	peer_next(fd, &in);
	assert_int_equal(in.f.stream, id);
	assert_int_equal(in.f.type, FRAME_RESPONSE);
	assert_int_equal(in.f.flags, 0);
	arena_init(&a, pb_budget(in.f.length));
	assert_int_equal(envelope_response_read(&a, in.payload, in.f.length, &r, &e), 0);
	assert_int_equal(r.rc, rc);
	if (text)
		assert_string_equal(r.message, text);
	arena_fini(&a);
	free(in.payload);
}

#endif
