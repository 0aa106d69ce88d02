/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a group has used. Reading is apart from understanding: the kernel sums some of these files
 * up when they are read, which may take its time, so a job reads them into one buffer, and the
 * agent makes numbers of it.
 */
#ifndef MOTE_KERNEL_CGROUP_STATS_H
#define MOTE_KERNEL_CGROUP_STATS_H

#include "base/mem.h"
#include "kernel/cgroup.h"

struct cgroup_memory_usage {
	uint64_t usage, max_usage, limit; /* bytes */
	uint64_t failcnt;                 /* how often the limit was hit */
};

struct cgroup_stat_pair {
	const char *key;
	uint64_t value;
};

struct cgroup_io_entry {
	uint64_t major, minor;
	const char *op; /* "read", "write", … or "" */
	uint64_t value;
};

/* Bytes, operations, …, nanoseconds, milliseconds, sectors: as version 1 names them. */
enum cgroup_io_kind {
	CGROUP_IO_BYTES,
	CGROUP_IO_SERVICED,
	CGROUP_IO_QUEUED,
	CGROUP_IO_SERVICE_TIME,
	CGROUP_IO_WAIT_TIME,
	CGROUP_IO_MERGED,
	CGROUP_IO_TIME,
	CGROUP_IO_SECTORS,
	CGROUP_IO_KINDS
};

struct cgroup_io_list {
	struct cgroup_io_entry *v;
	size_t n;
};

struct cgroup_hugetlb_usage {
	const char *page_size;     /* "2MB" */
	uint64_t usage, max_usage; /* bytes; version 2 has no peak: the limit stands there */
	uint64_t failcnt;
};

struct cgroup_stats {
	uint64_t cpu_total, cpu_user, cpu_kernel; /* nanoseconds */
	uint64_t *percpu;                         /* nanoseconds; version 1 */
	size_t n_percpu;
	uint64_t periods, throttled_periods, throttled_ns;
	uint64_t cache;                                  /* bytes */
	struct cgroup_memory_usage memory, swap, kernel; /* swap: with memory in version 1 */
	bool use_hierarchy;                              /* version 1 */
	struct cgroup_stat_pair *memory_stat;            /* all of memory.stat */
	size_t n_memory_stat;
	uint64_t oom_kill; /* processes that were killed for want of memory */
	uint64_t pids, pids_limit; /* limit 0: none */
	struct cgroup_io_list io[CGROUP_IO_KINDS];
	struct cgroup_hugetlb_usage *hugetlb;
	size_t n_hugetlb;
};

/* One counter of a network interface's ten or so. */
struct net_link_stats {
	const char *name;
	uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
	uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
};

/* A buffer of texts, each after its name, both terminated. */
struct stat_texts {
	char *buf;
	size_t cap, len;
};

/* Adds the text of dirfd/file under `name`, cut at the end of a line when it is very long. What is
 * not there, cannot be read or does not fit any more is left out. */
void stat_texts_add(struct stat_texts *t, int dirfd, const char *file, const char *name);

/* The text of that name; "" when there is none. */
const char *stat_texts_get(const char *buf, size_t len, const char *name);

/* Job only. Every file of the group that cgroup_stats_parse knows; path NULL: of the root of version 2,
 * which has some of them. 0, or -errno when there is no
 * such group. */
int cgroup_stats_collect(const struct cgroup_root *root, const char *path, struct stat_texts *t);

/* Pure. What is missing or not understood is 0, or no limit. 0, -ENOMEM,
 * or -EINVAL when the buffer is not one of stat_texts. */
int cgroup_stats_parse(enum cgroup_version v, const char *buf, size_t len, struct arena *a,
		       struct cgroup_stats *out);

/* /proc/PID/net/dev without the loopback device, which carries nothing of the pod's traffic. Pure.
 * 0, or -ENOMEM. */
int net_links_parse(const char *text, struct arena *a, struct net_link_stats **out, size_t *n);

#endif
