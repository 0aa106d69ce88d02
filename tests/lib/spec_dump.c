/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "lib/spec_dump.h"

#include "base/json.h"
#include "container/spec_words.h"

#define DUMP_MAX	(1u << 18)

/* --- values --- */

static void say(struct str *out, const char *path, const char *text)
{
	if (!text)
		return;
	str_addf(out, "%s = ", path);
	json_add_string(out, text);
	str_add_char(out, '\n');
}

static void say_flag(struct str *out, const char *path, bool flag)
{
	if (flag)
		str_addf(out, "%s = true\n", path);
}

static void say_list(struct str *out, const char *path, char *const *v, size_t n)
{
	if (!n)
		return;
	str_addf(out, "%s =", path);
	for (size_t i = 0; i < n; i++) {
		str_add_char(out, ' ');
		json_add_string(out, v[i]);
	}
	str_add_char(out, '\n');
}

static void say_strings(struct str *out, const char *path, const struct spec_strings *s)
{
	say_list(out, path, s->v, s->n);
}

static int compare_pairs(const void *a, const void *b)
{
	return strcmp(((const struct spec_pair *)a)->key, ((const struct spec_pair *)b)->key);
}

static void say_pairs(struct str *out, const char *path, const struct spec_pairs *p,
		      struct arena *a)
{
	struct spec_pair *sorted = arena_memdup(a, p->v, p->n * sizeof(*p->v));

	if (!p->n)
		return;
	qsort(sorted, p->n, sizeof(*sorted), compare_pairs);
	for (size_t i = 0; i < p->n; i++) {
		str_addf(out, "%s.%s = ", path, sorted[i].key);
		json_add_string(out, sorted[i].value);
		str_add_char(out, '\n');
	}
}

static const char *word_of(const struct spec_word *table, uint32_t value)
{
	for (; table->name; table++)
		if (table->value == value)
			return table->name;
	return "?";
}

static void say_bits(struct str *out, const char *path, const struct spec_word *table,
		     uint32_t bits)
{
	if (!bits)
		return;
	str_addf(out, "%s =", path);
	for (; table->name; table++)
		if (bits & table->value)
			str_addf(out, " %s", table->name);
	str_add_char(out, '\n');
}

static void say_maps(struct str *out, const char *path, const struct spec_id_map *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		str_addf(out, "%s[%zu] = %u %u %u\n", path, i, v[i].container_id, v[i].host_id,
			 v[i].size);
}

/* --- process --- */

static void dump_caps(struct str *out, const struct caps_sets *c)
{
	const struct { const char *name; uint64_t mask; } sets[] = {
		{ "bounding", c->bounding }, { "effective", c->effective },
		{ "inheritable", c->inheritable }, { "permitted", c->permitted },
		{ "ambient", c->ambient },
	};

	for (size_t i = 0; i < COUNT_OF(sets); i++) {
		if (!sets[i].mask)
			continue;
		str_addf(out, "process.capabilities.%s =", sets[i].name);
		for (unsigned int nr = 0; nr < 64; nr++)
			if (sets[i].mask >> nr & 1)
				str_addf(out, " %s", caps_name(nr));
		str_add_char(out, '\n');
	}
}

static void dump_user(struct str *out, const struct spec_user *u)
{
	str_addf(out, "process.user.uid = %u\nprocess.user.gid = %u\n", u->uid, u->gid);
	if (u->umask_set)
		str_addf(out, "process.user.umask = 0%o\n", u->umask);
	for (size_t i = 0; i < u->n_groups; i++)
		str_addf(out, "%s%u%s", i ? " " : "process.user.additionalGids = ", u->groups[i],
			 i + 1 == u->n_groups ? "\n" : "");
}

static void dump_scheduler(struct str *out, const struct sched_params *s)
{
	if (!s)
		return;
	str_addf(out, "process.scheduler.policy = %s\n", word_of(spec_sched_policies, s->policy));
	str_addf(out, "process.scheduler.nice = %d\nprocess.scheduler.priority = %u\n", s->nice,
		 s->priority);
	say_bits(out, "process.scheduler.flags", spec_sched_flags, s->flags);
	str_addf(out, "process.scheduler.times = %llu %llu %llu\n",
		 (unsigned long long)s->runtime_ns, (unsigned long long)s->deadline_ns,
		 (unsigned long long)s->period_ns);
}

