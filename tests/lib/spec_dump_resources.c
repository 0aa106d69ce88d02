/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/spec_dump.h"

#define ROOT "linux.resources."

/* 0 is "not said" in these as well as CGROUP_UNSET: one reader leaves the one, another the other. */
enum { ZERO_IS_UNSAID = 0x1 };

static const struct {
	const char *name;
	size_t at;	/* of an int64_t */
	unsigned int flags;
} numbers[] = {
#define N(name, member, flags) { name, offsetof(struct cgroup_limits, member), flags }
	N("memory.limit", memory, ZERO_IS_UNSAID),
	N("memory.reservation", reservation, ZERO_IS_UNSAID),
	N("memory.swap", swap, ZERO_IS_UNSAID),
	N("memory.kernel", kernel, ZERO_IS_UNSAID),
	N("memory.kernelTCP", kernel_tcp, ZERO_IS_UNSAID),
	N("memory.swappiness", swappiness, 0),
	N("cpu.shares", cpu_shares, ZERO_IS_UNSAID),
	N("cpu.quota", cpu_quota, ZERO_IS_UNSAID),
	N("cpu.period", cpu_period, ZERO_IS_UNSAID),
	N("cpu.burst", cpu_burst, 0),
	N("cpu.realtimeRuntime", rt_runtime, ZERO_IS_UNSAID),
	N("cpu.realtimePeriod", rt_period, ZERO_IS_UNSAID),
	N("cpu.idle", cpu_idle, 0),
	N("pids.limit", pids, 0),
	N("blockIO.weight", block_weight, ZERO_IS_UNSAID),
	N("blockIO.leafWeight", block_leaf_weight, ZERO_IS_UNSAID),
	N("network.classID", net_class_id, ZERO_IS_UNSAID),
#undef N
};

static void say_numbers(struct str *out, const struct cgroup_limits *l)
{
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		int64_t v = *(const int64_t *)(const void *)((const char *)l + numbers[i].at);

		if (v != CGROUP_UNSET && (v || !(numbers[i].flags & ZERO_IS_UNSAID)))
			str_addf(out, ROOT "%s = %lld\n", numbers[i].name, (long long)v);
	}
	if (l->disable_oom_killer)
		str_add(out, ROOT "memory.disableOOMKiller\n");
	if (l->use_hierarchy)
		str_add(out, ROOT "memory.useHierarchy\n");
	if (l->check_usage)
		str_add(out, ROOT "memory.checkBeforeUpdate\n");
	if (!str_empty(l->cpus))
		str_addf(out, ROOT "cpu.cpus = %s\n", l->cpus);
	if (!str_empty(l->mems))
		str_addf(out, ROOT "cpu.mems = %s\n", l->mems);
}

static void say_devices(struct str *out, const struct spec_resources *r)
{
	for (size_t i = 0; i < r->n_devices; i++) {
		const struct cgroup_device_rule *d = &r->devices[i];

		str_addf(out, ROOT "devices[%zu] = %s %c %lld:%lld %x\n", i,
			 d->allow ? "allow" : "deny", d->type, (long long)d->major,
			 (long long)d->minor, d->access);
	}
}

static void say_block(struct str *out, const struct cgroup_limits *l)
{
	static const char *const names[CGROUP_BLOCK_RATES] = { "readBps", "writeBps", "readIOPS", "writeIOPS" };

	for (size_t i = 0; i < l->n_block_weights; i++) {
		const struct cgroup_block_weight *w = &l->block_weights[i];

		str_addf(out, ROOT "blockIO.weightDevice[%zu] = %lld:%lld %lld\n", i,
			 (long long)w->major, (long long)w->minor,
			 (long long)(w->weight == CGROUP_UNSET ? 0 : w->weight));
	}
	for (size_t k = 0; k < COUNT_OF(names); k++)
		for (size_t i = 0; i < l->block_rates[k].n; i++) {
			const struct cgroup_block_rate *b = &l->block_rates[k].v[i];

			str_addf(out, ROOT "blockIO.%s[%zu] = %lld:%lld %llu\n", names[k], i,
				 (long long)b->major, (long long)b->minor,
				 (unsigned long long)b->rate);
		}
}

void spec_dump_resources(struct str *out, const struct spec_resources *r)
{
	const struct cgroup_limits *l = &r->limits;

	say_numbers(out, l);
	say_devices(out, r);
	say_block(out, l);
	for (size_t i = 0; i < l->n_hugepages; i++)
		str_addf(out, ROOT "hugepageLimits[%zu] = %s %llu\n", i, l->hugepages[i].page_size,
			 (unsigned long long)l->hugepages[i].limit);
	for (size_t i = 0; i < l->n_net_priorities; i++)
		str_addf(out, ROOT "network.priorities[%zu] = %s %u\n", i, l->net_priorities[i].name,
			 l->net_priorities[i].priority);
	for (size_t i = 0; i < l->n_rdma; i++)
		str_addf(out, ROOT "rdma[%s] = %lld %lld\n", l->rdma[i].device,
			 (long long)l->rdma[i].handles, (long long)l->rdma[i].objects);
	for (size_t i = 0; i < l->n_unified; i++)
		str_addf(out, ROOT "unified[%s] = %s\n", l->unified[i].key, l->unified[i].value);
}
