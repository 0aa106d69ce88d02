/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev of a container: links, nodes, the console. Who binds a /dev of his own gets it as it is.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "container/rootfs_parts.h"

static bool dev_is_bound(const struct plan *p)
{
	bool bound = false;

	for (size_t i = 0; i < p->n; i++)
		if (str_eq(p->ops[i].target, "/dev") && p->ops[i].kind != PLAN_REMOUNT)
			bound = p->ops[i].kind == PLAN_BIND;
	return bound;
}

static int add_links(const struct rootfs_facts *f, struct plan *p, struct err *e)
{
	static const struct {
		const char *target, *source;
		bool kcore;
	} links[] = {
		{ "/dev/fd", "/proc/self/fd", false },
		{ "/dev/stdin", "/proc/self/fd/0", false },
		{ "/dev/stdout", "/proc/self/fd/1", false },
		{ "/dev/stderr", "/proc/self/fd/2", false },
		{ "/dev/core", "/proc/kcore", true },
		{ "/dev/ptmx", "pts/ptmx", false },
	};

	for (size_t i = 0; i < COUNT_OF(links); i++) {
		struct plan_op *op;

		if (links[i].kcore && !f->kcore)
			continue;
		op = plan_add(p, PLAN_SYMLINK, links[i].target, e);
		if (!op)
			return -1;
		op->source = links[i].source;
		op->what = "default links";
	}
	return 0;
}

/* In a user namespace device nodes cannot be made, but bound; a pipe can be made anywhere. */
static int add_node(const struct spec_device *d, const struct rootfs_facts *f, const char *what,
		    struct plan *p, struct err *e)
{
	bool bound = f->user_ns && d->type != S_IFIFO;
	struct plan_op *op = plan_add(p, bound ? PLAN_BIND : PLAN_MKNOD, d->path, e);

	if (!op)
		return -1;
	op->what = what;
	op->mode = d->type;
	op->dev = d->type == S_IFIFO ? 0 : makedev((unsigned int)d->major, (unsigned int)d->minor);
	if (bound) {
		op->source = d->path;
		op->ms_flags = MS_BIND;
		op->flags = PLAN_SOURCE_DEVICE | PLAN_NOFOLLOW | PLAN_PROC_GUARD;
		return 0;
	}
	op->mode |= d->mode_set ? d->mode & 07777 : 0666;
	if (!d->mode_set && d->type != S_IFIFO)
		op->flags |= PLAN_GUEST_MODE;
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
#define EVERYBODYS(p_, major_, minor_)                                                             \
	{                                                                                          \
		.path = (p_), .type = S_IFCHR, .major = (major_), .minor = (minor_), .mode = 0666, \
		.mode_set = true                                                                   \
	}
	static const struct spec_device defaults[] = {
		EVERYBODYS("/dev/null", 1, 3),    EVERYBODYS("/dev/zero", 1, 5),
		EVERYBODYS("/dev/full", 1, 7),    EVERYBODYS("/dev/random", 1, 8),
		EVERYBODYS("/dev/urandom", 1, 9), EVERYBODYS("/dev/tty", 5, 0),
	};
#undef EVERYBODYS

	for (size_t i = 0; i < COUNT_OF(defaults); i++)
		if (!spec_has_device(s, defaults[i].path) &&
		    add_node(&defaults[i], f, "default devices", p, e) < 0)
			return -1;
	for (size_t i = 0; i < s->linux.n_devices; i++) {
		const struct spec_device *d = &s->linux.devices[i];

		/* the multiplexer is the container's own: a link into its devpts */
		if (!str_eq(d->path, "/dev/ptmx") && add_node(d, f, "linux.devices", p, e) < 0)
			return -1;
	}
	return 0;
}

/* The terminal of the first process, at a place where programs look for it (ttyname(3)). Its
 * descriptor comes with the run; a symlink in its place is not followed (CVE-2025-52565). */
static int add_console(const struct spec *s, struct plan *p, struct err *e)
{
	struct plan_op *op;

	if (!s->process || !s->process->terminal)
		return 0;
	op = plan_add(p, PLAN_BIND, "/dev/console", e);
	if (!op)
		return -1;
	op->what = "console";
	op->source = "the terminal";
	op->ms_flags = MS_BIND;
	op->flags = PLAN_SOURCE_FD | PLAN_NOFOLLOW | PLAN_PROC_GUARD;
	return 0;
}

int rootfs_add_dev(const struct spec *s, const struct rootfs_facts *f, struct plan *p,
		   struct err *e)
{
	if (dev_is_bound(p))
		return 0;
	if (add_links(f, p, e) < 0 || add_nodes(s, f, p, e) < 0)
		return -1;
	return add_console(s, p, e);
}

static bool is_dev(const char *destination)
{
	destination += strspn(destination, "/");
	return str_starts(destination, "dev") && !destination[3 + strspn(destination + 3, "/")];
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

int rootfs_add_readonly_dev(const struct spec *s, struct plan *p, struct err *e)
{
	const struct spec_mount *dev = NULL;
	struct plan_op *op;
	unsigned long flags = 0;

	for (size_t i = 0; i < s->n_mounts; i++)
		if (is_dev(s->mounts[i].destination))
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
