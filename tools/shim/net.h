/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod's network: for every interface that a CNI plugin has put into the pod's network namespace a
 * tap is made there, and all that comes in on the one leaves by the other (qdisc ingress, mirred).
 * So the machine takes the interface's place, with its address, whatever kind it is; the guest is
 * told addresses, routes and neighbours. The tap is gone with the last descriptor of it.
 */
#ifndef MOTE_SHIM_NET_H
#define MOTE_SHIM_NET_H

#include "base/err.h"
#include "base/mem.h"
#include "shim/forward.h"
#include "ttrpc/client.h"

#define NET_LINKS 4

struct net_link {
	int index; /* in the namespace */
	int tapfd;
	char name[16];
	char mac[18]; /* "02:00:…" */
	uint32_t mtu;
};

struct net {
	int nsfd; /* -1: the pod has none of its own */
	size_t n;
	struct net_link links[NET_LINKS];
	struct in_addr address; /* the first of them; 0: not known */
	struct forward forward;
};

void net_init(struct net *n);

/* netns: path of the namespace. -1 with e, and then nothing is left. */
int net_open(struct net *n, const char *netns, struct err *e);

/* QEMU's words for the links, NULL-terminated, in a; the descriptors are those of the links. NULL:
 * no memory. */
const char *const *net_words(struct arena *a, const struct net *n);

/* Tells the guest what the namespace says, and lets port-forward find it. Turns the loop. */
int net_tell(struct net *n, struct loop *l, struct client *c, struct err *e);

void net_close(struct net *n);

#endif
