/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces: one table of the types, and what is done with them. A namespace is kept alive by a
 * descriptor or by a bind mount of its /proc/PID/ns file; no process has to live in it. Never
 * waits.
 */
#ifndef MOTE_KERNEL_NS_H
#define MOTE_KERNEL_NS_H

#include "base/err.h"

/* In the order in which a container's stage joins them: user first, mount last. */
enum ns_type { NS_USER, NS_CGROUP, NS_IPC, NS_UTS, NS_NET, NS_PID, NS_TIME, NS_MNT, NS_TYPES };

struct ns_info {
	const char *oci;	/* "mount", "network": the name in an OCI spec */
	const char *file;	/* "mnt", "net": the name in /proc/PID/ns */
	uint64_t flag;		/* CLONE_NEW* */
};

const struct ns_info *ns_info(enum ns_type type);

/* The type of an OCI name; -EINVAL when there is none. */
int ns_by_name(const char *oci);

/* Does the running kernel have this type? 1, 0, or -errno. */
int ns_supported(enum ns_type type);

/* A descriptor (close-on-exec, the caller's) of the namespace of process `pid` (0: this
 * process). -errno (-ESRCH/-ENOENT: gone). */
int ns_hold(pid_t pid, enum ns_type type);

/* Opens a namespace file by path (guest path, a symlink is followed) and checks that it is a
 * namespace of that type: INVALID_ARGUMENT else. fd or -1. */
int ns_open(const char *path, enum ns_type type, struct err *e);

/* Makes a new namespace without a process: unshare, hold, return. For ipc, uts, net and cgroup
 * only (-EINVAL else); the caller must have one thread. The caller is back in its own namespace
 * afterwards; were that to fail (never seen), -errno says so. Descriptor or -errno. */
int ns_make(enum ns_type type);

/* Persists the namespace behind fd at `path` (an empty file, made with its parents when
 * missing). 0 or -1. ns_unbind: lazily, and removes the file; best effort. */
int ns_bind(int fd, const char *path, struct err *e);
int ns_unbind(const char *path);

/* setns(2) with the type checked. pid: only later children are in it. 0 or -errno. */
int ns_join(int fd, enum ns_type type);

/* "ipc:[4026531839]": the kernel's identity of the namespace behind fd: 1 same, 0 other, -errno. */
int ns_same(int fd_a, int fd_b);

#endif
