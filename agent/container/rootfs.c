/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of a container's file tree, in this order: the spec's mounts, links and nodes in /dev
 * (rootfs_dev.c), the working directory, then what takes rights away (masked paths, read-only
 * paths, read-only /dev and root), since after that nothing can be made any more.
 */
#include "container/rootfs.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/path.h"
#include "container/rootfs_parts.h"
#include "kernel/mount_options.h"

int rootfs_no_memory(struct err *e)
{
	return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
}

int rootfs_propagation(const struct spec *s, unsigned long *out)
{
	static const struct {
		const char *name;
		unsigned long flags;
	} names[] = {
		{ "shared", MS_SHARED },         { "rshared", MS_SHARED | MS_REC },
		{ "slave", MS_SLAVE },           { "rslave", MS_SLAVE | MS_REC },
		{ "private", MS_PRIVATE },       { "rprivate", MS_PRIVATE | MS_REC },
		{ "unbindable", MS_UNBINDABLE }, { "runbindable", MS_UNBINDABLE | MS_REC },
	};
	const char *want = s->linux.rootfs_propagation;

	*out = MS_SLAVE | MS_REC;
	if (str_empty(want))
		return 0;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (str_eq(want, names[i].name)) {
			*out = names[i].flags;
			return 0;
		}
	}
	return -EINVAL;
}

/* --- mounts --- */

static bool is_bind(const struct spec_mount *m, const struct mount_options *o)
{
	if (str_eq(m->type, "bind"))
		return true;
	return (o->ms_set & MS_BIND) && (!*m->type || str_eq(m->type, "none"));
}

/* Filesystems that know no context= option: the kernel labels them itself. */
static bool takes_label(const char *fstype)
{
	static const char *const without[] = { "proc", "sysfs", "mqueue", "cgroup", "cgroup2" };

	for (size_t i = 0; i < COUNT_OF(without); i++)
		if (str_eq(fstype, without[i]))
			return false;
	return true;
}

static const char *with_label(const struct spec *s, const char *fstype, const char *data,
			      struct arena *a)
{
	const char *label = s->linux.mount_label;

	if (str_empty(label) || !takes_label(fstype))
		return data ? data : "";
	if (str_empty(data))
		return arena_printf(a, "context=\"%s\"", label);
	return arena_printf(a, "%s,context=\"%s\"", data, label);
}

static void options_into(struct plan_op *op, const struct mount_options *o)
{
	op->ms_flags = o->ms_set;
	op->propagation = o->propagation;
	op->rec_set = o->rec_set;
	op->rec_clear = o->rec_clear;
}

static const char *map_text(const struct spec_id_map *maps, size_t n, struct arena *a)
{
	char text[4096];
	struct str s = STR_OVER(text);

	str_reset(&s);
	for (size_t i = 0; i < n; i++)
		str_addf(&s, "%u %u %u\n", maps[i].container_id, maps[i].host_id, maps[i].size);
	return str_ok(&s) ? arena_strdup(a, text) : NULL;
}

/* The mount's own mappings, or those of the container's user namespace. */
static int add_idmap(const struct spec *s, const struct spec_mount *m,
		     const struct mount_options *o, struct plan_op *op, struct arena *a,
		     struct err *e)
{
	const struct spec_linux *l = &s->linux;
	bool own = m->n_uid_maps || m->n_gid_maps;
	struct plan_idmap *map;

	if (!own && !(o->extra & (MOUNT_IDMAP | MOUNT_RIDMAP)))
		return 0;
	if (own && !(m->n_uid_maps && m->n_gid_maps))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "uidMappings and gidMappings need each other");
	if (!own && !(l->n_uid_maps && l->n_gid_maps))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "an id-mapped mount without mappings, its own or the container's");
	map = ARENA_NEW(a, struct plan_idmap);
	if (!map)
		return rootfs_no_memory(e);
	map->uid_map = own ? map_text(m->uid_maps, m->n_uid_maps, a)
			   : map_text(l->uid_maps, l->n_uid_maps, a);
	map->gid_map = own ? map_text(m->gid_maps, m->n_gid_maps, a)
			   : map_text(l->gid_maps, l->n_gid_maps, a);
	map->recursive = o->extra & MOUNT_RIDMAP;
	if (!map->uid_map || !map->gid_map)
		return rootfs_no_memory(e);
	op->idmap = map;
	return 0;
}

