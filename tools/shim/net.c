/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/net.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "agent.pb-c.h"
#include "base/log.h"
#include "base/str.h"
#include "kernel/netlink.h"
#include "kernel/ns.h"
#include "shim/disks.h"
#include "shim/net_tc.h"

#include <netinet/in.h>
#include <arpa/inet.h>
#include <linux/rtnetlink.h>

#define SLOT_FIRST  0x18 /* on the machine's root bus, clear of vm_args.c's */
#define CARD_SLOT   (DISKS_SLOTS + 1) /* of the first that is plugged, behind the disks */
#define WORDS       (4 * NET_LINKS + 1)
#define AGENT       "grpc.AgentService"
#define CALL_MS     30000
#define ARENA_BYTES (1u << 20)
#define ADDRESSES   32
#define ROUTES      64
#define LOOPBACK    1 /* index of the first link of every namespace (Linux: LOOPBACK_IFINDEX) */

void net_init(struct net *n)
{
	*n = (struct net){ .nsfd = -1 };
	forward_init(&n->forward);
	for (size_t i = 0; i < NET_LINKS; i++)
		n->links[i].tapfd = -1;
}

void net_close(struct net *n)
{
	forward_close(&n->forward);
	for (size_t i = 0; i < NET_LINKS; i++) {
		auto_close(&n->links[i].tapfd);
		n->links[i].tap = 0;
	}
	auto_close(&n->nsfd);
	n->n = 0;
}

/* --- in the namespace --- */

static ssize_t place_of(const struct net *n, int index)
{
	for (size_t i = 0; i < n->n; i++)
		if (n->links[i].index == index)
			return (ssize_t)i;
	return -1;
}

/* Runs fn there: one thread, and back before anything else. */
static int inside(struct net *n, int (*fn)(struct net *n, void *arg, struct err *e), void *arg,
		  struct err *e)
{
	AUTO_FD ownfd = ns_hold(0, NS_NET);
	int rc;

	if (ownfd < 0)
		return err_sys(e, -ownfd, "the network namespace");
	rc = ns_join(n->nsfd, NS_NET);
	if (rc < 0)
		return err_sys(e, -rc, "enter the network namespace");
	rc = fn(n, arg, e);
	if (ns_join(ownfd, NS_NET) < 0)
		abort(); /* nothing would be where it belongs */
	return rc;
}

/* One that is joined already, or a tap. */
static bool is_ours(const struct net *n, int index)
{
	for (size_t i = 0; i < NET_LINKS; i++)
		if (n->links[i].tap == index)
			return true;
	return place_of(n, index) >= 0;
}

static bool is_wanted(const struct net *n, const struct netlink_link *l)
{
	return !(l->flags & IFF_LOOPBACK) && l->mac_len == 6 && !is_ours(n, l->index);
}

static int note_link(void *arg, const struct netlink_link *l)
{
	struct net *n = arg;
	struct net_link *x;

	if (!is_wanted(n, l))
		return 0;
	if (n->n == NET_LINKS)
		return -E2BIG;
	x = &n->links[n->n++];
	x->index = l->index;
	x->mtu = l->mtu;
	snprintf(x->name, sizeof(x->name), "%s", l->name);
	snprintf(x->mac, sizeof(x->mac), "%02x:%02x:%02x:%02x:%02x:%02x", l->mac[0], l->mac[1],
		 l->mac[2], l->mac[3], l->mac[4], l->mac[5]);
	return 0;
}

/* The device is gone when the last descriptor of it is closed. One of an attempt that failed is
 * there already. */
static int make_tap(struct netlink *nl, struct net_link *x, size_t i, struct err *e)
{
	struct ifreq req = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int index;

	if (x->tap)
		return 0;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "tap%u_mote", (unsigned int)i);
	if (ioctl(x->tapfd, TUNSETIFF, &req) < 0)
		return err_sys(e, errno, "make %s", req.ifr_name);
	index = netlink_link_index(nl, req.ifr_name, e);
	if (index < 0)
		return -1;
	x->tap = index;
	return 0;
}

static int join_link(struct netlink *nl, struct net_link *x, size_t i, struct err *e)
{
	const struct netlink_link_change up = { .mtu = x->mtu,
						.flags_mask = IFF_UP,
						.flags = IFF_UP };

	if (make_tap(nl, x, i, e) < 0 || netlink_link_change(nl, x->tap, &up, e) < 0)
		return -1;
	if (net_tc_redirect(nl, x->index, x->tap, e) < 0 ||
	    net_tc_redirect(nl, x->tap, x->index, e) < 0)
		return err_ctx(e, "%s", x->name);
	return 0;
}

/* Whatever has come since the last time. */
static int join_new(struct net *n, void *arg UNUSED, struct err *e)
{
	struct netlink nl = { .fd = -1 };
	size_t first = n->n;
	int rc;

	if (netlink_open(&nl, e) < 0)
		return -1;
	rc = netlink_links(&nl, note_link, n, e);
	for (size_t i = first; rc == 0 && i < n->n; i++)
		rc = join_link(&nl, &n->links[i], i, e);
	netlink_close(&nl);
	if (rc < 0)
		n->n = first;
	return rc;
}

