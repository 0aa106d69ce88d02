/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an OCI spec's limits to the files of either version. Pure. As in other runtimes 0 means "not
 * given" for memory and CPU, and every negative number "no limit".
 */
#include <stdio.h>

#include "base/path.h"
#include "base/str.h"
#include "kernel/cgroup_ops.h"

#define SHARES_MIN	2
#define SHARES_MAX	262144
#define PERIOD_DEFAULT	100000	/* microseconds, the kernel's own */

struct rows {
	struct cgroup_value *out;
	size_t n;
};

void cgroup_limits_init(struct cgroup_limits *l)
{
	*l = (struct cgroup_limits){
		.memory = CGROUP_UNSET, .reservation = CGROUP_UNSET, .swap = CGROUP_UNSET,
		.cpu_shares = CGROUP_UNSET, .cpu_quota = CGROUP_UNSET, .cpu_period = CGROUP_UNSET,
		.pids = CGROUP_UNSET,
	};
}

static bool given(int64_t v)
{
	return v != CGROUP_UNSET && v != 0;
}

static struct cgroup_value *add(struct rows *r, unsigned int controller, const char *file)
{
	struct cgroup_value *v = &r->out[r->n++];

	*v = (struct cgroup_value){ .controller = controller, .file = file };
	return v;
}

static void add_number(struct rows *r, unsigned int controller, const char *file, int64_t value,
		       const char *none)
{
	struct cgroup_value *v = add(r, controller, file);

	if (value < 0)
		snprintf(v->value, sizeof(v->value), "%s", none);
	else
		snprintf(v->value, sizeof(v->value), "%lld", (long long)value);
}

static void add_text(struct rows *r, unsigned int controller, const char *file, const char *text)
{
	if (!str_empty(text))
		add(r, controller, file)->text = text;
}

/* Version 2 limits swap alone, OCI memory and swap together. */
static int add_swap_v2(struct rows *r, const struct cgroup_limits *l, struct err *e)
{
	int64_t swap = l->swap;

	if (!given(swap))
		return 0;
	if (swap > 0) {
		if (!given(l->memory) || l->memory < 0)
			return err_set(e, RC_INVALID_ARGUMENT, "a swap limit needs a memory limit");
		if (swap < l->memory)
			return err_set(e, RC_INVALID_ARGUMENT,
				       "the limit of memory and swap is below that of memory");
		swap -= l->memory;
	}
	add_number(r, CGROUP_MEMORY, "memory.swap.max", swap, "max");
	r->out[r->n - 1].optional = true;
	return 0;
}

static int values_v2(struct rows *r, const struct cgroup_limits *l, struct err *e)
{
	if (given(l->memory))
		add_number(r, CGROUP_MEMORY, "memory.max", l->memory, "max");
	if (given(l->reservation))
		add_number(r, CGROUP_MEMORY, "memory.low", l->reservation, "max");
	if (add_swap_v2(r, l, e) < 0)
		return -1;
	if (given(l->cpu_shares)) {
		int64_t shares = MIN(MAX(l->cpu_shares, (int64_t)SHARES_MIN), (int64_t)SHARES_MAX);

		add_number(r, CGROUP_CPU, "cpu.weight",
			   1 + (shares - SHARES_MIN) * 9999 / (SHARES_MAX - SHARES_MIN), "1");
	}
	if (given(l->cpu_quota) || given(l->cpu_period)) {
		int64_t period = given(l->cpu_period) ? l->cpu_period : PERIOD_DEFAULT;
		struct cgroup_value *v = add(r, CGROUP_CPU, "cpu.max");

		if (given(l->cpu_quota) && l->cpu_quota > 0)
			snprintf(v->value, sizeof(v->value), "%lld %lld", (long long)l->cpu_quota,
				 (long long)period);
		else
			snprintf(v->value, sizeof(v->value), "max %lld", (long long)period);
	}
	return 0;
}

static void values_v1(struct rows *r, const struct cgroup_limits *l)
{
	if (given(l->memory))
		add_number(r, CGROUP_MEMORY, "memory.limit_in_bytes", l->memory, "-1");
	if (given(l->reservation))
		add_number(r, CGROUP_MEMORY, "memory.soft_limit_in_bytes", l->reservation, "-1");
	if (given(l->swap)) {
		add_number(r, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", l->swap, "-1");
		r->out[r->n - 1].optional = true;
	}
	if (given(l->cpu_shares))
		add_number(r, CGROUP_CPU, "cpu.shares", MAX(l->cpu_shares, (int64_t)SHARES_MIN),
			   "2");
	if (given(l->cpu_period))
		add_number(r, CGROUP_CPU, "cpu.cfs_period_us", l->cpu_period, "100000");
	if (given(l->cpu_quota))
		add_number(r, CGROUP_CPU, "cpu.cfs_quota_us", l->cpu_quota, "-1");
}

int cgroup_limits_values(enum cgroup_version v, const struct cgroup_limits *l,
			 struct cgroup_value out[CGROUP_VALUES], size_t *n, struct err *e)
{
	struct rows r = { .out = out };

	*n = 0;
	if (given(l->cpu_period) && l->cpu_period < 0)
		return err_set(e, RC_INVALID_ARGUMENT, "a negative CPU period");
	if (v == CGROUP_VERSION_1)
		values_v1(&r, l);
	else if (values_v2(&r, l, e) < 0)
		return -1;
	if (l->pids != CGROUP_UNSET)
		add_number(&r, CGROUP_PIDS, "pids.max", l->pids > 0 ? l->pids : -1, "max");
	add_text(&r, CGROUP_CPUSET, "cpuset.cpus", l->cpus);
	add_text(&r, CGROUP_CPUSET, "cpuset.mems", l->mems);
	*n = r.n;
	return 0;
}

/* "slice:prefix:name", as a host with systemd writes it: not absolute, and exactly two colons. */
static bool is_systemd_form(const char *path)
{
	const char *first = strchr(path, ':');
	const char *second = first ? strchr(first + 1, ':') : NULL;

	return *path != '/' && second && !strchr(second + 1, ':');
}

char *cgroup_path_of_spec(struct arena *a, const char *cgroups_path, const char *id, struct err *e)
{
	char *path = arena_printf(a, "/%s", str_empty(cgroups_path) ? id : cgroups_path);
	bool plain;

	if (path && !str_empty(cgroups_path) && is_systemd_form(cgroups_path))
		for (char *at = path; *at; at++)
			if (*at == ':')
				*at = '/';
	plain = path && path_is_plain(path);
	if (plain)
		path = path_clean(a, path);
	if (!path) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "cgroup path: out of memory");
		return NULL;
	}
	if (!plain || !cgroup_relative(path)) {
		err_set(e, RC_INVALID_ARGUMENT, "the cgroup path is not usable");
		return NULL;
	}
	return path;
}
