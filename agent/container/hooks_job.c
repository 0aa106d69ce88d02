/* SPDX-License-Identifier: Apache-2.0 */
#include "container/hooks_job.h"

#include <stddef.h>

#include "base/clock.h"

/* Which lists of struct spec_hooks belong to a moment, in their order. */
static const struct moment {
	const char *status;
	struct {
		const char *stage;
		size_t list;
		enum hooks_rule rule;
		bool guest;
	} runs[4];
} moments[HOOKS_MOMENTS] = {
#define LIST(member) offsetof(struct spec_hooks, member)
	[HOOKS_BEFORE_PIVOT] = { "creating",
				 { { "prestart", LIST(prestart), HOOKS_MUST, false },
				   { "prestart", LIST(prestart), HOOKS_MAY, true },
				   { "createRuntime", LIST(create_runtime), HOOKS_MUST, false } } },
	[HOOKS_POSTSTART] = { "running",
			      { { "poststart", LIST(poststart), HOOKS_MAY, false },
				{ "poststart", LIST(poststart), HOOKS_MAY, true } } },
	[HOOKS_POSTSTOP] = { "stopped",
			     { { "poststop", LIST(poststop), HOOKS_MAY, false },
			       { "poststop", LIST(poststop), HOOKS_MAY, true } } },
#undef LIST
};

static const struct spec_hook_list *list_of(const struct container *c, const struct moment *m,
					    size_t i)
{
	const struct spec_hooks *h = m->runs[i].guest ? &c->host->guest_hooks : &c->spec->hooks;

	return (const void *)((const char *)h + m->runs[i].list);
}

static int run(void *arg, void *out UNUSED, size_t out_cap UNUSED, size_t *out_len UNUSED,
	       struct err *e)
{
	const struct container *c = arg;
	const struct moment *m = c->hooks;

	for (size_t i = 0; m->runs[i].stage; i++)
		if (hooks_run(list_of(c, m, i), m->runs[i].stage, m->runs[i].rule, &c->hooks_state,
			      e) < 0)
			return -1;
	return 0;
}

static void finished(void *owner, const struct err *e, const void *out UNUSED,
		     size_t out_len UNUSED)
{
	struct container *c = owner;

	c->job = NULL;
	c->hooks = NULL;
	c->hooks_done(c, e);
}

bool hooks_job_due(const struct container *c, enum hooks_moment moment)
{
	const struct moment *m = &moments[moment];

	for (size_t i = 0; m->runs[i].stage; i++)
		if (list_of(c, m, i)->n)
			return true;
	return false;
}

/* Each hook's own timeout bounds the job: hooks_run ends it. */
int hooks_job_start(struct container *c, enum hooks_moment moment, pid_t pid,
		    void (*done)(struct container *c, const struct err *e), struct err *e)
{
	const struct job_opts opts = { .what = "hooks", .deadline_ms = CLOCK_NEVER };

	c->hooks = &moments[moment];
	c->hooks_done = done;
	c->hooks_state = (struct hooks_state){
		.spec = c->spec,
		.id = c->id,
		.bundle = c->bundle,
		.status = moments[moment].status,
		.pid = pid,
	};
	c->job = job_start(c->host->loop, &opts, run, c, finished, c, e);
	if (!c->job)
		c->hooks = NULL;
	return c->job ? 0 : -1;
}
