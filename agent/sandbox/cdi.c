/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/cdi.h"

#include <dirent.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/io.h"
#include "event/work.h"
#include "sandbox/said.h"

#define ANNOTATION "cdi.k8s.io/"
#define VARIABLE   "VISIBLE_CDI_DEVICES="
#define AGAIN_MS   1000
#define FILES_MAX  64
#define BYTES_MAX  (1u << 20) /* of all files together */
#define ARENA_MAX  (12u << 20)

/* --- the job: what the files hold --------------------------------------------------------------- */

struct piece {
	uint32_t name, text; /* bytes that follow, of each */
};

static bool is_json(const char *name)
{
	size_t n = strlen(name);

	return n > strlen(".json") && *name != '.' && str_eq(name + n - strlen(".json"), ".json");
}

static int send_file(int dirfd, const char *name, int out, struct err *e)
{
	struct arena a;
	struct piece p = { .name = (uint32_t)strlen(name) };
	char *text;
	ssize_t n;
	int r = 0;

	arena_init(&a, 2 * BYTES_MAX);
	n = io_read_file_arena(dirfd, name, &a, BYTES_MAX, &text);
	if (n < 0) {
		r = err_sys(e, (int)-n, "%s/%.64s", CDI_DIR, name);
	} else {
		p.text = (uint32_t)n;
		if (io_write_full(out, &p, sizeof(p)) < 0 || io_write_full(out, name, p.name) < 0 ||
		    io_write_full(out, text, p.text) < 0)
			r = err_sys(e, EIO, "CDI files");
	}
	arena_fini(&a);
	return r;
}

static int look_job(void *arg UNUSED, int out, struct err *e)
{
	DIR *dir = opendir(CDI_DIR);
	struct dirent *entry;
	size_t n = 0;
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s", CDI_DIR);
	while (r == 0 && n < FILES_MAX && (entry = readdir(dir))) {
		if (!is_json(entry->d_name))
			continue;
		n++;
		r = send_file(dirfd(dir), entry->d_name, out, e);
	}
	closedir(dir);
	return r;
}

/* --- what they mean ----------------------------------------------------------------------------- */

/* All files of `out`, in a. */
static int read_all(const char *out, size_t len, struct arena *a, struct cdi_file *files, size_t *n,
		    struct err *e)
{
	struct piece p;

	for (*n = 0; len >= sizeof(p) && *n < FILES_MAX; ++*n) {
		const char *name = out + sizeof(p);

		memcpy(&p, out, sizeof(p));
		if (p.name > len - sizeof(p) || p.text > len - sizeof(p) - p.name)
			return err_set(e, RC_INTERNAL, "CDI files: cut off");
		if (cdi_read(a, name + p.name, p.text, &files[*n], e) < 0)
			return err_ctx(e, "%s/%.*s", CDI_DIR, (int)MIN(p.name, 64u), name);
		out += sizeof(p) + p.name + p.text;
		len -= sizeof(p) + p.name + p.text;
	}
	return 0;
}

/* Into an arena of its own first, which many looks in vain do not fill. */
static int look(struct cdi *c, const char *out, size_t len, struct err *e)
{
	struct cdi_file *files;
	struct arena a;
	size_t n;
	int r;

	arena_init(&a, ARENA_MAX);
	files = ARENA_ARRAY(&a, struct cdi_file, FILES_MAX);
	r = files ? read_all(out, len, &a, files, &n, e) : err_sys(e, ENOMEM, "CDI");
	if (r == 0)
		r = cdi_resolve(files, n, &c->names, e);
	arena_fini(&a);
	return r;
}

static int inject(struct cdi *c, const char *out, size_t len, struct err *e)
{
	struct arena *a = &c->to->arena;
	struct cdi_file *files = ARENA_ARRAY(a, struct cdi_file, FILES_MAX);
	size_t n;

	if (!files)
		return err_sys(e, ENOMEM, "CDI");
	if (read_all(out, len, a, files, &n, e) < 0 || cdi_resolve(files, n, &c->names, e) < 0)
		return -1;
	return cdi_inject(c->to->spec, files, n, &c->names, a, e);
}

/* --- until it is there ---------------------------------------------------------------------------- */

static void finish(struct cdi *c, const struct err *e)
{
	timer_cancel(&c->again);
	timer_cancel(&c->limit);
	c->done(c->owner, e);
}

static void give_up(struct cdi *c)
{
	struct err e = c->why;

	e.rc = RC_DEADLINE_EXCEEDED;
	err_ctx(&e, "not there after %llu ms", (unsigned long long)(clock_ms() - c->start_ms));
	finish(c, &e);
}

static void on_again(struct timer *t);

static void on_looked(void *owner, const struct err *e, const void *out, size_t len)
{
	struct cdi *c = owner;
	struct err err = *e;

	c->looking = false;
	if (!err_is_set(&err) && look(c, out, len, &err) == 0) {
		inject(c, out, len, &err);
		finish(c, &err);
		return;
	}
	c->why = err;
	if (c->late)
		give_up(c);
	else
		timer_arm(c->sandbox->loop, &c->again, clock_after(AGAIN_MS), on_again);
}

static void start_look(struct cdi *c)
{
	const struct work_opts opts = { .what = "read CDI files",
					.deadline_ms = c->deadline_ms,
					.out_max = 2 * BYTES_MAX };

	c->looking = true;
	work_start(c->sandbox->loop, &opts, look_job, NULL, on_looked, c);
}

static void on_again(struct timer *t)
{
	start_look(container_of(t, struct cdi, again));
}

/* The look that is under way is the last one; without one there is none. */
static void on_limit(struct timer *t)
{
	struct cdi *c = container_of(t, struct cdi, limit);

	c->late = true;
	if (!c->looking)
		give_up(c);
}

static int list_names(struct cdi *c, struct err *e)
{
	const struct spec *s = c->to->spec;
	struct arena *a = &c->to->arena;

	for (size_t i = 0; i < s->annotations.n; i++) {
		const struct spec_pair *p = &s->annotations.v[i];

		if (str_starts(p->key, ANNOTATION) &&
		    cdi_names(p->value, ',', a, &c->names, e) < 0)
			return err_ctx(e, "annotation %.64s", p->key);
	}
	if (!c->sandbox->opts.visible_cdi_devices || !s->process)
		return 0;
	for (size_t i = 0; i < s->process->env.n; i++) {
		const char *value = s->process->env.v[i] + strlen(VARIABLE);

		if (!str_starts(s->process->env.v[i], VARIABLE) || !*value ||
		    str_eq(value, "none") || str_eq(value, "void"))
			continue;
		if (cdi_names(value, ':', a, &c->names, e) < 0)
			return err_ctx(e, "VISIBLE_CDI_DEVICES");
	}
	return 0;
}

int cdi_start(struct cdi *c, sandbox_done_fn done, void *owner, struct err *e)
{
	uint64_t patience = c->sandbox->opts.cdi_timeout_ms;

	c->done = done;
	c->owner = owner;
	if (said_is_pod_sandbox(c->to))
		return 0;
	if (list_names(c, e) < 0)
		return -1;
	if (!c->names.n)
		return 0;
	c->start_ms = clock_ms();
	timer_arm(c->sandbox->loop, &c->limit,
		  MIN(c->deadline_ms, clock_after(patience ? patience : CDI_TIMEOUT_MS)), on_limit);
	start_look(c);
	return 1;
}
