/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "base/str.h"
#include "network/text.h"

static void addresses(void **state)
{
	static const char *const bad[] = { "",	      "10.0.0",	  "10.0.0.256", "10.0.0.1 ", "010.0.0.1x",
					   "fd00::1%eth0", ":::", "10.0.0.1/8", "localhost" };
	struct netlink_ip ip;

	(void)state;
	assert_int_equal(net_ip_parse("10.1.2.3", &ip), 0);
	assert_int_equal(ip.family, AF_INET);
	assert_memory_equal(ip.bytes, "\x0a\x01\x02\x03", 4);
	assert_int_equal(net_ip_parse("fd00::1", &ip), 0);
	assert_int_equal(ip.family, AF_INET6);
	assert_int_equal(ip.bytes[0], 0xfd);
	assert_int_equal(ip.bytes[15], 1);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(net_ip_parse(bad[i], &ip), -EINVAL);
}

static void prefixes(void **state)
{
	static const struct {
		const char *text;
		int family, len;
	} good[] = {
		{ "10.0.0.0/8", AF_INET, 8 },	  { "10.0.0.1", AF_INET, 32 },
		{ "0.0.0.0", AF_INET, 0 },	  { "0.0.0.0/0", AF_INET, 0 },
		{ "0.0.0.0/32", AF_INET, 32 },	  { "::", AF_INET6, 0 },
		{ "fd00::/64", AF_INET6, 64 },	  { "fd00::1", AF_INET6, 128 },
		{ "1111:2222:3333:4444:5555:6666:255.255.255.255/128", AF_INET6, 128 },
	};
	static const char *const bad[] = { "",	   "/8",     "10.0.0.0/33", "10.0.0.0/",
					   "10.0.0.0/-1", "::/129", "10.0.0.0/8/8", "10.0.0.0/ 8",
					   "1111:2222:3333:4444:5555:6666:255.255.255.2551/1" };
	struct netlink_ip ip;
	uint8_t len;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		assert_int_equal(net_prefix_parse(good[i].text, &ip, &len), 0);
		assert_int_equal(ip.family, good[i].family);
		assert_int_equal(len, good[i].len);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(net_prefix_parse(bad[i], &ip, &len), -EINVAL);
}

static void hardware_addresses(void **state)
{
	static const char *const bad[] = { "",	   "0",	  "02:",  "02:0", "2:00", "02-00",
					   "02:0g", ":02", "02 :00", "02::00", "+2:00" };
	uint8_t mac[NETLINK_MAC_MAX];
	char text[3 * (NETLINK_MAC_MAX + 1) + 1];
	struct str longest = STR_OVER(text);

	(void)state;
	assert_int_equal(net_mac_parse("02:00:aB:Cd:00:ff", mac), 6);
	assert_memory_equal(mac, "\x02\x00\xab\xcd\x00\xff", 6);
	assert_int_equal(net_mac_parse("7f", mac), 1);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(net_mac_parse(bad[i], mac), -EINVAL);
	for (size_t i = 0; i < NETLINK_MAC_MAX; i++)
		str_add(&longest, i ? ":01" : "01");
	assert_int_equal(net_mac_parse(text, mac), NETLINK_MAC_MAX);
	str_add(&longest, ":01");
	assert_int_equal(net_mac_parse(text, mac), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(hardware_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
