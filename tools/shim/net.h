/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod's network: for every interface that a CNI plugin has put into the pod's network namespace a
 * tap is made there, and all that comes in on the one leaves by the other (qdisc ingress, mirred).
 * So the machine takes the interface's place, with its address, whatever kind it is; the guest is
 * told addresses, routes and neighbours. The tap is gone with the last descriptor of it.
 *
 * A container alone may have a namespace that is only made for it, and that a client fills once the
 * container has been created (ctr run --cni, hooks): QEMU is in it, so that the process id that is
 * told leads there, and has descriptors from the beginning that become taps when they are wanted.
 */
#ifndef MOTE_SHIM_NET_H
#define MOTE_SHIM_NET_H

#include "base/err.h"
#include "base/mem.h"
#include "shim/forward.h"
#include "ttrpc/client.h"
#include "vm/vm.h"

#define NET_LINKS 4

struct net_link {
	int index;    /* in the namespace */
	int tap;      /* of its tap, likewise; 0: there is none yet */
	int tapfd;    /* opened with the namespace; QEMU has it too */
	bool plugged; /* into the machine while it ran */
	char name[16];
	char mac[18]; /* "02:00:…" */
	uint32_t mtu;
};

struct net {
	int nsfd; /* -1: the pod has none of its own */
	size_t n;
	struct net_link links[NET_LINKS];
	struct forward forward;
};

void net_init(struct net *n);

/* netns: path of the namespace; "": a new one, that goes with us. What is in it is joined. -1 with e,
 * and then nothing is left. */
int net_open(struct net *n, const char *netns, struct err *e);

/* QEMU's words for the links that are joined, NULL-terminated, in a. It has to have the descriptors
 * of them all by the same numbers, those of links to come too. NULL: no memory. */
const char *const *net_words(struct arena *a, const struct net *n);

/* Tells the guest what the namespace says; turns the loop. */
int net_tell(struct net *n, struct client *c, struct err *e);

/* Lets port-forward reach the guest, where the host's kernel knows how. `streams` is borrowed, to the
 * forward's close. */
void net_forward(struct net *n, struct loop *l, struct client *streams);

/* Has anything come to the namespace since? Yes also when it cannot be told: net_follow() says why. */
bool net_has_more(struct net *n);

/* What has come to the namespace since: joined, plugged into the machine, told. 0 at once where
 * nothing has. -1 with e: what failed is not tried again. Turns the loop. */
int net_follow(struct net *n, struct vm *vm, struct client *c, struct err *e);

void net_close(struct net *n);

#endif
