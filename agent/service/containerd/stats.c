/* SPDX-License-Identifier: Apache-2.0 */
#include "service/containerd/stats.h"

#include <strings.h>

#include "containerd_metrics.pb-c.h"
#include "service/containerd/any.h"
#include "service/containerd/task.h"
#include "service/reader.h"

#define NS_PER_US	 1000
#define STATS_BYTES	 (4u << 20) /* of a machine with very many block devices */

/* Limits come as what the kernel's version says for none. */
static uint64_t limit_of(uint64_t limit)
{
	return limit >= (uint64_t)INT64_MAX - 65535 ? UINT64_MAX : limit;
}

typedef Io__Containerd__Cgroups__V2__MemoryStat MemoryStat;

/* memory.stat: what version 2 says, and version 1 for the same. The names of the message are the
 * kernel's, but for a few. */
static const struct {
	const char *key;
	size_t offset;
} memory_keys[] = {
#define KEY(name, field) { name, offsetof(MemoryStat, field) }
#define SAME(field)	 KEY(#field, field)
	SAME(anon), SAME(file), SAME(kernel_stack), SAME(slab), SAME(sock), SAME(shmem),
	SAME(file_mapped), SAME(file_dirty), SAME(file_writeback), SAME(anon_thp),
	SAME(inactive_anon), SAME(active_anon), SAME(inactive_file), SAME(active_file),
	SAME(unevictable), SAME(slab_reclaimable), SAME(slab_unreclaimable), SAME(pgfault),
	SAME(pgmajfault), SAME(workingset_nodereclaim), SAME(pgrefill), SAME(pgscan), SAME(pgsteal),
	SAME(pgactivate), SAME(pgdeactivate), SAME(pglazyfree), SAME(pglazyfreed),
	SAME(thp_fault_alloc), SAME(workingset_refault_anon), SAME(workingset_refault_file),
	SAME(workingset_activate_anon), SAME(workingset_activate_file),
	KEY("thp_collapse_alloc", thp_collapse_alloc), KEY("rss", anon), KEY("cache", file),
	KEY("mapped_file", file_mapped), KEY("dirty", file_dirty),
	KEY("writeback", file_writeback),
#undef SAME
#undef KEY
};

static void fill_memory(const struct cgroup_stats *in, MemoryStat *out)
{
	for (size_t i = 0; i < in->n_memory_stat; i++)
		for (size_t k = 0; k < COUNT_OF(memory_keys); k++)
			if (str_eq(in->memory_stat[i].key, memory_keys[k].key))
				memcpy((char *)out + memory_keys[k].offset,
				       &in->memory_stat[i].value, sizeof(uint64_t));
	out->usage = in->memory.usage;
	out->usage_limit = limit_of(in->memory.limit);
	out->max_usage = in->memory.max_usage;
	out->swap_usage = in->swap.usage;
	out->swap_limit = limit_of(in->swap.limit);
	out->swap_max_usage = in->swap.max_usage;
}

static void fill_cpu(const struct cgroup_stats *in, Io__Containerd__Cgroups__V2__CPUStat *out)
{
	out->usage_usec = in->cpu_total / NS_PER_US;
	out->user_usec = in->cpu_user / NS_PER_US;
	out->system_usec = in->cpu_kernel / NS_PER_US;
	out->nr_periods = in->periods;
	out->nr_throttled = in->throttled_periods;
	out->throttled_usec = in->throttled_ns / NS_PER_US;
}

/* --- block devices: an entry each, from lists of an entry for each operation --- */

static Io__Containerd__Cgroups__V2__IOEntry *io_entry(struct reader *r,
						      Io__Containerd__Cgroups__V2__IOStat *out,
						      const struct cgroup_io_entry *of)
{
	Io__Containerd__Cgroups__V2__IOEntry *entry;

	for (size_t i = 0; i < out->n_usage; i++)
		if (out->usage[i]->major == of->major && out->usage[i]->minor == of->minor)
			return out->usage[i];
	entry = READER_ARRAY(r, Io__Containerd__Cgroups__V2__IOEntry, 1);
	if (!entry)
		return NULL;
	io__containerd__cgroups__v2__ioentry__init(entry);
	entry->major = of->major;
	entry->minor = of->minor;
	out->usage[out->n_usage++] = entry;
	return entry;
}

