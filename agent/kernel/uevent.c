/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device events by NETLINK_KOBJECT_UEVENT. Group 1 carries the kernel's own messages; any process
 * with CAP_NET_ADMIN may send there too, so a message counts only when its sender's port is 0, the
 * kernel.
 */
#include "kernel/uevent.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include "base/num.h"

#define KERNEL_GROUP	1

static const char *const actions[] = {
	[UEVENT_ADD] = "add",	[UEVENT_REMOVE] = "remove", [UEVENT_CHANGE] = "change",
	[UEVENT_MOVE] = "move", [UEVENT_ONLINE] = "online", [UEVENT_OFFLINE] = "offline",
	[UEVENT_BIND] = "bind", [UEVENT_UNBIND] = "unbind",
};

_Static_assert(COUNT_OF(actions) == UEVENT_OTHER, "every action has a name");

int uevent_open(int buffer_bytes)
{
	const struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	AUTO_FD fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes)) < 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes)) < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int uevent_receive(int fd, char buf[UEVENT_MAX], struct uevent *out)
{
	for (;;) {
		struct sockaddr_nl from = { 0 };
		struct iovec iov = { .iov_base = buf, .iov_len = UEVENT_MAX - 1 };
		struct msghdr msg = { .msg_name = &from,
				      .msg_namelen = sizeof(from),
				      .msg_iov = &iov,
				      .msg_iovlen = 1 };
		ssize_t n = recvmsg(fd, &msg, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (msg.msg_namelen != sizeof(from) || from.nl_pid != 0 ||
		    (msg.msg_flags & MSG_TRUNC))
			continue;
		if (uevent_parse(buf, (size_t)n, out) == 0)
			return 1;
	}
}

static enum uevent_action action_of(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(actions); i++)
		if (str_eq(actions[i], name))
			return (enum uevent_action)i;
	return UEVENT_OTHER;
}

static int take_number(const char *text, unsigned int *out)
{
	uint64_t v;
	int r = num_u64(text, UINT32_MAX, &v);

	if (r == 0)
		*out = (unsigned int)v;
	return r;
}

/* One "KEY=VALUE". Unknown keys are fine, bad numbers are not. */
static int take(struct uevent *u, const char *line)
{
	const struct {
		const char *key;
		const char **to;
	} texts[] = {
		{ "DEVPATH=", &u->devpath },	 { "SUBSYSTEM=", &u->subsystem },
		{ "DEVNAME=", &u->devname },	 { "DEVTYPE=", &u->devtype },
		{ "INTERFACE=", &u->interface }, { "DRIVER=", &u->driver },
	};

	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (str_starts(line, texts[i].key)) {
			*texts[i].to = line + strlen(texts[i].key);
			return 0;
		}
	if (str_starts(line, "ACTION="))
		u->action = action_of(line + 7);
	else if (str_starts(line, "SEQNUM="))
		return num_u64(line + 7, UINT64_MAX, &u->seqnum);
	else if (str_starts(line, "MAJOR="))
		return take_number(line + 6, &u->major);
	else if (str_starts(line, "MINOR="))
		return take_number(line + 6, &u->minor);
	return 0;
}

int uevent_parse(char *buf, size_t len, struct uevent *out)
{
	size_t at;

	*out = (struct uevent){ .action = UEVENT_OTHER,
				.devpath = "",
				.subsystem = "",
				.devname = "",
				.devtype = "",
				.interface = "",
				.driver = "" };
	buf[len] = '\0';
	/* The header, "action@devpath", repeats what the variables say. */
	if (!memchr(buf, '@', strlen(buf)))
		return -EINVAL;
	for (at = strlen(buf) + 1; at < len; at += strlen(buf + at) + 1)
		if (take(out, buf + at) < 0)
			return -EINVAL;
	/* A path with ".." is no sysfs path; nobody may be led out of /sys by it. */
	if (out->devpath[0] != '/' || strstr(out->devpath, "/.."))
		return -EINVAL;
	return 0;
}
