/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic redirection: what comes in on one link goes out by another. Netlink, in the namespace of
 * n. */
#ifndef MOTE_SHIM_NET_TC_H
#define MOTE_SHIM_NET_TC_H

#include "kernel/netlink.h"

/* An ingress qdisc on link `from`, if it has none, and a filter that takes every packet to `to`. */
int net_tc_redirect(struct netlink *n, int from, int to, struct err *e);

#endif
