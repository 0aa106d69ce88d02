/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request, the whole answer. rtnetlink handles a request inside sendmsg() and queues the reply
 * before that returns (a dump goes on as it is read), so receiving does not wait; MSG_DONTWAIT
 * turns a kernel that breaks this rule into an error instead of a hang of PID 1.
 */
#include "kernel/netlink.h"

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define RECEIVE_MAX	32768	/* the kernel fills dumps up to this much a message */

int netlink_open(struct netlink *n, struct err *e)
{
	const struct sockaddr_nl addr = { .nl_family = AF_NETLINK };
	struct sockaddr_nl own = { 0 };
	socklen_t len = sizeof(own);
	AUTO_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int one = 1;

	*n = (struct netlink){ .fd = -1, .seq = 1 };
	if (fd < 0)
		return err_sys(e, errno, "open a netlink socket");
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		return err_sys(e, errno, "bind a netlink socket");
	/* Both only make errors better; kernels before 4.12 know neither. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	n->portid = own.nl_pid;
	n->fd = TAKE_FD(fd);
	return 0;
}

void netlink_close(struct netlink *n)
{
	auto_close(&n->fd);
}

struct answer {
	netlink_fn fn;
	void *arg;
	struct err *e;
};

static int find_text(const struct nlattr *attr, void *data)
{
	const char **text = data;

	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
		*text = mnl_attr_get_str(attr);
	return MNL_CB_OK;
}

/* An error message with a code of 0 is the acknowledgement. */
static int on_error(const struct nlmsghdr *msg, void *data)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(msg);
	const struct answer *a = data;
	const char *text = NULL;

	if (mnl_nlmsg_get_payload_len(msg) < sizeof(*error)) {
		err_sys(a->e, EBADMSG, "netlink");
		return MNL_CB_ERROR;
	}
	if (error->error == 0)
		return MNL_CB_STOP;
	if ((msg->nlmsg_flags & NLM_F_ACK_TLVS) && (msg->nlmsg_flags & NLM_F_CAPPED))
		(void)mnl_attr_parse(msg, sizeof(*error), find_text, &text);
	err_sys(a->e, error->error < 0 ? -error->error : error->error, "netlink%s%s",
		text ? ": " : "", text ? text : "");
	return MNL_CB_ERROR;
}

/* The end of a dump carries an error too (a dump that was interrupted). */
static int on_done(const struct nlmsghdr *msg, void *data)
{
	const struct answer *a = data;
	const int *error = mnl_nlmsg_get_payload(msg);

	if (mnl_nlmsg_get_payload_len(msg) >= sizeof(*error) && *error < 0) {
		err_sys(a->e, -*error, "netlink");
		return MNL_CB_ERROR;
	}
	return MNL_CB_STOP;
}

static int on_data(const struct nlmsghdr *msg, void *data)
{
	const struct answer *a = data;
	int r = a->fn ? a->fn(a->arg, msg) : 0;

	if (r == 0)
		return MNL_CB_OK;
	err_sys(a->e, r < 0 ? -r : EIO, "netlink answer");
	return MNL_CB_ERROR;
}

static ssize_t receive(int fd, void *buf, size_t cap)
{
	ssize_t n;

	do
		n = recv(fd, buf, cap, MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n > cap ? -EMSGSIZE : n;
}

int netlink_talk(struct netlink *n, struct nlmsghdr *req, netlink_fn fn, void *arg, struct err *e)
{
	static mnl_cb_t control[] = {
		[NLMSG_ERROR] = on_error,
		[NLMSG_DONE] = on_done,
	};
	struct answer a = { .fn = fn, .arg = arg, .e = e };
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	char buf[RECEIVE_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	int r = MNL_CB_OK;

	req->nlmsg_seq = n->seq++;
	if (sendto(n->fd, req, req->nlmsg_len, 0, (const struct sockaddr *)&kernel,
		   sizeof(kernel)) < 0)
		return err_sys(e, errno, "netlink request");
	while (r > MNL_CB_STOP) {
		ssize_t got = receive(n->fd, buf, sizeof(buf));

		if (got < 0)
			return err_sys(e, (int)-got, "netlink answer");
		r = mnl_cb_run2(buf, (size_t)got, req->nlmsg_seq, n->portid, on_data, &a, control,
				COUNT_OF(control));
		/* The answer to a request that failed half way: not for us. */
		if (r < 0 && !err_is_set(e) && (errno == EPROTO || errno == ESRCH))
			r = MNL_CB_OK;
	}
	if (r < 0 && !err_is_set(e))
		return err_sys(e, errno ? errno : EIO, "netlink answer");
	return err_is_set(e) ? -1 : 0;
}
