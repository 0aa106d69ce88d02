/* SPDX-License-Identifier: Apache-2.0 */
/* MemAgentMemcgSet, MemAgentCompactSet: what a message lacks stays as it is. */
#include "service/kata/kata.h"

#define SECS_MAX UINT32_MAX

/* A field of a message. */
struct field {
	const char *name;
	bool set;
	uint64_t value, min, max;
	uint64_t *to;
};

static int take(const struct field *f, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (f[i].set && (f[i].value < f[i].min || f[i].value > f[i].max))
			return err_set(e, RC_INVALID_ARGUMENT, "%s: not %llu to %llu", f[i].name,
				       (unsigned long long)f[i].min, (unsigned long long)f[i].max);
	for (size_t i = 0; i < n; i++)
		if (f[i].set)
			*f[i].to = f[i].value;
	return 0;
}

void kata_mem_agent_memcg_set(struct call *c)
{
	const Grpc__MemAgentMemcgConfig *req = (const void *)c->req;
	struct mem_agent *m = &kata_of(c)->sandbox->mem_agent;
	struct mem_agent_memcg to = m->config.memcg;
	const struct field fields[] = {
		{ "swappiness_max", req->swappiness_max_opt_case, req->swappiness_max, 0, 200,
		  &to.swappiness_max },
		{ "period_secs", req->period_secs_opt_case, req->period_secs, 1, SECS_MAX,
		  &to.period_secs },
		{ "period_psi_percent_limit", req->period_psi_percent_limit_opt_case,
		  req->period_psi_percent_limit, 0, 100, &to.period_psi },
		{ "eviction_psi_percent_limit", req->eviction_psi_percent_limit_opt_case,
		  req->eviction_psi_percent_limit, 0, 100, &to.eviction_psi },
		{ "eviction_run_aging_count_min", req->eviction_run_aging_count_min_opt_case,
		  req->eviction_run_aging_count_min, 0, UINT64_MAX, &to.aging_min },
	};
	struct err e = { 0 };

	if (req->disabled_opt_case)
		to.disabled = req->disabled;
	if (req->swap_opt_case)
		to.swap = req->swap;
	if (take(fields, COUNT_OF(fields), &e) == 0)
		(void)mem_agent_set_memcg(m, &to, &e);
	verb_answer(c, &e);
}

void kata_mem_agent_compact_set(struct call *c)
{
	const Grpc__MemAgentCompactConfig *req = (const void *)c->req;
	struct mem_agent *m = &kata_of(c)->sandbox->mem_agent;
	struct mem_agent_compact to = m->config.compact;
	const struct field fields[] = {
		{ "period_secs", req->period_secs_opt_case, req->period_secs, 1, SECS_MAX,
		  &to.period_secs },
		{ "period_psi_percent_limit", req->period_psi_percent_limit_opt_case,
		  req->period_psi_percent_limit, 0, 100, &to.period_psi },
		{ "compact_psi_percent_limit", req->compact_psi_percent_limit_opt_case,
		  req->compact_psi_percent_limit, 0, 100, &to.compact_psi },
		{ "compact_sec_max", req->compact_sec_max_opt_case, (uint64_t)req->compact_sec_max, 0,
		  SECS_MAX, &to.sec_max },
		{ "compact_order", req->compact_order_opt_case, req->compact_order, 0, 31, &to.order },
		{ "compact_threshold", req->compact_threshold_opt_case, req->compact_threshold, 0,
		  INT64_MAX, &to.threshold },
		{ "compact_force_times", req->compact_force_times_opt_case, req->compact_force_times, 0,
		  UINT64_MAX, &to.force_times },
	};
	struct err e = { 0 };

	if (req->disabled_opt_case)
		to.disabled = req->disabled;
	if (take(fields, COUNT_OF(fields), &e) == 0)
		(void)mem_agent_set_compact(m, &to, &e);
	verb_answer(c, &e);
}
