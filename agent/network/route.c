/* SPDX-License-Identifier: Apache-2.0 */
/* Routes and neighbours: lists of things that are set one after another. */
#include <linux/neighbour.h>

#include "base/mem.h"
#include "base/str.h"
#include "event/work.h"
#include "network/lock.h"
#include "network/network.h"
#include "network/text.h"

/* The index of a name, which is mostly the one that was asked for last. */
struct device {
	const char *name;
	int index;
};

static int find_device(struct netlink *n, struct device *last, const char *name, struct err *e)
{
	if (last->name && str_eq(last->name, name))
		return last->index;
	last->index = netlink_link_index(n, name, e);
	last->name = last->index < 0 ? NULL : name;
	return last->index;
}

/* --- routes --- */

struct route {
	const struct net_route *said;
	size_t at;	/* its place in the request */
	struct netlink_route r;
};

struct routes {
	size_t n;
	struct route all[];	/* in the order in which they are set */
};

static int bad(const struct route *t, const char *field, const char *value, struct err *e)
{
	return err_set(e, RC_INVALID_ARGUMENT, "Routes[%zu].%s \"%.96s\" is not understood", t->at,
		       field, value);
}

/* What tells the family, in this order: dest, gateway, source, then what the host says. */
static int check_dest(struct route *t, struct err *e)
{
	const struct net_route *said = t->said;
	const char *texts[] = { said->dest, said->gateway, said->source };
	struct netlink_ip ip = { 0 };

	t->r.family = said->v6 ? AF_INET6 : AF_INET;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		if (!*texts[i])
			continue;
		t->r.family = strchr(texts[i], ':') ? AF_INET6 : AF_INET;
		break;
	}
	if (!*said->dest)
		return 0;
	if (net_prefix_parse(said->dest, &ip, &t->r.dest_len) < 0)
		return bad(t, "dest", said->dest, e);
	memcpy(t->r.dest, ip.bytes, sizeof(ip.bytes));
	return 0;
}

/* "10.0.0.1" and "10.0.0.1/32" are an address to leave with, "10.0.0.0/24" where packets come from:
 * only version 6 has routes by source. */
static int check_source(struct route *t, struct err *e)
{
	const char *said = t->said->source;
	struct netlink_ip ip = { 0 };
	uint8_t len;

	if (!*said)
		return 0;
	if (net_prefix_parse(said, &ip, &len) < 0)
		return bad(t, "source", said, e);
	if (ip.family != t->r.family)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "Routes[%zu].source \"%.64s\" is of another family than the route",
			       t->at, said);
	if (len == 0 || len == netlink_ip_len(ip.family) * 8) {
		t->r.prefer = ip;
	} else if (ip.family == AF_INET) {
		return err_set(e, RC_INVALID_ARGUMENT,
			       "Routes[%zu].source \"%.64s\": IPv4 has no routes by source", t->at,
			       said);
	} else {
		t->r.source_len = len;
		memcpy(t->r.source, ip.bytes, sizeof(ip.bytes));
	}
	return 0;
}

static int check_route(struct route *t, struct err *e)
{
	const struct net_route *said = t->said;

	if (check_dest(t, e) < 0 || check_source(t, e) < 0)
		return -1;
	if (*said->gateway && net_ip_parse(said->gateway, &t->r.gateway) < 0)
		return bad(t, "gateway", said->gateway, e);
	if (!*said->device)
		return err_set(e, RC_INVALID_ARGUMENT, "Routes[%zu] names no device", t->at);
	if (said->scope > UINT8_MAX)
		return err_set(e, RC_INVALID_ARGUMENT, "Routes[%zu].scope %u is none", t->at,
			       said->scope);
	t->r.scope = (uint8_t)said->scope;
	t->r.flags = said->flags;
	t->r.mtu = said->mtu;
	return 0;
}

static int routes_job(void *arg, int out UNUSED, struct err *e)
{
	AUTO_FD lock = network_lock(NETWORK_NAMES_STAY);
	struct routes *rs = arg;
	struct device last = { 0 };
	struct netlink n;

	(void)lock;
	if (netlink_open(&n, e) < 0)
		return -1;
	for (size_t i = 0; i < rs->n; i++) {
		struct route *t = &rs->all[i];

		t->r.index = find_device(&n, &last, t->said->device, e);
		if (t->r.index >= 0 && netlink_route_set(&n, &t->r, e) == 0)
			continue;
		return err_ctx(e, "%zu of %zu routes are set; Routes[%zu] (%.48s via %.48s dev %.15s)", i,
			       rs->n, t->at, *t->said->dest ? t->said->dest : "default",
			       *t->said->gateway ? t->said->gateway : "nothing", t->said->device);
	}
	return 0;
}

