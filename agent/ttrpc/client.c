/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls in flight, and open streams, are found by stream id in a small hash table. Each ends
 * exactly once, by finish(): with the reply, a status, its timeout, or the loss of the connection.
 *
 * Callbacks may free anything, the client too: its memory stays until the outermost callback has
 * returned (busy, freed), a stream that is freed while its callback runs says so through *gone.
 *
 * Replies are always read, whatever is queued for sending: were both ends to stop reading, nobody
 * would go on.
 */
#include "ttrpc/client.h"

#include "base/clock.h"
#include "ttrpc/conn.h"
#include "ttrpc/envelope.h"
#include "ttrpc/pb.h"

#define BUCKETS		64
#define GRACE_MS	1000	/* the server's own answer to a timeout should come first */
#define NANO_PER_MS	1000000

struct client {
	struct loop *loop;
	struct conn *conn;	/* NULL: lost */
	uint64_t next_id;
	unsigned int busy;
	bool freed;
	uint64_t grace_ms;
	void (*on_closed)(void *arg);
	void *on_closed_arg;
	struct list drain;	/* streams that wait for room */
	struct list inflight[BUCKETS];
};

struct pending {
	struct list node;
	struct client *client;	/* NULL: ended */
	uint32_t id;
	bool is_stream;
	struct timer timer;
	client_done fn;		/* or a client_stream_fn: the same type */
	void *arg;
};

struct client_stream {
	struct pending pending;
	bool send_closed;
	bool *gone;
	void (*on_drain)(void *arg);
	struct list drain_node;
};

struct request {
	const char *service, *method;
	struct body body;
	uint64_t timeout_ms;
	uint8_t flags;
};

static void leave(struct client *c)
{
	if (--c->busy == 0 && c->freed)
		free(c);
}

static struct client_stream *stream_of(struct pending *p)
{
	return container_of(p, struct client_stream, pending);
}

/* --- calls in flight --- */

static struct list *bucket(struct client *c, uint32_t id)
{
	return &c->inflight[id / 2 % BUCKETS];
}

static struct pending *find(struct client *c, uint32_t id)
{
	struct pending *p;

	LIST_EACH(p, bucket(c, id), struct pending, node)
		if (p->id == id)
			return p;
	return NULL;
}

static void forget(struct pending *p)
{
	list_remove(&p->node);
	timer_cancel(&p->timer);
	p->client = NULL;
	if (p->is_stream)
		list_remove(&stream_of(p)->drain_node);
	else
		free(p);
}

/* A pointer that is not NULL: only the end of a stream has none. */
static const uint8_t *solid(const uint8_t *payload)
{
	static const uint8_t nothing[1];

	return payload ? payload : nothing;
}

/* p, and the client, may be gone afterwards. */
static void finish(struct pending *p, const struct err *e, const uint8_t *payload, size_t len)
{
	client_done fn = p->fn;
	void *arg = p->arg;

	if (p->is_stream || err_is_set(e))
		payload = NULL;
	else
		payload = solid(payload);
	forget(p);
	fn(arg, e, payload, payload ? len : 0);
}

static void finish_error(struct pending *p, enum rc rc, const char *why)
{
	struct err e = { 0 };

	err_set(&e, rc, "%s", why);
	finish(p, &e, NULL, 0);
}

static void timed_out(struct timer *t)
{
	finish_error(container_of(t, struct pending, timer), RC_DEADLINE_EXCEEDED, "timeout");
}

static void finish_all(struct client *c, enum rc rc, const char *why)
{
	struct pending *p;

	for (size_t i = 0; i < BUCKETS; i++)
		while ((p = LIST_FIRST(&c->inflight[i], struct pending, node)))
			finish_error(p, rc, why);
}

/* --- from the wire --- */

