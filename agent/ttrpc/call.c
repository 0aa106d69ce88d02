/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request's frame to its answer. The envelope is read where it lies, the message is decoded
 * into the call's own arena, which also holds the call itself: a small request is one allocation,
 * and ending the call frees everything.
 *
 * Trust: the peer chooses every byte. The frame's length was checked by the connection; memory is
 * bounded by the arena's budget, the number of calls by two counters, depth by the schema (its
 * message graph has no cycle).
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "ttrpc/envelope.h"
#include "ttrpc/pb.h"
#include "ttrpc/server_impl.h"

#define NANO_PER_MS	1000000

/* --- answers --- */

int link_prepare(struct link *l, const struct frame *f, struct out **out, uint8_t **payload)
{
	int r = conn_prepare(l->conn, f, out, payload);

	if (r != -ENOBUFS)
		return r;
	conn_abort(l->conn, ENOBUFS);
	return -EPIPE;
}

/* A response must not get lost silently: without memory for it the connection goes, and the peer
 * knows. */
static void send_response(struct link *l, uint32_t stream, const struct envelope_response *r)
{
	struct frame f = { .stream = stream, .type = FRAME_RESPONSE };
	uint8_t *payload;
	struct out *out;
	int err;

	f.length = (uint32_t)envelope_response_size(r);
	err = link_prepare(l, &f, &out, &payload);
	if (err < 0) {
		conn_abort(l->conn, -err);
		return;
	}
	envelope_response_write(r, payload);
	conn_send(l->conn, out);
}

static void send_error(struct link *l, uint32_t stream, const struct err *e)
{
	char text[sizeof(e->msg)];
	struct envelope_response r = { .rc = e->rc, .message = text };

	memcpy(text, e->msg, sizeof(text));
	envelope_make_utf8(text);
	send_response(l, stream, &r);
}

static void log_failure(const struct server_call *c, const struct err *e)
{
	log_debug("ttrpc", "%s: %s: %s", c->pub.method.row->method, err_rc_name(e->rc), e->msg);
}

void call_refuse(struct link *l, uint32_t stream, const struct err *e)
{
	log_debug("ttrpc", "stream %u refused: %s: %s", stream, err_rc_name(e->rc), e->msg);
	send_error(l, stream, e);
}

/* True when it was sent; e says why not. */
static bool send_message(struct link *l, uint32_t stream, const struct body *body, struct err *e)
{
	struct envelope_response r = { .payload = *body };
	size_t size = envelope_response_size(&r);
	struct frame f = { .length = (uint32_t)size, .stream = stream, .type = FRAME_RESPONSE };
	uint8_t *payload;
	struct out *out;
	int err;

	if (size > FRAME_MAX) {
		err_set(e, RC_INVALID_ARGUMENT, "a reply of %zu bytes, the limit is %u", size,
			FRAME_MAX);
		return false;
	}
	err = link_prepare(l, &f, &out, &payload);
	if (err == -ENOMEM) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "no memory for a reply of %zu bytes", size);
		return false;
	}
	if (err < 0)
		return true;	/* nobody is there to hear of it */
	envelope_response_write(&r, payload);
	conn_send(l->conn, out);
	return true;
}

/* --- life --- */

static void detach(struct server_call *c)
{
	struct link *l = c->link;

	if (!l)
		return;
	timer_cancel(&c->deadline);
	stream_detach(c);
	list_remove(&c->node);
	l->n_calls--;
	c->link = NULL;
}

void call_end(struct server_call *c)
{
	struct server *s = c->pub.server;
	struct arena memory;

	detach(c);
	list_remove(&c->node);
	list_remove(&c->pub.park);
	if (c->gone)
		*c->gone = true;
	memory = c->pub.arena;	/* it holds c itself */
	arena_fini(&memory);
	s->n_calls--;
	server_release(s);
}

static void run_cancel(struct server_call *c)
{
	void (*cancel)(struct call *) = c->pub.cancel;

	c->pub.cancel = NULL;
	if (cancel)
		cancel(&c->pub);
}

void call_give_up(struct server_call *c, const struct err *e)
{
	if (!c->link)
		return;
	log_failure(c, e);
	send_error(c->link, c->stream, e);
	detach(c);
	run_cancel(c);
}

