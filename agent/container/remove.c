/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way to a container's end, as steps: kill, wait for the reaper and for the cgroup to be
 * empty, remove the cgroup, remove the bundle. Waiting is looking again: at once when a process of
 * ours was reaped, else after a pause that grows (strangers in the cgroup die without telling us).
 * Each look kills again, since a process may have forked away from the last time.
 *
 * A removal that was begun goes on; the one who asked may stop waiting at the deadline and ask
 * again.
 */
#include "container/remove.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "container/hooks_job.h"
#include "container/resources.h"

#define POLL_FIRST_MS	1
#define POLL_MOST_MS	100

static struct container *container_of_steps(struct steps *s)
{
	return container_of(s, struct container, steps);
}

static void look_again(struct container *c, timer_fn fn)
{
	c->poll_ms = MIN(c->poll_ms ? 2 * c->poll_ms : POLL_FIRST_MS, (uint32_t)POLL_MOST_MS);
	timer_arm(c->host->loop, &c->poll, clock_after(c->poll_ms), fn);
}

/* --- steps --- */

static void kill_everything(struct container *c)
{
	struct process *p;

	LIST_EACH(p, &c->processes, struct process, node)
		process_kill(p);
	if (!c->cgroup_path)
		return;
	cgroup_kill(c->host->cgroups, c->cgroup_path);
	/* frozen processes of version 1 die when they thaw */
	if (c->state == CONTAINER_PAUSED || c->paused_from)
		cgroup_freeze(c->host->cgroups, c->cgroup_path, 0);
}

static bool somebody_lives(struct container *c)
{
	struct process *p;

	LIST_EACH(p, &c->processes, struct process, node)
		if (process_is_live(p))
			return true;
	return c->cgroup_path && cgroup_populated(c->host->cgroups, c->cgroup_path) == 1;
}

static void reap_look(struct timer *t)
{
	struct container *c = container_of(t, struct container, poll);
	struct err none = { 0 };

	if (!somebody_lives(c)) {
		timer_cancel(&c->poll);
		steps_resume(&c->steps, &none);
		return;
	}
	kill_everything(c);
	look_again(c, reap_look);
}

static enum step_result remove_processes(struct steps *s, struct err *e UNUSED)
{
	struct container *c = container_of_steps(s);

	if (!somebody_lives(c))
		return STEP_DONE;
	kill_everything(c);
	look_again(c, reap_look);
	return STEP_PARK;
}

/* --- the cgroup: a group that is empty goes at once; groups that the container made below it are a
 * job's work, since there may be any number of them --- */

static void cgroup_look(struct timer *t);

static int nested_job(void *arg, void *out, size_t out_cap UNUSED, size_t *out_len, struct err *e)
{
	const struct container *c = arg;
	int r = cgroup_remove(c->host->cgroups, c->cgroup_path);

	*(bool *)out = r == -EBUSY;
	*out_len = sizeof(bool);
	if (r == 0 || r == -EBUSY)
		return 0;
	return err_sys(e, -r, "remove cgroup %s", c->cgroup_path);
}

static void nested_done(void *owner, const struct err *e, const void *out, size_t out_len)
{
	struct container *c = owner;

	c->job = NULL;
	if (!err_is_set(e) && out_len == sizeof(bool) && *(const bool *)out) {
		kill_everything(c);
		look_again(c, cgroup_look);
		return;
	}
	steps_resume(&c->steps, e);
}

/* 0: it is gone; 1: later; -1 with e. The kernel counts a reaped process a moment longer. */
static int try_remove(struct container *c, struct err *e)
{
	struct job_opts opts = { .what = "remove cgroups",
				 .deadline_ms = CLOCK_NEVER,
				 .keep_fds = &c->host->cgroups->fd,
				 .n_keep_fds = 1,
				 .out_max = sizeof(bool) };
	int r = cgroup_remove_leaf(c->host->cgroups, c->cgroup_path);

	if (r == -EBUSY && !cgroup_has_groups(c->host->cgroups, c->cgroup_path)) {
		kill_everything(c);
		look_again(c, cgroup_look);
		return 1;
	}
	if (r == -EBUSY) {
		c->job = job_start(c->host->loop, &opts, nested_job, c, nested_done, c, e);
		return c->job ? 1 : -1;
	}
	return r < 0 ? err_sys(e, -r, "remove cgroup %s", c->cgroup_path) : 0;
}

static void cgroup_look(struct timer *t)
{
	struct container *c = container_of(t, struct container, poll);
	struct err e = { 0 };

	if (try_remove(c, &e) <= 0)
		steps_resume(&c->steps, &e);
}

