/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink through libmnl, of which nothing shows here. The kernel answers rtnetlink requests
 * within the send: nothing waits.
 */
#ifndef MOTE_KERNEL_NETLINK_H
#define MOTE_KERNEL_NETLINK_H

#include "base/err.h"

struct nlmsghdr;

struct netlink {
	int fd;			/* close-on-exec; -1: closed */
	uint32_t seq, portid;
};

/* Opens a NETLINK_ROUTE socket in the caller's network namespace. */
int netlink_open(struct netlink *n, struct err *e);
void netlink_close(struct netlink *n);

/* Sends req (flags REQUEST plus ACK or DUMP; seq is filled in) and takes the whole answer; fn is
 * called for every message of it (NULL: none wanted). fn returns 0 to go on, or -errno. 0, or -1
 * with e holding the kernel's errno and its extended text when there is one. */
typedef int (*netlink_fn)(void *arg, const struct nlmsghdr *msg);
int netlink_talk(struct netlink *n, struct nlmsghdr *req, netlink_fn fn, void *arg, struct err *e);

/* The interface's index (> 0), or -1 with NOT_FOUND. */
int netlink_link_index(struct netlink *n, const char *name, struct err *e);

/* IFF_UP on or off. Up twice is fine. */
enum netlink_link_state { NETLINK_LINK_DOWN, NETLINK_LINK_UP };
int netlink_link_set(struct netlink *n, const char *name, enum netlink_link_state state,
		     struct err *e);

#endif
