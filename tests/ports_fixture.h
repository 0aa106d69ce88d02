/* SPDX-License-Identifier: Apache-2.0 */
/* TCP on this machine's loopback, without waiting: servers, and what they read. For both ends of a
 * tunnel. */
#ifndef MOTE_TESTS_PORTS_FIXTURE_H
#define MOTE_TESTS_PORTS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "ttrpc/tunnel.h"
#include "ttrpc/wire.h"

/* Turns the loop until it is so; 20 s are for a machine that has no time. */
#define UNTIL(loop, condition)                             \
	do {                                               \
		for (int until_i = 0; until_i < 2000 && !(condition); until_i++) \
			loop_once(loop, 10);               \
		assert_true(condition);                    \
	} while (0)

static inline void turn(struct loop *l)
{
	while (loop_once(l, 0) > 0)
		;
}

/* port 0: whichever is free, and told. backlog < 0: it does not listen. */
static inline int tcp_bound(int family, uint16_t *port, int backlog)
{
	struct sockaddr_in6 a = { .sin6_family = (sa_family_t)family, .sin6_port = htons(*port) };
	struct sockaddr_in *v4 = (void *)&a;
	socklen_t len = family == AF_INET ? sizeof(*v4) : sizeof(a);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (family == AF_INET)
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		a.sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
	if (fd < 0 || bind(fd, (void *)&a, len) < 0)
		fail_msg("bind: %s", strerror(errno));
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (void *)&a, &len), 0);
	*port = ntohs(a.sin6_port);
	return fd;
}

static inline int tcp_connect(int family, uint16_t port)
{
	struct sockaddr_in6 a = { .sin6_family = (sa_family_t)family, .sin6_port = htons(port) };
	struct sockaddr_in *v4 = (void *)&a;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (family == AF_INET)
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		a.sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
	if (connect(fd, (void *)&a, family == AF_INET ? sizeof(*v4) : sizeof(a)) < 0)
		assert_int_equal(errno, EINPROGRESS);
	return fd;
}

static inline void tcp_reset(int *fd)
{
	const struct linger none = { .l_onoff = 1 };

	assert_int_equal(setsockopt(*fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
	auto_close(fd);
}

/* What a socket has given: bytes, each of which is its place's lowest byte; then an end or an errno. */
struct sink {
	size_t got;
	bool ended;
	int error;
};

/* Is it over? */
static inline bool sink_read(struct sink *s, int fd)
{
	static uint8_t buf[65536];
	ssize_t n;

	if (s->ended || s->error)
		return true;
	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		for (ssize_t i = 0; i < n; i++, s->got++)
			assert_int_equal(buf[i], (uint8_t)s->got);
	if (n == 0)
		s->ended = true;
	else if (errno != EAGAIN)
		s->error = errno;
	return s->ended || s->error;
}

/* Writes such bytes from `from` on: as many as the socket takes. */
static inline size_t tcp_fill(int fd, size_t from, size_t max)
{
	static uint8_t buf[65536];
	size_t done = 0;
	ssize_t n;

	do {
		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = (uint8_t)(from + done + i);
		n = send(fd, buf, MIN(sizeof(buf), max - done), MSG_DONTWAIT | MSG_NOSIGNAL);
		done += n > 0 ? (size_t)n : 0;
	} while (n > 0 && done < max);
	return done;
}

/* --- messages: numbers as mote.proto has them --- */

struct piece {
	uint32_t port, window;
	size_t len;  /* of data */
	size_t from; /* their place */
	bool end;
};

/* Returns the length. */
static inline size_t piece_write(const struct piece *p, uint8_t *out)
{
	const struct wire_edit numbers[] = { { .number = 1, .value = p->port },
					     { .number = 2, .value = p->window },
					     { .number = 4, .value = p->end } };
	uint8_t *at = out;

	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		if (!numbers[i].value)
			continue;
		at = wire_varint((uint64_t)numbers[i].number << 3, at);
		at = wire_varint(numbers[i].value, at);
	}
	if (p->len)
		at += wire_head(3, p->len, at);
	for (size_t i = 0; i < p->len; i++)
		*at++ = (uint8_t)(p->from + i);
	return (size_t)(at - out);
}

/* The other end's word, added up. */
struct heard {
	uint32_t port;
	size_t messages, window, got, largest;
	bool ended; /* by a message */
};

static inline void heard_take(struct heard *h, const uint8_t *msg, size_t len)
{
	struct wire w = wire_of(msg, len);
	struct wire_field f;
	int r;

	h->messages++;
	while ((r = wire_next(&w, &f)) > 0) {
		if (f.number == 1) {
			assert_int_equal(h->messages, 1);
			h->port = (uint32_t)f.value;
		} else if (f.number == 2) {
			h->window += f.value;
		} else if (f.number == 3) {
			assert_false(h->ended);
			for (size_t i = 0; i < f.len; i++, h->got++)
				assert_int_equal(f.data[i], (uint8_t)h->got);
			h->largest = MAX(h->largest, f.len);
		} else {
			assert_int_equal(f.number, 4);
			assert_int_equal(f.value, 1);
			assert_false(h->ended);
			h->ended = true;
		}
	}
	assert_int_equal(r, 0);
}

#endif
