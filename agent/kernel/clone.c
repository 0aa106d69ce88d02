/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clone3(2) as a fork that knows cgroups, namespaces and pidfds. The stack stays the parent's copy,
 * as with fork. Where the kernel is too old for a part, that part alone is done by hand: clone(2)
 * for clone3, a write to cgroup.procs by the child for CLONE_INTO_CGROUP, pidfd_open for
 * CLONE_PIDFD.
 */
#include "kernel/clone.h"

#include <fcntl.h>
#include <signal.h>

#include "kernel/sys.h"

#ifdef MOTE_TEST
int clone_test_errno;	/* what clone3 fails with on the old kernel that a test plays */
#endif

static pid_t call_clone3(const struct clone_opts *o, int *pidfd, uint64_t extra)
{
	struct sys_clone_args args = {
		.flags = o->flags | CLONE_PIDFD | extra,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		/* With CLONE_PARENT the kernel takes the caller's own exit signal and wants none
		 * here. */
		.exit_signal = o->flags & CLONE_PARENT ? 0 : SIGCHLD,
		.cgroup = extra ? (uint64_t)o->cgroup_fd : 0,
	};

#ifdef MOTE_TEST
	if (clone_test_errno == ENOSYS || (clone_test_errno && extra))
		return -clone_test_errno;
#endif
	return (pid_t)sys_result(syscall(SYS_clone3, &args, sizeof(args)));
}

/* The arguments of the raw call come in two orders; with a null stack and no ids only the flags
 * matter. */
static pid_t call_clone(const struct clone_opts *o)
{
	unsigned long flags = (unsigned long)o->flags | SIGCHLD;

#if defined(__s390x__)
	return (pid_t)sys_result(syscall(SYS_clone, NULL, flags, NULL, NULL, 0));
#else
	return (pid_t)sys_result(syscall(SYS_clone, flags, NULL, NULL, NULL, 0));
#endif
}

/* In the child of an old kernel. The file was opened by the parent, whose rights count. */
static void join(struct clone_opts *o, int procs)
{
	if (write(procs, "0", 1) != 1)
		o->cgroup_err = errno ? -errno : -EIO;
}

static pid_t clone_by_hand(struct clone_opts *o)
{
	AUTO_FD procs = -1;
	pid_t pid;

	if (o->cgroup_fd >= 0) {
		o->flags &= ~(uint64_t)CLONE_FILES; /* procs is closed here before the child has used it */
		procs = openat(o->cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
		if (procs < 0)
			return -errno;
	}
	pid = call_clone3(o, &o->pidfd, 0);
	if (pid == -ENOSYS || pid == -EINVAL) {
		pid = call_clone(o);
		if (pid > 0)
			o->pidfd = clone_pidfd_open(pid);
	}
	if (pid == 0 && procs >= 0)
		join(o, procs);
	return pid;
}

pid_t clone_process(struct clone_opts *o)
{
	pid_t pid;

	o->pidfd = -1;
	o->cgroup_err = 0;
	pid = call_clone3(o, &o->pidfd, o->cgroup_fd >= 0 ? SYS_CLONE_INTO_CGROUP : 0);
	/* E2BIG: the kernel's structure ends before `cgroup`. EINVAL: it knows the size, not the
	 * flag, or the flags are wrong, which the second call will say too. */
	if (pid == -ENOSYS || pid == -E2BIG || pid == -EINVAL)
		pid = clone_by_hand(o);
	if (pid <= 0 || o->pidfd < 0)
		o->pidfd = -1;
	return pid;
}

int clone_pidfd_open(pid_t pid)
{
	return sys_result(syscall(SYS_pidfd_open, pid, 0));
}

int clone_pidfd_signal(int pidfd, int signo)
{
	return sys_result(syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0));
}