static void dump_process(struct str *out, const struct spec_process *p)
{
	if (!p)
		return;
	say_flag(out, "process.terminal", p->terminal);
	if (p->console_rows || p->console_columns)
		str_addf(out, "process.consoleSize = %ux%u\n", p->console_rows, p->console_columns);
	dump_user(out, &p->user);
	say_strings(out, "process.args", &p->args);
	say_strings(out, "process.env", &p->env);
	say(out, "process.cwd", p->cwd);
	if (p->caps)
		dump_caps(out, p->caps);
	for (size_t i = 0; i < p->n_rlimits; i++)
		str_addf(out, "process.rlimits[%zu] = %s %llu %llu\n", i, p->rlimits[i].type,
			 (unsigned long long)p->rlimits[i].soft,
			 (unsigned long long)p->rlimits[i].hard);
	say_flag(out, "process.noNewPrivileges", p->no_new_privs);
	say(out, "process.apparmorProfile", p->apparmor_profile);
	say(out, "process.selinuxLabel", p->selinux_label);
	if (p->oom_score_adj.set)
		str_addf(out, "process.oomScoreAdj = %lld\n", (long long)p->oom_score_adj.v);
	dump_scheduler(out, p->scheduler);
	if (p->io_priority.set)
		str_addf(out, "process.ioPriority = %s %d\n",
			 word_of(spec_io_classes, p->io_priority.class), p->io_priority.level);
	say(out, "process.execCPUAffinity.initial", p->exec_cpus_initial);
	say(out, "process.execCPUAffinity.final", p->exec_cpus_final);
}

/* --- mounts, hooks --- */

static void dump_mounts(struct str *out, const struct spec *s, struct arena *a)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct spec_mount *m = &s->mounts[i];
		const char *at = arena_printf(a, "mounts[%zu]", i);

		str_addf(out, "%s = %s type=\"%s\" source=\"%s\"\n", at, m->destination, m->type,
			 m->source);
		say_strings(out, arena_printf(a, "%s.options", at), &m->options);
		say_maps(out, arena_printf(a, "%s.uidMappings", at), m->uid_maps, m->n_uid_maps);
		say_maps(out, arena_printf(a, "%s.gidMappings", at), m->gid_maps, m->n_gid_maps);
	}
}

static void dump_hook_list(struct str *out, const char *moment, const struct spec_hook_list *l,
			   struct arena *a)
{
	for (size_t i = 0; i < l->n; i++) {
		const char *at = arena_printf(a, "hooks.%s[%zu]", moment, i);

		str_addf(out, "%s = %s timeout %u\n", at, l->v[i].path, l->v[i].timeout_s);
		say_strings(out, arena_printf(a, "%s.args", at), &l->v[i].args);
		say_strings(out, arena_printf(a, "%s.env", at), &l->v[i].env);
	}
}

static void dump_hooks(struct str *out, const struct spec_hooks *h, struct arena *a)
{
	dump_hook_list(out, "prestart", &h->prestart, a);
	dump_hook_list(out, "createRuntime", &h->create_runtime, a);
	dump_hook_list(out, "createContainer", &h->create_container, a);
	dump_hook_list(out, "startContainer", &h->start_container, a);
	dump_hook_list(out, "poststart", &h->poststart, a);
	dump_hook_list(out, "poststop", &h->poststop, a);
}

/* --- linux --- */

static void dump_seccomp(struct str *out, const struct seccomp_spec *f, struct arena *a)
{
	if (!f)
		return;
	say(out, "linux.seccomp.defaultAction", f->default_action);
	if (f->default_errno)
		str_addf(out, "linux.seccomp.defaultErrnoRet = %u\n", *f->default_errno);
	say_list(out, "linux.seccomp.architectures", f->arches, f->n_arches);
	say_list(out, "linux.seccomp.flags", f->flags, f->n_flags);
	say(out, "linux.seccomp.listenerPath", f->listener_path);
	say(out, "linux.seccomp.listenerMetadata", f->listener_metadata);
	for (size_t i = 0; i < f->n_rules; i++) {
		const struct seccomp_rule *r = &f->rules[i];
		const char *at = arena_printf(a, "linux.seccomp.syscalls[%zu]", i);

		say_list(out, arena_printf(a, "%s.names", at), r->names, r->n_names);
		say(out, arena_printf(a, "%s.action", at), r->action);
		if (r->errno_ret)
			str_addf(out, "%s.errnoRet = %u\n", at, *r->errno_ret);
		for (size_t k = 0; k < r->n_args; k++)
			str_addf(out, "%s.args[%zu] = %u %s %llu %llu\n", at, k, r->args[k].index,
				 r->args[k].op, (unsigned long long)r->args[k].value,
				 (unsigned long long)r->args[k].value_two);
	}
}

