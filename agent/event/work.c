/* SPDX-License-Identifier: Apache-2.0 */
#include "event/work.h"

#include <sys/mman.h>

#include "base/io.h"
#include "base/mem.h"
#include "event/job.h"

struct work {
	struct work_opts opts;
	int out;
	work_fn fn;
	void *arg;
	work_done_fn done;
	void *owner;
};

static int work_job(void *arg, void *out UNUSED, size_t out_cap UNUSED, size_t *out_len UNUSED,
		    struct err *e)
{
	const struct work *w = arg;

	return w->fn(w->arg, w->out, e);
}

static void work_done(void *owner, const struct err *failed, const void *none UNUSED,
		      size_t none_len UNUSED)
{
	struct work *w = owner;
	struct err e = *failed;
	const void *out = NULL;
	size_t len = 0;
	int r = 0;

	if (!err_is_set(&e) && w->opts.out_max)
		r = io_map(w->out, w->opts.out_max, &out, &len);
	if (r == -EFBIG)
		err_set(&e, RC_RESOURCE_EXHAUSTED, "%s: more than %zu bytes", w->opts.what,
			w->opts.out_max);
	else if (r < 0)
		err_sys(&e, -r, "%s", w->opts.what);
	auto_close(&w->out);
	if (w->opts.release)
		w->opts.release(w->arg);
	w->done(w->owner, &e, out ? out : "", len);
	io_unmap(out, len);
	if (e.rc != RC_DEADLINE_EXCEEDED || !w->opts.late)
		free(w);
}

static void work_late(void *owner)
{
	struct work *w = owner;

	w->opts.late(w->owner);
	free(w);
}

void work_start(struct loop *l, const struct work_opts *opts, work_fn fn, void *arg,
		work_done_fn done, void *owner)
{
	struct work *w = mem_new(1, sizeof(*w));
	struct job_opts job = { .what = opts->what,
				.deadline_ms = opts->deadline_ms,
				.late = opts->late ? work_late : NULL };
	struct err e = { 0 };

	if (!w) {
		err_sys(&e, ENOMEM, "%s", opts->what);
		if (opts->release)
			opts->release(arg);
		done(owner, &e, "", 0);
		return;
	}
	*w = (struct work){ *opts, -1, fn, arg, done, owner };
	if (opts->out_max) {
		w->out = memfd_create("outcome", MFD_CLOEXEC);
		if (w->out < 0)
			err_sys(&e, errno, "%s", opts->what);
		job.keep_fds = &w->out;
		job.n_keep_fds = 1;
	}
	if (!err_is_set(&e))
		(void)job_start(l, &job, work_job, w, work_done, w, &e);
	if (err_is_set(&e))
		work_done(w, &e, NULL, 0);
}
