/* SPDX-License-Identifier: Apache-2.0 */
/* Counters as kernels print them, and as numbers: every field, both versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "kernel/cgroup_stats.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

struct file {
	const char *name, *text;
};

static void parse(enum cgroup_version v, const struct file *files, size_t n,
		  struct cgroup_stats *out)
{
	static char buf[65536];
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		memcpy(buf + len, files[i].name, strlen(files[i].name) + 1);
		len += strlen(files[i].name) + 1;
		memcpy(buf + len, files[i].text, strlen(files[i].text) + 1);
		len += strlen(files[i].text) + 1;
	}
	/* of its own size, so that a read beyond it is seen */
	assert_int_equal(cgroup_stats_parse(v, arena_memdup(&arena, buf, len), len, &arena, out),
			 0);
}

#define PARSE(v, files, out) parse(v, files, COUNT_OF(files), out)

/* "8:0 read 4096;" */
static const char *io_text(const struct cgroup_io_list *l)
{
	static char text[1024];
	struct str s = STR_OVER(text);

	for (size_t i = 0; i < l->n; i++)
		str_addf(&s, "%d:%d %s %llu;", (int)l->v[i].major, (int)l->v[i].minor, l->v[i].op,
			 (unsigned long long)l->v[i].value);
	return text;
}

static uint64_t stat_of(const struct cgroup_stats *s, const char *key)
{
	for (size_t i = 0; i < s->n_memory_stat; i++)
		if (str_eq(s->memory_stat[i].key, key))
			return s->memory_stat[i].value;
	return UINT64_MAX;
}

static const struct cgroup_hugetlb_usage *huge(const struct cgroup_stats *s, const char *size)
{
	for (size_t i = 0; i < s->n_hugetlb; i++)
		if (str_eq(s->hugetlb[i].page_size, size))
			return &s->hugetlb[i];
	fail_msg("no %s", size);
	return NULL;
}

static void test_v2(void **state)
{
	static const struct file files[] = {
		{ "net/dev", "" },
		{ "cpu.stat",
		  "usage_usec 3000\nuser_usec 2000\nsystem_usec 1000\nnice_usec 0\n"
		  "nr_periods 7\nnr_throttled 5\nthrottled_usec 4\nnr_bursts 0\nburst_usec 0\n" },
		{ "memory.current", "4096\n" },
		{ "memory.max", "67108864\n" },
		{ "memory.peak", "8192\n" },
		{ "memory.events", "low 0\nhigh 1\nmax 12\noom 2\noom_kill 1\n" },
		{ "memory.swap.current", "100\n" },
		{ "memory.swap.max", "200\n" },
		{ "memory.swap.peak", "150\n" },
		{ "memory.swap.events", "high 1\nmax 2\nfail 3\n" },
		{ "pids.current", "3\n" },
		{ "pids.max", "20\n" },
		{ "memory.stat", "anon 1024\nfile 2048\nkernel 512\nfile_mapped 9\n" },
		{ "io.stat", "254:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=30 dios=3\n"
			     "7:1 \n254:16 rbytes=5 cost.usage=9 wios=6\n" },
		{ "hugetlb.2MB.current", "2097152\n" },
		{ "hugetlb.2MB.max", "max\n" },
		{ "hugetlb.2MB.events", "max 4\n" },
		{ "hugetlb.1GB.current", "0\n" },
		{ "hugetlb.1GB.max", "1073741824\n" },
		{ "hugetlb.1GB.events", "max 0\n" },
	};
	struct cgroup_stats s;

	(void)state;
	PARSE(CGROUP_VERSION_2, files, &s);
	assert_int_equal(s.cpu_total, 3000000);
	assert_int_equal(s.cpu_user, 2000000);
	assert_int_equal(s.cpu_kernel, 1000000);
	assert_int_equal(s.n_percpu, 0);
	assert_int_equal(s.periods, 7);
	assert_int_equal(s.throttled_periods, 5);
	assert_int_equal(s.throttled_ns, 4000);
	assert_int_equal(s.memory.usage, 4096);
	assert_int_equal(s.memory.limit, 67108864);
	assert_int_equal(s.memory.max_usage, 8192);
	assert_int_equal(s.memory.failcnt, 12);
	assert_int_equal(s.swap.usage, 100);
	assert_int_equal(s.swap.limit, 200);
	assert_int_equal(s.swap.max_usage, 150);
	assert_int_equal(s.swap.failcnt, 3);
	assert_int_equal(s.kernel.usage, 512);
	assert_true(s.kernel.limit == UINT64_MAX);
	assert_int_equal(s.cache, 2048);
	assert_false(s.use_hierarchy);
	assert_int_equal(s.n_memory_stat, 4);
	assert_int_equal(stat_of(&s, "file_mapped"), 9);
	assert_int_equal(s.pids, 3);
	assert_int_equal(s.pids_limit, 20);
	assert_string_equal(io_text(&s.io[CGROUP_IO_BYTES]),
			    "254:0 read 10;254:0 write 20;254:0 rios 1;254:0 wios 2;"
			    "254:0 dbytes 30;254:0 dios 3;254:16 read 5;254:16 wios 6;");
	assert_string_equal(io_text(&s.io[CGROUP_IO_SERVICED]),
			    "254:0 read 1;254:0 write 2;254:0 discard 3;254:16 write 6;");
	assert_int_equal(s.n_hugetlb, 2);
	assert_int_equal(huge(&s, "2MB")->usage, 2097152);
	assert_true(huge(&s, "2MB")->max_usage == INT64_MAX);
	assert_int_equal(huge(&s, "2MB")->failcnt, 4);
	assert_int_equal(huge(&s, "1GB")->max_usage, 1073741824);
}

