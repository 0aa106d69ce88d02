/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/pump_in.h"

#include <sys/epoll.h>

#include "base/log.h"
#include "shim/pump_out.h"
#include "ttrpc/wire.h"

#define STREAMING  "containerd.services.streaming.v1.Streaming"
#define CHUNK      32768
#define WINDOW_MAX (1u << 20) /* what a guest may claim to have room for */

static void arm(struct pump_in *p);

static void end(struct pump_in *p)
{
	watch_del(&p->watch);
	deferred_cancel(&p->now);
	auto_close(&p->fd);
	if (p->stream)
		client_stream_close_send(p->stream);
}

static void send_piece(struct pump_in *p)
{
	static uint8_t buf[PUMP_HEAD + CHUNK]; /* of all pumps: nothing stays in it */
	uint8_t head[PUMP_HEAD];
	size_t n_head;
	ssize_t n = read(p->fd, buf + PUMP_HEAD, MIN(p->window, (size_t)CHUNK));
	int r;

	if (n < 0 && (errno == EINTR || (errno == EAGAIN && !p->closing)))
		return;
	if (n <= 0) {
		end(p);
		return;
	}
	n_head = pump_write_data_head((size_t)n, head);
	memcpy(buf + PUMP_HEAD - n_head, head, n_head);
	p->window -= (size_t)n;
	r = client_stream_send(p->stream, buf + PUMP_HEAD - n_head, n_head + (size_t)n);
	p->congested = r == 0;
	if (r < 0)
		end(p);
}

static void on_readable(struct watch *w, uint32_t events UNUSED)
{
	struct pump_in *p = container_of(w, struct pump_in, watch);

	send_piece(p);
	arm(p);
}

static void on_turn(struct deferred *d)
{
	struct pump_in *p = container_of(d, struct pump_in, now);

	send_piece(p);
	arm(p);
}

/* The descriptor is looked at only while there is room, a piece a turn of the loop. A FIFO that
 * nobody has opened for writing yet reads as ended: only what epoll has told of is read. */
static void arm(struct pump_in *p)
{
	bool room = p->stream && p->window && !p->congested;

	if (p->fd < 0)
		return;
	if (!room) {
		watch_del(&p->watch); /* a hang-up would be told again and again */
	} else if (p->plain || p->closing) {
		watch_del(&p->watch);
		loop_defer(p->loop, &p->now, on_turn);
	} else if (!p->watch.loop) {
		int r = watch_add(p->loop, &p->watch, p->fd, EPOLLIN, on_readable);

		if (r < 0)
			end(p);
	}
}

static void on_drain(void *arg)
{
	struct pump_in *p = arg;

	p->congested = false;
	arm(p);
}

static void on_message(void *arg, const struct err *e UNUSED, const uint8_t *payload, size_t len)
{
	struct pump_in *p = arg;
	struct wire_field f;
	const uint8_t *msg;
	size_t n;

	if (!payload) { /* the process does not read any more */
		client_stream_free(TAKE_PTR(p->stream));
		end(p);
		return;
	}
	if (pump_open(payload, len, pump_window, &msg, &n) <= 0 ||
	    wire_find(msg, n, 1, WIRE_VARINT, &f) <= 0)
		return;
	p->window += (size_t)MIN(f.value, (uint64_t)(WINDOW_MAX - p->window));
	arm(p);
}

void pump_in_init(struct pump_in *p, struct loop *l, int fd)
{
	*p = (struct pump_in){ .loop = l, .fd = fd };
	list_init(&p->now.node);
}

int pump_in_begin(struct pump_in *p, struct client *c, const char *id, struct err *e)
{
	int r;

	p->stream = client_stream_open(c, STREAMING, "Stream", NULL, 0, on_message, p, e);
	if (!p->stream)
		return -1;
	client_stream_on_drain(p->stream, on_drain);
	r = pump_hello(p->stream, id);
	return r < 0 ? err_sys(e, -r, "stream %s", id) : 0;
}

void pump_in_close(struct pump_in *p)
{
	if (p->fd < 0)
		return;
	p->closing = true;
	arm(p);
}

void pump_in_fini(struct pump_in *p)
{
	watch_del(&p->watch);
	deferred_cancel(&p->now);
	auto_close(&p->fd);
	client_stream_free(TAKE_PTR(p->stream));
}
