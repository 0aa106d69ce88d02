/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's group: made with its limits and device rules before the first process is, changed
 * while it runs. All of it is done in jobs: the kernel may reclaim memory before it takes a limit.
 */
#include "container/resources.h"

#include <sys/stat.h>

#define RULES_ARENA (4u << 20)

/* --- device rules --- */

/* Hosts that take the rules out of a spec leave the nodes in it: those may be used. Where there are
 * rules they come later and decide. */
struct cgroup_device_rule *resources_device_rules(const struct spec *s,
						  const struct spec_resources *res, struct arena *a,
						  size_t *n)
{
	size_t n_defaults, n_rules = res ? res->n_devices : 0;
	const struct cgroup_device_rule *defaults = cgroup_device_defaults(&n_defaults);
	struct cgroup_device_rule *out = ARENA_ARRAY(a, struct cgroup_device_rule,
						     s->linux.n_devices + n_rules + n_defaults);

	*n = 0;
	if (!out)
		return NULL;
	for (size_t i = 0; i < s->linux.n_devices; i++) {
		const struct spec_device *d = &s->linux.devices[i];

		if (d->type == S_IFIFO)
			continue;
		out[(*n)++] = (struct cgroup_device_rule){ true, d->type == S_IFBLK ? 'b' : 'c',
							   d->major, d->minor, CGROUP_DEV_ALL };
	}
	for (size_t i = 0; i < n_rules; i++)
		out[(*n)++] = res->devices[i];
	for (size_t i = 0; i < n_defaults; i++)
		out[(*n)++] = defaults[i];
	return out;
}

/* A kernel without control of devices is no reason to refuse a container that says nothing of
 * them. */
static int set_devices(const struct cgroup_root *root, const char *path, const struct spec *s,
		       const struct spec_resources *res, unsigned int flags, struct err *e)
{
	struct arena a;
	struct cgroup_device_rule *rules;
	size_t n;
	int r;

	arena_init(&a, RULES_ARENA);
	rules = resources_device_rules(s, res, &a, &n);
	r = rules ? cgroup_devices_set(root, path, rules, n, flags, e)
		  : err_sys(e, ENOMEM, "device rules");
	arena_fini(&a);
	if (r < 0 && e->rc == RC_FAILED_PRECONDITION && !(res && res->n_devices)) {
		err_clear(e);
		return 0;
	}
	return r;
}

int resources_make(const struct container *c, struct err *e)
{
	const struct spec_resources *res = c->spec->linux.resources;
	const struct cgroup_root *root = c->host->cgroups;

	if (cgroup_create(root, c->cgroup_path, e) < 0)
		return -1;
	if (res && cgroup_limit(root, c->cgroup_path, &res->limits, e) < 0)
		return -1;
	return set_devices(root, c->cgroup_path, c->spec, res, 0, e);
}

/* --- update --- */

/*
 * Updates of one group take place in the order of their calls, so that the last one holds: the jobs of
 * two would write side by side. They end with the container: the next one may have the same group.
 */
struct update {
	struct list node;	/* updates */
	struct job *job;	/* NULL: it waits for its turn */
	const struct container *of;
	struct loop *loop;
	uint64_t deadline_ms;
	const struct cgroup_root *cgroups;
	const struct spec_resources *resources;
	char *path;
	struct arena arena;
	process_done_fn done;
	void *owner;
	struct cgroup_device_rule *rules;
	size_t n_rules;
};

/* Those that are under way, of all containers, by age. */
static struct list updates = { &updates, &updates };

static void update_free(struct update *u)
{
	if (!u)
		return;
	list_remove(&u->node);
	arena_fini(&u->arena);
	free(u);
}

static int update_job(void *arg, void *out UNUSED, size_t out_cap UNUSED, size_t *out_len UNUSED,
		      struct err *e)
{
	const struct update *u = arg;

	if (cgroup_limit(u->cgroups, u->path, &u->resources->limits, e) < 0)
		return -1;
	if (!u->n_rules)
		return 0;
	return cgroup_devices_set(u->cgroups, u->path, u->rules, u->n_rules, CGROUP_DEVICES_UPDATE,
				  e);
}

