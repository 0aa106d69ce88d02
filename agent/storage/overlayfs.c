/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers: options in overlayfs's own words (lowerdir=A:B, …), whose paths are the guest's. The
 * option OVERLAY_RW asks the agent for an upper and a work directory of the container's own; the
 * driver option CREATE_DIRECTORY for a directory that the host wants to name. The kernel reads the
 * paths itself, so here they are only held to be absolute and free of "..".
 */
#include "base/path.h"
#include "storage/driver.h"

#define OVERLAY_RW		"io.katacontainers.fs-opt.overlay-rw"
#define CREATE_DIRECTORY	"io.katacontainers.volume.overlayfs.create_directory"
#define RUN_DIR			"/run/kata-containers"

struct layers {
	char **options;		/* for the mount */
	size_t n, lowers;
	unsigned int flags;	/* enum layers_flags */
};

enum layers_flags { LAYERS_RW = 0x1, LAYERS_UPPER = 0x2 };

/* One path of n bytes as overlayfs writes it: a backslash protects ":" and ",". */
static int check_path(const struct storage_plan *out, const char *key, const char *s, size_t n,
		      struct err *e)
{
	char *path = arena_strndup(out->plan.a, s, n);

	if (!path)
		return storage_no_memory(e);
	if (*path == '/' && path_is_plain(path))
		return 0;
	return err_set(e, RC_INVALID_ARGUMENT,
		       "overlayfs: %s %.128s: not absolute, or with \"..\" in it", key, path);
}

static size_t path_length(const char *s)
{
	size_t n = 0;

	while (s[n] && s[n] != ':' && s[n] != ',')
		n += s[n] == '\\' && s[n + 1] ? 2 : 1;
	return n;
}

/* "A:B::C": behind "::" come layers of data only. */
static int check_paths(const struct storage_plan *out, const char *key, const char *s,
		       size_t *count, struct err *e)
{
	*count = 0;
	for (;; s++) {
		size_t n = path_length(s);

		if (check_path(out, key, s, n, e) < 0)
			return -1;
		++*count;
		s += n;
		if (*s == ',')
			return err_set(e, RC_INVALID_ARGUMENT,
				       "overlayfs: several options in one string, after %s", key);
		if (!*s)
			return 0;
		if (s[1] == ':')
			s++;
	}
}

static int read_option(const struct storage_plan *out, struct layers *l, char *opt, struct err *e)
{
	const char *lower = storage_option_value(opt, "lowerdir");
	const char *upper = storage_option_value(opt, "upperdir");
	const char *work = storage_option_value(opt, "workdir");
	size_t n;

	if (str_eq(opt, OVERLAY_RW)) {
		l->flags |= LAYERS_RW;
		return 0;
	}
	if (str_starts(opt, "io.katacontainers."))
		return err_set(e, RC_UNIMPLEMENTED, "overlayfs: option %.96s: not supported", opt);
	l->options[l->n++] = opt;
	if (lower)
		return check_paths(out, "lowerdir", lower, &l->lowers, e);
	if (!upper && !work)
		return 0;
	l->flags |= LAYERS_UPPER;
	if (check_paths(out, upper ? "upperdir" : "workdir", upper ? upper : work, &n, e) < 0)
		return -1;
	if (n == 1)
		return 0;
	return err_set(e, RC_INVALID_ARGUMENT, "overlayfs: one %s, not %zu",
		       upper ? "upperdir" : "workdir", n);
}

static int read_options(const struct storage_req *r, const struct storage_plan *out,
			struct layers *l, struct err *e)
{
	l->options = ARENA_ARRAY(out->plan.a, char *, r->n_options + 2);
	if (!l->options)
		return storage_no_memory(e);
	for (size_t i = 0; i < r->n_options; i++)
		if (read_option(out, l, r->options[i], e) < 0)
			return -1;
	if (!l->lowers)
		return err_set(e, RC_INVALID_ARGUMENT, "overlayfs: option lowerdir= missing");
	if (l->flags == (LAYERS_RW | LAYERS_UPPER))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "overlayfs: both %s and an upperdir or workdir", OVERLAY_RW);
	if (!l->flags && l->lowers < 2)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "overlayfs: one lowerdir and nothing above it");
	return 0;
}

/* Makes RUN_DIR/CID/name and adds "key=" of it. */
static int add_own(const struct storage_ctx *ctx, struct layers *l, const char *name,
		   struct storage_plan *out, struct err *e)
{
	char *dir = arena_printf(out->plan.a, RUN_DIR "/%s/%s", ctx->container_id, name);
	char *opt = dir ? arena_printf(out->plan.a, "%sdir=%s", name, dir) : NULL;

	if (!opt)
		return storage_no_memory(e);
	l->options[l->n++] = opt;
	return plan_add(&out->plan, PLAN_MKDIR, dir, e) ? 0 : -1;
}

static bool is_id(const char *id)
{
	return !str_empty(id) && !strpbrk(id, "/:,\\") && !str_eq(id, ".") && !str_eq(id, "..");
}

static int create_directories(const struct storage_req *r, struct storage_plan *out, struct err *e)
{
	for (size_t i = 0; i < r->n_driver_options; i++) {
		const char *value = storage_option_value(r->driver_options[i], CREATE_DIRECTORY);
		char *dir;

		if (!value)
			continue;
		if (!path_is_plain(value))
			return err_set(e, RC_INVALID_ARGUMENT,
				       "create_directory %.128s: not absolute, or with \"..\" in it", value);
		dir = path_clean(out->plan.a, value);
		if (!dir)
			return storage_no_memory(e);
		if (storage_place_check(dir, e) < 0)
			return err_ctx(e, "create_directory");
		if (!plan_add(&out->plan, PLAN_MKDIR, dir, e))
			return -1;
	}
	return 0;
}

static int plan(const struct storage_req *r, const struct storage_ctx *ctx,
		struct storage_plan *out, struct err *e)
{
	struct layers l = { 0 };

	if (*r->fstype && !str_eq(r->fstype, "overlay"))
		return err_set(e, RC_INVALID_ARGUMENT, "overlayfs: fstype \"%s\" is not overlay",
			       r->fstype);
	if (read_options(r, out, &l, e) < 0 || create_directories(r, out, e) < 0)
		return -1;
	if (l.flags & LAYERS_RW) {
		if (!is_id(ctx->container_id))
			return err_set(e, RC_INVALID_ARGUMENT, "overlayfs: %s without a container",
				       OVERLAY_RW);
		if (add_own(ctx, &l, "upper", out, e) < 0 || add_own(ctx, &l, "work", out, e) < 0)
			return -1;
	}
	if (!storage_add_mount(out, r, *r->source ? r->source : "overlay", "overlay", l.options, l.n, e))
		return -1;
	return 0;
}

const struct storage_driver storage_overlayfs = { "overlayfs", NULL, plan };
