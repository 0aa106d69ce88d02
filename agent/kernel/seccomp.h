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
	const unsigned int *errno_ret;	/* NULL: EPERM */
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
};

/* Does the kernel filter system calls? */
bool seccomp_filter_supported(void);

/* Compiles and loads the filter on the calling thread (NO_NEW_PRIVS is not set by it).
 * INVALID_ARGUMENT names the unknown action, operator or architecture; system calls that
 * libseccomp does not know are skipped; SCMP_ACT_NOTIFY is UNIMPLEMENTED. */
int seccomp_filter_load(const struct seccomp_spec *s, struct err *e);

#endif