/* A descriptor makes its tap where it was opened. */
static int open_taps(struct net *n, void *arg, struct err *e)
{
	for (size_t i = 0; i < NET_LINKS; i++) {
		n->links[i].tapfd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (n->links[i].tapfd < 0)
			return err_sys(e, errno, "/dev/net/tun");
	}
	return join_new(n, arg, e);
}

/* Port-forward listens there. */
static int set_loopback_up(struct net *n UNUSED, void *arg UNUSED, struct err *e)
{
	const struct netlink_link_change up = { .flags_mask = IFF_UP, .flags = IFF_UP };
	struct netlink nl = { .fd = -1 };
	int rc;

	if (netlink_open(&nl, e) < 0)
		return -1;
	rc = netlink_link_change(&nl, LOOPBACK, &up, e);
	netlink_close(&nl);
	return rc;
}

int net_open(struct net *n, const char *netns, struct err *e)
{
	n->nsfd = *netns ? ns_open(netns, NS_NET, e) : ns_make(NS_NET);
	if (n->nsfd < 0)
		return *netns ? -1 : err_sys(e, -n->nsfd, "make a network namespace");
	if ((*netns || inside(n, set_loopback_up, NULL, e) == 0) &&
	    inside(n, open_taps, NULL, e) == 0)
		return 0;
	net_close(n);
	return -1;
}

const char *const *net_words(struct arena *a, const struct net *n)
{
	const char **words = ARENA_ARRAY(a, const char *, WORDS), **w = words;

	for (size_t i = 0; words && i < n->n; i++) {
		*w++ = "-netdev";
		*w = arena_printf(a, "tap,id=net%zu,fd=%d,vhost=off", i, n->links[i].tapfd);
		if (!*w++)
			return NULL;
		*w++ = "-device";
		*w = arena_printf(a, "virtio-net-pci,netdev=net%zu,mac=%s,bus=pcie.0,addr=0x%02zx",
				  i, n->links[i].mac, SLOT_FIRST + i);
		if (!*w++)
			return NULL;
	}
	return words;
}

/* --- what the guest is told --- */

struct told {
	struct net *net;
	struct arena a;
	Types__Interface links[NET_LINKS];
	Types__IPAddress *addresses[NET_LINKS][ADDRESSES];
	Types__Route *routes[ROUTES];
	size_t n_routes;
};

static char *ip_text(struct arena *a, uint8_t family, const uint8_t *bytes)
{
	char text[INET6_ADDRSTRLEN];

	return inet_ntop(family, bytes, text, sizeof(text)) ? arena_strdup(a, text) : NULL;
}

static Types__IPFamily family_of(uint8_t family)
{
	return family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
}

static int note_address(void *arg, const struct netlink_address *x)
{
	struct told *t = arg;
	ssize_t i = place_of(t->net, x->index);
	Types__IPAddress *out;

	/* link-local ones the guest makes itself, from the same hardware address */
	if (i < 0 || (x->ip.family == AF_INET6 && x->scope == RT_SCOPE_LINK))
		return 0;
	out = ARENA_NEW(&t->a, Types__IPAddress);
	if (!out || t->links[i].n_ipaddresses == ADDRESSES)
		return -ENOMEM;
	types__ipaddress__init(out);
	out->family = family_of(x->ip.family);
	out->address = ip_text(&t->a, x->ip.family, x->ip.bytes);
	out->mask = arena_printf(&t->a, "%u", x->prefix);
	t->addresses[i][t->links[i].n_ipaddresses++] = out;
	return out->address && out->mask ? 0 : -ENOMEM;
}

static int note_route(void *arg, const struct netlink_route *x)
{
	struct told *t = arg;
	ssize_t i = place_of(t->net, x->index);
	Types__Route *out;

	if (i < 0 || (x->family == AF_INET6 && x->dest_len >= 8 &&
		      (x->dest[0] == 0xff || (x->dest[0] == 0xfe && x->dest[1] == 0x80))))
		return 0;
	out = ARENA_NEW(&t->a, Types__Route);
	if (!out || t->n_routes == ROUTES)
		return -ENOMEM;
	types__route__init(out);
	out->device = t->net->links[i].name;
	out->family = family_of(x->family);
	out->scope = x->scope;
	if (x->dest_len)
		out->dest = arena_printf(&t->a, "%s/%u", ip_text(&t->a, x->family, x->dest),
					 x->dest_len);
	if (x->gateway.family)
		out->gateway = ip_text(&t->a, x->gateway.family, x->gateway.bytes);
	if (x->prefer.family)
		out->source = ip_text(&t->a, x->prefer.family, x->prefer.bytes);
	out->flags = x->flags & RTNH_F_ONLINK;
	t->routes[t->n_routes++] = out;
	return out->dest && out->gateway ? 0 : -ENOMEM;
}

