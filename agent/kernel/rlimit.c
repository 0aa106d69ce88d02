/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/rlimit.h"

#include <sys/resource.h>

static const struct {
	const char *name;
	int nr;
} table[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

_Static_assert(sizeof(rlim_t) == 8 && RLIM_INFINITY == (rlim_t)RLIMIT_NONE,
	       "limits are 64 bits wide");

static struct rlimit files;	/* before it was raised */

int rlimit_number(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (str_eq(table[i].name, name))
			return table[i].nr;
	return -EINVAL;
}

int rlimit_apply(const char *name, uint64_t soft, uint64_t hard, struct err *e)
{
	const struct rlimit limit = { .rlim_cur = soft, .rlim_max = hard };
	int nr = name ? rlimit_number(name) : -EINVAL;

	if (nr < 0)
		return err_set(e, RC_INVALID_ARGUMENT, "unknown resource limit '%.40s'",
			       name ? name : "");
	if (soft > hard)
		return err_set(e, RC_INVALID_ARGUMENT, "%s: the soft limit is above the hard one",
			       name);
	if (prlimit(0, nr, &limit, NULL) < 0)
		return err_sys(e, errno, "set %s", name);
	return 0;
}

int rlimit_raise_files(void)
{
	struct rlimit more = { .rlim_cur = RLIMIT_FILES, .rlim_max = RLIMIT_FILES }, old;

	if (getrlimit(RLIMIT_NOFILE, &old) < 0)
		return -errno;
	more.rlim_cur = MAX(more.rlim_cur, old.rlim_cur);
	more.rlim_max = MAX(more.rlim_max, old.rlim_max);
	if (setrlimit(RLIMIT_NOFILE, &more) < 0) {
		if (errno != EPERM)
			return -errno;
		more.rlim_cur = more.rlim_max = old.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &more) < 0)
			return -errno;
	}
	if (!files.rlim_max)
		files = old;
	return 0;
}

int rlimit_restore_files(void)
{
	if (files.rlim_max && setrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	return 0;
}
