/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's life: the object, making it (a table of steps), starting, killing. Pausing is in
 * freeze.c, limits in resources.c. How it is cleared away, after a failure or by removal, is in remove.c: there is one way to the end.
 */
#include "container/container.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "container/hooks_job.h"
#include "container/remove.h"
#include "container/resources.h"

#define DIR_MODE	0755

/* --- the object --- */

/* A container's is a directory's name, too, and no option's or hidden file's. */
static bool id_is_good(const char *id)
{
	return process_id_is_good(id) && id[1] && !strchr("_.-", id[0]);
}

static int fill(struct container *c, const struct container_host *h, const char *id, struct err *e)
{
	c->host = h;
	c->cgroup_fd = -1;
	oom_init(&c->oom);
	list_init(&c->node);
	list_init(&c->processes);
	list_init(&c->kick.node);
	arena_init(&c->arena, CONTAINER_ARENA_MAX);
	arena_init(&c->kept, CONTAINER_ARENA_MAX);
	arena_init(&c->plan_arena, CONTAINER_ARENA_MAX);
	c->id = arena_strdup(&c->kept, id);
	c->spec = spec_new(&c->arena);
	c->bundle = path_join(&c->kept, h->run_dir, id);
	if (!c->id || !c->spec || !c->bundle)
		return err_sys(e, ENOMEM, "container %s", id);
	c->init = process_new_first(c, e);
	return c->init ? 0 : -1;
}

struct container *container_new(const struct container_host *h, const char *id, struct err *e)
{
	struct container *c;

	if (str_empty(id) || !id_is_good(id)) {
		err_set(e, RC_INVALID_ARGUMENT, "bad container id");
		return NULL;
	}
	c = mem_new(1, sizeof(*c));
	if (!c) {
		err_sys(e, ENOMEM, "container %s", id);
		return NULL;
	}
	if (fill(c, h, id, e) < 0) {
		container_free(c);
		return NULL;
	}
	return c;
}

void container_free(struct container *c)
{
	if (!c)
		return;
	freeze_abort(c, "is gone");
	oom_stop(c);
	timer_cancel(&c->poll);
	timer_cancel(&c->deadline);
	deferred_cancel(&c->kick);
	if (c->job)
		job_cancel(c->job);
	while (!list_empty(&c->processes))
		process_free(container_of(c->processes.next, struct process, node));
	if (c->front && c->front->gone)
		c->front->gone(c);
	auto_close(&c->cgroup_fd);
	arena_fini(&c->plan_arena);
	arena_fini(&c->arena);
	arena_fini(&c->kept);
	free(c);
}

const char *container_annotation(const struct container *c, const char *key)
{
	return spec_pairs_get(&c->spec->annotations, key);
}

/* --- create --- */

static struct container *container_of_steps(struct steps *s)
{
	return container_of(s, struct container, steps);
}

static bool has_cgroups(const struct container *c)
{
	return c->host->cgroups && c->host->cgroups->version != CGROUP_VERSION_NONE;
}

static enum step_result result(int r)
{
	return r < 0 ? STEP_FAIL : STEP_DONE;
}

static enum step_result create_spec(struct steps *s, struct err *e)
{
	struct container *c = container_of_steps(s);

	c->init->spec = c->spec->process;
	return result(spec_validate(c->spec, e));
}

/* On the run directory's tmpfs: nothing to wait for. */
static enum step_result create_bundle(struct steps *s, struct err *e)
{
	struct container *c = container_of_steps(s);
	const char *rootfs = path_join(&c->plan_arena, c->bundle, "rootfs");

	if (!rootfs)
		return result(err_set(e, RC_RESOURCE_EXHAUSTED, "no memory"));
	if (mkdir(c->bundle, DIR_MODE) < 0 && errno != EEXIST)
		return result(err_sys(e, errno, "mkdir %s", c->bundle));
	if (mkdir(rootfs, DIR_MODE) < 0 && errno != EEXIST)
		return result(err_sys(e, errno, "mkdir %s", rootfs));
	return STEP_DONE;
}

static int cgroup_job(void *arg, void *out UNUSED, size_t out_cap UNUSED, size_t *out_len UNUSED,
		      struct err *e)
{
	return resources_make(arg, e);
}

