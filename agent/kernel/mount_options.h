/* SPDX-License-Identifier: Apache-2.0 */
/* Options in the form of mount(8) and of the OCI spec, from one table. Pure. */
#ifndef MOTE_KERNEL_MOUNT_OPTIONS_H
#define MOTE_KERNEL_MOUNT_OPTIONS_H

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

struct mount_options {
	unsigned long ms_set;		/* MS_* to set (MS_BIND and MS_REC included) */
	unsigned long ms_clear;		/* MS_* named in the negative (rw, suid, dev, exec, …) */
	unsigned long propagation;	/* MS_PRIVATE …, with MS_REC */
	uint64_t rec_set, rec_clear;	/* MOUNT_ATTR_*: rro, rnosuid, rnodev, rnoexec, … */
	char *data; /* what the filesystem gets, comma-joined; NULL when nothing is left */
	unsigned int extra;		/* enum mount_extra */
};

enum mount_extra { MOUNT_TMPCOPYUP = 0x1, MOUNT_IDMAP = 0x2, MOUNT_RIDMAP = 0x4 };

/* opts: n strings, borrowed; data is built in a. "loop" and data beyond a page (4095 bytes):
 * INVALID_ARGUMENT naming the option. */
int mount_options_parse(char *const *opts, size_t n, struct arena *a, struct mount_options *out,
			struct err *e);

/* The words for these values, comma-joined, in the table's order; nothing when there are none. */
void mount_options_print(struct str *s, unsigned long flags, unsigned long clear,
			 unsigned long propagation, uint64_t rec_set, uint64_t rec_clear);

#endif
