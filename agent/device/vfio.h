/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI devices that a host hands through (Kata's types vfio-pci and vfio-pci-gk): where the options say
 * that they are, and giving them to the driver vfio-pci, for a container that drives them by itself.
 */
#ifndef MOTE_DEVICE_VFIO_H
#define MOTE_DEVICE_VFIO_H

#include "base/bdf.h"
#include "device/device.h"

#define VFIO_GROUPS_DIR "/dev/vfio"

struct vfio_option {
	bdf_t host;
	const char *guest; /* a PCI path; points into the text */
};

/* "0000:3a:00.0=02/01". 1; 0: the guest's path is empty, and the device is not the guest's business;
 * -1 with e INVALID_ARGUMENT. The path's form is device_need_set's to check. Pure. */
int vfio_option_parse(const char *text, struct vfio_option *out, struct err *e);

/* Gives each of the n devices to vfio-pci, from whichever driver it has, and tells the group that all
 * of them are in. FAILED_PRECONDITION: no such driver, no IOMMU, more than one group. WAITS: jobs only
 * (a driver that lets go of a device may take its time). sysroot as in device.h. */
int vfio_bind(const char *sysroot, const bdf_t *v, size_t n, uint32_t *group, struct err *e);

#endif
