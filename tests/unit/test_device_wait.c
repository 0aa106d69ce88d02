/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for devices of a made-up sysfs: the clock is the test's, and so are the events, which come
 * through the seam behind the uevent socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/clock.h"
#include "device/rows.h"
#include "event/child.h"
#include "event/job.h"
#include "fake_tree.h"

#define PCI2	"pci0000:00/0000:00:02.0"
#define BRIDGED	"pci0000:00/0000:00:03.0/0000:01:01.0"

static struct fake_tree tree;
static sigset_t no_signals;
static struct loop *loop;
static struct device_monitor *monitor;

static struct answer {
	unsigned int n;
	struct err e;
	struct device_found found;
	struct device_wait *cancel;	/* by the callback */
	struct device_need *again;	/* waited for by the callback */
} answers[2];

static int setup(void **state)
{
	struct err e = { 0 };

	(void)state;
	fake_tree_new(&tree);
	memset(answers, 0, sizeof(answers));
	clock_fake(1000);
	loop = loop_new();
	assert_non_null(loop);
	assert_int_equal(reaper_start(loop, &no_signals, NULL), 0);
	monitor = device_monitor_new(loop, tree.sys, &e);
	if (!monitor)
		fail_msg("%s", e.msg);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	device_monitor_free(monitor);
	reaper_stop();
	loop_free(loop);
	clock_fake(CLOCK_NEVER);
	fake_tree_free(&tree);
	return 0;
}

static struct device_need need(enum device_kind kind, const char *id)
{
	struct device_need n;
	struct err e = { 0 };

	if (device_need_set(&n, kind, id, &e) < 0)
		fail_msg("%s", e.msg);
	return n;
}

static void answered(void *owner, const struct err *e, const struct device_found *found)
{
	struct answer *a = owner;

	a->n++;
	a->e = *e;
	assert_true(err_is_set(e) == !found);
	if (found)
		a->found = *found;
	device_wait_cancel(TAKE_PTR(a->cancel));
	if (a->again) {
		struct err err = { 0 };

		assert_non_null(device_wait_start(monitor, TAKE_PTR(a->again), clock_after(1000),
						  answered, a, &err));
	}
}

static struct device_wait *wait_for(enum device_kind kind, const char *id, uint64_t ms,
				    struct answer *a)
{
	struct device_need n = need(kind, id);
	struct err e = { 0 };
	struct device_wait *w = device_wait_start(monitor, &n, clock_after(ms), answered, a, &e);

	assert_non_null(w);
	assert_int_equal(a->n, 0);	/* never inside the call */
	return w;
}

/* Everything that can happen now, happens. */
static void turn(void)
{
	while (loop_once(loop, 0) > 0)
		;
}

static void event(const char *subsystem, enum uevent_action action)
{
	struct uevent ev = { .action = action,
			     .devpath = "/devices/x",
			     .subsystem = subsystem,
			     .devname = "x",
			     .devtype = "",
			     .interface = "",
			     .driver = "" };

	device_monitor_feed(monitor, &ev);
	turn();
}

/* --- waiting ------------------------------------------------------------------------------- */

static void wait_cold_plugged(void **state)
{
	(void)state;
	fake_disk(&tree, PCI2 "/virtio0", "vda", "254:0\n");
	wait_for(DEVICE_BLK_PCI, "02", 3000, &answers[0]);
	turn();
	assert_int_equal(answers[0].n, 1);
	assert_string_equal(answers[0].found.node, "/dev/vda");
}

static void wait_hotplugged(void **state)
{
	(void)state;
	wait_for(DEVICE_BLK_PCI, "02", 3000, &answers[0]);
	turn();
	event("net", UEVENT_ADD);
	event("block", UEVENT_ADD);	/* of another disk */
	assert_int_equal(answers[0].n, 0);
	fake_disk(&tree, PCI2 "/virtio0", "vda", "254:0\n");
	event("net", UEVENT_ADD);
	event("block", UEVENT_REMOVE);
	assert_int_equal(answers[0].n, 0);
	event("block", UEVENT_ADD);
	assert_int_equal(answers[0].n, 1);
	assert_string_equal(answers[0].found.node, "/dev/vda");
	clock_fake(10000);
	event("block", UEVENT_ADD);
	assert_int_equal(answers[0].n, 1);
}

