/* SPDX-License-Identifier: Apache-2.0 */
/* Finding devices in a made-up sysfs, and the forms in which hosts tell them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "device/rows.h"
#include "fake_tree.h"

#define PCI2	"pci0000:00/0000:00:02.0"
#define BRIDGED	"pci0000:00/0000:00:03.0/0000:01:01.0"

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

static struct device_need need(enum device_kind kind, const char *id)
{
	struct device_need n;
	struct err e = { 0 };

	if (device_need_set(&n, kind, id, &e) < 0)
		fail_msg("%s", e.msg);
	return n;
}

/* --- one look ------------------------------------------------------------------------------ */

static int find(enum device_kind kind, const char *id, struct device_found *out)
{
	struct device_need n = need(kind, id);
	struct err e = { 0 };
	int r = device_find(tree.sys, &n, out, &e);

	assert_int_equal(r < 0, err_is_set(&e));
	return r;
}

static void find_blk_pci(void **state)
{
	struct device_found f;

	(void)state;
	assert_int_equal(find(DEVICE_BLK_PCI, "02", &f), 0);
	fake_dir(&tree, "sys/devices/" PCI2 "/virtio0");
	assert_int_equal(find(DEVICE_BLK_PCI, "02", &f), 0);
	fake_disk(&tree, PCI2 "/virtio0", "vda", "254:0\n");
	assert_int_equal(find(DEVICE_BLK_PCI, "02", &f), 1);
	assert_string_equal(f.node, "/dev/vda");
	assert_string_equal(f.syspath, "/sys/devices/" PCI2 "/virtio0/block/vda");
	assert_int_equal(f.major, 254);
	assert_int_equal(f.minor, 0);
}

static void find_blk_pci_behind_bridge(void **state)
{
	struct device_found f;

	(void)state;
	fake_disk(&tree, BRIDGED "/virtio1", "vdb", "254:16\n");
	assert_int_equal(find(DEVICE_BLK_PCI, "03/01", &f), 1);
	assert_string_equal(f.node, "/dev/vdb");
	assert_int_equal(f.minor, 16);
	assert_int_equal(find(DEVICE_BLK_PCI, "03", &f), 0);
}

/* The kernel shows the directory first: without number and node it is not there yet. */
static void find_blk_not_ready(void **state)
{
	struct device_found f;

	(void)state;
	fake_dir(&tree, "sys/devices/" PCI2 "/virtio0/block/vda");
	assert_int_equal(find(DEVICE_BLK_PCI, "02", &f), 0);
	fake_file(&tree, "sys/devices/" PCI2 "/virtio0/block/vda/dev", "nonsense\n");
	fake_file(&tree, "dev/vda", "");
	assert_int_equal(find(DEVICE_BLK_PCI, "02", &f), 0);
	fake_file(&tree, "sys/devices/" PCI2 "/virtio0/block/vda/dev", "254:0\n");
	assert_int_equal(find(DEVICE_BLK_PCI, "02", &f), 1);
	assert_int_equal(unlinkat(tree.fd, "dev/vda", 0), 0);
	assert_int_equal(find(DEVICE_BLK_PCI, "02", &f), 0);
}

static void find_malformed(void **state)
{
	struct device_need n = need(DEVICE_BLK_PCI, "02/01");
	struct device_found f;
	struct err e = { 0 };

	(void)state;
	fake_dir(&tree, "sys/devices/" PCI2 "/pci_bus/0000:01");
	fake_dir(&tree, "sys/devices/" PCI2 "/pci_bus/0000:02");
	assert_int_equal(device_find(tree.sys, &n, &f, &e), -1);
	assert_string_equal(e.msg, "device 02/01 (virtio-blk): 0000:00:02.0 has 2 buses behind it");
}

static void find_node(void **state)
{
	struct device_found f;

	(void)state;
	assert_int_equal(find(DEVICE_BLK_NODE, "/dev/vda", &f), 0);
	fake_disk(&tree, "platform/virtio-mmio.0/virtio0", "vda", "254:0\n");
	assert_int_equal(find(DEVICE_BLK_NODE, "/dev/vda", &f), 1);
	assert_string_equal(f.node, "/dev/vda");
	assert_string_equal(f.syspath, "/sys/devices/platform/virtio-mmio.0/virtio0/block/vda");
	fake_disk(&tree, "LNXSYSTM:00/ndbus0/region0/btt0", "pmem0", "259:0\n");
	assert_int_equal(find(DEVICE_PMEM, "/dev/pmem0", &f), 1);
	assert_int_equal(f.major, 259);
	assert_int_equal(find(DEVICE_PMEM, "/dev/pmem0p1", &f), 0);
}

