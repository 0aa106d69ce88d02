/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: one thread, one epoll. Watches, timers and deferred calls are embedded in the
 * objects that own them, so nothing here allocates. Deleting any of them is safe at any time, also
 * inside a batch of events: an event for a deleted watch is dropped. Callbacks must not wait.
 */
#ifndef MOTE_EVENT_LOOP_H
#define MOTE_EVENT_LOOP_H

#include "base/defs.h"
#include "base/list.h"

struct loop;
struct watch;
struct timer;
struct deferred;

typedef void (*watch_fn)(struct watch *w, uint32_t events); /* events: EPOLL* bits */
typedef void (*timer_fn)(struct timer *t);
typedef void (*deferred_fn)(struct deferred *d);

struct watch {
	struct loop *loop; /* NULL: not watched */
	watch_fn fn;
	uint32_t events;
	int fd;            /* borrowed: the owner closes it after watch_del */
	unsigned int slot; /* index in the loop's table; checked with generation */
};

struct timer {
	struct loop *loop; /* NULL: not armed */
	timer_fn fn;
	uint64_t at_ms;                        /* clock_ms() at which it fires */
	uint64_t seq;                          /* order of arming, among equal times */
	struct timer *child, *sibling, **link; /* pairing heap */
};

struct deferred {
	struct list node; /* must be list_init()ed once before the first use */
	deferred_fn fn;
};

/* Makes the epoll descriptor. NULL: no memory or no descriptor. One per process is enough; tests
 * make more. */
struct loop *loop_new(void);

/* Never from a callback. What is still watched, armed or deferred must exist; it is let go of, so
 * that deleting it later does nothing. */
void loop_free(struct loop *l);

/* Turns until loop_stop(), or, for once: one turn (waits at most max_wait_ms; 0 polls, -1 until
 * something happens). loop_run never returns for lack of work. loop_once returns how many callbacks
 * ran (0 also after EINTR), or -errno if the loop itself is broken; loop_run logs that and returns.
 */
void loop_run(struct loop *l);
int loop_once(struct loop *l, int max_wait_ms);
void loop_stop(struct loop *l);

/* Watches fd for EPOLLIN/EPOLLOUT (level-triggered; EPOLLHUP and EPOLLERR always come). w must not
 * be watched already. 0, or -errno (-EPERM: a regular file cannot be watched; -ENOMEM, -ENOSPC). */
int watch_add(struct loop *l, struct watch *w, int fd, uint32_t events, watch_fn fn);

/* Changes the events; 0 mutes all but HUP/ERR. Cheap when nothing changes. */
int watch_mod(struct watch *w, uint32_t events);

/* Stops watching; fine when it is not watched. Call it before the descriptor is closed. */
void watch_del(struct watch *w);

/* (Re)arms: fn runs in the loop when clock_ms() reaches at_ms; a time in the past means now, never
 * inside this call. Timers that are due run in order of time, then of arming. CLOCK_NEVER disarms.
 */
void timer_arm(struct loop *l, struct timer *t, uint64_t at_ms, timer_fn fn);
void timer_cancel(struct timer *t);

/* Runs fn after the current batch of callbacks, once, before the loop waits again (in order of the
 * calls). A second defer before it ran changes only fn. What a deferred call defers runs in the
 * next pass, after other work had its turn. */
void loop_defer(struct loop *l, struct deferred *d, deferred_fn fn);
void deferred_cancel(struct deferred *d);

#endif
