/* SPDX-License-Identifier: Apache-2.0 */
/* The table of "linux.resources" in a config.json: what the agent limits. */
#include "container/spec_json_table.h"

#define R(field)	offsetof(struct spec_resources, field)

/* 0 is "not said", -1 "no limit", as in other runtimes. */
static SPEC_JSON_READER(read_limit)
{
	int64_t *limit = (int64_t *)(void *)((char *)obj + m->offset);

	spec_json_i64(j, at, v, m, obj);
	*limit = *limit ? *limit : CGROUP_UNSET;
}

/* shares and period: an int64_t of the model that is not negative. */
static SPEC_JSON_READER(read_amount)
{
	uint64_t n;

	if (spec_json_number(j, at, v, INT64_MAX, &n))
		*(int64_t *)(void *)((char *)obj + m->offset) = n ? (int64_t)n : CGROUP_UNSET;
}

static SPEC_JSON_READER(read_shares)
{
	struct spec_resources *r = obj;

	read_amount(j, at, v, m, obj);
	if (r->limits.cpu_shares == CGROUP_UNSET)
		r->limits.cpu_shares = 0;
}

static const struct spec_json_object memory = {
	sizeof(struct spec_resources), NULL, {
		ROW("limit", read_limit, R(limits.memory)),
		ROW("reservation", read_limit, R(limits.reservation)),
		ROW("swap", read_limit, R(limits.swap)),
		ROW("kernel", spec_json_some_i64, R(memory_kernel)),
		ROW("kernelTCP", spec_json_some_i64, R(memory_kernel_tcp)),
		ROW("swappiness", spec_json_some_u64, R(memory_swappiness)),
		ROW("disableOOMKiller", spec_json_bool, R(memory_disable_oom_killer)),
		{ 0 },
	},
};

static const struct spec_json_object cpu = {
	sizeof(struct spec_resources), NULL, {
		ROW("shares", read_shares, R(limits.cpu_shares)),
		ROW("quota", read_limit, R(limits.cpu_quota)),
		ROW("period", read_amount, R(limits.cpu_period)),
		ROW("cpus", spec_json_text, R(limits.cpus)),
		ROW("mems", spec_json_text, R(limits.mems)),
		ROW("realtimeRuntime", spec_json_some_i64, R(cpu_rt_runtime)),
		ROW("realtimePeriod", spec_json_some_u64, R(cpu_rt_period)),
		{ 0 },
	},
};

static const struct spec_json_object pids = {
	sizeof(struct spec_resources), NULL, {
		ROW("limit", spec_json_i64, R(limits.pids), .required = true),
		{ 0 },
	},
};

static const struct spec_json_object resources = {
	sizeof(struct spec_resources), NULL, {
		ROW("memory", spec_json_inline, 0, .object = &memory),
		ROW("cpu", spec_json_inline, 0, .object = &cpu),
		ROW("pids", spec_json_inline, 0, .object = &pids),
		ROW("unified", spec_json_pairs, R(unified)),
		{ 0 },
	},
};

SPEC_JSON_READER(spec_json_resources)
{
	struct spec_resources **out = (struct spec_resources **)(void *)((char *)obj + m->offset);

	*out = spec_resources_new(j->a);
	if (*out)
		spec_json_object(j, at, v, &resources, *out);
	else
		err_set(j->e, RC_RESOURCE_EXHAUSTED, "linux.resources: no memory");
}
