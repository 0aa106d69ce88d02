/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that nobody uses goes back: what a container has read, and free memory in one piece. */
#include "base/clock.h"
#include "lib/cases.h"

#define SHARED "/run/kata-containers/shared/containers"
#define BIG    (16 << 20)
#define LIMIT_MS 120000 /* against hangs only */

static struct rig rig;

/* A file that is worth reclaiming. */
static int add_file(struct rig *r)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"head -c 16777216 /dev/urandom >\"$1/big\"",
			 (char *)"sh", r->rootfs, NULL };

	return rig_program(r, argv) == 0 ? 0 : -1;
}

/* A number of the guest's, out of a file of it. */
static long number(const char *script)
{
	assert_int_equal(rig_guest(&rig, script), 0);
	return strtol(rig.reply, NULL, 10);
}

static void idle_files(void **state)
{
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"cat /big >/dev/null; echo read; exec sleep 1000\"]",
		.root = SHARED,
		.storages = ",{\"driver\":\"virtio-fs\",\"source\":\"rootfs\",\"fstype\":\"virtiofs\","
			    "\"mount_point\":\"" SHARED "\"}",
	};
	static const char file[] = "grep '^file ' /groups/mote-test/reader/memory.stat | cut -d' ' -f2";
	uint64_t end;

	(void)state;
	assert_done(&rig, rig_run(&rig, "reader", &what));
	assert_true(rig_read_until(&rig, "ReadStdout", "reader", "", "read\n") >= 0);
	assert_true(number(file) >= BIG);
	assert_done(&rig, rig_call(&rig, "MemAgentMemcgSet",
				   "{\"disabled\":false,\"period_secs\":\"1\",\"eviction_run_aging_count_min\":\"1\"}"));
	end = clock_after(LIMIT_MS);
	while (number(file) > BIG / 4 && clock_ms() < end)
		;
	assert_true(number(file) <= BIG / 4);
	assert_done(&rig, rig_call(&rig, "MemAgentMemcgSet", "{\"disabled\":true}"));
	assert_done(&rig, rig_remove(&rig, "reader"));
}

static void free_memory(void **state)
{
	static const char scanned[] = "grep '^compact_free_scanned ' /guest/vmstat | cut -d' ' -f2";
	long before = number(scanned);
	uint64_t end;

	(void)state;
	assert_done(&rig, rig_call(&rig, "MemAgentCompactSet",
				   "{\"disabled\":false,\"period_secs\":\"1\",\"compact_force_times\":\"1\"}"));
	end = clock_after(LIMIT_MS);
	while (number(scanned) == before && clock_ms() < end)
		;
	assert_true(number(scanned) > before);
	assert_done(&rig, rig_call(&rig, "MemAgentCompactSet", "{\"disabled\":true}"));
}

static void settings_refused(void **state)
{
	static const struct {
		const char *method, *text, *part;
	} rows[] = {
		{ "MemAgentMemcgSet", "{\"period_secs\":\"0\"}", "period_secs: not 1 to" },
		{ "MemAgentMemcgSet", "{\"swappiness_max\":201}", "swappiness_max: not 0 to 200" },
		{ "MemAgentMemcgSet", "{\"eviction_psi_percent_limit\":101}", "eviction_psi_percent_limit" },
		{ "MemAgentCompactSet", "{\"compact_order\":32}", "compact_order: not 0 to 31" },
		{ "MemAgentCompactSet", "{\"compact_sec_max\":\"-1\"}", "compact_sec_max" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_rc(&rig, rig_call(&rig, rows[i].method, "%s", rows[i].text), RC_INVALID_ARGUMENT,
			  rows[i].part);
	assert_done(&rig, rig_call(&rig, "MemAgentMemcgSet", "{}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_files),
		cmocka_unit_test(free_memory),
		cmocka_unit_test(settings_refused),
	};
	const char *missing = rig_missing(RIG_VM);
	int failed;

	if (missing) {
		printf("%s\n", missing);
		return 77;
	}
	if (getenv("MOTE_ONLY"))
		cmocka_set_test_filter(getenv("MOTE_ONLY"));
	rig.prepare = add_file;
	rig.vm_opts.n_shares = 1;
	/* an emulated machine waits for memory more than it should */
	rig.vm_opts.cmdline = "agent.mem_agent_enable=true agent.mem_agent_memcg_disable=true "
			      "agent.mem_agent_compact_disable=true agent.mem_agent_memcg_period_psi_percent_limit=100 "
			      "agent.mem_agent_memcg_eviction_psi_percent_limit=100 "
			      "agent.mem_agent_compact_period_psi_percent_limit=100 "
			      "agent.mem_agent_compact_psi_percent_limit=100 agent.log=debug";
	failed = rig_start(&rig, RIG_VM) < 0 ||
		 cmocka_run_group_tests_name("memory given back", tests, NULL, NULL);
	rig_stop(&rig);
	return failed;
}
