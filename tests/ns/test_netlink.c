/* SPDX-License-Identifier: Apache-2.0 */
/* In a network namespace of this test's own, where nothing but a lowered loopback is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "kernel/netlink.h"

static const char *no_namespace;

static int setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		no_namespace = "no network namespace can be made here";
	return 0;
}

#define NEEDS_NAMESPACE()					\
	do {							\
		(void)state;					\
		if (no_namespace) {				\
			print_message("skip: %s\n", no_namespace); \
			skip();					\
		}						\
	} while (0)

static bool lo_is_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	AUTO_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &ifr), 0);
	return ifr.ifr_flags & IFF_UP;
}

static void test_up_and_down(void **state)
{
	struct netlink n;
	struct err e = { 0 };

	NEEDS_NAMESPACE();
	assert_int_equal(netlink_open(&n, &e), 0);
	assert_false(lo_is_up());
	for (int i = 0; i < 2; i++) {
		assert_int_equal(netlink_link_set(&n, "lo", NETLINK_LINK_UP, &e), 0);
		assert_true(lo_is_up());
	}
	assert_int_equal(netlink_link_set(&n, "lo", NETLINK_LINK_DOWN, &e), 0);
	assert_false(lo_is_up());
	assert_int_equal(netlink_link_index(&n, "lo", &e), (int)if_nametoindex("lo"));
	netlink_close(&n);
	assert_int_equal(n.fd, -1);
}

static void test_missing(void **state)
{
	struct netlink n;
	struct err e = { 0 };

	NEEDS_NAMESPACE();
	assert_int_equal(netlink_open(&n, &e), 0);
	assert_int_equal(netlink_link_set(&n, "eth7", NETLINK_LINK_UP, &e), -1);
	assert_int_equal(e.rc, RC_NOT_FOUND);
	assert_string_equal(e.msg, "there is no interface eth7");
	err_clear(&e);
	assert_int_equal(netlink_link_index(&n, "a-name-that-is-too-long", &e), -1);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	err_clear(&e);
	/* The socket is fit for use after an error. */
	assert_int_equal(netlink_link_set(&n, "lo", NETLINK_LINK_UP, &e), 0);
	netlink_close(&n);
}

static int count(void *arg, const struct nlmsghdr *msg)
{
	if (msg->nlmsg_type == RTM_NEWLINK)
		++*(int *)arg;
	return 0;
}

static int refuse(void *arg, const struct nlmsghdr *msg)
{
	(void)arg;
	(void)msg;
	return -E2BIG;
}

static void test_dump(void **state)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} req = { .head = { .nlmsg_len = sizeof(req),
			    .nlmsg_type = RTM_GETLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
	struct netlink n;
	struct err e = { 0 };
	int links = 0;

	NEEDS_NAMESPACE();
	assert_int_equal(netlink_open(&n, &e), 0);
	assert_int_equal(netlink_talk(&n, &req.head, count, &links, &e), 0);
	assert_true(links >= 1);
	assert_int_equal(netlink_talk(&n, &req.head, refuse, NULL, &e), -1);
	assert_int_equal(e.sys, E2BIG);
	err_clear(&e);
	links = 0;
	assert_int_equal(netlink_talk(&n, &req.head, count, &links, &e), 0);
	assert_true(links >= 1);
	netlink_close(&n);
}

/* The kernel's own words come along. */
static void test_explained(void **state)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} req = { .head = { .nlmsg_len = sizeof(req),
			    .nlmsg_type = RTM_NEWLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		  .link = { .ifi_index = -5 } };
	struct netlink n;
	struct err e = { 0 };

	NEEDS_NAMESPACE();
	assert_int_equal(netlink_open(&n, &e), 0);
	assert_int_equal(netlink_talk(&n, &req.head, NULL, NULL, &e), -1);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	assert_true(strstr(e.msg, "netlink") == e.msg);
	netlink_close(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_up_and_down),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_explained),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
