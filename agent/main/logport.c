/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One listener, one reader, one buffer. A line goes into the buffer whole or not at all; the buffer
 * drains as the reader takes it. A second reader replaces the first: the host has restarted its
 * own.
 */
#include "main/logport.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "main/port.h"

#define BUFFER_BYTES 65536
#define SEND_BYTES   32768 /* larger sends never arrive through some vsock backends */

static void port_taken(struct port *p, int fd, uint32_t peer);

static struct {
	struct port listener;
	struct watch reader;
	int fd;            /* -1: nobody reads */
	size_t start, len; /* of what waits in buffer, from start on */
	size_t dropped;    /* lines since the reader was last told */
} port = { .listener = { .what = "the log", .subsystem = "log", .fn = port_taken }, .fd = -1 };

/* Apart, since what has an initial value lies in the program's file, zeros and all. */
static char buffer[BUFFER_BYTES];

static void port_close(void)
{
	watch_del(&port.reader);
	auto_close(&port.fd);
	port.start = port.len = 0;
}

/* Sends until the reader is full. */
static void port_flush(void)
{
	while (port.len) {
		ssize_t n = send(port.fd, buffer + port.start, MIN(port.len, (size_t)SEND_BYTES),
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			watch_mod(&port.reader, EPOLLIN | EPOLLOUT);
			return;
		}
		if (n < 0) {
			port_close();
			return;
		}
		port.start += (size_t)n;
		port.len -= (size_t)n;
	}
	port.start = 0;
	watch_mod(&port.reader, EPOLLIN);
	if (port.dropped) {
		size_t n = port.dropped;

		port.dropped = 0;
		log_warn("log", "%zu lines did not reach the slow reader of the log port", n);
	}
}

static void port_add(const char *data, size_t n)
{
	if (port.start + port.len + n > BUFFER_BYTES) {
		memmove(buffer, buffer + port.start, port.len);
		port.start = 0;
	}
	memcpy(buffer + port.start + port.len, data, n);
	port.len += n;
}

/* The log's sink: it must not log. Flushing is the loop's, so that a line costs a copy here and
 * nothing more. */
static void port_take(void *arg, const char *json, size_t len)
{
	(void)arg;
	if (port.fd < 0)
		return;
	if (port.len + len + 1 > BUFFER_BYTES) {
		port.dropped++;
		return;
	}
	port_add(json, len);
	port_add("\n", 1);
	watch_mod(&port.reader, EPOLLIN | EPOLLOUT);
}

static void port_event(struct watch *w, uint32_t events)
{
	char scratch[256];

	(void)w;
	if (events & (EPOLLHUP | EPOLLERR)) {
		port_close();
		return;
	}
	if (events & EPOLLIN) {
		ssize_t n = recv(port.fd, scratch, sizeof(scratch),
				 MSG_DONTWAIT); /* a reader has nothing to say */

		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			port_close();
			return;
		}
	}
	if (events & EPOLLOUT)
		port_flush();
}

void logport_flush(void)
{
	if (port.fd >= 0)
		port_flush();
}

static void port_taken(struct port *p UNUSED, int fd, uint32_t peer UNUSED)
{
	port_close();
	if (watch_add(port.listener.loop, &port.reader, fd, EPOLLIN, port_event) < 0) {
		close(fd);
		return;
	}
	port.fd = fd;
	port.len = log_ring_copy(buffer, BUFFER_BYTES / 2);
	if (port.len && buffer[port.len - 1] != '\n')
		port_add("\n", 1);
	port_flush();
}

int logport_start(struct loop *l, const struct address *a, struct err *e)
{
	port.listener.loop = l;
	if (port_listen(&port.listener, a, 1, e) < 0)
		return -1;
	log_set_sink(port_take, NULL);
	return 0;
}
