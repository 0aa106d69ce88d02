/* SPDX-License-Identifier: Apache-2.0 */
#include "network/text.h"

#include <arpa/inet.h>

#include "base/num.h"
#include "base/str.h"

int net_ip_parse(const char *text, struct netlink_ip *out)
{
	*out = (struct netlink_ip){ .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	return inet_pton(out->family, text, out->bytes) == 1 ? 0 : -EINVAL;
}

int net_prefix_len_parse(const char *text, uint8_t family, uint8_t *out)
{
	uint64_t n;

	if (num_u64(text, netlink_ip_len(family) * 8, &n) < 0)
		return -EINVAL;
	*out = (uint8_t)n;
	return 0;
}

int net_prefix_parse(const char *text, struct netlink_ip *out, uint8_t *len)
{
	static const uint8_t any[16];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	char ip[INET6_ADDRSTRLEN];

	if (n >= sizeof(ip))
		return -EINVAL;
	memcpy(ip, text, n);
	ip[n] = '\0';
	if (net_ip_parse(ip, out) < 0)
		return -EINVAL;
	if (slash)
		return net_prefix_len_parse(slash + 1, out->family, len);
	*len = 0;
	if (memcmp(out->bytes, any, sizeof(any)) != 0)
		*len = (uint8_t)(netlink_ip_len(out->family) * 8);
	return 0;
}

/* A byte is two digits. */
ssize_t net_mac_parse(const char *text, uint8_t out[NETLINK_MAC_MAX])
{
	size_t n = 0;

	for (;; text += 3) {
		char digits[3] = { text[0], text[0] ? text[1] : '\0', '\0' };
		uint64_t byte;

		if (n == NETLINK_MAC_MAX || !digits[1] || num_hex(digits, UINT8_MAX, &byte) < 0)
			return -EINVAL;
		out[n++] = (uint8_t)byte;
		if (!text[2])
			return (ssize_t)n;
		if (text[2] != ':')
			return -EINVAL;
	}
}