static int gather(struct net *n, void *arg, struct err *e)
{
	struct told *t = arg;
	struct netlink nl = { .fd = -1 };
	int rc;

	for (size_t i = 0; i < n->n; i++) {
		Types__Interface *x = &t->links[i];

		types__interface__init(x);
		x->device = x->name = n->links[i].name;
		x->hwaddr = n->links[i].mac;
		x->mtu = n->links[i].mtu;
		x->ipaddresses = t->addresses[i];
		if (!n->links[i].plugged)
			continue;
		x->devicepath = arena_printf(&t->a, DISKS_PCI_BUS "/%02x", CARD_SLOT + (unsigned int)i);
		if (!x->devicepath)
			return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	}
	if (netlink_open(&nl, e) < 0)
		return -1;
	rc = netlink_addresses(&nl, note_address, t, e);
	if (rc == 0)
		rc = netlink_routes(&nl, AF_INET, note_route, t, e);
	if (rc == 0)
		rc = netlink_routes(&nl, AF_INET6, note_route, t, e);
	netlink_close(&nl);
	return rc;
}

/* From link `first` on, and all routes: the guest takes those that it has for what they are. */
static int tell(struct told *t, size_t first, struct client *c, struct err *e)
{
	Grpc__UpdateInterfaceRequest link = GRPC__UPDATE_INTERFACE_REQUEST__INIT;
	Grpc__UpdateRoutesRequest routes = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	Grpc__Routes list = GRPC__ROUTES__INIT;

	for (size_t i = first; i < t->net->n; i++) {
		link.interface = &t->links[i];
		if (!client_call_wait(c, AGENT, "UpdateInterface", &link.base,
				      &types__interface__descriptor, CALL_MS, &t->a, e))
			return err_ctx(e, "guest: UpdateInterface");
	}
	list.n_routes = t->n_routes;
	list.routes = t->routes;
	routes.routes = &list;
	if (t->net->n && !client_call_wait(c, AGENT, "UpdateRoutes", &routes.base,
					   &grpc__routes__descriptor, CALL_MS, &t->a, e))
		return err_ctx(e, "guest: UpdateRoutes");
	return 0;
}

static int tell_from(struct net *n, size_t first, struct client *c, struct err *e)
{
	struct told *t;
	int rc;

	if (n->nsfd < 0 || first == n->n)
		return 0;
	t = mem_new(1, sizeof(*t));
	if (!t)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	t->net = n;
	arena_init(&t->a, ARENA_BYTES);
	rc = inside(n, gather, t, e);
	if (rc == 0)
		rc = tell(t, first, c, e);
	arena_fini(&t->a);
	free(t);
	return rc;
}

int net_tell(struct net *n, struct client *c, struct err *e)
{
	return tell_from(n, 0, c, e);
}

/* --- while the machine runs --- */

static int plug(const struct net *n, size_t i, struct vm *vm, struct err *e)
{
	char text[192];
	struct str t = STR_OVER(text);

	str_addf(&t, "{\"type\":\"tap\",\"id\":\"net%zu\",\"fd\":\"%d\",\"vhost\":false}", i,
		 n->links[i].tapfd);
	if (vm_qmp(vm, "netdev_add", text, NULL, 0, e) < 0)
		return -1;
	str_reset(&t);
	str_addf(
		&t,
		"{\"driver\":\"virtio-net-pci\",\"netdev\":\"net%zu\",\"mac\":\"%s\",\"bus\":\"disks\",\"addr\":\"%zx\",\"id\":\"card%zu\"}",
		i, n->links[i].mac, CARD_SLOT + i, i);
	return vm_qmp(vm, "device_add", text, NULL, 0, e);
}

static int count_new(void *arg, const struct netlink_link *l)
{
	struct net *n = arg;

	return is_wanted(n, l) ? -EEXIST : 0;
}

static int look(struct net *n, void *arg UNUSED, struct err *e)
{
	struct netlink nl = { .fd = -1 };
	int rc;

	if (netlink_open(&nl, e) < 0)
		return -1;
	rc = netlink_links(&nl, count_new, n, e);
	netlink_close(&nl);
	return rc;
}

bool net_has_more(struct net *n)
{
	struct err e = { 0 };

	return n->nsfd >= 0 && inside(n, look, NULL, &e) < 0;
}

int net_follow(struct net *n, struct vm *vm, struct client *c, struct err *e)
{
	size_t first = n->n;

	if (n->nsfd < 0)
		return 0;
	if (inside(n, join_new, NULL, e) < 0)
		return err_ctx(e, "network");
	for (size_t i = first; i < n->n; i++) {
		if (plug(n, i, vm, e) < 0)
			return err_ctx(e, "network: %s", n->links[i].name);
		n->links[i].plugged = true;
	}
	return tell_from(n, first, c, e) < 0 ? err_ctx(e, "network") : 0;
}

/* --- port-forward --- */

struct way {
	struct loop *loop;
	struct client *streams;
};

static int open_forward(struct net *n, void *arg, struct err *e)
{
	const struct way *w = arg;

	return forward_open(&n->forward, w->loop, n->nsfd, w->streams, e);
}

void net_forward(struct net *n, struct loop *l, struct client *streams)
{
	struct way w = { l, streams };
	struct err e = { 0 };

	if (n->nsfd >= 0 && inside(n, open_forward, &w, &e) < 0)
		log_warn("net", "no port-forward: %s", e.msg);
}
