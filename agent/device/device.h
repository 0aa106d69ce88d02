/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices of the guest: which one a host means, and waiting until it is there. A device may have
 * been there since boot, or come later by hotplug: sysfs is searched first, then uevents are
 * awaited, then sysfs is searched once more at the deadline. A disk that is in sysfs must also open:
 * the kernel shows it a moment before. Nothing here waits in the sense of blocking.
 */
#ifndef MOTE_DEVICE_DEVICE_H
#define MOTE_DEVICE_DEVICE_H

#include "base/err.h"
#include "base/list.h"
#include "event/loop.h"

#define DEVICE_PATH_MAX	256

enum device_kind {
	DEVICE_NONE,
	DEVICE_BLK_PCI, /* virtio-blk behind a Kata PCI path ("02", "02/01", "20/00/02", "02.1") */
	DEVICE_BLK_NODE, /* "/dev/vdX": a virtio or virtio-mmio disk by its node */
	DEVICE_SCSI, /* "ID:LUN", decimal */
	DEVICE_PMEM, /* "/dev/pmemN" */
	DEVICE_NET_PCI, /* a network interface behind a PCI path */
	DEVICE_PCI, /* whatever is at a PCI path; its node is its address, "0000:01:00.0" */
	DEVICE_VFIO, /* "/dev/vfio/N" */
	DEVICE_KINDS
};

struct device_need {
	enum device_kind kind;
	char id[DEVICE_PATH_MAX];	/* in the form of its kind, validated by device_need_set */
};

struct device_found {
	char node[64];		/* "/dev/vda"; an interface's name, a PCI device's address */
	char syspath[DEVICE_PATH_MAX];
	uint32_t major, minor;	/* 0 for interfaces and PCI devices */
	unsigned int ifindex;	/* of an interface, which keeps it when its name changes; 0 for others */
	bool was_read;		/* a disk that somebody has read from, hence one that opens */
};

/* Checks the form. INVALID_ARGUMENT naming the fault: `PCI path "2x": element 1 is not SS or SS.F`.
 */
int device_need_set(struct device_need *n, enum device_kind kind, const char *id, struct err *e);

/* The need of a container's device as hosts send it (Kata's grpc.Device: type, id, vm_path).
 * INVALID_ARGUMENT: unknown type, or id or path missing or malformed; UNIMPLEMENTED: a known type
 * that this agent has not. */
int device_need_of_type(struct device_need *n, const char *type, const char *id, const char *node,
			struct err *e);

/* Is it a type that only its options describe (several PCI devices by their paths: vfio.h), and are
 * these to be bound to vfio-pci? */
enum device_type_class { DEVICE_TYPE_PLAIN, DEVICE_TYPE_GUEST_DRIVER, DEVICE_TYPE_VFIO };
enum device_type_class device_type_class(const char *type);

struct device_monitor;
struct device_wait;

/* Opens the uevent socket and watches it; must run before the first RPC. sysroot: "/sys"
 * ("…/fake-sys" in tests). NULL with e. */
struct device_monitor *device_monitor_new(struct loop *l, const char *sysroot, struct err *e);
void device_monitor_free(struct device_monitor *m);
const char *device_monitor_sysroot(const struct device_monitor *m);

/* fn from the loop, each time that a block of memory has come, or that events were lost. */
void device_monitor_on_memory(struct device_monitor *m, void (*fn)(void *arg), void *arg);

/* Found: e is unset. Timed out: DEADLINE_EXCEEDED "device 02/01 (virtio-blk): not there after 3000
 * ms; saw: …". */
typedef void (*device_wait_fn)(void *owner, const struct err *e, const struct device_found *found);

/* Tells fn when the device is there, never inside this call. Free again by itself after fn; NULL
 * with e: bad need or no memory. */
struct device_wait *device_wait_start(struct device_monitor *m, const struct device_need *need,
				      uint64_t deadline_ms, device_wait_fn fn, void *owner,
				      struct err *e);
void device_wait_cancel(struct device_wait *w);

/* One look at sysfs (and at the "dev" directory beside sysroot: a disk without a node is not there
 * yet). 1 found, 0 not there, -1 with e (a malformed tree). */
int device_find(const char *sysroot, const struct device_need *need, struct device_found *out,
		struct err *e);

/* The sysfs directory of a PCI path, "/sys/devices/pci0000:00/0000:00:02.0/0000:01:01.0" (it begins
 * with "/sys" whatever the sysroot, as does device_found.syspath). 0, -1 with e: NOT_FOUND when an
 * element is not there (yet), FAILED_PRECONDITION when a bridge has several buses. */
int pci_path_resolve(const char *sysroot, const char *pci_path, char out[DEVICE_PATH_MAX],
		     struct err *e);

/* Names of the device types a host may send (GetGuestDetails, errors); NULL-terminated. */
extern const char *const device_type_names[];

#endif
