/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One interface made as the host wants it: found, taken down only where the kernel asks for it, its
 * name freed, everything of the link set in one request, and the addresses last, since those of
 * version 6 go when a link goes down.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "event/work.h"
#include "network/lock.h"
#include "network/network.h"
#include "network/text.h"

#define TEMPORARY	"mote%d"	/* while two names are exchanged; the index makes it unique */
#define NAME_ATTEMPTS	8

struct wanted {
	const struct net_interface *said;
	uint8_t mac[NETLINK_MAC_MAX];
	size_t mac_len;
	struct netlink_address addresses[];	/* said->n_addresses */
};

static int check_addresses(struct wanted *w, struct err *e)
{
	for (size_t i = 0; i < w->said->n_addresses; i++) {
		const struct net_address *said = &w->said->addresses[i];
		struct netlink_address *a = &w->addresses[i];

		if (net_ip_parse(said->address, &a->ip) < 0)
			return err_set(e, RC_INVALID_ARGUMENT,
				       "IPAddresses[%zu].address \"%.64s\" is no IP address", i,
				       said->address);
		if (net_prefix_len_parse(said->prefix, a->ip.family, &a->prefix) < 0)
			return err_set(e, RC_INVALID_ARGUMENT,
				       "IPAddresses[%zu].mask \"%.32s\": not 0 to %zu", i,
				       said->prefix, netlink_ip_len(a->ip.family) * 8);
	}
	return 0;
}

static bool is_name(const char *name)
{
	return strlen(name) < IFNAMSIZ && !strpbrk(name, "/: \t\n\v\f\r") && !str_eq(name, ".") &&
	       !str_eq(name, "..");
}

static int check(struct wanted *w, struct err *e)
{
	const struct net_interface *i = w->said;
	ssize_t n = *i->mac ? net_mac_parse(i->mac, w->mac) : 0;

	if (!*i->mac && !*i->device && !*i->name)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "an interface without hwAddr, devicePath and name");
	if (!is_name(i->name))
		return err_set(e, RC_INVALID_ARGUMENT, "name \"%.64s\" is no interface name",
			       i->name);
	if (n < 0)
		return err_set(e, RC_INVALID_ARGUMENT,
			       "hwAddr \"%.96s\" is no hardware address", i->mac);
	if (i->mtu > UINT32_MAX)
		return err_set(e, RC_INVALID_ARGUMENT, "mtu %llu is too large",
			       (unsigned long long)i->mtu);
	w->mac_len = (size_t)n;
	return check_addresses(w, e);
}

/* --- the job --- */

struct change {
	const struct wanted *w;
	struct netlink *n;
	struct netlink_link link;	/* the one; index 0: not there */
	struct netlink_link holder;	/* another one with the wanted name; index 0: none */
};

static bool has_mac(const struct change *c, const struct netlink_link *l)
{
	return c->w->mac_len && l->mac_len == c->w->mac_len &&
	       memcmp(l->mac, c->w->mac, l->mac_len) == 0;
}

/* By the device's number or name where one is known (its name may be another's by now), else by the
 * hardware address, else by its name. */
static int see(void *arg, const struct netlink_link *l)
{
	const struct net_interface *said = ((struct change *)arg)->w->said;
	struct change *c = arg;

	if (said->index ? (unsigned int)l->index == said->index :
	    *said->device ? str_eq(l->name, said->device) :
			    !c->link.index && has_mac(c, l))
		c->link = *l;
	if (*said->name && str_eq(l->name, said->name))
		c->holder = *l;
	return 0;
}

static int find(struct change *c, struct err *e)
{
	const struct net_interface *said = c->w->said;

	if (netlink_links(c->n, see, c, e) < 0)
		return -1;
	if (!c->link.index && !*said->device)
		c->link = c->holder;
	if (c->holder.index == c->link.index)
		c->holder.index = 0;
	if (!c->link.index)
		return err_set(e, RC_INTERNAL, "Link not found (address: %.96s, name: %s)",
			       said->mac, *said->device ? said->device : said->name);
	return 0;
}

static int set_down(struct change *c, const struct netlink_link *l, struct err *e)
{
	const struct netlink_link_change down = { .flags_mask = IFF_UP };

	if (!(l->flags & IFF_UP) || netlink_link_change(c->n, l->index, &down, e) == 0)
		return 0;
	return err_ctx(e, "set %s down", l->name);
}

/* Up afterwards if it was before, unless that shall wait. */
static int rename_to(struct change *c, const struct netlink_link *l, const char *name,
		     unsigned int up, struct err *e)
{
	const struct netlink_link_change change = { .name = name,
						    .flags_mask = up & l->flags,
						    .flags = up & l->flags };

	if (netlink_link_change(c->n, l->index, &change, e) == 0)
		return 0;
	return err_ctx(e, "rename interface %s to %s", l->name, name);
}

