/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container has used: a job reads the files of its group and of its network, whose sums the
 * kernel may have to make first, and the texts are understood here.
 */
#include "container/stats.h"

#include <fcntl.h>
#include <stdio.h>

#include "container/container.h"

#define ARENA_BYTES (2u << 20)
#define NET_DEV     "net/dev"

/* Stands on its own: the container may be gone before the job is. */
struct reading {
	const struct cgroup_root *cgroups;
	struct arena arena;
	char *path;
	char net_dev[32];
	container_stats_fn done;
	void *owner;
};

static void reading_free(struct reading *r)
{
	if (r)
		arena_fini(&r->arena);
	free(r);
}

static int read_job(void *arg, void *out, size_t out_cap, size_t *out_len, struct err *e)
{
	const struct reading *r = arg;
	struct stat_texts t = { .buf = out, .cap = out_cap };
	int c;

	stat_texts_add(&t, AT_FDCWD, r->net_dev, NET_DEV);
	c = cgroup_stats_collect(r->cgroups, r->path, &t);
	*out_len = t.len;
	return c < 0 ? err_sys(e, -c, "read the counters of cgroup %s", r->path) : 0;
}

static void read_done(void *owner, const struct err *failed, const void *out, size_t out_len)
{
	struct reading *r = owner;
	struct container_stats s = { 0 };
	struct err e = *failed;
	int c = 0;

	if (!err_is_set(&e))
		c = cgroup_stats_parse(r->cgroups->version, out, out_len, &r->arena, &s.cgroup);
	if (!err_is_set(&e) && c == 0)
		c = net_links_parse(stat_texts_get(out, out_len, NET_DEV), &r->arena, &s.links,
				    &s.n_links);
	if (c < 0)
		err_sys(&e, -c, "counters of cgroup %s", r->path);
	r->done(r->owner, &e, &s);
	reading_free(r);
}

/* A container without a network of its own has the guest's. */
static struct reading *reading_new(const struct container *c)
{
	bool own = c->spec->linux.ns[NS_NET].want && c->init->state != PROCESS_EXITED &&
		   c->init->pid > 0;
	struct reading *r = mem_new(1, sizeof(*r));

	if (!r)
		return NULL;
	arena_init(&r->arena, ARENA_BYTES);
	r->cgroups = c->host->cgroups;
	r->path = arena_strdup(&r->arena, c->cgroup_path);
	if (own)
		snprintf(r->net_dev, sizeof(r->net_dev), "/proc/%d/net/dev", (int)c->init->pid);
	else if (!c->spec->linux.ns[NS_NET].want)
		snprintf(r->net_dev, sizeof(r->net_dev), "/proc/self/net/dev");
	if (r->path)
		return r;
	reading_free(r);
	return NULL;
}

static struct reading *reading_start(struct container *c, uint64_t deadline_ms, struct err *e)
{
	struct job_opts opts = { .what = "read counters",
				 .deadline_ms = deadline_ms,
				 .n_keep_fds = 1,
				 .out_max = JOB_OUT_MAX };
	struct reading *r;

	if (container_allows(c, CONTAINER_DO_STATS, e) < 0)
		return NULL;
	if (!c->cgroup_path) {
		err_set(e, RC_FAILED_PRECONDITION, "container %s has no cgroup", c->id);
		return NULL;
	}
	opts.keep_fds = &c->host->cgroups->fd;
	r = reading_new(c);
	if (!r)
		err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	else if (job_start(c->host->loop, &opts, read_job, r, read_done, r, e))
		return r;
	reading_free(r);
	return NULL;
}

void container_stats(struct container *c, uint64_t deadline_ms, container_stats_fn done,
		     void *owner)
{
	const struct container_stats none = { 0 };
	struct err e = { 0 };
	struct reading *r = reading_start(c, deadline_ms, &e);

	if (!r) {
		done(owner, &e, &none);
		return;
	}
	r->done = done;
	r->owner = owner;
}
