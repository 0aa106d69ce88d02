/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for devices. An event carries nothing that sysfs does not say better, so it is only a
 * hint: whoever waits for a device of that subsystem looks again. Events that were lost (the
 * socket's buffer is finite) are the same hint for everybody. Hence one search decides, whether the
 * device was there at boot, comes now, or came while nobody listened. One that is found but does not open yet
 * is about to: its event is still to come.
 *
 * A wait's look runs deferred, never inside the event's callback: its owner may start and cancel
 * waits as it likes.
 */
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "device/rows.h"
#include "event/job.h"

#define SOCKET_BYTES	(1 << 20)	/* hundreds of events at once, as when a bus is plugged */
#define EVENTS_A_TURN	64

struct device_monitor {
	struct loop *loop;
	int fd;			/* -1: broken, and only the search at the deadline is left */
	struct watch watch;
	struct list waits;
	void (*on_memory)(void *arg); /* or NULL */
	void *memory_arg;
	char sysroot[];
};

struct device_wait {
	struct list node;
	struct device_monitor *monitor;
	const struct device_row *row;
	struct device_need need;
	uint64_t start_ms;
	struct timer deadline;
	struct deferred look;
	struct job *provoking, *opening;
	unsigned int flags;	/* enum wait_flags */
	struct device_found found;	/* what was last tried to open */
	struct err job_err;	/* why it was not found, or does not open */
	device_wait_fn fn;
	void *owner;
};

enum wait_flags {
	WAIT_PROVOKED = 0x1,
	WAIT_LOOK_AGAIN = 0x2,	/* something came while it was being opened */
};

static void wait_look(struct deferred *d);

static void look_later(struct device_wait *w)
{
	loop_defer(w->monitor->loop, &w->look, wait_look);
}

/* --- events ---------------------------------------------------------------------------- */

void device_monitor_feed(struct device_monitor *m, const struct uevent *ev)
{
	struct device_wait *w;

	if (ev->action == UEVENT_REMOVE)
		return;
	if (ev->action == UEVENT_ADD && str_eq(ev->subsystem, "memory") && m->on_memory)
		m->on_memory(m->memory_arg);
	LIST_EACH(w, &m->waits, struct device_wait, node)
		if (str_eq(w->row->subsystem, ev->subsystem))
			look_later(w);
}

static void look_all(struct device_monitor *m)
{
	struct device_wait *w;

	LIST_EACH(w, &m->waits, struct device_wait, node)
		look_later(w);
	if (m->on_memory)
		m->on_memory(m->memory_arg);
}

static int monitor_open(struct device_monitor *m, watch_fn fn)
{
	int r;

	m->fd = uevent_open(SOCKET_BYTES);
	if (m->fd < 0)
		return m->fd;
	r = watch_add(m->loop, &m->watch, m->fd, EPOLLIN, fn);
	if (r < 0)
		auto_close(&m->fd);
	return r;
}

static void on_uevents(struct watch *w, uint32_t events)
{
	struct device_monitor *m = container_of(w, struct device_monitor, watch);
	char buf[UEVENT_MAX];
	struct uevent ev;
	int r = 0;

	(void)events;
	for (int i = 0; i < EVENTS_A_TURN; i++) {
		r = uevent_receive(m->fd, buf, &ev);
		if (r == -ENOBUFS)
			look_all(m);
		else if (r == 1)
			device_monitor_feed(m, &ev);
		else
			break;
	}
	if (r >= 0 || r == -ENOBUFS)
		return;
	/* A broken socket would wake the loop for ever; a new one may work. */
	log_error("device", "uevent socket: %s", err_errno_name(-r));
	watch_del(&m->watch);
	auto_close(&m->fd);
	r = monitor_open(m, on_uevents);
	if (r < 0)
		log_error("device",
			  "no new uevent socket (%s): devices are found at the end of a wait only",
			  err_errno_name(-r));
	look_all(m);
}

struct device_monitor *device_monitor_new(struct loop *l, const char *sysroot, struct err *e)
{
	size_t n = strlen(sysroot) + 1;
	struct device_monitor *m = mem_new(1, sizeof(*m) + n);
	int r;

	if (!m) {
		err_sys(e, ENOMEM, "device monitor");
		return NULL;
	}
	m->loop = l;
	list_init(&m->waits);
	memcpy(m->sysroot, sysroot, n);
	r = monitor_open(m, on_uevents);
	if (r == 0)
		return m;
	err_sys(e, -r, "uevent socket");
	free(m);
	return NULL;
}

void device_monitor_on_memory(struct device_monitor *m, void (*fn)(void *arg), void *arg)
{
	m->on_memory = fn;
	m->memory_arg = arg;
}

void device_monitor_free(struct device_monitor *m)
{
	struct device_wait *w;

	if (!m)
		return;
	LIST_EACH(w, &m->waits, struct device_wait, node)
		device_wait_cancel(w);
	watch_del(&m->watch);
	auto_close(&m->fd);
	free(m);
}

const char *device_monitor_sysroot(const struct device_monitor *m)
{
	return m->sysroot;
}

/* --- waits ----------------------------------------------------------------------------- */

void device_wait_cancel(struct device_wait *w)
{
	if (!w)
		return;
	list_remove(&w->node);
	timer_cancel(&w->deadline);
	deferred_cancel(&w->look);
	if (w->provoking)
		job_cancel(w->provoking);
	if (w->opening)
		job_cancel(w->opening);
	free(w);
}

/* found may be w's own; NULL: it failed, and e says why. */
static void finish(struct device_wait *w, const struct err *e, const struct device_found *found)
{
	struct device_found copy = found ? *found : (struct device_found){ 0 };
	device_wait_fn fn = w->fn;
	void *owner = w->owner;

	device_wait_cancel(w);
	fn(owner, e, found ? &copy : NULL);
}

/* --- what may take its time: jobs ---------------------------------------------------------- */

static int provoke_job(void *arg, void *out, size_t out_cap, size_t *out_len, struct err *e)
{
	struct device_wait *w = arg;
	struct device_tree t;
	int r;

	(void)out, (void)out_cap, (void)out_len;
	if (device_tree_open(w->monitor->sysroot, &t, e) < 0)
		return -1;
	r = w->row->provoke(&t, w->need.id, e);
	device_tree_close(&t);
	return r;
}

static void provoke_done(void *owner, const struct err *e, const void *out, size_t out_len)
{
	struct device_wait *w = owner;

	(void)out, (void)out_len;
	w->provoking = NULL;
	w->job_err = *e;	/* no reason to give up: the device may come all the same */
	look_later(w);
}

static void provoke(struct device_wait *w)
{
	struct job_opts opts = { .what = w->row->what, .deadline_ms = CLOCK_NEVER };

	if (!w->row->provoke || (w->flags & WAIT_PROVOKED))
		return;
	w->flags |= WAIT_PROVOKED;
	w->provoking = job_start(w->monitor->loop, &opts, provoke_job, w, provoke_done, w,
				 &w->job_err);
}

static int open_job(void *arg, void *out, size_t out_cap, size_t *out_len, struct err *e)
{
	struct device_wait *w = arg;
	struct device_tree t;
	int r;

	(void)out, (void)out_cap, (void)out_len;
	if (device_tree_open(w->monitor->sysroot, &t, e) < 0)
		return -1;
	r = w->row->open(&t, &w->found, e);
	device_tree_close(&t);
	return r;
}

static void open_done(void *owner, const struct err *e, const void *out, size_t out_len)
{
	struct device_wait *w = owner;

	(void)out, (void)out_len;
	w->opening = NULL;
	w->job_err = *e;
	if (!err_is_set(e))
		finish(w, e, &w->found);
	else if (e->sys != ENXIO && e->sys != ENOENT && e->sys != ENODEV)
		finish(w, e, NULL);
	else if (w->flags & WAIT_LOOK_AGAIN)
		look_later(w);
}

static void try_open(struct device_wait *w, const struct device_found *found)
{
	struct job_opts opts = { .what = w->row->what, .deadline_ms = CLOCK_NEVER };
	struct err e = { 0 };

	if (w->opening) {
		w->flags |= WAIT_LOOK_AGAIN;
		return;
	}
	w->flags &= ~(unsigned int)WAIT_LOOK_AGAIN;
	w->found = *found;
	w->opening = job_start(w->monitor->loop, &opts, open_job, w, open_done, w, &e);
	if (!w->opening)
		finish(w, &e, NULL);
}

/* --- looking, and the end of the time --------------------------------------------------------- */

/* e: how far a search came that found nothing, too. */
static int look(struct device_wait *w, struct device_found *found, struct err *e)
{
	return device_look(w->monitor->sysroot, &w->need, found, e);
}

static void wait_look(struct deferred *d)
{
	struct device_wait *w = container_of(d, struct device_wait, look);
	struct device_found found;
	struct err e = { 0 };
	int r = look(w, &found, &e);

	if (r == 0)
		provoke(w);
	else if (r < 0)
		finish(w, &e, NULL);
	else if (w->row->open && !found.was_read)
		try_open(w, &found);
	else
		finish(w, &e, &found);
}

static void wait_expired(struct timer *t)
{
	struct device_wait *w = container_of(t, struct device_wait, deadline);
	struct device_found found;
	struct err e = { 0 }, err = { 0 };
	char text[160];
	struct str saw = STR_OVER(text);
	int r = look(w, &found, &e);

	if (r < 0 || (r == 1 && !*w->found.node)) {
		finish(w, &e, r == 1 ? &found : NULL);
		return;
	}
	if (err_is_set(&w->job_err))
		str_addf(&saw, "%.60s; ", w->job_err.msg);
	else if (r == 1)
		str_addf(&saw, "%s does not open; ", found.node);
	else if (err_is_set(&e))
		str_addf(&saw, "%.60s; ", e.msg);
	str_add(&saw, "saw: ");
	device_describe(w->monitor->sysroot, w->row->subsystem, &saw);
	err_set(&err, RC_DEADLINE_EXCEEDED, "device %.64s (%s): not there after %llu ms; %s",
		w->need.id, w->row->what, (unsigned long long)(clock_ms() - w->start_ms), text);
	finish(w, &err, NULL);
}

struct device_wait *device_wait_start(struct device_monitor *m, const struct device_need *need,
				      uint64_t deadline_ms, device_wait_fn fn, void *owner,
				      struct err *e)
{
	const struct device_row *row = device_row(need->kind);
	struct device_wait *w;

	if (!row) {
		err_set(e, RC_INTERNAL, "a wait without a device");
		return NULL;
	}
	w = mem_new(1, sizeof(*w));
	if (!w) {
		err_sys(e, ENOMEM, "device %s", need->id);
		return NULL;
	}
	w->monitor = m;
	w->row = row;
	w->need = *need;
	w->start_ms = clock_ms();
	w->fn = fn;
	w->owner = owner;
	list_append(&m->waits, &w->node);
	list_init(&w->look.node);
	timer_arm(m->loop, &w->deadline, deadline_ms, wait_expired);
	look_later(w);
	return w;
}
