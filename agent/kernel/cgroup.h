/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups, both versions behind one neutral interface. Creating groups and setting limits
 * goes through libcgroup, whose start costs tens of milliseconds and hundreds of kilobytes: those
 * calls are marked "job only" and belong in a forked job, where both die with it. The rest works on
 * the files directly and never waits. Nothing of libcgroup shows here.
 *
 * A path is relative to the hierarchy's root ("/pod1/c1", "pod1/c1"); it must be plain (no "..").
 * Version 2 lets no group hold both processes and enabled controllers for children (the root may):
 * only leaves get processes.
 */
#ifndef MOTE_KERNEL_CGROUP_H
#define MOTE_KERNEL_CGROUP_H

#include "base/err.h"
#include "base/mem.h"

#define CGROUP_ROOT	"/sys/fs/cgroup"

enum cgroup_version { CGROUP_VERSION_NONE, CGROUP_VERSION_1, CGROUP_VERSION_2 };

/* Bits of the controllers this project uses. */
enum cgroup_controller_bit {
	CGROUP_CPU = 0x1,
	CGROUP_CPUACCT = 0x2,
	CGROUP_CPUSET = 0x4,
	CGROUP_MEMORY = 0x8,
	CGROUP_PIDS = 0x10,
	CGROUP_DEVICES = 0x20,
	CGROUP_FREEZER = 0x40,
	CGROUP_IO = 0x80, /* blkio in version 1 */
	CGROUP_HUGETLB = 0x100,
	CGROUP_NET_CLS = 0x200,
	CGROUP_NET_PRIO = 0x400,
	CGROUP_PERF_EVENT = 0x800,
	CGROUP_RDMA = 0x1000,
};

struct cgroup_root {
	enum cgroup_version version;
	unsigned int controllers; /* enum cgroup_controller_bit; version 1: the mounted ones */
	int fd;				/* the root directory; -1: none */
	char path[64];
	char base[192];	/* the group that the containers' groups lie in: "" is the root. See cgroup_take_own */
};

/* What is mounted at `path` (CGROUP_ROOT, or a test's directory). 0, or -errno; nothing mounted
 * is version NONE and 0. cgroup_root_fini closes. */
int cgroup_detect(const char *path, struct cgroup_root *out);
void cgroup_root_fini(struct cgroup_root *root);

/* At boot: mounts the wanted version on path (tmpfs and one mount per controller for 1). Fine when it
 * is mounted already. Then as cgroup_detect. */
int cgroup_setup_root(const char *path, enum cgroup_version want, struct cgroup_root *out,
		      struct err *e);

/* Where another init runs the machine: when it has delegated this process's group (systemd's Delegate=,
 * told by an extended attribute), the containers' groups lie below that from now on, in `base`.
 * Controllers are then those of the group. Version 2: moves this process into a group of its own
 * below it. What an earlier life left in base is killed and taken away. At the start only, before
 * the first child. 1: so it is; 0: the group is the root, or not ours to use; -1 with e. */
int cgroup_take_own(struct cgroup_root *root, struct err *e);

/* Version 2, before the first group is made: enables all known controllers for the children of the root,
 * or of what leads to base and is ours. */
void cgroup_hand_down(const struct cgroup_root *root);

/* The path of a group of an OCI spec's cgroupsPath: "" gives "/ID", "slice:prefix:name" (systemd's
 * form) gives "/slice/prefix/name", and with a base what systemd would make of it: a slice below those
 * that its name names, and "prefix-name.scope" in it. INVALID_ARGUMENT: "..", no name of a slice. */
char *cgroup_path_of_spec(const struct cgroup_root *root, struct arena *a, const char *cgroups_path,
			  const char *id, struct err *e);

/* Job only. Makes the group and its parents with every controller enabled; fine when it exists. */
int cgroup_create(const struct cgroup_root *root, const char *path, struct err *e);

/* Version 1, after processors have come: gives the groups on the way to the path, and with `leaf` that
 * of the path too, all processors of the machine. Version 2 and a group that is gone: 0. */
int cgroup_follow_cpus(const struct cgroup_root *root, const char *path, bool leaf, struct err *e);

/* The group's directory (version 2: for CLONE_INTO_CGROUP, inotify, reads; version 1: that of
 * `controller`, one bit, or 0 for any). O_PATH|O_DIRECTORY descriptor, or -errno. */
int cgroup_open(const struct cgroup_root *root, const char *path, unsigned int controller);

/* Moves a process (0: the caller) into the group, in every hierarchy. 0 or -errno. */
int cgroup_add_pid(const struct cgroup_root *root, const char *path, pid_t pid);

/* The processes of the group itself and, with CGROUP_RECURSIVE, of the groups below. How many
 * there are (may exceed cap, then the rest was not written), or -errno. */
enum cgroup_pids_flags { CGROUP_RECURSIVE = 0x1 };
ssize_t cgroup_pids(const struct cgroup_root *root, const char *path, unsigned int flags,
		    pid_t *out, size_t cap);

/* SIGKILL to every process in the group and below: cgroup.kill where the kernel has it (5.14),
 * else by their ids, frozen meanwhile. A process that forks on version 1 without freezer can
 * escape one call: call again while cgroup_populated says 1. 0 (also when the group is gone) or
 * -errno. */
int cgroup_kill(const struct cgroup_root *root, const char *path);

/* 1: there are processes in it or below; 0: none, or no group; -errno. */
int cgroup_populated(const struct cgroup_root *root, const char *path);

/* Removes the group and the groups below it. 0 (also when it is gone), -EBUSY while a process is
 * left: try again after its exit was reaped. Job only: a container may have made any number of
 * groups. cgroup_remove_leaf takes the group alone, and never waits: -EBUSY also when there are
 * groups below. */
int cgroup_remove(const struct cgroup_root *root, const char *path);
int cgroup_remove_leaf(const struct cgroup_root *root, const char *path);
bool cgroup_has_groups(const struct cgroup_root *root, const char *path);

/* 1 frozen, 0 not. cgroup_freeze returns once asked, not once frozen; cgroup_frozen says how it is:
 * 1, 0, or -EINPROGRESS (version 1, on the way), -errno. Version 2 tells a change by EPOLLPRI on
 * cgroup.events; version 1 has to be asked again, and must be told again while it is on the way. */
int cgroup_freeze(const struct cgroup_root *root, const char *path, int frozen);
int cgroup_frozen(const struct cgroup_root *root, const char *path);

/* Version 2: are controllers enabled for the groups below? Then the kernel lets no process in. */
bool cgroup_is_inner(int cgroup_fd);

/* Version 2: the directory of the group that the process is in, which must be `path` or below it
 * (-ENOENT else). The path is as this process's cgroup namespace shows it. */
int cgroup_open_of_pid(const struct cgroup_root *root, const char *path, pid_t pid);

#endif
