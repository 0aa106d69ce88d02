/* SPDX-License-Identifier: Apache-2.0 */
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "kernel/netlink.h"

#define REQUEST_MAX	256

static int check_name(const char *name, struct err *e)
{
	size_t n = strlen(name);

	if (n == 0 || n >= IFNAMSIZ)
		return err_set(e, RC_INVALID_ARGUMENT, "'%.32s' is no interface name", name);
	return 0;
}

static struct nlmsghdr *request(void *buf, uint16_t type, uint16_t flags, const char *name,
				struct ifinfomsg **link)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);

	msg->nlmsg_type = type;
	msg->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	*link = mnl_nlmsg_put_extra_header(msg, sizeof(**link));
	(*link)->ifi_family = AF_UNSPEC;
	if (name)
		mnl_attr_put_strz(msg, IFLA_IFNAME, name);
	return msg;
}

static int take_attr(const struct nlattr *attr, void *data)
{
	struct netlink_link *out = data;
	size_t len = mnl_attr_get_payload_len(attr);

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 && len <= sizeof(out->name))
			memcpy(out->name, mnl_attr_get_payload(attr), len);
		break;
	case IFLA_MTU:
		if (mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			out->mtu = mnl_attr_get_u32(attr);
		break;
	case IFLA_ADDRESS:
		if (len > sizeof(out->mac))
			break;
		memcpy(out->mac, mnl_attr_get_payload(attr), len);
		out->mac_len = (uint8_t)len;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

int netlink_parse_link(const struct nlmsghdr *msg, struct netlink_link *out)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(msg);

	if (msg->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(msg) < sizeof(*link))
		return 0;
	*out = (struct netlink_link){ .index = link->ifi_index, .flags = link->ifi_flags };
	if (mnl_attr_parse(msg, sizeof(*link), take_attr, out) < 0)
		return 0;
	return out->index > 0 && out->name[0];
}

struct links {
	netlink_link_fn fn;
	void *arg;
};

static int take_link(void *arg, const struct nlmsghdr *msg)
{
	const struct links *ls = arg;
	struct netlink_link l;

	return netlink_parse_link(msg, &l) ? ls->fn(ls->arg, &l) : 0;
}

int netlink_links(struct netlink *n, netlink_link_fn fn, void *arg, struct err *e)
{
	char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct links ls = { .fn = fn, .arg = arg };
	struct ifinfomsg *link;
	struct nlmsghdr *msg = request(buf, RTM_GETLINK, NLM_F_DUMP, NULL, &link);

	return netlink_talk(n, msg, take_link, &ls, e) < 0 ? err_ctx(e, "list interfaces") : 0;
}

static int take_index(void *arg, const struct nlmsghdr *msg)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(msg);

	if (msg->nlmsg_type == RTM_NEWLINK && mnl_nlmsg_get_payload_len(msg) >= sizeof(*link))
		*(int *)arg = link->ifi_index;
	return 0;
}

int netlink_link_index(struct netlink *n, const char *name, struct err *e)
{
	char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct ifinfomsg *link;
	struct nlmsghdr *msg;
	int index = 0;

	if (check_name(name, e) < 0)
		return -1;
	msg = request(buf, RTM_GETLINK, NLM_F_ACK, name, &link);
	if (netlink_talk(n, msg, take_index, &index, e) < 0) {
		if (e->sys != ENODEV)
			return err_ctx(e, "interface %s", name);
		err_clear(e);
	}
	return index > 0 ? index : err_set(e, RC_NOT_FOUND, "there is no interface %s", name);
}

int netlink_link_change(struct netlink *n, int index, const struct netlink_link_change *c,
			struct err *e)
{
	char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct ifinfomsg *link;
	struct nlmsghdr *msg;

	if (c->name && check_name(c->name, e) < 0)
		return -1;
	if (c->mac_len > NETLINK_MAC_MAX)
		return err_sys(e, EINVAL, "an address of %zu bytes", c->mac_len);
	msg = request(buf, RTM_NEWLINK, NLM_F_ACK, c->name, &link);
	link->ifi_index = index;
	link->ifi_change = c->flags_mask;
	link->ifi_flags = c->flags & c->flags_mask;
	if (c->mac_len)
		mnl_attr_put(msg, IFLA_ADDRESS, c->mac_len, c->mac);
	if (c->mtu)
		mnl_attr_put_u32(msg, IFLA_MTU, c->mtu);
	return netlink_talk(n, msg, NULL, NULL, e);
}

int netlink_link_set(struct netlink *n, const char *name, enum netlink_link_state state,
		     struct err *e)
{
	const struct netlink_link_change change = {
		.flags_mask = IFF_UP, .flags = state == NETLINK_LINK_UP ? IFF_UP : 0,
	};
	int index = netlink_link_index(n, name, e);

	if (index < 0)
		return -1;
	if (netlink_link_change(n, index, &change, e) < 0)
		return err_ctx(e, "set %s %s", name, change.flags ? "up" : "down");
	return 0;
}
