/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities by name, and the five sets of the calling process. Raw system calls, no libcap.
 * Never waits. */
#ifndef MOTE_KERNEL_CAPS_H
#define MOTE_KERNEL_CAPS_H

#include "base/err.h"

struct caps_sets {
	uint64_t bounding, effective, permitted, inheritable, ambient;
};

/* "CAP_SYS_ADMIN", "sys_admin" (either case, prefix optional) -> 21; -EINVAL when unknown. */
int caps_number(const char *name);

/* "CAP_SYS_ADMIN"; NULL when nr has no name. */
const char *caps_name(unsigned int nr);

/* The mask of n names. INVALID_ARGUMENT names the unknown one. */
int caps_parse(char *const *names, size_t n, uint64_t *mask, struct err *e);

/* The highest capability of the running kernel (cap_last_cap, else asked by prctl). */
unsigned int caps_last(void);

/* Every capability of the running kernel. */
uint64_t caps_all(void);

/* Drops from the bounding set what is not in `keep`; needs CAP_SETPCAP, so before the user
 * changes. */
int caps_drop_bounding(uint64_t keep, struct err *e);

/* Sets effective, permitted, inheritable, then ambient (which the kernel may refuse: that is no
 * error). Bits the kernel does not know are ignored. Call after setuid with PR_SET_KEEPCAPS. The
 * bounding set is left alone. */
int caps_apply(const struct caps_sets *s, struct err *e);

/* What this process has now. 0 or -errno. */
int caps_get(struct caps_sets *out);

#endif
