/* SPDX-License-Identifier: Apache-2.0 */
/* GetMetrics: text that Prometheus takes, with every family of which there is a source. */
#include "lib/cases.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/num.h"
#include "prometheus.h"

#define LIMIT_MS 60000 /* against hangs only */

static char *text; /* of the last scrape */

static int forget(void **state)
{
	(void)state;
	free(TAKE_PTR(text));
	return 0;
}

/* The reply's one member, as it was before JSON. */
static void scrape(struct rig *r)
{
	struct err e = { 0 };
	struct arena a;
	yyjson_doc *doc;
	const char *at;

	assert_done(r, rig_call(r, "GetMetrics", "{}"));
	arena_init(&a, 8 << 20);
	doc = json_read(&a, r->reply, r->reply_len, &e);
	if (!doc)
		fail_msg("%s", e.msg);
	free(text);
	text = strdup(yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "metrics")));
	arena_fini(&a);
	at = prometheus_problem(text);
	if (at)
		fail_msg("not in the format: %.200s", at);
}

static uint64_t value_of(const char *series)
{
	const char *at = prometheus_value(text, series);

	if (!at)
		fail_msg("no %s in: %s", series, text);
	return strtoull(at, NULL, 10);
}

static void families(void **state)
{
	static const char *const want[] = {
		"kata_agent_threads", "kata_agent_total_time", "kata_agent_total_vm",
		"kata_agent_total_rss", "kata_agent_proc_status{item=\"vmrss\"}",
		"kata_agent_proc_status{item=\"nonvoluntary_ctxt_switches\"}",
		"kata_agent_proc_stat{item=\"cstime\"}", "kata_agent_io_stat{item=\"rchar\"}",
		"kata_guest_load{item=\"load15\"}",
		"kata_guest_tasks{item=\"max\"}", "kata_guest_cpu_time{cpu=\"total\",item=\"idle\"}",
		"kata_guest_cpu_time{cpu=\"0\",item=\"guest_nice\"}",
		"kata_guest_netdev_stat{interface=\"lo\",item=\"sent_compressed\"}",
		"kata_guest_meminfo{item=\"mem_available\"}",
		"kata_guest_meminfo{item=\"s_reclaimable\"}", "kata_guest_vm_stat{item=\"pgfault\"}",
	};
	struct rig *r = cases_rig;

	(void)state;
	scrape(r);
	for (size_t i = 0; i < COUNT_OF(want); i++)
		(void)value_of(want[i]);
	assert_int_equal(value_of("kata_agent_threads"), 1);
	assert_int_equal(value_of("kata_agent_total_vm") / 1024,
			 value_of("kata_agent_proc_status{item=\"vmsize\"}"));
	assert_true(value_of("kata_guest_meminfo{item=\"mem_total\"}") >
		    value_of("kata_guest_meminfo{item=\"mem_free\"}"));
	assert_true(value_of("kata_guest_meminfo{item=\"mem_total\"}") > 64 << 20);
}

static void scrapes_are_counted(void **state)
{
	struct rig *r = cases_rig;
	uint64_t before;

	(void)state;
	scrape(r);
	before = value_of("kata_agent_scrape_count");
	scrape(r);
	assert_int_equal(value_of("kata_agent_scrape_count"), before + 1);
}

/* A container's root is one; its numbers are those that the container itself sees. */
static void file_systems(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = { .args = "[\"sleep\",\"100\"]" };
	const char *id = rig_id(r), *at;
	char series[256];
	uint64_t total, end = clock_after(LIMIT_MS);

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_done(r, rig_exec(r, id, "e", "stat -f -c '%b %S %c' /"));
	assert_true(rig_read(r, "ReadStdout", id, "e") > 0);
	at = strchr(r->reply, ' ');
	assert_non_null(at);
	total = strtoull(r->reply, NULL, 10) * strtoull(at, NULL, 10);
	snprintf(series, sizeof(series),
		 "kata_guest_filesystem_bytes{mount=\"/run/kata-containers/%s/rootfs\",device=\"overlay\",item=\"total\"}",
		 id);
	do /* the agent's patience with file systems has an end (METRICS_LOOK_MS) */
		scrape(r);
	while (!prometheus_value(text, series) && clock_ms() < end);
	assert_int_equal(value_of(series), total);
	memcpy(strstr(series, "_bytes"), "_inode", 6);
	assert_done(r, rig_remove(r, id));
	scrape(r);
	assert_null(strstr(text, id));
}

/* A name that is no text, given by somebody with the capability: the scrape stays a text. */
static void an_interface_with_a_strange_name(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_int_equal(rig_guest(r, "ip link add $(printf 'a\\\\042\\\\377') type veth"), 0);
	scrape(r);
	assert_int_equal(value_of("kata_guest_netdev_stat{interface=\"a\\\"\xef\xbf\xbd\",item=\"sent_errs\"}"), 0);
	assert_int_equal(rig_guest(r, "ip link del $(printf 'a\\\\042\\\\377')"), 0);
}

#define CASE(f) cmocka_unit_test_teardown(f, forget)

const struct CMUnitTest cases_metrics[] = {
	CASE(families),
	CASE(scrapes_are_counted),
	CASE(file_systems),
	CASE(an_interface_with_a_strange_name),
	{ 0 },
};
