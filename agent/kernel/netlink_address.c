/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and neighbours of links (rtnetlink(7)). */
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "kernel/netlink.h"

#define REQUEST_MAX	256

size_t netlink_ip_len(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

static bool is_ip(uint8_t family)
{
	return family == AF_INET || family == AF_INET6;
}

struct parsed {
	struct netlink_address *out;
	bool local;	/* what IFA_LOCAL says holds: IFA_ADDRESS is the other end then */
};

static int take_attr(const struct nlattr *attr, void *data)
{
	struct parsed *p = data;
	bool local = mnl_attr_get_type(attr) == IFA_LOCAL;

	if (!local && mnl_attr_get_type(attr) != IFA_ADDRESS)
		return MNL_CB_OK;
	if (mnl_attr_get_payload_len(attr) != netlink_ip_len(p->out->ip.family) ||
	    (p->local && !local))
		return MNL_CB_OK;
	memcpy(p->out->ip.bytes, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	p->local = local;
	return MNL_CB_OK;
}

int netlink_parse_address(const struct nlmsghdr *msg, struct netlink_address *out)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(msg);
	struct parsed p = { .out = out };

	if (msg->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(msg) < sizeof(*ifa) ||
	    !is_ip(ifa->ifa_family))
		return 0;
	*out = (struct netlink_address){ .index = (int)ifa->ifa_index,
					 .prefix = ifa->ifa_prefixlen,
					 .scope = ifa->ifa_scope,
					 .ip.family = ifa->ifa_family };
	return mnl_attr_parse(msg, sizeof(*ifa), take_attr, &p) >= 0;
}

struct addresses {
	netlink_address_fn fn;
	void *arg;
};

static int take_address(void *arg, const struct nlmsghdr *msg)
{
	const struct addresses *as = arg;
	struct netlink_address a;

	return netlink_parse_address(msg, &a) ? as->fn(as->arg, &a) : 0;
}

int netlink_addresses(struct netlink *n, netlink_address_fn fn, void *arg, struct err *e)
{
	char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct addresses as = { .fn = fn, .arg = arg };
	struct ifaddrmsg *ifa;

	msg->nlmsg_type = RTM_GETADDR;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	ifa = mnl_nlmsg_put_extra_header(msg, sizeof(*ifa));
	ifa->ifa_family = AF_UNSPEC;
	return netlink_talk(n, msg, take_address, &as, e) < 0 ? err_ctx(e, "list addresses") : 0;
}

/* An IPv6 address is used at once: nobody else in a sandbox's network is asked whether it is theirs. */
int netlink_address_set(struct netlink *n, const struct netlink_address *a, struct err *e)
{
	char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	size_t len = netlink_ip_len(a->ip.family);
	struct ifaddrmsg *ifa;

	msg->nlmsg_type = RTM_NEWADDR;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
	ifa = mnl_nlmsg_put_extra_header(msg, sizeof(*ifa));
	*ifa = (struct ifaddrmsg){ .ifa_family = a->ip.family,
				   .ifa_prefixlen = a->prefix,
				   .ifa_scope = a->scope,
				   .ifa_index = (uint32_t)a->index };
	if (a->ip.family == AF_INET6)
		ifa->ifa_flags = IFA_F_NODAD;
	mnl_attr_put(msg, IFA_LOCAL, len, a->ip.bytes);
	mnl_attr_put(msg, IFA_ADDRESS, len, a->ip.bytes);
	return netlink_talk(n, msg, NULL, NULL, e);
}

int netlink_neighbour_set(struct netlink *n, const struct netlink_neighbour *b, struct err *e)
{
	char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct ndmsg *nd;

	msg->nlmsg_type = RTM_NEWNEIGH;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
	nd = mnl_nlmsg_put_extra_header(msg, sizeof(*nd));
	*nd = (struct ndmsg){ .ndm_family = b->ip.family,
			      .ndm_ifindex = b->index,
			      .ndm_state = b->state,
			      .ndm_flags = b->flags };
	mnl_attr_put(msg, NDA_DST, netlink_ip_len(b->ip.family), b->ip.bytes);
	if (b->mac_len)
		mnl_attr_put(msg, NDA_LLADDR, b->mac_len, b->mac);
	return netlink_talk(n, msg, NULL, NULL, e);
}
