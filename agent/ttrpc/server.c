/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners and connections of the server; what a frame means is in call.c and stream.c.
 *
 * A listener that cannot accept (no descriptors, no memory) rests for ACCEPT_REST_MS, since the
 * waiting connection keeps it readable and the loop would spin.
 */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <linux/vm_sockets.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ttrpc/server_impl.h"

#define BACKLOG		128
#define ACCEPTS_PER_TURN 4
#define ACCEPT_REST_MS	100
#define DRAIN_LOOK_MS	2

struct listener {
	struct list node;
	struct server *server;
	struct watch watch;
	struct timer rest;
	int fd;
};

/* --- connections --- */

static void check_drained(struct server *s);

static void link_free(struct link *l)
{
	struct server *s = l->server;
	struct conn_stats stats;

	conn_stats(l->conn, &stats);
	s->closed.in_bytes += stats.in_bytes;
	s->closed.out_bytes += stats.out_bytes;
	list_remove(&l->node);
	s->n_links--;
	call_detach_all(l);
	conn_free(l->conn);
	free(l);
}

static void on_frame(void *owner, const struct frame *f, const uint8_t *payload)
{
	struct link *l = owner;

	if (f->type == FRAME_REQUEST)
		call_request(l, f, payload);
	else if (f->type == FRAME_DATA)
		stream_data(l, f, payload);
	/* Others may come to mean something one day; answering them might start a ping-pong. */
}

static void on_skipped(void *owner, const struct frame *f, enum conn_skip why)
{
	struct link *l = owner;
	struct server_call *c;
	struct err e = { 0 };

	if (why == CONN_TOO_LARGE)
		err_set(&e, RC_INVALID_ARGUMENT, "a message of %u bytes, the limit is %u",
			f->length, FRAME_MAX);
	else
		err_set(&e, RC_RESOURCE_EXHAUSTED, "no memory for a message of %u bytes",
			f->length);
	if (f->type == FRAME_REQUEST && call_admit_id(l, f->stream))
		call_refuse(l, f->stream, &e);
	if (f->type != FRAME_DATA)
		return;
	c = call_by_stream(l, f->stream);
	if (c)
		call_give_up(c, &e);
}

static void on_drain(void *owner)
{
	stream_drain(owner);
}

static void on_flushed(void *owner)
{
	struct link *l = owner;

	check_drained(l->server);
}

static void on_lost(void *owner, int errnum)
{
	struct link *l = owner;
	struct server *s = l->server;

	log_debug("ttrpc", "connection closed: %s, %zu calls in flight",
		  errnum ? strerror(errnum) : "by the peer", l->n_calls);
	link_free(l);
	check_drained(s);
}

static const struct conn_ops ops = { on_frame, on_skipped, on_drain, on_flushed, on_lost };

static int link_new(struct server *s, int fd)
{
	struct link *l = mem_new(1, sizeof(*l));
	int error;

	if (!l) {
		close(fd);
		return -ENOMEM;
	}
	l->server = s;
	list_init(&l->drain);
	for (size_t i = 0; i < COUNT_OF(l->calls); i++)
		list_init(&l->calls[i]);
	l->conn = conn_new(s->loop, fd, &ops, l, 0, &s->pool, &error);
	if (!l->conn) {
		free(l);
		return error;
	}
	list_append(&s->links, &l->node);
	s->n_links++;
	return 0;
}

union peer {
	struct sockaddr sa;
	struct sockaddr_vm vm;
	struct sockaddr_storage any;
};

/* Anything in the guest may connect to a vsock listener where the kernel has a loopback, and other
 * guests where the device lets them: only the host may speak. */
static bool may_speak(const struct server *s, int fd)
{
	union peer peer = { .any = { 0 } };
	socklen_t len = sizeof(peer);

	if (s->flags & SERVER_ANY_PEER)
		return true;
	if (getpeername(fd, &peer.sa, &len) < 0)
		return false;
	return peer.sa.sa_family != AF_VSOCK || peer.vm.svm_cid == VMADDR_CID_HOST;
}

int server_adopt(struct server *s, int fd)
{
	int r;

	if (s->n_links >= SERVER_CONNS)
		r = -EUSERS;
	else if (!may_speak(s, fd))
		r = -EACCES;
	else
		r = link_new(s, TAKE_FD(fd));
	auto_close(&fd);
	s->refused += r < 0;
	return r;
}

/* --- listeners --- */

static void listener_free(struct listener *ln)
{
	timer_cancel(&ln->rest);
	watch_del(&ln->watch);
	list_remove(&ln->node);
	close(ln->fd);
	free(ln);
}

static void rest_over(struct timer *t)
{
	watch_mod(&container_of(t, struct listener, rest)->watch, EPOLLIN);
}

static void rest(struct listener *ln, int errnum)
{
	log_warn("ttrpc", "cannot accept: %s", strerror(errnum));
	watch_mod(&ln->watch, 0);
	timer_arm(ln->server->loop, &ln->rest, clock_after(ACCEPT_REST_MS), rest_over);
}

