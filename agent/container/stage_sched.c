/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the process is scheduled and what clocks it sees. Where an exec says nothing of its own, what
 * the container's first process says holds for it too.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/personality.h>

#include "base/io.h"
#include "base/str.h"
#include "container/stage_parts.h"

/* --- processors of an exec --- */

static const char *cpus_of(const struct stage *st, bool initial)
{
	const struct spec_process *own = st->process, *first = st->spec->process;
	const char *list;

	if (st->rootfs)		/* the first process */
		return NULL;
	list = initial ? own->exec_cpus_initial : own->exec_cpus_final;
	if (str_empty(list) && first)
		list = initial ? first->exec_cpus_initial : first->exec_cpus_final;
	return str_empty(list) ? NULL : list;
}

bool stage_joins_late(const struct stage *st)
{
	return cpus_of(st, true);
}

static int set_cpus(const struct stage *st, bool initial, struct err *e)
{
	const char *list = cpus_of(st, initial);
	int r = list ? sched_set_cpus(list) : 0;

	return r < 0 ? err_sys(e, -r, "process.execCPUAffinity.%s (%.40s)",
			       initial ? "initial" : "final", list) : 0;
}

int stage_cpus_outside(const struct stage *st, struct err *e)
{
	return set_cpus(st, true, e);
}

int stage_cpus_inside(const struct stage *st, struct err *e)
{
	return set_cpus(st, false, e);
}

/* --- clocks --- */

bool stage_shifts_time(const struct stage *st)
{
	const struct spec_linux *l = &st->spec->linux;

	return st->rootfs && (l->monotonic.set || l->boottime.set);
}

static void add_offset(struct str *s, const char *clock, const struct spec_time_offset *o)
{
	if (o->set)
		str_addf(s, "%s %lld %u\n", clock, (long long)o->secs, o->nanosecs);
}

/* time_namespaces(7): the first process that enters the namespace fixes the offsets, and this one
 * never does, but its children. */
int stage_time_unshare(const struct stage *st, struct err *e)
{
	char text[128];
	struct str s = STR_OVER(text);
	int r;

	if (unshare(CLONE_NEWTIME) < 0)
		return err_sys(e, errno, "make a time namespace");
	add_offset(&s, "monotonic", &st->spec->linux.monotonic);
	add_offset(&s, "boottime", &st->spec->linux.boottime);
	r = io_write_file(AT_FDCWD, "/proc/self/timens_offsets", text);
	return r < 0 ? err_sys(e, -r, "linux.timeOffsets") : 0;
}

/* --- the rest --- */

static int set_memory(const struct spec_memory_policy *p, struct err *e)
{
	int r = p ? sched_set_memory(p->mode | p->flags, p->nodes) : 0;

	if (r == -ENOSYS)
		return err_set(e, RC_FAILED_PRECONDITION,
			       "linux.memoryPolicy: the kernel has no NUMA");
	return r < 0 ? err_sys(e, -r, "linux.memoryPolicy") : 0;
}

static int set_personality(const struct spec_u64 *p, struct err *e)
{
	if (p->set && personality((unsigned long)p->v) < 0)
		return err_sys(e, errno, "linux.personality");
	return 0;
}

static int set_io(const struct stage *st, struct err *e)
{
	const struct spec_io_priority *p = &st->process->io_priority;
	int r;

	if (!p->set && st->spec->process)
		p = &st->spec->process->io_priority;
	r = p->set ? sched_set_io(p->class, (unsigned int)p->level) : 0;
	return r < 0 ? err_sys(e, -r, "process.ioPriority") : 0;
}

static int set_scheduler(const struct stage *st, struct err *e)
{
	const struct sched_params *p = st->process->scheduler;
	int r;

	if (!p && st->spec->process)
		p = st->spec->process->scheduler;
	r = p ? sched_set_params(p) : 0;
	return r < 0 ? err_sys(e, -r, "process.scheduler") : 0;
}

/* The policy last: one that shuts others out shall not do so while the rest is set. */
int stage_sched_apply(const struct stage *st, struct err *e)
{
	const struct spec_linux *l = &st->spec->linux;

	if (set_personality(&l->personality, e) < 0 || set_memory(l->memory_policy, e) < 0)
		return -1;
	return set_io(st, e) < 0 ? -1 : set_scheduler(st, e);
}
