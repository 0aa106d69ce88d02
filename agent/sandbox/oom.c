/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/oom.h"

#include "base/defs.h"
#include "base/log.h"
#include "base/mem.h"

struct event {
	struct list node;
	char id[OOM_ID_MAX + 1];
};

void oom_queue_init(struct oom_queue *q)
{
	list_init(&q->events);
	list_init(&q->waiters);
	q->n = 0;
}

static void drop(struct oom_queue *q, struct event *ev)
{
	list_remove(&ev->node);
	free(ev);
	q->n--;
}

void oom_queue_fini(struct oom_queue *q)
{
	struct event *ev;

	LIST_EACH(ev, &q->events, struct event, node)
		drop(q, ev);
}

static bool is_queued(const struct oom_queue *q, const char *id)
{
	for (const struct list *l = q->events.next; l != &q->events; l = l->next)
		if (str_eq(container_of(l, const struct event, node)->id, id))
			return true;
	return false;
}

static void push(struct oom_queue *q, const char *id)
{
	struct event *oldest = LIST_FIRST(&q->events, struct event, node);
	struct event *ev = mem_new(1, sizeof(*ev));
	size_t n = strlen(id);

	if (!ev || n > OOM_ID_MAX) {
		free(ev);
		log_warn("sandbox", "no memory to keep an event of memory running out");
		return;
	}
	memcpy(ev->id, id, n + 1);
	list_append(&q->events, &ev->node);
	if (q->n++ < OOM_QUEUE_MAX)
		return;
	log_warn("sandbox", "container %s: nobody asked that it ran out of memory", oldest->id);
	drop(q, oldest);
}

void oom_queue_add(void *queue, const char *id)
{
	struct oom_queue *q = queue;
	struct oom_waiter *w = LIST_FIRST(&q->waiters, struct oom_waiter, node);

	if (w) {
		list_remove(&w->node);
		w->fn(w, id);
	} else if (!is_queued(q, id)) {
		push(q, id);
	}
}

void oom_queue_wait(struct oom_queue *q, struct oom_waiter *w)
{
	struct event *ev = LIST_FIRST(&q->events, struct event, node);
	char id[OOM_ID_MAX + 1];

	list_init(&w->node);
	if (!ev) {
		list_append(&q->waiters, &w->node);
		return;
	}
	memcpy(id, ev->id, sizeof(id));
	drop(q, ev);
	w->fn(w, id);
}

void oom_queue_cancel(struct oom_waiter *w)
{
	list_remove(&w->node);
}
