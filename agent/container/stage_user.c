/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the process is and what it may do. The order is the kernel's: the bounding set while there is
 * CAP_SETPCAP, groups before the user, permitted capabilities kept over the change, and last the
 * final sets. A filter without no_new_privs needs CAP_SYS_ADMIN, so it is loaded before them; with
 * it, after.
 */
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "container/stage_parts.h"

#define UMASK_DEFAULT	0022

/* The container's first process: what it gave up, no exec has back. */
static const struct spec_process *of_container(const struct stage *st)
{
	return st->spec->process ? st->spec->process : st->process;
}

static const struct caps_sets *caps_of(const struct stage *st)
{
	static const struct caps_sets none;

	if (st->process->caps)
		return st->process->caps;
	return st->spec->process && st->spec->process->caps ? st->spec->process->caps : &none;
}

/* Those of the container's first process where an exec has none. */
int stage_user_limits(const struct stage *st, struct err *e)
{
	const struct spec_process *p = st->process;
	int r = rlimit_restore_files();

	if (r < 0)
		return err_sys(e, -r, "restore the limit of open files");
	if (!p->n_rlimits && st->spec->process)
		p = st->spec->process;
	for (size_t i = 0; i < p->n_rlimits; i++)
		if (rlimit_apply(p->rlimits[i].type, p->rlimits[i].soft, p->rlimits[i].hard, e) < 0)
			return err_ctx(e, "process.rlimits[%zu]", i);
	return 0;
}

_Static_assert(sizeof(gid_t) == sizeof(uint32_t), "a spec's groups are what setgroups takes");

/* A user namespace may forbid it (user_namespaces(7)): then nobody had groups to lose. */
static int set_groups(const struct spec_user *u, struct err *e)
{
	if (setgroups(u->n_groups, u->groups) < 0 && (errno != EPERM || u->n_groups))
		return err_sys(e, errno, "set the additional groups");
	return 0;
}

int stage_user_ids(const struct stage *st, struct err *e)
{
	const struct spec_user *u = &st->process->user;

	if (caps_drop_bounding(caps_of(st)->bounding, e) < 0)
		return -1;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "keep capabilities");
	if (set_groups(u, e) < 0)
		return -1;
	if (setresgid(u->gid, u->gid, u->gid) < 0)
		return err_sys(e, errno, "become group %u", u->gid);
	if (setresuid(u->uid, u->uid, u->uid) < 0)
		return err_sys(e, errno, "become user %u", u->uid);
	umask(u->umask_set ? u->umask : UMASK_DEFAULT);
	return 0;
}

/* What the change of the user took from the effective set comes back for the filter's sake. */
static int load_privileged_filter(const struct stage *st, struct caps_sets now,
				  struct stage_listener *l, struct err *e)
{
	now.effective = now.permitted;
	if (caps_apply(&now, e) < 0)
		return -1;
	return stage_seccomp_load(st, l, e);
}

/* Nobody gives what he has not: where the agent itself runs with less (in tests, as a service),
 * the process gets what there is. */
static struct caps_sets caps_to_give(const struct stage *st, const struct caps_sets *now)
{
	struct caps_sets c = *caps_of(st);

	c.permitted &= now->permitted;
	c.effective &= c.permitted;
	c.inheritable &= now->permitted | now->inheritable;
	c.ambient &= c.permitted & c.inheritable;
	return c;
}

int stage_user_rights(const struct stage *st, struct stage_listener *l, struct err *e)
{
	bool filter = st->spec->linux.seccomp;
	bool nnp = st->process->no_new_privs || of_container(st)->no_new_privs;
	struct caps_sets now, give;
	int r = caps_get(&now);

	if (r < 0)
		return err_sys(e, -r, "read capabilities");
	give = caps_to_give(st, &now);
	if (filter && !nnp && load_privileged_filter(st, now, l, e) < 0)
		return -1;
	if (nnp && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "set no_new_privs");
	if (caps_apply(&give, e) < 0)
		return -1;
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "keep capabilities no more");
	return filter && nnp ? stage_seccomp_load(st, l, e) : 0;
}
