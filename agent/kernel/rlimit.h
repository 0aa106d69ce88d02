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

/* Lets the calling process open RLIMIT_FILES descriptors, or as many as it may: a container holds five
 * and an exec four, and the kernel starts PID 1 with 1,024. 0 or -errno. */
#define RLIMIT_FILES	262144
int rlimit_raise_files(void);

/* In a child that becomes another program: the limit is again what it was before the raise, since
 * programs size tables by it. Nothing happens where nothing was raised. 0 or -errno. */
int rlimit_restore_files(void);

#endif
