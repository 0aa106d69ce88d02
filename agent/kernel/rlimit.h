/* SPDX-License-Identifier: Apache-2.0 */
/* Resource limits by name. Never waits. */
#ifndef MOTE_KERNEL_RLIMIT_H
#define MOTE_KERNEL_RLIMIT_H

#include "base/err.h"

#define RLIMIT_NONE	UINT64_MAX	/* RLIM_INFINITY, as an OCI spec writes it */

/* "RLIMIT_NOFILE" -> its number; -EINVAL when unknown. */
int rlimit_number(const char *name);

/* Limits the calling process. INVALID_ARGUMENT: unknown name, or soft above hard. */
int rlimit_apply(const char *name, uint64_t soft, uint64_t hard, struct err *e);

#endif