static void fake_scsi_disk(unsigned int host, unsigned int lun, const char *name)
{
	char device[128], link[64], to[160];

	snprintf(device, sizeof(device), PCI2 "/virtio2/host%u/target%u:0:0/%u:0:0:%u", host, host,
		 host, lun);
	fake_disk(&tree, device, name, "8:16\n");
	snprintf(link, sizeof(link), "sys/bus/scsi/devices/%u:0:0:%u", host, lun);
	snprintf(to, sizeof(to), "../../../devices/%s", device);
	fake_link(&tree, link, to);
}

static void find_scsi(void **state)
{
	struct device_found f;

	(void)state;
	assert_int_equal(find(DEVICE_SCSI, "0:1", &f), 0);
	fake_dir(&tree, "sys/bus/scsi/devices/host2");
	/* A directory has no order of its own, so there are several tries to get it wrong. */
	for (unsigned int lun = 0; lun < 12; lun++) {
		char name[16];

		snprintf(name, sizeof(name), "sdb%c", 'a' + lun);
		fake_scsi_disk(12, lun, name);
		snprintf(name, sizeof(name), "sda%c", 'a' + lun);
		fake_scsi_disk(2, lun, name);
	}
	for (unsigned int lun = 0; lun < 12; lun++) {
		char id[16], node[16];

		snprintf(id, sizeof(id), "0:%u", lun);
		snprintf(node, sizeof(node), "/dev/sda%c", 'a' + lun);
		assert_int_equal(find(DEVICE_SCSI, id, &f), 1);
		assert_string_equal(f.node, node);	/* the lowest host, as a number */
	}
	assert_string_equal(f.syspath,
			    "/sys/devices/" PCI2 "/virtio2/host2/target2:0:0/2:0:0:11/block/sdal");
	/* what was pulled is still there for a moment, and another one may come in its place */
	fake_file(&tree, "sys/devices/" PCI2 "/virtio2/host2/target2:0:0/2:0:0:0/block/sdaa/size", "0\n");
	assert_int_equal(find(DEVICE_SCSI, "0:0", &f), 1);
	assert_string_equal(f.node, "/dev/sdba");
	assert_int_equal(find(DEVICE_SCSI, "0:12", &f), 0);
	assert_int_equal(find(DEVICE_SCSI, "1:1", &f), 0);
}

static void find_net(void **state)
{
	struct device_found f;

	(void)state;
	assert_int_equal(find(DEVICE_NET_PCI, "02", &f), 0);
	fake_file(&tree, "sys/devices/" PCI2 "/virtio0/net/eth0/ifindex", "3\n");
	assert_int_equal(find(DEVICE_NET_PCI, "02", &f), 1);
	assert_string_equal(f.node, "eth0");
	assert_int_equal(f.ifindex, 3);
	assert_string_equal(f.syspath, "/sys/devices/" PCI2 "/virtio0/net/eth0");
	fake_file(&tree, "sys/devices/pci0000:00/0000:00:05.0/net/ens5/ifindex", "17\n");
	assert_int_equal(find(DEVICE_NET_PCI, "05", &f), 1);
	assert_string_equal(f.node, "ens5");
	assert_int_equal(f.ifindex, 17);
}

static void net_with_a_lying_number(void **state)
{
	static const char *const lies[] = { "", "0\n", "-1\n", "x\n", "2147483648\n", "99999999999999999999\n" };
	struct device_found f;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		fake_file(&tree, "sys/devices/" PCI2 "/virtio0/net/eth0/ifindex", lies[i]);
		assert_int_equal(find(DEVICE_NET_PCI, "02", &f), 0);
	}
}

