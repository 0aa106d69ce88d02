/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An output is a reader that is parked again when its piece has gone; an input is a writer that is parked
 * again when its piece has been taken. The end is told by a deferred call: it comes inside callbacks of
 * the streams, which look at themselves afterwards.
 */
#include "container/pump.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/mem.h"

static void on_told(struct deferred *d);
static void read_on(struct pump *p);
static void receive(struct pump *p);

void pump_init(struct pump *p)
{
	*p = (struct pump){ .fd = -1 };
	list_init(&p->tell.node);
	list_init(&p->reader.node);
	list_init(&p->writer.node);
}

bool pump_is_open(const struct pump *p)
{
	return p->loop && !p->ended;
}

static void drop_socket(struct pump *p)
{
	watch_del(&p->watch);
	auto_close(&p->fd);
	p->lost = true;
}

static void drop_piece(struct pump *p)
{
	free(TAKE_PTR(p->buf));
	p->off = p->len = 0;
}

static void end(struct pump *p)
{
	if (p->ended)
		return;
	p->ended = true;
	watch_del(&p->watch);
	loop_defer(p->loop, &p->tell, on_told);
}

static void on_told(struct deferred *d)
{
	struct pump *p = container_of(d, struct pump, tell);
	bool lost = p->lost;

	drop_piece(p);
	auto_close(&p->fd);
	p->done(p, lost);
}

/* Keeps a piece for later. Without memory for it the peer is lost. */
static bool keep(struct pump *p, const char *data, size_t len)
{
	p->buf = malloc(len);
	if (!p->buf)
		return false;
	memcpy(p->buf, data, len);
	p->off = 0;
	p->len = len;
	return true;
}

/* --- to the socket --- */

/* How much the socket took; the peer may be lost then. */
static size_t send_some(struct pump *p, const char *data, size_t len)
{
	size_t sent = 0;

	while (sent < len && p->fd >= 0) {
		ssize_t n = send(p->fd, data + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0)
			drop_socket(p);
		else
			sent += (size_t)n;
	}
	return p->fd < 0 ? len : sent;
}

static void on_room(struct watch *w, uint32_t events UNUSED)
{
	struct pump *p = container_of(w, struct pump, watch);

	p->off += send_some(p, p->buf + p->off, p->len - p->off);
	if (p->off < p->len)
		return;
	watch_del(&p->watch);
	drop_piece(p);
	read_on(p);
}

static void on_output(struct streams_reader *r, const void *data, size_t len, const struct err *e)
{
	struct pump *p = container_of(r, struct pump, reader);
	size_t sent;

	if (err_is_set(e) || !len) {
		end(p);
		return;
	}
	sent = send_some(p, data, len);
	if (sent == len) {
		read_on(p);
		return;
	}
	if (keep(p, (const char *)data + sent, len - sent) &&
	    watch_add(p->loop, &p->watch, p->fd, EPOLLOUT, on_room) == 0)
		return;
	drop_piece(p);
	drop_socket(p);
	read_on(p);
}

static void read_on(struct pump *p)
{
	streams_read(p->streams, p->way == PUMP_ERR ? STREAMS_ERR : STREAMS_OUT, &p->reader, PUMP_BYTES,
		     on_output, NULL);
}

/* --- from the socket --- */

static void give_up(struct pump *p)
{
	p->lost = true;
	if (p->way == PUMP_IN)
		streams_close_stdin(p->streams);
	end(p);
}

static void on_hang_up(struct watch *w, uint32_t events UNUSED)
{
	give_up(container_of(w, struct pump, watch));
}

static void on_input(struct watch *w, uint32_t events UNUSED)
{
	receive(container_of(w, struct pump, watch));
}

/* While a piece waits nothing is watched, or only whether the peer is there. */
static int watch_peer(struct pump *p)
{
	watch_del(&p->watch);
	if (!p->buf)
		return watch_add(p->loop, &p->watch, p->fd, EPOLLIN, on_input);
	return p->way == PUMP_TALK ? watch_add(p->loop, &p->watch, p->fd, EPOLLRDHUP, on_hang_up) : 0;
}

static void on_taken(struct streams_writer *w, const struct err *e)
{
	struct pump *p = container_of(w, struct pump, writer);

	drop_piece(p);
	if (err_is_set(e)) /* nobody reads it: what the peer still says is not read either */
		end(p);
	else if (watch_peer(p) < 0)
		give_up(p);
}

static void receive(struct pump *p)
{
	char piece[PUMP_BYTES];
	ssize_t n = recv(p->fd, piece, sizeof(piece), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n == 0 && p->way == PUMP_IN) {
		streams_close_stdin(p->streams);
		end(p);
	} else if (n <= 0 || !keep(p, piece, (size_t)n) || watch_peer(p) < 0) {
		give_up(p);
	} else {
		streams_write(p->streams, &p->writer, p->buf, p->len, on_taken, NULL);
	}
}

/* --- both --- */

void pump_start(struct pump *p, struct loop *l, struct streams *s, enum pump_way way, int fd,
		pump_done_fn done)
{
	pump_init(p);
	p->loop = l;
	p->streams = s;
	p->way = way;
	p->fd = fd;
	p->done = done;
	if (way == PUMP_OUT || way == PUMP_ERR)
		read_on(p);
	else if (watch_peer(p) < 0)
		give_up(p);
}

void pump_stop(struct pump *p)
{
	if (!p->loop)
		return;
	deferred_cancel(&p->tell);
	streams_read_cancel(&p->reader);
	if (p->way == PUMP_IN || p->way == PUMP_TALK)
		streams_write_cancel(p->streams, &p->writer);
	watch_del(&p->watch);
	drop_piece(p);
	auto_close(&p->fd);
	pump_init(p);
}
