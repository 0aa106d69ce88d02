/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that sends anything to a server whose handlers answer at once, later, as a stream, and
 * never. The first byte says how the bytes are torn and, by its highest bit, what the rest is:
 * bytes as they arrive, or frames in short form with right lengths (stream, type and flags, length,
 * then so many bytes), which gets deeper. Afterwards nothing may be left: no call, no byte, and an
 * ordinary request on a second connection must still be answered.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "health.pb-c.h"
#include "ttrpc/call.h"
#include "ttrpc/frame.h"
#include "ttrpc/server.h"

#define PIECES	48

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct list parked;

static void check(struct call *c)
{
	call_ok(c);
}

static void cancel(struct call *c)
{
	call_failf(c, RC_CANCELLED, "cancelled");
}

static void park(struct call *c)
{
	c->cancel = cancel;
	list_append(&parked, &c->park);
}

static void on_data(struct call *c, const ProtobufCMessage *msg)
{
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;
	const char *text = msg ? ((const Grpc__CheckRequest *)msg)->service : "";

	if (!msg || *text == 'e')
		call_stream_end(c);
	else if (*text == 'f')
		call_failf(c, RC_ABORTED, "%.100s", text);
	else if (*text == 'p')
		call_stream_pause(c);
	else
		call_send(c, &reply.base);
}

static const struct call_stream_ops ops = { .on_data = on_data };

static void stream(struct call *c)
{
	park(c);
	call_stream_start(c, &ops);
}

static const struct rpc_row health_rows[] = { { "Check", check, 0 }, { "Version", park, 0 } };
static const struct rpc_row stream_rows[] = { { "Check", stream, RPC_STREAM },
					      { "Version", park, RPC_STREAM } };
static const struct rpc_service health = { &grpc__health__descriptor, "H", health_rows, 2, NULL };
static const struct rpc_service streams = { &grpc__health__descriptor, "S", stream_rows, 2, NULL };
static const struct rpc_service *const services[] = { &health, &streams, NULL };

static void turn(struct loop *l)
{
	for (int i = 0; i < 1000 && loop_once(l, 0) > 0; i++)
		;
}

/* What the server says is read and thrown away, or not (lazy). */
static void drop_output(int fd)
{
	char buf[4096];

	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
}

static int connect_peer(struct server *s)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0 ||
	    server_adopt(s, sv[1]) < 0)
		abort();
	return sv[0];
}

/* Service "H", method "Check". */
static void must_answer(struct server *s, struct loop *l)
{
	static const uint8_t request[] = { 0,	 0, 0,	 10,   0, 0,   0,   1,	 1,   0,
					   0x0a, 1, 'H', 0x12, 5, 'C', 'h', 'e', 'c', 'k' };
	uint8_t reply[64];
	int fd = connect_peer(s);

	if (send(fd, request, sizeof(request), MSG_NOSIGNAL) != (ssize_t)sizeof(request))
		abort();
	turn(l);
	if (recv(fd, reply, sizeof(reply), 0) != 10 || reply[8] != 2)
		abort();
	close(fd);
	turn(l);
}

/* The short form in full; the caller frees it. */
static uint8_t *spell_out(const uint8_t *data, size_t size, size_t *len)
{
	uint8_t *out = malloc(size / 3 * FRAME_HEADER + size + 1);
	size_t at = 0, n = 0;

	while (size - at >= 3) {
		struct frame f = { MIN(data[at + 2], size - at - 3), data[at], data[at + 1] & 3,
				   data[at + 1] >> 2 & 7 };

		frame_encode(&f, out + n);
		memcpy(out + n + FRAME_HEADER, data + at + 3, f.length);
		n += FRAME_HEADER + f.length;
		at += 3 + f.length;
	}
	*len = n;
	return out;
}

/* Long ones are torn into fewer pieces than their first byte says: each costs three system calls. */
static void talk(struct loop *l, int fd, const uint8_t *data, size_t len, size_t piece)
{
	piece = MAX(piece, len / PIECES);
	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, data + at, MIN(piece, len - at), MSG_NOSIGNAL);

		if (n <= 0)
			break;
		at += (size_t)n;
		turn(l);
		if (piece % 8)
			drop_output(fd);
	}
}

/* A socket that was closed is gone at once, unless somebody looks into this process's /proc/PID/fd
 * just now: then its end comes a moment later. */
static void must_end(struct server *s, struct loop *l)
{
	struct server_stats stats;

	for (int i = 0; i < 200; i++) {
		turn(l);
		server_stats(s, &stats);
		if (!stats.conns && !stats.calls && !arena_bytes_in_use())
			return;
		loop_once(l, 10);
	}
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { 0 };
	struct loop *l;
	struct server *s;
	uint8_t *spelt;
	size_t len;
	int fd;

	if (!size)
		return 0;
	l = loop_new();
	s = server_new(l, services, NULL, 0, &e);
	fd = connect_peer(s);
	list_init(&parked);
	clock_fake(1000);
	spelt = data[0] & 0x80 ? spell_out(data + 1, size - 1, &len) : NULL;
	if (spelt)
		talk(l, fd, spelt, len, 1 + (data[0] & 0x7f) * 4u);
	else
		talk(l, fd, data + 1, size - 1, 1 + data[0] * 4u);
	free(spelt);
	if (!list_empty(&parked))
		call_stream_resume(LIST_FIRST(&parked, struct call, park));
	turn(l);
	clock_fake(2000);
	turn(l);
	must_answer(s, l);
	close(fd);
	must_end(s, l);
	server_free(s);
	loop_free(l);
	return 0;
}
