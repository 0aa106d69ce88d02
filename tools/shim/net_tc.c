/* SPDX-License-Identifier: Apache-2.0 */
/*
 * u32 with a match of nothing, which all kernels that redirect have, and mirred as its action
 * (tc-u32(8), tc-mirred(8)). The messages are written by hand: a header, struct tcmsg, attributes.
 */
#include "shim/net_tc.h"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>

#define MESSAGE_MAX 512
#define PRIORITY    1

/* A message in the making; there is room for all that is put here. */
struct message {
	union {
		struct nlmsghdr head;
		uint8_t bytes[MESSAGE_MAX];
	};
};

static struct rtattr *put(struct message *m, uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)(m->bytes + NLMSG_ALIGN(m->head.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	m->head.nlmsg_len = (uint32_t)(NLMSG_ALIGN(m->head.nlmsg_len) + RTA_ALIGN(a->rta_len));
	return a;
}

static void close_nest(struct message *m, struct rtattr *a)
{
	a->rta_len = (uint16_t)(m->bytes + m->head.nlmsg_len - (uint8_t *)a);
}

static void begin(struct message *m, uint16_t type, uint16_t flags, const struct tcmsg *t)
{
	memset(m, 0, sizeof(*m));
	m->head.nlmsg_type = type;
	m->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	m->head.nlmsg_len = NLMSG_LENGTH(sizeof(*t));
	memcpy(NLMSG_DATA(&m->head), t, sizeof(*t));
}

static int add_ingress(struct netlink *n, int link, struct err *e)
{
	const struct tcmsg t = { .tcm_ifindex = link,
				 .tcm_handle = 0xffff0000,
				 .tcm_parent = TC_H_INGRESS };
	struct message m;
	struct err own = { 0 };

	begin(&m, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &t);
	put(&m, TCA_KIND, "ingress", sizeof("ingress"));
	if (netlink_talk(n, &m.head, NULL, NULL, &own) == 0 || own.sys == EEXIST)
		return 0;
	*e = own;
	return err_ctx(e, "qdisc ingress");
}

static int add_filter(struct netlink *n, int from, int to, struct err *e)
{
	const struct tcmsg t = { .tcm_ifindex = from,
				 .tcm_parent = 0xffff0000,
				 .tcm_info = TC_H_MAKE((uint32_t)PRIORITY << 16,
						       __builtin_bswap16(ETH_P_ALL)) };
	const struct tc_mirred mirred = { .action = TC_ACT_STOLEN,
					  .eaction = TCA_EGRESS_REDIR,
					  .ifindex = (uint32_t)to };
	struct {
		struct tc_u32_sel sel;
		struct tc_u32_key key;
	} match = { .sel = { .flags = TC_U32_TERMINAL, .nkeys = 1 } };
	struct rtattr *options, *actions, *action, *parameters;
	struct message m;

	begin(&m, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &t);
	put(&m, TCA_KIND, "u32", sizeof("u32"));
	options = put(&m, TCA_OPTIONS, NULL, 0);
	put(&m, TCA_U32_SEL, &match, sizeof(match));
	actions = put(&m, TCA_U32_ACT, NULL, 0);
	action = put(&m, 1, NULL, 0);
	put(&m, TCA_ACT_KIND, "mirred", sizeof("mirred"));
	parameters = put(&m, TCA_ACT_OPTIONS, NULL, 0);
	put(&m, TCA_MIRRED_PARMS, &mirred, sizeof(mirred));
	close_nest(&m, parameters);
	close_nest(&m, action);
	close_nest(&m, actions);
	close_nest(&m, options);
	return netlink_talk(n, &m.head, NULL, NULL, e) < 0 ? err_ctx(e, "filter") : 0;
}

int net_tc_redirect(struct netlink *n, int from, int to, struct err *e)
{
	return add_ingress(n, from, e) < 0 ? -1 : add_filter(n, from, to, e);
}
