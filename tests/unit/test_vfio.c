/* SPDX-License-Identifier: Apache-2.0 */
/* Handing PCI devices to vfio-pci in a made-up sysfs, which takes what is written and does nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "device/rows.h"
#include "device/vfio.h"
#include "fake_tree.h"

#define A "0000:01:00.0"
#define B "0000:01:00.1"

static struct fake_tree tree;

static int setup(void **state UNUSED)
{
	fake_tree_new(&tree);
	fake_dir(&tree, "sys/bus/pci/drivers/vfio-pci");
	fake_file(&tree, "sys/bus/pci/drivers_probe", "");
	return 0;
}

static int teardown(void **state UNUSED)
{
	fake_tree_free(&tree);
	return 0;
}

/* A device with its group; driver NULL: none. */
static void device(const char *address, const char *group, const char *driver)
{
	char path[128], to[128];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/driver_override", address);
	fake_file(&tree, path, "");
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/iommu_group", address);
	snprintf(to, sizeof(to), "../../../../kernel/iommu_groups/%s", group);
	if (group)
		fake_link(&tree, path, to);
	if (!driver)
		return;
	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/unbind", driver);
	fake_file(&tree, path, "");
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/driver", address);
	snprintf(to, sizeof(to), "../../drivers/%s", driver);
	fake_link(&tree, path, to);
}

static void holds(const char *path, const char *text)
{
	char buf[64];

	if (io_read_file(tree.fd, path, buf, sizeof(buf)) < 0)
		fail_msg("%s: not there", path);
	assert_string_equal(buf, text);
}

static int bind_both(size_t n, uint32_t *group, struct err *e)
{
	bdf_t v[2];

	bdf_parse(A, &v[0]);
	bdf_parse(B, &v[1]);
	memset(e, 0, sizeof(*e));
	return vfio_bind(tree.sys, v, n, group, e);
}

static void refused(size_t n, enum rc rc, const char *why)
{
	uint32_t group;
	struct err e;

	assert_int_equal(bind_both(n, &group, &e), -1);
	if (e.rc != rc || !strstr(e.msg, why))
		fail_msg("%s: %s", err_rc_name(e.rc), e.msg);
}

static void bound_already(void **state UNUSED)
{
	uint32_t group = 0;
	struct err e;

	device(A, "7", "vfio-pci");
	device(B, "7", "vfio-pci");
	assert_int_equal(bind_both(2, &group, &e), 0);
	assert_int_equal(group, 7);
	holds("sys/bus/pci/devices/" A "/driver_override", "");
	holds("sys/bus/pci/drivers_probe", "");
}

/* This sysfs moves nothing: what was written is there to be seen. */
static void taken_from_its_driver(void **state UNUSED)
{
	device(A, "7", "e1000");
	refused(1, RC_FAILED_PRECONDITION, "PCI device " A ": vfio-pci does not take it");
	holds("sys/bus/pci/devices/" A "/driver_override", "vfio-pci");
	holds("sys/bus/pci/drivers/e1000/unbind", A);
	holds("sys/bus/pci/drivers_probe", A);
}

static void without_a_driver(void **state UNUSED)
{
	device(A, "7", NULL);
	refused(1, RC_FAILED_PRECONDITION, "does not take it");
	holds("sys/bus/pci/drivers_probe", A);
}

/* Said before anything is touched. */
static void one_group_for_all(void **state UNUSED)
{
	device(A, "7", "e1000");
	device(B, "8", "e1000");
	refused(2, RC_FAILED_PRECONDITION, B ": in IOMMU group 8, the others are in 7");
	holds("sys/bus/pci/devices/" A "/driver_override", "");
	holds("sys/bus/pci/drivers/e1000/unbind", "");
}

static void what_the_guest_lacks(void **state UNUSED)
{
	refused(1, RC_NOT_FOUND, "PCI device " A);
	device(A, NULL, "e1000");
	refused(1, RC_FAILED_PRECONDITION, "the guest has no IOMMU");
	device(B, "x", "e1000");
	assert_int_equal(unlinkat(tree.fd, "sys/bus/pci/drivers/vfio-pci", AT_REMOVEDIR), 0);
	refused(1, RC_FAILED_PRECONDITION, "no driver vfio-pci");
}

static void options(void **state UNUSED)
{
	static const struct {
		const char *text, *guest; /* NULL: refused */
	} rows[] = {
		{ "0000:3a:00.0=02/01", "02/01" }, { "0000:3a:00.0=", "" },
		{ "0000:3a:00.0", NULL },	   { "3a:00.0=02", NULL },
		{ "=02", NULL },		   { "", NULL },
		{ "0000:3a:00.0 =02", NULL },	   { "0000:3a:00.0=x", "x" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct vfio_option o = { 0 };
		struct err e = { 0 };
		int r = vfio_option_parse(rows[i].text, &o, &e);

		assert_int_equal(r, rows[i].guest ? *rows[i].guest != '\0' : -1);
		if (rows[i].guest)
			assert_string_equal(o.guest, rows[i].guest);
		else
			assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	}
}

static void found(enum device_kind kind, const char *id, int want, struct device_found *out)
{
	struct device_need n;
	struct err e = { 0 };

	if (device_need_set(&n, kind, id, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(device_find(tree.sys, &n, out, &e), want);
}

static void kinds(void **state UNUSED)
{
	struct device_need n;
	struct device_found f;
	struct err e = { 0 };

	found(DEVICE_PCI, "03/01", 0, &f);
	fake_dir(&tree, "sys/devices/pci0000:00/0000:00:03.0/pci_bus/0000:01");
	fake_dir(&tree, "sys/devices/pci0000:00/0000:00:03.0/0000:01:01.0");
	found(DEVICE_PCI, "03/01", 1, &f);
	assert_string_equal(f.node, "0000:01:01.0");
	found(DEVICE_VFIO, "/dev/vfio/12", 0, &f);
	fake_file(&tree, "sys/class/vfio/12/dev", "240:3\n");
	found(DEVICE_VFIO, "/dev/vfio/12", 0, &f); /* its node comes later */
	fake_file(&tree, "dev/vfio/12", "");
	found(DEVICE_VFIO, "/dev/vfio/12", 1, &f);
	assert_string_equal(f.node, "/dev/vfio/12");
	assert_int_equal(f.major, 240);
	assert_int_equal(f.minor, 3);
	assert_int_equal(device_need_set(&n, DEVICE_VFIO, "/dev/vfio/vfio", &e), -1);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(bound_already),	    TEST(taken_from_its_driver), TEST(without_a_driver),
		TEST(one_group_for_all),    TEST(what_the_guest_lacks),	 TEST(options),
		TEST(kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
