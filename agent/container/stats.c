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
#define MEMINFO	    "meminfo"

/* Stands on its own: the container may be gone before the job is. */
struct reading {
	bool all; /* of the whole machine: the root's group counts no memory */
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
	if (r->all)
		stat_texts_add(&t, AT_FDCWD, "/proc/meminfo", MEMINFO);
	c = cgroup_stats_collect(r->cgroups, r->path, &t);
	*out_len = t.len;
	return c < 0 ? err_sys(e, -c, "read the counters of cgroup %s", r->path ? r->path : "/") : 0;
}

/* "MemFree:   123 kB" in bytes; 0 when there is no such line. */
static uint64_t meminfo(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) * 1024 : 0;
}

static void add_memory(const char *text, struct cgroup_stats *out)
{
	uint64_t total = meminfo(text, "MemTotal:"), free_bytes = meminfo(text, "MemFree:");

	out->memory.usage = total - MIN(total, free_bytes);
	out->memory.limit = total;
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
	if (!err_is_set(&e) && r->all)
		add_memory(stat_texts_get(out, out_len, MEMINFO), &s.cgroup);
	if (c < 0)
		err_sys(&e, -c, "counters of cgroup %s", r->path ? r->path : "/");
	r->done(r->owner, &e, &s);
	reading_free(r);
}

/* A container without a network of its own has the guest's. NULL: the whole machine. */
static struct reading *reading_new(const struct container_host *h, const struct container *c)
{
	bool own = c && c->spec->linux.ns[NS_NET].want;
	struct reading *r = mem_new(1, sizeof(*r));

	if (!r)
		return NULL;
	arena_init(&r->arena, ARENA_BYTES);
	r->all = !c;
	r->cgroups = h->cgroups;
	r->path = c ? arena_strdup(&r->arena, c->cgroup_path) : NULL;
	if (!own)
		snprintf(r->net_dev, sizeof(r->net_dev), "/proc/self/net/dev");
	else if (c->init->state != PROCESS_EXITED && c->init->pid > 0)
		snprintf(r->net_dev, sizeof(r->net_dev), "/proc/%d/net/dev", (int)c->init->pid);
	if (r->path || !c)
		return r;
	reading_free(r);
	return NULL;
}

static void reading_start(const struct container_host *h, const struct container *c,
			  uint64_t deadline_ms, container_stats_fn done, void *owner)
{
	const struct container_stats none = { 0 };
	struct job_opts opts = { .what = "read counters",
				 .deadline_ms = deadline_ms,
				 .keep_fds = &h->cgroups->fd,
				 .n_keep_fds = 1,
				 .out_max = JOB_OUT_MAX };
	struct reading *r = reading_new(h, c);
	struct err e = { 0 };

	if (!r) {
		err_set(&e, RC_RESOURCE_EXHAUSTED, "no memory");
	} else {
		r->done = done;
		r->owner = owner;
		if (job_start(h->loop, &opts, read_job, r, read_done, r, &e))
			return;
	}
	reading_free(r);
	done(owner, &e, &none);
}

void container_stats_all(const struct container_host *h, uint64_t deadline_ms,
			 container_stats_fn done, void *owner)
{
	reading_start(h, NULL, deadline_ms, done, owner);
}

void container_stats(struct container *c, uint64_t deadline_ms, container_stats_fn done,
		     void *owner)
{
	const struct container_stats none = { 0 };
	struct err e = { 0 };

	if (container_allows(c, CONTAINER_DO_STATS, &e) == 0 && !c->cgroup_path)
		err_set(&e, RC_FAILED_PRECONDITION, "container %s has no cgroup", c->id);
	if (err_is_set(&e))
		done(owner, &e, &none);
	else
		reading_start(c->host, c, deadline_ms, done, owner);
}
