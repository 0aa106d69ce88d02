/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks that are in a made-up sysfs and cannot be used: one that was pulled, one that does not open yet. A
 * socket in the place of the node fails as the kernel does then, with ENXIO.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "device/rows.h"
#include "event/child.h"
#include "event/job.h"
#include "fake_tree.h"

#define DISK "pci0000:00/0000:00:02.0/virtio0"

/* Its directory is still there; nothing can be done with it. */
static void pulled(void **state)
{
	struct device_need need;
	struct device_found found;
	struct fake_tree tree;
	struct err e = { 0 };

	(void)state;
	fake_tree_new(&tree);
	assert_int_equal(device_need_set(&need, DEVICE_BLK_PCI, "02", &e), 0);
	fake_disk(&tree, DISK, "vda", "254:0\n");
	fake_file(&tree, "sys/devices/" DISK "/block/vda/size", "0\n");
	assert_int_equal(device_find(tree.sys, &need, &found, &e), 0);
	fake_file(&tree, "sys/devices/" DISK "/block/vda/size", "16384\n");
	assert_int_equal(device_find(tree.sys, &need, &found, &e), 1);
	fake_tree_free(&tree);
}

/* --- one that does not open yet ------------------------------------------------------------- */

static struct fake_tree tree;
static struct loop *loop;
static struct device_monitor *monitor;

static struct answer {
	unsigned int n;
	struct err e;
	struct device_found found;
} answer;

static sigset_t no_signals;

static int setup(void **state)
{
	struct err e = { 0 };

	(void)state;
	answer = (struct answer){ 0 };
	fake_tree_new(&tree);
	clock_fake(1000);
	loop = loop_new();
	assert_non_null(loop);
	assert_int_equal(reaper_start(loop, &no_signals, NULL), 0);
	monitor = device_monitor_new(loop, tree.sys, &e);
	assert_non_null(monitor);
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

static void answered(void *owner, const struct err *e, const struct device_found *found)
{
	struct answer *a = owner;

	a->n++;
	a->e = *e;
	if (found)
		a->found = *found;
}

/* A disk that nobody has read from; closed: its node does not open. */
static void new_disk(bool closed)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd;

	fake_disk(&tree, DISK, "vda", "254:0\n");
	fake_file(&tree, "sys/devices/" DISK "/block/vda/stat", "       0        0        0        0\n");
	if (!closed)
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(unlinkat(tree.fd, "dev/vda", 0), 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/dev/vda", tree.fd);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	close(fd);
}

static void node_opens(void)
{
	assert_int_equal(unlinkat(tree.fd, "dev/vda", 0), 0);
	fake_file(&tree, "dev/vda", "");
}

static void wait_for_disk(void)
{
	struct device_need need;
	struct err e = { 0 };

	assert_int_equal(device_need_set(&need, DEVICE_BLK_PCI, "02", &e), 0);
	assert_non_null(device_wait_start(monitor, &need, 4000, answered, &answer, &e));
}

/* Until nothing more happens by itself. */
static void settle(void)
{
	do
		loop_once(loop, job_running_count() ? -1 : 0);
	while (job_running_count());
	while (loop_once(loop, 0) > 0)
		;
}

static void block_event(void)
{
	struct uevent ev = { .action = UEVENT_ADD, .devpath = "/devices/x", .subsystem = "block",
			     .devname = "x", .devtype = "", .interface = "", .driver = "" };

	device_monitor_feed(monitor, &ev);
}

static void opens(void **state)
{
	(void)state;
	new_disk(false);
	wait_for_disk();
	settle();
	assert_int_equal(answer.n, 1);
	assert_string_equal(answer.found.node, "/dev/vda");
}

/* The answer waits for the event that tells that it does. */
static void opens_later(void **state)
{
	(void)state;
	new_disk(true);
	wait_for_disk();
	settle();
	assert_int_equal(answer.n, 0);
	node_opens();
	settle();
	assert_int_equal(answer.n, 0);
	block_event();
	settle();
	assert_int_equal(answer.n, 1);
	assert_int_equal(answer.e.rc, RC_OK);
	assert_string_equal(answer.found.node, "/dev/vda");
}

/* An event while it is being opened is not lost. */
static void opens_meanwhile(void **state)
{
	(void)state;
	new_disk(true);
	wait_for_disk();
	while (!job_running_count())
		loop_once(loop, 0);
	block_event();
	loop_once(loop, 0);
	block_event();
	node_opens();
	settle();
	assert_int_equal(answer.n, 1);
	assert_int_equal(answer.e.rc, RC_OK);
}

static void never_opens(void **state)
{
	(void)state;
	new_disk(true);
	wait_for_disk();
	settle();
	clock_fake(4000);
	settle();
	assert_int_equal(answer.n, 1);
	assert_int_equal(answer.e.rc, RC_DEADLINE_EXCEEDED);
	assert_string_equal(answer.e.msg, "device 02 (virtio-blk): not there after 3000 ms; "
					  "open /dev/vda: No such device or address (ENXIO); saw: vda at 02");
}

/* Another fault is nothing that passes; here that of a file which nobody may read. */
static void cannot_open(void **state)
{
	(void)state;
	new_disk(false);
	assert_int_equal(unlinkat(tree.fd, "dev/vda", 0), 0);
	assert_int_equal(symlinkat("/proc/sys/vm/drop_caches", tree.fd, "dev/vda"), 0);
	wait_for_disk();
	settle();
	assert_int_equal(answer.n, 1);
	assert_string_equal(answer.e.msg, "open /dev/vda: Permission denied (EACCES)");
}

int main(void)
{
#define WITH_TREE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pulled),   WITH_TREE(opens),	    WITH_TREE(opens_later),
		WITH_TREE(opens_meanwhile), WITH_TREE(never_opens), WITH_TREE(cannot_open),
	};

	sigemptyset(&no_signals);
	reaper_block_signals(&no_signals);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
