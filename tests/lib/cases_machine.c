/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that change the whole machine: VM only. */
#include "lib/cases.h"

static void the_clock(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, rig_call(r, "SetGuestDateTime", "{\"Sec\":\"2000000000\",\"Usec\":\"999999\"}"));
	assert_int_equal(rig_shell(r, "date -u +%Y-%m-%d"), 0);
	assert_string_equal(r->reply, "2033-05-18\n");
	assert_rc(r, rig_call(r, "SetGuestDateTime", "{\"Sec\":\"1\",\"Usec\":\"1000000\"}"),
		  RC_INVALID_ARGUMENT, "are no time");
	assert_rc(r, rig_call(r, "SetGuestDateTime", "{\"Sec\":\"-1\"}"), RC_INVALID_ARGUMENT,
		  "are no time");
}

static void randomness(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, rig_call(r, "ReseedRandomDev", "{\"data\":\"c29tZSByYW5kb20gYnl0ZXMgb2YgdGhlIGhvc3Q=\"}"));
	assert_rc(r, rig_call(r, "ReseedRandomDev", "{}"), RC_INVALID_ARGUMENT, "data: 0 bytes");
}

/* One processor is all there is; more are waited for, and then told. */
static void processors(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, rig_call(r, "OnlineCPUMem", "{}"));
	assert_done(r, rig_call(r, "OnlineCPUMem", "{\"nb_cpus\":1}"));
	assert_done(r, rig_call(r, "OnlineCPUMem", "{\"nb_cpus\":1,\"cpu_only\":true}"));
	assert_rc(r, rig_call_on(r, r->client, 3000, "OnlineCPUMem", "{\"nb_cpus\":64}"),
		  RC_DEADLINE_EXCEEDED, "of 64 processors are in use: no more have come");
	assert_rc(r, rig_call(r, "OnlineCPUMem", "{\"nb_cpus\":4294967295}"), RC_INVALID_ARGUMENT,
		  "nb_cpus 4294967295");
}

static void swap(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_rc(r, rig_call(r, "AddSwapPath", "{\"path\":\"/run/none\"}"), RC_NOT_FOUND,
		  "swap on /run/none");
	assert_rc(r, rig_call(r, "AddSwapPath", "{\"path\":\"/dev/null\"}"), RC_INVALID_ARGUMENT,
		  "swap on /dev/null");
	assert_rc(r, rig_call(r, "AddSwap", "{\"PCIPath\":[255]}"), RC_INVALID_ARGUMENT, "PCI path");
	assert_rc(r, rig_call(r, "AddSwap", "{}"), RC_INVALID_ARGUMENT, "PCI path");
	assert_rc(r, rig_call(r, "MemHotplugByProbe", "{\"memHotplugProbeAddr\":[\"4294967296\"]}"),
		  RC_FAILED_PRECONDITION, "this kernel has no");
	assert_done(r, rig_call(r, "MemHotplugByProbe", "{}"));
}

const struct CMUnitTest cases_machine[] = {
	cmocka_unit_test(randomness),
	cmocka_unit_test(processors),
	cmocka_unit_test(swap),
	cmocka_unit_test(the_clock),
	{ 0 },
};