void call_detach_all(struct link *l)
{
	struct server_call *c;
	struct list orphans;

	list_init(&orphans);
	for (size_t i = 0; i < COUNT_OF(l->calls); i++) {
		while ((c = LIST_FIRST(&l->calls[i], struct server_call, node))) {
			detach(c);
			list_append(&orphans, &c->node);
		}
	}
	/* A cancel may end other calls too: they take themselves off this list. */
	while ((c = LIST_FIRST(&orphans, struct server_call, node))) {
		list_remove(&c->node);
		run_cancel(c);
	}
}

static void deadline_passed(struct timer *t)
{
	struct server_call *c = container_of(t, struct server_call, deadline);
	struct err e = { 0 };

	err_set(&e, RC_DEADLINE_EXCEEDED, "timeout");
	call_give_up(c, &e);
}

/* --- requests --- */

static struct list *bucket(struct link *l, uint32_t stream)
{
	return &l->calls[stream / 2 % LINK_BUCKETS];	/* all ids are odd */
}

struct server_call *call_by_stream(struct link *l, uint32_t stream)
{
	struct server_call *c;

	LIST_EACH(c, bucket(l, stream), struct server_call, node)
		if (c->stream == stream)
			return c;
	return NULL;
}

bool call_admit_id(struct link *l, uint32_t stream)
{
	struct err e = { 0 };

	if (stream % 2 == 0)
		err_set(&e, RC_INVALID_ARGUMENT, "stream id must be odd");
	else if (stream <= l->last_id)
		err_set(&e, RC_INVALID_ARGUMENT, "stream id must be above the last one");
	if (err_is_set(&e)) {
		call_refuse(l, stream, &e);
		return false;
	}
	l->last_id = stream;
	return true;
}

static uint64_t deadline_of(int64_t timeout_nano)
{
	if (timeout_nano <= 0)
		return CLOCK_NEVER;
	return clock_after((uint64_t)(timeout_nano / NANO_PER_MS) +
			   (timeout_nano % NANO_PER_MS != 0));
}

/* The empty call, in an arena of its own. */
static struct server_call *new_call(struct link *l, const struct frame *f)
{
	struct server_call *c;
	struct arena memory;

	arena_init(&memory, pb_budget(f->length) + sizeof(*c));
	c = ARENA_NEW(&memory, struct server_call);
	if (!c)
		return NULL;
	c->pub.arena = memory;
	c->pub.server = l->server;
	c->pub.loop = l->server->loop;
	list_init(&c->pub.park);
	list_init(&c->parts);
	list_init(&c->drain_node);
	list_init(&c->deliver.node);
	list_init(&c->node);
	c->stream = f->stream;
	l->server->n_calls++;
	return c;
}

/* A streaming request carries its first message only if the client has all to say in it (no
 * FRAME_REMOTE_OPEN), or if there are bytes. */
static bool has_message(const struct rpc_row *row, const struct frame *f, size_t len)
{
	return !(row->flags & RPC_STREAM) || !(f->flags & FRAME_REMOTE_OPEN) || len > 0;
}

static int fill_call(struct server_call *c, const struct frame *f,
		     const struct envelope_request *req, struct err *e)
{
	const struct rpc_service *const *services = c->pub.server->services;

	if (service_find(services, req->service, req->method, &c->pub.method, e) < 0)
		return -1;
	if (c->pub.method.row->flags & RPC_RAW) {
		static const uint8_t nothing[1];

		if (has_message(c->pub.method.row, f, req->payload.len))
			c->pub.raw = req->payload.len ? req->payload.data : nothing;
		c->pub.raw_len = req->payload.len;
	} else if (has_message(c->pub.method.row, f, req->payload.len)) {
		c->pub.req = pb_unpack(&c->pub.arena, c->pub.method.input, req->payload.data,
				       req->payload.len, e);
		if (!c->pub.req)
			return -1;
	}
	if (!(f->flags & FRAME_REMOTE_OPEN))
		c->bits |= STREAM_PEER_DONE;
	c->pub.deadline_ms = deadline_of(req->timeout_nano);
	return 0;
}

static void attach(struct server_call *c, struct link *l)
{
	c->link = l;
	l->n_calls++;
	list_append(bucket(l, c->stream), &c->node);
	timer_arm(c->pub.loop, &c->deadline, c->pub.deadline_ms, deadline_passed);
}

