/* SPDX-License-Identifier: Apache-2.0 */
#include "container/cdi.h"

#include <ctype.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/path.h"
#include "base/str.h"
#include "container/spec_devices.h"

#define NAMES_MAX 256

/* --- names ------------------------------------------------------------------------------------ */

static size_t word(const char *s, size_t n)
{
	size_t k = 0;

	while (k < n && (isalnum((unsigned char)s[k]) || strchr("._-:", s[k])))
		k++;
	return k;
}

/* vendor/class=name */
static bool is_name(const char *s, size_t n)
{
	size_t k = word(s, n), c;

	if (!k || k >= n || s[k] != '/')
		return false;
	c = word(s + k + 1, n - k - 1);
	k += 1 + c;
	if (!c || k >= n || s[k] != '=')
		return false;
	c = word(s + k + 1, n - k - 1);
	return c && k + 1 + c == n;
}

static bool has(const struct spec_strings *v, const char *s, size_t n)
{
	for (size_t i = 0; i < v->n; i++)
		if (strncmp(v->v[i], s, n) == 0 && !v->v[i][n])
			return true;
	return false;
}

/* As spec_strings are: ended by a NULL. */
static int append(struct spec_strings *v, char *text, struct arena *a)
{
	char **all = ARENA_ARRAY(a, char *, v->n + 2);

	if (!all || !text)
		return -ENOMEM;
	for (size_t i = 0; i < v->n; i++)
		all[i] = v->v[i];
	all[v->n++] = text;
	v->v = all;
	return 0;
}

static int no_memory(struct err *e)
{
	return err_set(e, RC_RESOURCE_EXHAUSTED, "CDI: out of memory");
}

int cdi_names(const char *list, char separator, struct arena *a, struct spec_strings *out,
	      struct err *e)
{
	const char ends[] = { separator, '\0' };

	for (;; list++) {
		size_t n = strcspn(list, ends);

		if (!is_name(list, n))
			return err_set(e, RC_INVALID_ARGUMENT,
				       "CDI device \"%.*s\": not of the form VENDOR/CLASS=NAME",
				       (int)MIN(n, (size_t)64), list);
		if (out->n == NAMES_MAX)
			return err_set(e, RC_INVALID_ARGUMENT, "CDI devices: more than %d",
				       NAMES_MAX);
		if (!has(out, list, n) && append(out, arena_strndup(a, list, n), a) < 0)
			return no_memory(e);
		list += n;
		if (!*list)
			return 0;
	}
}

/* --- files ------------------------------------------------------------------------------------ */

static struct cdi_device *device_in(const struct cdi_file *f, const char *name)
{
	size_t n = strlen(f->kind);

	if (strncmp(f->kind, name, n) != 0 || name[n] != '=')
		return NULL;
	for (size_t i = 0; i < f->n_devices; i++)
		if (str_eq(f->devices[i].name, name + n + 1))
			return &f->devices[i];
	return NULL;
}

/* Which file; n: none. */
static size_t file_of(const struct cdi_file *files, size_t n, const char *name)
{
	size_t at = 0;

	while (at < n && !device_in(&files[at], name))
		at++;
	return at;
}

/* What is left open is as the guest's node: devtmpfs, so nothing waits. */
static int resolve_node(struct cdi_node *node, struct err *e)
{
	struct spec_device *d = &node->device;
	const char *path = node->host_path ? node->host_path : d->path;
	struct stat st;

	if (!path_is_plain(d->path))
		return err_set(e, RC_INVALID_ARGUMENT, "node %.128s: not absolute, or with \"..\"",
			       d->path);
	if (d->type && (d->type == S_IFIFO || d->major > 0 || d->minor > 0))
		return 0;
	if (!path_is_plain(path) || !str_starts(path, "/dev/"))
		return err_set(e, RC_INVALID_ARGUMENT, "node %.128s: not below /dev", path);
	if (lstat(path, &st) < 0)
		return err_sys(e, errno, "node %.128s", path);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(e, RC_FAILED_PRECONDITION, "node %.128s: no device", path);
	if (d->type && d->type != (st.st_mode & S_IFMT))
		return err_set(e, RC_FAILED_PRECONDITION, "node %.128s: of another type", path);
	d->type = st.st_mode & S_IFMT;
	d->major = major(st.st_rdev);
	d->minor = minor(st.st_rdev);
	return 0;
}

static int resolve_edits(struct cdi_edits *edits, struct err *e)
{
	for (size_t i = 0; i < edits->n_nodes; i++)
		if (resolve_node(&edits->nodes[i], e) < 0)
			return -1;
	return 0;
}