static void fill_io(struct reader *r, const struct cgroup_stats *in,
		    Io__Containerd__Cgroups__V2__IOStat *out)
{
	static const enum cgroup_io_kind kinds[] = { CGROUP_IO_BYTES, CGROUP_IO_SERVICED };

	out->usage = READER_ARRAY(r, Io__Containerd__Cgroups__V2__IOEntry *,
				  in->io[kinds[0]].n + in->io[kinds[1]].n);
	for (size_t k = 0; out->usage && k < COUNT_OF(kinds); k++) {
		const struct cgroup_io_list *l = &in->io[kinds[k]];

		for (size_t i = 0; i < l->n; i++) {
			Io__Containerd__Cgroups__V2__IOEntry *entry;
			bool reads = strcasecmp(l->v[i].op, "read") == 0;

			if (!reads && strcasecmp(l->v[i].op, "write") != 0)
				continue;
			entry = io_entry(r, out, &l->v[i]);
			if (!entry)
				return;
			if (kinds[k] == CGROUP_IO_BYTES)
				*(reads ? &entry->rbytes : &entry->wbytes) = l->v[i].value;
			else
				*(reads ? &entry->rios : &entry->wios) = l->v[i].value;
		}
	}
}

static void fill_hugetlb(struct reader *r, const struct cgroup_stats *in,
			 Io__Containerd__Cgroups__V2__Metrics *out)
{
	Io__Containerd__Cgroups__V2__HugeTlbStat *v =
		READER_ARRAY(r, Io__Containerd__Cgroups__V2__HugeTlbStat, in->n_hugetlb);

	out->hugetlb = READER_ARRAY(r, Io__Containerd__Cgroups__V2__HugeTlbStat *, in->n_hugetlb);
	for (size_t i = 0; v && out->hugetlb && i < in->n_hugetlb; i++) {
		io__containerd__cgroups__v2__huge_tlb_stat__init(&v[i]);
		v[i].current = in->hugetlb[i].usage;
		v[i].max = limit_of(in->hugetlb[i].max_usage);
		v[i].failcnt = in->hugetlb[i].failcnt;
		v[i].pagesize = (char *)in->hugetlb[i].page_size;
		out->hugetlb[out->n_hugetlb++] = &v[i];
	}
}

static void fill_network(struct reader *r, const struct container_stats *in,
			 Io__Containerd__Cgroups__V2__Metrics *out)
{
	Io__Containerd__Cgroups__V2__NetworkStat *v =
		READER_ARRAY(r, Io__Containerd__Cgroups__V2__NetworkStat, in->n_links);

	out->network = READER_ARRAY(r, Io__Containerd__Cgroups__V2__NetworkStat *, in->n_links);
	for (size_t i = 0; v && out->network && i < in->n_links; i++) {
		const struct net_link_stats *l = &in->links[i];

		io__containerd__cgroups__v2__network_stat__init(&v[i]);
		v[i].name = (char *)l->name;
		v[i].rx_bytes = l->rx_bytes;
		v[i].rx_packets = l->rx_packets;
		v[i].rx_errors = l->rx_errors;
		v[i].rx_dropped = l->rx_dropped;
		v[i].tx_bytes = l->tx_bytes;
		v[i].tx_packets = l->tx_packets;
		v[i].tx_errors = l->tx_errors;
		v[i].tx_dropped = l->tx_dropped;
		out->network[out->n_network++] = &v[i];
	}
}

int stats_make(const struct container_stats *in, struct arena *a, Google__Protobuf__Any *out,
	       struct err *e)
{
	Io__Containerd__Cgroups__V2__Metrics m = IO__CONTAINERD__CGROUPS__V2__METRICS__INIT;
	Io__Containerd__Cgroups__V2__PidsStat pids = IO__CONTAINERD__CGROUPS__V2__PIDS_STAT__INIT;
	Io__Containerd__Cgroups__V2__CPUStat cpu = IO__CONTAINERD__CGROUPS__V2__CPUSTAT__INIT;
	Io__Containerd__Cgroups__V2__IOStat io = IO__CONTAINERD__CGROUPS__V2__IOSTAT__INIT;
	Io__Containerd__Cgroups__V2__MemoryEvents events =
		IO__CONTAINERD__CGROUPS__V2__MEMORY_EVENTS__INIT;
	MemoryStat memory = IO__CONTAINERD__CGROUPS__V2__MEMORY_STAT__INIT;
	struct reader r = { a, e };

	pids.current = in->cgroup.pids;
	pids.limit = in->cgroup.pids_limit ? in->cgroup.pids_limit : UINT64_MAX;
	fill_cpu(&in->cgroup, &cpu);
	fill_memory(&in->cgroup, &memory);
	fill_io(&r, &in->cgroup, &io);
	fill_hugetlb(&r, &in->cgroup, &m);
	fill_network(&r, in, &m);
	events.max = in->cgroup.memory.failcnt;
	events.oom_kill = in->cgroup.oom_kill;
	m.pids = &pids;
	m.cpu = &cpu;
	m.memory = &memory;
	m.io = &io;
	m.memory_events = &events;
	if (err_is_set(e))
		return -1;
	return any_make(out, "io.containerd.cgroups.v2.Metrics", &m.base, a, e);
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
