/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as hosts write them. Tier 0: -EINVAL for what is none. */
#ifndef MOTE_NETWORK_TEXT_H
#define MOTE_NETWORK_TEXT_H

#include "kernel/netlink.h"

int net_ip_parse(const char *text, struct netlink_ip *out);

/* "10.0.0.0/8"; without "/" it is as long as the address, but "0.0.0.0" and "::" are everything. */
int net_prefix_parse(const char *text, struct netlink_ip *out, uint8_t *len);

/* Of an address of that family: "24". */
int net_prefix_len_parse(const char *text, uint8_t family, uint8_t *out);

/* "02:00:00:01:02:03", either case, 1 to NETLINK_MAC_MAX bytes. The length, or -EINVAL. */
ssize_t net_mac_parse(const char *text, uint8_t out[NETLINK_MAC_MAX]);

#endif
