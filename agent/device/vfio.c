/* SPDX-License-Identifier: Apache-2.0 */
/* Handing PCI devices to vfio-pci by sysfs (check-code: job). */
#include "device/vfio.h"

#include <fcntl.h>

#include "base/io.h"
#include "base/num.h"
#include "device/rows.h"

#define DRIVER "vfio-pci"

int vfio_option_parse(const char *text, struct vfio_option *out, struct err *e)
{
	size_t n = bdf_parse(text, &out->host);

	if (!n || text[n] != '=')
		return err_set(e, RC_INVALID_ARGUMENT,
			       "option \"%.64s\": not of the form HOSTADDRESS=GUESTPATH", text);
	out->guest = text + n + 1;
	return *out->guest ? 1 : 0;
}

/* The last name that a link leads to. */
static int link_name(int dirfd, const char *link, char *buf, size_t cap)
{
	char target[DEVICE_PATH_MAX];
	ssize_t n = readlinkat(dirfd, link, target, sizeof(target) - 1);
	const char *name;
	struct str s;

	if (n < 0)
		return -errno;
	target[n] = '\0';
	name = strrchr(target, '/');
	str_init(&s, buf, cap);
	str_add(&s, name ? name + 1 : target);
	return str_ok(&s) ? 0 : -ENAMETOOLONG;
}

static int open_device(int sysfd, const char *address)
{
	char path[64];
	struct str s = STR_OVER(path);

	str_addf(&s, "bus/pci/devices/%s", address);
	return device_open_dir(sysfd, path);
}

static int group_of(int dev, const char *address, uint32_t *group, struct err *e)
{
	char name[32];
	uint64_t n = 0;
	int r = link_name(dev, "iommu_group", name, sizeof(name));

	if (r == -ENOENT)
		return err_set(e, RC_FAILED_PRECONDITION,
			       "PCI device %s: in no IOMMU group, the guest has no IOMMU for it",
			       address);
	if (r < 0 || num_u64(name, UINT32_MAX, &n) < 0)
		return err_sys(e, r < 0 ? -r : EINVAL, "PCI device %s: IOMMU group", address);
	*group = (uint32_t)n;
	return 0;
}

static bool is_bound(int dev)
{
	char name[64];

	return link_name(dev, "driver", name, sizeof(name)) == 0 && str_eq(name, DRIVER);
}

/* The override first: a driver that comes meanwhile does not get the device any more. */
static int bind_one(int sysfd, int dev, const char *address, struct err *e)
{
	int r;

	if (is_bound(dev))
		return 0;
	r = io_write_file(dev, "driver_override", DRIVER);
	if (r < 0)
		return err_sys(e, -r, "PCI device %s: driver_override", address);
	r = io_write_file(dev, "driver/unbind", address);
	if (r < 0 && r != -ENOENT)
		return err_sys(e, -r, "PCI device %s: unbind its driver", address);
	r = io_write_file(sysfd, "bus/pci/drivers_probe", address);
	if (r < 0)
		return err_sys(e, -r, "PCI device %s: probe", address);
	if (is_bound(dev))
		return 0;
	return err_set(e, RC_FAILED_PRECONDITION, "PCI device %s: %s does not take it", address,
		       DRIVER);
}

/* All groups before the first driver loses its device. */
static int check_groups(int sysfd, const bdf_t *v, size_t n, uint32_t *group, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		char address[BDF_TEXT];
		AUTO_FD dev = open_device(sysfd, bdf_print(v[i], address));
		uint32_t its = 0;

		if (dev < 0)
			return err_sys(e, -dev, "PCI device %s", address);
		if (group_of(dev, address, &its, e) < 0)
			return -1;
		if (i && its != *group)
			return err_set(e, RC_FAILED_PRECONDITION,
				       "PCI device %s: in IOMMU group %u, the others are in %u",
				       address, its, *group);
		*group = its;
	}
	return 0;
}

static int bind_all(int sysfd, const bdf_t *v, size_t n, uint32_t *group, struct err *e)
{
	if (faccessat(sysfd, "bus/pci/drivers/" DRIVER, F_OK, 0) < 0)
		return err_set(e, RC_FAILED_PRECONDITION, "the guest's kernel has no driver %s",
			       DRIVER);
	if (check_groups(sysfd, v, n, group, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		char address[BDF_TEXT];
		AUTO_FD dev = open_device(sysfd, bdf_print(v[i], address));

		if (dev < 0)
			return err_sys(e, -dev, "PCI device %s", address);
		if (bind_one(sysfd, dev, address, e) < 0)
			return -1;
	}
	return 0;
}

int vfio_bind(const char *sysroot, const bdf_t *v, size_t n, uint32_t *group, struct err *e)
{
	struct device_tree t;
	int r;

	if (device_tree_open(sysroot, &t, e) < 0)
		return -1;
	r = bind_all(t.sysfd, v, n, group, e);
	device_tree_close(&t);
	return r;
}

/* --- as kinds of device ------------------------------------------------------------------------ */

static int check_pci(const char *id, struct err *e)
{
	struct pci_path path;

	return pci_path_parse(id, &path, e);
}

/* Its node is its address. */
static int find_pci(const struct device_tree *t, const char *id, struct device_found *out,
		    struct err *e)
{
	struct str node = STR_OVER(out->node);
	AUTO_FD fd = pci_path_open(t->sysfd, id, out->syspath, e);

	if (fd < 0)
		return e->rc == RC_NOT_FOUND ? 0 : -1;
	str_add(&node, strrchr(out->syspath, '/') + 1);
	return str_ok(&node);
}

static int check_group(const char *id, struct err *e)
{
	const char *number = str_starts(id, VFIO_GROUPS_DIR "/") ? id + strlen(VFIO_GROUPS_DIR "/") :
								   "";
	uint64_t n;

	if (num_u64(number, UINT32_MAX, &n) == 0)
		return 0;
	return err_set(e, RC_INVALID_ARGUMENT, "device node \"%.64s\": not of the form %s/N", id,
		       VFIO_GROUPS_DIR);
}

static int find_group(const struct device_tree *t, const char *id, struct device_found *out,
		      struct err *e)
{
	const char *number = id + strlen(VFIO_GROUPS_DIR "/");
	char path[64];
	struct str p = STR_OVER(path), node = STR_OVER(out->node);
	struct str sys = STR_OVER(out->syspath);
	char text[32];

	(void)e;
	str_addf(&p, "class/vfio/%s/dev", number);
	str_addf(&sys, "/sys/class/vfio/%s", number);
	str_add(&node, id);
	if (!str_ok(&p) || !str_ok(&node) || io_read_line(t->sysfd, path, text, sizeof(text)) < 0 ||
	    device_parse_numbers(text, &out->major, &out->minor) < 0)
		return 0;
	return faccessat(t->devfd, id + strlen("/dev/"), F_OK, 0) == 0;
}

const struct device_row device_row_pci = {
	.what = "PCI device", .subsystem = "pci", .check = check_pci, .find = find_pci,
};

const struct device_row device_row_vfio = {
	.what = "vfio group", .subsystem = "vfio", .check = check_group, .find = find_group,
};