/* One message of a stream. False: the stream was freed or has ended. */
static bool give(struct pending *p, const uint8_t *payload, size_t len)
{
	struct client_stream *s = stream_of(p);
	const struct err none = { 0 };
	bool gone = false;

	s->gone = &gone;
	p->fn(p->arg, &none, solid(payload), len);
	if (gone)
		return false;
	s->gone = NULL;
	return p->client != NULL;
}

static void status_to_err(const struct envelope_response *r, struct err *e)
{
	if (r->rc == RC_OK)
		return;
	err_set(e, r->rc > 0 && r->rc <= RC_UNAUTHENTICATED ? (enum rc)r->rc : RC_UNKNOWN, "%s",
		r->message);
	err_sanitize(e);
}

static void take_response(struct pending *p, const struct frame *f, const uint8_t *payload)
{
	struct envelope_response r = { 0 };
	struct arena scratch;
	struct err e = { 0 };

	arena_init(&scratch, pb_budget(f->length));
	if (envelope_response_read(&scratch, payload, f->length, &r, &e) == 0)
		status_to_err(&r, &e);
	if (!p->is_stream || err_is_set(&e) || r.payload.len == 0 ||
	    give(p, r.payload.data, r.payload.len))
		finish(p, &e, r.payload.data, r.payload.len);
	arena_fini(&scratch);
}

static void take_data(struct pending *p, const struct frame *f, const uint8_t *payload)
{
	const struct err none = { 0 };

	if (!p->is_stream) {
		finish_error(p, RC_INTERNAL, "ttrpc: stream data for a unary call");
		return;
	}
	if (!(f->flags & FRAME_NO_DATA) && !give(p, payload, f->length))
		return;
	if (f->flags & FRAME_REMOTE_CLOSED)
		finish(p, &none, NULL, 0);
}

static void on_frame(void *owner, const struct frame *f, const uint8_t *payload)
{
	struct client *c = owner;
	struct pending *p = find(c, f->stream);

	if (!p)
		return;		/* cancelled or timed out meanwhile */
	c->busy++;
	if (f->type == FRAME_RESPONSE)
		take_response(p, f, payload);
	else if (f->type == FRAME_DATA)
		take_data(p, f, payload);
	leave(c);
}

static void on_skipped(void *owner, const struct frame *f, enum conn_skip why)
{
	struct client *c = owner;
	struct pending *p = find(c, f->stream);

	if (!p)
		return;
	c->busy++;
	finish_error(p, RC_RESOURCE_EXHAUSTED,
		     why == CONN_TOO_LARGE ? "ttrpc: the reply is too large"
					   : "ttrpc: no memory for the reply");
	leave(c);
}

static void on_drain(void *owner)
{
	struct client *c = owner;
	struct client_stream *s;
	struct list due;

	if (list_empty(&c->drain))
		return;
	list_append(&c->drain, &due);
	list_remove(&c->drain);
	c->busy++;
	while ((s = LIST_FIRST(&due, struct client_stream, drain_node))) {
		list_remove(&s->drain_node);
		if (s->on_drain)
			s->on_drain(s->pending.arg);
	}
	leave(c);
}

static void on_lost(void *owner, int errnum UNUSED)
{
	struct client *c = owner;

	conn_free(TAKE_PTR(c->conn));
	c->busy++;
	finish_all(c, RC_UNAVAILABLE, "ttrpc: closed");
	if (c->on_closed && !c->freed)
		c->on_closed(c->on_closed_arg);
	leave(c);
}

static const struct conn_ops ops = {
	.on_frame = on_frame,
	.on_skipped = on_skipped,
	.on_drain = on_drain,
	.on_lost = on_lost,
};

/* --- to the wire --- */

static int send_failure(int r, struct err *e)
{
	if (r == -EPIPE)
		return err_set(e, RC_UNAVAILABLE, "ttrpc: closed");
	return err_set(e, RC_RESOURCE_EXHAUSTED, "ttrpc: too much is queued already");
}

static int64_t timeout_nano(uint64_t ms)
{
	return ms > INT64_MAX / NANO_PER_MS ? INT64_MAX : (int64_t)ms * NANO_PER_MS;
}

