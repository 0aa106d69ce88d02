/* SPDX-License-Identifier: Apache-2.0 */
/* PCI paths: their form, and the walk through a made-up sysfs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "device/rows.h"
#include "fake_tree.h"

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

static void form_good(void **state)
{
	static const struct {
		const char *text;
		unsigned int root;
		size_t n;
		unsigned int slot[3], function[3];
	} rows[] = {
		{ "02", 0, 1, { 2 }, { 0 } },
		{ "2", 0, 1, { 2 }, { 0 } },
		{ "02.1", 0, 1, { 2 }, { 1 } },
		{ "1f.7", 0, 1, { 0x1f }, { 7 } },
		{ "02/01", 0, 2, { 2, 1 }, { 0 } },
		{ "1F/00.3/0a", 0, 3, { 0x1f, 0, 0xa }, { 0, 3, 0 } },
		{ "20/00/02", 0x20, 2, { 0, 2 }, { 0 } },
		{ "ff/01/02.5", 0xff, 2, { 1, 2 }, { 0, 5 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pci_path p;
		struct err e = { 0 };

		if (pci_path_parse(rows[i].text, &p, &e) < 0)
			fail_msg("%s: %s", rows[i].text, e.msg);
		assert_int_equal(p.root, rows[i].root);
		assert_int_equal(p.n, rows[i].n);
		for (size_t k = 0; k < p.n; k++) {
			assert_int_equal(p.at[k].slot, rows[i].slot[k]);
			assert_int_equal(p.at[k].function, rows[i].function[k]);
		}
	}
}

static void form_bad(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "element 1 is not SS or SS.F" },
		{ "2x", "element 1 is not SS or SS.F" },
		{ "/02", "element 1 is not SS or SS.F" },
		{ "02/", "element 2 is not SS or SS.F" },
		{ "02//01", "element 2 is not SS or SS.F" },
		{ "002", "element 1 is not SS or SS.F" },
		{ "+2", "element 1 is not SS or SS.F" },
		{ " 2", "element 1 is not SS or SS.F" },
		{ "02.", "element 1 is not SS or SS.F" },
		{ ".1", "element 1 is not SS or SS.F" },
		{ "02.11", "element 1 is not SS or SS.F" },
		{ "02.1.1", "element 1 is not SS or SS.F" },
		{ "02/..", "element 2 is not SS or SS.F" },
		{ "0000:00:02.0", "element 1 is not SS or SS.F" },
		{ "02.8", "element 1 has a function above 7" },
		{ "20", "element 1 has a slot above 1f" },
		{ "20/01", "element 1 has a slot above 1f" },
		{ "20.1/00/02", "element 1 has a slot above 1f" },
		{ "02/20/01", "element 2 has a slot above 1f" },
		{ "1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1", "element 17 is one too many" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pci_path p;
		struct err e = { 0 };

		if (pci_path_parse(rows[i].text, &p, &e) == 0)
			fail_msg("%s: taken", rows[i].text);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
		if (!strstr(e.msg, rows[i].why))
			fail_msg("%s: %s", rows[i].text, e.msg);
	}
}

static void resolves(const char *path, const char *want)
{
	char where[DEVICE_PATH_MAX];
	struct err e = { 0 };

	if (pci_path_resolve(tree.sys, path, where, &e) < 0)
		fail_msg("%s: %s", path, e.msg);
	assert_string_equal(where, want);
}

static void fails(const char *path, enum rc rc, const char *why)
{
	char where[DEVICE_PATH_MAX];
	struct err e = { 0 };

	assert_int_equal(pci_path_resolve(tree.sys, path, where, &e), -1);
	assert_int_equal(e.rc, rc);
	if (!strstr(e.msg, why))
		fail_msg("%s: %s", path, e.msg);
}

#define ROOT	"sys/devices/pci0000:00/"

static void walk_nested(void **state)
{
	(void)state;
	fake_dir(&tree, ROOT "0000:00:02.0/pci_bus/0000:01");
	fake_dir(&tree, ROOT "0000:00:02.0/0000:01:03.0/pci_bus/0000:05");
	fake_dir(&tree, ROOT "0000:00:02.0/0000:01:03.0/0000:05:1f.7");
	resolves("02", "/sys/devices/pci0000:00/0000:00:02.0");
	resolves("02/03", "/sys/devices/pci0000:00/0000:00:02.0/0000:01:03.0");
	resolves("02/03/1f.7", "/sys/devices/pci0000:00/0000:00:02.0/0000:01:03.0/0000:05:1f.7");
	fails("04", RC_NOT_FOUND, "no PCI device 0000:00:04.0");
	fails("02/04", RC_NOT_FOUND, "no PCI device 0000:01:04.0");
	fails("02.1", RC_NOT_FOUND, "no PCI device 0000:00:02.1");
	fails("02/03/1f.7/00", RC_NOT_FOUND, "0000:05:1f.7 is no bridge");
}

static void walk_other_root(void **state)
{
	(void)state;
	fake_dir(&tree, "sys/devices/pci0000:20/0000:20:00.0/pci_bus/0000:21");
	fake_dir(&tree, "sys/devices/pci0000:20/0000:20:00.0/0000:21:02.0");
	resolves("20/00/02", "/sys/devices/pci0000:20/0000:20:00.0/0000:21:02.0");
	fails("30/00/02", RC_NOT_FOUND, "no root complex pci0000:30");
	fails("02", RC_NOT_FOUND, "no root complex pci0000:00");
}

static void walk_platform(void **state)
{
	(void)state;
	fake_dir(&tree, "sys/devices/platform/soc/pci0000:00/0000:00:02.0");
	fake_dir(&tree, "sys/devices/platform/4010000000.pcie/pci0000:00/0000:00:02.0");
	resolves("02", "/sys/devices/platform/4010000000.pcie/pci0000:00/0000:00:02.0");
}

/* As riscv's virt machine has it; its bus holds other devices too, and a root of another number is none. */
static void walk_platform_bus(void **state)
{
	(void)state;
	fake_dir(&tree, "sys/devices/platform/10000000.serial/pci0000:00/0000:00:02.0");
	fake_dir(&tree, "sys/devices/platform/soc/10000000.serial/pci0000:00/0000:00:02.0");
	fails("02", RC_NOT_FOUND, "no root complex pci0000:00");
	fake_dir(&tree, "sys/devices/platform/soc/30000000.pci/pci0000:01/0000:01:02.0");
	fails("02", RC_NOT_FOUND, "no root complex pci0000:00");
	fake_dir(&tree, "sys/devices/platform/soc/30000000.pci/pci0000:00/0000:00:02.0/pci_bus/0000:01");
	fake_dir(&tree, "sys/devices/platform/soc/30000000.pci/pci0000:00/0000:00:02.0/0000:01:03.0");
	resolves("02/03", "/sys/devices/platform/soc/30000000.pci/pci0000:00/0000:00:02.0/0000:01:03.0");
}

