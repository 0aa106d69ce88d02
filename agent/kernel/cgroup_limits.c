/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an OCI spec's numbers to the files of either version: one table of what is a number in a
 * file, and by hand what the versions count differently (swap, the CPU's weight and bandwidth).
 * Lists are in cgroup_lists.c. Pure.
 */
#include <math.h>

#include "base/path.h"
#include "base/str.h"
#include "kernel/cgroup_values.h"

#define SHARES_MIN 2
#define SHARES_MAX 262144

void cgroup_limits_init(struct cgroup_limits *l)
{
	*l = (struct cgroup_limits){
		.memory = CGROUP_UNSET,
		.reservation = CGROUP_UNSET,
		.swap = CGROUP_UNSET,
		.kernel = CGROUP_UNSET,
		.kernel_tcp = CGROUP_UNSET,
		.swappiness = CGROUP_UNSET,
		.cpu_shares = CGROUP_UNSET,
		.cpu_quota = CGROUP_UNSET,
		.cpu_period = CGROUP_UNSET,
		.cpu_burst = CGROUP_UNSET,
		.rt_runtime = CGROUP_UNSET,
		.rt_period = CGROUP_UNSET,
		.cpu_idle = CGROUP_UNSET,
		.pids = CGROUP_UNSET,
		.block_weight = CGROUP_UNSET,
		.block_leaf_weight = CGROUP_UNSET,
		.net_class_id = CGROUP_UNSET,
	};
}

/* --- rows --- */

int cgroup_row(struct cgroup_values *r, unsigned int controller, const char *file, const char *text,
	       unsigned int flags, struct err *e)
{
	if (r->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 16;
		struct cgroup_value *v = ARENA_ARRAY(r->a, struct cgroup_value, cap);

		if (!v)
			return err_sys(e, ENOMEM, "limits");
		if (r->n)
			memcpy(v, r->v, r->n * sizeof(*v));
		r->v = v;
		r->cap = cap;
	}
	if (!file || !text)
		return err_sys(e, ENOMEM, "limits");
	r->v[r->n++] = (struct cgroup_value){ controller, file, text, flags };
	return 0;
}

int cgroup_no_file(const char *field, enum cgroup_version v, struct err *e)
{
	return err_set(e, RC_FAILED_PRECONDITION,
		       "linux.resources.%s cannot be set: cgroup version %d has no such limit",
		       field, v == CGROUP_VERSION_1 ? 1 : 2);
}

int cgroup_bad(const char *field, const char *why, struct err *e)
{
	return err_set(e, RC_INVALID_ARGUMENT, "linux.resources.%s: %s", field, why);
}

/* --- numbers --- */

enum {
	ZERO_COUNTS = 0x1, /* 0 is a value */
	ZERO_ASKS = 0x2,   /* 0 is a value that asks for nothing */
	V2_NEED_NOT = 0x4, /* version 2 has no file and is asked for none */
	MAY_LACK = 0x8,
};

struct number {
	const char *field;
	size_t at; /* of an int64_t in the limits */
	unsigned int controller;
	const char *v1, *v2;       /* NULL: the version has no file, or its row is made by hand */
	const char *none1, *none2; /* for every negative number; NULL: it is refused */
	int64_t most;
	unsigned int flags;
};

#define AT(member) offsetof(struct cgroup_limits, member)

static const struct number memory_numbers[] = {
	{ "memory.limit", AT(memory), CGROUP_MEMORY, "memory.limit_in_bytes", "memory.max", "-1",
	  "max", INT64_MAX, 0 },
	{ "memory.reservation", AT(reservation), CGROUP_MEMORY, "memory.soft_limit_in_bytes",
	  "memory.low", "-1", "max", INT64_MAX, 0 },
	/* A kernel without swap accounting lets none be used beyond memory's own limit. */
	{ "memory.swap", AT(swap), CGROUP_MEMORY, "memory.memsw.limit_in_bytes", NULL, "-1", NULL,
	  INT64_MAX, MAY_LACK | V2_NEED_NOT },
	{ "memory.kernel", AT(kernel), CGROUP_MEMORY, "memory.kmem.limit_in_bytes", NULL, "-1",
	  NULL, INT64_MAX, MAY_LACK | V2_NEED_NOT },
	{ "memory.kernelTCP", AT(kernel_tcp), CGROUP_MEMORY, "memory.kmem.tcp.limit_in_bytes", NULL,
	  "-1", NULL, INT64_MAX, V2_NEED_NOT },
	{ "memory.swappiness", AT(swappiness), CGROUP_MEMORY, "memory.swappiness", NULL, NULL, NULL,
	  100, ZERO_COUNTS | V2_NEED_NOT },
};

static const struct number cpu_numbers_1[] = {
	{ "cpu.period", AT(cpu_period), CGROUP_CPU, "cpu.cfs_period_us", NULL, NULL, NULL,
	  INT64_MAX, 0 },
	{ "cpu.quota", AT(cpu_quota), CGROUP_CPU, "cpu.cfs_quota_us", NULL, "-1", NULL, INT64_MAX,
	  0 },
};

static const struct number cpu_numbers[] = {
	{ "cpu.burst", AT(cpu_burst), CGROUP_CPU, "cpu.cfs_burst_us", "cpu.max.burst", NULL, NULL,
	  INT64_MAX, ZERO_COUNTS | ZERO_ASKS },
	{ "cpu.realtimePeriod", AT(rt_period), CGROUP_CPU, "cpu.rt_period_us", NULL, NULL, NULL,
	  INT64_MAX, 0 },
	{ "cpu.realtimeRuntime", AT(rt_runtime), CGROUP_CPU, "cpu.rt_runtime_us", NULL, NULL, NULL,
	  INT64_MAX, 0 },
};

static const struct number idle_number[] = {
	{ "cpu.idle", AT(cpu_idle), CGROUP_CPU, "cpu.idle", "cpu.idle", NULL, NULL, 1,
	  ZERO_COUNTS | ZERO_ASKS },
};

static const struct number other_numbers[] = {
	{ "network.classID", AT(net_class_id), CGROUP_NET_CLS, "net_cls.classid", NULL, NULL, NULL,
	  UINT32_MAX, 0 },
};

static int64_t number_of(const struct cgroup_limits *l, const struct number *row)
{
	return *(const int64_t *)((const char *)l + row->at);
}

/* Row by row, in the table's order. */
static int add_numbers(struct cgroup_values *r, enum cgroup_version v,
		       const struct cgroup_limits *l, const struct number *row, size_t n,
		       struct err *e)
{
	for (; n--; row++) {
		int64_t value = number_of(l, row);
		const char *file = v == CGROUP_VERSION_1 ? row->v1 : row->v2;
		const char *none = v == CGROUP_VERSION_1 ? row->none1 : row->none2;
		unsigned int flags = row->flags & MAY_LACK ? CGROUP_VALUE_OPTIONAL : 0;

		if (value == CGROUP_UNSET || (!value && !(row->flags & ZERO_COUNTS)))
			continue;
		if (value > row->most || (value < 0 && !row->none1))
			return cgroup_bad(row->field, "out of range", e);
		if (!file && v == CGROUP_VERSION_2 && row->flags & V2_NEED_NOT)
			continue;
		if (!file)
			return cgroup_no_file(row->field, v, e);
		if (value < 0 || (!value && row->flags & ZERO_ASKS))
			flags |= CGROUP_VALUE_OPTIONAL;
		if (cgroup_row(r, row->controller, file,
			       value < 0 ? none : arena_printf(r->a, "%lld", (long long)value),
			       flags, e) < 0)
			return -1;
	}
	return 0;
}

#define ADD_NUMBERS(r, v, l, table, e) add_numbers(r, v, l, table, COUNT_OF(table), e)

static bool given(int64_t v)
{
	return v != CGROUP_UNSET && v != 0;
}

/* --- memory --- */

/* Version 2 limits swap alone, OCI memory and swap together. Unlimited memory with nothing said of
 * swap means both, as in version 1's days. */
static int add_swap(struct cgroup_values *r, enum cgroup_version v, const struct cgroup_limits *l,
		    struct err *e)
{
	const char *file =
		v == CGROUP_VERSION_1 ? "memory.memsw.limit_in_bytes" : "memory.swap.max";
	const char *text = v == CGROUP_VERSION_1 ? "-1" : "max";

	if (given(l->memory) && l->memory < 0 && !given(l->swap))
		return cgroup_row(r, CGROUP_MEMORY, file, text, CGROUP_VALUE_OPTIONAL, e);
	if (v == CGROUP_VERSION_1 || !given(l->swap))
		return 0;
	if (l->swap > 0) {
		if (!given(l->memory) || l->memory < 0)
			return cgroup_bad("memory.swap", "a swap limit needs a memory limit", e);
		if (l->swap < l->memory)
			return cgroup_bad("memory.swap",
					  "the limit of memory and swap is below that of memory",
					  e);
		text = arena_printf(r->a, "%lld", (long long)(l->swap - l->memory));
	}
	return cgroup_row(r, CGROUP_MEMORY, file, text, CGROUP_VALUE_OPTIONAL, e);
}

static int add_memory(struct cgroup_values *r, enum cgroup_version v, const struct cgroup_limits *l,
		      struct err *e)
{
	if (v == CGROUP_VERSION_1 && l->use_hierarchy &&
	    cgroup_row(r, CGROUP_MEMORY, "memory.use_hierarchy", "1", CGROUP_VALUE_OPTIONAL, e) < 0)
		return -1;
	if (ADD_NUMBERS(r, v, l, memory_numbers, e) < 0 || add_swap(r, v, l, e) < 0)
		return -1;
	if (v == CGROUP_VERSION_1 && l->disable_oom_killer)
		return cgroup_row(r, CGROUP_MEMORY, "memory.oom_control", "1", 0, e);
	return 0;
}

/* --- cpu --- */

/* The curve of runc 1.3.2 and crun 1.23 (before, and in Kata's agent, it was a line): it takes both
 * ends and the default of one scale to those of the other, 1024 to 100. */
static int64_t weight_of(int64_t shares)
{
	double l;

	if (shares <= SHARES_MIN)
		return 1;
	if (shares >= SHARES_MAX)
		return 10000;
	l = log2((double)shares);
	return (int64_t)ceil(pow(10, (l * l + 125 * l) / 612.0 - 7.0 / 34.0));
}

/* The kernel takes no weight for a group that is idle. */
static int add_shares(struct cgroup_values *r, enum cgroup_version v, const struct cgroup_limits *l,
		      struct err *e)
{
	bool v1 = v == CGROUP_VERSION_1;
	long long n;

	if (!given(l->cpu_shares) || l->cpu_idle == 1)
		return 0;
	if (l->cpu_shares < 0)
		return cgroup_bad("cpu.shares", "out of range", e);
	n = v1 ? MIN(MAX(l->cpu_shares, (int64_t)SHARES_MIN), (int64_t)SHARES_MAX)
	       : weight_of(l->cpu_shares);
	return cgroup_row(r, CGROUP_CPU, v1 ? "cpu.shares" : "cpu.weight",
			  arena_printf(r->a, "%lld", n), 0, e);
}

/* "QUOTA" keeps the period as it is. */
static int add_bandwidth(struct cgroup_values *r, const struct cgroup_limits *l, struct err *e)
{
	bool no_quota = !given(l->cpu_quota) || l->cpu_quota < 0;
	const char *quota = no_quota ? "max" : arena_printf(r->a, "%lld", (long long)l->cpu_quota);
	const char *text = quota;

	if (given(l->cpu_period) && l->cpu_period < 0)
		return cgroup_bad("cpu.period", "out of range", e);
	if (given(l->cpu_period))
		text = arena_printf(r->a, "%s %lld", quota ? quota : "", (long long)l->cpu_period);
	return cgroup_row(r, CGROUP_CPU, "cpu.max", text, no_quota ? CGROUP_VALUE_OPTIONAL : 0, e);
}

/* A quota below the present burst is refused by the kernel: the burst is taken away first. */
static int add_cpu(struct cgroup_values *r, enum cgroup_version v, const struct cgroup_limits *l,
		   struct err *e)
{
	bool quota = given(l->cpu_quota) || given(l->cpu_period);
	const char *burst = v == CGROUP_VERSION_1 ? "cpu.cfs_burst_us" : "cpu.max.burst";

	if (ADD_NUMBERS(r, v, l, idle_number, e) < 0 || add_shares(r, v, l, e) < 0)
		return -1;
	if (quota && given(l->cpu_burst) &&
	    cgroup_row(r, CGROUP_CPU, burst, "0", CGROUP_VALUE_OPTIONAL, e) < 0)
		return -1;
	if (v == CGROUP_VERSION_1 && ADD_NUMBERS(r, v, l, cpu_numbers_1, e) < 0)
		return -1;
	if (v == CGROUP_VERSION_2 && quota && add_bandwidth(r, l, e) < 0)
		return -1;
	return ADD_NUMBERS(r, v, l, cpu_numbers, e);
}

/* --- all --- */

static int add_cpuset(struct cgroup_values *r, const struct cgroup_limits *l, struct err *e)
{
	if (!str_empty(l->cpus) && cgroup_row(r, CGROUP_CPUSET, "cpuset.cpus", l->cpus, 0, e) < 0)
		return -1;
	return str_empty(l->mems) ? 0 : cgroup_row(r, CGROUP_CPUSET, "cpuset.mems", l->mems, 0, e);
}

/* 0 is "no limit" as well: hosts say it so, and a group without room for one process is no use. */
static int add_pids(struct cgroup_values *r, const struct cgroup_limits *l, struct err *e)
{
	if (l->pids == CGROUP_UNSET)
		return 0;
	if (l->pids <= 0)
		return cgroup_row(r, CGROUP_PIDS, "pids.max", "max", CGROUP_VALUE_OPTIONAL, e);
	return cgroup_row(r, CGROUP_PIDS, "pids.max",
			  arena_printf(r->a, "%lld", (long long)l->pids), 0, e);
}

int cgroup_limits_values(enum cgroup_version v, const struct cgroup_limits *l, struct arena *a,
			 struct cgroup_values *out, struct err *e)
{
	*out = (struct cgroup_values){ .a = a };
	if (add_memory(out, v, l, e) < 0 || add_cpu(out, v, l, e) < 0 || add_pids(out, l, e) < 0)
		return -1;
	if (add_cpuset(out, l, e) < 0 || ADD_NUMBERS(out, v, l, other_numbers, e) < 0)
		return -1;
	return cgroup_list_values(v, l, out, e);
}
