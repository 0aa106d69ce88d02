/* SPDX-License-Identifier: Apache-2.0 */
#include "service/containerd/ports.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "service/containerd/containerd.h"
#include "ttrpc/tunnel.h"
#include "ttrpc/wire.h"

/* In the call's arena; call.state. */
struct port {
	struct tunnel tunnel;
	struct call *call;
	uint16_t number; /* 0: the host has not said it */
	size_t tried;	 /* of the addresses */
	int fd;		 /* being connected; -1: none */
	struct watch watch;
	struct timer timer;
};

/* Lets go of all but the call. */
static void leave(struct port *p)
{
	ctd_of(p->call)->n_ports--;
	timer_cancel(&p->timer);
	watch_del(&p->watch);
	auto_close(&p->fd);
	tunnel_fini(&p->tunnel);
}

static void give_up(struct port *p, enum rc rc, const char *why)
{
	leave(p);
	call_failf(p->call, rc, "port %u: %s", p->number, why);
}

static void lose(struct port *p, int errnum)
{
	give_up(p, RC_UNAVAILABLE, strerror(errnum));
}

/* --- the server's side --- */

static int post(struct tunnel *t, const uint8_t *msg, size_t len)
{
	return call_send_raw(container_of(t, struct port, tunnel)->call, msg, len);
}

static void over(struct tunnel *t, int errnum)
{
	struct port *p = container_of(t, struct port, tunnel);

	if (errnum) {
		lose(p, errnum);
		return;
	}
	leave(p);
	call_stream_end(p->call);
}

static const struct tunnel_ops tunnel_ops = { .send = post, .over = over };

static void on_connected(struct watch *w, uint32_t events);

/* 0: on_connected follows. */
static int dial(struct port *p, size_t which)
{
	const struct sockaddr_in v4 = { .sin_family = AF_INET,
					.sin_port = htons(p->number),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
					 .sin6_port = htons(p->number),
					 .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const struct sockaddr *to = which ? (const void *)&v6 : (const void *)&v4;
	socklen_t len = which ? sizeof(v6) : sizeof(v4);

	p->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || (connect(p->fd, to, len) < 0 && errno != EINPROGRESS))
		return -errno;
	return watch_add(p->call->loop, &p->watch, p->fd, EPOLLOUT, on_connected);
}

/* The next address, if there is one; errnum: what the last one said. The first one's word is told. */
static void dial_on(struct port *p, int errnum)
{
	while (p->tried < 2) {
		int r;

		watch_del(&p->watch);
		auto_close(&p->fd);
		r = dial(p, p->tried++);
		if (r == 0)
			return;
		errnum = errnum ? errnum : -r;
	}
	lose(p, errnum);
}

static void on_connected(struct watch *w, uint32_t events UNUSED)
{
	struct port *p = container_of(w, struct port, watch);
	socklen_t n = sizeof(int);
	int error = 0;

	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		error = errno;
	if (error) {
		dial_on(p, error);
		return;
	}
	watch_del(w);
	timer_cancel(&p->timer);
	error = -tunnel_begin(&p->tunnel, TAKE_FD(p->fd), 0);
	if (error)
		lose(p, error);
}

static void on_time(struct timer *t)
{
	lose(container_of(t, struct port, timer), ETIMEDOUT);
}

/* --- the host's call --- */

/* false: the call is answered. */
static bool begin(struct port *p, const uint8_t *msg, size_t len)
{
	struct wire_field f = { 0 };

	if (wire_find(msg, len, TUNNEL_PORT, WIRE_VARINT, &f) < 0 || !f.value ||
	    f.value > UINT16_MAX) {
		give_up(p, RC_INVALID_ARGUMENT, "a number of 1 to 65535 comes first");
		return false;
	}
	p->number = (uint16_t)f.value;
	return true;
}

static void on_message(struct call *c, const uint8_t *msg, size_t len)
{
	struct port *p = c->state;
	bool first = !p->number;
	int r;

	if (!msg) { /* either way ends by a message: who closes the stream has no client any more */
		give_up(p, RC_CANCELLED, "the host gives it up");
		return;
	}
	if (first && !begin(p, msg, len))
		return;
	r = tunnel_take(&p->tunnel, msg, len);
	if (r < 0) {
		give_up(p, r == -ENOMEM ? RC_RESOURCE_EXHAUSTED : RC_INVALID_ARGUMENT,
			strerror(-r));
	} else if (first) {
		timer_arm(c->loop, &p->timer, clock_after(PORTS_DIAL_MS), on_time);
		dial_on(p, 0);
	}
}

static void on_room(struct call *c)
{
	struct port *p = c->state;

	tunnel_drained(&p->tunnel);
}

static void on_cancel(struct call *c)
{
	give_up(c->state, RC_CANCELLED, "the host is lost");
}

void ports_connect(struct call *c)
{
	static const struct call_stream_ops ops = { .on_raw = on_message, .on_drain = on_room };
	struct port *p = ARENA_NEW(&c->arena, struct port);

	if (!p || ctd_of(c)->n_ports == PORTS_MAX) {
		call_failf(c, RC_RESOURCE_EXHAUSTED, p ? "Connect: %d connections are there already"
						       : "Connect: no memory",
			   PORTS_MAX);
		return;
	}
	ctd_of(c)->n_ports++;
	p->call = c;
	p->fd = -1;
	tunnel_init(&p->tunnel, c->loop, &tunnel_ops);
	c->state = p;
	c->cancel = on_cancel;
	call_stream_start(c, &ops);
	if (c->raw)
		on_message(c, c->raw, c->raw_len);
}
