/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes are named by container and pid here, never by pointer: a container's removal frees its
 * processes without asking. The pid of a process that has exited is not in use twice among the
 * processes of one container's table.
 */
#include "service/kata/linger.h"

#include "base/clock.h"

struct linger {
	struct list node;
	struct kata *kata;
	struct timer timer;
	struct deferred now;
	pid_t pid;
	char exec_id[CONTAINER_ID_MAX + 1], container_id[CONTAINER_ID_MAX + 1];
};

static struct process *linger_process(const struct linger *l)
{
	struct err none = { 0 };
	struct container *c = sandbox_find(l->kata->sandbox, l->container_id, &none);
	struct process *p = c ? process_find(c, l->exec_id) : NULL;

	return p && p->pid == l->pid ? p : NULL;
}

static void linger_free(struct linger *l)
{
	timer_cancel(&l->timer);
	deferred_cancel(&l->now);
	list_remove(&l->node);
	free(l);
}

static struct linger *linger_find(struct kata *k, const struct process *p)
{
	struct linger *l;

	LIST_EACH(l, &k->lingering, struct linger, node)
		if (linger_process(l) == p)
			return l;
	return NULL;
}

static bool all_read(const struct process *p)
{
	return (p->streams.out.fd < 0 || p->streams.out.eof) &&
	       (p->streams.err.fd < 0 || p->streams.err.eof);
}

static bool somebody_reads(const struct process *p)
{
	return !list_empty(&p->streams.out.readers) || !list_empty(&p->streams.err.readers);
}

static void linger_late(struct timer *t)
{
	struct linger *l = container_of(t, struct linger, timer);
	struct process *p = linger_process(l);

	if (p && somebody_reads(p)) {
		timer_arm(l->kata->sandbox->loop, &l->timer, clock_after(LINGER_MS), linger_late);
		return;
	}
	if (p)
		process_forget(p);
	linger_free(l);
}

/* Not inside the stream's or the waiter's own callback: they still look at the process afterwards.
 */
static void linger_now(struct deferred *d)
{
	struct linger *l = container_of(d, struct linger, now);
	struct process *p = linger_process(l);

	if (p && !all_read(p))
		return;
	if (p)
		process_forget(p);
	linger_free(l);
}

void linger_add(struct kata *k, struct process *p)
{
	struct linger *l;

	if (linger_find(k, p))
		return; /* waited for twice */
	l = mem_new(1, sizeof(*l));
	if (!l || strlen(p->id) >= sizeof(l->exec_id)) {
		free(l);
		return; /* it stays until its container goes */
	}
	l->kata = k;
	l->pid = p->pid;
	memcpy(l->exec_id, p->id, strlen(p->id) + 1);
	memcpy(l->container_id, p->container->id, strlen(p->container->id) + 1);
	list_init(&l->now.node);
	list_append(&k->lingering, &l->node);
	timer_arm(k->sandbox->loop, &l->timer, clock_after(LINGER_MS), linger_late);
	loop_defer(k->sandbox->loop, &l->now, linger_now);
}

void linger_check(struct kata *k, struct process *p)
{
	struct linger *l = linger_find(k, p);

	if (l)
		loop_defer(k->sandbox->loop, &l->now, linger_now);
}

void linger_end(struct kata *k, struct process *p)
{
	struct linger *l = linger_find(k, p);

	if (!l)
		return;
	process_forget(p);
	linger_free(l);
}
