/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of the main table (rtnetlink(7)). */
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "kernel/netlink.h"

#define REQUEST_MAX	512

struct parsed {
	struct netlink_route r;
	uint32_t table;
	const struct nlattr *hops;	/* RTA_MULTIPATH */
};

static void take_ip(const struct nlattr *attr, uint8_t family, struct netlink_ip *out)
{
	if (mnl_attr_get_payload_len(attr) != netlink_ip_len(family))
		return;
	out->family = family;
	memcpy(out->bytes, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
}

/* RTA_VIA: a gateway of another family than the route's (struct rtvia). */
static void take_via(const struct nlattr *attr, struct netlink_ip *out)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);
	uint8_t family;

	if (len < sizeof(*via) || (via->rtvia_family != AF_INET && via->rtvia_family != AF_INET6))
		return;
	family = (uint8_t)via->rtvia_family;
	if (len - sizeof(*via) != netlink_ip_len(family))
		return;
	out->family = family;
	memcpy(out->bytes, via->rtvia_addr, netlink_ip_len(family));
}

static void take_prefix(const struct nlattr *attr, uint8_t family, uint8_t out[16])
{
	if (mnl_attr_get_payload_len(attr) == netlink_ip_len(family))
		memcpy(out, mnl_attr_get_payload(attr), netlink_ip_len(family));
}

static uint32_t u32_of(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_U32) < 0 ? 0 : mnl_attr_get_u32(attr);
}

static int take_metric(const struct nlattr *attr, void *data)
{
	if (mnl_attr_get_type(attr) == RTAX_MTU)
		*(uint32_t *)data = u32_of(attr);
	return MNL_CB_OK;
}

static int take_attr(const struct nlattr *attr, void *data)
{
	struct parsed *p = data;
	struct netlink_route *r = &p->r;

	switch (mnl_attr_get_type(attr)) {
	case RTA_DST:
		take_prefix(attr, r->family, r->dest);
		break;
	case RTA_SRC:
		take_prefix(attr, r->family, r->source);
		break;
	case RTA_GATEWAY:
		take_ip(attr, r->family, &r->gateway);
		break;
	case RTA_VIA:
		take_via(attr, &r->gateway);
		break;
	case RTA_PREFSRC:
		take_ip(attr, r->family, &r->prefer);
		break;
	case RTA_OIF:
		r->index = (int)u32_of(attr);
		break;
	case RTA_TABLE:
		p->table = u32_of(attr);
		break;
	case RTA_METRICS:
		(void)mnl_attr_parse_nested(attr, take_metric, &r->mtu);
		break;
	case RTA_MULTIPATH:
		p->hops = attr;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

/* The attributes behind each struct rtnexthop are the gateway's. */
static int each_hop(const struct parsed *p, netlink_route_fn fn, void *arg)
{
	const uint8_t *at = mnl_attr_get_payload(p->hops);
	size_t left = mnl_attr_get_payload_len(p->hops);

	while (left >= sizeof(struct rtnexthop)) {
		struct parsed hop = *p;
		const struct rtnexthop *h = (const void *)at;
		size_t len = h->rtnh_len;
		int r;

		if (len < sizeof(*h) || len > left)
			break;
		hop.r.index = h->rtnh_ifindex;
		hop.r.flags = h->rtnh_flags;
		(void)mnl_attr_parse_payload(at + sizeof(*h), len - sizeof(*h), take_attr, &hop);
		r = fn(arg, &hop.r);
		if (r)
			return r;
		len = MIN(left, (size_t)RTNH_ALIGN(len));
		at += len;
		left -= len;
	}
	return 0;
}

int netlink_parse_route(const struct nlmsghdr *msg, netlink_route_fn fn, void *arg)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(msg);
	struct parsed p = { 0 };

	if (msg->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(msg) < sizeof(*rt) ||
	    (rt->rtm_family != AF_INET && rt->rtm_family != AF_INET6) ||
	    rt->rtm_type != RTN_UNICAST || (rt->rtm_flags & RTM_F_CLONED))
		return 0;
	p.table = rt->rtm_table;
	p.r = (struct netlink_route){ .family = rt->rtm_family,
				      .dest_len = rt->rtm_dst_len,
				      .source_len = rt->rtm_src_len,
				      .scope = rt->rtm_scope,
				      .flags = rt->rtm_flags };
	if (mnl_attr_parse(msg, sizeof(*rt), take_attr, &p) < 0 || p.table != RT_TABLE_MAIN)
		return 0;
	return p.hops ? each_hop(&p, fn, arg) : fn(arg, &p.r);
}

struct routes {
	netlink_route_fn fn;
	void *arg;
};

static int take_route(void *arg, const struct nlmsghdr *msg)
{
	const struct routes *rs = arg;

	return netlink_parse_route(msg, rs->fn, rs->arg);
}

int netlink_routes(struct netlink *n, uint8_t family, netlink_route_fn fn, void *arg,
		   struct err *e)
{
	char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct routes rs = { .fn = fn, .arg = arg };
	struct rtmsg *rt;

	msg->nlmsg_type = RTM_GETROUTE;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	rt = mnl_nlmsg_put_extra_header(msg, sizeof(*rt));
	rt->rtm_family = family;
	return netlink_talk(n, msg, take_route, &rs, e) < 0 ? err_ctx(e, "list routes") : 0;
}

static void put_gateway(struct nlmsghdr *msg, const struct netlink_route *r)
{
	uint8_t buf[sizeof(struct rtvia) + 16];
	struct rtvia *via = (struct rtvia *)(void *)buf;
	size_t len = netlink_ip_len(r->gateway.family);

	if (!r->gateway.family)
		return;
	if (r->gateway.family == r->family) {
		mnl_attr_put(msg, RTA_GATEWAY, len, r->gateway.bytes);
		return;
	}
	via->rtvia_family = r->gateway.family;
	memcpy(via->rtvia_addr, r->gateway.bytes, len);
	mnl_attr_put(msg, RTA_VIA, sizeof(*via) + len, buf);
}

int netlink_route_set(struct netlink *n, const struct netlink_route *r, struct err *e)
{
	char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	size_t len = netlink_ip_len(r->family);
	struct nlattr *metrics;
	struct rtmsg *rt;

	msg->nlmsg_type = RTM_NEWROUTE;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
	rt = mnl_nlmsg_put_extra_header(msg, sizeof(*rt));
	*rt = (struct rtmsg){ .rtm_family = r->family,
			      .rtm_dst_len = r->dest_len,
			      .rtm_src_len = r->source_len,
			      .rtm_table = RT_TABLE_MAIN,
			      .rtm_protocol = RTPROT_BOOT,
			      .rtm_scope = r->scope,
			      .rtm_type = RTN_UNICAST,
			      .rtm_flags = r->flags };
	if (r->dest_len)
		mnl_attr_put(msg, RTA_DST, len, r->dest);
	if (r->source_len)
		mnl_attr_put(msg, RTA_SRC, len, r->source);
	put_gateway(msg, r);
	if (r->prefer.family)
		mnl_attr_put(msg, RTA_PREFSRC, len, r->prefer.bytes);
	if (r->index)
		mnl_attr_put_u32(msg, RTA_OIF, (uint32_t)r->index);
	if (r->mtu) {
		metrics = mnl_attr_nest_start(msg, RTA_METRICS);
		mnl_attr_put_u32(msg, RTAX_MTU, r->mtu);
		mnl_attr_nest_end(msg, metrics);
	}
	return netlink_talk(n, msg, NULL, NULL, e);
}