/* Below the run directory lie volumes, which containers write to. */
static int add_source(const char *source, const struct rootfs_facts *f, struct plan_op *op,
		      struct arena *a, struct err *e)
{
	op->source = path_clean(a, source);
	if (!op->source)
		return rootfs_no_memory(e);
	if (f->run_dir && path_is_below(op->source, f->run_dir))
		op->flags |= PLAN_SOURCE_STRICT;
	return 0;
}

static int add_bind(const struct spec *s, const struct spec_mount *m, const struct mount_options *o,
		    const struct rootfs_facts *f, struct plan *p, struct err *e)
{
	struct plan_op *op;

	if (m->source[0] != '/')
		return err_set(e, RC_INVALID_ARGUMENT, "the source is not an absolute path");
	op = plan_add(p, PLAN_BIND, m->destination, e);
	if (!op || add_source(m->source, f, op, p->a, e) < 0)
		return -1;
	options_into(op, o);
	op->ms_flags |= MS_BIND;
	op->ms_clear = o->ms_clear;
	op->flags |= PLAN_PROC_GUARD;
	if (str_eq(m->destination, "/proc") || str_eq(m->destination, "/sys"))
		op->flags |= PLAN_NOFOLLOW;
	return add_idmap(s, m, o, op, p->a, e);
}

static int add_remount(const struct spec_mount *m, const struct mount_options *o, struct plan *p,
		       struct err *e)
{
	struct plan_op *op = plan_add(p, PLAN_REMOUNT, m->destination, e);

	if (!op)
		return -1;
	options_into(op, o);
	op->ms_flags &= ~(unsigned long)(MS_REMOUNT | MS_REC);
	op->ms_clear = o->ms_clear;
	op->data = o->data;
	return 0;
}

/* Without a network namespace of its own a user namespace has no sysfs to mount: it shows the
 * guest's, with the mounts below, which the option ro then is for as well. */
static int add_sysfs_bind(const struct spec_mount *m, const struct mount_options *o, struct plan *p,
			  struct err *e)
{
	struct plan_op *op = plan_add(p, PLAN_BIND, m->destination, e);

	if (!op)
		return -1;
	op->source = "/sys";
	options_into(op, o);
	op->ms_flags |= MS_BIND | MS_REC;
	if (o->ms_set & MS_RDONLY)
		op->rec_set |= PLAN_ATTR_RDONLY;
	op->flags = PLAN_PROC_GUARD | PLAN_NOFOLLOW;
	return 0;
}

/* What the kernel makes up itself goes on an ordinary directory, and proc to one place: else what
 * is hidden there would be seen, or a symlink of the image would lead its writers astray
 * (CVE-2019-19921). */
static int check_kernel_fs(const struct spec_mount *m, struct plan_op *op, struct err *e)
{
	bool proc = str_eq(m->type, "proc");

	if (proc && !str_eq(m->destination, "/proc"))
		return err_set(e, RC_INVALID_ARGUMENT, "proc is mounted on /proc only");
	if (proc || str_eq(m->type, "sysfs"))
		op->flags |= PLAN_NOFOLLOW;
	return 0;
}

static bool says_mode(const char *data)
{
	return data && (str_starts(data, "mode=") || strstr(data, ",mode="));
}