static enum step_result remove_cgroup(struct steps *s, struct err *e)
{
	struct container *c = container_of_steps(s);
	int r;

	if (!c->cgroup_path)
		return STEP_DONE;
	oom_look(c);
	oom_stop(c);
	r = try_remove(c, e);
	return r < 0 ? STEP_FAIL : r ? STEP_PARK : STEP_DONE;
}

/* What a storage put there is the sandbox's to take away, and the directories with it. */
static enum step_result remove_bundle(struct steps *s, struct err *e UNUSED)
{
	struct container *c = container_of_steps(s);
	const char *rootfs = path_join(&c->plan_arena, c->bundle, "rootfs");

	if (rootfs && (rmdir(rootfs) == 0 || errno == ENOENT))
		rmdir(c->bundle);
	return STEP_DONE;
}

/* A job that died takes nothing along. */
static void poststop_done(struct container *c, const struct err *e)
{
	struct err none = { 0 };

	if (err_is_set(e))
		log_warn("hooks", "container %s: %s", c->id, e->msg);
	steps_resume(&c->steps, &none);
}

/* When nothing is left of it, and only of what was once created or came to the hooks before that
 * (runtime-spec, Lifecycle: one that fails there goes on with the deletion). */
static enum step_result run_poststop(struct steps *s, struct err *e UNUSED)
{
	struct container *c = container_of_steps(s);
	struct err failed = { 0 };

	if ((c->state != CONTAINER_REMOVING && !c->hooks_begun) ||
	    !hooks_job_due(c, HOOKS_POSTSTOP))
		return STEP_DONE;
	if (hooks_job_start(c, HOOKS_POSTSTOP, 0, poststop_done, &failed) == 0)
		return STEP_PARK;
	log_warn("hooks", "container %s: %s", c->id, failed.msg);
	return STEP_DONE;
}

static const struct step remove_steps[] = {
	{ "processes", remove_processes, NULL },
	{ "cgroup", remove_cgroup, NULL },
	{ "bundle", remove_bundle, NULL },
	{ "hooks", run_poststop, NULL },
	{ 0 },
};

/* --- beginning and end --- */

static void finished(struct steps *s)
{
	struct container *c = container_of_steps(s);
	struct process *p;

	timer_cancel(&c->poll);
	arena_fini(&c->plan_arena);
	auto_close(&c->cgroup_fd);
	LIST_EACH(p, &c->processes, struct process, node)
		streams_close(&p->streams);
	c->clearing = false;
	c->cleared(c);
}

void remove_start(struct container *c, void (*cleared)(struct container *c))
{
	struct err e = { 0 };

	if (c->job) {	/* poststart hooks: there is nothing any more that they come after */
		job_cancel(TAKE_PTR(c->job));
		c->hooks = NULL;
		err_set(&e, RC_CANCELLED, "container %s is being removed", c->id);
		process_started(c->init, &e);
	}
	resources_forget(c);
	c->clearing = true;
	c->cleared = cleared;
	steps_start(&c->steps, remove_steps, finished);
}

void container_process_gone(struct container *c)
{
	if (c->clearing && c->poll.loop && c->poll.fn == reap_look)
		timer_arm(c->host->loop, &c->poll, 0, reap_look);
}

static void tell(struct container *c, const struct err *e)
{
	process_done_fn done = TAKE_PTR(c->done);

	timer_cancel(&c->deadline);
	if (done)
		done(c->done_owner, e);
}

static void removed(struct container *c)
{
	struct err e = c->steps.err;

	c->removed = !err_is_set(&e);
	tell(c, &e);
}

static void on_late(struct timer *t)
{
	struct container *c = container_of(t, struct container, deadline);
	struct err e = { 0 };

	err_set(&e, RC_DEADLINE_EXCEEDED, "container %s: its processes do not end", c->id);
	tell(c, &e);
}

static void begin(struct deferred *d)
{
	struct container *c = container_of(d, struct container, kick);

	if (c->removed)
		removed(c);
	else if (!c->clearing)
		remove_start(c, removed);
}

void container_remove(struct container *c, uint64_t deadline_ms, process_done_fn done, void *owner)
{
	struct err e = { 0 };

	if (container_allows(c, CONTAINER_DO_REMOVE, &e) == 0 && c->done)
		err_set(&e, RC_FAILED_PRECONDITION, "container %s is being removed", c->id);
	if (err_is_set(&e)) {
		done(owner, &e);
		return;
	}
	freeze_abort(c, "is being removed");
	c->state = CONTAINER_REMOVING;
	c->done = done;
	c->done_owner = owner;
	timer_arm(c->host->loop, &c->deadline, deadline_ms, on_late);
	loop_defer(c->host->loop, &c->kick, begin);
}
