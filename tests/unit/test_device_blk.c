/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that was pulled, in a made-up sysfs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "device/device.h"
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

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(pulled) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
