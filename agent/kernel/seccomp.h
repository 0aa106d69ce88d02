/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seccomp filters from an OCI description, through libseccomp. Compiling takes milliseconds and a
 * lot of code: in the container's own child (or a job) only.
 */
#ifndef MOTE_KERNEL_SECCOMP_H
#define MOTE_KERNEL_SECCOMP_H

#include "base/err.h"

/* Strings as in the OCI spec; all borrowed. */
struct seccomp_arg {
	unsigned int index;		/* 0..5 */
	uint64_t value, value_two; /* SCMP_CMP_MASKED_EQ: value is the mask, value_two the datum */
	const char *op;			/* "SCMP_CMP_EQ" */
};

struct seccomp_rule {
	char *const *names;
	size_t n_names;
	const char *action;		/* "SCMP_ACT_ERRNO" */
	/* of SCMP_ACT_ERRNO and SCMP_ACT_TRACE; NULL: EPERM */
	const unsigned int *errno_ret;
	/* all of them hold; where two are about the same argument, any one of them */
	const struct seccomp_arg *args;
	size_t n_args;
};

struct seccomp_spec {
	const char *default_action;
	const unsigned int *default_errno;	/* NULL: EPERM */
	char *const *arches, *const *flags;	/* "SCMP_ARCH_X86_64", "SECCOMP_FILTER_FLAG_LOG" */
	size_t n_arches, n_flags;
	const struct seccomp_rule *rules;
	size_t n_rules;
	/* SCMP_ACT_NOTIFY: a Unix socket of the guest that gets the listener, and words for it.
	 * NULL: not said. Connecting and sending are the caller's. */
	const char *listener_path, *listener_metadata;
};

/* Does the kernel filter system calls? */
bool seccomp_filter_supported(void);

/* Looks every word up and finds what contradicts itself, without the library: pure, for PID 1.
 * INVALID_ARGUMENT begins with the field: "linux.seccomp.syscalls[3].args[0].op: unknown
 * \"SCMP_CMP_NEAR\"". A system call that libseccomp does not know is no error. */
int seccomp_check(const struct seccomp_spec *s, struct err *e);

/* Does some rule say SCMP_ACT_NOTIFY? */
bool seccomp_notifies(const struct seccomp_spec *s);

/* Checks, compiles and loads the filter on the calling thread (NO_NEW_PRIVS is not set by it).
 * *listener: the descriptor of SCMP_ACT_NOTIFY, close-on-exec, the caller's; -1 when no rule
 * notifies. System calls that libseccomp does not know are skipped, as in other runtimes.
 * UNIMPLEMENTED: the library or the kernel lacks a flag or an architecture. */
int seccomp_filter_load(const struct seccomp_spec *s, int *listener, struct err *e);

#ifdef MOTE_TEST
extern bool seccomp_test_no_load;	/* compile, and no more */
#endif

#endif
