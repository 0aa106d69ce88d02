/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a spec must obey before anything is made from it. Each rule is a small function over the
 * whole spec; the table at the end is the list of them, and the first that fails names its field.
 * Only what can be said without looking at the guest's files is checked here; the rest fails where
 * it is used.
 */
#include "container/spec_parts.h"

#include <sys/stat.h>

#include "base/num.h"
#include "base/path.h"
#include "container/rootfs.h"
#include "container/spec_words.h"

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
			bits |= CGROUP_DEV_READ;
			break;
		case 'w':
			bits |= CGROUP_DEV_WRITE;
			break;
		case 'm':
			bits |= CGROUP_DEV_MKNOD;
			break;
		default:
			return -EINVAL;
		}
	}
	*out = bits;
	return 0;
}

int spec_bad(struct err *e, const char *field, const char *why)
{
	return err_set(e, RC_INVALID_ARGUMENT, "%s: %s", field, why);
}

bool spec_label_is_context(const char *label)
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

static int unimplemented(struct err *e, const char *field, const char *why)
{
	return err_set(e, RC_UNIMPLEMENTED, "%s: %s", field, why);
}

/* By sorting pointers: a list may be as long as a message. */
static int compare_texts(const void *left, const void *right)
{
	return strcmp(**(const char *const *const *)left, **(const char *const *const *)right);
}

/* The first member of the structs is the text that must differ. same: may two with one text stand
 * in the list, since they say the same? NULL: never. */
static int check_once(const void *first, size_t n, size_t size, const char *field,
		      bool (*same)(const void *a, const void *b), struct err *e)
{
	AUTO_FREE const char *const **sorted = mem_new(n + 1, sizeof(*sorted));
	int r = 0;

	if (!sorted)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "%s: no memory", field);
	for (size_t i = 0; i < n; i++)
		sorted[i] = (const char *const *)(const void *)((const char *)first + i * size);
	qsort(sorted, n, sizeof(*sorted), compare_texts);
	for (size_t i = 1; i < n && r == 0; i++)
		if (str_eq(*sorted[i - 1], *sorted[i]) && !(same && same(sorted[i - 1], sorted[i])))
			r = err_set(e, RC_INVALID_ARGUMENT, "%s: \"%.80s\" twice", field,
				    *sorted[i]);
	return r;
}

_Static_assert(offsetof(struct spec_pair, key) == 0 && offsetof(struct spec_device, path) == 0,
	       "what check_once compares");

/* --- process --- */

/* A later major version may mean anything. */
static int check_version(const struct spec *s, struct err *e)
{
	uint64_t major;
	char text[8] = "";

	if (str_empty(s->version))
		return 0;
	memcpy(text, s->version, MIN(strcspn(s->version, "."), sizeof(text) - 1));
	if (!strchr(s->version, '.') || num_u64(text, UINT32_MAX, &major) < 0)
		return spec_bad(e, "ociVersion", "not a version");
	if (major > 1)
		return err_set(e, RC_UNIMPLEMENTED, "ociVersion: %.20s is not known", s->version);
	return 0;
}

static int check_annotations(const struct spec *s, struct err *e)
{
	const struct spec_pairs *p = &s->annotations;

	for (size_t i = 0; i < p->n; i++)
		if (str_empty(p->v[i].key))
			return spec_bad(e, "annotations", "an empty key");
	return check_once(p->v, p->n, sizeof(*p->v), "annotations", NULL, e);
}

static int check_process(const struct spec *s, struct err *e)
{
	if (!s->process)
		return spec_bad(e, "process", "missing");
	if (!s->process->caps)
		return spec_bad(e, "process.capabilities", "missing process capabilities");
	return spec_validate_process(s->process, e);
}

/* --- root, names, mounts --- */

static int check_root(const struct spec *s, struct err *e)
{
	if (str_empty(s->root.path))
		return spec_bad(e, "root.path", "missing");
	if (!path_is_plain(s->root.path))
		return spec_bad(e, "root.path", "not an absolute path without \"..\"");
	return 0;
}

static int check_names(const struct spec *s, struct err *e)
{
	if (!s->linux.ns[NS_UTS].want) {
		if (!str_empty(s->hostname))
			return spec_bad(e, "hostname", "needs a uts namespace");
		if (!str_empty(s->domainname))
			return spec_bad(e, "domainname", "needs a uts namespace");
	}
	if (s->hostname && strlen(s->hostname) > 64)
		return spec_bad(e, "hostname", "longer than 64 bytes");
	if (s->domainname && strlen(s->domainname) > 64)
		return spec_bad(e, "domainname", "longer than 64 bytes");
	return 0;
}

