/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of storage drivers, the checks that all requests go through, and the making of a plan.
 *
 * Where a host may mount. The host is trusted with its guest, but a wrong or empty path must not
 * take the guest down: a mount over /, /proc, /sys, /dev, /etc or the directories of the system's
 * programs would. So a mount point (and every directory a driver makes) must lie below one of a few
 * places that hold data only: /run, where every known host mounts
 * (/run/kata-containers/…), and the customary places for data, which hosts with a guest image of
 * their own may use. The agent's own directories themselves stay uncovered, as what they hold would
 * vanish from view: /run/kata-containers, its "sandbox", and the bind mounts that keep shared
 * namespaces.
 */
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/mount_options.h"
#include "storage/driver.h"

#define MAX_OPTIONS	1024
#define MAX_TEXT	4095
#define MAX_FSTYPE	31

static const struct storage_driver *const drivers[] = {
	&storage_blk, &storage_mmioblk, &storage_scsi, &storage_nvdimm,
	&storage_virtiofs, &storage_9p, &storage_overlayfs, &storage_bind, &storage_ephemeral,
	&storage_local, &storage_watchable, &storage_layers,
};

/* Names that hosts know and this agent refuses, and why. */
static const struct absent {
	const char *name, *why;
} absent[] = {
	{ "virtiofs", "the driver is called virtio-fs" },
	{ "virtio-9p", "the driver is called 9p" },
	{ "blk-ccw", "channel devices exist on s390x only" },
	{ "image_guest_pull", "needs a confidential data hub, which this agent has not" },
};

const char *const *storage_driver_names(void)
{
	static const char *names[COUNT_OF(drivers) + 1];

	for (size_t i = 0; i < COUNT_OF(drivers); i++)
		names[i] = drivers[i]->name;
	return names;
}

const struct storage_driver *storage_driver_find(const char *name, struct err *e)
{
	char list[192];
	struct str s = STR_OVER(list);

	str_reset(&s);
	for (size_t i = 0; i < COUNT_OF(drivers); i++) {
		if (str_eq(drivers[i]->name, name))
			return drivers[i];
		str_addf(&s, "%s%s", i ? ", " : "", drivers[i]->name);
	}
	for (size_t i = 0; i < COUNT_OF(absent); i++) {
		if (!str_eq(absent[i].name, name))
			continue;
		err_set(e, RC_UNIMPLEMENTED, "storage driver \"%s\": %s", name, absent[i].why);
		return NULL;
	}
	err_set(e, RC_INVALID_ARGUMENT, "storage driver \"%.32s\": unknown; this agent has %s",
		name, list);
	return NULL;
}

/* --- where to mount -------------------------------------------------------------------------- */

static const char *const places[] = {
	"/run", "/var/run", "/mnt", "/media", "/srv", "/tmp", "/var/tmp", "/opt", "/home",
	"/var/lib",
};

/* Below a place, and not to be covered; FROM_HERE: nor anything below. */
static const struct kept {
	const char *path;
	enum { ITSELF, FROM_HERE } reach;
} kept[] = {
	{ "/run/kata-containers", ITSELF },
	{ "/run/kata-containers/sandbox", ITSELF },
	{ "/run/sandbox-ns", FROM_HERE },
	{ "/run/netns", FROM_HERE },
};

size_t storage_place_length(const char *path)
{
	for (size_t i = 0; i < COUNT_OF(places); i++)
		if (path_is_below(path, places[i]) && !str_eq(path, places[i]))
			return strlen(places[i]);
	return 0;
}

int storage_place_check(const char *path, struct err *e)
{
	/* The one is a link to the other in the usual guest. */
	const char *same = str_starts(path, "/var/run/") ? path + strlen("/var") : path;

	if (!storage_place_length(path))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "%.160s: not below a directory where a host may mount (/run, /mnt, …)", path);
	for (size_t i = 0; i < COUNT_OF(kept); i++)
		if (str_eq(same, kept[i].path) ||
		    (kept[i].reach == FROM_HERE && path_is_below(same, kept[i].path)))
			return err_set(e, RC_INVALID_ARGUMENT,
				       "%.160s: the agent's own, not to be mounted over", path);
	return 0;
}

/* --- checks ------------------------------------------------------------------------------ */

static int check_length(const char *what, const char *text, size_t max, struct err *e)
{
	if (strnlen(text, max + 1) <= max)
		return 0;
	return err_set(e, RC_INVALID_ARGUMENT, "%s longer than %zu bytes", what, max);
}

static int check_options(const char *what, char *const *opts, size_t n, struct err *e)
{
	if (n > MAX_OPTIONS)
		return err_set(e, RC_INVALID_ARGUMENT, "%zu %ss: more than %d", n, what,
			       MAX_OPTIONS);
	for (size_t i = 0; i < n; i++)
		if (check_length(what, opts[i], MAX_TEXT, e) < 0)
			return -1;
	return 0;
}

static int check_fstype(const char *s, struct err *e)
{
	const char *word = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (check_length("fstype", s, MAX_FSTYPE, e) < 0)
		return -1;
	if (!s[strspn(s, word)])
		return 0;
	return err_set(e, RC_INVALID_ARGUMENT, "fstype \"%s\": not a name", s);
}

