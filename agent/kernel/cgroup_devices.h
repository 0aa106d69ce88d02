/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which device nodes a group's processes may open and make. Rules are those of an OCI spec: what no
 * rule matches is denied, and among those that match the last one decides, for read, write and
 * mknod each on its own. Version 2 is given a program made of them, version 1 its two lists.
 */
#ifndef MOTE_KERNEL_CGROUP_DEVICES_H
#define MOTE_KERNEL_CGROUP_DEVICES_H

#include "base/mem.h"
#include "kernel/cgroup.h"

enum cgroup_device_access { CGROUP_DEV_READ = 1, CGROUP_DEV_WRITE = 2, CGROUP_DEV_MKNOD = 4 };
#define CGROUP_DEV_ALL 7u

struct cgroup_device_rule {
	bool allow;
	char type;            /* 'a': every device, and then every access; 'b', 'c' */
	int64_t major, minor; /* -1: every one */
	unsigned int access;  /* enum cgroup_device_access */
};

/* Why a rule is none: NULL, or "type a with a number or without rwm". */
const char *cgroup_device_rule_error(const struct cgroup_device_rule *r);

/* Those that every container has: the nodes that its /dev is given, terminals, tun, and making
 * nodes of any kind (which says nothing about opening them). */
const struct cgroup_device_rule *cgroup_device_defaults(size_t *n);

/* Version 2's program: instructions as the kernel has them. NULL: no memory. Pure. */
struct cgroup_bpf_insn {
	uint8_t code;
	uint8_t regs; /* destination in the low half, source in the high one */
	int16_t off;
	int32_t imm;
};
struct cgroup_bpf_insn *cgroup_device_program(const struct cgroup_device_rule *rules, size_t n,
					      struct arena *a, size_t *n_out);

/* Version 1's lists: everything allowed, or denied, but for `v`. Pure. FAILED_PRECONDITION where
 * that version cannot say it: a rule that takes back a part of a wider one. */
struct cgroup_device_lists {
	bool allow;                   /* what the others are */
	struct cgroup_device_rule *v; /* each with allow the opposite */
	size_t n;
};
int cgroup_device_lists(const struct cgroup_device_rule *rules, size_t n, struct arena *a,
			struct cgroup_device_lists *out, struct err *e);

enum cgroup_device_flags {
	CGROUP_DEVICES_UPDATE = 0x1, /* the group has processes: no moment without devices */
};

/* Job only. Puts the rules in force in the place of those that were. FAILED_PRECONDITION where the
 * kernel has no control of devices (RC_UNIMPLEMENTED never). */
int cgroup_devices_set(const struct cgroup_root *root, const char *path,
		       const struct cgroup_device_rule *rules, size_t n, unsigned int flags,
		       struct err *e);

/* For cgroup_devices.c: loads the program and attaches it to the group of version 2, in the place
 * of one that was there. 0 or -errno. */
int cgroup_device_program_set(int cgroup_fd, const struct cgroup_bpf_insn *insns, size_t n);

/* For cgroup_devices.c: writes the lists into the files of version 1's group. 0 or -errno. */
int cgroup_device_lists_set(int cgroup_fd, const struct cgroup_device_lists *l, unsigned int flags);

#endif
