/* SPDX-License-Identifier: Apache-2.0 */
#include "container/hooks_job.h"

#include "base/clock.h"
#include "base/log.h"

static int run(void *arg, void *out UNUSED, size_t out_cap UNUSED, size_t *out_len UNUSED,
	       struct err *e UNUSED)
{
	const struct container *c = arg;

	hooks_run(c->hooks, &c->hooks_state);
	return 0;
}

static void finished(void *owner, const struct err *e, const void *out UNUSED,
		     size_t out_len UNUSED)
{
	struct container *c = owner;

	c->job = NULL;
	c->hooks = NULL;
	if (err_is_set(e))
		log_warn("hooks", "container %s: %s", c->id, e->msg);
	if (c->hooks_done)
		c->hooks_done(c);
}

/* Each hook's own timeout bounds the job: hooks_run ends it. */
bool hooks_job_start(struct container *c, const struct spec_hook_list *l, const char *status,
		     pid_t pid, void (*done)(struct container *c))
{
	const struct job_opts opts = { .what = "hooks", .deadline_ms = CLOCK_NEVER };
	struct err e = { 0 };

	if (!l->n)
		return false;
	c->hooks = l;
	c->hooks_done = done;
	c->hooks_state = (struct hooks_state){
		.spec = c->spec, .id = c->id, .bundle = c->bundle, .status = status, .pid = pid,
	};
	c->job = job_start(c->host->loop, &opts, run, c, finished, c, &e);
	if (!c->job) {
		c->hooks = NULL;
		log_warn("hooks", "container %s: %s", c->id, e.msg);
	}
	return c->job;
}
