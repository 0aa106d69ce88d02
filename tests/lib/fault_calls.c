/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each system call fails with, or why it is not made to fail. A call that is not here fails
 * the test that meets it: somebody has to decide.
 */
#include "lib/fault_calls.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <seccomp.h>

#include "kernel/sys.h"
#include "lib/fault_alloc.h"

static const char no_failure[] = "has none";
static const char wrong_only[] = "fails only for wrong arguments";
static const char memory[] = "the heap's and the sanitizer's: allocations are walked by themselves";
static const char libc[] = "libc's own, at the start of a process or a thread";
static const char sanitizer[] = "the sanitizer's";
static const char gone[] = "fails only when the process is gone or a stranger";

#define ROW(name, ...)       { .nr = SYS_##name, .errnos = { __VA_ARGS__ } }
#define EXEMPT(name, reason) { .nr = SYS_##name, .why = reason }

static const struct fault_call calls[] = {
	{ .nr = FAULT_ALLOC, .errnos = { ENOMEM } },

	EXEMPT(arch_prctl, libc),
	EXEMPT(brk, memory),
	EXEMPT(clock_gettime, wrong_only),
	EXEMPT(close, "the descriptor is gone whatever it says"),
	EXEMPT(exit, no_failure),
	EXEMPT(exit_group, no_failure),
	EXEMPT(futex, "a lock of libc's or the sanitizer's"),
	EXEMPT(getdents, sanitizer),
	EXEMPT(getegid, no_failure),
	EXEMPT(geteuid, no_failure),
	EXEMPT(getgid, no_failure),
	EXEMPT(getpid, no_failure),
	EXEMPT(getppid, no_failure),
	EXEMPT(gettid, no_failure),
	EXEMPT(getuid, no_failure),
	EXEMPT(kill, gone),
	EXEMPT(madvise, memory),
	EXEMPT(mmap, memory),
	EXEMPT(mprotect, memory),
	EXEMPT(mremap, memory),
	EXEMPT(munmap, memory),
	EXEMPT(pidfd_send_signal, gone),
	EXEMPT(ptrace, sanitizer),
	EXEMPT(rseq, libc),
	EXEMPT(rt_sigaction, wrong_only),
	EXEMPT(rt_sigprocmask, wrong_only),
	EXEMPT(rt_sigreturn, no_failure),
	EXEMPT(sched_yield, no_failure),
	EXEMPT(set_robust_list, libc),
	EXEMPT(set_tid_address, libc),
	EXEMPT(shutdown, "fails only where the connection has ended already"),
	EXEMPT(sigaltstack, sanitizer),
	EXEMPT(umask, no_failure),
	EXEMPT(uname, wrong_only),

	ROW(accept4, EMFILE),
	ROW(access, EIO),
	ROW(bind, EADDRINUSE),
	ROW(bpf, ENOMEM),
	ROW(capget, EPERM),
	ROW(capset, EPERM),
	ROW(chdir, EIO),
	ROW(chmod, EIO),
	ROW(chown, EIO),
	ROW(chroot, EIO),
	ROW(clone, EAGAIN),
	ROW(clone3, EAGAIN, ENOSYS),
	ROW(close_range, ENOSYS),
	ROW(connect, EADDRNOTAVAIL),
	ROW(dup, EMFILE),
	ROW(dup2, EMFILE),
	ROW(dup3, EMFILE),
	ROW(epoll_ctl, ENOSPC),
	ROW(epoll_pwait, EINTR),
	ROW(epoll_wait, EINTR),
	ROW(execve, ENOMEM),
	ROW(faccessat, EIO),
	ROW(faccessat2, EIO),
	ROW(fchdir, EIO),
	ROW(fchmod, EIO),
	ROW(fchmodat, EIO),
	{ .nr = SYS_fchmodat2, .errnos = { EIO, ENOSYS } },
	ROW(fchown, EIO),
	ROW(fchownat, EIO),
	ROW(fcntl, EMFILE),
	ROW(finit_module, ENOMEM),
	ROW(flock, ENOLCK),
	ROW(fstat, EIO),
	ROW(fstatfs, EIO),
	ROW(fsconfig, ENOMEM),
	ROW(fsmount, EMFILE, ENOSYS),
	ROW(fsopen, EMFILE, ENOSYS),
	ROW(getcwd, ENOENT),
	ROW(getdents64, EIO),
	ROW(getsockname, ENOBUFS),
	ROW(getsockopt, ENOBUFS),
	ROW(getrandom, ENOSYS),
	ROW(inotify_add_watch, ENOSPC),
	ROW(inotify_init1, EMFILE),
	ROW(ioctl, EIO),
	ROW(lchown, EIO),
	ROW(lseek, EIO),
	ROW(lstat, EIO),
	ROW(memfd_create, EMFILE),
	ROW(mkdir, ENOSPC),
	ROW(mkdirat, ENOSPC),
	ROW(mknod, ENOSPC),
	ROW(mknodat, ENOSPC),
	ROW(mount, ENOMEM),
	ROW(mount_setattr, ENOMEM, ENOSYS),
	ROW(move_mount, ENOMEM, ENOSYS),
	ROW(newfstatat, EIO),
	ROW(open, EMFILE),
	ROW(open_tree, EMFILE, ENOSYS),
	ROW(openat, EMFILE),
	ROW(openat2, EMFILE, ENOSYS),
	ROW(pidfd_open, EMFILE, ENOSYS),
	ROW(pipe2, EMFILE),
	ROW(pivot_root, EIO),
	ROW(poll, EINTR),
	ROW(prctl, ENOMEM),
	ROW(pread64, EIO),
	ROW(prlimit64, EPERM),
	ROW(pwrite64, EIO),
	ROW(read, ENOMEM),
	ROW(readlink, EIO),
	ROW(readlinkat, EIO),
	ROW(recvfrom, ENOMEM),
	ROW(recvmsg, ENOMEM),
	ROW(renameat, EIO),
	ROW(renameat2, EIO),
	ROW(rmdir, EIO),
	ROW(seccomp, ENOMEM),
	ROW(sendmsg, ENOMEM),
	ROW(sendto, ENOMEM),
	ROW(setgroups, ENOMEM),
	ROW(sethostname, EPERM),
	ROW(setdomainname, EPERM),
	ROW(setns, EPERM),
	ROW(setpgid, EPERM),
	ROW(setresgid, EAGAIN),
	ROW(setresuid, EAGAIN),
	ROW(setrlimit, EPERM),
	ROW(setsid, EPERM),
	ROW(setsockopt, ENOMEM),
	ROW(socket, EMFILE),
	ROW(socketpair, EMFILE),
	ROW(stat, EIO),
	ROW(statfs, EIO),
	ROW(statx, EIO),
	ROW(symlinkat, ENOSPC),
	ROW(umount2, ENOMEM),
	ROW(unlink, EIO),
	ROW(unlinkat, EIO),
	ROW(unshare, ENOMEM),
	ROW(utimensat, EIO),
	ROW(wait4, EINTR),
	ROW(waitid, EINTR),
	ROW(write, ENOSPC),
	ROW(writev, ENOSPC),
};

const struct fault_call *fault_call_find(int nr)
{
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		if (calls[i].nr == nr)
			return &calls[i];
	return NULL;
}

const struct fault_call *fault_call_row(size_t i)
{
	return i < COUNT_OF(calls) ? &calls[i] : NULL;
}

/* Of calls that can fail in some ways of use only. */
bool fault_call_may_fail(int nr, const uint64_t args[6])
{
	switch (nr) {
	case SYS_epoll_ctl:	/* for a watch that is there the others cannot */
		return args[1] == EPOLL_CTL_ADD;
	case SYS_poll:		/* a look, no wait */
		return args[2] != 0;
	case SYS_waitid:
		return !(args[3] & WNOHANG);
	case SYS_wait4:
		return !(args[2] & WNOHANG);
	default:
		return true;
	}
}

const char *fault_call_name(int nr)
{
	static char name[64];
	char *text;

	if (nr == FAULT_ALLOC)
		return "allocation";
	text = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
	snprintf(name, sizeof(name), "%s", text ? text : "?");
	free(text);
	return name;
}
