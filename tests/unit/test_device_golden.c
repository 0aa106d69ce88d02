/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every device type from the host's request to what the container's spec becomes, in a made-up
 * sysfs: tests/golden/device/NAME.txt (GOLDEN=write writes them anew: read the difference before it
 * is committed). And every one against ids that escape, lie, or are another type's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "container/spec_devices.h"
#include "device/rows.h"
#include "device/vfio.h"
#include "fake_tree.h"

#define GOLDEN_DIR "tests/golden/device"

static struct fake_tree tree;
static struct arena arena;

/* One of each, as the kernel shows them. */
static int setup(void **state UNUSED)
{
#define SCSI_AT "pci0000:00/0000:00:06.0/virtio3/host0/target0:0:1/0:0:1:2"
	arena_init(&arena, 1 << 20);
	fake_tree_new(&tree);
	fake_disk(&tree, "pci0000:00/0000:00:02.0/virtio0", "vda", "254:0\n");
	fake_disk(&tree, "pci0000:00/0000:00:03.0/0000:01:01.0/virtio1", "vdb", "254:16\n");
	fake_disk(&tree, "pci0000:00/0000:00:04.0/0000:02:02.0/0000:03:05.0/virtio2", "vdc",
		  "254:32\n");
	fake_disk(&tree, "platform/virtio-mmio.0/virtio4", "vdd", "254:48\n");
	fake_disk(&tree, SCSI_AT, "sda", "8:0\n");
	fake_link(&tree, "sys/bus/scsi/devices/0:0:1:2", "../../../devices/" SCSI_AT);
	fake_disk(&tree, "LNXSYSTM:00/ACPI0012:00/ndbus0/region0/namespace0.0", "pmem0", "259:0\n");
	fake_file(&tree, "sys/devices/pci0000:00/0000:00:07.0/virtio5/net/eth0/ifindex", "2\n");
	fake_dir(&tree, "sys/devices/pci0000:00/0000:00:08.0");
	fake_file(&tree, "sys/devices/virtual/vfio/7/dev", "240:7\n");
	fake_link(&tree, "sys/class/vfio/7", "../../devices/virtual/vfio/7");
	fake_file(&tree, "dev/vfio/7", "");
	return 0;
}

static int teardown(void **state UNUSED)
{
	fake_tree_free(&tree);
	arena_fini(&arena);
	return 0;
}

/* As it is in a request; a type "" is a kind that requests of other calls use. */
static const struct row {
	const char *name, *type, *id, *node;
	enum device_kind kind;
} rows[] = {
	{ .name = "blk", .type = "blk", .id = "02" },
	{ .name = "blk-bridge", .type = "blk", .id = "03/01" },
	{ .name = "blk-two-bridges", .type = "blk", .id = "04/02/05" },
	{ .name = "blk-node", .type = "blk", .id = "", .node = "/dev/vda" },
	{ .name = "mmioblk", .type = "mmioblk", .id = "ignored", .node = "/dev/vdd" },
	{ .name = "scsi", .type = "scsi", .id = "1:2" },
	{ .name = "nvdimm", .type = "nvdimm", .id = "", .node = "/dev/pmem0" },
	{ .name = "net", .type = "", .id = "07", .kind = DEVICE_NET_PCI },
	{ .name = "vfio-pci-gk", .type = "vfio-pci-gk", .id = "0000:3a:00.0=08" },
	{ .name = "vfio-pci", .type = "vfio-pci", .id = "0000:3a:00.0=08", .node = "/dev/vfio/7" },
};

static void find(const struct row *row, enum device_kind kind, const char *id, struct str *s,
		 struct device_found *out)
{
	struct device_need need;
	struct err e = { 0 };
	int r = kind == DEVICE_NONE ? device_need_of_type(&need, row->type, row->id, row->node, &e)
				    : device_need_set(&need, kind, id, &e);

	if (r < 0 || device_find(tree.sys, &need, out, &e) != 1)
		fail_msg("%s: %s", row->name, *e.msg ? e.msg : "not there");
	str_addf(s, "need %s %s\n", device_row(need.kind)->what, need.id);
	str_addf(s, "found %s %u:%u %s\n", out->node, out->major, out->minor, out->syspath);
}

/* The PCI device first; the node of its group, when it goes to vfio. */
static enum device_type_class find_all(const struct row *row, struct str *s,
				       struct device_found *out)
{
	enum device_type_class class = device_type_class(row->type);
	struct vfio_option o;
	struct err e = { 0 };

	if (class == DEVICE_TYPE_PLAIN) {
		find(row, row->kind, row->id, s, out);
		return class;
	}
	assert_int_equal(vfio_option_parse(row->id, &o, &e), 1);
	find(row, DEVICE_PCI, o.guest, s, out);
	if (class == DEVICE_TYPE_VFIO)
		find(row, DEVICE_VFIO, row->node, s, out);
	return class;
}

/* A container that knows the device by the host's number, and another one that has that number
 * here. */
