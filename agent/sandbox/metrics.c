/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two children a reading: one asks the file systems, which may hang (their mounts may lie on a host's
 * file server), one reads /proc and puts both together. Names, items and units are those of Kata's
 * agent.
 */
#include "sandbox/metrics.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "event/work.h"
#include "kernel/mountinfo.h"
#include "sandbox/generation.h"
#include "sandbox/metrics_text.h"

#define TEXT_MAX    (2u << 20) /* of a reply; a message may have 4 MiB */
#define VOLUMES_MAX (256u << 10)
#define FILE_MAX    (1u << 20) /* of /proc/stat of a machine with thousands of interrupts */

static const struct metrics_family scrapes = {
	.name = "kata_agent_scrape_count", .help = "Metrics scrape count", .type = "counter"
};

/* Of our own: Kata's agent notices no such thing. */
static const struct metrics_family generations[] = {
	{ .name = "mote_guest_generation_changes_total",
	  .help = "Times that the machine was restored or cloned",
	  .type = "counter" },
	{ .name = "mote_guest_clock_steps_total",
	  .help = "Of those, times that the clock was set by the hypervisor's",
	  .type = "counter" },
};

static const struct metrics_family files[] = {
	{ "kata_agent_threads", "Agent process threads", "gauge", "%d/stat", METRICS_FIELDS,
	  METRICS_PLAIN, 17, "", NULL, NULL },
	{ "kata_agent_total_time", "Agent process total time in seconds", "gauge", "%d/stat",
	  METRICS_FIELDS, METRICS_SECONDS, 11, "utime stime", NULL, NULL },
	{ "kata_agent_total_vm", "Agent process total VM size in bytes", "gauge", "%d/stat",
	  METRICS_FIELDS, METRICS_PLAIN, 20, "", NULL, NULL },
	{ "kata_agent_total_rss", "Agent process total RSS size in bytes", "gauge", "%d/stat",
	  METRICS_FIELDS, METRICS_PAGES, 21, "", NULL, NULL },
	{ "kata_agent_proc_status", "Agent process status, sizes in kB", "gauge", "%d/status",
	  METRICS_KEYS, METRICS_PLAIN, 0,
	  "vmpeak vmsize vmlck vmpin vmhwm vmrss rssanon rssfile rssshmem vmdata vmstk vmexe vmlib vmpte "
	  "vmswap hugetlbpages voluntary_ctxt_switches nonvoluntary_ctxt_switches",
	  NULL, NULL },
	{ "kata_agent_io_stat", "Agent process IO statistics", "gauge", "%d/io", METRICS_KEYS,
	  METRICS_PLAIN, 0, "rchar wchar syscr syscw read_bytes write_bytes cancelled_write_bytes", NULL,
	  NULL },
	{ "kata_agent_proc_stat", "Agent process statistics in clock ticks", "gauge", "%d/stat",
	  METRICS_FIELDS, METRICS_PLAIN, 11, "utime stime cutime cstime", NULL, NULL },
	{ "kata_guest_load", "Guest system load", "gauge", "loadavg", METRICS_FIELDS, METRICS_PLAIN, 0,
	  "load1 load5 load15", NULL, NULL },
	{ "kata_guest_tasks", "Guest tasks that can run, and all", "gauge", "loadavg", METRICS_FIELDS,
	  METRICS_PLAIN, 3, "cur max", NULL, NULL },
	{ "kata_guest_cpu_time", "Guest CPU statistics in milliseconds", "gauge", "stat", METRICS_ROWS,
	  METRICS_MS, 0, "user nice system idle iowait irq softirq steal guest guest_nice", "cpu",
	  "cpu" },
	{ "kata_guest_vm_stat", "Guest virtual memory statistics", "gauge", "vmstat", METRICS_ALL_KEYS,
	  METRICS_PLAIN, 0, "", NULL, NULL },
	{ "kata_guest_netdev_stat", "Guest net devices statistics", "gauge", "%d/net/dev", METRICS_ROWS,
	  METRICS_PLAIN, 0,
	  "recv_bytes recv_packets recv_errs recv_drop recv_fifo recv_frame recv_compressed recv_multicast "
	  "sent_bytes sent_packets sent_errs sent_drop sent_fifo sent_colls sent_carrier sent_compressed",
	  "interface", NULL },
	{ "kata_guest_diskstat", "Disks statistics in system", "gauge", "diskstats", METRICS_ROWS,
	  METRICS_PLAIN, 2,
	  "reads merged sectors_read time_reading writes writes_merged sectors_written time_writing "
	  "in_progress time_in_progress weighted_time_in_progress discards discards_merged "
	  "sectors_discarded time_discarding flushes time_flushing",
	  "disk", NULL },
	{ "kata_guest_meminfo", "Statistics about memory usage in the system, sizes in bytes", "gauge",
	  "meminfo", METRICS_ALL_SNAKES, METRICS_BYTES, 0, "", NULL, NULL },
};

