/* SPDX-License-Identifier: Apache-2.0 */
#include "ttrpc/tunnel.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "ttrpc/wire.h"

#define PIECE 16384

/* Numbers of PortPiece. */
enum { WINDOW = 2, DATA = 3, END = 4 };

/* Before the data of a message. */
#define HEAD (WIRE_HEAD + 2 * (1 + WIRE_VARINT_MAX))

/* --- messages --- */

static int post(struct tunnel *t, const uint8_t *msg, size_t len)
{
	int r = t->ops->send(t, msg, len);

	if (r == 0)
		t->bits |= TUNNEL_FULL;
	return MIN(r, 0);
}

static uint8_t *write_number(uint32_t number, uint64_t value, uint8_t *out)
{
	if (!value)
		return out;
	return wire_varint(value, wire_varint((uint64_t)number << 3 | WIRE_VARINT, out));
}

static int post_number(struct tunnel *t, uint32_t number, uint32_t value)
{
	uint8_t out[HEAD];

	return post(t, out, (size_t)(write_number(number, value, out) - out));
}

/* --- the socket --- */

static void close_fd(struct tunnel *t, bool reset)
{
	const struct linger none = { .l_onoff = 1 };

	watch_del(&t->watch);
	if (t->fd >= 0 && reset)
		setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	auto_close(&t->fd);
	free(TAKE_PTR(t->rest));
	t->len = 0;
}

static void finish(struct tunnel *t, int errnum)
{
	close_fd(t, errnum);
	t->ops->over(t, errnum);
}

