/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's own words (Documentation/ABI/testing/dev-kmsg). */
#ifndef MOTE_KERNEL_KMSG_H
#define MOTE_KERNEL_KMSG_H

#include "base/defs.h"

#define KMSG_MAX 8192 /* PRINTK_MESSAGE_MAX is less: a read with less room than the record fails */

struct kmsg {
	unsigned int level;    /* 0..7, syslog(2) */
	unsigned int facility; /* 0: the kernel; user space cannot write as that */
	const char *text;      /* the first line, in the buffer */
};

/* Non-blocking, behind the last record there is. -errno. */
int kmsg_open(void);

/* The next record into buf and out. 1: there it is. 0: nothing now. -errno: the device is broken.
 * Records that were overwritten before they were read, and ones that make no sense, are skipped. */
int kmsg_read(int fd, char buf[KMSG_MAX], struct kmsg *out);

/* The parser behind it: "PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,…];TEXT\n…", len < KMSG_MAX bytes.
 * 0 or -EINVAL. */
int kmsg_parse(char *buf, size_t len, struct kmsg *out);

#endif
