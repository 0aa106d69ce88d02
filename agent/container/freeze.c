/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pause and resume. The kernel is asked, and the answer waits until it is so: version 2 tells by
 * cgroup.events, version 1 is looked at again after a pause that grows, and told again, since a
 * process that was made meanwhile may have slipped through. What cannot be frozen in time is thawed
 * again: a container is paused as a whole or runs as a whole.
 */
#include "container/freeze.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "container/container.h"

#define LOOK_FIRST_MS 1
#define LOOK_MOST_MS  100

static bool wants_frozen(const struct container *c)
{
	return c->state == CONTAINER_PAUSING;
}

static int ask(struct container *c, int frozen)
{
	return cgroup_freeze(c->host->cgroups, c->cgroup_path, frozen);
}

static void stop_looking(struct container *c)
{
	int fd = c->freeze.watch.loop ? c->freeze.watch.fd : -1;

	timer_cancel(&c->freeze.look);
	timer_cancel(&c->freeze.deadline);
	watch_del(&c->freeze.watch);
	auto_close(&fd);
}

static void finish(struct container *c, enum container_state state, const struct err *e)
{
	process_done_fn done = TAKE_PTR(c->freeze.done);

	stop_looking(c);
	c->state = state;
	done(c->freeze.owner, e);
}

/* Back to what was. */
static void fail(struct container *c, const struct err *e)
{
	bool pausing = wants_frozen(c);

	(void)ask(c, !pausing);
	finish(c, pausing ? c->paused_from : CONTAINER_PAUSED, e);
}

static void on_late(struct timer *t)
{
	struct container *c = container_of(t, struct container, freeze.deadline);
	struct err e = { 0 };

	err_set(&e, RC_DEADLINE_EXCEEDED, "container %s: its processes do not %s in time", c->id,
		wants_frozen(c) ? "freeze" : "thaw");
	fail(c, &e);
}

static void look(struct timer *t)
{
	struct container *c = container_of(t, struct container, freeze.look);
	struct freeze *f = &c->freeze;
	int r = cgroup_frozen(c->host->cgroups, c->cgroup_path);
	struct err e = { 0 };

	if (r < 0 && r != -EINPROGRESS) {
		err_sys(&e, -r, "look whether container %s is frozen", c->id);
		fail(c, &e);
	} else if (clock_ms() >= f->deadline.at_ms) { /* who asked was told so, or will be */
		on_late(&f->deadline);
	} else if (r == wants_frozen(c)) {
		finish(c, wants_frozen(c) ? CONTAINER_PAUSED : c->paused_from, &e);
	} else if (!f->watch.loop) {
		(void)ask(c, wants_frozen(c));
		f->look_ms = MIN(2 * f->look_ms, (uint32_t)LOOK_MOST_MS);
		timer_arm(c->host->loop, t, clock_after(f->look_ms), look);
	}
}

/* The file must be read for the next change to be told. */
static void on_event(struct watch *w, uint32_t events UNUSED)
{
	struct container *c = container_of(w, struct container, freeze.watch);
	char text[256];

	if (pread(w->fd, text, sizeof(text), 0) <= 0) { /* the group is gone */
		int fd = w->fd;

		watch_del(w);
		close(fd);
	}
	look(&c->freeze.look);
}

static int watch_events(struct container *c)
{
	AUTO_FD fd = openat(c->cgroup_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	char text[256];
	int r;

	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text)) < 0)
		return -errno;
	r = watch_add(c->host->loop, &c->freeze.watch, fd, EPOLLPRI, on_event);
	if (r == 0)
		TAKE_FD(fd);
	return r;
}

static int begin(struct container *c, enum container_verb verb, struct err *e)
{
	int r;

	if (container_allows(c, verb, e) < 0)
		return -1;
	if (!c->cgroup_path)
		return err_set(e, RC_FAILED_PRECONDITION, "container %s has no cgroup", c->id);
	r = c->cgroup_fd >= 0 ? watch_events(c) : 0;
	if (r == 0)
		r = ask(c, verb == CONTAINER_DO_PAUSE);
	if (r == 0)
		return 0;
	stop_looking(c);
	if (r == -ENODEV)
		return err_set(e, RC_FAILED_PRECONDITION, "the kernel has no freezer");
	return err_sys(e, -r, "freeze or thaw container %s", c->id);
}

static void change(struct container *c, enum container_verb verb, uint64_t deadline_ms,
		   process_done_fn done, void *owner)
{
	struct freeze *f = &c->freeze;
	struct err e = { 0 };

	if (begin(c, verb, &e) < 0) {
		done(owner, &e);
		return;
	}
	f->done = done;
	f->owner = owner;
	f->look_ms = LOOK_FIRST_MS;
	if (verb == CONTAINER_DO_PAUSE)
		c->paused_from = c->state;
	c->state = verb == CONTAINER_DO_PAUSE ? CONTAINER_PAUSING : CONTAINER_RESUMING;
	timer_arm(c->host->loop, &f->deadline, deadline_ms, on_late);
	timer_arm(c->host->loop, &f->look, 0, look);
}

void container_pause(struct container *c, uint64_t deadline_ms, process_done_fn done, void *owner)
{
	change(c, CONTAINER_DO_PAUSE, deadline_ms, done, owner);
}

void container_resume(struct container *c, uint64_t deadline_ms, process_done_fn done, void *owner)
{
	change(c, CONTAINER_DO_RESUME, deadline_ms, done, owner);
}

void freeze_abort(struct container *c, const char *why)
{
	struct err e = { 0 };

	if (!c->freeze.done)
		return;
	err_set(&e, RC_FAILED_PRECONDITION, "container %s %s", c->id, why);
	fail(c, &e);
}

void freeze_killed(struct container *c)
{
	if (c->host->cgroups->version != CGROUP_VERSION_1)
		return;
	freeze_abort(c, "was killed meanwhile");
	if (c->state == CONTAINER_PAUSED && ask(c, 0) == 0)
		c->state = c->paused_from;
}
