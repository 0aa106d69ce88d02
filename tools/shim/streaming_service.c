/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd's Streaming: where it carries a process's stdio itself (io_type "streaming"), the
 * stream of its side and the guest's are one. Messages pass as they are. The reader of each
 * direction says how much it takes (WindowUpdate); a guest that sends on regardless, while nothing
 * flows off on our side, loses its stream.
 */
#include "containerd_streaming.pb-c.h"
#include "shim/shim.h"
#include "shim/task_work.h"

#define STREAMING "containerd.services.streaming.v1.Streaming"
#define HELD_MAX  (256u << 10) /* bytes from the guest while containerd takes none */

struct pair {
	struct call *c;
	struct client_stream *guest;
	size_t held;
	bool congested;
};

/* Both ends; e unset: in order. */
static void end(struct pair *p, const struct err *e)
{
	client_stream_free(TAKE_PTR(p->guest));
	p->c->cancel = NULL;
	if (err_is_set(e))
		call_fail(p->c, e);
	else
		call_stream_end(p->c);
}

static void endf(struct pair *p, enum rc rc, const char *why)
{
	struct err e = { 0 };

	err_set(&e, rc, "%s", why);
	end(p, &e);
}

static void from_guest(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct pair *p = arg;
	int r;

	if (!payload) {
		end(p, e);
		return;
	}
	if (p->congested && (p->held += len) > HELD_MAX) {
		endf(p, RC_RESOURCE_EXHAUSTED, "the guest sends more than it was asked for");
		return;
	}
	r = call_send_raw(p->c, payload, len);
	if (r == -EPIPE)
		return; /* cancel follows */
	if (r < 0)
		endf(p, RC_RESOURCE_EXHAUSTED, "no memory");
	else
		p->congested = r == 0;
}

static void from_containerd(struct call *c, const uint8_t *data, size_t len)
{
	struct pair *p = c->state;
	int r = data ? client_stream_send(p->guest, data, len) : client_stream_close_send(p->guest);

	if (r < 0)
		endf(p, RC_UNAVAILABLE, "the guest takes no more");
	else if (data && r == 0)
		call_stream_pause(c);
}

static void containerd_drained(struct call *c)
{
	struct pair *p = c->state;

	p->congested = false;
	p->held = 0;
}

static void guest_drained(void *arg)
{
	struct pair *p = arg;

	call_stream_resume(p->c);
}

static void cancel(struct call *c)
{
	endf(c->state, RC_CANCELLED, "the connection is lost");
}

static const struct call_stream_ops ops = { .on_raw = from_containerd,
					    .on_drain = containerd_drained };

static void stream(struct call *c)
{
	struct shim *s = call_context(c);
	struct pair *p = ARENA_NEW(&c->arena, struct pair);
	struct err e = { 0 };

	if (!p || !s->streams) {
		call_failf(c, p ? RC_FAILED_PRECONDITION : RC_RESOURCE_EXHAUSTED,
			   p ? "the machine does not run" : "no memory");
		return;
	}
	p->c = c;
	c->state = p;
	p->guest = client_stream_open(s->streams, STREAMING, "Stream", NULL, 0, from_guest, p, &e);
	if (!p->guest) {
		call_fail(c, &e);
		return;
	}
	client_stream_on_drain(p->guest, guest_drained);
	c->cancel = cancel;
	if (c->raw && client_stream_send(p->guest, c->raw, c->raw_len) < 0) {
		endf(p, RC_UNAVAILABLE, "the guest takes no more");
		return;
	}
	call_stream_start(c, &ops);
}

static const struct rpc_row rows[] = {
	{ "Stream", stream, RPC_STREAM | RPC_RAW },
};

const struct rpc_service shim_streaming = {
	.desc = &containerd__services__streaming__v1__streaming__descriptor,
	.rows = rows,
	.n_rows = COUNT_OF(rows),
};

const struct rpc_service *const shim_services[] = { &shim_task_v2, &shim_task_v3, &shim_sandbox,
						    &shim_streaming, NULL };
