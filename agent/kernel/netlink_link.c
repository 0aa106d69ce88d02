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

int netlink_link_set(struct netlink *n, const char *name, enum netlink_link_state state,
		     struct err *e)
{
	char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	int index = netlink_link_index(n, name, e);
	struct ifinfomsg *link;
	struct nlmsghdr *msg;

	if (index < 0)
		return -1;
	msg = request(buf, RTM_NEWLINK, NLM_F_ACK, NULL, &link);
	link->ifi_index = index;
	link->ifi_change = IFF_UP;
	link->ifi_flags = state == NETLINK_LINK_UP ? IFF_UP : 0;
	if (netlink_talk(n, msg, NULL, NULL, e) < 0)
		return err_ctx(e, "set %s %s", name, state == NETLINK_LINK_UP ? "up" : "down");
	return 0;
}
