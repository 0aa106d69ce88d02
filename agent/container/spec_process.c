/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a process: a container's first one, and an exec. */
#include "container/spec_parts.h"

#include <sched.h>

#include "base/num.h"
#include "container/spec_words.h"

#define OOM_SCORE_MAX	1000
#define GROUPS_MAX	65536	/* NGROUPS_MAX */

static int check_rlimits(const struct spec_process *p, struct err *e)
{
	uint32_t seen = 0;

	for (size_t i = 0; i < p->n_rlimits; i++) {
		const struct spec_rlimit *r = &p->rlimits[i];
		int number = str_empty(r->type) ? -EINVAL : rlimit_number(r->type);

		if (number < 0)
			return err_set(e, RC_INVALID_ARGUMENT,
				       "process.rlimits[%zu].type: unknown \"%.40s\"", i,
				       r->type ? r->type : "");
		if (r->soft > r->hard)
			return err_set(e, RC_INVALID_ARGUMENT,
				       "process.rlimits[%zu] (%s): soft is above hard", i, r->type);
		if (seen & UINT32_C(1) << number)
			return err_set(e, RC_INVALID_ARGUMENT, "process.rlimits[%zu]: a second %s",
				       i, r->type);
		seen |= UINT32_C(1) << number;
	}
	return 0;
}

/* What execve would take, and getenv never find. The text is not told. */
static int check_env(const struct spec_process *p, struct err *e)
{
	for (size_t i = 0; i < p->env.n; i++)
		if (!strchr(p->env.v[i], '=') || p->env.v[i][0] == '=')
			return err_set(e, RC_INVALID_ARGUMENT, "process.env[%zu]: not NAME=value",
				       i);
	return 0;
}

/* setresuid(2) and setgroups(2) take -1 for "leave it", and that would be root. */
static int check_user(const struct spec_user *u, struct err *e)
{
	if (u->uid == UINT32_MAX)
		return spec_bad(e, "process.user.uid", "4294967295 is no user");
	if (u->gid == UINT32_MAX)
		return spec_bad(e, "process.user.gid", "4294967295 is no group");
	for (size_t i = 0; i < u->n_groups && i < GROUPS_MAX; i++)
		if (u->groups[i] == UINT32_MAX)
			return spec_bad(e, "process.user.additionalGids", "4294967295 is no group");
	if (u->umask_set && u->umask > 0777)
		return spec_bad(e, "process.user.umask", "not in 0..0777");
	if (u->n_groups > GROUPS_MAX)
		return spec_bad(e, "process.user.additionalGids", "more than 65536");
	return 0;
}

/* sched(7): each policy has its own numbers, and those of another mean a mistake. */
static int check_scheduler(const struct spec_process *p, struct err *e)
{
	const struct sched_params *s = p->scheduler;
	bool real_time, deadline;

	if (!s)
		return 0;
	if (s->policy == SPEC_SCHED_ISO)
		return err_set(e, RC_UNIMPLEMENTED,
			       "process.scheduler.policy: Linux has no SCHED_ISO");
	real_time = s->policy == SCHED_FIFO || s->policy == SCHED_RR;
	deadline = s->policy == SPEC_SCHED_DEADLINE;
	if (s->nice < -20 || s->nice > 19)
		return spec_bad(e, "process.scheduler.nice", "not in -20..19");
	if (s->nice && (real_time || deadline))
		return spec_bad(e, "process.scheduler.nice", "the policy has none");
	if (real_time && (s->priority < 1 || s->priority > 99))
		return spec_bad(e, "process.scheduler.priority", "not in 1..99");
	if (s->priority && !real_time)
		return spec_bad(e, "process.scheduler.priority", "the policy has none");
	if ((s->runtime_ns || s->deadline_ns || s->period_ns) && !deadline)
		return spec_bad(e, "process.scheduler",
				"only SCHED_DEADLINE has runtime, deadline and period");
	if (deadline && !s->runtime_ns)
		return spec_bad(e, "process.scheduler.runtime", "missing");
	return 0;
}

static int check_io_priority(const struct spec_process *p, struct err *e)
{
	if (!p->io_priority.set)
		return 0;
	if (p->io_priority.class < 1 || p->io_priority.class > 3)
		return spec_bad(e, "process.ioPriority.class", "unknown");
	if (p->io_priority.level < 0 || p->io_priority.level > 7)
		return spec_bad(e, "process.ioPriority.priority", "not in 0..7");
	return 0;
}

static int check_cpus(const char *list, const char *field, struct err *e)
{
	uint64_t mask[SCHED_MASK_WORDS(SCHED_CPUS_MAX)];

	if (str_empty(list) || num_list(list, mask, SCHED_CPUS_MAX) == 0)
		return 0;
	return spec_bad(e, field, "not a list of processors");
}

int spec_validate_process(const struct spec_process *p, struct err *e)
{
	if (!p->args.n || str_empty(p->args.v[0]))
		return spec_bad(e, "process.args", "no command");
	if (!str_empty(p->cwd) && p->cwd[0] != '/')
		return spec_bad(e, "process.cwd", "not an absolute path");
	if (p->oom_score_adj.set &&
	    (p->oom_score_adj.v < -OOM_SCORE_MAX || p->oom_score_adj.v > OOM_SCORE_MAX))
		return spec_bad(e, "process.oomScoreAdj", "not in -1000..1000");
	if (!str_empty(p->selinux_label) && !spec_label_is_context(p->selinux_label))
		return spec_bad(e, "process.selinuxLabel", "not an SELinux context");
	if (check_env(p, e) < 0 || check_user(&p->user, e) < 0 || check_rlimits(p, e) < 0)
		return -1;
	if (check_scheduler(p, e) < 0 || check_io_priority(p, e) < 0)
		return -1;
	if (check_cpus(p->exec_cpus_initial, "process.execCPUAffinity.initial", e) < 0)
		return -1;
	return check_cpus(p->exec_cpus_final, "process.execCPUAffinity.final", e);
}