static void cgroup_done(void *owner, const struct err *e, const void *out UNUSED,
			size_t out_len UNUSED)
{
	struct container *c = owner;
	struct err failed = *e;

	c->job = NULL;
	if (!err_is_set(&failed) && c->host->cgroups->version == CGROUP_VERSION_2) {
		c->cgroup_fd = cgroup_open(c->host->cgroups, c->cgroup_path, 0);
		if (c->cgroup_fd < 0)
			err_sys(&failed, -c->cgroup_fd, "open %s", c->cgroup_path);
		fd_park(&c->cgroup_fd);
	}
	if (!err_is_set(&failed))
		oom_start(c);
	steps_resume(&c->steps, &failed);
}

static enum step_result create_cgroup(struct steps *s, struct err *e)
{
	struct container *c = container_of_steps(s);
	struct job_opts opts = { .what = "make the cgroup",
				 .deadline_ms = CLOCK_NEVER,
				 .n_keep_fds = 1 };

	if (!has_cgroups(c))
		return STEP_DONE;
	opts.keep_fds = &c->host->cgroups->fd;
	c->has_cpuset = c->spec->linux.resources &&
			!str_empty(c->spec->linux.resources->limits.cpus);
	c->cgroup_path = cgroup_path_of_spec(c->host->cgroups, &c->kept,
					     c->spec->linux.cgroups_path, c->id, e);
	if (!c->cgroup_path)
		return STEP_FAIL;
	c->job = job_start(c->host->loop, &opts, cgroup_job, c, cgroup_done, c, e);
	return c->job ? STEP_PARK : STEP_FAIL;
}

static enum step_result create_rootfs(struct steps *s, struct err *e)
{
	struct container *c = container_of_steps(s);
	const struct cgroup_root *cg = c->host->cgroups;
	const struct rootfs_facts facts = {
		.cgroup2 = !has_cgroups(c) || cg->version == CGROUP_VERSION_2,
		.user_ns = c->spec->linux.ns[NS_USER].want,
		.kcore = access("/proc/kcore", F_OK) == 0,
		.cgroup_path = c->cgroup_path,
		.controllers = has_cgroups(c) ? cg->controllers : 0,
		.run_dir = c->host->run_dir,
	};

	plan_init(&c->rootfs, &c->plan_arena);
	return result(rootfs_plan(c->spec, &facts, &c->rootfs, e));
}

static void process_done(void *owner, const struct err *e)
{
	struct container *c = owner;

	steps_resume(&c->steps, e);
}

static enum step_result create_process(struct steps *s, struct err *e)
{
	struct container *c = container_of_steps(s);
	const char *rootfs = path_join(&c->plan_arena, c->bundle, "rootfs");

	if (!rootfs)
		return result(err_set(e, RC_RESOURCE_EXHAUSTED, "no memory"));
	process_create(c->init, &c->rootfs, rootfs, c->deadline_ms, process_done, c);
	return STEP_PARK;
}

static const struct step create_steps[] = {
	{ "spec", create_spec, NULL },
	{ "bundle", create_bundle, NULL },
	{ "cgroup", create_cgroup, NULL },
	{ "rootfs", create_rootfs, NULL },
	{ "process", create_process, NULL },
	{ 0 },
};

static void tell(struct container *c, const struct err *e)
{
	process_done_fn done = TAKE_PTR(c->done);

	if (done)
		done(c->done_owner, e);
}

static void create_cleared(struct container *c)
{
	tell(c, &c->failed);
}

static void create_undo(struct deferred *d)
{
	remove_start(container_of(d, struct container, kick), create_cleared);
}

/* Without memory for what is kept the whole stays. */
static void keep_spec(struct container *c)
{
	struct spec *kept = spec_keep(&c->kept, c->spec);

	if (!kept)
		return;
	c->spec = kept;
	c->init->spec = kept->process;
	c->init->stage.process = kept->process;
	c->init->stage.spec = kept;
	arena_fini(&c->arena);
}

/* For who wants to know where the time goes. */
static void tell_times(const struct container *c)
{
	char text[256];
	struct str s = STR_OVER(text);

	if (log_get_level() < LOG_DEBUG)
		return;
	steps_tell_times(&c->steps, &s);
	log_debug("container", "make %s: %s", c->id, text);
}

/* The undo is not begun here: the process that failed is still on the stack. */
static void create_finished(struct steps *s)
{
	struct container *c = container_of_steps(s);

	timer_cancel(&c->deadline);
	arena_fini(&c->plan_arena);
	if (c->job) {	/* prestart hooks, of a process that died meanwhile */
		job_cancel(TAKE_PTR(c->job));
		c->hooks = NULL;
	}
	if (err_is_set(&s->err)) {
		c->failed = s->err;
		loop_defer(c->host->loop, &c->kick, create_undo);
		return;
	}
	c->state = CONTAINER_CREATED;
	tell_times(c);
	keep_spec(c);
	tell(c, &s->err);
}