static bool is_later(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static bool is_reset(int errnum)
{
	return errnum == EPIPE || errnum == ECONNRESET;
}

/* How much the socket took. One that is broken takes all. */
static size_t write_some(struct tunnel *t, const uint8_t *data, size_t len)
{
	ssize_t n = t->broken ? (ssize_t)len
			      : send(t->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && is_later())
		n = 0;
	if (n < 0) {
		t->broken = errno;
		n = (ssize_t)len;
	}
	t->owed += (uint32_t)n;
	return (size_t)n;
}

/* Behind what waits already: there is room for all that was granted. */
static int keep(struct tunnel *t, const uint8_t *data, size_t len)
{
	if (!t->rest) {
		t->rest = malloc(TUNNEL_WINDOW);
		t->start = t->len = 0;
	}
	if (!t->rest)
		return -ENOMEM;
	if (t->start + t->len + len > TUNNEL_WINDOW) {
		memmove(t->rest, t->rest + t->start, t->len);
		t->start = 0;
	}
	memcpy(t->rest + t->start + t->len, data, len);
	t->len += len;
	return 0;
}

static void flush(struct tunnel *t)
{
	size_t n = t->len ? write_some(t, t->rest + t->start, t->len) : 0;

	t->start += n;
	t->len -= n;
	if (t->len)
		return;
	free(TAKE_PTR(t->rest));
	if (t->bits & TUNNEL_PEER_ENDED && !(t->bits & TUNNEL_SHUT)) {
		t->bits |= TUNNEL_SHUT;
		shutdown(t->fd, SHUT_WR);
	}
}

/* What is written, once it is worth a message. */
static int grant(struct tunnel *t)
{
	uint32_t n = t->owed;

	if (n < TUNNEL_WINDOW / 2 || t->bits & (TUNNEL_PEER_ENDED | TUNNEL_LOST))
		return 0;
	t->owed = 0;
	t->granted += n;
	return post_number(t, WINDOW, n);
}

static bool wants_more(const struct tunnel *t)
{
	return t->window && !(t->bits & (TUNNEL_FULL | TUNNEL_ENDED | TUNNEL_LOST));
}

/* One piece. A server that answers, and closes before it has read all, resets behind its answer:
 * so reading goes on when writing has failed. */
static int read_some(struct tunnel *t)
{
	static uint8_t buf[HEAD + PIECE]; /* of all tunnels: nothing stays in it */
	uint8_t head[WIRE_HEAD];
	size_t n_head;
	ssize_t n;

	if (!wants_more(t))
		return 0;
	n = recv(t->fd, buf + HEAD, MIN(t->window, (uint32_t)PIECE), MSG_DONTWAIT);
	if (n < 0)
		return is_later() ? 0 : -errno;
	if (n == 0 && t->broken)
		return -t->broken;
	if (n == 0) {
		t->bits |= TUNNEL_ENDED;
		return post_number(t, END, 1);
	}
	t->window -= (uint32_t)n;
	n_head = wire_head(DATA, (size_t)n, head);
	memcpy(buf + HEAD - n_head, head, n_head);
	return post(t, buf + HEAD - n_head, n_head + (size_t)n);
}

static void on_event(struct watch *w, uint32_t events);

static int arm(struct tunnel *t)
{
	bool owes = t->len || (t->bits & (TUNNEL_PEER_ENDED | TUNNEL_SHUT)) == TUNNEL_PEER_ENDED;
	uint32_t want = (wants_more(t) ? (uint32_t)EPOLLIN : 0) | (owes ? (uint32_t)EPOLLOUT : 0);

	if (t->watch.loop)
		return watch_mod(&t->watch, want);
	return want ? watch_add(t->loop, &t->watch, t->fd, want, on_event) : 0;
}

/* What can be done now. Last in its caller: t may be gone afterwards. */
static void go(struct tunnel *t)
{
	const unsigned int done = TUNNEL_SHUT | TUNNEL_ENDED;
	int r;

	flush(t);
	r = read_some(t);
	if (r == 0)
		r = grant(t);
	if (r == 0 && (t->bits & TUNNEL_ENDED || !is_reset(t->broken)))
		r = -t->broken;
	if (r == 0 && (t->bits & done) == done) {
		finish(t, 0);
		return;
	}
	if (r == 0 && t->bits & TUNNEL_LOST && !t->len)
		r = -ECONNRESET;
	if (r == 0)
		r = arm(t);
	if (r < 0)
		finish(t, -r);
}

/* A hang-up alone: a reset. What came before it is read once there is room; until then nobody wants
 * to be told again. */
static void on_event(struct watch *w, uint32_t events)
{
	struct tunnel *t = container_of(w, struct tunnel, watch);

	if (events & (EPOLLIN | EPOLLOUT))
		go(t);
	else if (t->bits & TUNNEL_ENDED)
		finish(t, ECONNRESET);
	else
		watch_del(w);
}

/* --- the other end --- */

int tunnel_take(struct tunnel *t, const uint8_t *msg, size_t len)
{
	struct wire w = wire_of(msg, len);
	struct wire_field f, data = { 0 };
	uint64_t window = 0, end = 0;
	size_t n;
	int r;

	while ((r = wire_next(&w, &f)) > 0) {
		if (f.number == WINDOW && f.type == WIRE_VARINT)
			window = f.value;
		else if (f.number == END && f.type == WIRE_VARINT)
			end = f.value;
		else if (f.number == DATA && f.type == WIRE_BYTES)
			data = f;
	}
	if (r < 0)
		return r;
	if (data.len > t->granted || (data.len && t->bits & TUNNEL_PEER_ENDED))
		return -EPROTO;
	t->window += (uint32_t)MIN(window, (uint64_t)(UINT32_MAX - t->window));
	t->granted -= (uint32_t)data.len;
	n = data.len && !t->rest ? write_some(t, data.data, data.len) : 0;
	if (n < data.len && keep(t, data.data + n, data.len - n) < 0)
		return -ENOMEM;
	if (end)
		t->bits |= TUNNEL_PEER_ENDED;
	if (t->fd >= 0)
		go(t);
	return 0;
}

void tunnel_drained(struct tunnel *t)
{
	t->bits &= ~(unsigned int)TUNNEL_FULL;
	if (t->fd >= 0)
		go(t);
}

void tunnel_lost(struct tunnel *t)
{
	t->bits |= TUNNEL_LOST;
	go(t);
}

/* --- life --- */

void tunnel_init(struct tunnel *t, struct loop *l, const struct tunnel_ops *ops)
{
	*t = (struct tunnel){ .loop = l, .ops = ops, .fd = -1 };
}

int tunnel_begin(struct tunnel *t, int fd, uint32_t port)
{
	uint8_t out[HEAD], *at = write_number(TUNNEL_PORT, port, out);
	const int on = 1;
	int r;

	t->fd = fd;
	t->granted = TUNNEL_WINDOW;
	/* who wrote has waited already, where its own end is told to */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	r = post(t, out, (size_t)(write_number(WINDOW, TUNNEL_WINDOW, at) - out));
	if (r == 0)
		r = arm(t);
	return r;
}

void tunnel_fini(struct tunnel *t)
{
	close_fd(t, true);
}