static int check_mount_point(const char *path, struct err *e)
{
	struct arena a;
	char *clean;
	int r;

	if (!*path)
		return err_set(e, RC_INVALID_ARGUMENT, "mount point missing");
	if (check_length("mount point", path, MAX_TEXT, e) < 0)
		return -1;
	if (!path_is_plain(path))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "mount point %.160s: not absolute, or with \"..\" in it", path);
	arena_init(&a, 4 * MAX_TEXT);
	clean = path_clean(&a, path);
	r = clean ? storage_place_check(clean, e) : storage_no_memory(e);
	arena_fini(&a);
	return r < 0 ? err_ctx(e, "mount point") : 0;
}

const char *storage_mount_point(struct arena *a, const char *path)
{
	bool plain = path_is_plain(path) && strnlen(path, MAX_TEXT + 1) <= MAX_TEXT;

	return plain ? path_clean(a, path) : path;
}

int storage_req_check(const struct storage_req *r, struct err *e)
{
	if (check_mount_point(r->mount_point, e) < 0 || check_fstype(r->fstype, e) < 0)
		return -1;
	if (check_length("source", r->source, MAX_TEXT, e) < 0)
		return -1;
	if (check_options("option", r->options, r->n_options, e) < 0)
		return -1;
	return check_options("driver option", r->driver_options, r->n_driver_options, e);
}

/* --- what the drivers share ---------------------------------------------------------------- */

int storage_no_memory(struct err *e)
{
	return err_set(e, RC_RESOURCE_EXHAUSTED, "storage: out of memory");
}

const char *storage_option_value(const char *text, const char *key)
{
	size_t n = strlen(key);

	return strncmp(text, key, n) == 0 && text[n] == '=' ? text + n + 1 : NULL;
}

int storage_parse_gid(const char *text, gid_t *out, struct err *e)
{
	uint64_t n;

	/* The highest number means "leave it alone" to chown(2). */
	if (num_u64(text, UINT32_MAX - 1, &n) < 0)
		return err_set(e, RC_INVALID_ARGUMENT, "fsgid=%.32s: not a group number", text);
	*out = (gid_t)n;
	return 0;
}

int storage_parse_mode(const char *text, mode_t *out, struct err *e)
{
	uint64_t n;

	if (num_oct(text, 07777, &n) < 0)
		return err_set(e, RC_INVALID_ARGUMENT, "mode=%.32s: not an octal mode", text);
	*out = (mode_t)n;
	return 0;
}

struct plan_op *storage_add_mount(struct storage_plan *sp, const struct storage_req *r,
				  const char *source, const char *fstype, char *const *opts,
				  size_t n, struct err *e)
{
	struct mount_options o;
	struct plan_op *op;

	if (mount_options_parse(opts, n, sp->plan.a, &o, e) < 0)
		return NULL;
	if (o.ms_set & (MS_BIND | MS_REMOUNT)) {
		err_set(e, RC_INVALID_ARGUMENT, "mount option '%s' has no meaning for a storage",
			o.ms_set & MS_BIND ? "bind" : "remount");
		return NULL;
	}
	if (o.extra & (MOUNT_IDMAP | MOUNT_RIDMAP)) {
		err_set(e, RC_UNIMPLEMENTED, "mount option 'idmap' is not supported for a storage");
		return NULL;
	}
	/* An op of its own, so that the undo of a mount that failed takes the directory away. */
	if (!plan_add(&sp->plan, PLAN_MKDIR, r->mount_point, e))
		return NULL;
	op = plan_add(&sp->plan, PLAN_MOUNT, r->mount_point, e);
	if (!op)
		return NULL;
	op->source = source;
	op->fstype = fstype;
	op->data = o.data;
	op->ms_flags = o.ms_set;
	op->propagation = o.propagation;
	op->rec_set = o.rec_set;
	op->rec_clear = o.rec_clear;
	op->flags = o.extra & MOUNT_TMPCOPYUP ? PLAN_TMPCOPYUP : 0;
	return op;
}

/* A driver that plans outside of the places is a mistake of ours; it must not reach the
 * executor. */
static int check_plan(const struct storage_driver *d, const struct plan *p, struct err *e)
{
	if (p->n == 0)
		return err_set(e, RC_INTERNAL, "storage driver %s planned nothing", d->name);
	for (size_t i = 0; i < p->n; i++) {
		const char *target = p->ops[i].target;

		if (str_empty(target) || !path_is_plain(target) || !storage_place_length(target))
			return err_set(e, RC_INTERNAL,
				       "storage driver %s planned outside of its place", d->name);
	}
	return 0;
}

int storage_plan_make(const struct storage_driver *d, const struct storage_req *r,
		      const struct storage_ctx *ctx, struct arena *a, struct storage_plan *out,
		      struct err *e)
{
	struct storage_req clean = *r;

	*out = (struct storage_plan){ 0 };
	plan_init(&out->plan, a);
	if (storage_req_check(r, e) < 0)
		return -1;
	clean.mount_point = storage_mount_point(a, r->mount_point);
	if (!clean.mount_point)
		return storage_no_memory(e);
	if (d->need && !ctx->device)
		return err_set(e, RC_INTERNAL, "storage driver %s: planned without its device",
			       d->name);
	if (d->plan(&clean, ctx, out, e) < 0 || check_plan(d, &out->plan, e) < 0)
		return -1;
	if (r->flags & STORAGE_FS_GROUP)
		out->group_path = clean.mount_point;
	return 0;
}
