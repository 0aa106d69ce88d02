/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the hypervisor's clock in made-up trees. What it says only a KVM guest can tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fake_tree.h"
#include "kernel/ptp.h"

static struct fake_tree tree;

static int setup(void **state)
{
	(void)state;
	fake_tree_new(&tree);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_tree_free(&tree);
	return 0;
}

static int host_time(void)
{
	struct timespec at;
	char class[128], dev[128];

	snprintf(class, sizeof(class), "%s/class/ptp", tree.sys);
	snprintf(dev, sizeof(dev), "%s/../dev", tree.sys);
	return ptp_host_time(class, dev, &at);
}

static void no_clocks(void **state)
{
	(void)state;
	assert_int_equal(host_time(), -ENODEV);
	fake_dir(&tree, "sys/class/ptp");
	assert_int_equal(host_time(), -ENODEV);
}

/* A network card's clock is not the host's. */
static void another_clock(void **state)
{
	(void)state;
	fake_file(&tree, "sys/class/ptp/ptp0/clock_name", "e1000e\n");
	fake_file(&tree, "dev/ptp0", "");
	assert_int_equal(host_time(), -ENODEV);
}

/* The second one is it; its node is missing, then no clock. */
static void bad_node(void **state)
{
	(void)state;
	fake_file(&tree, "sys/class/ptp/ptp0/clock_name", "e1000e\n");
	fake_file(&tree, "sys/class/ptp/ptp1/clock_name", "KVM virtual PTP\n");
	assert_int_equal(host_time(), -ENOENT);
	fake_file(&tree, "dev/ptp1", "");
	assert_int_equal(host_time(), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_clocks, setup, teardown),
		cmocka_unit_test_setup_teardown(another_clock, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_node, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