/* Its directory was read under one name, and its number is asked for under that when it has another:
 * two cards that are given each other's names. */
static void wait_renamed(void **state)
{
	(void)state;
	fake_dir(&tree, "sys/devices/" PCI2 "/virtio0/net/eth0");
	wait_for(DEVICE_NET_PCI, "02", 3000, &answers[0]);
	turn();
	assert_int_equal(answers[0].n, 0);
	fake_file(&tree, "sys/devices/" PCI2 "/virtio0/net/mote5/ifindex", "5\n");
	event("net", UEVENT_MOVE);
	assert_int_equal(answers[0].n, 1);
	assert_string_equal(answers[0].found.node, "mote5");
	assert_int_equal(answers[0].found.ifindex, 5);
}

/* An event may be lost: sysfs is asked once more at the deadline. */
static void wait_found_at_deadline(void **state)
{
	(void)state;
	wait_for(DEVICE_BLK_NODE, "/dev/vda", 3000, &answers[0]);
	turn();
	fake_disk(&tree, PCI2 "/virtio0", "vda", "254:0\n");
	clock_fake(3999);
	turn();
	assert_int_equal(answers[0].n, 0);
	clock_fake(4000);
	turn();
	assert_int_equal(answers[0].n, 1);
	assert_int_equal(answers[0].e.rc, RC_OK);
}

static void wait_timeout_tells(void **state)
{
	(void)state;
	fake_disk(&tree, PCI2 "/virtio0", "vda", "254:0\n");
	fake_file(&tree, "sys/devices/" PCI2 "/virtio0/block/vda/vda1/partition", "1\n");
	fake_link(&tree, "sys/class/block/vda1", "../../devices/" PCI2 "/virtio0/block/vda/vda1");
	fake_disk(&tree, "virtual", "loop0", "7:0\n");
	wait_for(DEVICE_BLK_PCI, "03/01", 3000, &answers[0]);
	turn();
	clock_fake(4000);
	turn();
	assert_int_equal(answers[0].n, 1);
	assert_int_equal(answers[0].e.rc, RC_DEADLINE_EXCEEDED);
	assert_string_equal(answers[0].e.msg, "device 03/01 (virtio-blk): not there after 3000 ms; "
					      "no PCI device 0000:00:03.0; saw: vda at 02");
}

static void wait_timeout_saw_none_or_many(void **state)
{
	(void)state;
	wait_for(DEVICE_NET_PCI, "02", 50, &answers[0]);
	turn();
	clock_fake(1050);
	turn();
	assert_string_equal(answers[0].e.msg,
			    "device 02 (network interface): not there after 50 ms; "
			    "no root complex pci0000:00; saw: none");
	for (int i = 0; i < 32; i++) {
		char device[64], name[16];

		snprintf(device, sizeof(device), "pci0000:00/0000:00:%02x.0/virtio%d", i, i);
		snprintf(name, sizeof(name), "vd%c%c", 'a' + i / 26, 'a' + i % 26);
		fake_disk(&tree, device, name, "254:0\n");
	}
	wait_for(DEVICE_BLK_NODE, "/dev/vdzz", 50, &answers[1]);
	turn();
	clock_fake(1100);
	turn();
	assert_int_equal(answers[1].n, 1);
	assert_non_null(strstr(answers[1].e.msg, "saw: vd"));
	assert_non_null(strstr(answers[1].e.msg, " more"));
}

static void wait_malformed(void **state)
{
	(void)state;
	fake_dir(&tree, "sys/devices/" PCI2 "/pci_bus/0000:01");
	fake_dir(&tree, "sys/devices/" PCI2 "/pci_bus/0000:02");
	wait_for(DEVICE_BLK_PCI, "02/01", 3000, &answers[0]);
	turn();
	assert_int_equal(answers[0].n, 1);
	assert_int_equal(answers[0].e.rc, RC_FAILED_PRECONDITION);
}

static void wait_cancelled(void **state)
{
	(void)state;
	fake_disk(&tree, PCI2 "/virtio0", "vda", "254:0\n");
	device_wait_cancel(wait_for(DEVICE_BLK_PCI, "02", 3000, &answers[0]));
	device_wait_cancel(wait_for(DEVICE_BLK_PCI, "07", 3000, &answers[0]));
	clock_fake(10000);
	turn();
	assert_int_equal(answers[0].n, 0);
	device_wait_cancel(NULL);
}

