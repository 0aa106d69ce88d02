/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of a container's file tree, in this order: the spec's mounts, links and nodes in /dev,
 * the working directory, then what takes rights away (masked paths, read-only paths, read-only /dev
 * and root), since after that nothing can be made any more.
 */
#include "container/rootfs.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/path.h"
#include "kernel/mount_options.h"

static int no_memory(struct err *e)
{
	return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
}

int rootfs_propagation(const struct spec *s, unsigned long *out)
{
	static const struct { const char *name; unsigned long flags; } names[] = {
		{ "shared", MS_SHARED }, { "rshared", MS_SHARED | MS_REC },
		{ "slave", MS_SLAVE }, { "rslave", MS_SLAVE | MS_REC },
		{ "private", MS_PRIVATE }, { "rprivate", MS_PRIVATE | MS_REC },
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

static int add_bind(const struct spec_mount *m, const struct mount_options *o,
		    const struct rootfs_facts *f, struct plan *p, struct err *e)
{
	struct plan_op *op;

	if (m->source[0] != '/')
		return err_set(e, RC_INVALID_ARGUMENT, "the source is not an absolute path");
	op = plan_add(p, PLAN_BIND, m->destination, e);
	if (!op)
		return -1;
	op->source = m->source;
	options_into(op, o);
	op->ms_flags |= MS_BIND;
	op->flags |= PLAN_PROC_GUARD;
	if (f->run_dir && path_is_below(m->source, f->run_dir))
		op->flags |= PLAN_SOURCE_STRICT;
	return 0;
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
		return no_memory(e);
	options_into(op, o);
	if (str_eq(m->destination, "/dev"))
		op->ms_flags &= ~(unsigned long)MS_RDONLY;
	if (o->extra & MOUNT_TMPCOPYUP)
		op->flags |= PLAN_TMPCOPYUP;
	return 0;
}

static const struct {
	unsigned int bit;
	const char *name;
} controllers[] = {
	{ CGROUP_CPU, "cpu" },		 { CGROUP_CPUACCT, "cpuacct" },
	{ CGROUP_CPUSET, "cpuset" },	 { CGROUP_MEMORY, "memory" },
	{ CGROUP_PIDS, "pids" },	 { CGROUP_DEVICES, "devices" },
	{ CGROUP_FREEZER, "freezer" },	 { CGROUP_IO, "blkio" },
	{ CGROUP_HUGETLB, "hugetlb" },	 { CGROUP_NET_CLS, "net_cls" },
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
			return no_memory(e);
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
	return 0;
}

static int add_mount(const struct spec *s, const struct spec_mount *m, const struct rootfs_facts *f,
		     struct plan *p, struct err *e)
{
	struct mount_options o;

	if (mount_options_parse(m->options.v, m->options.n, p->a, &o, e) < 0)
		return -1;
	if ((o.extra & (MOUNT_IDMAP | MOUNT_RIDMAP)) || m->n_uid_maps)
		return err_set(e, RC_UNIMPLEMENTED, "id-mapped mounts are not supported");
	if (is_bind(m, &o))
		return add_bind(m, &o, f, p, e);
	if (!*m->type)
		return err_set(e, RC_INVALID_ARGUMENT, "no type");
	if (str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2"))
		return add_cgroup(m, &o, f, p, e);
	return add_filesystem(s, m, &o, p, e);
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
			return no_memory(e);
		while (first < p->n)
			p->ops[first++].what = what;
	}
	return 0;
}

/* --- /dev --- */

/* Who binds a /dev of his own gets it as it is. */
static bool dev_is_bound(const struct plan *p)
{
	bool bound = false;

	for (size_t i = 0; i < p->n; i++)
		if (str_eq(p->ops[i].target, "/dev"))
			bound = p->ops[i].kind == PLAN_BIND;
	return bound;
}

static int add_links(struct plan *p, struct err *e)
{
	static const struct { const char *target, *source; unsigned int flags; } links[] = {
		{ "/dev/fd", "/proc/self/fd", 0 },
		{ "/dev/stdin", "/proc/self/fd/0", 0 },
		{ "/dev/stdout", "/proc/self/fd/1", 0 },
		{ "/dev/stderr", "/proc/self/fd/2", 0 },
		{ "/dev/ptmx", "pts/ptmx", 0 },
	};

	for (size_t i = 0; i < COUNT_OF(links); i++) {
		struct plan_op *op = plan_add(p, PLAN_SYMLINK, links[i].target, e);

		if (!op)
			return -1;
		op->source = links[i].source;
		op->flags = links[i].flags;
		op->what = "default links";
	}
	return 0;
}

static int add_node(const struct spec_device *d, const struct rootfs_facts *f, const char *what,
		    struct plan *p, struct err *e)
{
	struct plan_op *op = plan_add(p, f->user_ns ? PLAN_BIND : PLAN_MKNOD, d->path, e);

	if (!op)
		return -1;
	op->what = what;
	if (f->user_ns) {	/* mknod is not allowed there */
		op->source = d->path;
		op->ms_flags = MS_BIND;
		return 0;
	}
	op->mode = d->type | (d->mode_set ? d->mode & 07777 : 0666);
	op->dev = d->type == S_IFIFO ? 0 : makedev((unsigned int)d->major, (unsigned int)d->minor);
	op->uid = d->uid;
	op->gid = d->gid;
	return 0;
}

static bool spec_has_device(const struct spec *s, const char *path)
{
	for (size_t i = 0; i < s->linux.n_devices; i++)
		if (str_eq(s->linux.devices[i].path, path))
			return true;
	return false;
}

static int add_nodes(const struct spec *s, const struct rootfs_facts *f, struct plan *p,
		     struct err *e)
{
	static const struct spec_device defaults[] = {
		{ .path = "/dev/null", .type = S_IFCHR, .major = 1, .minor = 3 },
		{ .path = "/dev/zero", .type = S_IFCHR, .major = 1, .minor = 5 },
		{ .path = "/dev/full", .type = S_IFCHR, .major = 1, .minor = 7 },
		{ .path = "/dev/random", .type = S_IFCHR, .major = 1, .minor = 8 },
		{ .path = "/dev/urandom", .type = S_IFCHR, .major = 1, .minor = 9 },
		{ .path = "/dev/tty", .type = S_IFCHR, .major = 5, .minor = 0 },
	};

	for (size_t i = 0; i < COUNT_OF(defaults); i++)
		if (!spec_has_device(s, defaults[i].path) &&
		    add_node(&defaults[i], f, "default devices", p, e) < 0)
			return -1;
	for (size_t i = 0; i < s->linux.n_devices; i++)
		if (add_node(&s->linux.devices[i], f, "linux.devices", p, e) < 0)
			return -1;
	return 0;
}

/* --- taking rights away --- */

static int add_cwd(const struct spec *s, struct plan *p, struct err *e)
{
	const char *cwd = s->process ? s->process->cwd : NULL;
	struct plan_op *op;

	if (str_empty(cwd))
		return 0;
	cwd = path_clean(p->a, cwd);	/* ".." is allowed here; chdir has the last word */
	if (!cwd)
		return no_memory(e);
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

static bool wants_readonly(const struct spec_mount *m)
{
	for (size_t i = m->options.n; i > 0; i--) {
		if (str_eq(m->options.v[i - 1], "ro"))
			return true;
		if (str_eq(m->options.v[i - 1], "rw"))
			return false;
	}
	return false;
}

static int add_readonly_dev(const struct spec *s, struct plan *p, struct err *e)
{
	const struct spec_mount *dev = NULL;
	struct plan_op *op;
	unsigned long flags = 0;

	for (size_t i = 0; i < s->n_mounts; i++)
		if (str_eq(s->mounts[i].destination, "/dev"))
			dev = &s->mounts[i];
	if (!dev || !wants_readonly(dev) || dev_is_bound(p))
		return 0;
	for (size_t i = 0; i < p->n; i++)
		if (p->ops[i].kind == PLAN_MOUNT && str_eq(p->ops[i].target, "/dev"))
			flags = p->ops[i].ms_flags;
	op = plan_add(p, PLAN_REMOUNT, "/dev", e);
	if (!op)
		return -1;
	op->ms_flags = flags | MS_BIND | MS_RDONLY;
	op->what = "read-only /dev";
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

int rootfs_plan(const struct spec *s, const struct rootfs_facts *f, struct plan *p, struct err *e)
{
	if (add_mounts(s, f, p, e) < 0)
		return -1;
	if (!dev_is_bound(p) && (add_links(p, e) < 0 || add_nodes(s, f, p, e) < 0))
		return -1;
	if (add_cwd(s, p, e) < 0)
		return -1;
	if (add_hidden(&s->linux.masked_paths, PLAN_MASK, "linux.maskedPaths", p, e) < 0 ||
	    add_hidden(&s->linux.readonly_paths, PLAN_READONLY, "linux.readonlyPaths", p, e) < 0)
		return -1;
	if (add_readonly_dev(s, p, e) < 0)
		return -1;
	return add_readonly_root(s, p, e);
}
