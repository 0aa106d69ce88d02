/* SPDX-License-Identifier: Apache-2.0 */
/* Network cards that are plugged while the machine runs, behind the root port of the disks' machine. */
#include "lib/cases.h"

#define MAC	  "02:00:00:00:00:0d"
#define INTERFACE "{\"interface\":{\"hwAddr\":\"" MAC "\",\"devicePath\":\"" DISKS_PORT_PATH "\"," \
		  "\"name\":\"eth0\",\"IPAddresses\":[{\"address\":\"10.1.2.3\",\"mask\":\"24\"}]}}"

static void qmp(const char *command, const char *arguments)
{
	struct rig *r = cases_rig;

	if (vm_qmp(r->vm, command, arguments, NULL, 0, &r->err) < 0)
		fail_msg("%s", r->err.msg);
}

static void plug(void)
{
	qmp("device_add",
	    "{\"driver\":\"virtio-net-pci\",\"id\":\"nic\",\"netdev\":\"hub\",\"bus\":\"rootport\",\"addr\":\"0\",\"mac\":\"" MAC "\"}");
}

/* The host's word and the guest's consent. */
static void unplug(void)
{
	struct rig *r = cases_rig;

	qmp("device_del", "{\"id\":\"nic\"}");
	assert_comes_true(r, "! grep -q " MAC " /sys/class/net/*/address");
	assert_true(rig_await_unplugged(r, "nic"));
}

static void is_set(void)
{
	struct rig *r = cases_rig;

	assert_int_equal(rig_guest(r, "ip addr show eth0"), 0);
	assert_output(r, "link/ether " MAC);
	assert_output(r, "inet 10.1.2.3/24");
	assert_output(r, "LOWER_UP");
}

static void plugged_before_and_after(void **state)
{
	static struct rig_pending p;
	struct rig *r = cases_rig;

	(void)state;
	qmp("netdev_add", "{\"type\":\"hubport\",\"hubid\":0,\"id\":\"hub\"}");
	plug();
	assert_done(r, rig_call(r, "UpdateInterface", INTERFACE));
	is_set();
	unplug();

	rig_send(r, r->client, RIG_CALL_MS, &p, "UpdateInterface", INTERFACE);
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}")); /* it waits for the card by now */
	assert_false(p.done);
	plug();
	r->err.rc = (uint16_t)rig_await(r, &p);
	r->err = p.err;
	assert_done(r, p.err.rc);
	is_set();
	unplug();
}

static void never_plugged(void **state)
{
	static struct rig_pending p;
	struct rig *r = cases_rig;

	(void)state;
	rig_send(r, r->client, 2000, &p, "UpdateInterface", INTERFACE);
	rig_await(r, &p);
	r->err = p.err;
	assert_rc(r, p.err.rc, RC_DEADLINE_EXCEEDED,
		  "interface not available: device " DISKS_PORT_PATH " (network interface)");
}

const struct CMUnitTest cases_nic[] = {
	cmocka_unit_test(plugged_before_and_after),
	cmocka_unit_test(never_plugged),
	{ 0 },
};
