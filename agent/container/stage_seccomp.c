/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter, and who is told of what it notifies: a Unix socket of the guest gets the listener and
 * the process's state as JSON (OCI runtime spec, "The Container Process State"). The socket is
 * connected while the guest's files are to be seen; what is sent is ready before the filter holds,
 * so that nothing but sendmsg lies between the two.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include "base/json.h"
#include "base/num.h"
#include "container/hooks.h"
#include "container/stage_parts.h"

#define STATE_ARENA_MAX	(4u << 20)

static const struct seccomp_spec *filter_of(const struct stage *st)
{
	return st->spec->linux.seccomp;
}

int stage_listener_connect(const struct stage *st, struct stage_listener *l, struct err *e)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	AUTO_FD fd = -1;
	const char *path;

	if (!filter_of(st) || !seccomp_notifies(filter_of(st)))
		return 0;
	path = filter_of(st)->listener_path;
	if (str_empty(path) || strlen(path) >= sizeof(to.sun_path))
		return err_set(e, RC_INVALID_ARGUMENT,
			       "linux.seccomp.listenerPath: not the path of a socket");
	memcpy(to.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, errno, "linux.seccomp.listenerPath: socket");
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return err_sys(e, errno, "linux.seccomp.listenerPath %s: connect", path);
	l->sockfd = TAKE_FD(fd);
	return 0;
}

/* The guest's /proc knows this process by the agent's number; /proc/self is a link to it. */
int stage_listener_pid(struct stage_listener *l, struct err *e)
{
	char text[16] = "";
	uint64_t pid;

	if (l->sockfd < 0)
		return 0;
	if (readlink("/proc/self", text, sizeof(text) - 1) < 0)
		return err_sys(e, errno, "linux.seccomp.listenerPath: own pid");
	if (num_u64(text, INT32_MAX, &pid) < 0)
		return err_set(e, RC_INTERNAL, "linux.seccomp.listenerPath: own pid");
	l->pid = (pid_t)pid;
	return 0;
}

static char *state_print(const struct stage *st, pid_t pid, struct arena *a, size_t *len)
{
	const char *metadata = filter_of(st)->listener_metadata;
	const struct hooks_state s = {
		.spec = st->spec,
		.id = st->container_id,
		.bundle = st->bundle,
		.status = st->rootfs ? "creating" : "running",
		.pid = pid,
	};
	char *state = hooks_state_print(&s, a);
	size_t cap = 256 + (state ? strlen(state) : 0) + 6 * (metadata ? strlen(metadata) : 0);
	char *buf = state ? arena_alloc(a, cap) : NULL;
	struct str out;

	if (!buf)
		return NULL;
	str_init(&out, buf, cap);
	str_addf(&out, "{\"ociVersion\":\"1.2.0\",\"fds\":[\"seccompFd\"],\"pid\":%d", (int)pid);
	if (!str_empty(metadata)) {
		str_add(&out, ",\"metadata\":");
		json_add_string(&out, metadata);
	}
	str_add(&out, ",\"state\":");
	str_add(&out, state);
	str_add_char(&out, '}');
	*len = out.len;
	return str_ok(&out) ? buf : NULL;
}

/* The descriptor goes with the first bytes only. */
static int hand_over(int sockfd, int fd, char *text, size_t len)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { .align = { .cmsg_level = SOL_SOCKET,
			   .cmsg_type = SCM_RIGHTS,
			   .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct msghdr h = { .msg_control = u.buf, .msg_controllen = sizeof(u.buf) };

	memcpy(CMSG_DATA(&u.align), &fd, sizeof(int));
	while (len) {
		struct iovec iov = { .iov_base = text, .iov_len = len };
		ssize_t n;

		h.msg_iov = &iov;
		h.msg_iovlen = 1;
		n = sendmsg(sockfd, &h, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
		h.msg_control = NULL;
		h.msg_controllen = 0;
	}
	return 0;
}

int stage_seccomp_load(const struct stage *st, struct stage_listener *l, struct err *e)
{
	struct arena a;		/* never freed: that would be more system calls */
	AUTO_FD fd = -1;
	char *state = NULL;
	size_t len = 0;
	int r;

	arena_init(&a, STATE_ARENA_MAX);
	if (l->sockfd >= 0) {
		state = state_print(st, l->pid, &a, &len);
		if (!state)
			return err_set(e, RC_RESOURCE_EXHAUSTED, "linux.seccomp: no memory");
	}
	if (seccomp_filter_load(filter_of(st), &fd, e) < 0)
		return -1;
	if (fd < 0)
		return 0;
	r = hand_over(l->sockfd, fd, state, len);
	auto_close(&l->sockfd);
	return r < 0 ? err_sys(e, -r, "linux.seccomp.listenerPath: send the listener") : 0;
}
