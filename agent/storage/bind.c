/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory or file of the guest at a second place. The source lies where a host may mount, too, and
 * is reached without following a symbolic link: a container that shares it could lead the mount to
 * the guest's own files.
 */
#include "base/path.h"
#include "kernel/mount_options.h"
#include "storage/driver.h"

static int check_source(const struct storage_req *r, struct storage_plan *out, const char **clean,
			struct err *e)
{
	if (!*r->source)
		return err_set(e, RC_INVALID_ARGUMENT, "bind: source missing");
	if (!path_is_plain(r->source))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "bind: source %.128s: not absolute, or with \"..\" in it",
			       r->source);
	*clean = path_clean(out->plan.a, r->source);
	if (!*clean)
		return storage_no_memory(e);
	if (!storage_place_length(*clean))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "bind: source %.128s: not below a directory where a host may mount",
			       *clean);
	return 0;
}

static int plan(const struct storage_req *r, const struct storage_ctx *ctx,
		struct storage_plan *out, struct err *e)
{
	struct mount_options o;
	const char *source = NULL;
	struct plan_op *op;

	(void)ctx;
	if (*r->fstype && !str_eq(r->fstype, "bind") && !str_eq(r->fstype, "none"))
		return err_set(e, RC_INVALID_ARGUMENT, "bind: fstype \"%s\" is not bind",
			       r->fstype);
	if (check_source(r, out, &source, e) < 0 ||
	    mount_options_parse(r->options, r->n_options, out->plan.a, &o, e) < 0)
		return -1;
	if (o.data || (o.ms_set & MS_REMOUNT) || o.extra)
		return err_set(e, RC_INVALID_ARGUMENT, "bind: option '%.64s' has no meaning for it",
			       o.data ? o.data : o.ms_set & MS_REMOUNT ? "remount" : "idmap");
	op = plan_add(&out->plan, PLAN_BIND, r->mount_point, e);
	if (!op)
		return -1;
	op->source = source;
	op->ms_flags = o.ms_set | MS_BIND;
	op->ms_clear = o.ms_clear;
	op->propagation = o.propagation;
	op->rec_set = o.rec_set;
	op->rec_clear = o.rec_clear;
	op->flags = PLAN_SOURCE_STRICT | PLAN_NOFOLLOW;
	return 0;
}

const struct storage_driver storage_bind = { "bind", NULL, plan };