/* A callback may cancel another wait whose device came with the same event, and start new ones. */
static void wait_callback_meddles(void **state)
{
	static struct device_need next;

	(void)state;
	next = need(DEVICE_BLK_PCI, "03/01");
	wait_for(DEVICE_BLK_PCI, "02", 3000, &answers[0]);
	answers[0].cancel = wait_for(DEVICE_BLK_PCI, "02", 3000, &answers[1]);
	answers[0].again = &next;
	turn();
	fake_disk(&tree, PCI2 "/virtio0", "vda", "254:0\n");
	event("block", UEVENT_ADD);
	assert_int_equal(answers[0].n, 1);
	assert_int_equal(answers[1].n, 0);
	fake_disk(&tree, BRIDGED "/virtio1", "vdb", "254:16\n");
	event("block", UEVENT_CHANGE);
	assert_int_equal(answers[0].n, 2);
	assert_string_equal(answers[0].found.node, "/dev/vdb");
}

/* The waits that are left when the monitor goes are dropped without an answer; the tools for leaks
 * watch. */
static void wait_left_over(void **state)
{
	(void)state;
	wait_for(DEVICE_BLK_PCI, "02", CLOCK_NEVER, &answers[0]);
	turn();
	clock_fake(1u << 30);
	turn();
	assert_int_equal(answers[0].n, 0);
}

/* --- the scan of SCSI hosts ------------------------------------------------------------------ */

static void until_answer(struct answer *a)
{
	while (!a->n)
		loop_once(loop, -1);
}

static void wait_scsi_scans(void **state)
{
	char text[64];

	(void)state;
	fake_file(&tree, "sys/class/scsi_host/host0/scan", "");
	fake_file(&tree, "sys/class/scsi_host/host1/scan", "");
	wait_for(DEVICE_SCSI, "2:3", 3000, &answers[0]);
	while (io_read_file(tree.fd, "sys/class/scsi_host/host1/scan", text, sizeof(text)) == 0 ||
	       job_running_count())
		loop_once(loop, -1);
	assert_true(io_read_file(tree.fd, "sys/class/scsi_host/host0/scan", text, sizeof(text)) >
		    0);
	assert_string_equal(text, "0 2 3");
	assert_true(io_read_file(tree.fd, "sys/class/scsi_host/host1/scan", text, sizeof(text)) >
		    0);
	assert_string_equal(text, "0 2 3");
	fake_disk(&tree, PCI2 "/virtio2/host0/target0:0:2/0:0:2:3", "sda", "8:0\n");
	fake_link(&tree, "sys/bus/scsi/devices/0:0:2:3",
		  "../../../devices/" PCI2 "/virtio2/host0/target0:0:2/0:0:2:3");
	event("block", UEVENT_ADD);
	assert_int_equal(answers[0].n, 1);
	assert_string_equal(answers[0].found.node, "/dev/sda");
}

static void wait_scsi_no_host(void **state)
{
	(void)state;
	wait_for(DEVICE_SCSI, "2:3", 3000, &answers[0]);
	do
		loop_once(loop, -1);
	while (job_running_count());
	turn();
	clock_fake(4000);
	until_answer(&answers[0]);
	assert_string_equal(
		answers[0].e.msg,
		"device 2:3 (SCSI disk): not there after 3000 ms; no SCSI host adapter; saw: none");
}

int main(void)
{
#define WITH_TREE(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_TREE(wait_cold_plugged),
		WITH_TREE(wait_hotplugged),
		WITH_TREE(wait_renamed),
		WITH_TREE(wait_found_at_deadline),
		WITH_TREE(wait_timeout_tells),
		WITH_TREE(wait_timeout_saw_none_or_many),
		WITH_TREE(wait_malformed),
		WITH_TREE(wait_cancelled),
		WITH_TREE(wait_callback_meddles),
		WITH_TREE(wait_left_over),
		WITH_TREE(wait_scsi_scans),
		WITH_TREE(wait_scsi_no_host),
	};

	sigemptyset(&no_signals);
	reaper_block_signals(&no_signals);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
