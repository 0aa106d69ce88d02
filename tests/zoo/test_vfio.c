/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network adapter handed through to a container, in a machine with an IOMMU. The kernel is the one
 * with kernel-config/optional/vfio.config, which `make zoo` builds.
 */
#include <stdlib.h>

#include "lib/cases.h"

#define PCI_PATH "1b"

static const char *const iommu[] = {
	"-device", "intel-iommu,intremap=off",
	"-device", "e1000e,id=nic,bus=pcie.0,addr=0x" PCI_PATH,
	NULL,
};

/* The group's node, with the number that the guest has for it, and nothing else of /dev/vfio but the
 * container's own; the environment tells where the device is. */
static void given_to_vfio(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"readlink /sys/bus/pci/devices/$PCIDEVICE_NIC/driver | grep -o '[^/]*$'; "
			"g=$(readlink /sys/bus/pci/devices/$PCIDEVICE_NIC/iommu_group); g=${g##*/}; "
			"test $(stat -c %t:%T /dev/vfio/$g) = $(printf %x:%x $(tr : ' ' </sys/class/vfio/$g/dev)) && echo node; "
			"exec 3<>/dev/vfio/$g && echo open; ls /dev/vfio | wc -l\"]",
		.process = ",\"Env\":[\"PATH=/bin\",\"PCIDEVICE_NIC=0000:3a:00.0\"]",
		.linux = ",\"Devices\":[{\"Path\":\"/dev/vfio/77\",\"Type\":\"c\",\"Major\":511,\"Minor\":77,\"FileMode\":384}],"
			 "\"Resources\":{\"Devices\":[{\"Access\":\"rwm\"},{\"Allow\":true,\"Type\":\"c\",\"Major\":511,\"Minor\":77,\"Access\":\"rwm\"}]}",
		.request = ",\"devices\":[{\"type\":\"vfio-pci\",\"id\":\"nic\",\"container_path\":\"/dev/vfio/77\",\"options\":[\"0000:3a:00.0=" PCI_PATH "\"]}]",
	};

	(void)state;
	for (int i = 0; i < 2; i++) { /* the second time it is vfio's already */
		const char *id = rig_id(r);

		assert_done(r, rig_run(r, id, &what));
		assert_true(rig_read(r, "ReadStdout", id, "") > 0);
		assert_string_equal(r->reply, "vfio-pci\nnode\nopen\n1\n");
		assert_int_equal(rig_wait(r, id, ""), 0);
		assert_done(r, rig_remove(r, id));
	}
}

static const struct CMUnitTest cases_vfio[] = {
	cmocka_unit_test(given_to_vfio),
	{ 0 },
};

int main(void)
{
	static const struct CMUnitTest *const tables[] = { cases_vfio, NULL };
	static struct rig r = { .vm_opts = { .cmdline = "agent.hotplug_timeout=20 intel_iommu=on" } };

	r.vm_opts.extra = iommu;
	r.vm_opts.kernel = getenv("MOTE_MORE_KERNEL");
	if (r.vm_opts.kernel)
		return cases_main(RIG_VM, "vfio", tables, &r);
	printf("1..0 # SKIP no MOTE_MORE_KERNEL: see make zoo\n");
	return 0;
}
