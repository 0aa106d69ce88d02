/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the device layer and its tests: what one kind of device is, the helpers the kinds
 * share, and the seam through which a test tells the monitor of an event.
 */
#ifndef MOTE_DEVICE_ROWS_H
#define MOTE_DEVICE_ROWS_H

#include "base/str.h"
#include "device/device.h"
#include "kernel/uevent.h"

/* Both directories are read by descriptor, so that a test's tree may lie anywhere. */
struct device_tree {
	int sysfd;	/* sysroot */
	int devfd;	/* the "dev" beside it */
};

/* Sysfs is the one truth of what is there; an event of the row's subsystem is only the hint to look
 * again. */
struct device_row {
	const char *what;	/* "virtio-blk" */
	const char *subsystem;	/* of the uevents that may bring one */
	int (*check)(const char *id, struct err *e);
	/* 1 found, 0 not there (e may be NOT_FOUND and say how far the search came), -1 with e. */
	int (*find)(const struct device_tree *t, const char *id, struct device_found *out,
		    struct err *e);
	/* Makes the kernel look for the device; may wait, so it runs in a job. NULL: not needed. */
	int (*provoke)(const struct device_tree *t, const char *id, struct err *e);
	/* Does what was found open? 0, or -1 with e (err.sys). May wait, so it runs in a job. NULL: what
	 * is in sysfs can be used. */
	int (*open)(const struct device_tree *t, const struct device_found *found, struct err *e);
};

extern const struct device_row device_row_blk_pci, device_row_blk_node, device_row_scsi,
	device_row_pmem, device_row_net_pci, device_row_pci, device_row_vfio;

/* The row of a kind that has one; NULL else. */
const struct device_row *device_row(enum device_kind kind);

int device_tree_open(const char *sysroot, struct device_tree *t, struct err *e);
void device_tree_close(struct device_tree *t);

/* As device_find, but says in e how far a search came that found nothing. */
int device_look(const char *sysroot, const struct device_need *need, struct device_found *out,
		struct err *e);

/* Appends what is there of the subsystem: "vda at 02, vdb at 03/01". */
void device_describe(const char *sysroot, const char *subsystem, struct str *s);

/* fn is called for each entry of the directory `path` below dirfd, in no order, until it gives
 * something else than 0, which is returned. 0, or -errno when the directory cannot be read. */
typedef int (*device_entry_fn)(void *arg, int dirfd, const char *name);
int device_each(int dirfd, const char *path, device_entry_fn fn, void *arg);

/* A readable directory below dirfd; -errno. */
int device_open_dir(int dirfd, const char *path);

/* Fills out from a disk's directory; syspath begins with "/sys". 1, 0: not ready (no number or no
 * node yet). */
int device_fill_block(const struct device_tree *t, int dirfd, const char *name, const char *syspath,
		      struct device_found *out);

/* Of a disk's directory: it was pulled, and goes. */
bool device_is_going(int dirfd);

/* device_row.open of disks. */
int device_open_disk(const struct device_tree *t, const struct device_found *found, struct err *e);

/* "254:0", as sysfs writes it; text is changed. -EINVAL. */
int device_parse_numbers(char *text, uint32_t *major, uint32_t *minor);

/* find and check of the kinds that name a node. */
int device_find_node(const struct device_tree *t, const char *id, struct device_found *out,
		     struct err *e);

#define PCI_PATH_ELEMENTS	16

struct pci_path {
	unsigned int root;	/* root complex */
	size_t n;
	struct {
		unsigned int slot, function;
	} at[PCI_PATH_ELEMENTS];
};

int pci_path_parse(const char *text, struct pci_path *out, struct err *e);

/* Walks to the device; its directory (readable), or -1 with e. where: "/sys/devices/…". */
int pci_path_open(int sysfd, const char *text, char where[DEVICE_PATH_MAX], struct err *e);

/* Appends the Kata path of a sysfs path: "02/01" of
 * "/sys/devices/pci0000:00/0000:00:02.0/0000:01:01.0/virtio0". Nothing when it is not behind PCI.
 */
void pci_path_of_syspath(const char *syspath, struct str *s);

/* What the monitor does with an event; it keeps nothing of ev. */
void device_monitor_feed(struct device_monitor *m, const struct uevent *ev);

#endif
