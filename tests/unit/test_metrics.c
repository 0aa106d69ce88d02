/* SPDX-License-Identifier: Apache-2.0 */
/* Text for Prometheus out of the kernel's files, and the reader that the tests trust. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "prometheus.h"
#include "sandbox/metrics_text.h"

static struct metrics_text t;
static char buf[4096];

static int fresh(void **state)
{
	(void)state;
	return metrics_text_init(&t, buf, sizeof(buf));
}

static int done(void **state)
{
	(void)state;
	metrics_text_fini(&t);
	return 0;
}

static void take(const struct metrics_family *f, const char *text, const char *want)
{
	char copy[2048];

	snprintf(copy, sizeof(copy), "%s", text);
	metrics_text_add_file(&t, f, copy);
	assert_string_equal(buf, want);
	assert_null(prometheus_problem(buf));
}

static void fields(void **state)
{
	const struct metrics_family load = { "a", "A.", "gauge", "", METRICS_FIELDS, METRICS_PLAIN, 0,
					     "load1 load5", NULL, NULL };
	const struct metrics_family tasks = { "b", "B.", "gauge", "", METRICS_FIELDS, METRICS_PLAIN, 3,
					      "cur max", NULL, NULL };
	const char line[] = "0.15 10.00 2.92 8/138 7781\n";

	(void)state;
	take(&load, line,
	     "# HELP a A.\n# TYPE a gauge\na{item=\"load1\"} 0.15\na{item=\"load5\"} 10.00\n");
	take(&tasks, line,
	     "# HELP a A.\n# TYPE a gauge\na{item=\"load1\"} 0.15\na{item=\"load5\"} 10.00\n"
	     "# HELP b B.\n# TYPE b gauge\nb{item=\"cur\"} 8\nb{item=\"max\"} 138\n");
}

/* The name of a process holds anything. */
static void a_process(void **state)
{
	const struct metrics_family one = { "a", "A.", "gauge", "", METRICS_FIELDS, METRICS_PLAIN, 2, "",
					    NULL, NULL };
	const struct metrics_family sum = { "b", "B.", "gauge", "", METRICS_FIELDS, METRICS_SECONDS, 1,
					    "x y", NULL, NULL };
	const char stat[] = "1 (a) b 9 9) S 150 155 9\n";

	(void)state;
	take(&one, stat, "# HELP a A.\n# TYPE a gauge\na 155\n");
	take(&sum, stat, "# HELP a A.\n# TYPE a gauge\na 155\n# HELP b B.\n# TYPE b gauge\nb 3.05\n");
}

static void keys(void **state)
{
	const struct metrics_family some = { "a", "A.", "gauge", "", METRICS_KEYS, METRICS_PLAIN, 0,
					     "vmrss vmswap", NULL, NULL };

	(void)state;
	take(&some, "Name:\t1\nVmRSS:\t  120 kB\nVmRSSx: 3\nVmSwap:\t0 kB\nVmSwap:\t9 kB\n",
	     "# HELP a A.\n# TYPE a gauge\na{item=\"vmrss\"} 120\na{item=\"vmswap\"} 0\n");
}

/* As hosts know them; /proc/meminfo of Linux 6.12. */
static void names_of_memory(void **state)
{
	static const char *const rows[][2] = {
		{ "MemTotal", "mem_total" }, { "Buffers", "buffers" }, { "SwapCached", "swap_cached" },
		{ "Active(anon)", "active_anon" }, { "Inactive(file)", "inactive_file" },
		{ "AnonPages", "anon_pages" }, { "KReclaimable", "k_reclaimable" },
		{ "SReclaimable", "s_reclaimable" }, { "SUnreclaim", "s_unreclaim" },
		{ "NFS_Unstable", "nfs_unstable" }, { "WritebackTmp", "writeback_tmp" },
		{ "CommitLimit", "commit_limit" }, { "Committed_AS", "committed_as" },
		{ "VmallocChunk", "vmalloc_chunk" }, { "Percpu", "per_cpu" },
		{ "HardwareCorrupted", "hardware_corrupted" }, { "AnonHugePages", "anon_hugepages" },
		{ "ShmemPmdMapped", "shmem_pmd_mapped" }, { "HugePages_Total", "hugepages_total" },
		{ "Hugepagesize", "hugepagesize" }, { "Hugetlb", "hugetlb" },
		{ "DirectMap4k", "direct_map_4k" }, { "DirectMap2M", "direct_map_2M" },
		{ "MmapCopy", "mmap_copy" }, { "CmaFree", "cma_free" },
	};
	const struct metrics_family f = { "a", "A.", "gauge", "", METRICS_ALL_SNAKES, METRICS_BYTES, 0, "",
					  NULL, NULL };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char line[96], want[96];

		snprintf(line, sizeof(line), "%s: %zu%s\n", rows[i][0], i, i % 2 ? " kB" : "");
		snprintf(want, sizeof(want), "a{item=\"%s\"} %zu\n", rows[i][1], i % 2 ? i * 1024 : i);
		metrics_text_add_file(&t, &f, line);
		if (!strstr(buf, want))
			fail_msg("no %s in: %s", want, buf);
	}
	assert_null(prometheus_problem(buf));
}

static const struct metrics_family rows_of_net = { "n", "N.", "gauge", "", METRICS_ROWS, METRICS_PLAIN,
						   0, "r s", "dev", NULL };

