/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of a tunnel between a socket and a peer that says anything, in any order: messages of its own or mere bytes,
 * room that is gone and comes again, the end of the stream; the socket is written to, read, shut and reset meanwhile.
 *
 * The peer never gets more than it granted and nothing behind an end, may never have more on its way
 * here than it was granted, and what the socket got is what the peer sent, in order. It is over once.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "ttrpc/tunnel.h"
#include "ttrpc/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct input {
	const uint8_t *at, *end;
} input;

static struct loop *loop;
static struct tunnel tunnel;
static int fd; /* the socket's other end */
static struct {
	uint64_t granted, got; /* by the peer, of our data */
	uint64_t may, sent;    /* by us, of its data */
	uint64_t read;	       /* from the socket */
	unsigned int full, overs;
	bool ended, dead; /* our end was told; the stream takes no message */
	bool cut;	  /* nobody can read the socket to its end */
	int errnum;
} peer;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static uint8_t next(void)
{
	return input.at < input.end ? *input.at++ : 0;
}

static int on_send(struct tunnel *t UNUSED, const uint8_t *msg, size_t len)
{
	struct wire w = wire_of(msg, len);
	struct wire_field f;
	int r;

	must(!peer.overs && !(tunnel.bits & TUNNEL_LOST));
	if (peer.dead)
		return -EPIPE;
	while ((r = wire_next(&w, &f)) > 0) {
		must(f.number >= 1 && f.number <= 4);
		if (f.number == 2)
			peer.may += f.value;
		if (f.number == 3)
			peer.got += f.len;
		must(f.number < 3 || !peer.ended);
		peer.ended = peer.ended || f.number == 4;
	}
	must(r == 0 && peer.got <= peer.granted && peer.may - peer.sent <= TUNNEL_WINDOW);
	return peer.full ? (int)--peer.full > 0 : 1;
}

static void on_over(struct tunnel *t, int errnum)
{
	must(++peer.overs == 1 && t->fd < 0 && !t->rest);
	peer.errnum = errnum;
}

static const struct tunnel_ops ops = { .send = on_send, .over = on_over };

/* What the tunnel says of a message; one that it refuses ends it, as both of its owners do. */
static void take(const uint8_t *msg, size_t len)
{
	bool good;

	if (peer.overs || tunnel.bits & TUNNEL_LOST)
		return;
	good = tunnel_take(&tunnel, msg, len) == 0;
	if (!good) {
		must(!peer.overs);
		tunnel_fini(&tunnel);
		peer.overs = 1;
		peer.errnum = EPROTO;
	}
}

static void say(bool end)
{
	static uint8_t buf[70100];
	uint8_t *at = buf;
	uint32_t window = (uint32_t)next() << (next() & 31);
	size_t n = (size_t)next() * (next() > 230 ? 257 : 1);

	if (peer.overs || tunnel.bits & TUNNEL_LOST)
		return;
	at = wire_varint(window, wire_varint(2 << 3, at));
	if (n)
		at += wire_head(3, n, at);
	for (size_t i = 0; i < n; i++)
		*at++ = (uint8_t)(peer.sent + i);
	if (end)
		at = wire_varint(1, wire_varint(4 << 3, at));
	peer.granted += window;
	peer.sent += n;
	take(buf, (size_t)(at - buf));
}

static void say_anything(void)
{
	uint8_t buf[32];
	size_t n = next() % sizeof(buf);
	struct wire w;
	struct wire_field f;

	for (size_t i = 0; i < n; i++)
		buf[i] = next();
	w = wire_of(buf, n);
	while (wire_next(&w, &f) > 0) {
		if (f.number == 2 && f.type == WIRE_VARINT)
			peer.granted += MIN(f.value, (uint64_t)UINT32_MAX);
		if (f.number == 3 && f.type == WIRE_BYTES)
			return; /* data that would be no counted ones */
	}
	take(buf, n);
}

static void read_socket(void)
{
	static uint8_t buf[70000];
	ssize_t n = fd < 0 ? 0 : recv(fd, buf, 1 + next() * 270u, MSG_DONTWAIT);

	for (ssize_t i = 0; i < n; i++)
		must(buf[i] == (uint8_t)peer.read++);
	must(peer.read <= peer.sent);
}

static void write_socket(void)
{
	static const uint8_t buf[70000];

	if (fd >= 0)
		(void)!send(fd, buf, next() * (next() > 230 ? 270u : 1), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void shut(uint8_t how)
{
	if (fd >= 0)
		shutdown(fd, how & 1 ? SHUT_WR : SHUT_RD);
	peer.cut = peer.cut || !(how & 1);
	if (how > 200)
		auto_close(&fd);
}

static void step(void)
{
	switch (next() & 15) {
	case 0: case 1: case 2: say(false); break;
	case 3: if (!(next() & 3)) say(true); break;
	case 4: say_anything(); break;
	case 5: case 6: read_socket(); break;
	case 7: case 8: write_socket(); break;
	case 9: peer.full = next() & 3; break;
	case 10: if (!peer.overs) tunnel_drained(&tunnel); break;
	case 11: shut(next()); break;
	case 12: if (!peer.overs && !(next() & 3)) tunnel_lost(&tunnel); break;
	case 13: peer.dead = !(next() & 7); break;
	default: break;
	}
	for (int i = 0; i < 4 && loop_once(loop, 0) > 0; i++)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int sv[2], fds = -1;

	input = (struct input){ data, data + size };
	memset(&peer, 0, sizeof(peer));
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) == 0);
	loop = loop_new();
	must(loop);
	fd = sv[0];
	tunnel_init(&tunnel, loop, &ops);
	if (next() & 1)
		say(next() & 1); /* before there is a socket */
	if (!peer.overs)
		must(tunnel_begin(&tunnel, sv[1], next() * 257u) == 0 && tunnel.fd == sv[1]);
	else
		fds = sv[1];
	for (int i = 0; i < 200 && input.at < input.end; i++)
		step();
	/* in order is only what both have ended, all of which was written */
	if (peer.overs && !peer.errnum) {
		must(peer.ended);
		for (uint64_t was = ~peer.read; fd >= 0 && was != peer.read;) {
			was = peer.read;
			read_socket();
		}
		must(peer.cut || fd < 0 || peer.read == peer.sent);
	}
	tunnel_fini(&tunnel);
	tunnel_fini(&tunnel);
	auto_close(&fd);
	auto_close(&fds);
	loop_free(loop);
	return 0;
}