/* Only the cgroup's job has no deadline of its own. */
static void create_late(struct timer *t)
{
	struct container *c = container_of(t, struct container, deadline);
	struct err e = { 0 };

	if (!c->job || c->hooks)
		return;
	job_cancel(TAKE_PTR(c->job));
	err_set(&e, RC_DEADLINE_EXCEEDED, "not made in time");
	steps_resume(&c->steps, &e);
}

const struct err *container_failure(const struct container *c)
{
	if (err_is_set(&c->failed))
		return &c->failed;
	return err_is_set(&c->init->failed) ? &c->init->failed : NULL;
}

static void create_begin(struct deferred *d)
{
	struct container *c = container_of(d, struct container, kick);

	steps_start(&c->steps, create_steps, create_finished);
}

void container_create(struct container *c, uint64_t deadline_ms, process_done_fn done, void *owner)
{
	c->deadline_ms = deadline_ms;
	c->done = done;
	c->done_owner = owner;
	timer_arm(c->host->loop, &c->deadline, deadline_ms, create_late);
	loop_defer(c->host->loop, &c->kick, create_begin);
}

/* --- start, and what the first process does --- */

/* The process that waits for them is of no use any more when one failed. */
static void prestart_done(struct container *c, const struct err *e)
{
	if (!err_is_set(e)) {
		spawn_hooks_done(&c->init->spawn);
		return;
	}
	c->init->failed = *e;
	process_kill(c->init);
}

void container_prestart(struct container *c, pid_t pid)
{
	struct err e = { 0 };

	c->hooks_begun = true;
	if (!hooks_job_due(c, HOOKS_BEFORE_PIVOT) ||
	    hooks_job_start(c, HOOKS_BEFORE_PIVOT, pid, prestart_done, &e) < 0)
		prestart_done(c, &e);
}

void container_start(struct container *c, uint64_t deadline_ms, process_done_fn done, void *owner)
{
	struct err e = { 0 };

	if (container_allows(c, CONTAINER_DO_START, &e) == 0 && c->init->state != PROCESS_CREATED)
		err_set(&e, RC_FAILED_PRECONDITION, "container %s is being started", c->id);
	if (err_is_set(&e))
		done(owner, &e);
	else
		process_start(c->init, deadline_ms, done, owner);
}

static bool is_paused(const struct container *c)
{
	return c->state == CONTAINER_PAUSING || c->state == CONTAINER_PAUSED ||
	       c->state == CONTAINER_RESUMING;
}

/* They change nothing any more: what failed has been logged, a job that died is. */
static void poststart_done(struct container *c, const struct err *e)
{
	struct err none = { 0 };

	if (err_is_set(e))
		log_warn("hooks", "container %s: %s", c->id, e->msg);
	process_started(c->init, &none);
}

bool container_init_started(struct container *c)
{
	struct err e = { 0 };

	if (c->state == CONTAINER_CREATED)
		c->state = CONTAINER_RUNNING;
	else if (is_paused(c) && c->paused_from == CONTAINER_CREATED)
		c->paused_from = CONTAINER_RUNNING;
	else
		return false;
	if (!hooks_job_due(c, HOOKS_POSTSTART))
		return false;
	if (hooks_job_start(c, HOOKS_POSTSTART, c->init->pid, poststart_done, &e) < 0)
		poststart_done(c, &e);
	return true;
}

void container_init_exited(struct container *c)
{
	oom_look(c);
	freeze_abort(c, "has ended meanwhile");
	if (c->state != CONTAINER_REMOVING)
		c->state = CONTAINER_STOPPED;
}

/* --- signals to all --- */

int container_kill_all(struct container *c, struct err *e)
{
	struct process *p;
	int r;

	if (container_allows(c, CONTAINER_DO_SIGNAL, e) < 0)
		return -1;
	LIST_EACH(p, &c->processes, struct process, node)
		process_kill(p);
	r = c->cgroup_path ? cgroup_kill(c->host->cgroups, c->cgroup_path) : 0;
	if (c->cgroup_path)
		freeze_killed(c);
	return r < 0 ? err_sys(e, -r, "kill the processes of container %s", c->id) : 0;
}
