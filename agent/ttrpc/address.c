/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses are parsed by one strict function per scheme. Listening sockets are made for the
 * server; connecting waits with poll(2) against one deadline and is for programs on the host, which
 * may wait.
 */
#include "ttrpc/address.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <linux/vm_sockets.h>

#include "base/clock.h"
#include "base/num.h"

#define SOCKET_MODE	0600
#define BUSY_RETRY_MS	10	/* a unix socket whose backlog is full cannot be polled for */

union any_addr {
	struct sockaddr sa;
	struct sockaddr_un un;
	struct sockaddr_vm vm;
};

/* --- text --- */

static int parse_port(const char *text, uint32_t *port)
{
	uint64_t v;

	if (num_u64(text, UINT32_MAX - 1, &v) < 0)
		return -EINVAL;
	*port = (uint32_t)v;
	return 0;
}

static int parse_vsock(const char *rest, struct address *a)
{
	const char *colon = strchr(rest, ':');
	char cid[16];
	int64_t v;

	if (!colon || (size_t)(colon - rest) >= sizeof(cid))
		return -EINVAL;
	memcpy(cid, rest, (size_t)(colon - rest));
	cid[colon - rest] = '\0';
	if (num_i64(cid, -1, UINT32_MAX, &v) < 0)
		return -EINVAL;
	a->cid = v < 0 ? VMADDR_CID_ANY : (uint32_t)v;
	return parse_port(colon + 1, &a->port);
}

static int set_path(const char *path, size_t len, struct address *a)
{
	if (len == 0 || len >= sizeof(a->path) || (len == 1 && *path == '@'))
		return -EINVAL;
	memcpy(a->path, path, len);
	a->path[len] = '\0';
	return 0;
}

static int parse_hvsock(const char *rest, struct address *a)
{
	const char *colon = strrchr(rest, ':');

	if (!colon || parse_port(colon + 1, &a->port) < 0)
		return -EINVAL;
	return set_path(rest, (size_t)(colon - rest), a);
}

static int parse_unix(const char *rest, struct address *a)
{
	return set_path(rest, strlen(rest), a);
}

static const struct {
	const char *prefix;
	enum address_kind kind;
	int (*parse)(const char *rest, struct address *a);
} schemes[] = {
	{ "vsock://", ADDRESS_VSOCK, parse_vsock },
	{ "hvsock://", ADDRESS_HVSOCK, parse_hvsock },
	{ "unix://", ADDRESS_UNIX, parse_unix },
};

int address_parse(const char *text, struct address *out, struct err *e)
{
	for (size_t i = 0; i < COUNT_OF(schemes); i++) {
		struct address a = { .kind = schemes[i].kind };

		if (!str_starts(text, schemes[i].prefix))
			continue;
		if (schemes[i].parse(text + strlen(schemes[i].prefix), &a) < 0)
			return err_set(e, RC_INVALID_ARGUMENT, "bad address %s", text);
		*out = a;
		return 0;
	}
	return err_set(e, RC_INVALID_ARGUMENT, "bad address %s: not vsock://, hvsock:// or unix://",
		       text);
}

/* --- sockets --- */

