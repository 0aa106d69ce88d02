/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a spec must obey before anything is made from it. Each rule is a small function over the
 * whole spec; the table at the end is the list of them, and the first that fails names its field.
 * Only what can be said without looking at the guest's files is checked here; the rest fails where
 * it is used.
 */
#include "container/spec.h"

#include <sys/stat.h>

#include "base/path.h"

#define OOM_SCORE_MAX	1000

struct spec *spec_new(struct arena *a)
{
	return ARENA_NEW(a, struct spec);
}

struct spec_resources *spec_resources_new(struct arena *a)
{
	struct spec_resources *r = ARENA_NEW(a, struct spec_resources);

	if (r)
		cgroup_limits_init(&r->limits);
	return r;
}

const char *spec_pairs_get(const struct spec_pairs *p, const char *key)
{
	for (size_t i = 0; i < p->n; i++)
		if (str_eq(p->v[i].key, key))
			return p->v[i].value;
	return NULL;
}

int spec_parse_device_type(const char *name, mode_t *out)
{
	static const struct { const char *name; mode_t type; } types[] = {
		{ "c", S_IFCHR }, { "u", S_IFCHR }, { "b", S_IFBLK }, { "p", S_IFIFO },
	};

	for (size_t i = 0; i < COUNT_OF(types); i++) {
		if (str_eq(name, types[i].name)) {
			*out = types[i].type;
			return 0;
		}
	}
	return -EINVAL;
}

int spec_parse_device_access(const char *text, unsigned int *out)
{
	unsigned int bits = 0;

	for (; *text; text++) {
		switch (*text) {
		case 'r':
			bits |= SPEC_DEV_READ;
			break;
		case 'w':
			bits |= SPEC_DEV_WRITE;
			break;
		case 'm':
			bits |= SPEC_DEV_MKNOD;
			break;
		default:
			return -EINVAL;
		}
	}
	*out = bits;
	return 0;
}

static int bad(struct err *e, const char *field, const char *why)
{
	return err_set(e, RC_INVALID_ARGUMENT, "%s: %s", field, why);
}

/* --- process --- */

static int check_rlimits(const struct spec_process *p, struct err *e)
{
	for (size_t i = 0; i < p->n_rlimits; i++) {
		const struct spec_rlimit *r = &p->rlimits[i];

		if (str_empty(r->type) || rlimit_number(r->type) < 0)
			return err_set(e, RC_INVALID_ARGUMENT,
				       "process.rlimits[%zu]: unknown limit \"%s\"", i,
				       r->type ? r->type : "");
		if (r->soft > r->hard)
			return err_set(e, RC_INVALID_ARGUMENT,
				       "process.rlimits[%zu] (%s): soft is above hard", i, r->type);
	}
	return 0;
}

/* "system_u:system_r:container_t:s0:c1,c2": the shape that the kernel's policy files use. */
static bool label_is_context(const char *label)
{
	static const char *const suffix[] = { "_u", "_r", "_t" };
	const char *at = label;

	for (size_t i = 0; i < COUNT_OF(suffix); i++) {
		const char *colon = strchr(at, ':');

		if (!colon || colon - at < 3 || strncmp(colon - 2, suffix[i], 2) != 0)
			return false;
		at = colon + 1;
	}
	return at[0] == 's' && at[1] >= '0' && at[1] <= '9';
}

int spec_validate_process(const struct spec_process *p, struct err *e)
{
	if (!p->args.n || str_empty(p->args.v[0]))
		return bad(e, "process.args", "no command");
	if (!str_empty(p->cwd) && p->cwd[0] != '/')
		return bad(e, "process.cwd", "not an absolute path");
	if (p->oom_score_adj.set &&
	    (p->oom_score_adj.v < -OOM_SCORE_MAX || p->oom_score_adj.v > OOM_SCORE_MAX))
		return bad(e, "process.oomScoreAdj", "not in -1000..1000");
	if (p->user.umask_set && p->user.umask > 0777)
		return bad(e, "process.user.umask", "not in 0..0777");
	if (!str_empty(p->selinux_label) && !label_is_context(p->selinux_label))
		return bad(e, "process.selinuxLabel", "not an SELinux context");
	return check_rlimits(p, e);
}

