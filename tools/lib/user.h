/* SPDX-License-Identifier: Apache-2.0 */
/* "-u USER[:GROUP]": numbers, or names of the rootfs' own etc/passwd and etc/group. The rootfs is
 * not trusted: its files are opened inside it. */
#ifndef MOTE_LIB_USER_H
#define MOTE_LIB_USER_H

#include "base/err.h"

#define USER_GROUPS	64	/* additional groups at most; more are left out */

struct user {
	uint32_t uid, gid;
	uint32_t groups[USER_GROUPS];
	size_t n_groups;
};

/* rootfd: the rootfs directory; not needed (-1) when the text holds numbers only. A name gives its
 * group and its additional groups; a number that has an entry gives the entry's group, else group
 * 0. -1 with e: NOT_FOUND, INVALID_ARGUMENT. Waits for the files. */
int user_resolve(int rootfd, const char *text, struct user *out, struct err *e);

#endif