/* Who is refused can try again for ever, and the log is not his to fill: told at the powers of 2. */
static void tell_refused(const struct server *s, const union peer *from, int errnum)
{
	if (s->refused & (s->refused - 1))
		return;
	if (errnum == EACCES && from->sa.sa_family == AF_VSOCK)
		log_warn("ttrpc", "refused a connection of vsock CID %u: not the host (%zu refused)",
			 from->vm.svm_cid, s->refused);
	else
		log_warn("ttrpc", "refused a connection: %s (%zu refused)", strerror(errnum),
			 s->refused);
}

static void on_connections(struct watch *w, uint32_t events UNUSED)
{
	struct listener *ln = container_of(w, struct listener, watch);

	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		union peer from = { .any = { 0 } };
		socklen_t len = sizeof(from);
		int fd = accept4(ln->fd, &from.sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK), r;

		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0) {
			rest(ln, errno);
			return;
		}
		r = server_adopt(ln->server, fd);
		if (r < 0)
			tell_refused(ln->server, &from, -r);
	}
}

int server_listen(struct server *s, const struct address *a, struct err *e)
{
	struct listener *ln = mem_new(1, sizeof(*ln));
	int r;

	if (!ln)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory for a listener");
	ln->server = s;
	list_init(&ln->node);
	ln->fd = address_listen(a, BACKLOG, e);
	if (ln->fd < 0) {
		free(ln);
		return -1;
	}
	r = watch_add(s->loop, &ln->watch, ln->fd, EPOLLIN, on_connections);
	if (r < 0) {
		listener_free(ln);
		return err_sys(e, -r, "watch the listener");
	}
	list_append(&s->listeners, &ln->node);
	return 0;
}

static void close_listeners(struct server *s)
{
	struct listener *ln;

	while ((ln = LIST_FIRST(&s->listeners, struct listener, node)))
		listener_free(ln);
}

/* --- draining --- */

static void finish_drain(struct server *s)
{
	void (*done)(void *) = s->drain_done;

	timer_cancel(&s->drain_timer);
	deferred_cancel(&s->drain_now);
	s->drain_done = NULL;
	if (done)
		done(s->drain_arg);	/* may free s */
}

static void drained(struct deferred *d)
{
	finish_drain(container_of(d, struct server, drain_now));
}

static void drain_look(struct timer *t)
{
	struct server *s = container_of(t, struct server, drain_timer);

	if (clock_ms() >= s->drain_until) {
		finish_drain(s);
		return;
	}
	timer_arm(s->loop, &s->drain_timer, s->drain_until, drain_look);
	check_drained(s);
}

/* Output that is queued tells of its end by on_flushed; what the kernel has is looked at. */
static void check_drained(struct server *s)
{
	struct link *l;

	if (!s->drain_done)
		return;
	LIST_EACH(l, &s->links, struct link, node)
		if (conn_queued(l->conn))
			return;
	LIST_EACH(l, &s->links, struct link, node)
		if (conn_unsent(l->conn)) {
			timer_arm(s->loop, &s->drain_timer,
				  MIN(s->drain_until, clock_after(DRAIN_LOOK_MS)), drain_look);
			return;
		}
	loop_defer(s->loop, &s->drain_now, drained);
}

void server_drain(struct server *s, uint64_t max_ms, void (*done)(void *arg), void *arg)
{
	close_listeners(s);
	s->drain_done = done;
	s->drain_arg = arg;
	s->drain_until = clock_after(max_ms);
	timer_arm(s->loop, &s->drain_timer, s->drain_until, drain_look);
	check_drained(s);
}

/* --- life --- */

struct server *server_new(struct loop *l, const struct rpc_service *const *services, void *context,
			  unsigned int flags, struct err *e)
{
	struct server *s;

	if (service_check(services, e) < 0)
		return NULL;
	s = mem_new(1, sizeof(*s));
	if (!s) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "no memory for a server");
		return NULL;
	}
	s->loop = l;
	s->services = services;
	s->context = context;
	s->flags = flags;
	s->pool.max = RECV_POOL_MAX;
	list_init(&s->listeners);
	list_init(&s->links);
	list_init(&s->drain_now.node);
	return s;
}

void server_release(struct server *s)
{
	if (s->freed && s->n_calls == 0)
		free(s);
}

void server_free(struct server *s)
{
	struct link *l;

	if (!s)
		return;
	close_listeners(s);
	timer_cancel(&s->drain_timer);
	deferred_cancel(&s->drain_now);
	s->drain_done = NULL;
	while ((l = LIST_FIRST(&s->links, struct link, node)))
		link_free(l);
	s->freed = true;
	server_release(s);
}

void server_stats(const struct server *s, struct server_stats *out)
{
	struct link *l;

	*out = (struct server_stats){
		.conns = s->n_links,
		.calls = s->n_calls,
		.refused = s->refused,
		.in_bytes = s->closed.in_bytes,
		.out_bytes = s->closed.out_bytes,
	};
	LIST_EACH(l, &s->links, struct link, node) {
		struct conn_stats stats;

		conn_stats(l->conn, &stats);
		out->in_bytes += stats.in_bytes;
		out->out_bytes += stats.out_bytes;
	}
}
