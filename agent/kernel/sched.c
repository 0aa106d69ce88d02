/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/sched.h"

#include "base/num.h"
#include "kernel/sys.h"

#define IOPRIO_WHO_PROCESS	1
#define IOPRIO_CLASS_SHIFT	13

/* The first version of the kernel's struct sched_attr, and the two fields of the second. */
struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};
_Static_assert(sizeof(struct attr) == 56, "SCHED_ATTR_SIZE_VER1");

#define SCHED_ATTR_SIZE_VER0	48
#define UTIL_CLAMP		(0x20 | 0x40)	/* SCHED_FLAG_UTIL_CLAMP_MIN, _MAX */

int sched_set_params(const struct sched_params *p)
{
	struct attr a = {
		.size = p->flags & UTIL_CLAMP ? sizeof(a) : SCHED_ATTR_SIZE_VER0,
		.policy = p->policy,
		.flags = p->flags,
		.nice = p->nice,
		.priority = p->priority,
		.runtime = p->runtime_ns,
		.deadline = p->deadline_ns,
		.period = p->period_ns,
	};

	return sys_result(syscall(SYS_sched_setattr, 0, &a, 0));
}

int sched_set_io(unsigned int class, unsigned int level)
{
	return sys_result(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
				  class << IOPRIO_CLASS_SHIFT | level));
}

/* The kernel's masks are arrays of unsigned long; num_list's words are the same in memory on
 * every 64-bit machine. */
_Static_assert(sizeof(unsigned long) == sizeof(uint64_t), "a 64-bit machine");

int sched_set_cpus(const char *list)
{
	uint64_t mask[SCHED_MASK_WORDS(SCHED_CPUS_MAX)];

	if (num_list(list, mask, SCHED_CPUS_MAX) < 0)
		return -EINVAL;
	return sys_result(syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask));
}

int sched_set_memory(unsigned int mode, const char *list)
{
	uint64_t mask[SCHED_MASK_WORDS(SCHED_NODES_MAX)];

	if (str_empty(list))
		return sys_result(syscall(SYS_set_mempolicy, mode, NULL, 0));
	if (num_list(list, mask, SCHED_NODES_MAX) < 0)
		return -EINVAL;
	/* The number of bits plus one: the kernel takes the last one for itself. */
	return sys_result(syscall(SYS_set_mempolicy, mode, mask, SCHED_NODES_MAX + 1));
}