static void dump_devices(struct str *out, const struct spec_linux *l)
{
	for (size_t i = 0; i < l->n_devices; i++) {
		const struct spec_device *d = &l->devices[i];

		str_addf(out, "linux.devices[%zu] = %s 0%o", i, d->path, d->type);
		if (d->type != S_IFIFO)
			str_addf(out, " %lld:%lld", (long long)d->major, (long long)d->minor);
		str_addf(out, " owner %u:%u\n", d->uid, d->gid);
		if (d->mode_set)
			str_addf(out, "linux.devices[%zu].fileMode = 0%o\n", i, d->mode);
	}
}

static void dump_offset(struct str *out, const char *clock, const struct spec_time_offset *o)
{
	if (o->set)
		str_addf(out, "linux.timeOffsets.%s = %lld %u\n", clock, (long long)o->secs,
			 o->nanosecs);
}

static void dump_odds(struct str *out, const struct spec_linux *l, struct arena *a)
{
	if (l->personality.set)
		str_addf(out, "linux.personality = %s\n",
			 word_of(spec_personalities, (uint32_t)l->personality.v));
	dump_offset(out, "monotonic", &l->monotonic);
	dump_offset(out, "boottime", &l->boottime);
	if (l->memory_policy) {
		str_addf(out, "linux.memoryPolicy.mode = %s\n",
			 word_of(spec_memory_modes, l->memory_policy->mode));
		say(out, "linux.memoryPolicy.nodes", l->memory_policy->nodes);
		say_bits(out, "linux.memoryPolicy.flags", spec_memory_flags,
			 l->memory_policy->flags);
	}
	say_pairs(out, "linux.netDevices", &l->net_devices, a);
}

static void dump_linux(struct str *out, const struct spec_linux *l, struct arena *a)
{
	for (int t = 0; t < NS_TYPES; t++)
		if (l->ns[t].want)
			str_addf(out, "linux.namespaces.%s = \"%s\"\n", ns_info(t)->oci,
				 l->ns[t].path ? l->ns[t].path : "");
	say_maps(out, "linux.uidMappings", l->uid_maps, l->n_uid_maps);
	say_maps(out, "linux.gidMappings", l->gid_maps, l->n_gid_maps);
	say_pairs(out, "linux.sysctl", &l->sysctl, a);
	say(out, "linux.cgroupsPath", l->cgroups_path);
	dump_devices(out, l);
	dump_seccomp(out, l->seccomp, a);
	say(out, "linux.rootfsPropagation", l->rootfs_propagation);
	say_strings(out, "linux.maskedPaths", &l->masked_paths);
	say_strings(out, "linux.readonlyPaths", &l->readonly_paths);
	say(out, "linux.mountLabel", l->mount_label);
	dump_odds(out, l, a);
	if (l->resources)
		spec_dump_resources(out, l->resources);
}

char *spec_dump(const struct spec *s, struct arena *a)
{
	char *buf = arena_alloc(a, DUMP_MAX);
	struct str out;

	assert_non_null(buf);
	str_init(&out, buf, DUMP_MAX);
	say(&out, "ociVersion", s->version);
	dump_process(&out, s->process);
	say(&out, "root.path", s->root.path);
	say_flag(&out, "root.readonly", s->root.readonly);
	say(&out, "hostname", s->hostname);
	say(&out, "domainname", s->domainname);
	dump_mounts(&out, s, a);
	dump_hooks(&out, &s->hooks, a);
	say_pairs(&out, "annotations", &s->annotations, a);
	dump_linux(&out, &s->linux, a);
	assert_true(str_ok(&out));
	return buf;
}