static void walk_bus_by_children(void **state)
{
	(void)state;
	fake_dir(&tree, ROOT "0000:00:02.0/0000:07:00.0");
	fake_dir(&tree, ROOT "0000:00:02.0/0000:07:01.0");
	fake_dir(&tree, ROOT "0000:00:02.0/power");
	fake_dir(&tree, ROOT "0000:00:02.0/0000:00:02.0:pcie001");
	resolves("02/01", "/sys/devices/pci0000:00/0000:00:02.0/0000:07:01.0");
}

static void walk_bus_none_or_many(void **state)
{
	(void)state;
	fake_dir(&tree, ROOT "0000:00:02.0/pci_bus");
	fake_dir(&tree, ROOT "0000:00:03.0/pci_bus/0000:01");
	fake_dir(&tree, ROOT "0000:00:03.0/pci_bus/0000:02");
	fake_dir(&tree, ROOT "0000:00:04.0/0000:01:00.0");
	fake_dir(&tree, ROOT "0000:00:04.0/0000:02:00.0");
	fails("02/01", RC_NOT_FOUND, "0000:00:02.0 is no bridge");
	fails("03/01", RC_FAILED_PRECONDITION, "0000:00:03.0 has 2 buses behind it");
	fails("04/01", RC_FAILED_PRECONDITION, "0000:00:04.0 has 2 buses behind it");
}

/* Names that look nearly right must lead nowhere. */
static void walk_bad_names(void **state)
{
	(void)state;
	fake_dir(&tree, ROOT "0000:00:02.0/pci_bus/..0000:01");
	fake_dir(&tree, ROOT "0000:00:02.0/pci_bus/0000:1");
	fake_dir(&tree, ROOT "0000:00:02.0/pci_bus/0000:012");
	fake_dir(&tree, ROOT "0000:00:02.0/pci_bus/0000000000000000:01");
	fake_dir(&tree, ROOT "0000:00:02.0/0000:01:00.0x");
	fake_dir(&tree, ROOT "0000:00:02.0/0000:01:0.0");
	fails("02/00", RC_NOT_FOUND, "is no bridge");
	fake_file(&tree, ROOT "0000:00:03.0", "a file");
	fails("03", RC_INTERNAL, "0000:00:03.0");
}

static void walk_no_tree(void **state)
{
	char where[DEVICE_PATH_MAX];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(pci_path_resolve("/nowhere/sys", "02", where, &e), -1);
	assert_int_equal(e.rc, RC_NOT_FOUND);
}

static void back_to_path(void **state)
{
	static const struct {
		const char *sys, *want;
	} rows[] = {
		{ "/sys/devices/pci0000:00/0000:00:02.0", "02" },
		{ "/sys/devices/pci0000:00/0000:00:02.0/0000:01:1f.7/virtio3/block/vda",
		  "02/1f.7" },
		{ "../../devices/pci0000:20/0000:20:00.0/0000:21:02.0/virtio0", "20/00/02" },
		{ "/sys/devices/platform/4010000000.pcie/pci0000:00/0000:00:0a.0", "0a" },
		{ "/sys/devices/platform/soc/30000000.pci/pci0000:00/0000:00:10.0/virtio3/block/vda",
		  "10" },
		{ "/sys/devices/virtual/block/loop0", "" },
		{ "/sys/devices/pci0000:00", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char buf[64];
		struct str s = STR_OVER(buf);

		str_reset(&s);
		pci_path_of_syspath(rows[i].sys, &s);
		assert_string_equal(buf, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(form_good),
		cmocka_unit_test(form_bad),
		cmocka_unit_test_setup_teardown(walk_nested, setup, teardown),
		cmocka_unit_test_setup_teardown(walk_other_root, setup, teardown),
		cmocka_unit_test_setup_teardown(walk_platform, setup, teardown),
		cmocka_unit_test_setup_teardown(walk_platform_bus, setup, teardown),
		cmocka_unit_test_setup_teardown(walk_bus_by_children, setup, teardown),
		cmocka_unit_test_setup_teardown(walk_bus_none_or_many, setup, teardown),
		cmocka_unit_test_setup_teardown(walk_bad_names, setup, teardown),
		cmocka_unit_test_setup_teardown(walk_no_tree, setup, teardown),
		cmocka_unit_test(back_to_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
