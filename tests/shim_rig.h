/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shim's server without a machine, whose guest is the test: both connections to it, the one from
 * containerd and the one to it are socket pairs, and the other ends are here. There is a container
 * "a" with a process "e", both running, and a sandbox. Nothing of the host is touched.
 */
#ifndef MOTE_TESTS_SHIM_RIG_H
#define MOTE_TESTS_SHIM_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "shim/shim.h"
#include "ttrpc/envelope.h"
#include "ttrpc/frame.h"
#include "ttrpc/wire.h"

#define RIG_PID 77

struct shim_rig {
	struct shim s;
	struct client *calls; /* s.calls until the machine is lost */
	int calls_fd, streams_fd; /* the guest's ends */
	int containerd_fd;        /* whence calls come */
	int events_fd;            /* where events go */
};

static inline void rig_must(bool ok)
{
	if (!ok)
		abort();
}

/* Our end does not block. */
static inline int rig_pair(int *theirs)
{
	int sv[2];

	rig_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) == 0);
	*theirs = sv[1];
	return sv[0];
}

static inline struct client *rig_client(struct shim_rig *r, int *ours)
{
	struct err e = { 0 };
	struct client *c;
	int fd;

	*ours = rig_pair(&fd);
	c = client_new(r->s.loop, fd, &e);
	rig_must(c);
	return c;
}

static inline void rig_lost(void *arg)
{
	guest_lost(arg);
}

static inline void rig_open(struct shim_rig *r)
{
	static const char *const urls[3] = { "", "/fifo", "" };
	struct shim *s = &r->s;
	struct err e = { 0 };
	struct task *t;
	struct proc *p;
	int fd;

	memset(r, 0, sizeof(*r));
	s->ns = "k8s.io";
	s->id = "pod";
	s->loop = loop_new();
	shim_init(s);
	snprintf(s->share.dir, sizeof(s->share.dir), "/proc/nowhere");
	s->server = server_new(s->loop, shim_services, s, SERVER_ANY_PEER, &e);
	rig_must(s->server);
	r->containerd_fd = rig_pair(&fd);
	rig_must(server_adopt(s->server, fd) == 0);
	s->calls = r->calls = rig_client(r, &r->calls_fd);
	s->streams = rig_client(r, &r->streams_fd);
	client_on_closed(s->calls, rig_lost, s);
	client_on_closed(s->streams, rig_lost, s);
	s->outbox.address = "/proc/nowhere";
	s->outbox.containerd = rig_client(r, &r->events_fd);
	s->machine = MACHINE_UP;
	s->vm_pid = RIG_PID;
	s->sandbox.created = s->sandbox.started = true;
	t = tasks_new(s, "a", "/bundle/a");
	p = t ? proc_new(t, "e") : NULL;
	rig_must(p && proc_set_urls(p, false, urls) == 0 &&
		 proc_set_urls(&t->init, false, urls) == 0);
	t->init.state = p->state = PROC_RUNNING;
	rig_must(outbox_begin(s, &e) == 0);
}

/* As main's turn. Did anything happen? */
static inline bool rig_turn_once(struct shim_rig *r)
{
	struct work *w;

	if (loop_once(r->s.loop, 0) <= 0 && list_empty(&r->s.work))
		return false;
	while ((w = LIST_FIRST(&r->s.work, struct work, node))) {
		list_remove(&w->node);
		w->fn(w);
	}
	return true;
}

/* Until nothing happens any more. */
static inline void rig_turn(struct shim_rig *r)
{
	for (int i = 0; i < 100000; i++)
		if (!rig_turn_once(r))
			return;
	abort();
}

static inline void rig_close(struct shim_rig *r)
{
	struct shim *s = &r->s;
	struct task *t;

	outbox_end(s);
	client_free(TAKE_PTR(r->calls));
	rig_turn(r);
	client_free(TAKE_PTR(s->streams));
	server_free(s->server);
	while ((t = LIST_FIRST(&s->tasks, struct task, node)))
		tasks_free(s, t);
	outbox_fini(s);
	loop_free(s->loop);
	auto_close(&r->calls_fd);
	auto_close(&r->streams_fd);
	auto_close(&r->containerd_fd);
	auto_close(&r->events_fd);
}

/* A call of containerd's, of a message with up to two texts. */
static inline void rig_ask(struct shim_rig *r, uint32_t id, const char *service, const char *method,
			   const char *first, const char *second)
{
	const struct wire_edit fields[] = { WIRE_TEXT(1, first), WIRE_TEXT(2, second) };
	struct envelope_request q = { .service = service, .method = method };
	uint8_t buf[512];
	struct frame f = { 0, id, FRAME_REQUEST, 0 };
	struct arena a;

	arena_init(&a, 4096);
	q.payload.data = wire_edit(&a, (const uint8_t *)"", 0, fields, COUNT_OF(fields),
				   &q.payload.len);
	f.length = (uint32_t)envelope_request_size(&q);
	rig_must(q.payload.data && FRAME_HEADER + f.length <= sizeof(buf));
	frame_encode(&f, buf);
	envelope_request_write(&q, buf + FRAME_HEADER);
	rig_must(send(r->containerd_fd, buf, FRAME_HEADER + f.length, MSG_NOSIGNAL) ==
		 (ssize_t)(FRAME_HEADER + f.length));
	arena_fini(&a);
}

/* The next frame that was sent to us, whole; payload holds cap bytes. false: none. */
static inline bool rig_next(int fd, struct frame *f, uint8_t *payload, size_t cap)
{
	uint8_t head[FRAME_HEADER];

	if (recv(fd, head, sizeof(head), MSG_PEEK) < (ssize_t)sizeof(head))
		return false;
	rig_must(recv(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head));
	frame_decode(head, f);
	rig_must(f->length <= cap);
	for (size_t got = 0; got < f->length;) {
		ssize_t n = recv(fd, payload + got, f->length - got, 0);

		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

#endif
