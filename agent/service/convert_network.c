/* SPDX-License-Identifier: Apache-2.0 */
#include "service/convert.h"

#include <arpa/inet.h>

#include "base/str.h"

static int no_memory(struct err *e)
{
	return err_set(e, RC_RESOURCE_EXHAUSTED, "the network is more than a call may hold");
}

/* --- requests --- */

int convert_interface(const Types__Interface *in, struct arena *a, struct net_interface *out,
		      struct err *e)
{
	struct net_address *addresses = ARENA_ARRAY(a, struct net_address, in->n_ipaddresses);

	if (!addresses)
		return no_memory(e);
	for (size_t i = 0; i < in->n_ipaddresses; i++) {
		addresses[i].address = in->ipaddresses[i]->address;
		addresses[i].prefix = in->ipaddresses[i]->mask;
	}
	*out = (struct net_interface){ .name = in->name,
				       .mac = in->hwaddr,
				       .device = "",
				       .mtu = in->mtu,
				       .flags = in->raw_flags,
				       .addresses = addresses,
				       .n_addresses = in->n_ipaddresses };
	return 0;
}

struct net_route *convert_routes(const Grpc__Routes *in, struct arena *a, struct err *e)
{
	struct net_route *out = ARENA_ARRAY(a, struct net_route, in->n_routes);

	if (!out)
		no_memory(e);
	for (size_t i = 0; out && i < in->n_routes; i++) {
		const Types__Route *r = in->routes[i];

		out[i] = (struct net_route){ .dest = r->dest,
					     .gateway = r->gateway,
					     .device = r->device,
					     .source = r->source,
					     .scope = r->scope,
					     .flags = r->flags,
					     .mtu = r->mtu,
					     .v6 = r->family == TYPES__IPFAMILY__v6 };
	}
	return out;
}

struct net_neighbour *convert_neighbours(const Grpc__ARPNeighbors *in, struct arena *a,
					 struct err *e)
{
	struct net_neighbour *out = ARENA_ARRAY(a, struct net_neighbour, in->n_arpneighbors);

	if (!out)
		no_memory(e);
	for (size_t i = 0; out && i < in->n_arpneighbors; i++) {
		const Types__ARPNeighbor *b = in->arpneighbors[i];

		out[i] = (struct net_neighbour){
			.address = b->toipaddress ? b->toipaddress->address : "",
			.device = b->device,
			.mac = b->lladdr,
			.state = b->state,
			.flags = b->flags,
		};
	}
	return out;
}

/* --- replies --- */

/* "10.0.0.0", and "/8" behind it where there is a length; NULL: no memory. */
static char *ip_text(struct arena *a, uint8_t family, const uint8_t *bytes, int len)
{
	char text[INET6_ADDRSTRLEN];

	if (!inet_ntop(family, bytes, text, sizeof(text)))
		return NULL;
	return len < 0 ? arena_strdup(a, text) : arena_printf(a, "%s/%d", text, len);
}

static Types__IPFamily family_of(uint8_t family)
{
	return family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
}

static char *mac_text(struct arena *a, const struct netlink_link *l)
{
	char text[3 * NETLINK_MAC_MAX + 1];
	struct str s = STR_OVER(text);

	for (size_t i = 0; i < l->mac_len; i++)
		str_addf(&s, "%s%02X", i ? ":" : "", l->mac[i]);
	return arena_strdup(a, text);
}

static int add_address(Types__Interface *to, const struct netlink_address *from, struct arena *a)
{
	Types__IPAddress *ip = ARENA_NEW(a, Types__IPAddress);

	if (!ip)
		return -ENOMEM;
	types__ipaddress__init(ip);
	ip->family = family_of(from->ip.family);
	ip->address = ip_text(a, from->ip.family, from->ip.bytes, -1);
	ip->mask = arena_printf(a, "%u", from->prefix);
	to->ipaddresses[to->n_ipaddresses++] = ip;
	return ip->address && ip->mask ? 0 : -ENOMEM;
}

static size_t count(const struct net_record *r, size_t n, enum net_record_kind kind, int index)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += r[i].kind == kind && (!index || r[i].address.index == index);
	return found;
}

static Types__Interface *new_interface(const struct net_record *link, const struct net_record *r,
				       size_t n, struct arena *a)
{
	Types__Interface *out = ARENA_NEW(a, Types__Interface);
	int index = link->link.index;

	if (!out)
		return NULL;
	types__interface__init(out);
	out->name = arena_strdup(a, link->device);
	out->hwaddr = mac_text(a, &link->link);
	out->mtu = link->link.mtu;
	out->raw_flags = link->link.flags;
	out->ipaddresses = ARENA_ARRAY(a, Types__IPAddress *, count(r, n, NET_ADDRESS, index));
	if (!out->name || !out->hwaddr || !out->ipaddresses)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (r[i].kind == NET_ADDRESS && r[i].address.index == index &&
		    add_address(out, &r[i].address, a) < 0)
			return NULL;
	return out;
}

int convert_interface_list(const struct net_record *r, size_t n, struct arena *a,
			   Grpc__Interfaces *out, struct err *e)
{
	grpc__interfaces__init(out);
	out->interfaces = ARENA_ARRAY(a, Types__Interface *, count(r, n, NET_LINK, 0));
	if (!out->interfaces)
		return no_memory(e);
	for (size_t i = 0; i < n; i++) {
		Types__Interface *one;

		if (r[i].kind != NET_LINK)
			continue;
		one = new_interface(&r[i], r, n, a);
		if (!one)
			return no_memory(e);
		out->interfaces[out->n_interfaces++] = one;
	}
	return 0;
}

static Types__Route *new_route(const struct net_record *r, struct arena *a)
{
	const struct netlink_route *from = &r->route;
	Types__Route *out = ARENA_NEW(a, Types__Route);
	bool ok;

	if (!out)
		return NULL;
	types__route__init(out);
	out->dest = ip_text(a, from->family, from->dest, from->dest_len);
	out->device = arena_strdup(a, r->device);
	ok = out->dest && out->device;
	if (from->gateway.family) {
		out->gateway = ip_text(a, from->gateway.family, from->gateway.bytes, -1);
		ok = ok && out->gateway;
	}
	if (from->prefer.family)
		out->source = ip_text(a, from->prefer.family, from->prefer.bytes, -1);
	else if (from->source_len)
		out->source = ip_text(a, from->family, from->source, from->source_len);
	out->scope = from->scope;
	out->flags = from->flags;
	out->mtu = from->mtu;
	out->family = family_of(from->family);
	return ok && out->source ? out : NULL;
}

int convert_route_list(const struct net_record *r, size_t n, struct arena *a, Grpc__Routes *out,
		       struct err *e)
{
	grpc__routes__init(out);
	out->routes = ARENA_ARRAY(a, Types__Route *, n);
	if (!out->routes)
		return no_memory(e);
	for (size_t i = 0; i < n; i++) {
		Types__Route *one = new_route(&r[i], a);

		if (!one)
			return no_memory(e);
		out->routes[out->n_routes++] = one;
	}
	return 0;
}
