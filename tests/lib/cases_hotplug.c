/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processors and memory that come into use while the machine runs, or never do. VM only; see
 * hotplug_of() in cases_plug.c. Under emulation Linux 6.12 takes no processor that was not there at
 * boot (it knows of no hypervisor, acpi_is_processor_usable()): here all are there and the kernel
 * leaves them alone (maxcpus=1) until the agent is asked. What is not shown is the processor's coming.
 */
#include "lib/cases.h"

#include <stdio.h>

#include "base/clock.h"

#define LIMIT_MS   60000 /* against hangs only */
#define MB	   (1ull << 20)
#define DIMM_BYTES "134217728"

static void qmp(const char *command, const char *arguments)
{
	struct rig *r = cases_rig;

	if (vm_qmp(r->vm, command, arguments, NULL, 0, &r->err) < 0)
		fail_msg("%s %s: %s", command, arguments, r->err.msg);
}

static void plug_dimm(int i)
{
	char arguments[160];

	snprintf(arguments, sizeof(arguments),
		 "{\"qom-type\":\"memory-backend-memfd\",\"id\":\"dimm%d-memory\",\"size\":" DIMM_BYTES ",\"share\":true}", i);
	qmp("object-add", arguments);
	snprintf(arguments, sizeof(arguments), "{\"driver\":\"pc-dimm\",\"id\":\"dimm%d\",\"memdev\":\"dimm%d-memory\"}", i, i);
	qmp("device_add", arguments);
}

/* A number that the guest's shell prints. */
static unsigned long long number(const char *script)
{
	struct rig *r = cases_rig;

	assert_int_equal(rig_guest(r, script), 0);
	return strtoull(r->reply, NULL, 10);
}

#define CPUS   "grep -c ^processor /proc/cpuinfo"
#define MEMORY "grep MemTotal: /proc/meminfo | tr -dc 0-9"

/* Where version 1 keeps what a group may use; version 2's follows by itself. */
static void can_use(const char *id, const char *cpus)
{
	struct rig *r = cases_rig;

	assert_done(r, rig_exec(r, id, "look", "grep Cpus_allowed_list /proc/self/status | cut -f 2"));
	assert_true(rig_read(r, "ReadStdout", id, "look") > 0);
	assert_string_equal(r->reply, cpus);
	assert_int_equal(rig_wait(r, id, "look"), 0);
}

static void processors_come_into_use(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container free = { .args = "[\"sleep\",\"1000\"]", .linux = ",\"CgroupsPath\":\"/pod/free\"" };
	struct rig_container bound = { .args = "[\"sleep\",\"1000\"]",
				       .linux = ",\"CgroupsPath\":\"/pod/bound\",\"Resources\":{\"CPU\":{\"Cpus\":\"0\"}}" };

	(void)state;
	assert_done(r, rig_run(r, "free", &free));
	assert_done(r, rig_run(r, "bound", &bound));
	assert_int_equal(number(CPUS), 1);
	assert_done(r, rig_call(r, "OnlineCPUMem", "{\"nb_cpus\":2,\"cpu_only\":true}"));
	assert_int_equal(number(CPUS), 2);
	can_use("free", "0-1\n");
	assert_rc(r, rig_call_on(r, r->client, 6000, "OnlineCPUMem", "{\"nb_cpus\":4,\"cpu_only\":true}"),
		  RC_DEADLINE_EXCEEDED, "3 of 4 processors are in use: no more have come");
	assert_done(r, rig_call(r, "OnlineCPUMem", "{\"nb_cpus\":3}"));
	can_use("free", "0-2\n");
	can_use("bound", "0\n");
	assert_done(r, rig_remove(r, "free"));
	assert_done(r, rig_remove(r, "bound"));
}

/* The first by the host's word, as it is given when no processor has come; the second comes while
 * nobody asks. The kernel takes a part for the description of the pages. */
static void memory_comes(void **state)
{
	struct rig *r = cases_rig;
	unsigned long long before;
	uint64_t end;

	(void)state;
	if (!rig_has_acpi()) {
		skip();
		return;
	}
	before = number(MEMORY);
	plug_dimm(1);
	end = clock_after(LIMIT_MS);
	do {
		assert_done(r, rig_call(r, "OnlineCPUMem", "{}"));
	} while (number(MEMORY) * 1024 < before * 1024 + 120 * MB && clock_ms() < end);
	assert_true(number(MEMORY) * 1024 >= before * 1024 + 120 * MB);

	plug_dimm(2);
	end = clock_after(LIMIT_MS);
	while (number(MEMORY) * 1024 < before * 1024 + 240 * MB && clock_ms() < end)
		;
	assert_true(number(MEMORY) * 1024 >= before * 1024 + 240 * MB);
}

const struct CMUnitTest cases_hotplug[] = {
	cmocka_unit_test(processors_come_into_use),
	cmocka_unit_test(memory_comes),
	{ 0 },
};
