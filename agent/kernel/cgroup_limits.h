/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an OCI spec's linux.resources asks of a control group, but for devices (cgroup_devices.h),
 * and its conversion to the files of either version.
 */
#ifndef MOTE_KERNEL_CGROUP_LIMITS_H
#define MOTE_KERNEL_CGROUP_LIMITS_H

#include "base/mem.h"
#include "kernel/cgroup.h"

#define CGROUP_UNSET INT64_MIN

struct cgroup_block_weight {
	int64_t major, minor;
	int64_t weight, leaf_weight; /* 10..1000; CGROUP_UNSET or 0: not said */
};

struct cgroup_block_rate {
	int64_t major, minor;
	uint64_t rate; /* bytes or operations per second; 0: no limit */
};

enum cgroup_block_rate_kind {
	CGROUP_READ_BPS,
	CGROUP_WRITE_BPS,
	CGROUP_READ_IOPS,
	CGROUP_WRITE_IOPS,
	CGROUP_BLOCK_RATES
};

struct cgroup_block_rates {
	struct cgroup_block_rate *v;
	size_t n;
};

struct cgroup_hugepage {
	const char *page_size; /* "2MB" */
	uint64_t limit;        /* bytes */
};

struct cgroup_priority {
	const char *name; /* of a network interface */
	uint32_t priority;
};

struct cgroup_rdma {
	const char *device;
	int64_t handles, objects; /* CGROUP_UNSET: not said */
};

struct cgroup_unified {
	const char *key, *value; /* never NULL */
};

/*
 * Numbers are CGROUP_UNSET when nobody said them; -1 is "no limit" where that makes sense. As in
 * other runtimes 0 means "not said" for memory, shares, quota, period, realtime and block weights,
 * since that is what a Go program writes when it means nothing.
 */
struct cgroup_limits {
	/* bytes; swap is memory plus swap, as in OCI and version 1 */
	int64_t memory, reservation, swap;
	int64_t kernel, kernel_tcp;             /* version 1; version 2 counts both as memory */
	int64_t swappiness;                     /* 0..100; version 1 */
	bool disable_oom_killer, use_hierarchy; /* version 1 */
	bool check_usage;                       /* refuse a memory limit below the present usage */
	int64_t cpu_shares;                     /* 2..262144 */
	int64_t cpu_quota, cpu_period, cpu_burst; /* microseconds */
	int64_t rt_runtime, rt_period;            /* microseconds; version 1 */
	int64_t cpu_idle;                         /* 0, 1 */
	const char *cpus, *mems;                  /* "0-1,3"; NULL or "": leave alone */
	int64_t pids;                             /* 0 and below: no limit */
	int64_t block_weight, block_leaf_weight;  /* 10..1000 */
	struct cgroup_block_weight *block_weights;
	size_t n_block_weights;
	struct cgroup_block_rates block_rates[CGROUP_BLOCK_RATES];
	struct cgroup_hugepage *hugepages;
	size_t n_hugepages;
	int64_t net_class_id;                   /* version 1 */
	struct cgroup_priority *net_priorities; /* version 1 */
	size_t n_net_priorities;
	struct cgroup_rdma *rdma;
	size_t n_rdma;
	struct cgroup_unified *unified; /* version 2 */
	size_t n_unified;
};

/* Says nothing. */
void cgroup_limits_init(struct cgroup_limits *l);

enum cgroup_value_flags {
	CGROUP_VALUE_OPTIONAL = 0x1, /* asks for nothing, or the kernel holds it anyway: a file that
					is missing is no error */
	CGROUP_VALUE_OR_NEXT = 0x2,  /* where the file is missing the next row stands in; where it
					is not, the next row is left out */
};

/* One write. */
struct cgroup_value {
	unsigned int controller; /* one bit; 0: a file of version 2's core ("cgroup.max.depth") */
	const char *file, *text; /* "memory.max", "max"; constant, or the limits', or the arena's */
	unsigned int flags;
};

struct cgroup_values {
	struct arena *a;
	struct cgroup_value *v;
	size_t n, cap;
};

/* The rows in the order they must be written; pure. INVALID_ARGUMENT names the field of the spec.
 * FAILED_PRECONDITION: the version has no file for what is asked. What version 2 has no file for
 * and need not (kernel memory, swappiness, the OOM switch) gives no row. */
int cgroup_limits_values(enum cgroup_version v, const struct cgroup_limits *l, struct arena *a,
			 struct cgroup_values *out, struct err *e);

/* Job only. Writes them. A limit whose controller or file the kernel lacks is FAILED_PRECONDITION
 * with the file's name, except where "no limit" is asked. */
int cgroup_limit(const struct cgroup_root *root, const char *path, const struct cgroup_limits *l,
		 struct err *e);

#endif
