/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One turn: epoll_wait, the watches that are ready, the deferred calls, the timers that are due, the deferred
 * calls again. Each part is bounded (EVENTS_PER_TURN, TIMERS_PER_TURN, only the deferred calls that were there
 * when the part began), so nothing that feeds itself can keep the others from their turn.
 *
 * The kernel hands back 64 bits per event: the slot of the watch in a table, and the slot's generation. Deleting a
 * watch bumps the generation, so an event that is already in the batch finds nobody, even when the
 * slot was given to a new watch meanwhile. The kernel never holds a pointer of ours.
 *
 * Timers need no descriptor: the heap's first one bounds the wait.
 */
#include "event/loop.h"

#include <limits.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "event/timer.h"

#define EVENTS_PER_TURN	64
#define TIMERS_PER_TURN	64
#define SLOTS_FIRST	16
#define SLOT_NONE	UINT32_MAX

struct slot {
	struct watch *watch;	/* NULL: free */
	uint32_t generation;
	uint32_t next_free;
};

struct loop {
	int epfd;
	bool stopped;
	struct slot *slots;
	uint32_t n_slots;
	uint32_t first_free;
	struct timer *timers;	/* the heap's root: the next one due */
	uint64_t timer_seq;
	struct list deferred;
};

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0) {
		free(l);
		return NULL;
	}
	l->first_free = SLOT_NONE;
	list_init(&l->deferred);
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	for (uint32_t i = 0; i < l->n_slots; i++)
		if (l->slots[i].watch)
			l->slots[i].watch->loop = NULL;
	while (l->timers)
		timer_cancel(l->timers);
	while (!list_empty(&l->deferred))
		list_remove(l->deferred.next);
	close(l->epfd);
	free(l->slots);
	free(l);
}

/* --- watches --- */

static uint64_t ticket_of(const struct loop *l, uint32_t slot)
{
	return (uint64_t)l->slots[slot].generation << 32 | slot;
}

static struct watch *watch_of_ticket(const struct loop *l, uint64_t ticket)
{
	const struct slot *s = &l->slots[(uint32_t)ticket];

	return s->generation == ticket >> 32 ? s->watch : NULL;
}

static int grow_slots(struct loop *l)
{
	uint32_t n = l->n_slots ? 2 * l->n_slots : SLOTS_FIRST;
	struct slot *slots;

	if (n > INT_MAX)
		return -ENOMEM;
	slots = reallocarray(l->slots, n, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (uint32_t i = l->n_slots; i < n; i++)
		slots[i] = (struct slot){ .next_free = i + 1 < n ? i + 1 : SLOT_NONE };
	l->first_free = l->n_slots;
	l->slots = slots;
	l->n_slots = n;
	return 0;
}

static void free_slot(struct loop *l, uint32_t slot)
{
	struct slot *s = &l->slots[slot];

	s->watch = NULL;
	s->generation++;
	s->next_free = l->first_free;
	l->first_free = slot;
}

int watch_add(struct loop *l, struct watch *w, int fd, uint32_t events, watch_fn fn)
{
	struct epoll_event ev = { .events = events };
	uint32_t slot;

	if (l->first_free == SLOT_NONE) {
		int r = grow_slots(l);

		if (r < 0)
			return r;
	}
	slot = l->first_free;
	ev.data.u64 = ticket_of(l, slot);
	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	l->first_free = l->slots[slot].next_free;
	l->slots[slot].watch = w;
	*w = (struct watch){ .loop = l, .fn = fn, .events = events, .fd = fd, .slot = slot };
	return 0;
}

int watch_mod(struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events };

	if (!w->loop)
		return -ENOENT;
	if (events == w->events)
		return 0;
	ev.data.u64 = ticket_of(w->loop, w->slot);
	if (epoll_ctl(w->loop->epfd, EPOLL_CTL_MOD, w->fd, &ev) < 0)
		return -errno;
	w->events = events;
	return 0;
}