static socklen_t fill_sockaddr(const struct address *a, union any_addr *out)
{
	size_t n = strlen(a->path);

	*out = (union any_addr){ 0 };
	if (a->kind == ADDRESS_VSOCK) {
		out->vm.svm_family = AF_VSOCK;
		out->vm.svm_cid = a->cid;
		out->vm.svm_port = a->port;
		return sizeof(out->vm);
	}
	out->un.sun_family = AF_UNIX;
	memcpy(out->un.sun_path, a->path, n);
	if (a->path[0] != '@')
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	out->un.sun_path[0] = '\0';	/* abstract: the length, not a NUL, ends the name */
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

static const char *describe(const struct address *a, char *buf, size_t cap)
{
	if (a->kind == ADDRESS_UNIX)
		snprintf(buf, cap, "unix://%s", a->path);
	else if (a->kind == ADDRESS_HVSOCK)
		snprintf(buf, cap, "hvsock://%s:%u", a->path, a->port);
	else if (a->cid == VMADDR_CID_ANY)
		snprintf(buf, cap, "vsock://-1:%u", a->port);
	else
		snprintf(buf, cap, "vsock://%u:%u", a->cid, a->port);
	return buf;
}

static int make_socket(const struct address *a)
{
	int domain = a->kind == ADDRESS_VSOCK ? AF_VSOCK : AF_UNIX;
	int fd = socket(domain, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

static void remove_stale_socket(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
}

int address_listen(const struct address *a, int backlog, struct err *e)
{
	AUTO_FD fd = -1;
	union any_addr sa;
	char name[160];
	socklen_t len = fill_sockaddr(a, &sa);

	describe(a, name, sizeof(name));
	if (a->kind == ADDRESS_HVSOCK)
		return err_set(e, RC_INVALID_ARGUMENT, "%s: only for clients", name);
	fd = make_socket(a);
	if (fd < 0)
		return err_sys(e, -fd, "listen on %s", name);
	if (a->kind == ADDRESS_UNIX && a->path[0] != '@') {
		remove_stale_socket(a->path);
		/* The new inode takes its mode from the socket's, so that it is never open to
		 * others. */
		fchmod(fd, SOCKET_MODE);
	}
	if (bind(fd, &sa.sa, len) < 0 || listen(fd, backlog) < 0)
		return err_sys(e, errno, "listen on %s", name);
	return TAKE_FD(fd);
}

/* --- connecting --- */

/* 0 when fd is ready, -ETIMEDOUT, or another -errno. */
static int wait_ready(int fd, short events, uint64_t deadline_ms)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		uint64_t now = clock_ms();
		int n;

		if (now >= deadline_ms)
			return -ETIMEDOUT;
		n = poll(&p, 1, (int)MIN(deadline_ms - now, (uint64_t)INT_MAX));
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int finish_connect(int fd, uint64_t deadline_ms)
{
	int r = wait_ready(fd, POLLOUT, deadline_ms), soerr = 0;
	socklen_t n = sizeof(soerr);

	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &soerr, &n) < 0)
		return -errno;
	return -soerr;
}

static int connect_until(int fd, const union any_addr *sa, socklen_t len, uint64_t deadline_ms)
{
	while (connect(fd, &sa->sa, len) < 0) {
		if (errno == EINPROGRESS)
			return finish_connect(fd, deadline_ms);
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (clock_ms() >= deadline_ms)
			return -ETIMEDOUT;
		poll(NULL, 0, BUSY_RETRY_MS);
	}
	return 0;
}

/* Byte by byte, so that nothing of what follows the line is taken. */
static int read_line(int fd, char *buf, size_t cap, uint64_t deadline_ms)
{
	for (size_t at = 0; at < cap; at++) {
		ssize_t n;
		int r = wait_ready(fd, POLLIN, deadline_ms);

		if (r < 0)
			return r;
		n = recv(fd, buf + at, 1, 0);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0)
			return -errno;
		if (buf[at] == '\n') {
			buf[at] = '\0';
			return 0;
		}
	}
	return -EPROTO;
}

/* The hybrid vsock's handshake. */
static int say_connect(int fd, uint32_t port, uint64_t deadline_ms)
{
	char line[64];
	int r, n = snprintf(line, sizeof(line), "CONNECT %u\n", port);

	/* A fresh socket's buffer takes a line whole. */
	if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		return -EPIPE;
	r = read_line(fd, line, sizeof(line), deadline_ms);
	if (r < 0)
		return r;
	return str_starts(line, "OK") ? 0 : -ECONNREFUSED;
}

int address_connect(const struct address *a, uint64_t timeout_ms, struct err *e)
{
	uint64_t deadline_ms = clock_after(timeout_ms);
	AUTO_FD fd = make_socket(a);
	union any_addr sa;
	char name[160];
	socklen_t len = fill_sockaddr(a, &sa);
	int r;

	describe(a, name, sizeof(name));
	if (fd < 0)
		return err_sys(e, -fd, "connect to %s", name);
	r = connect_until(fd, &sa, len, deadline_ms);
	if (r == 0 && a->kind == ADDRESS_HVSOCK)
		r = say_connect(fd, a->port, deadline_ms);
	if (r < 0)
		return err_sys(e, -r, "connect to %s", name);
	return TAKE_FD(fd);
}
