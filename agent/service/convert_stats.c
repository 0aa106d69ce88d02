/* SPDX-License-Identifier: Apache-2.0 */
/* grpc.StatsContainerResponse. Messages point into what they are made from. */
#include "service/convert.h"
#include "service/reader.h"

static Grpc__MemoryData *memory_data(struct reader *r, const struct cgroup_memory_usage *in)
{
	Grpc__MemoryData *m = READER_ARRAY(r, Grpc__MemoryData, 1);

	if (!m)
		return NULL;
	grpc__memory_data__init(m);
	m->usage = in->usage;
	m->max_usage = in->max_usage;
	m->failcnt = in->failcnt;
	m->limit = in->limit;
	return m;
}

static Grpc__CpuStats *cpu_stats(struct reader *r, const struct cgroup_stats *in)
{
	Grpc__CpuStats *out = READER_ARRAY(r, Grpc__CpuStats, 1);
	Grpc__CpuUsage *usage = READER_ARRAY(r, Grpc__CpuUsage, 1);
	Grpc__ThrottlingData *throttling = READER_ARRAY(r, Grpc__ThrottlingData, 1);

	if (!out || !usage || !throttling)
		return NULL;
	grpc__cpu_stats__init(out);
	grpc__cpu_usage__init(usage);
	grpc__throttling_data__init(throttling);
	usage->total_usage = in->cpu_total;
	usage->usage_in_kernelmode = in->cpu_kernel;
	usage->usage_in_usermode = in->cpu_user;
	usage->percpu_usage = in->percpu;
	usage->n_percpu_usage = in->n_percpu;
	throttling->periods = in->periods;
	throttling->throttled_periods = in->throttled_periods;
	throttling->throttled_time = in->throttled_ns;
	out->cpu_usage = usage;
	out->throttling_data = throttling;
	return out;
}

static Grpc__MemoryStats *memory_stats(struct reader *r, const struct cgroup_stats *in)
{
	Grpc__MemoryStats *out = READER_ARRAY(r, Grpc__MemoryStats, 1);
	size_t n = in->n_memory_stat;
	Grpc__MemoryStats__StatsEntry *pairs = READER_ARRAY(r, Grpc__MemoryStats__StatsEntry, n);

	if (!out)
		return NULL;
	grpc__memory_stats__init(out);
	out->cache = in->cache;
	out->usage = memory_data(r, &in->memory);
	out->swap_usage = memory_data(r, &in->swap);
	out->kernel_usage = memory_data(r, &in->kernel);
	out->use_hierarchy = in->use_hierarchy;
	out->stats = READER_ARRAY(r, Grpc__MemoryStats__StatsEntry *, n);
	for (size_t i = 0; pairs && out->stats && i < n; i++) {
		grpc__memory_stats__stats_entry__init(&pairs[i]);
		pairs[i].key = (char *)in->memory_stat[i].key;
		pairs[i].value = in->memory_stat[i].value;
		out->stats[out->n_stats++] = &pairs[i];
	}
	return out;
}

static Grpc__BlkioStatsEntry **io_list(struct reader *r, const struct cgroup_io_list *in, size_t *n)
{
	Grpc__BlkioStatsEntry **out = READER_ARRAY(r, Grpc__BlkioStatsEntry *, in->n);
	Grpc__BlkioStatsEntry *v = READER_ARRAY(r, Grpc__BlkioStatsEntry, in->n);

	for (size_t i = 0; out && v && i < in->n; i++) {
		grpc__blkio_stats_entry__init(&v[i]);
		v[i].major = in->v[i].major;
		v[i].minor = in->v[i].minor;
		v[i].op = (char *)in->v[i].op;
		v[i].value = in->v[i].value;
		out[i] = &v[i];
		*n = i + 1;
	}
	return out;
}