static int send_request(struct client *c, const struct request *r, struct err *e)
{
	struct envelope_request env = { r->service, r->method, r->body,
					timeout_nano(r->timeout_ms) };
	size_t size = envelope_request_size(&env);
	struct frame f = { .type = FRAME_REQUEST, .flags = r->flags };
	uint8_t *payload;
	struct out *out;
	int err;

	if (size > FRAME_MAX)
		return err_set(e, RC_INVALID_ARGUMENT, "a request of %zu bytes, the limit is %u",
			       size, FRAME_MAX);
	if (!c->conn || c->next_id > UINT32_MAX)
		return send_failure(-EPIPE, e);
	f.length = (uint32_t)size;
	f.stream = (uint32_t)c->next_id;
	err = conn_prepare(c->conn, &f, &out, &payload);
	if (err < 0)
		return send_failure(err, e);
	envelope_request_write(&env, payload);
	conn_send(c->conn, out);
	return 0;
}

/* Sends, and enters p among the calls in flight. */
static int start(struct client *c, struct pending *p, const struct request *r, struct err *e)
{
	uint64_t wait_ms = r->timeout_ms;

	if (send_request(c, r, e) < 0)
		return -1;
	p->client = c;
	p->id = (uint32_t)c->next_id;
	c->next_id += 2;
	list_append(bucket(c, p->id), &p->node);
	if (wait_ms == 0)
		return 0;
	wait_ms += MIN(c->grace_ms, CLOCK_NEVER - wait_ms);
	timer_arm(c->loop, &p->timer, clock_after(wait_ms), timed_out);
	return 0;
}

static int64_t call(struct client *c, const struct request *r, client_done done, void *arg,
		    struct err *e)
{
	struct pending *p = mem_new(1, sizeof(*p));

	if (!p)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory for a call");
	list_init(&p->node);
	p->fn = done;
	p->arg = arg;
	if (start(c, p, r, e) < 0) {
		free(p);
		return -1;
	}
	return p->id;
}

int64_t client_call(struct client *c, const char *service, const char *method,
		    const uint8_t *payload, size_t len, uint64_t timeout_ms, client_done done,
		    void *arg, struct err *e)
{
	struct request r = { service, method, { .data = payload, .len = len }, timeout_ms, 0 };

	return call(c, &r, done, arg, e);
}

int64_t client_call_msg(struct client *c, const char *service, const char *method,
			const ProtobufCMessage *req, uint64_t timeout_ms, client_done done,
			void *arg, struct err *e)
{
	struct request r = { service, method, body_of_msg(req), timeout_ms, 0 };

	return call(c, &r, done, arg, e);
}

void client_cancel(struct client *c, int64_t id)
{
	struct pending *p = id > 0 && id <= UINT32_MAX ? find(c, (uint32_t)id) : NULL;

	if (p && !p->is_stream)
		forget(p);
}

/* --- waiting --- */

struct wait {
	struct arena *arena;
	const ProtobufCMessageDescriptor *type;
	ProtobufCMessage *reply;
	struct err *e;
	bool done;
};

static void wait_done(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct wait *w = arg;

	w->done = true;
	if (err_is_set(e))
		*w->e = *e;
	else
		w->reply = pb_unpack(w->arena, w->type, payload, len, w->e);
}

ProtobufCMessage *client_call_wait(struct client *c, const char *service, const char *method,
				   const ProtobufCMessage *req,
				   const ProtobufCMessageDescriptor *reply_type,
				   uint64_t timeout_ms, struct arena *a, struct err *e)
{
	struct wait w = { .arena = a, .type = reply_type, .e = e };
	struct loop *loop = c->loop;
	int64_t id = client_call_msg(c, service, method, req, timeout_ms, wait_done, &w, e);

	if (id < 0)
		return NULL;
	while (!w.done) {
		int r = loop_once(loop, -1);

		if (r < 0 && !w.done) {
			client_cancel(c, id);
			err_sys(e, -r, "wait for %s", method);
			break;
		}
	}
	return w.reply;
}