/* In the order of struct usage's members. */
static const struct metrics_family volumes[] = {
	{ .name = "kata_guest_filesystem_bytes",
	  .help = "Size and use of the guest's writable file systems in bytes",
	  .type = "gauge" },
	{ .name = "kata_guest_filesystem_inodes",
	  .help = "Inodes of the guest's writable file systems",
	  .type = "gauge" },
};

/* --- file systems --- */

#define DEVICES_MAX 256

struct look {
	struct metrics_text *text;
	const struct metrics_family *family;
	dev_t devices[DEVICES_MAX]; /* that were told already */
	size_t n_devices;
};

static void add_usage(const struct look *l, const struct mountinfo *m, uint64_t total, uint64_t left,
		      uint64_t unit)
{
	const struct {
		const char *item;
		uint64_t blocks;
	} values[] = { { "total", total }, { "used", total - MIN(left, total) }, { "available", left } };

	for (size_t i = 0; i < COUNT_OF(values); i++) {
		const struct metrics_label labels[] = { { "mount", m->target },
							{ "device", m->source },
							{ "item", values[i].item } };
		char text[32];

		snprintf(text, sizeof(text), "%llu", (unsigned long long)(values[i].blocks * unit));
		metrics_text_add(l->text, l->family, labels, COUNT_OF(labels), text);
	}
}

static bool is_told(const struct look *l, dev_t device)
{
	for (size_t i = 0; i < l->n_devices; i++)
		if (l->devices[i] == device)
			return true;
	return l->n_devices == DEVICES_MAX;
}

/* What a disk backs, and what is layered over one. */
static bool is_volume(const struct mountinfo *m)
{
	static const char *const types[] = { "ext4", "xfs", "btrfs", "vfat", "overlay" };
	bool known = false;

	for (size_t i = 0; i < COUNT_OF(types); i++)
		known |= str_eq(m->fstype, types[i]);
	return known && (str_starts(m->options, "rw,") || str_eq(m->options, "rw"));
}

static int look_at(void *arg, const struct mountinfo *m)
{
	struct look *l = arg;
	dev_t device = makedev(m->major, m->minor);
	struct statfs fs;

	if (!is_volume(m) || is_told(l, device) || statfs(m->target, &fs) < 0)
		return 0;
	l->devices[l->n_devices++] = device;
	if (l->family == &volumes[0])
		add_usage(l, m, fs.f_blocks, fs.f_bfree, (uint64_t)fs.f_bsize);
	else
		add_usage(l, m, fs.f_files, fs.f_ffree, 1);
	return 0;
}

/* --- the children --- */

struct reading {
	struct metrics *metrics;
	uint64_t scrape, deadline_ms;
	pid_t pid; /* the agent's */
	char *volumes; /* the file systems' text; NULL: not had */
	size_t volumes_len;
	metrics_done_fn done;
	void *owner;
};

/* A child's text to its parent. The heap is the child's own. */
static int write_text(int out, size_t cap, void (*fill)(struct metrics_text *t, void *arg), void *arg,
		      struct err *e)
{
	char *buf = mem_new(cap, 1);
	struct metrics_text t;
	int r;

	if (!buf || metrics_text_init(&t, buf, cap) < 0) {
		free(buf);
		return err_sys(e, ENOMEM, "metrics");
	}
	fill(&t, arg);
	r = io_write_full(out, t.out.buf, t.out.len);
	metrics_text_fini(&t);
	free(buf);
	return r < 0 ? err_sys(e, -r, "metrics") : 0;
}

