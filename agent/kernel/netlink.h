/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink through libmnl, of which nothing shows here. The kernel answers rtnetlink requests
 * within the send: nothing waits.
 */
#ifndef MOTE_KERNEL_NETLINK_H
#define MOTE_KERNEL_NETLINK_H

#include <net/if.h>

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

/*
 * What the kernel tells and is told. Every listing calls fn once for each object, which returns 0 to
 * go on, or -errno; a message that is not what it says it is (too short, an address of another
 * length) is passed over. netlink_parse_* are the readers of one message each: 1 read, 0 not such
 * an object.
 */

/* --- links --- */

#define NETLINK_MAC_MAX	32

struct netlink_link {
	int index;
	uint32_t flags;		/* IFF_* */
	uint32_t mtu;
	uint8_t mac_len;	/* 0: it has none */
	uint8_t mac[NETLINK_MAC_MAX];
	char name[IFNAMSIZ];
};

typedef int (*netlink_link_fn)(void *arg, const struct netlink_link *l);
int netlink_links(struct netlink *n, netlink_link_fn fn, void *arg, struct err *e);
int netlink_parse_link(const struct nlmsghdr *msg, struct netlink_link *out);

/* The interface's index (> 0), or -1 with NOT_FOUND; INVALID_ARGUMENT: no name of an interface. */
int netlink_link_index(struct netlink *n, const char *name, struct err *e);

/* What shall become of a link: NULL and 0 leave as it is. */
struct netlink_link_change {
	const char *name;
	const uint8_t *mac;
	size_t mac_len;
	uint32_t mtu;
	uint32_t flags_mask, flags;	/* IFF_* to change, and to what */
};

/* In one request, so all or nothing as far as the driver knows how. */
int netlink_link_change(struct netlink *n, int index, const struct netlink_link_change *c,
			struct err *e);

/* IFF_UP on or off. Up twice is fine. */
enum netlink_link_state { NETLINK_LINK_DOWN, NETLINK_LINK_UP };
int netlink_link_set(struct netlink *n, const char *name, enum netlink_link_state state,
		     struct err *e);

/* --- addresses, routes, neighbours: family AF_INET or AF_INET6, addresses in network order --- */

struct netlink_ip {
	uint8_t family;		/* 0: none */
	uint8_t bytes[16];
};

/* 4 or 16. */
size_t netlink_ip_len(uint8_t family);

struct netlink_address {
	int index;		/* of the link */
	uint8_t prefix, scope;	/* bits; RT_SCOPE_* */
	struct netlink_ip ip;
};

typedef int (*netlink_address_fn)(void *arg, const struct netlink_address *a);
int netlink_addresses(struct netlink *n, netlink_address_fn fn, void *arg, struct err *e);
int netlink_parse_address(const struct nlmsghdr *msg, struct netlink_address *out);

/* Adds it, or changes what is there. */
int netlink_address_set(struct netlink *n, const struct netlink_address *a, struct err *e);

struct netlink_route {
	uint8_t family;
	uint8_t dest_len, source_len;	/* bits of the prefixes; 0: any */
	uint8_t scope;			/* RT_SCOPE_* */
	uint32_t flags;			/* RTNH_F_* */
	uint32_t mtu;			/* 0: the link's */
	int index;			/* of the link; 0: none */
	uint8_t dest[16], source[16];
	struct netlink_ip gateway;	/* may be of the other family */
	struct netlink_ip prefer;	/* the address that packets leave with */
};

/* Of the main table and the family; a route with several next hops is told once for each. */
typedef int (*netlink_route_fn)(void *arg, const struct netlink_route *r);
int netlink_routes(struct netlink *n, uint8_t family, netlink_route_fn fn, void *arg,
		   struct err *e);

/* fn for each next hop of one message; its first result that is not 0, else 0. */
int netlink_parse_route(const struct nlmsghdr *msg, netlink_route_fn fn, void *arg);

/* Into the main table, unicast, in the place of one to the same destination. */
int netlink_route_set(struct netlink *n, const struct netlink_route *r, struct err *e);

struct netlink_neighbour {
	int index;
	uint16_t state;		/* NUD_* */
	uint8_t flags;		/* NTF_* */
	uint8_t mac_len;	/* 0: none */
	uint8_t mac[NETLINK_MAC_MAX];
	struct netlink_ip ip;
};

/* Adds it, or takes the place of the one that is there. */
int netlink_neighbour_set(struct netlink *n, const struct netlink_neighbour *b, struct err *e);

#endif