/* --- streams --- */

struct client_stream *client_stream_open(struct client *c, const char *service, const char *method,
					 const ProtobufCMessage *first, uint64_t timeout_ms,
					 client_stream_fn fn, void *arg, struct err *e)
{
	struct request r = { service, method, { 0 }, timeout_ms, FRAME_REMOTE_OPEN };
	struct client_stream *s = mem_new(1, sizeof(*s));

	if (!s) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "no memory for a stream");
		return NULL;
	}
	if (first) {
		r.body = body_of_msg(first);
		r.flags = FRAME_REMOTE_CLOSED;
		s->send_closed = true;
	}
	list_init(&s->pending.node);
	list_init(&s->drain_node);
	s->pending.is_stream = true;
	s->pending.fn = fn;
	s->pending.arg = arg;
	if (start(c, &s->pending, &r, e) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

static int send_data(struct client_stream *s, const uint8_t *data, size_t len, uint8_t flags)
{
	struct client *c = s->pending.client;
	struct frame f = { (uint32_t)len, s->pending.id, FRAME_DATA, flags };
	struct body body = { .data = data, .len = len };
	uint8_t *payload;
	struct out *out;
	int r;

	if (!c || !c->conn || s->send_closed)
		return -EPIPE;
	if (len > FRAME_MAX)
		return -EMSGSIZE;
	r = conn_prepare(c->conn, &f, &out, &payload);
	if (r < 0)
		return r;
	body_write(&body, payload);
	conn_send(c->conn, out);
	return 0;
}

int client_stream_send(struct client_stream *s, const uint8_t *payload, size_t len)
{
	int r = send_data(s, payload, len, 0);
	struct client *c = s->pending.client;

	if (r < 0)
		return r;
	if (!conn_is_congested(c->conn))
		return 1;
	if (list_empty(&s->drain_node))
		list_append(&c->drain, &s->drain_node);
	return 0;
}

void client_stream_on_drain(struct client_stream *s, void (*fn)(void *arg))
{
	s->on_drain = fn;
}

int client_stream_close_send(struct client_stream *s)
{
	int r;

	if (s->send_closed)
		return 0;
	r = send_data(s, NULL, 0, FRAME_REMOTE_CLOSED | FRAME_NO_DATA);
	if (r == 0)
		s->send_closed = true;
	return r;
}

void client_stream_free(struct client_stream *s)
{
	if (!s)
		return;
	if (s->gone)
		*s->gone = true;
	forget(&s->pending);
	free(s);
}

/* --- life --- */

struct client *client_new(struct loop *l, int fd, struct err *e)
{
	struct client *c = mem_new(1, sizeof(*c));
	int error;

	if (!c) {
		close(fd);
		err_set(e, RC_RESOURCE_EXHAUSTED, "no memory for a client");
		return NULL;
	}
	c->loop = l;
	c->next_id = 1;
	c->grace_ms = GRACE_MS;
	list_init(&c->drain);
	for (size_t i = 0; i < BUCKETS; i++)
		list_init(&c->inflight[i]);
	c->conn = conn_new(l, fd, &ops, c, CONN_READS_ALWAYS, NULL, &error);
	if (!c->conn) {
		free(c);
		err_sys(e, -error, "watch the connection");
		return NULL;
	}
	return c;
}

void client_on_closed(struct client *c, void (*fn)(void *arg), void *arg)
{
	c->on_closed = fn;
	c->on_closed_arg = arg;
}

void client_set_grace(struct client *c, uint64_t grace_ms)
{
	c->grace_ms = grace_ms;
}

void client_free(struct client *c)
{
	if (!c || c->freed)
		return;
	c->freed = true;
	c->busy++;
	conn_free(TAKE_PTR(c->conn));
	finish_all(c, RC_CANCELLED, "ttrpc: cancelled");
	leave(c);
}