static void test_v1(void **state)
{
	static const struct file files[] = {
		{ "cpuacct.usage", "123456789\n" },
		{ "cpuacct.stat", "user 12\nsystem 34\n" },
		{ "cpu.stat", "nr_periods 1\nnr_throttled 2\nthrottled_time 3\n" },
		{ "memory.usage_in_bytes", "1\n" },
		{ "memory.max_usage_in_bytes", "2\n" },
		{ "memory.limit_in_bytes", "9223372036854771712\n" },
		{ "memory.failcnt", "4\n" },
		{ "memory.memsw.usage_in_bytes", "5\n" },
		{ "memory.memsw.max_usage_in_bytes", "6\n" },
		{ "memory.memsw.limit_in_bytes", "7\n" },
		{ "memory.memsw.failcnt", "8\n" },
		{ "memory.kmem.usage_in_bytes", "9\n" },
		{ "memory.kmem.max_usage_in_bytes", "10\n" },
		{ "memory.kmem.limit_in_bytes", "11\n" },
		{ "memory.kmem.failcnt", "12\n" },
		{ "memory.use_hierarchy", "1\n" },
		{ "pids.current", "1\n" },
		{ "pids.max", "max\n" },
		{ "memory.stat", "cache 13\nrss 14\ntotal_cache 15\n" },
		{ "cpuacct.usage_percpu", "100 0 300 \n" },
		{ "hugetlb.2MB.usage_in_bytes", "1\n" },
		{ "hugetlb.2MB.max_usage_in_bytes", "2\n" },
		{ "hugetlb.2MB.failcnt", "3\n" },
		{ "blkio.throttle.io_service_bytes_recursive",
		  "8:0 Read 4096\n8:0 Write 1\n8:0 Total 4097\nTotal 4097\n" },
		{ "blkio.throttle.io_serviced_recursive", "8:0 Read 2\nTotal 2\n" },
		{ "blkio.time_recursive", "8:0 77\n" },
		{ "blkio.bfq.sectors_recursive", "8:0 88\n" },
		{ "blkio.sectors_recursive", "8:0 99\n" },
		{ "blkio.io_queued_recursive", "Total 0\n" },
	};
	struct cgroup_stats s;

	(void)state;
	PARSE(CGROUP_VERSION_1, files, &s);
	assert_int_equal(s.cpu_total, 123456789);
	assert_int_equal(s.cpu_user, 120000000);
	assert_int_equal(s.cpu_kernel, 340000000);
	assert_int_equal(s.n_percpu, 3);
	assert_int_equal(s.percpu[2], 300);
	assert_int_equal(s.periods, 1);
	assert_int_equal(s.throttled_periods, 2);
	assert_int_equal(s.throttled_ns, 3);
	assert_int_equal(s.memory.usage, 1);
	assert_int_equal(s.memory.max_usage, 2);
	assert_true(s.memory.limit == 9223372036854771712u);
	assert_int_equal(s.memory.failcnt, 4);
	assert_int_equal(s.swap.usage, 5);
	assert_int_equal(s.swap.max_usage, 6);
	assert_int_equal(s.swap.limit, 7);
	assert_int_equal(s.swap.failcnt, 8);
	assert_int_equal(s.kernel.usage, 9);
	assert_int_equal(s.kernel.max_usage, 10);
	assert_int_equal(s.kernel.limit, 11);
	assert_int_equal(s.kernel.failcnt, 12);
	assert_true(s.use_hierarchy);
	assert_int_equal(s.cache, 15);
	assert_int_equal(stat_of(&s, "rss"), 14);
	assert_int_equal(s.pids, 1);
	assert_int_equal(s.pids_limit, 0);
	assert_string_equal(io_text(&s.io[CGROUP_IO_BYTES]),
			    "8:0 read 4096;8:0 write 1;8:0 total 4097;");
	assert_string_equal(io_text(&s.io[CGROUP_IO_SERVICED]), "8:0 read 2;");
	assert_string_equal(io_text(&s.io[CGROUP_IO_TIME]), "8:0  77;");
	assert_string_equal(io_text(&s.io[CGROUP_IO_SECTORS]), "8:0  88;");
	assert_string_equal(io_text(&s.io[CGROUP_IO_QUEUED]), "");
	assert_int_equal(s.n_hugetlb, 1);
	assert_int_equal(huge(&s, "2MB")->max_usage, 2);
	assert_int_equal(huge(&s, "2MB")->failcnt, 3);
}