static void forms(void **state)
{
	static const struct {
		enum device_kind kind;
		const char *id;
		int ok;
	} rows[] = {
		{ DEVICE_BLK_NODE, "/dev/vda", 1 },
		{ DEVICE_BLK_NODE, "/dev/dm-0", 1 },
		{ DEVICE_BLK_NODE, "/dev/vda1", 1 },
		{ DEVICE_BLK_NODE, "/dev/", 0 },
		{ DEVICE_BLK_NODE, "/dev/..", 0 },
		{ DEVICE_BLK_NODE, "/dev/../etc", 0 },
		{ DEVICE_BLK_NODE, "/dev/mapper/x", 0 },
		{ DEVICE_BLK_NODE, "vda", 0 },
		{ DEVICE_BLK_NODE, "", 0 },
		{ DEVICE_BLK_NODE, "/dev/a2345678901234567890123456789012", 0 },
		{ DEVICE_PMEM, "/dev/pmem0", 1 },
		{ DEVICE_PMEM, "/dev/pmem10p1", 1 },
		{ DEVICE_PMEM, "/dev/pmem", 0 },
		{ DEVICE_PMEM, "/dev/pmem0p", 0 },
		{ DEVICE_PMEM, "/dev/pmem0/..", 0 },
		{ DEVICE_PMEM, "/dev/vda", 0 },
		{ DEVICE_SCSI, "0:0", 1 },
		{ DEVICE_SCSI, "255:16383", 1 },
		{ DEVICE_SCSI, "256:0", 0 },
		{ DEVICE_SCSI, "0:16384", 0 },
		{ DEVICE_SCSI, "0", 0 },
		{ DEVICE_SCSI, ":", 0 },
		{ DEVICE_SCSI, "0:0:0", 0 },
		{ DEVICE_SCSI, "00000000000:0", 0 },
		{ DEVICE_SCSI, "-1:0", 0 },
		{ DEVICE_NET_PCI, "02/01", 1 },
		{ DEVICE_NET_PCI, "eth0", 0 },
		{ DEVICE_NONE, "02", 0 },
		{ DEVICE_KINDS, "02", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct device_need n;
		struct err e = { 0 };
		int r = device_need_set(&n, rows[i].kind, rows[i].id, &e);

		if ((r == 0) != rows[i].ok)
			fail_msg("\"%s\": %d %s", rows[i].id, r, e.msg);
		assert_int_equal(n.kind, r == 0 ? rows[i].kind : DEVICE_NONE);
	}
}

static void form_too_long(void **state)
{
	struct device_need n;
	struct err e = { 0 };
	char id[DEVICE_PATH_MAX + 1];

	(void)state;
	memset(id, '0', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	assert_int_equal(device_need_set(&n, DEVICE_BLK_PCI, id, &e), -1);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	assert_non_null(strstr(e.msg, "too long"));
}

static void types(void **state)
{
	static const struct {
		const char *type, *id, *node;
		enum device_kind want;	/* DEVICE_NONE: error rc */
		enum rc rc;
	} rows[] = {
		{ "blk", "02/01", "", DEVICE_BLK_PCI, RC_OK },
		{ "blk", "", "/dev/vda", DEVICE_BLK_NODE, RC_OK },
		{ "blk", NULL, NULL, DEVICE_NONE, RC_INVALID_ARGUMENT },
		{ "mmioblk", "ignored", "/dev/vda", DEVICE_BLK_NODE, RC_OK },
		{ "nvdimm", "", "/dev/pmem1", DEVICE_PMEM, RC_OK },
		{ "nvdimm", "", "/dev/vda", DEVICE_NONE, RC_INVALID_ARGUMENT },
		{ "scsi", "0:3", "", DEVICE_SCSI, RC_OK },
		{ "scsi", "", "/dev/sda", DEVICE_NONE, RC_INVALID_ARGUMENT },
		{ "vfio-pci", "x", "", DEVICE_NONE, RC_UNIMPLEMENTED },
		{ "floppy", "x", "", DEVICE_NONE, RC_INVALID_ARGUMENT },
		{ "", "x", "", DEVICE_NONE, RC_INVALID_ARGUMENT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct device_need n = { 0 };
		struct err e = { 0 };

		device_need_of_type(&n, rows[i].type, rows[i].id, rows[i].node, &e);
		assert_int_equal(e.rc, rows[i].rc);
		assert_int_equal(n.kind, rows[i].want);
	}
	for (size_t i = 0; device_type_names[i]; i++) {
		struct device_need n;
		struct err e = { 0 };

		if (device_type_class(device_type_names[i]) != DEVICE_TYPE_PLAIN)
			continue; /* its options say which device it is */
		/* Every announced type is one: what is wrong is the missing id, not the type. */
		device_need_of_type(&n, device_type_names[i], "", "", &e);
		assert_non_null(strstr(e.msg, "missing"));
	}
}

int main(void)
{
#define WITH_TREE(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_TREE(find_blk_pci),
		WITH_TREE(find_blk_pci_behind_bridge),
		WITH_TREE(find_blk_not_ready),
		WITH_TREE(find_malformed),
		WITH_TREE(find_node),
		WITH_TREE(find_scsi),
		WITH_TREE(find_net),
		WITH_TREE(net_with_a_lying_number),
		cmocka_unit_test(forms),
		cmocka_unit_test(form_too_long),
		cmocka_unit_test(types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
