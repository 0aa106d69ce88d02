/* SPDX-License-Identifier: Apache-2.0 */
/* Counters in containerd's words, and events that nobody acknowledges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "containerd_events.pb-c.h"
#include "containerd_metrics.pb-c.h"
#include "service/containerd/any.h"
#include "service/containerd/events.h"
#include "service/containerd/stats.h"

static const Io__Containerd__Cgroups__V2__Metrics *metrics(struct arena *a,
							   const struct container_stats *in)
{
	const Io__Containerd__Cgroups__V2__Metrics *m;
	Google__Protobuf__Any any;
	struct err e = { 0 };

	assert_int_equal(stats_make(in, a, &any, &e), 0);
	assert_true(any_is(&any, "io.containerd.cgroups.v2.Metrics"));
	m = (void *)any_open(&any, &io__containerd__cgroups__v2__metrics__descriptor, a, &e);
	assert_non_null(m);
	return m;
}

static void numbers(void **state UNUSED)
{
	struct cgroup_stat_pair stat[] = { { "anon", 1 }, { "inactive_file", 2 }, { "pgfault", 3 },
					   { "workingset_activate_file", 4 }, { "nonsense", 5 } };
	struct cgroup_io_entry bytes[] = { { 8, 1, "read", 10 }, { 8, 1, "write", 11 },
					   { 8, 2, "read", 12 }, { 8, 2, "dbytes", 13 } };
	struct cgroup_io_entry serviced[] = { { 8, 1, "Read", 14 }, { 8, 3, "Write", 15 } };
	struct cgroup_hugetlb_usage huge[] = { { "2MB", 20, 21, 22 } };
	struct net_link_stats links[] = { { "eth0", 30, 31, 32, 33, 34, 35, 36, 37 } };
	struct container_stats in = {
		.cgroup = {
			.cpu_total = 5000, .cpu_user = 3000, .cpu_kernel = 2000,
			.periods = 6, .throttled_periods = 7, .throttled_ns = 8000,
			.memory = { 100, 200, 300, 9 }, .swap = { 1, 2, INT64_MAX, 0 },
			.memory_stat = stat, .n_memory_stat = COUNT_OF(stat), .oom_kill = 2,
			.pids = 4, .pids_limit = 0,
			.io = { [CGROUP_IO_BYTES] = { bytes, 4 }, [CGROUP_IO_SERVICED] = { serviced, 2 } },
			.hugetlb = huge, .n_hugetlb = 1,
		},
		.links = links, .n_links = 1,
	};
	const Io__Containerd__Cgroups__V2__Metrics *m;
	struct arena a;

	arena_init(&a, 1 << 20);
	m = metrics(&a, &in);
	assert_int_equal(m->cpu->usage_usec, 5);
	assert_int_equal(m->cpu->user_usec, 3);
	assert_int_equal(m->cpu->system_usec, 2);
	assert_int_equal(m->cpu->nr_throttled, 7);
	assert_int_equal(m->cpu->throttled_usec, 8);
	assert_int_equal(m->memory->usage, 100);
	assert_int_equal(m->memory->max_usage, 200);
	assert_int_equal(m->memory->usage_limit, 300);
	assert_true(m->memory->swap_limit == UINT64_MAX);
	assert_int_equal(m->memory->anon, 1);
	assert_int_equal(m->memory->inactive_file, 2);
	assert_int_equal(m->memory->pgfault, 3);
	assert_int_equal(m->memory->workingset_activate_file, 4);
	assert_int_equal(m->memory_events->max, 9);
	assert_int_equal(m->memory_events->oom_kill, 2);
	assert_int_equal(m->pids->current, 4);
	assert_true(m->pids->limit == UINT64_MAX);
	assert_int_equal(m->io->n_usage, 3);
	assert_int_equal(m->io->usage[0]->rbytes, 10);
	assert_int_equal(m->io->usage[0]->wbytes, 11);
	assert_int_equal(m->io->usage[0]->rios, 14);
	assert_int_equal(m->io->usage[1]->rbytes, 12);
	assert_int_equal(m->io->usage[2]->wios, 15);
	assert_string_equal(m->hugetlb[0]->pagesize, "2MB");
	assert_string_equal(m->network[0]->name, "eth0");
	assert_int_equal(m->network[0]->tx_dropped, 37);
	arena_fini(&a);
}

/* Version 1's words for the same. */
static void version_1(void **state UNUSED)
{
	struct cgroup_stat_pair stat[] = { { "rss", 1 }, { "cache", 2 }, { "mapped_file", 3 } };
	struct container_stats in = {
		.cgroup = { .memory = { .limit = INT64_MAX - 4095 }, .memory_stat = stat,
			    .n_memory_stat = COUNT_OF(stat), .pids_limit = 55 },
	};
	const Io__Containerd__Cgroups__V2__Metrics *m;
	struct arena a;

	arena_init(&a, 1 << 20);
	m = metrics(&a, &in);
	assert_int_equal(m->memory->anon, 1);
	assert_int_equal(m->memory->file, 2);
	assert_int_equal(m->memory->file_mapped, 3);
	assert_true(m->memory->usage_limit == UINT64_MAX);
	assert_int_equal(m->pids->limit, 55);
	arena_fini(&a);
}

