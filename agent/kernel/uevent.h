/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's device events. The socket goes into the loop; nothing waits, nothing allocates. */
#ifndef MOTE_KERNEL_UEVENT_H
#define MOTE_KERNEL_UEVENT_H

#include "base/defs.h"

#define UEVENT_MAX 8192 /* the kernel's own limit is 2048 bytes of variables plus the header */

enum uevent_action {
	UEVENT_ADD,
	UEVENT_REMOVE,
	UEVENT_CHANGE,
	UEVENT_MOVE,
	UEVENT_ONLINE,
	UEVENT_OFFLINE,
	UEVENT_BIND,
	UEVENT_UNBIND,
	UEVENT_OTHER,
};

/* Strings point into the buffer; "" when the event has none. */
struct uevent {
	enum uevent_action action;
	const char *devpath;	/* "/devices/pci0000:00/…", always there, always absolute */
	const char *subsystem, *devname, *devtype, *interface, *driver;
	uint64_t seqnum;
	unsigned int major, minor;	/* 0:0: no node */
};

/* A non-blocking close-on-exec NETLINK_KOBJECT_UEVENT socket on the kernel's group, with a
 * receive buffer of buffer_bytes (forced when allowed). -errno. */
int uevent_open(int buffer_bytes);

/* One event into buf (UEVENT_MAX bytes) and out. 1: there it is. 0: nothing now. -ENOBUFS:
 * events were lost, look at sysfs. Other -errno: the socket is broken. Messages of other senders
 * than the kernel and ones that make no sense are skipped. */
int uevent_receive(int fd, char buf[UEVENT_MAX], struct uevent *out);

/* The parser behind it: len bytes of "add@/devices/…\0KEY=VALUE\0…"; buf must have room for one
 * more byte. 0 or -EINVAL. */
int uevent_parse(char *buf, size_t len, struct uevent *out);

#endif
