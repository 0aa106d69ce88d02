/* SPDX-License-Identifier: Apache-2.0 */
/* Kept events, and mote.v1.Events. */
#include "service/containerd/events.h"

#include "base/log.h"
#include "containerd_forward.pb-c.h"
#include "service/containerd/any.h"
#include "service/containerd/containerd.h"

struct event {
	struct list node;
	uint64_t seq, at_ms;
	enum event_kind kind;
	size_t len;
	uint8_t data[]; /* the message */
};

struct listener {
	struct list node;
	struct call *call;
	uint64_t seen;	/* the number of what it was sent last */
	bool full;	/* its connection takes no more for now */
};

static const struct {
	const char *topic, *type;
} kinds[EVENT_KINDS] = {
	[EVENT_CREATE] = { "/tasks/create", "containerd.events.TaskCreate" },
	[EVENT_START] = { "/tasks/start", "containerd.events.TaskStart" },
	[EVENT_EXIT] = { "/tasks/exit", "containerd.events.TaskExit" },
	[EVENT_DELETE] = { "/tasks/delete", "containerd.events.TaskDelete" },
	[EVENT_EXEC_ADDED] = { "/tasks/exec-added", "containerd.events.TaskExecAdded" },
	[EVENT_EXEC_STARTED] = { "/tasks/exec-started", "containerd.events.TaskExecStarted" },
	[EVENT_OOM] = { "/tasks/oom", "containerd.events.TaskOOM" },
	[EVENT_PAUSED] = { "/tasks/paused", "containerd.events.TaskPaused" },
	[EVENT_RESUMED] = { "/tasks/resumed", "containerd.events.TaskResumed" },
};

void events_init(struct events *s)
{
	*s = (struct events){ 0 };
	list_init(&s->kept);
	list_init(&s->listeners);
	list_init(&s->pollers);
}

static void forget(struct events *s, struct event *ev)
{
	list_remove(&ev->node);
	s->n--;
	s->bytes -= sizeof(*ev) + ev->len;
	free(ev);
}

void events_fini(struct events *s)
{
	struct event *ev;
	struct listener *l;

	LIST_EACH(ev, &s->kept, struct event, node)
		forget(s, ev);
	LIST_EACH(l, &s->listeners, struct listener, node)
		list_remove(&l->node);
}

/* --- telling --- */

static int tell(const struct listener *l, struct event *ev)
{
	Google__Protobuf__Timestamp stamp;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Containerd__Types__Envelope envelope = CONTAINERD__TYPES__ENVELOPE__INIT;
	Mote__V1__Event msg = MOTE__V1__EVENT__INIT;

	stamp_set(&stamp, ev->at_ms);
	any.type_url = (char *)kinds[ev->kind].type;
	any.value.data = ev->data;
	any.value.len = ev->len;
	envelope.timestamp = &stamp;
	envelope.topic = (char *)kinds[ev->kind].topic;
	envelope.event = &any;
	msg.seq = ev->seq;
	msg.envelope = &envelope;
	return call_send(l->call, &msg.base);
}

static void tell_all(struct events *s, struct listener *l)
{
	struct event *ev;

	LIST_EACH(ev, &s->kept, struct event, node) {
		int r;

		if (ev->seq <= l->seen)
			continue;
		if (l->full)
			return;
		r = tell(l, ev);
		if (r < 0) /* a peer that is gone is cancelled; without memory it is told later */
			return;
		l->seen = ev->seq;
		l->full = r == 0;
	}
}

/* --- Kuasar's GetEvents: kills for want of memory, each to one of those who ask --- */

static void answer_poller(struct call *c, const struct event *ev)
{
	Containerd__Services__Events__Ttrpc__V1__Envelope reply =
		CONTAINERD__SERVICES__EVENTS__TTRPC__V1__ENVELOPE__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Google__Protobuf__Timestamp stamp;

	stamp_set(&stamp, ev->at_ms);
	any.type_url = (char *)kinds[ev->kind].type;
	any.value.data = (uint8_t *)(uintptr_t)ev->data;
	any.value.len = ev->len;
	reply.timestamp = &stamp;
	reply.namespace_ = (char *)"k8s.io"; /* the one that its hosts work in */
	reply.topic = (char *)kinds[ev->kind].topic;
	reply.event = &any;
	call_reply(c, &reply.base);
}

static void answer_pollers(struct events *s)
{
	struct event *ev;

	LIST_EACH(ev, &s->kept, struct event, node) {
		struct call *c = LIST_FIRST(&s->pollers, struct call, park);

		if (!c)
			return;
		if (ev->kind != EVENT_OOM)
			continue;
		list_remove(&c->park);
		answer_poller(c, ev);
		forget(s, ev);
	}
}

static void poll_cancelled(struct call *c)
{
	list_remove(&c->park);
	call_failf(c, RC_CANCELLED, "GetEvents: cancelled");
}

void kuasar_get_events(struct call *c)
{
	struct events *s = &ctd_of(c)->events;

	c->cancel = poll_cancelled;
	list_append(&s->pollers, &c->park);
	answer_pollers(s);
}

void events_add(struct events *s, enum event_kind kind, const ProtobufCMessage *msg)
{
	size_t len = protobuf_c_message_get_packed_size(msg);
	struct event *ev = mem_new(1, sizeof(*ev) + len);
	struct listener *l;

	s->last++;
	if (!ev) {
		log_error("events", "no memory to keep %s", kinds[kind].topic);
		return;
	}
	ev->seq = s->last;
	ev->at_ms = stamp_now();
	ev->kind = kind;
	ev->len = protobuf_c_message_pack(msg, ev->data);
	list_append(&s->kept, &ev->node);
	s->n++;
	s->bytes += sizeof(*ev) + len;
	LIST_EACH(l, &s->listeners, struct listener, node)
		tell_all(s, l);
	answer_pollers(s);
	while (s->n > EVENTS_MAX || s->bytes > EVENTS_BYTES) {
		ev = LIST_FIRST(&s->kept, struct event, node);
		log_warn("events", "event %llu (%s) is dropped: nobody has acknowledged it",
			 (unsigned long long)ev->seq, kinds[ev->kind].topic);
		forget(s, ev);
	}
}

/* --- the host's calls --- */

static void cancelled(struct call *c)
{
	struct listener *l = c->state;

	list_remove(&l->node);
	call_failf(c, RC_CANCELLED, "Subscribe: cancelled");
}

static void on_room(struct call *c)
{
	struct listener *l = c->state;

	l->full = false;
	tell_all(&ctd_of(c)->events, l);
}

void events_subscribe(struct call *c)
{
	static const struct call_stream_ops ops = { .on_drain = on_room };
	const Mote__V1__SubscribeRequest *req = (const void *)c->req;
	struct events *s = &ctd_of(c)->events;
	struct listener *l = ARENA_NEW(&c->arena, struct listener);

	if (!l || !req) {
		call_failf(c, l ? RC_INVALID_ARGUMENT : RC_RESOURCE_EXHAUSTED,
			   "Subscribe: %s", l ? "no request" : "no memory");
		return;
	}
	l->call = c;
	l->seen = req->after;
	c->state = l;
	c->cancel = cancelled;
	list_append(&s->listeners, &l->node);
	call_stream_start(c, &ops);
	tell_all(s, l);
}

void events_ack(struct call *c)
{
	const Mote__V1__AckRequest *req = (const void *)c->req;
	struct events *s = &ctd_of(c)->events;
	struct event *ev;

	LIST_EACH(ev, &s->kept, struct event, node)
		if (ev->seq <= req->seq)
			forget(s, ev);
	call_ok(c);
}
