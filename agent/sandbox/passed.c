/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/passed.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"

struct stream {
	struct list node;
	struct passed *passed;
	uint32_t port;
	int fd;
	struct timer late;
};

void passed_init(struct passed *p, struct loop *l)
{
	*p = (struct passed){ .loop = l };
	list_init(&p->streams);
	list_init(&p->wants);
}

/* The descriptor, the caller's. */
static int stream_end(struct stream *s)
{
	int fd = s->fd;

	timer_cancel(&s->late);
	list_remove(&s->node);
	s->passed->n--;
	free(s);
	return fd;
}

static void drop(struct stream *s)
{
	int fd = stream_end(s);

	auto_close(&fd);
}

void passed_fini(struct passed *p)
{
	struct stream *s;

	while ((s = LIST_FIRST(&p->streams, struct stream, node)))
		drop(s);
}

static struct stream *find(struct passed *p, uint32_t port)
{
	struct stream *s;

	LIST_EACH(s, &p->streams, struct stream, node)
		if (s->port == port)
			return s;
	return NULL;
}

/* Takes what is there. Is anything missing? */
static bool fill(struct passed_want *w)
{
	bool missing = false;

	for (size_t i = 0; i < COUNT_OF(w->ports); i++) {
		struct stream *s = w->ports[i] && w->fds[i] < 0 ? find(w->passed, w->ports[i]) : NULL;

		if (s)
			w->fds[i] = stream_end(s);
		missing |= w->ports[i] && w->fds[i] < 0;
	}
	return missing;
}

static void stream_late(struct timer *t)
{
	struct stream *s = container_of(t, struct stream, late);

	log_warn("passfd", "nobody has taken the stream of port %u: closed", s->port);
	drop(s);
}

bool passed_add(struct passed *p, uint32_t port, int fd)
{
	struct stream *s = find(p, port);
	struct passed_want *w;

	if (s)
		drop(s);
	s = p->n < PASSED_MAX ? mem_new(1, sizeof(*s)) : NULL;
	if (!s) {
		auto_close(&fd);
		return false;
	}
	fd_park(&fd);
	*s = (struct stream){ .passed = p, .port = port, .fd = fd };
	list_append(&p->streams, &s->node);
	p->n++;
	timer_arm(p->loop, &s->late, clock_after(PASSED_KEEP_MS), stream_late);
	LIST_EACH(w, &p->wants, struct passed_want, node)
		if (!fill(w)) {
			timer_cancel(&w->late);
			list_remove(&w->node);
			w->fn(w);
			break; /* nobody else named it, or comes too late for it */
		}
	return true;
}

static void want_late(struct timer *t)
{
	struct passed_want *w = container_of(t, struct passed_want, late);

	for (size_t i = 0; i < COUNT_OF(w->ports); i++)
		if (w->ports[i] && w->fds[i] < 0)
			log_warn("passfd", "no stream has come from port %u", w->ports[i]);
	list_remove(&w->node);
	w->fn(w);
}

void passed_take(struct passed *p, struct passed_want *w)
{
	w->passed = p;
	w->fds[0] = w->fds[1] = w->fds[2] = -1;
	if (!p->enabled || !fill(w)) {
		w->fn(w);
		return;
	}
	list_append(&p->wants, &w->node);
	timer_arm(p->loop, &w->late, clock_after(PASSED_WAIT_MS), want_late);
}