/* Nothing there, and nothing that makes sense. */
static void test_nothing(void **state)
{
	static const struct file odd[] = {
		{ "cpu.stat", "usage_usec\nusage_usec x\n" },
		{ "memory.current", "99999999999999999999999999\n" },
		{ "memory.max", "" },
		{ "memory.stat", "\n \nkey\nkey x\n 5\nlast 7" },
		{ "io.stat", "254:0 rbytes= wbytes=x rios\n254\n:\n254: rbytes=1\nx:1 rbytes=1\n" },
		{ "cpuacct.usage_percpu", "x" },
		{ "blkio.io_queued_recursive", "8:0 \n8:0 Read\n8:0 Read x\n8\n" },
		{ "hugetlb..current", "1" },
		{ "hugetlb.current", "1" },
	};
	static const char *const torn[] = { "a", "a\0b", "a\0" };
	static const size_t torn_len[] = { 1, 3, 2 };
	struct cgroup_stats s;

	(void)state;
	for (int v = CGROUP_VERSION_1; v <= CGROUP_VERSION_2; v++) {
		assert_int_equal(cgroup_stats_parse((enum cgroup_version)v, "", 0, &arena, &s), 0);
		assert_int_equal(s.cpu_total, 0);
		PARSE((enum cgroup_version)v, odd, &s);
		assert_int_equal(s.memory.usage, 0);
		assert_true(s.memory.limit == (v == CGROUP_VERSION_1 ? 0 : (uint64_t)INT64_MAX));
		assert_int_equal(s.n_memory_stat, 1);
		assert_int_equal(stat_of(&s, "last"), 7);
		assert_int_equal(s.io[CGROUP_IO_BYTES].n, 0);
		assert_int_equal(s.io[CGROUP_IO_QUEUED].n, 0);
		assert_int_equal(s.n_percpu, 0);
		for (size_t i = 0; i < COUNT_OF(torn); i++)
			assert_int_equal(cgroup_stats_parse((enum cgroup_version)v, torn[i],
							    torn_len[i], &arena, &s),
					 -EINVAL);
	}
}

static void test_links(void **state)
{
	static const char text[] =
		"Inter-|   Receive                                                |  Transmit\n"
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets "
		"errs drop fifo colls carrier compressed\n"
		"    lo:     100       2    0    0    0     0          0         0      100       2 "
		"   0    0    0     0       0          0\n"
		"  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
		"wlan0.7:21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36\n"
		" torn: 1 2 3\n";
	struct net_link_stats *links;
	size_t n;

	(void)state;
	assert_int_equal(net_links_parse(text, &arena, &links, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(links[0].name, "eth0");
	assert_int_equal(links[0].rx_bytes, 1);
	assert_int_equal(links[0].rx_packets, 2);
	assert_int_equal(links[0].rx_errors, 3);
	assert_int_equal(links[0].rx_dropped, 4);
	assert_int_equal(links[0].tx_bytes, 9);
	assert_int_equal(links[0].tx_packets, 10);
	assert_int_equal(links[0].tx_errors, 11);
	assert_int_equal(links[0].tx_dropped, 12);
	assert_string_equal(links[1].name, "wlan0.7");
	assert_int_equal(links[1].tx_dropped, 32);
	assert_int_equal(net_links_parse("", &arena, &links, &n), 0);
	assert_int_equal(n, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_v2), TEST(test_v1), TEST(test_nothing),
					    TEST(test_links) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
