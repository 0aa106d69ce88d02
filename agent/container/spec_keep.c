/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stays of a spec once the first process is set up. That process has its own copy of the rest,
 * and a pod of a thousand containers would hold every mount and every word of a command line.
 */
#include "container/spec.h"

struct keeper {
	struct arena *a;
	bool failed;
};

static void *keep(struct keeper *k, const void *p, size_t n)
{
	void *copy = p && n ? arena_memdup(k->a, p, n) : NULL;

	k->failed |= p && n && !copy;
	return copy;
}

static char *keep_text(struct keeper *k, const char *s)
{
	return keep(k, s, s ? strlen(s) + 1 : 0);
}

/* n texts and the NULL behind them. */
static char **keep_texts(struct keeper *k, char *const *v, size_t n)
{
	char **copy = n ? ARENA_ARRAY(k->a, char *, n + 1) : NULL;

	k->failed |= n && !copy;
	for (size_t i = 0; copy && i < n; i++)
		copy[i] = keep_text(k, v[i]);
	return copy;
}

static void keep_strings(struct keeper *k, struct spec_strings *s)
{
	s->v = keep_texts(k, s->v, s->n);
}

static void keep_pairs(struct keeper *k, struct spec_pairs *p)
{
	p->v = keep(k, p->v, p->n * sizeof(*p->v));
	for (size_t i = 0; p->v && i < p->n; i++) {
		p->v[i].key = keep_text(k, p->v[i].key);
		p->v[i].value = keep_text(k, p->v[i].value);
	}
}

static void keep_hooks(struct keeper *k, struct spec_hook_list *l)
{
	l->v = keep(k, l->v, l->n * sizeof(*l->v));
	for (size_t i = 0; l->v && i < l->n; i++) {
		l->v[i].path = keep_text(k, l->v[i].path);
		keep_strings(k, &l->v[i].args);
		keep_strings(k, &l->v[i].env);
	}
}

/* What execs take over from the first process. */
static struct spec_process *keep_process(struct keeper *k, const struct spec_process *from)
{
	struct spec_process *p = keep(k, from, sizeof(*from));

	if (!p)
		return NULL;
	p->user = (struct spec_user){ 0 };
	p->args = p->env = (struct spec_strings){ 0 };
	p->cwd = NULL;
	p->caps = keep(k, p->caps, sizeof(*p->caps));
	p->rlimits = keep(k, p->rlimits, p->n_rlimits * sizeof(*p->rlimits));
	for (size_t i = 0; p->rlimits && i < p->n_rlimits; i++)
		p->rlimits[i].type = keep_text(k, p->rlimits[i].type);
	p->apparmor_profile = keep_text(k, p->apparmor_profile);
	p->selinux_label = keep_text(k, p->selinux_label);
	p->scheduler = keep(k, p->scheduler, sizeof(*p->scheduler));
	p->exec_cpus_initial = keep_text(k, p->exec_cpus_initial);
	p->exec_cpus_final = keep_text(k, p->exec_cpus_final);
	return p;
}

static struct seccomp_arg *keep_args(struct keeper *k, const struct seccomp_arg *from, size_t n)
{
	struct seccomp_arg *v = keep(k, from, n * sizeof(*from));

	for (size_t i = 0; v && i < n; i++)
		v[i].op = keep_text(k, v[i].op);
	return v;
}

static struct seccomp_spec *keep_seccomp(struct keeper *k, const struct seccomp_spec *from)
{
	struct seccomp_spec *s = keep(k, from, sizeof(*from));
	struct seccomp_rule *rules;

	if (!s)
		return NULL;
	s->default_action = keep_text(k, s->default_action);
	s->default_errno = keep(k, s->default_errno, sizeof(*s->default_errno));
	s->arches = keep_texts(k, s->arches, s->n_arches);
	s->flags = keep_texts(k, s->flags, s->n_flags);
	s->listener_path = keep_text(k, s->listener_path);
	s->listener_metadata = keep_text(k, s->listener_metadata);
	rules = keep(k, s->rules, s->n_rules * sizeof(*s->rules));
	for (size_t i = 0; rules && i < s->n_rules; i++) {
		struct seccomp_rule *r = &rules[i];

		r->names = keep_texts(k, r->names, r->n_names);
		r->action = keep_text(k, r->action);
		r->errno_ret = keep(k, r->errno_ret, sizeof(*r->errno_ret));
		r->args = keep_args(k, r->args, r->n_args);
	}
	s->rules = rules;
	return s;
}

static void keep_linux(struct keeper *k, struct spec_linux *l, const struct spec_linux *from)
{
	for (int t = 0; t < NS_TYPES; t++) {
		l->ns[t].want = from->ns[t].want;
		l->ns[t].path = keep_text(k, from->ns[t].path);
	}
	l->uid_maps = keep(k, from->uid_maps, from->n_uid_maps * sizeof(*from->uid_maps));
	l->n_uid_maps = from->n_uid_maps;
	l->gid_maps = keep(k, from->gid_maps, from->n_gid_maps * sizeof(*from->gid_maps));
	l->n_gid_maps = from->n_gid_maps;
	l->devices = keep(k, from->devices, from->n_devices * sizeof(*from->devices));
	l->n_devices = from->n_devices;
	for (size_t i = 0; l->devices && i < l->n_devices; i++)
		l->devices[i].path = NULL;
	l->seccomp = keep_seccomp(k, from->seccomp);
	l->personality = from->personality;
	l->memory_policy = keep(k, from->memory_policy, sizeof(*from->memory_policy));
	if (l->memory_policy)
		l->memory_policy->nodes = keep_text(k, from->memory_policy->nodes);
}

/* Of two mounts on one place the later one is what is seen. */
const struct spec_mount *spec_termination_log(const struct spec *s)
{
	const char *path = spec_pairs_get(&s->annotations, SPEC_TERMINATION_LOG);

	for (size_t i = s->n_mounts; path && i > 0; i--)
		if (str_eq(s->mounts[i - 1].destination, path))
			return &s->mounts[i - 1];
	return NULL;
}

/* Where it is and from where, no more. */
static void keep_termination_log(struct keeper *k, struct spec *kept, const struct spec *s)
{
	const struct spec_mount *from = spec_termination_log(s);
	struct spec_mount *m = from ? ARENA_NEW(k->a, struct spec_mount) : NULL;

	k->failed |= from && !m;
	if (!m)
		return;
	m->destination = keep_text(k, from->destination);
	m->source = keep_text(k, from->source);
	m->type = "";
	kept->mounts = m;
	kept->n_mounts = 1;
}

struct spec *spec_keep(struct arena *a, const struct spec *s)
{
	struct keeper k = { .a = a };
	struct spec *kept = spec_new(a);

	if (!kept)
		return NULL;
	kept->version = keep_text(&k, s->version);
	kept->process = keep_process(&k, s->process);
	kept->root.path = keep_text(&k, s->root.path);
	kept->hooks.poststart = s->hooks.poststart;
	kept->hooks.poststop = s->hooks.poststop;
	keep_hooks(&k, &kept->hooks.poststart);
	keep_hooks(&k, &kept->hooks.poststop);
	kept->annotations = s->annotations;
	keep_pairs(&k, &kept->annotations);
	keep_termination_log(&k, kept, s);
	keep_linux(&k, &kept->linux, &s->linux);
	return k.failed ? NULL : kept;
}