static int decode_call(struct server_call *c, const struct frame *f, const uint8_t *payload,
		       struct err *e)
{
	struct envelope_request req;
	struct arena names;
	int r;

	arena_init(&names, pb_budget(f->length));
	r = envelope_request_read(&names, payload, f->length, &req, e);
	if (r == 0)
		r = fill_call(c, f, &req, e);
	arena_fini(&names);
	return r;
}

void call_request(struct link *l, const struct frame *f, const uint8_t *payload)
{
	struct server_call *c = NULL;
	struct err e = { 0 };

	if (!call_admit_id(l, f->stream))
		return;
	if (l->n_calls >= SERVER_CALLS || l->server->n_calls >= SERVER_CALLS_ALL)
		err_set(&e, RC_RESOURCE_EXHAUSTED, "too many calls in flight");
	else if (!(c = new_call(l, f)))
		err_set(&e, RC_RESOURCE_EXHAUSTED, "no memory for a call");
	if (c && decode_call(c, f, payload, &e) == 0) {
		attach(c, l);
		c->pub.method.row->handler(&c->pub);
		return;
	}
	if (c)
		call_end(c);
	call_refuse(l, f->stream, &e);
}

/* --- the handler's side --- */

void *call_context(const struct call *c)
{
	return c->server->context;
}

void call_fail(struct call *call, const struct err *e)
{
	struct server_call *c = impl_of(call);
	struct err none = { 0 };

	if (!err_is_set(e)) {
		err_set(&none, RC_INTERNAL, "no reason given");
		e = &none;
	}
	if (c->link) {
		log_failure(c, e);
		send_error(c->link, c->stream, e);
	}
	call_end(c);
}

void call_failf(struct call *c, enum rc rc, const char *fmt, ...)
{
	struct err e = { 0 };
	char text[sizeof(e.msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(&e, rc, "%s", text);
	call_fail(c, &e);
}

static void reply_body(struct call *call, const struct body *body)
{
	struct server_call *c = impl_of(call);
	struct err e = { 0 };

	if (c->link && !send_message(c->link, c->stream, body, &e))
		call_fail(call, &e);
	else
		call_end(c);
}

void call_reply(struct call *call, const ProtobufCMessage *reply)
{
	struct body body = body_of_msg(reply);

	reply_body(call, &body);
}

void call_reply_raw(struct call *call, const uint8_t *data, size_t len)
{
	struct body body = { .data = data, .len = len };

	reply_body(call, &body);
}

void call_reply_data(struct call *call, const void *data, size_t len)
{
	struct server_call *c = impl_of(call);
	struct frame f = { .stream = c->stream, .type = FRAME_RESPONSE };
	uint8_t head[ENVELOPE_DATA_HEAD];
	size_t n = envelope_data_head(len, head);
	struct err e = { 0 };
	int r;

	if (len > FRAME_MAX - sizeof(head)) {
		err_set(&e, RC_INVALID_ARGUMENT, "a reply of %zu bytes, the limit is %u", len,
			FRAME_MAX);
		call_fail(call, &e);
		return;
	}
	f.length = (uint32_t)(n + len);
	r = c->link ? conn_send_data(c->link->conn, &f, head, n, data, len) : 0;
	if (r == -ENOBUFS)
		conn_abort(c->link->conn, ENOBUFS);
	if (r == -ENOMEM) {
		err_set(&e, RC_RESOURCE_EXHAUSTED, "no memory for a reply of %zu bytes", len);
		call_fail(call, &e);
		return;
	}
	call_end(c);
}

size_t call_data_fit(size_t len)
{
	const size_t head = FRAME_HEADER + ENVELOPE_DATA_HEAD;
	size_t over = (len + head) % SEND_MAX;

	return len + head > SEND_MAX && over <= head ? len - over : len;
}

void call_ok(struct call *c)
{
	const ProtobufCMessageDescriptor *type = c->method.output;
	ProtobufCMessage *empty = arena_alloc(&c->arena, type->sizeof_message);
	struct err e = { 0 };

	if (empty) {
		/* zeroed, which packs as empty; in the agent types have no function for it */
		empty->descriptor = type;
		call_reply(c, empty);
		return;
	}
	err_set(&e, RC_RESOURCE_EXHAUSTED, "no memory for a reply");
	call_fail(c, &e);
}