/* A read-only tmpfs on /dev has to take links and nodes first: it is made read-only at the end. */
static int add_filesystem(const struct spec *s, const struct spec_mount *m,
			  const struct mount_options *o, struct plan *p, struct err *e)
{
	struct plan_op *op = plan_add(p, PLAN_MOUNT, m->destination, e);

	if (!op)
		return -1;
	op->source = *m->source ? m->source : m->type;
	op->fstype = m->type;
	op->data = with_label(s, m->type, o->data, p->a);
	if (!op->data)
		return rootfs_no_memory(e);
	options_into(op, o);
	op->flags = PLAN_PROC_GUARD;
	if (str_eq(m->destination, "/dev"))
		op->ms_flags &= ~(unsigned long)MS_RDONLY;
	if (o->extra & MOUNT_TMPCOPYUP)
		op->flags |= PLAN_TMPCOPYUP;
	if (str_eq(m->type, "tmpfs") && !says_mode(o->data))
		op->flags |= PLAN_KEEP_MODE;
	return check_kernel_fs(m, op, e);
}

static const struct {
	unsigned int bit;
	const char *name;
} controllers[] = {
	{ CGROUP_CPU, "cpu" },           { CGROUP_CPUACCT, "cpuacct" },
	{ CGROUP_CPUSET, "cpuset" },     { CGROUP_MEMORY, "memory" },
	{ CGROUP_PIDS, "pids" },         { CGROUP_DEVICES, "devices" },
	{ CGROUP_FREEZER, "freezer" },   { CGROUP_IO, "blkio" },
	{ CGROUP_HUGETLB, "hugetlb" },   { CGROUP_NET_CLS, "net_cls" },
	{ CGROUP_NET_PRIO, "net_prio" }, { CGROUP_PERF_EVENT, "perf_event" },
	{ CGROUP_RDMA, "rdma" },
};

/* Version 1: the container's own directory of each controller, on a tmpfs. */
static int add_cgroup1(const struct spec_mount *m, const struct mount_options *o,
		       const struct rootfs_facts *f, struct plan *p, struct err *e)
{
	struct plan_op *op = plan_add(p, PLAN_MOUNT, m->destination, e);

	if (!op)
		return -1;
	op->source = op->fstype = "tmpfs";
	op->data = "mode=755";
	op->ms_flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	op->flags = PLAN_PROC_GUARD;
	for (size_t i = 0; i < COUNT_OF(controllers); i++) {
		if (!(f->controllers & controllers[i].bit))
			continue;
		op = plan_add(p, PLAN_BIND, path_join(p->a, m->destination, controllers[i].name),
			      e);
		if (!op)
			return -1;
		op->source = arena_printf(p->a, CGROUP_ROOT "/%s%s", controllers[i].name,
					  f->cgroup_path);
		if (!op->source || !op->target)
			return rootfs_no_memory(e);
		op->ms_flags = MS_BIND | MS_REC | (o->ms_set & ~(unsigned long)MS_BIND);
		op->flags = PLAN_OPTIONAL;
	}
	if (!(o->ms_set & MS_RDONLY))
		return 0;
	op = plan_add(p, PLAN_REMOUNT, m->destination, e);
	if (!op)
		return -1;
	op->ms_flags = MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	return 0;
}

/* Version 2: a fresh mount shows the container's own subtree, by its cgroup namespace. */
static int add_cgroup(const struct spec_mount *m, const struct mount_options *o,
		      const struct rootfs_facts *f, struct plan *p, struct err *e)
{
	struct plan_op *op;

	if (!f->cgroup2)
		return add_cgroup1(m, o, f, p, e);
	op = plan_add(p, PLAN_MOUNT, m->destination, e);
	if (!op)
		return -1;
	op->source = "cgroup";
	op->fstype = "cgroup2";
	op->data = "";
	options_into(op, o);
	op->flags = PLAN_PROC_GUARD;
	return 0;
}