/* All numbers as large as they can be, and lists: it fits. */
static void largest(void **state UNUSED)
{
	static const char *const keys[] = {
		"anon", "rss", "file", "cache", "kernel_stack", "slab", "sock", "shmem", "file_mapped",
		"mapped_file", "file_dirty", "dirty", "file_writeback", "writeback", "anon_thp",
		"inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable",
		"slab_reclaimable", "slab_unreclaimable", "pgfault", "pgmajfault",
		"workingset_nodereclaim", "pgrefill", "pgscan", "pgsteal", "pgactivate", "pgdeactivate",
		"pglazyfree", "pglazyfreed", "thp_fault_alloc", "thp_collapse_alloc",
		"workingset_refault_anon", "workingset_refault_file", "workingset_activate_anon",
		"workingset_activate_file",
	};
	const uint64_t max = UINT64_MAX;
	struct cgroup_stat_pair stat[COUNT_OF(keys)];
	struct cgroup_io_entry bytes[100], serviced[100];
	struct net_link_stats links[20];
	struct container_stats in = {
		.cgroup = {
			.cpu_total = max, .cpu_user = max, .cpu_kernel = max, .periods = max,
			.throttled_periods = max, .throttled_ns = max, .memory = { max, max, max, max },
			.swap = { max, max, max, max }, .memory_stat = stat,
			.n_memory_stat = COUNT_OF(stat), .oom_kill = max, .pids = max, .pids_limit = max,
			.io = { [CGROUP_IO_BYTES] = { bytes, 100 }, [CGROUP_IO_SERVICED] = { serviced, 100 } },
		},
		.links = links, .n_links = COUNT_OF(links),
	};
	const Io__Containerd__Cgroups__V2__Metrics *m;
	struct arena a;

	for (size_t i = 0; i < COUNT_OF(keys); i++)
		stat[i] = (struct cgroup_stat_pair){ keys[i], max };
	for (size_t i = 0; i < 100; i++) {
		bytes[i] = (struct cgroup_io_entry){ max - i, max, "read", max };
		serviced[i] = (struct cgroup_io_entry){ max - i - 50, max, "write", max };
	}
	for (size_t i = 0; i < COUNT_OF(links); i++)
		links[i] = (struct net_link_stats){ "a-name-of-fifteen", max, max, max, max, max, max,
						    max, max };
	arena_init(&a, 1 << 20);
	m = metrics(&a, &in);
	assert_int_equal(m->io->n_usage, 150);
	assert_true(m->io->usage[149]->wios == max);
	assert_int_equal(m->n_network, 20);
	assert_true(m->network[19]->tx_dropped == max);
	assert_true(m->memory->workingset_activate_file == max);
	assert_true(m->memory_events->max == max);
	arena_fini(&a);
}

/* --- events --- */

static void add(struct events *s, size_t len)
{
	Containerd__Events__TaskOOM event = CONTAINERD__EVENTS__TASK_OOM__INIT;
	char id[4096];

	memset(id, 'x', len);
	id[len] = '\0';
	event.container_id = id;
	events_add(s, EVENT_OOM, &event.base);
}

static void events_bounded(void **state UNUSED)
{
	struct events s;

	events_init(&s);
	for (int i = 0; i < EVENTS_MAX + 10; i++)
		add(&s, 1);
	assert_int_equal(s.n, EVENTS_MAX);
	assert_int_equal(s.last, EVENTS_MAX + 10);
	for (int i = 0; i < 1000; i++)
		add(&s, 4000);
	assert_true(s.bytes <= EVENTS_BYTES);
	assert_true(s.n > 200 && s.n < 300);
	events_fini(&s);
	assert_int_equal(s.n, 0);
	assert_int_equal(s.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(version_1),
		cmocka_unit_test(largest),
		cmocka_unit_test(events_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
