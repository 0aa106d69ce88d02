/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of the server. The protocol has no flow control, so a message for a stream that is
 * paused, or whose handler has not called call_stream_start yet, waits here in its encoded form.
 * When the paused streams of a connection hold more than PARKED_MAX bytes the whole connection is
 * not read until half of that is gone.
 *
 * What waited is given out by a deferred call, never from inside call_stream_start or
 * call_stream_resume.
 */
#include "ttrpc/envelope.h"
#include "ttrpc/pb.h"
#include "ttrpc/server_impl.h"

#define PARTS_PER_TURN	16

struct part {
	struct list node;
	size_t len;
	uint8_t data[];
};

/* --- messages that wait --- */

static void count_parked(struct link *l, ssize_t change)
{
	l->parked = (size_t)((ssize_t)l->parked + change);
	if (!l->held && l->parked > PARKED_MAX) {
		l->held = true;
		conn_hold(l->conn);
	} else if (l->held && l->parked <= PARKED_MAX / 2) {
		l->held = false;
		conn_release(l->conn);
	}
}

static int park(struct server_call *c, const uint8_t *data, size_t len)
{
	struct part *p = malloc(sizeof(*p) + len);

	if (!p)
		return -ENOMEM;
	p->len = len;
	if (len)
		memcpy(p->data, data, len);
	list_append(&c->parts, &p->node);
	count_parked(c->link, (ssize_t)(sizeof(*p) + len));
	return 0;
}

/* The caller frees it. */
static struct part *unpark(struct server_call *c)
{
	struct part *p = LIST_FIRST(&c->parts, struct part, node);

	if (!p)
		return NULL;
	list_remove(&p->node);
	count_parked(c->link, -(ssize_t)(sizeof(*p) + p->len));
	return p;
}

void stream_detach(struct server_call *c)
{
	struct part *p;

	while ((p = unpark(c)))
		free(p);
	list_remove(&c->drain_node);
	deferred_cancel(&c->deliver);
}

/* --- giving out --- */

static bool is_flowing(const struct server_call *c)
{
	return c->link && (c->bits & STREAM_STARTED) && !(c->bits & STREAM_PAUSED);
}

/* msg NULL: the end. False: the call is gone, c must not be touched. */
static bool tell(struct server_call *c, const ProtobufCMessage *msg)
{
	bool gone = false;

	if (!c->ops->on_data)
		return true;
	c->gone = &gone;
	c->ops->on_data(&c->pub, msg);
	if (!gone)
		c->gone = NULL;
	return !gone;
}

/* As tell, of a raw row. */
static bool tell_raw(struct server_call *c, const uint8_t *data, size_t len)
{
	static const uint8_t nothing[1];
	bool gone = false;

	if (!c->ops->on_raw)
		return true;
	c->gone = &gone;
	c->ops->on_raw(&c->pub, data ? data : nothing, len);
	if (!gone)
		c->gone = NULL;
	return !gone;
}

/* An undecodable message ends the stream. Returns as tell. */
static bool give(struct server_call *c, const uint8_t *data, size_t len)
{
	const ProtobufCMessage *msg;
	struct arena scratch;
	struct err e = { 0 };
	bool gone = false, alive;

	if (c->pub.method.row->flags & RPC_RAW)
		return tell_raw(c, data, len);
	arena_init(&scratch, pb_budget(len));
	msg = pb_unpack(&scratch, c->pub.method.input, data, len, &e);
	if (msg) {
		alive = tell(c, msg);
	} else {
		c->gone = &gone;
		call_give_up(c, &e);
		alive = !gone;
		if (alive)
			c->gone = NULL;
	}
	arena_fini(&scratch);
	return alive;
}

static void give_end(struct server_call *c)
{
	if (!is_flowing(c) || !list_empty(&c->parts) || !(c->bits & STREAM_PEER_DONE) ||
	    (c->bits & STREAM_END_TOLD))
		return;
	c->bits |= STREAM_END_TOLD;
	if (!(c->pub.method.row->flags & RPC_RAW)) {
		tell(c, NULL);
		return;
	}
	if (c->ops->on_raw)
		c->ops->on_raw(&c->pub, NULL, 0);
}

static void deliver(struct deferred *d)
{
	struct server_call *c = container_of(d, struct server_call, deliver);

	for (int i = 0; i < PARTS_PER_TURN && is_flowing(c); i++) {
		struct part *p = unpark(c);
		bool alive;

		if (!p) {
			give_end(c);
			return;
		}
		alive = give(c, p->data, p->len);
		free(p);
		if (!alive)
			return;
	}
	if (is_flowing(c))
		loop_defer(c->pub.loop, d, deliver);
}

/* --- from the wire --- */

static void give_up(struct server_call *c, enum rc rc, const char *why)
{
	struct err e = { 0 };

	err_set(&e, rc, "%s", why);
	call_give_up(c, &e);
}