static void fill_volumes(struct metrics_text *t, void *arg UNUSED)
{
	struct look l = { .text = t };

	for (size_t i = 0; i < COUNT_OF(volumes); i++) {
		l.family = &volumes[i];
		l.n_devices = 0;
		(void)mountinfo_each("/proc/self/mountinfo", look_at, &l);
	}
}

static int volumes_work(void *arg UNUSED, int out, struct err *e)
{
	return write_text(out, VOLUMES_MAX, fill_volumes, NULL, e);
}

static void add_file(struct metrics_text *t, const struct metrics_family *f, pid_t pid)
{
	char path[64] = "/proc/";
	struct arena a;
	char *text;

	snprintf(path + strlen(path), sizeof(path) - strlen(path), f->file, (int)pid);
	arena_init(&a, 4 * FILE_MAX);
	if (io_read_file_arena(AT_FDCWD, path, &a, FILE_MAX, &text) >= 0)
		metrics_text_add_file(t, f, text);
	arena_fini(&a);
}

static void add_count(struct metrics_text *t, const struct metrics_family *f, uint64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	metrics_text_add(t, f, NULL, 0, text);
}

static void fill_all(struct metrics_text *t, void *arg)
{
	const struct reading *r = arg;
	const struct generation *g = r->metrics->generation;

	add_count(t, &scrapes, r->scrape);
	add_count(t, &generations[0], g->changes);
	add_count(t, &generations[1], g->stepped);
	for (size_t i = 0; i < COUNT_OF(files); i++)
		add_file(t, &files[i], r->pid);
	if (r->volumes_len < t->out.cap - t->out.len) /* whole, or not at all */
		str_add_n(&t->out, r->volumes, r->volumes_len);
}

static int all_work(void *arg, int out, struct err *e)
{
	return write_text(out, TEXT_MAX, fill_all, arg, e);
}

/* --- the reading --- */

static void all_done(void *owner, const struct err *e, const void *out, size_t len)
{
	struct reading *r = owner;

	r->done(r->owner, e, out, len);
	free(r->volumes);
	free(r);
}

static void read_all(struct reading *r)
{
	const struct work_opts opts = { .what = "metrics",
					.deadline_ms = r->deadline_ms,
					.out_max = TEXT_MAX };

	work_start(r->metrics->loop, &opts, all_work, r, all_done, r);
}

static void volumes_late(void *owner)
{
	struct metrics *m = owner;

	m->looking = false;
}

/* Without them, whatever the reason: the rest is told all the same. */
static void volumes_done(void *owner, const struct err *e, const void *out, size_t len)
{
	struct metrics *m = owner;
	struct reading *r = TAKE_PTR(m->reading);

	if (e->rc != RC_DEADLINE_EXCEEDED)
		m->looking = false;
	r->volumes = len ? mem_new(len, 1) : NULL;
	if (r->volumes) {
		memcpy(r->volumes, out, len);
		r->volumes_len = len;
	}
	read_all(r);
}

void metrics_init(struct metrics *m, struct loop *l, const struct generation *g)
{
	*m = (struct metrics){ .loop = l, .generation = g };
}

void metrics_read(struct metrics *m, uint64_t deadline_ms, metrics_done_fn done, void *owner)
{
	const struct work_opts opts = {
		.what = "look at the file systems",
		.deadline_ms = MIN(deadline_ms, clock_after(METRICS_LOOK_MS)),
		.out_max = VOLUMES_MAX,
		.late = volumes_late,
	};
	struct reading *r = mem_new(1, sizeof(*r));
	struct err e = { 0 };

	m->scrapes++;
	if (!r) {
		err_sys(&e, ENOMEM, "metrics");
		done(owner, &e, "", 0);
		return;
	}
	*r = (struct reading){ .metrics = m, .scrape = m->scrapes, .deadline_ms = deadline_ms,
			       .pid = getpid(), .done = done, .owner = owner };
	if (m->looking) {
		read_all(r);
		return;
	}
	m->looking = true;
	m->reading = r;
	work_start(m->loop, &opts, volumes_work, NULL, volumes_done, m);
}
