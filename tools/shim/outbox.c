/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest says of a container that this pod does not have, of a topic that is none of a
 * task's, or in an order of its own making stays here: containerd acts on what it is told, for
 * other pods too.
 */
#include "shim/outbox.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "mote.pb-c.h"
#include "shim/event_text.h"
#include "shim/shim.h"
#include "ttrpc/address.h"
#include "ttrpc/wire.h"

#define FORWARD_SERVICE "containerd.services.events.ttrpc.v1.Events"
#define EVENTS_SERVICE  "mote.v1.Events"
#define FORWARD_MS      5000
#define CONNECT_MS      1000
#define RETRY_MS        500
#define ACK_EVERY       32
#define ARENA_BYTES     (8u << 20)
#define UNIX_PREFIX     "unix://"

struct queued {
	struct list node;
	uint64_t seq; /* the guest's; 0: our own */
	const char *topic;
	size_t len;
	uint8_t data[]; /* a ForwardRequest */
};

static void send_next(struct shim *s);

/* --- the queue --- */

static void queue(struct shim *s, uint64_t seq, const char *topic, const char *type,
		  const uint8_t *event, size_t len)
{
	struct event_text t = {
		.ns = s->ns, .topic = topic, .type = type, .event = event, .len = len
	};
	struct queued *q = NULL;
	const uint8_t *out;
	struct arena a;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &t.at);
	arena_init(&a, ARENA_BYTES);
	out = event_text_forward(&a, &t, &n);
	if (out)
		q = malloc(sizeof(*q) + n);
	if (q) {
		q->seq = seq;
		q->topic = topic;
		q->len = n;
		memcpy(q->data, out, n);
		list_append(&s->outbox.queue, &q->node);
		s->outbox.n++;
		s->outbox.bytes += n;
	} else {
		log_error("events", "%s is lost: no memory", topic);
	}
	arena_fini(&a);
	send_next(s);
}

void outbox_tell(struct shim *s, const char *topic, const char *type, const uint8_t *event,
		 size_t len)
{
	queue(s, 0, topic, type, event, len);
}

static void on_acked(void *arg UNUSED, const struct err *e UNUSED, const uint8_t *payload UNUSED,
		     size_t len UNUSED)
{
}

/* containerd has all up to seq. */
static void acknowledge(struct shim *s, uint64_t seq)
{
	Mote__V1__AckRequest req = MOTE__V1__ACK_REQUEST__INIT;
	struct err ignored = { 0 };
	struct outbox *ev = &s->outbox;

	if (!seq || !s->calls || (ev->n && seq - ev->acked < ACK_EVERY))
		return;
	ev->acked = req.seq = seq;
	client_call_msg(s->calls, EVENTS_SERVICE, "Ack", &req.base, FORWARD_MS, on_acked, NULL,
			&ignored);
}

static void pop(struct shim *s)
{
	struct queued *q = LIST_FIRST(&s->outbox.queue, struct queued, node);
	uint64_t seq = q->seq;

	list_remove(&q->node);
	s->outbox.n--;
	s->outbox.bytes -= q->len;
	free(q);
	acknowledge(s, seq);
	/* the guest was not listened to while the queue was full */
	if (!s->outbox.stream && s->machine == MACHINE_UP && s->outbox.n <= OUTBOX_QUEUE / 2 &&
	    s->outbox.bytes <= OUTBOX_BYTES / 2) {
		struct err e = { 0 };

		if (outbox_begin(s, &e) < 0)
			log_error("events", "%s", e.msg);
	}
}

/* --- to containerd --- */

static void on_retry(struct timer *t)
{
	struct shim *s = container_of(t, struct shim, outbox.retry);

	s->outbox.broken = false;
	send_next(s);
}

static void try_later(struct shim *s)
{
	client_free(TAKE_PTR(s->outbox.containerd));
	s->outbox.broken = true;
	timer_arm(s->loop, &s->outbox.retry, clock_after(RETRY_MS), on_retry);
}

static void on_containerd_closed(void *arg)
{
	struct shim *s = arg;

	if (s->outbox.containerd)
		client_free(TAKE_PTR(s->outbox.containerd));
}

static bool connect_containerd(struct shim *s)
{
	struct address a = { .kind = ADDRESS_UNIX };
	struct str path = STR_OVER(a.path);
	const char *text = s->outbox.address;
	struct err e = { 0 };
	int fd;

	if (s->outbox.containerd)
		return true;
	str_add(&path, str_starts(text, UNIX_PREFIX) ? text + strlen(UNIX_PREFIX) : text);
	fd = str_ok(&path) ? address_connect(&a, CONNECT_MS, &e) : -1;
	s->outbox.containerd = fd < 0 ? NULL : client_new(s->loop, fd, &e);
	if (!s->outbox.containerd)
		return false;
	client_on_closed(s->outbox.containerd, on_containerd_closed, s);
	return true;
}

static void on_forwarded(void *arg, const struct err *e, const uint8_t *payload UNUSED,
			 size_t len UNUSED)
{
	struct shim *s = arg;
	struct queued *q;

	s->outbox.busy = false;
	if (e->rc == RC_UNAVAILABLE || e->rc == RC_DEADLINE_EXCEEDED || e->rc == RC_CANCELLED) {
		if (s->outbox.containerd) /* else it is we who end it */
			try_later(s);
		return;
	}
	q = LIST_FIRST(&s->outbox.queue, struct queued, node);
	if (err_is_set(e))
		log_error("events", "containerd refuses %s: %s", q->topic, e->msg);
	else
		log_debug("events", "containerd has %s", q->topic);
	pop(s);
	send_next(s);
}