static int check_mounts(const struct spec *s, struct err *e)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct spec_mount *m = &s->mounts[i];

		/* a relative one is relative to "/" (runtime-spec, Mounts) */
		if (str_empty(m->destination) || path_climbs(m->destination))
			return err_set(e, RC_INVALID_ARGUMENT, "mounts[%zu].destination: "
				       "not a path without \"..\"", i);
		if (!m->n_uid_maps != !m->n_gid_maps)
			return err_set(e, RC_INVALID_ARGUMENT,
				       "mounts[%zu].%s: uids and gids are mapped together", i,
				       m->n_uid_maps ? "gidMappings" : "uidMappings");
	}
	if (!str_empty(s->linux.mount_label) && !spec_label_is_context(s->linux.mount_label))
		return spec_bad(e, "linux.mountLabel", "not an SELinux context");
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

static int check_propagation(const struct spec *s, struct err *e)
{
	unsigned long flags;

	if (rootfs_propagation(s, &flags) < 0)
		return err_set(e, RC_INVALID_ARGUMENT, "linux.rootfsPropagation: unknown \"%.20s\"",
			       s->linux.rootfs_propagation);
	return 0;
}

/* --- hooks --- */

static int check_hooks(const struct spec *s, struct err *e)
{
	const struct { const struct spec_hook_list *list; const char *name; } moments[] = {
		{ &s->hooks.prestart, "prestart" },
		{ &s->hooks.create_runtime, "createRuntime" },
		{ &s->hooks.create_container, "createContainer" },
		{ &s->hooks.start_container, "startContainer" },
		{ &s->hooks.poststart, "poststart" },
		{ &s->hooks.poststop, "poststop" },
	};

	for (size_t i = 0; i < COUNT_OF(moments); i++)
		for (size_t k = 0; k < moments[i].list->n; k++)
			if (str_empty(moments[i].list->v[k].path) ||
			    moments[i].list->v[k].path[0] != '/')
				return err_set(e, RC_INVALID_ARGUMENT,
					       "hooks.%s[%zu].path: not an absolute path",
					       moments[i].name, k);
	return 0;
}

/* --- namespaces --- */

static int check_id_maps(const struct spec_id_map *maps, size_t n, const char *field, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (maps[i].size)
			return 0;
	return spec_bad(e, field, "a user namespace needs an entry of some size");
}

static int check_user_ns(const struct spec_linux *l, struct err *e)
{
	if (!l->ns[NS_USER].want) {
		if (l->n_uid_maps || l->n_gid_maps)
			return spec_bad(e, "linux.uidMappings",
					"id mappings without a user namespace");
		return 0;
	}
	if (!str_empty(l->ns[NS_USER].path))
		return 0;
	if (check_id_maps(l->uid_maps, l->n_uid_maps, "linux.uidMappings", e) < 0)
		return -1;
	return check_id_maps(l->gid_maps, l->n_gid_maps, "linux.gidMappings", e);
}

/* One that is joined is other processes' as well: it is taken as it is. */
static int check_joined_mounts(const struct spec *s, struct err *e)
{
	static const char why[] = "not in a mount namespace that is joined";
	const struct spec_linux *l = &s->linux;

	if (s->n_mounts)
		return spec_bad(e, "mounts", why);
	if (s->root.readonly)
		return spec_bad(e, "root.readonly", why);
	if (l->masked_paths.n)
		return spec_bad(e, "linux.maskedPaths", why);
	if (l->readonly_paths.n)
		return spec_bad(e, "linux.readonlyPaths", why);
	if (l->n_devices)
		return spec_bad(e, "linux.devices", why);
	return str_empty(l->rootfs_propagation) ? 0 : spec_bad(e, "linux.rootfsPropagation", why);
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
		return spec_bad(e, "linux.namespaces", "a mount namespace is needed");
	if (!str_empty(s->linux.ns[NS_MNT].path) && check_joined_mounts(s, e) < 0)
		return -1;
	return check_user_ns(&s->linux, e);
}

/* The offsets of a namespace are fixed once a process is in it. */
static int check_time(const struct spec *s, struct err *e)
{
	const struct spec_namespace *ns = &s->linux.ns[NS_TIME];

	if (!s->linux.monotonic.set && !s->linux.boottime.set)
		return 0;
	if (!ns->want || !str_empty(ns->path))
		return spec_bad(e, "linux.timeOffsets", "they need a new time namespace");
	if (s->linux.monotonic.nanosecs > 999999999 || s->linux.boottime.nanosecs > 999999999)
		return spec_bad(e, "linux.timeOffsets", "more than 999999999 nanosecs");
	return 0;
}

/* --- memory policy, what there is not --- */

enum { NODES_NONE, NODES_SOME, NODES_MAY };