/* A stream that has ended may still be on its way at the peer: that is silent. One that never was
 * is an error. */
static void unknown_stream(struct link *l, uint32_t stream)
{
	struct err e = { 0 };

	if (stream % 2 == 0)
		err_set(&e, RC_INVALID_ARGUMENT, "stream id must be odd");
	else if (stream > l->last_id)
		err_set(&e, RC_INVALID_ARGUMENT, "no such stream");
	else
		return;
	call_refuse(l, stream, &e);
}

void stream_data(struct link *l, const struct frame *f, const uint8_t *payload)
{
	struct server_call *c = call_by_stream(l, f->stream);

	if (!c) {
		unknown_stream(l, f->stream);
		return;
	}
	if (!(c->pub.method.row->flags & RPC_STREAM))
		return;	/* data has no place in a unary call; its reply comes all the same */
	if (c->bits & STREAM_PEER_DONE) {
		give_up(c, RC_INVALID_ARGUMENT, "data after the end of the stream");
		return;
	}
	if (f->flags & FRAME_REMOTE_CLOSED)
		c->bits |= STREAM_PEER_DONE;
	if (!(f->flags & FRAME_NO_DATA)) {
		if (is_flowing(c) && list_empty(&c->parts)) {
			if (!give(c, payload, f->length))
				return;
		} else if (park(c, payload, f->length) < 0) {
			give_up(c, RC_RESOURCE_EXHAUSTED, "no memory for a message");
			return;
		}
	}
	give_end(c);
}

/* --- the handler's side --- */

static void deliver_later(struct server_call *c)
{
	if (is_flowing(c))
		loop_defer(c->pub.loop, &c->deliver, deliver);
}

void call_stream_start(struct call *call, const struct call_stream_ops *ops)
{
	struct server_call *c = impl_of(call);

	c->ops = ops;
	c->bits |= STREAM_STARTED;
	deliver_later(c);
}

void call_stream_pause(struct call *call)
{
	impl_of(call)->bits |= STREAM_PAUSED;
}

void call_stream_resume(struct call *call)
{
	struct server_call *c = impl_of(call);

	c->bits &= ~(unsigned int)STREAM_PAUSED;
	deliver_later(c);
}

/* As call_send's, after something was queued. */
static int after_send(struct server_call *c)
{
	if (!conn_is_congested(c->link->conn))
		return 1;
	if (list_empty(&c->drain_node))
		list_append(&c->link->drain, &c->drain_node);
	return 0;
}

int call_send(struct call *call, const ProtobufCMessage *msg)
{
	struct server_call *c = impl_of(call);
	struct body body = body_of_msg(msg);
	struct frame f = { .stream = c->stream, .type = FRAME_DATA };
	uint8_t *payload;
	struct out *out;
	int r;

	if (!c->link)
		return -EPIPE;
	if (body.len > FRAME_MAX)
		return -EMSGSIZE;
	f.length = (uint32_t)body.len;
	r = link_prepare(c->link, &f, &out, &payload);
	if (r < 0)
		return r;
	body_write(&body, payload);
	conn_send(c->link->conn, out);
	return after_send(c);
}

int call_send_raw(struct call *call, const uint8_t *data, size_t len)
{
	struct server_call *c = impl_of(call);
	struct frame f = { .stream = c->stream, .type = FRAME_DATA };
	int r;

	if (!c->link)
		return -EPIPE;
	if (len > FRAME_MAX)
		return -EMSGSIZE;
	f.length = (uint32_t)len;
	r = conn_send_data(c->link->conn, &f, "", 0, data, len);
	if (r == -ENOBUFS) {
		conn_abort(c->link->conn, ENOBUFS);
		r = -EPIPE;
	}
	return r < 0 ? r : after_send(c);
}

void call_stream_end(struct call *call)
{
	struct server_call *c = impl_of(call);
	struct frame f = {
		.stream = c->stream,
		.type = FRAME_DATA,
		.flags = FRAME_REMOTE_CLOSED | FRAME_NO_DATA,
	};
	uint8_t *payload;
	struct out *out;
	int r;

	if (c->link) {
		r = link_prepare(c->link, &f, &out, &payload);
		if (r < 0)
			conn_abort(c->link->conn, -r);
		else
			conn_send(c->link->conn, out);
	}
	call_end(c);
}

void stream_drain(struct link *l)
{
	struct server_call *c;
	struct list due;

	/* Who finds no room again waits on the link's list, not on this one. */
	list_take(&l->drain, &due);
	while ((c = LIST_FIRST(&due, struct server_call, drain_node))) {
		list_remove(&c->drain_node);
		if (c->ops && c->ops->on_drain)
			c->ops->on_drain(&c->pub);
	}
}