int cdi_resolve(struct cdi_file *files, size_t n, const struct spec_strings *names, struct err *e)
{
	for (size_t i = 0; i < names->n; i++) {
		const char *name = names->v[i];
		size_t at = file_of(files, n, name);

		if (at == n)
			return err_set(e, RC_NOT_FOUND, "CDI device %.96s: in none of %zu files",
				       name, n);
		if (at + 1 + file_of(files + at + 1, n - at - 1, name) < n)
			return err_set(e, RC_ALREADY_EXISTS, "CDI device %.96s: in two files",
				       name);
		if (resolve_edits(&device_in(&files[at], name)->edits, e) < 0 ||
		    resolve_edits(&files[at].edits, e) < 0)
			return err_ctx(e, "CDI device %.96s", name);
	}
	return 0;
}

/* --- into the spec ---------------------------------------------------------------------------- */

static int set_variable(struct spec_strings *env, char *text, struct arena *a)
{
	size_t n = strcspn(text, "=");

	for (size_t i = 0; i < env->n; i++) {
		if (strncmp(env->v[i], text, n + 1) != 0)
			continue;
		env->v[i] = text;
		return 0;
	}
	return append(env, text, a);
}

static struct spec_hook_list *stage_of(struct spec_hooks *h, const char *name)
{
	const struct {
		const char *name;
		struct spec_hook_list *list;
	} stages[] = {
		{ "prestart", &h->prestart },
		{ "createRuntime", &h->create_runtime },
		{ "createContainer", &h->create_container },
		{ "startContainer", &h->start_container },
		{ "poststart", &h->poststart },
		{ "poststop", &h->poststop },
	};

	for (size_t i = 0; i < COUNT_OF(stages); i++)
		if (str_eq(stages[i].name, name))
			return stages[i].list;
	return NULL;
}

static int add_hook(struct spec *s, const struct cdi_hook *h, struct arena *a, struct err *e)
{
	struct spec_hook_list *list = stage_of(&s->hooks, h->stage);
	struct spec_hook *v;

	if (!list)
		return err_set(e, RC_INVALID_ARGUMENT, "CDI: hookName \"%.32s\": unknown",
			       h->stage);
	v = ARENA_ARRAY(a, struct spec_hook, list->n + 1);
	if (!v)
		return no_memory(e);
	for (size_t i = 0; i < list->n; i++)
		v[i] = list->v[i];
	v[list->n++] = h->hook;
	list->v = v;
	return 0;
}

static int add_mounts(struct spec *s, const struct cdi_edits *edits, struct arena *a)
{
	struct spec_mount *v;

	if (!edits->n_mounts)
		return 0;
	v = ARENA_ARRAY(a, struct spec_mount, s->n_mounts + edits->n_mounts);
	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_mounts; i++)
		v[i] = s->mounts[i];
	for (size_t i = 0; i < edits->n_mounts; i++)
		v[s->n_mounts++] = edits->mounts[i];
	s->mounts = v;
	return 0;
}

static int add_gids(struct spec_user *u, const struct cdi_edits *edits, struct arena *a)
{
	uint32_t *v;

	if (!edits->n_gids)
		return 0;
	v = ARENA_ARRAY(a, uint32_t, u->n_groups + edits->n_gids);
	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < u->n_groups; i++)
		v[i] = u->groups[i];
	for (size_t i = 0; i < edits->n_gids; i++)
		v[u->n_groups++] = edits->gids[i];
	u->groups = v;
	return 0;
}

static int add_nodes(struct spec *s, const struct cdi_edits *edits, struct arena *a, struct err *e)
{
	for (size_t i = 0; i < edits->n_nodes; i++) {
		const struct cdi_node *node = &edits->nodes[i];
		unsigned int access = CGROUP_DEV_ALL;

		if (node->permissions)
			spec_parse_device_access(node->permissions, &access);
		if (spec_devices_add(s, &node->device, access, a, e) < 0)
			return -1;
	}
	return 0;
}

static int add_edits(struct spec *s, const struct cdi_edits *edits, struct arena *a, struct err *e)
{
	for (size_t i = 0; s->process && i < edits->env.n; i++)
		if (set_variable(&s->process->env, edits->env.v[i], a) < 0)
			return no_memory(e);
	if (add_mounts(s, edits, a) < 0 ||
	    (s->process && add_gids(&s->process->user, edits, a) < 0))
		return no_memory(e);
	for (size_t i = 0; i < edits->n_hooks; i++)
		if (add_hook(s, &edits->hooks[i], a, e) < 0)
			return -1;
	return add_nodes(s, edits, a, e);
}

int cdi_inject(struct spec *s, const struct cdi_file *files, size_t n,
	       const struct spec_strings *names, struct arena *a, struct err *e)
{
	/* a file's own edits once, however many of its devices are wanted */
	for (size_t f = 0; f < n; f++) {
		bool wanted = false;

		for (size_t i = 0; i < names->n; i++) {
			const struct cdi_device *d = device_in(&files[f], names->v[i]);

			if (d && add_edits(s, &d->edits, a, e) < 0)
				return -1;
			wanted = wanted || d;
		}
		if (wanted && add_edits(s, &files[f].edits, a, e) < 0)
			return -1;
	}
	return 0;
}
