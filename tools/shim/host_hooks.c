/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/host_hooks.h"

#include <fcntl.h>

#include "base/io.h"
#include "base/clock.h"
#include "base/log.h"
#include "container/hooks.h"
#include "container/spec_json.h"
#include "event/job.h"
#include "kernel/ns.h"
#include "shim/shim.h"

#define OWED        "mote.poststop" /* in the bundle */
#define ARENA_BYTES (48u << 20)     /* a config.json and what is made of it */

struct run {
	enum bundle_hooks which;
	const char *bundle;
	struct arena a;
	struct hooks_state state;
	int mntfd; /* the host's mount namespace; -1: we are in it */
	struct err *e;
	bool done;
};

static const char *owed(struct run *r)
{
	return arena_printf(&r->a, "%s/" OWED, r->bundle);
}

static struct spec *read_spec(struct run *r, struct err *e)
{
	const char *path = arena_printf(&r->a, "%s/config.json", r->bundle);
	struct spec *spec = spec_new(&r->a);
	char *text = NULL;
	ssize_t n = path && spec ? io_read_file_arena(AT_FDCWD, path, &r->a, SPEC_JSON_MAX, &text)
				 : -ENOMEM;

	if (n < 0) {
		err_sys(e, (int)-n, "%s/config.json", r->bundle);
		return NULL;
	}
	if (spec_json_read(text, (size_t)n, &r->a, spec, e) == 0)
		return spec;
	err_ctx(e, "%s", path);
	return NULL;
}

static int run_lists(const struct run *r, struct err *e)
{
	const struct spec_hooks *h = &r->state.spec->hooks;

	switch (r->which) {
	case BUNDLE_HOOKS_CREATE:
		if (hooks_run(&h->prestart, "prestart", HOOKS_MUST, &r->state, e) < 0)
			return -1;
		return hooks_run(&h->create_runtime, "createRuntime", HOOKS_MUST, &r->state, e);
	case BUNDLE_HOOKS_STARTED:
		return hooks_run(&h->poststart, "poststart", HOOKS_MAY, &r->state, e);
	case BUNDLE_HOOKS_STOPPED:
		return hooks_run(&h->poststop, "poststop", HOOKS_MAY, &r->state, e);
	}
	return 0;
}

static int job(void *arg, void *out UNUSED, size_t out_cap UNUSED, size_t *out_len UNUSED,
	       struct err *e)
{
	const struct run *r = arg;
	int rc = ns_join(r->mntfd, NS_MNT);

	if (rc < 0)
		return err_sys(e, -rc, "enter the host's mount namespace");
	return run_lists(r, e);
}

static void on_done(void *owner, const struct err *e, const void *out UNUSED, size_t len UNUSED)
{
	struct run *r = owner;

	*r->e = *e;
	r->done = true;
}

static int run_in_job(struct shim *s, struct run *r, struct err *e)
{
	const struct job_opts opts = { .what = "hooks",
				       .deadline_ms = CLOCK_NEVER, /* each has its own */
				       .keep_fds = &r->mntfd,
				       .n_keep_fds = 1 };

	r->e = e;
	r->state.spec = read_spec(r, e);
	if (!r->state.spec || !job_start(s->loop, &opts, job, r, on_done, r, e))
		return -1;
	while (!r->done)
		loop_once(s->loop, -1);
	return err_is_set(e) ? -1 : 0;
}

/* Owed before the first of them has run, whatever becomes of that. */
static int begin(struct run *r, unsigned int mask, struct err *e)
{
	const char *path = mask & BUNDLE_HOOKS_STOPPED ? owed(r) : "";
	int rc = !path ? -ENOMEM : *path ? io_create_file(AT_FDCWD, path, "", 0, 0600) : 0;

	return rc < 0 ? err_sys(e, -rc, "%s/" OWED, r->bundle) : 0;
}

static bool may_run(struct run *r)
{
	const char *path = r->which == BUNDLE_HOOKS_STOPPED ? owed(r) : NULL;

	return r->which != BUNDLE_HOOKS_STOPPED || (path && unlink(path) == 0);
}

int host_hooks_run(struct shim *s, enum bundle_hooks which, unsigned int mask, const char *id,
		   const char *bundle, struct err *e)
{
	static const char *const statuses[] = { [BUNDLE_HOOKS_CREATE] = "creating",
						[BUNDLE_HOOKS_STARTED] = "running",
						[BUNDLE_HOOKS_STOPPED] = "stopped" };
	struct run r = { .which = which, .bundle = bundle, .mntfd = s->share.hostfd };
	int rc = 0;

	if (!mask)
		return 0;
	arena_init(&r.a, ARENA_BYTES);
	r.state = (struct hooks_state){ .id = id, .bundle = bundle, .status = statuses[which],
					.pid = which == BUNDLE_HOOKS_STOPPED ? 0 : s->vm_pid };
	if (which == BUNDLE_HOOKS_CREATE)
		rc = begin(&r, mask, e);
	if (rc == 0 && mask & which && may_run(&r))
		rc = run_in_job(s, &r, e);
	arena_fini(&r.a);
	if (rc < 0 && which != BUNDLE_HOOKS_CREATE) {
		log_warn("hooks", "container %s: %s", id, e->msg);
		err_clear(e);
		rc = 0;
	}
	return rc;
}

void host_hooks_settle(const char *id, const char *bundle)
{
	struct run r = { .which = BUNDLE_HOOKS_STOPPED, .bundle = bundle, .mntfd = -1 };
	struct err e = { 0 };

	arena_init(&r.a, ARENA_BYTES);
	r.state = (struct hooks_state){ .id = id, .bundle = bundle, .status = "stopped" };
	if (may_run(&r)) {
		r.state.spec = read_spec(&r, &e);
		if (!r.state.spec)
			log_warn("hooks", "poststop: %s", e.msg);
		else
			run_lists(&r, &e);
	}
	arena_fini(&r.a);
}