static void send_next(struct shim *s)
{
	struct outbox *ev = &s->outbox;
	struct queued *q = LIST_FIRST(&ev->queue, struct queued, node);
	struct err e = { 0 };

	while (q && !*ev->address) {
		pop(s);
		q = LIST_FIRST(&ev->queue, struct queued, node);
	}
	if (!q || ev->busy || ev->broken)
		return;
	if (connect_containerd(s) &&
	    client_call(ev->containerd, FORWARD_SERVICE, "Forward", q->data, q->len, FORWARD_MS,
			on_forwarded, s, &e) > 0)
		ev->busy = true;
	else
		try_later(s);
}

/* --- from the guest --- */

/* The process that an event is of; NULL: it is not passed on. */
static struct proc *subject(struct shim *s, const struct event_in *in)
{
	struct proc *p = proc_find(s, in->id, in->exec_id);

	if (!p && !in->topic->is_delete)
		log_debug("events", "%s of a process that is not there", in->topic->topic);
	return p;
}

static void take_exit(struct proc *p, const struct event_in *in)
{
	if (p->exit_told)
		return;
	proc_stopped(p, in->status, &in->at);
	p->exit_told = true;
}

/* The containers that were deleted: their last event comes after the reply. */
static bool was_deleted(struct shim *s, const char *id)
{
	for (size_t i = 0; i < COUNT_OF(s->deleted); i++) {
		if (!s->deleted[i] || !str_eq(s->deleted[i], id))
			continue;
		free(TAKE_PTR(s->deleted[i]));
		return true;
	}
	return false;
}

static void pass_on(struct shim *s, struct arena *a, uint64_t seq, const struct event_in *in)
{
	struct event_host host = { .pid = (uint32_t)s->vm_pid };
	struct proc *p = subject(s, in);
	const uint8_t *out;
	size_t len;

	if (!p && !(in->topic->is_delete && was_deleted(s, in->id)))
		return;
	if (p && in->topic->is_exit && p->exit_told)
		return;
	if (p && in->topic->is_exit)
		take_exit(p, in);
	if (p && in->topic->is_create) {
		host.bundle = p->task->bundle;
		host.rootfs = p->task->rootfs;
		host.rootfs_len = p->task->rootfs_len;
		memcpy(host.urls, p->urls, sizeof(host.urls));
		host.terminal = p->terminal;
	}
	out = event_text_change(a, in, &host, &len);
	if (out)
		queue(s, seq, in->topic->topic, in->topic->type, out, len);
}

static void on_event(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct shim *s = arg;
	struct event_in in;
	struct arena a;
	uint64_t seq = 0;

	if (!payload) {
		if (s->machine == MACHINE_UP)
			log_error("events", "the guest ends them: %s",
				  err_is_set(e) ? e->msg : "no reason given");
		client_stream_free(TAKE_PTR(s->outbox.stream));
		guest_lost(s);
		return;
	}
	arena_init(&a, ARENA_BYTES);
	if (event_text_read(&a, payload, len, &seq, &in) && seq > s->outbox.seen) {
		s->outbox.seen = seq;
		pass_on(s, &a, seq, &in);
	}
	arena_fini(&a);
	if (s->outbox.n >= OUTBOX_QUEUE || s->outbox.bytes >= OUTBOX_BYTES)
		outbox_end(s);
}

void outbox_init(struct shim *s)
{
	list_init(&s->outbox.queue);
}

int outbox_begin(struct shim *s, struct err *e)
{
	Mote__V1__SubscribeRequest req = MOTE__V1__SUBSCRIBE_REQUEST__INIT;

	if (s->outbox.stream || !s->calls)
		return 0;
	req.after = s->outbox.seen;
	s->outbox.stream = client_stream_open(s->calls, EVENTS_SERVICE, "Subscribe", &req.base, 0,
					      on_event, s, e);
	return s->outbox.stream ? 0 : err_ctx(e, "events");
}

void outbox_end(struct shim *s)
{
	client_stream_free(TAKE_PTR(s->outbox.stream));
}

void outbox_fini(struct shim *s)
{
	struct queued *q;

	timer_cancel(&s->outbox.retry);
	client_free(TAKE_PTR(s->outbox.containerd));
	while ((q = LIST_FIRST(&s->outbox.queue, struct queued, node))) {
		list_remove(&q->node);
		free(q);
	}
	for (size_t i = 0; i < COUNT_OF(s->deleted); i++)
		free(TAKE_PTR(s->deleted[i]));
}

/* --- waiting --- */

static bool runs(struct shim *s)
{
	struct task *t;
	struct proc *p;

	LIST_EACH(t, &s->tasks, struct task, node) {
		if (t->init.state == PROC_RUNNING)
			return true;
		LIST_EACH(p, &t->execs, struct proc, node)
			if (p->state == PROC_RUNNING)
				return true;
	}
	return false;
}

static void turn_until(struct shim *s, uint64_t deadline)
{
	uint64_t now = clock_ms();

	loop_once(s->loop, now < deadline ? (int)(deadline - now) : 0);
}

void outbox_settle(struct shim *s, uint64_t max_ms)
{
	uint64_t deadline = clock_after(max_ms);

	while (s->machine != MACHINE_GONE && runs(s) && clock_ms() < deadline)
		turn_until(s, deadline);
}

void outbox_flush(struct shim *s, uint64_t max_ms)
{
	uint64_t deadline = clock_after(max_ms);

	while (s->outbox.n && clock_ms() < deadline)
		turn_until(s, deadline);
}
