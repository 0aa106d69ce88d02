/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/netlink.h>
#include <sys/socket.h>

#include "kernel/uevent.h"

/* A string literal with its inner NULs and the last one. */
#define MESSAGE(text)	text, sizeof(text)

static int parse(const char *text, size_t len, struct uevent *u)
{
	static char buf[UEVENT_MAX];

	memcpy(buf, text, len);
	return uevent_parse(buf, len, u);
}

static void test_block(void **state)
{
	struct uevent u;

	(void)state;
	assert_int_equal(
		parse(MESSAGE("add@/devices/pci0000:00/0000:00:02.0/virtio1/block/vda\0ACTION=add\0"
			      "DEVPATH=/devices/pci0000:00/0000:00:02.0/virtio1/block/vda\0SUBSYSTEM=block\0"
			      "MAJOR=254\0MINOR=0\0DEVNAME=vda\0DEVTYPE=disk\0DISKSEQ=7\0SEQNUM=1234"),
		      &u),
		0);
	assert_int_equal(u.action, UEVENT_ADD);
	assert_string_equal(u.devpath, "/devices/pci0000:00/0000:00:02.0/virtio1/block/vda");
	assert_string_equal(u.subsystem, "block");
	assert_string_equal(u.devname, "vda");
	assert_string_equal(u.devtype, "disk");
	assert_string_equal(u.interface, "");
	assert_int_equal(u.major, 254);
	assert_int_equal(u.minor, 0);
	assert_int_equal(u.seqnum, 1234);
}

static void test_net(void **state)
{
	struct uevent u;

	(void)state;
	assert_int_equal(
		parse(MESSAGE("remove@/devices/virtual/net/eth1\0ACTION=remove\0DEVPATH=/devices/virtual/net/eth1\0"
			      "SUBSYSTEM=net\0INTERFACE=eth1\0IFINDEX=3\0SEQNUM=2"),
		      &u),
		0);
	assert_int_equal(u.action, UEVENT_REMOVE);
	assert_string_equal(u.interface, "eth1");
	assert_string_equal(u.devname, "");
}

static void test_unknown_action(void **state)
{
	struct uevent u;

	(void)state;
	assert_int_equal(parse(MESSAGE("x@/devices/a\0ACTION=dance\0DEVPATH=/devices/a"), &u), 0);
	assert_int_equal(u.action, UEVENT_OTHER);
}

static void test_refused(void **state)
{
	struct uevent u;

	(void)state;
	assert_int_equal(parse("", 0, &u), -EINVAL);
	assert_int_equal(parse(MESSAGE("no at sign\0DEVPATH=/devices/a"), &u), -EINVAL);
	assert_int_equal(parse(MESSAGE("libudev\0DEVPATH=/devices/a"), &u), -EINVAL);
	assert_int_equal(parse(MESSAGE("add@/devices/a\0ACTION=add"), &u), -EINVAL);
	assert_int_equal(parse(MESSAGE("add@/devices/a\0DEVPATH=devices/a"), &u), -EINVAL);
	assert_int_equal(parse(MESSAGE("add@/devices/a\0DEVPATH=/devices/../../etc"), &u), -EINVAL);
	assert_int_equal(parse(MESSAGE("add@/devices/a\0DEVPATH=/devices/a\0SEQNUM=x"), &u),
			 -EINVAL);
	assert_int_equal(
		parse(MESSAGE("add@/devices/a\0DEVPATH=/devices/a\0MAJOR=99999999999"), &u),
		-EINVAL);
}

/* Without the last NUL, as a message that was cut. */
static void test_no_terminator(void **state)
{
	static const char text[] = "add@/devices/a\0DEVPATH=/devices/abc";
	struct uevent u;

	(void)state;
	assert_int_equal(parse(text, sizeof(text) - 1, &u), 0);
	assert_string_equal(u.devpath, "/devices/abc");
}

static void test_socket(void **state)
{
	static char buf[UEVENT_MAX];
	struct sockaddr_nl own = { 0 }, to = { .nl_family = AF_NETLINK };
	static const char forged[] = "add@/devices/a\0DEVPATH=/devices/a";
	socklen_t len = sizeof(own);
	AUTO_FD fd = uevent_open(65536);
	AUTO_FD other = -1;
	struct uevent u;

	(void)state;
	if (fd < 0) {
		print_message("skip: no uevent socket here (%d)\n", fd);
		skip();
	}
	/* Real events may come meanwhile; after them there is nothing. */
	while (uevent_receive(fd, buf, &u) == 1)
		;
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &len), 0);
	other = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	to.nl_pid = own.nl_pid;
	if (sendto(other, forged, sizeof(forged), 0, (struct sockaddr *)&to, sizeof(to)) ==
	    (ssize_t)sizeof(forged))
		while (uevent_receive(fd, buf, &u) == 1)
			assert_string_not_equal(u.devpath, "/devices/a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_net),
		cmocka_unit_test(test_unknown_action),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_terminator),
		cmocka_unit_test(test_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
