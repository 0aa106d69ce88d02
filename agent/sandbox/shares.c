/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/shares.h"

#include "base/io.h"
#include "base/path.h"
#include "base/str.h"
#include "event/work.h"
#include "kernel/revalidate.h"
#include "sandbox/sandbox.h"
#include "sandbox/volumes.h"

#define DIR SANDBOX_SHARED_DIR "/"

/* --- of a container --- */

static void use(struct shares_used *out, struct arena *a, const char *path)
{
	const char *from, *end;
	char *name;

	if (!path || !str_starts(path, DIR))
		return;
	from = path + strlen(DIR);
	end = strchrnul(from, '/');
	name = arena_strndup(a, from, (size_t)(end - from));
	if (!name || !*name || str_eq(name, ".") || str_eq(name, ".."))
		return;
	for (size_t i = 0; i < out->n; i++)
		if (str_eq(out->names[i], name))
			return;
	out->names[out->n++] = name;
}

void shares_find(const struct sandbox_container *what, struct arena *a, struct shares_used *out)
{
	const struct spec *spec = what->container->spec;

	out->n = 0;
	out->names = ARENA_ARRAY(a, const char *, 1 + spec->n_mounts + what->n_storages);
	if (!out->names)
		return;
	use(out, a, spec->root.path);
	for (size_t i = 0; i < spec->n_mounts; i++)
		use(out, a, spec->mounts[i].source);
	for (size_t i = 0; i < what->n_storages; i++)
		use(out, a, what->storages[i].source);
}

/* --- what is left --- */

static void forget(struct shares *s, size_t at)
{
	free(s->names[at]);
	s->n--;
	memmove(&s->names[at], &s->names[at + 1], (s->n - at) * sizeof(s->names[0]));
}

/* Takes the name over. */
static void remember(struct shares *s, char *name)
{
	for (size_t i = 0; name && i < s->n; i++)
		if (str_eq(s->names[i], name)) {
			free(name);
			return;
		}
	if (!name)
		return;
	if (s->n == SHARES_MAX)
		forget(s, 0);
	s->names[s->n++] = name;
}

void shares_left(struct shares *s, const struct shares_used *used)
{
	for (size_t i = 0; i < used->n; i++)
		remember(s, strdup(used->names[i]));
}

void shares_fini(struct shares *s)
{
	while (s->n)
		forget(s, s->n - 1);
}

/* --- the look --- */

struct look {
	struct sandbox *sandbox;
	struct shares at; /* other containers may end meanwhile */
	sandbox_done_fn done;
	void *owner;
};

/* The outcome is a byte a name: is it there? */
static int look(void *arg, int out, struct err *e)
{
	const struct look *l = arg;
	char is_there[SHARES_MAX] = { 0 };
	AUTO_FD view = -1;
	int r;

	volumes_look_at_shares();
	view = revalidate_open(SANDBOX_SHARED_DIR);
	for (size_t i = 0; view >= 0 && i < l->at.n; i++)
		is_there[i] = revalidate_name(view, l->at.names[i]) == 1;
	r = io_write_full(out, is_there, l->at.n);
	return r < 0 ? err_sys(e, -r, "look at the shares") : 0;
}

static void looked(void *owner, const struct err *e, const void *out, size_t len)
{
	struct look *l = owner;
	const char *is_there = out;

	for (size_t i = 0; i < l->at.n; i++)
		if (err_is_set(e) || (i < len && is_there[i]))
			remember(&l->sandbox->shares, TAKE_PTR(l->at.names[i]));
	shares_fini(&l->at);
	l->done(l->owner, e);
	free(l);
}

void sandbox_look_at_shares(struct sandbox *s, uint64_t deadline_ms, sandbox_done_fn done,
			    void *owner)
{
	const struct work_opts opts = { .what = "look at the shares",
					.deadline_ms = deadline_ms,
					.out_max = SHARES_MAX };
	struct look *l = mem_new(1, sizeof(*l));
	struct err e = { 0 };

	if (!l) {
		err_sys(&e, ENOMEM, "look at the shares");
		done(owner, &e);
		return;
	}
	*l = (struct look){ .sandbox = s, .at = s->shares, .done = done, .owner = owner };
	s->shares.n = 0;
	work_start(s->loop, &opts, look, l, looked, l);
}