static void rows(void **state)
{
	const struct metrics_family cpu = { "c", "C.", "gauge", "", METRICS_ROWS, METRICS_MS, 0,
					    "user nice idle", "cpu", "cpu" };

	(void)state;
	take(&cpu, "cpu  7 8\ncpu3 1 2 3 4\nintr 5\n",
	     "# HELP c C.\n# TYPE c gauge\nc{cpu=\"total\",item=\"user\"} 70\n"
	     "c{cpu=\"total\",item=\"nice\"} 80\nc{cpu=\"3\",item=\"user\"} 10\n"
	     "c{cpu=\"3\",item=\"nice\"} 20\nc{cpu=\"3\",item=\"idle\"} 30\n");
	str_reset(&t.out);
	t.family = NULL;
	take(&rows_of_net, "Inter-|  Receive |\n face |bytes |packets\n  eth0: 12 34\nlo:5 6\n",
	     "# HELP n N.\n# TYPE n gauge\nn{dev=\"eth0\",item=\"r\"} 12\nn{dev=\"eth0\",item=\"s\"} 34\n"
	     "n{dev=\"lo\",item=\"r\"} 5\nn{dev=\"lo\",item=\"s\"} 6\n");
}

/* Interfaces have names of any bytes but a few: quoted, and never one series twice. */
static void names_that_somebody_gave(void **state)
{
	(void)state;
	take(&rows_of_net, "a\"b\\: 1 2\n\xff: 3 4\n\xfe: 5 6\n\xc3\xa9: 7 8\na: x y\nb: 1\nb: 2\n",
	     "# HELP n N.\n# TYPE n gauge\nn{dev=\"a\\\"b\\\\\",item=\"r\"} 1\n"
	     "n{dev=\"a\\\"b\\\\\",item=\"s\"} 2\nn{dev=\"\xef\xbf\xbd\",item=\"r\"} 3\n"
	     "n{dev=\"\xef\xbf\xbd\",item=\"s\"} 4\nn{dev=\"\xc3\xa9\",item=\"r\"} 7\n"
	     "n{dev=\"\xc3\xa9\",item=\"s\"} 8\nn{dev=\"b\",item=\"r\"} 1\n");
}

static void values_that_are_none(void **state)
{
	static const char *const bad[] = { "", "-1", "1.", ".5", "1.2.3", "nan", "1e5", "1 2", "0x10" };
	const struct metrics_label label = { "l", "line\nbreak" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		metrics_text_add(&t, &rows_of_net, NULL, 0, bad[i]);
	assert_string_equal(buf, "");
	metrics_text_add(&t, &rows_of_net, &label, 1, "1.5");
	assert_string_equal(buf, "# HELP n N.\n# TYPE n gauge\nn{l=\"line\\nbreak\"} 1.5\n");
	assert_null(prometheus_problem(buf));
}

/* A number too large for its unit, and a text too long for the buffer: whole lines, and no header
 * without a line. */
static void too_large(void **state)
{
	const struct metrics_family f = { "a", "A.", "gauge", "", METRICS_ALL_KEYS, METRICS_BYTES, 0, "",
					  NULL, NULL };
	char line[32];

	(void)state;
	take(&f, "x 18446744073709551615 kB\ny 99999999999999999999\n", "");
	for (unsigned int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "key%u 1\n", i);
		metrics_text_add_file(&t, &f, line);
	}
	assert_null(prometheus_problem(buf));
	assert_true(t.out.len > sizeof(buf) - 40 && str_ok(&t.out));
	for (unsigned int i = 0; i < sizeof(buf); i++) {
		struct str s;

		str_init(&s, buf, i);
		t.out = s;
		t.family = NULL;
		memset(t.seen, 0, 2 * METRICS_SERIES_MAX * sizeof(*t.seen));
		t.n_series = 0;
		metrics_text_add(&t, &f, NULL, 0, "1");
		assert_true(!t.out.len || t.out.len == strlen("# HELP a A.\n# TYPE a gauge\na 1\n"));
	}
}

static void the_reader_is_strict(void **state)
{
	static const char *const bad[] = {
		"a 1\n", "# HELP a A.\n", "# HELP a A.\na 1\n", "# HELP a A.\n# TYPE a gauge\n",
		"# HELP a A.\n# TYPE a gauge\nb 1\n", "# HELP a A.\n# TYPE a gauge\na 1",
		"# HELP a A.\n# TYPE a gauge\na 1\na 2\n", "# HELP a A.\n# TYPE a gauge\na x\n",
		"# HELP a A.\n# TYPE a gaug\na 1\n", "# HELP a A.\n# TYPE b gauge\na 1\n",
		"# HELP a A.\n# TYPE a gauge\na{} 1\n", "# HELP a A.\n# TYPE a gauge\na{l=1} 1\n",
		"# HELP a A.\n# TYPE a gauge\na{l=\"\\x\"} 1\n", "# HELP a A.\n# TYPE a gauge\na{l=\"\xff\"} 1\n",
		"# HELP a A.\n# TYPE a gauge\na{l=\"b} 1\n",
		"# HELP a A.\n# TYPE a gauge\na 1\n# HELP b B.\n# TYPE b gauge\nb 1\n# HELP a A.\n# TYPE a gauge\na{l=\"1\"} 1\n",
	};
	static const char good[] =
		"# HELP a A.\n# TYPE a counter\na 1\na{l=\"\\\\\\\"\\n}\",m=\"\"} 1.5\n";

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (!prometheus_problem(bad[i]))
			fail_msg("taken: %s", bad[i]);
	assert_null(prometheus_problem(good));
	assert_null(prometheus_problem(""));
	assert_true(strncmp(prometheus_value(good, "a"), "1\n", 2) == 0);
	assert_null(prometheus_value(good, "b"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fields),
		TEST(a_process),
		TEST(keys),
		TEST(names_of_memory),
		TEST(rows),
		TEST(names_that_somebody_gave),
		TEST(values_that_are_none),
		TEST(too_large),
		TEST(the_reader_is_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