static int check_process(const struct spec *s, struct err *e)
{
	if (!s->process)
		return bad(e, "process", "missing");
	if (!s->process->caps)
		return bad(e, "process.capabilities", "missing process capabilities");
	return spec_validate_process(s->process, e);
}

/* --- root, names, mounts --- */

static int check_root(const struct spec *s, struct err *e)
{
	if (str_empty(s->root.path))
		return bad(e, "root.path", "missing");
	if (!path_is_plain(s->root.path))
		return bad(e, "root.path", "not an absolute path without \"..\"");
	return 0;
}

static int check_names(const struct spec *s, struct err *e)
{
	if (!s->linux.ns[NS_UTS].want) {
		if (!str_empty(s->hostname))
			return bad(e, "hostname", "needs a uts namespace");
		if (!str_empty(s->domainname))
			return bad(e, "domainname", "needs a uts namespace");
	}
	if (s->hostname && strlen(s->hostname) > 64)
		return bad(e, "hostname", "longer than 64 bytes");
	if (s->domainname && strlen(s->domainname) > 64)
		return bad(e, "domainname", "longer than 64 bytes");
	return 0;
}

static int check_mounts(const struct spec *s, struct err *e)
{
	for (size_t i = 0; i < s->n_mounts; i++)
		if (str_empty(s->mounts[i].destination) || !path_is_plain(s->mounts[i].destination))
			return err_set(e, RC_INVALID_ARGUMENT, "mounts[%zu].destination: "
				       "not an absolute path without \"..\"", i);
	if (!str_empty(s->linux.mount_label) && !label_is_context(s->linux.mount_label))
		return bad(e, "linux.mountLabel", "not an SELinux context");
	return 0;
}

static int check_paths(const struct spec_strings *paths, const char *field, struct err *e)
{
	for (size_t i = 0; i < paths->n; i++)
		if (!path_is_plain(paths->v[i]))
			return err_set(e, RC_INVALID_ARGUMENT,
				       "%s[%zu]: not an absolute path without \"..\"", field, i);
	return 0;
}

static int check_hidden_paths(const struct spec *s, struct err *e)
{
	if (check_paths(&s->linux.masked_paths, "linux.maskedPaths", e) < 0)
		return -1;
	return check_paths(&s->linux.readonly_paths, "linux.readonlyPaths", e);
}

/* --- namespaces --- */

static int check_id_maps(const struct spec_id_map *maps, size_t n, const char *field, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (maps[i].size)
			return 0;
	return bad(e, field, "a user namespace needs an entry of some size");
}

static int check_user_ns(const struct spec_linux *l, struct err *e)
{
	if (!l->ns[NS_USER].want) {
		if (l->n_uid_maps || l->n_gid_maps)
			return bad(e, "linux.uidMappings", "id mappings without a user namespace");
		return 0;
	}
	if (!str_empty(l->ns[NS_USER].path))
		return 0;
	if (check_id_maps(l->uid_maps, l->n_uid_maps, "linux.uidMappings", e) < 0)
		return -1;
	return check_id_maps(l->gid_maps, l->n_gid_maps, "linux.gidMappings", e);
}

/* Without a mount namespace of its own a container's mounts would be the guest's: refused,
 * whatever is mounted. */
static int check_namespaces(const struct spec *s, struct err *e)
{
	for (int t = 0; t < NS_TYPES; t++) {
		const struct spec_namespace *ns = &s->linux.ns[t];
		int r;

		if (!ns->want)
			continue;
		if (!str_empty(ns->path) && ns->path[0] != '/')
			return err_set(e, RC_INVALID_ARGUMENT,
				       "linux.namespaces (%s): not an absolute path",
				       ns_info(t)->oci);
		r = ns_supported(t);
		if (r < 0)
			return err_sys(e, -r, "linux.namespaces (%s)", ns_info(t)->oci);
		if (!r)
			return err_set(e, RC_INVALID_ARGUMENT,
				       "linux.namespaces (%s): the kernel has none",
				       ns_info(t)->oci);
	}
	if (!s->linux.ns[NS_MNT].want)
		return bad(e, "linux.namespaces", "a mount namespace is needed");
	if (!str_empty(s->linux.ns[NS_MNT].path))
		return err_set(e, RC_UNIMPLEMENTED,
			       "linux.namespaces (mount): joining one is not supported");
	return check_user_ns(&s->linux, e);
}

/* --- sysctl --- */