static Grpc__BlkioStats *blkio_stats(struct reader *r, const struct cgroup_io_list *in)
{
	Grpc__BlkioStats *out = READER_ARRAY(r, Grpc__BlkioStats, 1);

	if (!out)
		return NULL;
	grpc__blkio_stats__init(out);
#define LIST(field, kind) out->field = io_list(r, &in[kind], &out->n_##field)
	LIST(io_service_bytes_recursive, CGROUP_IO_BYTES);
	LIST(io_serviced_recursive, CGROUP_IO_SERVICED);
	LIST(io_queued_recursive, CGROUP_IO_QUEUED);
	LIST(io_service_time_recursive, CGROUP_IO_SERVICE_TIME);
	LIST(io_wait_time_recursive, CGROUP_IO_WAIT_TIME);
	LIST(io_merged_recursive, CGROUP_IO_MERGED);
	LIST(io_time_recursive, CGROUP_IO_TIME);
	LIST(sectors_recursive, CGROUP_IO_SECTORS);
#undef LIST
	return out;
}

static void hugetlb_stats(struct reader *r, const struct cgroup_stats *in, Grpc__CgroupStats *out)
{
	size_t n = in->n_hugetlb;
	Grpc__CgroupStats__HugetlbStatsEntry *pairs =
		READER_ARRAY(r, Grpc__CgroupStats__HugetlbStatsEntry, n);
	Grpc__HugetlbStats *v = READER_ARRAY(r, Grpc__HugetlbStats, n);

	out->hugetlb_stats = READER_ARRAY(r, Grpc__CgroupStats__HugetlbStatsEntry *, n);
	for (size_t i = 0; pairs && v && out->hugetlb_stats && i < n; i++) {
		grpc__cgroup_stats__hugetlb_stats_entry__init(&pairs[i]);
		grpc__hugetlb_stats__init(&v[i]);
		v[i].usage = in->hugetlb[i].usage;
		v[i].max_usage = in->hugetlb[i].max_usage;
		v[i].failcnt = in->hugetlb[i].failcnt;
		pairs[i].key = (char *)in->hugetlb[i].page_size;
		pairs[i].value = &v[i];
		out->hugetlb_stats[out->n_hugetlb_stats++] = &pairs[i];
	}
}

static Grpc__CgroupStats *cgroup_stats(struct reader *r, const struct cgroup_stats *in)
{
	Grpc__CgroupStats *out = READER_ARRAY(r, Grpc__CgroupStats, 1);
	Grpc__PidsStats *pids = READER_ARRAY(r, Grpc__PidsStats, 1);

	if (!out || !pids)
		return NULL;
	grpc__cgroup_stats__init(out);
	grpc__pids_stats__init(pids);
	pids->current = in->pids;
	pids->limit = in->pids_limit;
	out->cpu_stats = cpu_stats(r, in);
	out->memory_stats = memory_stats(r, in);
	out->pids_stats = pids;
	out->blkio_stats = blkio_stats(r, in->io);
	hugetlb_stats(r, in, out);
	return out;
}

static void network_stats(struct reader *r, const struct container_stats *in,
			  Grpc__StatsContainerResponse *out)
{
	Grpc__NetworkStats *v = READER_ARRAY(r, Grpc__NetworkStats, in->n_links);

	out->network_stats = READER_ARRAY(r, Grpc__NetworkStats *, in->n_links);
	for (size_t i = 0; v && out->network_stats && i < in->n_links; i++) {
		const struct net_link_stats *l = &in->links[i];

		grpc__network_stats__init(&v[i]);
		v[i].name = (char *)l->name;
		v[i].rx_bytes = l->rx_bytes;
		v[i].rx_packets = l->rx_packets;
		v[i].rx_errors = l->rx_errors;
		v[i].rx_dropped = l->rx_dropped;
		v[i].tx_bytes = l->tx_bytes;
		v[i].tx_packets = l->tx_packets;
		v[i].tx_errors = l->tx_errors;
		v[i].tx_dropped = l->tx_dropped;
		out->network_stats[out->n_network_stats++] = &v[i];
	}
}

int convert_stats(const struct container_stats *in, struct arena *a,
		  Grpc__StatsContainerResponse *out, struct err *e)
{
	struct reader r = { a, e };

	grpc__stats_container_response__init(out);
	out->cgroup_stats = cgroup_stats(&r, &in->cgroup);
	network_stats(&r, in, out);
	return err_is_set(e) ? -1 : 0;
}