void watch_del(struct watch *w)
{
	if (!w->loop)
		return;
	epoll_ctl(w->loop->epfd, EPOLL_CTL_DEL, w->fd, NULL);
	free_slot(w->loop, w->slot);
	w->loop = NULL;
}

static int run_watches(struct loop *l, const struct epoll_event *evs, int n)
{
	int ran = 0;

	for (int i = 0; i < n; i++) {
		struct watch *w = watch_of_ticket(l, evs[i].data.u64);

		if (!w)
			continue;
		w->fn(w, evs[i].events);
		ran++;
	}
	return ran;
}

/* --- timers --- */

/*
 * A time that has passed is put up to now. Then a timer that arms itself with 0 again and again stands behind
 * every other one that is due, instead of always in front.
 */
void timer_arm(struct loop *l, struct timer *t, uint64_t at_ms, timer_fn fn)
{
	timer_cancel(t);
	if (at_ms == CLOCK_NEVER)
		return;
	t->loop = l;
	t->fn = fn;
	t->at_ms = MAX(at_ms, clock_ms());
	t->seq = l->timer_seq++;
	timer_heap_push(&l->timers, t);
}

void timer_cancel(struct timer *t)
{
	if (!t->loop)
		return;
	timer_heap_remove(&t->loop->timers, t);
	t->loop = NULL;
}

/* Timers that are armed meanwhile (seq >= end) wait for the next turn. */
static int run_timers(struct loop *l)
{
	uint64_t now = l->timers ? clock_ms() : 0, end = l->timer_seq;
	int ran = 0;

	while (ran < TIMERS_PER_TURN) {
		struct timer *t = l->timers;

		if (!t || t->at_ms > now || t->seq >= end)
			break;
		timer_cancel(t);
		t->fn(t);
		ran++;
	}
	return ran;
}

/* --- deferred calls --- */

void loop_defer(struct loop *l, struct deferred *d, deferred_fn fn)
{
	d->fn = fn;
	if (list_empty(&d->node))
		list_append(&l->deferred, &d->node);
}

void deferred_cancel(struct deferred *d)
{
	list_remove(&d->node);
}

/* What the calls themselves defer is left for the next pass. */
static int run_deferred(struct loop *l)
{
	struct list batch;
	int ran = 0;

	list_take(&l->deferred, &batch);
	while (!list_empty(&batch)) {
		struct deferred *d = LIST_FIRST(&batch, struct deferred, node);

		list_remove(&d->node);
		d->fn(d);
		ran++;
	}
	return ran;
}

/* --- turns --- */

static int wait_ms(const struct loop *l, int max_wait_ms)
{
	uint64_t now, left;

	if (!list_empty(&l->deferred))
		return 0;
	if (!l->timers || max_wait_ms == 0)
		return max_wait_ms;
	now = clock_ms();
	left = l->timers->at_ms > now ? l->timers->at_ms - now : 0;
	left = MIN(left, (uint64_t)INT_MAX);
	return max_wait_ms < 0 || left < (uint64_t)max_wait_ms ? (int)left : max_wait_ms;
}

int loop_once(struct loop *l, int max_wait_ms)
{
	struct epoll_event evs[EVENTS_PER_TURN];
	int n = epoll_wait(l->epfd, evs, EVENTS_PER_TURN, wait_ms(l, max_wait_ms));
	int ran;

	if (n < 0 && errno != EINTR)
		return -errno;
	ran = run_watches(l, evs, n);
	ran += run_deferred(l);
	ran += run_timers(l);
	return ran + run_deferred(l);
}

void loop_run(struct loop *l)
{
	while (!l->stopped) {
		int r = loop_once(l, -1);

		if (r < 0) {
			log_error("event", "the loop cannot wait: %s", strerror(-r));
			return;
		}
	}
	l->stopped = false;
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
}