/* Twice over the list: who needs no gateway is first. */
static int check_routes(struct routes *rs, const struct net_route *r, size_t n, struct err *e)
{
	for (int through = 0; through < 2; through++)
		for (size_t i = 0; i < n; i++) {
			struct route *t = &rs->all[rs->n];

			if ((*r[i].gateway != '\0') != through)
				continue;
			rs->n++;
			t->said = &r[i];
			t->at = i;
			if (check_route(t, e) < 0)
				return -1;
		}
	return 0;
}

void network_routes_set(struct loop *l, const struct net_route *r, size_t n, uint64_t deadline_ms,
			work_done_fn done, void *owner)
{
	const struct work_opts opts = { .what = "set routes",
					.deadline_ms = deadline_ms,
					.release = free };
	struct routes *rs = mem_new(1, sizeof(*rs) + n * sizeof(rs->all[0]));
	struct err e = { 0 };

	if (!rs)
		err_sys(&e, ENOMEM, "set routes");
	else if (check_routes(rs, r, n, &e) == 0) {
		work_start(l, &opts, routes_job, rs, done, owner);
		return;
	}
	free(rs);
	done(owner, &e, "", 0);
}

/* --- neighbours --- */

struct neighbours {
	size_t n;
	struct neighbour {
		const struct net_neighbour *said;
		struct netlink_neighbour b;
	} all[];
};

static int check_neighbour(struct neighbour *b, size_t at, struct err *e)
{
	const struct net_neighbour *said = b->said;
	ssize_t mac = *said->mac ? net_mac_parse(said->mac, b->b.mac) : 0;

	if (net_ip_parse(said->address, &b->b.ip) < 0)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "ARPNeighbors[%zu].toIPAddress \"%.64s\" is no IP address", at,
			       said->address);
	if (mac < 0)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "ARPNeighbors[%zu].lladdr \"%.96s\" is no hardware address", at,
			       said->mac);
	if (!*said->device)
		return err_set(e, RC_INVALID_ARGUMENT, "ARPNeighbors[%zu] names no device", at);
	if (said->state < 0 || said->state > UINT16_MAX)
		return err_set(e, RC_INVALID_ARGUMENT, "ARPNeighbors[%zu].state %d is none", at,
			       said->state);
	b->b.mac_len = (uint8_t)mac;
	b->b.state = said->state ? (uint16_t)said->state : NUD_PERMANENT;
	b->b.flags = (uint8_t)(said->flags & UINT8_MAX);
	return 0;
}

static int neighbours_job(void *arg, int out UNUSED, struct err *e)
{
	AUTO_FD lock = network_lock(NETWORK_NAMES_STAY);
	struct neighbours *ns = arg;
	struct device last = { 0 };
	struct netlink n;

	(void)lock;
	if (netlink_open(&n, e) < 0)
		return -1;
	for (size_t i = 0; i < ns->n; i++) {
		struct neighbour *b = &ns->all[i];

		b->b.index = find_device(&n, &last, b->said->device, e);
		if (b->b.index >= 0 && netlink_neighbour_set(&n, &b->b, e) == 0)
			continue;
		return err_ctx(e, "%zu of %zu neighbours are set; ARPNeighbors[%zu] (%.64s dev %.15s)", i,
			       ns->n, i, b->said->address, b->said->device);
	}
	return 0;
}

static int check_neighbours(struct neighbours *ns, const struct net_neighbour *b, size_t n,
			    struct err *e)
{
	for (ns->n = 0; ns->n < n; ns->n++) {
		ns->all[ns->n].said = &b[ns->n];
		if (check_neighbour(&ns->all[ns->n], ns->n, e) < 0)
			return -1;
	}
	return 0;
}

void network_neighbours_set(struct loop *l, const struct net_neighbour *b, size_t n,
			    uint64_t deadline_ms, work_done_fn done, void *owner)
{
	const struct work_opts opts = { .what = "set neighbours",
					.deadline_ms = deadline_ms,
					.release = free };
	struct neighbours *ns = mem_new(1, sizeof(*ns) + n * sizeof(ns->all[0]));
	struct err e = { 0 };

	if (!ns)
		err_sys(&e, ENOMEM, "set neighbours");
	else if (check_neighbours(ns, b, n, &e) == 0) {
		work_start(l, &opts, neighbours_job, ns, done, owner);
		return;
	}
	free(ns);
	done(owner, &e, "", 0);
}