static int free_name(struct change *c, struct err *e)
{
	char aside[IFNAMSIZ];

	snprintf(aside, sizeof(aside), TEMPORARY, c->holder.index);
	if (set_down(c, &c->holder, e) < 0)
		return -1;
	return rename_to(c, &c->holder, aside, 0, e);
}

/* The holder gets the name that is free now: this one's, or its own back after a failure. */
static int give_name(struct change *c, bool failed, struct err *e)
{
	const char *name = failed || !*c->link.name ? c->holder.name : c->link.name;
	struct err own = { 0 };

	/* the first error is the one to tell */
	return rename_to(c, &c->holder, name, IFF_UP, failed ? &own : e);
}

static int set_link(struct change *c, struct err *e)
{
	const struct net_interface *said = c->w->said;
	struct netlink_link_change change = {
		.mtu = (uint32_t)said->mtu == c->link.mtu ? 0 : (uint32_t)said->mtu,
		.flags_mask = IFF_UP | IFF_NOARP,
		.flags = IFF_UP | (said->flags & IFF_NOARP),
	};
	bool renamed = *said->name && !str_eq(said->name, c->link.name);

	if (c->w->mac_len && !has_mac(c, &c->link)) {
		change.mac = c->w->mac;
		change.mac_len = c->w->mac_len;
	}
	if (renamed)
		change.name = said->name;
	if ((change.mac || renamed) && set_down(c, &c->link, e) < 0)
		return -1;
	if (netlink_link_change(c->n, c->link.index, &change, e) == 0)
		return 0;
	err_ctx(e, "set interface %s (name %s, mtu %u)", c->link.name,
		renamed ? said->name : c->link.name, change.mtu ? change.mtu : c->link.mtu);
	(void)rename_to(c, &c->link, c->link.name, IFF_UP, &(struct err){ 0 });
	return -1;
}

static bool v6_is_off(void)
{
	static const char *const files[] = { "/proc/sys/net/ipv6/conf/all/disable_ipv6",
					     "/proc/sys/net/ipv6/conf/default/disable_ipv6" };
	char text[8];

	for (size_t i = 0; i < COUNT_OF(files); i++) {
		ssize_t n = io_read_line(AT_FDCWD, files[i], text, sizeof(text));

		if (n >= 0 && !str_eq(text, "1"))
			return false;
	}
	return true;
}

static int set_addresses(struct change *c, struct err *e)
{
	const struct net_interface *said = c->w->said;
	bool no_v6 = v6_is_off();

	for (size_t i = 0; i < said->n_addresses; i++) {
		struct netlink_address a = c->w->addresses[i];

		if (a.ip.family == AF_INET6 && no_v6)
			continue;
		a.index = c->link.index;
		if (netlink_address_set(c->n, &a, e) < 0)
			return err_ctx(e,
				       "interface %s is up; address %zu of %zu, %.64s/%.4s, which was not set",
				       *said->name ? said->name : c->link.name, i + 1,
				       said->n_addresses, said->addresses[i].address,
				       said->addresses[i].prefix);
	}
	return 0;
}

static int set_names(struct change *c, struct err *e)
{
	bool failed;

	if (find(c, e) < 0)
		return -1;
	failed = c->holder.index && free_name(c, e) < 0;
	failed = failed || set_link(c, e) < 0;
	if (c->holder.index && give_name(c, failed, e) < 0)
		failed = true;
	return failed ? -1 : 0;
}

/* One call at a time changes names: two that swap theirs would take each other's away. The lock goes
 * with the job. The kernel names a card that comes meanwhile, and may take one that was free: then
 * all is looked at again. */
static int interface_job(void *arg, int out UNUSED, struct err *e)
{
	AUTO_FD lock = network_lock(NETWORK_NAMES_CHANGE);
	struct netlink n;
	struct change c;
	int r = 0;

	(void)lock;
	if (netlink_open(&n, e) < 0)
		return -1;
	for (int attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
		c = (struct change){ .w = arg, .n = &n };
		err_clear(e);
		r = set_names(&c, e);
		if (r == 0 || e->sys != EEXIST)
			break;
	}
	return r < 0 ? -1 : set_addresses(&c, e);
}

void network_interface_set(struct loop *l, const struct net_interface *i, uint64_t deadline_ms,
			   work_done_fn done, void *owner)
{
	const struct work_opts opts = { .what = "set an interface",
					.deadline_ms = deadline_ms,
					.release = free };
	struct wanted *w = mem_new(1, sizeof(*w) + i->n_addresses * sizeof(w->addresses[0]));
	struct err e = { 0 };

	if (!w) {
		err_sys(&e, ENOMEM, "set an interface");
	} else {
		w->said = i;
		check(w, &e);
	}
	if (!err_is_set(&e)) {
		work_start(l, &opts, interface_job, w, done, owner);
		return;
	}
	free(w);
	done(owner, &e, "", 0);
}
