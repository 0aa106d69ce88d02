/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's network: interfaces, routes, neighbours and packet filters, as a host wants them. A
 * request is checked as a whole before anything is changed (INVALID_ARGUMENT names the field). The
 * change itself is a job, since it waits for the kernel's network lock, which a container may keep
 * busy. Asking for what is so already changes nothing; what fails half way tells what was done.
 *
 * Every verb tells `done` once, from the loop, unless what it was asked is refused at once: then
 * inside the call. The request must live until then.
 */
#ifndef MOTE_NETWORK_NETWORK_H
#define MOTE_NETWORK_NETWORK_H

#include "event/work.h"
#include "kernel/netlink.h"

/* Strings are never NULL; empty: not said. */
struct net_address {
	const char *address, *prefix;	/* "10.0.0.2", "24" */
};

struct net_interface {
	const char *name;		/* that it shall have */
	const char *mac;		/* "02:00:00:01:02:03": which one it is */
	const char *device;		/* its name now, when it was found otherwise than by mac */
	unsigned int index;		/* of that device, whatever its name becomes; 0: by its name */
	uint64_t mtu;			/* 0: as it is */
	uint32_t flags;			/* IFF_*; only IFF_NOARP counts */
	const struct net_address *addresses;
	size_t n_addresses;
};

/* Names it, sets MTU, address resolution and addresses (what else it has stays), and brings it up.
 * An interface that has the wanted name gets this one's in exchange. INTERNAL "Link not found
 * (address: …)" when there is none such, in the words that hosts wait by. */
void network_interface_set(struct loop *l, const struct net_interface *i, uint64_t deadline_ms,
			   work_done_fn done, void *owner);

struct net_route {
	const char *dest;	/* "10.0.0.0/8", an address, or empty: whatever has no other route */
	const char *gateway, *device;
	const char *source;	/* an address: that packets leave with; a prefix: that they come from */
	uint32_t scope;		/* RT_SCOPE_* */
	uint32_t flags;		/* RTNH_F_* */
	uint32_t mtu;
	bool v6;		/* where no address tells */
};

/* Sets them all, those without a gateway first, since gateways are reached by them. */
void network_routes_set(struct loop *l, const struct net_route *r, size_t n, uint64_t deadline_ms,
			work_done_fn done, void *owner);

struct net_neighbour {
	const char *address, *device, *mac;
	int32_t state;		/* NUD_*; 0: permanent */
	int32_t flags;		/* NTF_*, the low byte */
};

void network_neighbours_set(struct loop *l, const struct net_neighbour *b, size_t n,
			    uint64_t deadline_ms, work_done_fn done, void *owner);

/* What is there. Interfaces come before the addresses, in the kernel's order. */
enum net_record_kind { NET_LINK, NET_ADDRESS, NET_ROUTE };

struct net_record {
	enum net_record_kind kind;
	char device[IFNAMSIZ];	/* the interface's name; empty: none */
	union {
		struct netlink_link link;
		struct netlink_address address;
		struct netlink_route route;
	};
};

enum net_list { NET_LIST_INTERFACES, NET_LIST_ROUTES };

/* The outcome is struct net_record[]. */
void network_list(struct loop *l, enum net_list what, uint64_t deadline_ms, work_done_fn done,
		  void *owner);

/* The outcome is the output of the image's iptables-save, or ip6tables-save. */
void network_iptables_get(struct loop *l, bool v6, uint64_t deadline_ms, work_done_fn done,
			  void *owner);

/* Gives the rules to iptables-restore; the outcome is its output. INTERNAL with its own words when it
 * refuses them, FAILED_PRECONDITION when the image has none. */
void network_iptables_set(struct loop *l, bool v6, const void *rules, size_t len,
			  uint64_t deadline_ms, work_done_fn done, void *owner);

#endif