/* What is per namespace, so that a container cannot change the guest. A name that ends in '.' is
 * a prefix. In a name '/' stands for a dot inside a component (an interface's), so components
 * made of dots alone must not come out of it. */
static const struct {
	const char *name;
	enum ns_type ns;	/* NS_TYPES: none needed */
} sysctls[] = {
	{ "kernel.msgmax", NS_IPC }, { "kernel.msgmnb", NS_IPC }, { "kernel.msgmni", NS_IPC },
	{ "kernel.sem", NS_IPC }, { "kernel.shmall", NS_IPC }, { "kernel.shmmax", NS_IPC },
	{ "kernel.shmmni", NS_IPC }, { "kernel.shm_rmid_forced", NS_IPC },
	{ "fs.mqueue.", NS_IPC },
	{ "kernel.domainname", NS_UTS },
	{ "net.", NS_TYPES },	/* the guest's network is the pod's */
};

static int check_sysctl(const struct spec *s, const char *key, struct err *e)
{
	if (strstr(key, "//") || strstr(key, "./") || strstr(key, "/.") || strstr(key, ".."))
		return err_set(e, RC_INVALID_ARGUMENT, "linux.sysctl: \"%s\" is not a name", key);
	for (size_t i = 0; i < COUNT_OF(sysctls); i++) {
		size_t len = strlen(sysctls[i].name);
		bool prefix = sysctls[i].name[len - 1] == '.';

		if (prefix ? !str_starts(key, sysctls[i].name) || !key[len]
			   : !str_eq(key, sysctls[i].name))
			continue;
		if (sysctls[i].ns != NS_TYPES && !s->linux.ns[sysctls[i].ns].want)
			return err_set(e, RC_INVALID_ARGUMENT,
				       "linux.sysctl: \"%s\" needs a namespace of type %s", key,
				       ns_info(sysctls[i].ns)->oci);
		return 0;
	}
	return err_set(e, RC_INVALID_ARGUMENT, "linux.sysctl: \"%s\" is not namespaced", key);
}

static int check_sysctls(const struct spec *s, struct err *e)
{
	for (size_t i = 0; i < s->linux.sysctl.n; i++)
		if (check_sysctl(s, s->linux.sysctl.v[i].key, e) < 0)
			return -1;
	return 0;
}

/* --- devices, seccomp --- */

static bool is_number(int64_t v)
{
	return v >= 0 && v <= UINT32_MAX;
}

static int check_devices(const struct spec *s, struct err *e)
{
	for (size_t i = 0; i < s->linux.n_devices; i++) {
		const struct spec_device *d = &s->linux.devices[i];

		if (str_empty(d->path) || !path_is_plain(d->path) ||
		    !str_starts(d->path, "/dev/") || !d->path[5])
			return err_set(e, RC_INVALID_ARGUMENT,
				       "linux.devices[%zu].path: not below /dev", i);
		if (d->type != S_IFCHR && d->type != S_IFBLK && d->type != S_IFIFO)
			return err_set(e, RC_INVALID_ARGUMENT,
				       "linux.devices[%zu] (%s): unknown type", i, d->path);
		if (d->type != S_IFIFO && (!is_number(d->major) || !is_number(d->minor)))
			return err_set(e, RC_INVALID_ARGUMENT,
				       "linux.devices[%zu] (%s): bad number", i, d->path);
	}
	return 0;
}

static int check_seccomp(const struct spec *s, struct err *e)
{
	const struct seccomp_spec *f = s->linux.seccomp;

	if (!f)
		return 0;
	if (str_empty(f->default_action))
		return bad(e, "linux.seccomp.defaultAction", "missing");
	for (size_t i = 0; i < f->n_rules; i++)
		if (!f->rules[i].n_names)
			return err_set(e, RC_INVALID_ARGUMENT,
				       "linux.seccomp.syscalls[%zu].names: empty", i);
	return 0;
}

int spec_validate(const struct spec *s, struct err *e)
{
	static int (*const rules[])(const struct spec *, struct err *) = {
		check_root, check_process, check_namespaces, check_names, check_mounts,
		check_hidden_paths, check_sysctls, check_devices, check_seccomp,
	};

	for (size_t i = 0; i < COUNT_OF(rules); i++)
		if (rules[i](s, e) < 0)
			return -1;
	return 0;
}
