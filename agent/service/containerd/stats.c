/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message is written by hand, field by field as containerd_metrics.proto numbers them: its
 * descriptors would be the largest of all, and nothing here reads it. The unit test does, by the schema.
 */
#include "service/containerd/stats.h"

#include <strings.h>

#include "service/containerd/any.h"
#include "service/containerd/task.h"

#define NS_PER_US   1000
#define STATS_BYTES (4u << 20) /* of a machine with very many block devices */

/* --- the wire --- */

struct writer {
	uint8_t *buf;
	size_t len, cap;
	bool overflow;
};

enum { WIRE_NUMBER = 0, WIRE_BYTES = 2 };

static size_t put(struct writer *w, uint64_t v)
{
	size_t from = w->len;

	do {
		if (w->len == w->cap) {
			w->overflow = true;
			return 0;
		}
		w->buf[w->len++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
		v >>= 7;
	} while (v);
	return w->len - from;
}

/* 0 is what is not said. */
static void put_number(struct writer *w, unsigned int field, uint64_t v)
{
	if (!v)
		return;
	put(w, field << 3 | WIRE_NUMBER);
	put(w, v);
}

static void put_text(struct writer *w, unsigned int field, const char *text)
{
	size_t n = strlen(text);

	put(w, field << 3 | WIRE_BYTES);
	put(w, n);
	if (w->cap - w->len < n) {
		w->overflow = true;
		return;
	}
	memcpy(w->buf + w->len, text, n);
	w->len += n;
}

/* A message inside: where it begins, to be closed when it is written. */
static size_t open_message(struct writer *w, unsigned int field)
{
	put(w, field << 3 | WIRE_BYTES);
	return w->len;
}

/* Its length goes in front, and takes the place that it takes. */
static void close_message(struct writer *w, size_t at)
{
	size_t n = w->len - at, room = put(w, n);
	uint8_t length[10];

	if (w->overflow)
		return;
	memcpy(length, w->buf + w->len - room, room);
	memmove(w->buf + at + room, w->buf + at, n);
	memcpy(w->buf + at, length, room);
}

/* --- the parts --- */

/* Limits come as what the kernel's version says for none. */
static uint64_t limit_of(uint64_t limit)
{
	return limit >= (uint64_t)INT64_MAX - 65535 ? UINT64_MAX : limit;
}

/* memory.stat: what version 2 says, and version 1 for the same. */
static const struct {
	const char *key;
	unsigned int field;
} memory_keys[] = {
	{ "anon", 1 }, { "rss", 1 }, { "file", 2 }, { "cache", 2 }, { "kernel_stack", 3 },
	{ "slab", 4 }, { "sock", 5 }, { "shmem", 6 }, { "file_mapped", 7 }, { "mapped_file", 7 },
	{ "file_dirty", 8 }, { "dirty", 8 }, { "file_writeback", 9 }, { "writeback", 9 },
	{ "anon_thp", 10 }, { "inactive_anon", 11 }, { "active_anon", 12 },
	{ "inactive_file", 13 }, { "active_file", 14 }, { "unevictable", 15 },
	{ "slab_reclaimable", 16 }, { "slab_unreclaimable", 17 }, { "pgfault", 18 },
	{ "pgmajfault", 19 }, { "workingset_nodereclaim", 22 }, { "pgrefill", 23 },
	{ "pgscan", 24 }, { "pgsteal", 25 }, { "pgactivate", 26 }, { "pgdeactivate", 27 },
	{ "pglazyfree", 28 }, { "pglazyfreed", 29 }, { "thp_fault_alloc", 30 },
	{ "thp_collapse_alloc", 31 }, { "workingset_refault_anon", 39 },
	{ "workingset_refault_file", 40 }, { "workingset_activate_anon", 41 },
	{ "workingset_activate_file", 42 },
};

static void put_memory(struct writer *w, const struct cgroup_stats *in)
{
	size_t at = open_message(w, 4);

	for (size_t i = 0; i < in->n_memory_stat; i++)
		for (size_t k = 0; k < COUNT_OF(memory_keys); k++)
			if (str_eq(in->memory_stat[i].key, memory_keys[k].key))
				put_number(w, memory_keys[k].field, in->memory_stat[i].value);
	put_number(w, 32, in->memory.usage);
	put_number(w, 33, limit_of(in->memory.limit));
	put_number(w, 34, in->swap.usage);
	put_number(w, 35, limit_of(in->swap.limit));
	put_number(w, 36, in->memory.max_usage);
	put_number(w, 37, in->swap.max_usage);
	close_message(w, at);
}

static void put_cpu(struct writer *w, const struct cgroup_stats *in)
{
	size_t at = open_message(w, 2);

	put_number(w, 1, in->cpu_total / NS_PER_US);
	put_number(w, 2, in->cpu_user / NS_PER_US);
	put_number(w, 3, in->cpu_kernel / NS_PER_US);
	put_number(w, 4, in->periods);
	put_number(w, 5, in->throttled_periods);
	put_number(w, 6, in->throttled_ns / NS_PER_US);
	close_message(w, at);
}

/* Of a block device: rbytes, wbytes, rios, wios. */
struct device_io {
	uint64_t major, minor, v[4];
};

static struct device_io *device_of(struct device_io *v, size_t *n, const struct cgroup_io_entry *of)
{
	for (size_t i = 0; i < *n; i++)
		if (v[i].major == of->major && v[i].minor == of->minor)
			return &v[i];
	v[*n] = (struct device_io){ .major = of->major, .minor = of->minor };
	return &v[(*n)++];
}

/* From lists of an entry for each operation. */
static size_t sum_up(const struct cgroup_stats *in, struct device_io *v)
{
	static const enum cgroup_io_kind kinds[] = { CGROUP_IO_BYTES, CGROUP_IO_SERVICED };
	size_t n = 0;

	for (size_t k = 0; k < COUNT_OF(kinds); k++) {
		const struct cgroup_io_list *l = &in->io[kinds[k]];

		for (size_t i = 0; i < l->n; i++) {
			bool reads = strcasecmp(l->v[i].op, "read") == 0;

			if (reads || strcasecmp(l->v[i].op, "write") == 0)
				device_of(v, &n, &l->v[i])->v[2 * k + !reads] = l->v[i].value;
		}
	}
	return n;
}

static void put_io(struct writer *w, const struct device_io *v, size_t n)
{
	size_t at = open_message(w, 6);

	for (size_t i = 0; i < n; i++) {
		size_t one = open_message(w, 1);

		put_number(w, 1, v[i].major);
		put_number(w, 2, v[i].minor);
		for (unsigned int k = 0; k < COUNT_OF(v[i].v); k++)
			put_number(w, 3 + k, v[i].v[k]);
		close_message(w, one);
	}
	close_message(w, at);
}

static void put_rest(struct writer *w, const struct cgroup_stats *in)
{
	size_t at = open_message(w, 1);

	put_number(w, 1, in->pids);
	put_number(w, 2, in->pids_limit ? in->pids_limit : UINT64_MAX);
	close_message(w, at);
	for (size_t i = 0; i < in->n_hugetlb; i++) {
		at = open_message(w, 7);
		put_number(w, 1, in->hugetlb[i].usage);
		put_number(w, 2, limit_of(in->hugetlb[i].max_usage));
		put_text(w, 3, in->hugetlb[i].page_size);
		put_number(w, 4, in->hugetlb[i].failcnt);
		close_message(w, at);
	}
	at = open_message(w, 8);
	put_number(w, 3, in->memory.failcnt);
	put_number(w, 5, in->oom_kill);
	close_message(w, at);
}

static void put_network(struct writer *w, const struct net_link_stats *l)
{
	size_t at = open_message(w, 9);

	put_text(w, 1, l->name);
	put_number(w, 2, l->rx_bytes);
	put_number(w, 3, l->rx_packets);
	put_number(w, 4, l->rx_errors);
	put_number(w, 5, l->rx_dropped);
	put_number(w, 6, l->tx_bytes);
	put_number(w, 7, l->tx_packets);
	put_number(w, 8, l->tx_errors);
	put_number(w, 9, l->tx_dropped);
	close_message(w, at);
}

/* --- the whole --- */

#define FIXED_BYTES 2048 /* numbers of 12 bytes, each once; twice where both versions' words come */
#define ENTRY_BYTES 128	 /* of a list, without its text */

static size_t room_for(const struct container_stats *in, size_t n_io)
{
	size_t n = FIXED_BYTES + ENTRY_BYTES * (n_io + in->cgroup.n_hugetlb + in->n_links);

	for (size_t i = 0; i < in->n_links; i++)
		n += strlen(in->links[i].name);
	for (size_t i = 0; i < in->cgroup.n_hugetlb; i++)
		n += strlen(in->cgroup.hugetlb[i].page_size);
	return n;
}

int stats_make(const struct container_stats *in, struct arena *a, Google__Protobuf__Any *out,
	       struct err *e)
{
	size_t n_io = in->cgroup.io[CGROUP_IO_BYTES].n + in->cgroup.io[CGROUP_IO_SERVICED].n;
	struct device_io *io = ARENA_ARRAY(a, struct device_io, n_io);
	struct writer w = { .cap = room_for(in, n_io) };

	w.buf = arena_alloc(a, w.cap);
	if (!io || !w.buf)
		return err_sys(e, ENOMEM, "counters");
	put_cpu(&w, &in->cgroup);
	put_memory(&w, &in->cgroup);
	put_io(&w, io, sum_up(&in->cgroup, io));
	put_rest(&w, &in->cgroup);
	for (size_t i = 0; i < in->n_links; i++)
		put_network(&w, &in->links[i]);
	if (w.overflow)
		return err_set(e, RC_INTERNAL, "counters: more than %zu bytes", w.cap);
	google__protobuf__any__init(out);
	out->type_url = (char *)"io.containerd.cgroups.v2.Metrics";
	out->value.data = w.buf;
	out->value.len = w.len;
	return 0;
}

/* --- Task.Stats --- */

static void stats_done(void *owner, const struct err *failed, const struct container_stats *s)
{
	Containerd__Task__V2__StatsResponse reply = CONTAINERD__TASK__V2__STATS_RESPONSE__INIT;
	struct call *c = owner;
	struct err e = *failed;
	Google__Protobuf__Any any;

	c->arena.budget += STATS_BYTES;
	if (err_is_set(&e) || stats_make(s, &c->arena, &any, &e) < 0) {
		call_fail(c, &e);
		return;
	}
	reply.stats = &any;
	call_reply(c, &reply.base);
}

void task_stats(struct call *c)
{
	const Containerd__Task__V2__StatsRequest *req = (const void *)c->req;
	struct task *t = task_find(c, req->id);

	if (t)
		container_stats(t->container, verb_deadline(c), stats_done, c);
}

/* --- Sandbox.SandboxMetrics: all groups together --- */

static void metrics_done(void *owner, const struct err *failed, const struct container_stats *s)
{
	Containerd__Runtime__Sandbox__V1__SandboxMetricsResponse reply =
		CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_METRICS_RESPONSE__INIT;
	Containerd__Types__Metric metric = CONTAINERD__TYPES__METRIC__INIT;
	Google__Protobuf__Timestamp stamp;
	struct call *c = owner;
	struct err e = *failed;
	Google__Protobuf__Any any;

	c->arena.budget += STATS_BYTES;
	if (err_is_set(&e) || stats_make(s, &c->arena, &any, &e) < 0) {
		call_fail(c, &e);
		return;
	}
	stamp_set(&stamp, stamp_now());
	metric.timestamp = &stamp;
	metric.id = ctd_of(c)->sandbox->id;
	metric.data = &any;
	reply.metrics = &metric;
	call_reply(c, &reply.base);
}

void pod_metrics(struct call *c)
{
	const Containerd__Runtime__Sandbox__V1__SandboxMetricsRequest *req = (const void *)c->req;

	if (pod_find(c, req->sandbox_id))
		container_stats_all(&ctd_of(c)->sandbox->host, verb_deadline(c), metrics_done, c);
}
