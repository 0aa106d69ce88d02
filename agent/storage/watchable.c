/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes of configuration: a copy in memory that follows its source (watch.h). The mount point lies in
 * a directory of that name in the share, which becomes a tmpfs of its own with the first of them.
 */
#include "base/path.h"
#include "storage/driver.h"

static const char *const parents[] = {
	"/run/kata-containers/shared/containers/watchable",
	"/run/kata-containers/shared/containers/passthrough/watchable",
};

/* The same below the directory of a user (/run/user/UID/…), for hosts without root. */
static size_t user_length(const char *path)
{
	size_t n = strlen("/run/user/"), digits;

	if (!str_starts(path, "/run/user/"))
		return 0;
	digits = strspn(path + n, "0123456789");
	return digits ? n + digits : 0;
}

static size_t parent_length(const char *mount_point)
{
	size_t user = user_length(mount_point);

	for (size_t i = 0; i < COUNT_OF(parents); i++) {
		const char *below = user ? parents[i] + strlen("/run") : parents[i];
		size_t n = strlen(below);

		if (strncmp(mount_point + user, below, n) == 0 && mount_point[user + n] == '/' &&
		    !strchr(mount_point + user + n + 1, '/'))
			return user + n;
	}
	return 0;
}

static int check_source(const struct storage_req *r, struct storage_plan *out, struct err *e)
{
	const char *clean;

	if (!*r->source || !path_is_plain(r->source))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "watchable-bind: source %.128s: not absolute, or with \"..\" in it",
			       r->source);
	clean = path_clean(out->plan.a, r->source);
	if (!clean)
		return storage_no_memory(e);
	if (!storage_place_length(clean))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "watchable-bind: source %.128s: not below a directory where a host may mount",
			       clean);
	out->watch_source = clean;
	return 0;
}

static int plan(const struct storage_req *r, const struct storage_ctx *ctx,
		struct storage_plan *out, struct err *e)
{
	size_t n = parent_length(r->mount_point);
	char *parent = arena_strndup(out->plan.a, r->mount_point, n);
	struct plan_op *op;

	(void)ctx;
	if (!parent)
		return storage_no_memory(e);
	if (!n)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "watchable-bind: mount point %.128s: not a name in the share's directory watchable",
			       r->mount_point);
	if (*r->fstype && !str_eq(r->fstype, "bind"))
		return err_set(e, RC_INVALID_ARGUMENT, "watchable-bind: fstype \"%s\" is not bind",
			       r->fstype);
	if (check_source(r, out, e) < 0)
		return -1;
	out->watch_target = r->mount_point;
	if (!plan_add(&out->plan, PLAN_MKDIR, parent, e))
		return -1;
	op = plan_add(&out->plan, PLAN_MOUNT, parent, e);
	if (!op)
		return -1;
	op->source = "watchable";
	op->fstype = "tmpfs";
	op->ms_flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	op->data = "mode=0755";
	/* others of the sandbox lie in it */
	op->flags = PLAN_SKIP_MOUNTED | PLAN_NO_UNDO;
	return 0;
}

const struct storage_driver storage_watchable = { "watchable-bind", NULL, plan };