static int check_memory_policy(const struct spec *s, struct err *e)
{
	static const uint8_t wants[] = {	/* by MPOL_*, set_mempolicy(2) */
		NODES_NONE,	/* DEFAULT */
		NODES_MAY,	/* PREFERRED */
		NODES_SOME,	/* BIND */
		NODES_SOME,	/* INTERLEAVE */
		NODES_NONE,	/* LOCAL */
		NODES_SOME,	/* PREFERRED_MANY */
		NODES_SOME,	/* WEIGHTED_INTERLEAVE */
	};
	const struct spec_memory_policy *p = s->linux.memory_policy;
	uint64_t mask[SCHED_MASK_WORDS(SCHED_NODES_MAX)];

	if (!p)
		return 0;
	if (p->mode >= COUNT_OF(wants))
		return spec_bad(e, "linux.memoryPolicy.mode", "unknown");
	if (!str_empty(p->nodes) && num_list(p->nodes, mask, SCHED_NODES_MAX) < 0)
		return spec_bad(e, "linux.memoryPolicy.nodes", "not a list of nodes");
	if (str_empty(p->nodes) && wants[p->mode] == NODES_SOME)
		return spec_bad(e, "linux.memoryPolicy.nodes", "missing, and the mode needs them");
	if (!str_empty(p->nodes) && wants[p->mode] == NODES_NONE)
		return spec_bad(e, "linux.memoryPolicy.nodes", "the mode takes none");
	if ((p->flags & SPEC_MPOL_F_STATIC_NODES) && (p->flags & SPEC_MPOL_F_RELATIVE_NODES))
		return spec_bad(e, "linux.memoryPolicy.flags",
				"MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other");
	return 0;
}

static int check_not_there(const struct spec *s, struct err *e)
{
	if (s->linux.intel_rdt)
		return unimplemented(e, "linux.intelRdt", "a guest has no resctrl");
	if (s->linux.net_devices.n)
		return unimplemented(e, "linux.netDevices",
				     "the network is the pod's, interfaces are not moved");
	return 0;
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
	const struct spec_pairs *p = &s->linux.sysctl;

	for (size_t i = 0; i < p->n; i++)
		if (check_sysctl(s, p->v[i].key, e) < 0)
			return -1;
	return check_once(p->v, p->n, sizeof(*p->v), "linux.sysctl", NULL, e);
}

int spec_validate_sysctls(const struct spec_pairs *p, struct err *e)
{
	struct spec s = { .linux.sysctl = *p };

	for (size_t i = 0; i < NS_TYPES; i++)
		s.linux.ns[i].want = true;
	return check_sysctls(&s, e);
}

/* --- devices, seccomp --- */

static bool is_number(int64_t v)
{
	return v >= 0 && v <= UINT32_MAX;
}

/* Hosts name a device twice when they are told to twice. */
static bool device_same(const void *left, const void *right)
{
	const struct spec_device *a = left, *b = right;

	return a->type == b->type && a->major == b->major && a->minor == b->minor &&
	       a->mode_set == b->mode_set && a->mode == b->mode && a->uid == b->uid &&
	       a->gid == b->gid;
}

static int check_devices(const struct spec *s, struct err *e)
{
	for (size_t i = 0; i < s->linux.n_devices; i++) {
		const struct spec_device *d = &s->linux.devices[i];

		if (str_empty(d->path) || !path_is_plain(d->path) ||
		    !d->path[strspn(d->path, "/")])
			return err_set(e, RC_INVALID_ARGUMENT, "linux.devices[%zu].path: "
				       "not an absolute path without \"..\"", i);
		if (d->type != S_IFCHR && d->type != S_IFBLK && d->type != S_IFIFO)
			return err_set(e, RC_INVALID_ARGUMENT,
				       "linux.devices[%zu] (%s): unknown type", i, d->path);
		if (d->type != S_IFIFO && (!is_number(d->major) || !is_number(d->minor)))
			return err_set(e, RC_INVALID_ARGUMENT,
				       "linux.devices[%zu] (%s): bad number", i, d->path);
	}
	return check_once(s->linux.devices, s->linux.n_devices, sizeof(*s->linux.devices),
			  "linux.devices", device_same, e);
}

static int check_seccomp(const struct spec *s, struct err *e)
{
	return s->linux.seccomp ? seccomp_check(s->linux.seccomp, e) : 0;
}

int spec_validate(const struct spec *s, struct err *e)
{
	static int (*const rules[])(const struct spec *, struct err *) = {
		check_version, check_root, check_process, check_namespaces, check_names,
		check_mounts, check_propagation, check_hidden_paths, check_hooks, check_annotations,
		check_time, check_memory_policy, check_sysctls, check_devices, check_seccomp,
		check_not_there,
	};

	for (size_t i = 0; i < COUNT_OF(rules); i++)
		if (rules[i](s, e) < 0)
			return -1;
	return 0;
}
