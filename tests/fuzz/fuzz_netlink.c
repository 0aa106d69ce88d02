/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a kernel that lies about lengths, through every reader. */
#include <linux/netlink.h>
#include <stdlib.h>

#include "kernel/netlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take_route(void *arg, const struct netlink_route *r)
{
	(void)arg;
	if (r->gateway.family && netlink_ip_len(r->gateway.family) > sizeof(r->gateway.bytes))
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct netlink_link link;
	struct netlink_address address;
	struct nlmsghdr *msg;

	/* what libmnl has looked at before a reader is called: the message lies in what came, whose
	 * end it takes to be aligned */
	if (size < sizeof(*msg))
		return 0;
	msg = calloc(1, NLMSG_ALIGN(size));
	if (!msg)
		return 0;
	memcpy(msg, data, size);
	msg->nlmsg_len = (uint32_t)size;
	if (netlink_parse_link(msg, &link) &&
	    (!memchr(link.name, '\0', sizeof(link.name)) || link.mac_len > sizeof(link.mac)))
		abort();
	(void)netlink_parse_address(msg, &address);
	(void)netlink_parse_route(msg, take_route, NULL);
	free(msg);
	return 0;
}