static void print_spec(const struct device_found *found, bool vfio, struct str *s)
{
	const char letter = vfio ? 'c' : 'b';
	const struct spec_device_change c = {
		"/dev/in", vfio ? found->node : NULL, vfio ? S_IFCHR : S_IFBLK, found->major,
		found->minor, NULL,
	};
	struct spec *spec = spec_new(&arena);
	struct spec_device nodes[2] = {
		{ .path = "/dev/in", .type = c.type, .major = 99, .minor = 9 },
		{ .path = "/dev/other", .type = c.type, .major = c.major, .minor = c.minor },
	};
	struct cgroup_device_rule list[4] = { { false, 'a', -1, -1, 7 },
					      { true, letter, 99, 9, 3 } };
	struct err e = { 0 };

	spec->linux.devices = nodes;
	spec->linux.n_devices = 2;
	spec->linux.resources = spec_resources_new(&arena);
	spec->linux.resources->devices = list;
	spec->linux.resources->n_devices = 2;
	if (spec_devices_change(spec, &c, 1, &arena, &e) < 0)
		fail_msg("%s", e.msg);
	for (size_t i = 0; i < spec->linux.n_devices; i++)
		str_addf(s, "node %s %c %d:%d\n", spec->linux.devices[i].path, letter,
			 (int)spec->linux.devices[i].major, (int)spec->linux.devices[i].minor);
	for (size_t i = 0; i < spec->linux.resources->n_devices; i++) {
		const struct cgroup_device_rule *r = &spec->linux.resources->devices[i];

		str_addf(s, "rule %c%c %d:%d %u\n", r->allow ? '+' : '-', r->type, (int)r->major,
			 (int)r->minor, r->access);
	}
}

static void golden(void **state UNUSED)
{
	const char *write = getenv("GOLDEN");

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char path[128], is[2048], want[2048];
		struct device_found found;
		struct str s = STR_OVER(is);
		enum device_type_class class = find_all(&rows[i], &s, &found);

		if (class != DEVICE_TYPE_GUEST_DRIVER && found.major)
			print_spec(&found, class == DEVICE_TYPE_VFIO, &s);
		assert_true(str_ok(&s));
		snprintf(path, sizeof(path), GOLDEN_DIR "/%s.txt", rows[i].name);
		if (write && str_eq(write, "write"))
			assert_int_equal(io_create_file(AT_FDCWD, path, is, strlen(is), 0644), 0);
		if (io_read_file(AT_FDCWD, path, want, sizeof(want)) < 0)
			fail_msg("%s: cannot be read (run from the top of the tree)", path);
		if (!str_eq(want, is))
			fail_msg("%s:\n%s---- is now\n%s", path, want, is);
	}
}

static void every_type_has_a_file(void **state UNUSED)
{
	for (const char *const *type = device_type_names; *type; type++) {
		bool has = false;

		for (size_t i = 0; i < COUNT_OF(rows); i++)
			has = has || str_eq(rows[i].type, *type);
		if (!has)
			fail_msg("%s: no row", *type);
	}
}

/* --- lies ----------------------------------------------------------------------------------------
 */

/* No type takes any of these, as an id or as a node. */
static const char *const lies[] = {
	"",
	"/",
	".",
	"..",
	"../02",
	"02/..",
	"02/../../etc",
	"/dev/..",
	"/dev/../etc/passwd",
	"/dev/",
	"/dev/shm/x",
	"/dev/vda/..",
	"/etc/passwd",
	"/sys/block/vda",
	"02/",
	"/02",
	"02//01",
	"2x",
	"02.8",
	"02.",
	"0x2",
	"-1",
	"-1:0",
	"256:0",
	"0:16384",
	"1:2:3",
	"1:",
	":2",
	"1:2 ",
	"0000:3a:00.0",
	"02\n",
	"%s%n",
	"eth0",
	"/dev/pmem0/x",
	"/dev/vfio/..",
	"/dev/vfio/7/x",
	"/dev/vfio/x",
};

/* As an option of a device that is handed through; "" is a device that is not the guest's. */
static bool option_is_taken(const char *path, struct err *e)
{
	char text[128];
	struct str s = STR_OVER(text);
	struct device_need need;
	struct vfio_option o;

	str_addf(&s, "0000:3a:00.0=%s", path);
	return vfio_option_parse(text, &o, e) > 0 &&
	       device_need_set(&need, DEVICE_PCI, o.guest, e) == 0;
}

static void no_type_takes_a_lie(void **state UNUSED)
{
	for (const char *const *type = device_type_names; *type; type++)
		for (size_t i = 0; i < COUNT_OF(lies); i++) {
			struct device_need need = { 0 };
			struct err e = { 0 };
			bool taken = device_type_class(*type) != DEVICE_TYPE_PLAIN
					     ? option_is_taken(lies[i], &e)
					     : device_need_of_type(&need, *type, lies[i], lies[i],
								   &e) == 0;

			if (taken)
				fail_msg("%s takes \"%s\"", *type, lies[i]);
			if (*lies[i] && e.rc != RC_INVALID_ARGUMENT)
				fail_msg("%s, \"%s\": %s %s", *type, lies[i], err_rc_name(e.rc),
					 e.msg);
		}
}

/* Nor does a kind that is looked for by other calls. */
static void no_kind_takes_a_lie(void **state UNUSED)
{
	for (int kind = DEVICE_NONE + 1; kind < DEVICE_KINDS; kind++)
		for (size_t i = 0; i < COUNT_OF(lies); i++) {
			struct device_need need = { 0 };
			struct err e = { 0 };

			if (device_need_set(&need, (enum device_kind)kind, lies[i], &e) == 0)
				fail_msg("%s takes \"%s\"",
					 device_row((enum device_kind)kind)->what, lies[i]);
			assert_int_equal(need.kind, DEVICE_NONE);
			assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(golden, setup, teardown),
		cmocka_unit_test(every_type_has_a_file),
		cmocka_unit_test(no_type_takes_a_lie),
		cmocka_unit_test(no_kind_takes_a_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