static int add_typed(const struct spec *s, const struct spec_mount *m,
		     const struct mount_options *o, const struct rootfs_facts *f, struct plan *p,
		     struct err *e)
{
	if (o->ms_set & MS_REMOUNT)
		return add_remount(m, o, p, e);
	if (is_bind(m, o))
		return add_bind(s, m, o, f, p, e);
	if ((o->extra & (MOUNT_IDMAP | MOUNT_RIDMAP)) || m->n_uid_maps || m->n_gid_maps)
		return err_set(e, RC_INVALID_ARGUMENT, "only a bind can be id-mapped");
	if (!*m->type)
		return err_set(e, RC_INVALID_ARGUMENT, "no type");
	if (str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2"))
		return add_cgroup(m, o, f, p, e);
	if (str_eq(m->type, "sysfs") && f->user_ns && !s->linux.ns[NS_NET].want)
		return add_sysfs_bind(m, o, p, e);
	return add_filesystem(s, m, o, p, e);
}

/* Destinations are compared below, so each gets one form. */
static int add_mount(const struct spec *s, const struct spec_mount *mount,
		     const struct rootfs_facts *f, struct plan *p, struct err *e)
{
	struct spec_mount m = *mount;
	struct mount_options o;

	if (mount_options_parse(m.options.v, m.options.n, p->a, &o, e) < 0)
		return -1;
	m.destination = path_join(p->a, "/", m.destination);
	m.destination = m.destination ? path_clean(p->a, m.destination) : NULL;
	if (!m.destination)
		return rootfs_no_memory(e);
	if (str_eq(m.destination, "/") && !(o.ms_set & MS_REMOUNT))
		return err_set(e, RC_INVALID_ARGUMENT, "the root comes from root.path");
	return add_typed(s, &m, &o, f, p, e);
}

static int add_mounts(const struct spec *s, const struct rootfs_facts *f, struct plan *p,
		      struct err *e)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		size_t first = p->n;
		const char *what;

		if (add_mount(s, &s->mounts[i], f, p, e) < 0)
			return err_ctx(e, "mounts[%zu] (%s)", i, s->mounts[i].destination);
		what = arena_printf(p->a, "mounts[%zu]", i);
		if (!what)
			return rootfs_no_memory(e);
		while (first < p->n)
			p->ops[first++].what = what;
	}
	return 0;
}

/* --- taking rights away --- */

static int add_cwd(const struct spec *s, struct plan *p, struct err *e)
{
	const char *cwd = s->process ? s->process->cwd : NULL;
	struct plan_op *op;

	if (str_empty(cwd))
		return 0;
	cwd = path_clean(p->a, cwd); /* ".." is allowed here; chdir has the last word */
	if (!cwd)
		return rootfs_no_memory(e);
	if (str_eq(cwd, "/"))
		return 0;
	op = plan_add(p, PLAN_MKDIR, cwd, e);
	if (!op)
		return -1;
	op->mode = 0755;
	op->what = "process.cwd";
	return 0;
}

static int add_hidden(const struct spec_strings *paths, enum plan_kind kind, const char *what,
		      struct plan *p, struct err *e)
{
	for (size_t i = 0; i < paths->n; i++) {
		struct plan_op *op = plan_add(p, kind, paths->v[i], e);

		if (!op)
			return -1;
		op->what = what;
	}
	return 0;
}

static int add_readonly_root(const struct spec *s, struct plan *p, struct err *e)
{
	struct plan_op *op;

	if (!s->root.readonly)
		return 0;
	op = plan_add(p, PLAN_REMOUNT, "/", e);
	if (!op)
		return -1;
	op->ms_flags = MS_BIND | MS_RDONLY;
	op->what = "read-only root";
	return 0;
}

/* A mount namespace that is joined is taken as it is (spec_validate refuses what cannot be). */
int rootfs_plan(const struct spec *s, const struct rootfs_facts *f, struct plan *p, struct err *e)
{
	if (!str_empty(s->linux.ns[NS_MNT].path))
		return 0;
	if (add_mounts(s, f, p, e) < 0 || rootfs_add_dev(s, f, p, e) < 0 || add_cwd(s, p, e) < 0)
		return -1;
	if (add_hidden(&s->linux.masked_paths, PLAN_MASK, "linux.maskedPaths", p, e) < 0 ||
	    add_hidden(&s->linux.readonly_paths, PLAN_READONLY, "linux.readonlyPaths", p, e) < 0)
		return -1;
	if (rootfs_add_readonly_dev(s, p, e) < 0)
		return -1;
	return add_readonly_root(s, p, e);
}
