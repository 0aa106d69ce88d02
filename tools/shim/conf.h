/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pod's machine is made of: a file of lines "key = value", '#' begins a comment. The file is
 * the administrator's. $MOTE_SHIM_CONFIG names another than CONF_FILE; where there is none, the
 * defaults hold.
 */
#ifndef MOTE_SHIM_CONF_H
#define MOTE_SHIM_CONF_H

#include "base/err.h"
#include "base/mem.h"

#define CONF_FILE "/etc/mote/shim.conf"

struct conf {
	const char *kernel, *initrd, *qemu, *accel; /* NULL: as vm/vm.h finds them */
	const char *append;                         /* more for the kernel's command line */
	uint64_t memory;                            /* bytes, beside what a pod asks for */
	uint64_t cpus;                              /* where a pod asks for none */
	uint64_t boot_ms;
	uint64_t task_version; /* announced to containerd: 2, 3; 0: by its dialect */
};

/* Texts are a's. -1 with e: the file, the line, and why. */
int conf_read(struct arena *a, struct conf *out, struct err *e);

/* The same of a text; pure. */
int conf_parse(struct arena *a, char *text, struct conf *out, struct err *e);

#endif