static void update_finish(struct update *u, const struct err *e)
{
	process_done_fn done = u->done;
	void *owner = u->owner;

	update_free(u);
	done(owner, e);
}

static struct update *update_of(const char *path, bool runs)
{
	struct update *u;

	LIST_EACH(u, &updates, struct update, node)
		if (!u->job == !runs && str_eq(u->path, path))
			return u;
	return NULL;
}

static int update_run(struct update *u, struct err *e);

/* Those that waited for the one that ran. */
static void update_next(const char *path)
{
	struct update *next;

	while (!update_of(path, true) && (next = update_of(path, false))) {
		struct err failed = { 0 };

		if (update_run(next, &failed) < 0)
			update_finish(next, &failed);
	}
}

static void update_done(void *owner, const struct err *e, const void *out UNUSED,
			size_t out_len UNUSED)
{
	struct update *u = owner;

	u->job = NULL;
	list_remove(&u->node);
	update_next(u->path);
	update_finish(u, e);
}

static int update_run(struct update *u, struct err *e)
{
	const struct job_opts opts = { .what = "set limits",
				       .deadline_ms = u->deadline_ms,
				       .keep_fds = &u->cgroups->fd,
				       .n_keep_fds = 1 };

	u->job = job_start(u->loop, &opts, update_job, u, update_done, u, e);
	return u->job ? 0 : -1;
}

/* Without rules those that hold stay. */
static struct update *update_new(const struct container *c, const struct spec_resources *res)
{
	struct update *u = mem_new(1, sizeof(*u));

	if (!u)
		return NULL;
	arena_init(&u->arena, RULES_ARENA);
	list_append(&updates, &u->node);
	u->of = c;
	u->loop = c->host->loop;
	u->cgroups = c->host->cgroups;
	u->resources = res;
	u->path = arena_strdup(&u->arena, c->cgroup_path);
	if (res->n_devices)
		u->rules = resources_device_rules(c->spec, res, &u->arena, &u->n_rules);
	if (u->path && (u->rules || !res->n_devices))
		return u;
	update_free(u);
	return NULL;
}

static struct update *update_start(struct container *c, const struct spec_resources *res,
				   uint64_t deadline_ms, struct err *e)
{
	struct update *u;

	if (container_allows(c, CONTAINER_DO_UPDATE, e) < 0)
		return NULL;
	if (!c->cgroup_path) {
		err_set(e, RC_FAILED_PRECONDITION, "container %s has no cgroup", c->id);
		return NULL;
	}
	u = update_new(c, res);
	if (!u) {
		err_sys(e, ENOMEM, "set limits");
		return NULL;
	}
	u->deadline_ms = deadline_ms;
	c->has_cpuset = c->has_cpuset || !str_empty(res->limits.cpus);
	if (update_of(u->path, true) || update_run(u, e) == 0)
		return u;
	update_free(u);
	return NULL;
}

void container_update(struct container *c, const struct spec_resources *res, uint64_t deadline_ms,
		      process_done_fn done, void *owner)
{
	struct err e = { 0 };
	struct update *u = update_start(c, res, deadline_ms, &e);

	if (!u) {
		done(owner, &e);
		return;
	}
	u->done = done;
	u->owner = owner;
}

static struct update *update_for(const struct container *c)
{
	struct update *u;

	LIST_EACH(u, &updates, struct update, node)
		if (u->of == c)
			return u;
	return NULL;
}

void resources_forget(const struct container *c)
{
	struct update *u;

	while ((u = update_for(c))) {
		struct err e = { 0 };

		err_set(&e, RC_FAILED_PRECONDITION, "container %s is being removed", c->id);
		if (u->job)
			job_cancel(TAKE_PTR(u->job));
		update_finish(u, &e);
	}
	if (c->cgroup_path) /* others' that have the same group */
		update_next(c->cgroup_path);
}
