/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading: what begins a frame is read with up to AHEAD bytes at once, most requests whole, the rest
 * of a payload by exactly its length. So no more than AHEAD bytes are ever read ahead, and the
 * kernel's buffer is the queue of unread frames. A turn of the loop reads at most one frame and at
 * most READ_TURN bytes of it; frames that came with its beginning follow by deferred calls. The payload's buffer doubles as bytes
 * arrive: a header alone costs the peer ten bytes and us nothing. A payload that is too long, or
 * that finds no memory, is read and thrown away.
 *
 * Writing: a list of whole frames, tried at once and then on EPOLLOUT, by pieces of SEND_MAX. While
 * more than OUT_HIGH bytes are queued nothing is read, until the half is gone. So a peer that never
 * reads is left with the answers to what it had asked before: at most its calls in flight times
 * FRAME_MAX, and never above OUT_MAX, where conn_prepare refuses and the server gives it up.
 *
 * A lost connection is told by a deferred call, never from inside conn_send: callers need not fear
 * for their objects. The memory stays until the outermost callback has returned (busy, freed).
 */
#include "ttrpc/conn.h"

#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "base/list.h"
#include "base/mem.h"
#include "ttrpc/server.h"

#define READ_TURN	65536
#define SENDS_PER_TURN	8
#define KEEP_MIN	512	/* bytes of a frame: smaller ones are made this large */
#define KEEP_MAX	69632	/* of the frame that is kept: the largest read of a stream */
#define RECV_FIRST	4096	/* a payload's first buffer, kept between frames */
#define SKIP_CHUNK	16384
#define AHEAD		512

struct out {
	struct list node;
	size_t len, cap;
	uint8_t data[];
};

/* One frame's memory is kept for the next: a stream of large replies would otherwise have the kernel
 * map, clear and unmap theirs each time. */
static struct out *kept;

struct conn {
	struct loop *loop;
	struct watch watch;
	struct deferred lost;
	const struct conn_ops *ops;
	void *owner;
	struct recv_pool *pool;
	unsigned int flags, holds, busy;
	int fd, errnum;
	bool is_lost, freed, congested;
	/* The frame that comes in. */
	uint8_t header[FRAME_HEADER];
	size_t header_got;
	struct frame frame;
	uint8_t *body;
	size_t body_cap;
	uint32_t body_got;
	bool skipping;
	enum conn_skip why;
	/* What was read and not looked at yet. */
	uint8_t ahead[AHEAD];
	size_t ahead_at, ahead_end;
	struct deferred more;
	/* The frames that go out. */
	struct list queue;
	size_t queued;		/* bytes not yet sent */
	size_t head_sent;	/* bytes of the first one that are sent */
	struct conn_stats stats;
};

static struct out *out_new(size_t len)
{
	struct out *o = kept && len <= kept->cap ? TAKE_PTR(kept) : NULL;
	size_t cap = MEM_WATCHED ? len : MAX(len, (size_t)KEEP_MIN);

	if (o)
		return o;
	o = malloc(sizeof(*o) + cap);
	if (o)
		o->cap = cap;
	return o;
}

static void out_free(struct out *o)
{
	if (MEM_WATCHED || o->cap > KEEP_MAX || (kept && kept->cap >= o->cap)) {
		free(o);
		return;
	}
	free(kept);
	kept = o;
}

static void drop_queue(struct conn *c)
{
	while (!list_empty(&c->queue)) {
		struct out *o = LIST_FIRST(&c->queue, struct out, node);

		list_remove(&o->node);
		out_free(o);
	}
	c->queued = c->head_sent = 0;
}

/* --- memory of the incoming frame --- */

static void body_free(struct conn *c)
{
	if (c->pool)
		c->pool->used -= c->body_cap;
	free(c->body);
	c->body = NULL;
	c->body_cap = 0;
}

/* Makes room for at least one more byte. */
static int body_grow(struct conn *c)
{
	size_t want = c->body_cap ? 2 * c->body_cap : RECV_FIRST;
	uint8_t *p;

	want = MAX(MIN(want, (size_t)c->frame.length), (size_t)RECV_FIRST);
	if (c->pool && want - c->body_cap > c->pool->max - c->pool->used)
		return -ENOMEM;
	p = realloc(c->body, want);
	if (!p)
		return -ENOMEM;
	if (c->pool)
		c->pool->used += want - c->body_cap;
	c->body = p;
	c->body_cap = want;
	return 0;
}

/* --- watching --- */

static bool wants_read(const struct conn *c)
{
	if (c->holds)
		return false;
	return !c->congested || (c->flags & CONN_READS_ALWAYS);
}

static void read_more(struct deferred *d);

/* No event of the kernel's tells of what was read ahead. */
static void look_ahead(struct conn *c)
{
	if (!c->is_lost && !c->freed && c->ahead_at < c->ahead_end && wants_read(c))
		loop_defer(c->loop, &c->more, read_more);
}

static void update_events(struct conn *c)
{
	uint32_t events = 0;
	int r;

	if (c->is_lost || c->freed)
		return;
	if (wants_read(c))
		events |= EPOLLIN;
	if (c->queued)
		events |= EPOLLOUT;
	r = watch_mod(&c->watch, events);
	if (r < 0)
		conn_abort(c, -r);
	look_ahead(c);
}

static void tell_lost(struct deferred *d)
{
	struct conn *c = container_of(d, struct conn, lost);

	c->ops->on_lost(c->owner, c->errnum);
}

void conn_abort(struct conn *c, int errnum)
{
	if (c->is_lost || c->freed)
		return;
	c->is_lost = true;
	c->errnum = errnum;
	watch_del(&c->watch);
	drop_queue(c);
	loop_defer(c->loop, &c->lost, tell_lost);
}

/* --- reading --- */

static void start_frame(struct conn *c)
{
	frame_decode(c->header, &c->frame);
	c->body_got = 0;
	c->skipping = c->frame.length > FRAME_MAX;
	c->why = CONN_TOO_LARGE;
}

static void finish_frame(struct conn *c)
{
	struct frame f = c->frame;

	c->header_got = 0;
	if (c->skipping) {
		c->skipping = false;
		c->ops->on_skipped(c->owner, &f, c->why);
		return;
	}
	c->ops->on_frame(c->owner, &f, c->body);
	if (c->body_cap > RECV_FIRST)
		body_free(c);
}

/* Where the next bytes of the incoming frame go, and how many at most. */
static size_t next_piece(struct conn *c, uint8_t junk[SKIP_CHUNK], uint8_t **where)
{
	size_t left;

	if (c->header_got < FRAME_HEADER) {
		*where = c->header + c->header_got;
		return FRAME_HEADER - c->header_got;
	}
	left = c->frame.length - c->body_got;
	if (!c->skipping && c->body_got >= c->body_cap && body_grow(c) < 0) {
		body_free(c);
		c->skipping = true;
		c->why = CONN_NO_MEMORY;
	}
	if (c->skipping) {
		*where = junk;
		return MIN(left, (size_t)SKIP_CHUNK);
	}
	*where = c->body + c->body_got;
	return MIN(left, c->body_cap - c->body_got);
}

/* True when the frame is complete. */
static bool take_bytes(struct conn *c, size_t n)
{
	c->stats.in_bytes += n;
	if (c->header_got == FRAME_HEADER) {
		c->body_got += (uint32_t)n;
	} else {
		c->header_got += n;
		if (c->header_got == FRAME_HEADER)
			start_frame(c);
	}
	return c->header_got == FRAME_HEADER && c->body_got == c->frame.length;
}

/* As recv(2), out of what was read ahead first. */
static ssize_t take_from(struct conn *c, uint8_t *where, size_t want)
{
	size_t n;

	if (c->ahead_at == c->ahead_end) {
		ssize_t got;

		if (c->header_got)
			return recv(c->fd, where, want, 0);
		got = recv(c->fd, c->ahead, sizeof(c->ahead), 0);
		if (got <= 0)
			return got;
		c->ahead_at = 0;
		c->ahead_end = (size_t)got;
	}
	n = MIN(want, c->ahead_end - c->ahead_at);
	memcpy(where, c->ahead + c->ahead_at, n);
	c->ahead_at += n;
	return (ssize_t)n;
}

static void read_some(struct conn *c)
{
	uint8_t junk[SKIP_CHUNK];

	for (size_t budget = READ_TURN; budget > 0;) {
		uint8_t *where;
		size_t want = next_piece(c, junk, &where);
		ssize_t n = take_from(c, where, MIN(want, budget));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			conn_abort(c, errno);
		if (n == 0)
			conn_abort(c, 0);
		if (n <= 0)
			return;
		if (take_bytes(c, (size_t)n)) {
			finish_frame(c);
			break;
		}
		budget -= (size_t)n;
	}
	look_ahead(c);
}

/* --- writing --- */

static void sent_bytes(struct conn *c, struct out *o, size_t n)
{
	c->stats.out_bytes += n;
	c->queued -= n;
	c->head_sent += n;
	if (c->head_sent < o->len)
		return;
	list_remove(&o->node);
	out_free(o);
	c->head_sent = 0;
}

static void flush(struct conn *c)
{
	for (int i = 0; i < SENDS_PER_TURN && c->queued; i++) {
		struct out *o = LIST_FIRST(&c->queue, struct out, node);
		size_t left = o->len - c->head_sent;
		ssize_t n = send(c->fd, o->data + c->head_sent, MIN(left, (size_t)SEND_MAX),
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			conn_abort(c, errno);
		if (n < 0)
			break;
		sent_bytes(c, o, (size_t)n);
	}
	update_events(c);
}

int conn_prepare(struct conn *c, const struct frame *f, struct out **out, uint8_t **payload)
{
	size_t len = FRAME_HEADER + (size_t)f->length;
	struct out *o;

	if (c->is_lost || c->freed)
		return -EPIPE;
	if (len > OUT_MAX - MIN(c->queued, (size_t)OUT_MAX))
		return -ENOBUFS;
	o = out_new(len);
	if (!o)
		return -ENOMEM;
	o->len = len;
	frame_encode(f, o->data);
	*out = o;
	*payload = o->data + FRAME_HEADER;
	return 0;
}

void conn_send(struct conn *c, struct out *o)
{
	bool was_idle = c->queued == 0;

	if (c->is_lost || c->freed) {
		out_free(o);
		return;
	}
	list_append(&c->queue, &o->node);
	c->queued += o->len;
	if (was_idle)
		flush(c);
	if (c->queued > OUT_HIGH && !c->congested) {
		c->congested = true;
		update_events(c);
	}
}

/* Cuts what lies before `from` off the parts, and what lies behind the next SEND_MAX bytes. */
static int cut_parts(const struct iovec parts[2], size_t from, struct iovec out[2])
{
	size_t room = SEND_MAX;
	int n = 0;

	for (int i = 0; i < 2; i++) {
		size_t skip = MIN(from, parts[i].iov_len), take;

		from -= skip;
		take = MIN(parts[i].iov_len - skip, room);
		room -= take;
		if (take)
			out[n++] = (struct iovec){ (uint8_t *)parts[i].iov_base + skip, take };
	}
	return n;
}

/* How much of the parts the kernel has taken. */
static size_t send_parts(struct conn *c, const struct iovec parts[2], size_t all)
{
	size_t sent = 0;

	for (int i = 0; i < SENDS_PER_TURN && sent < all; i++) {
		struct iovec iov[2];
		struct msghdr m = { .msg_iov = iov };
		ssize_t n;

		m.msg_iovlen = (size_t)cut_parts(parts, sent, iov);
		n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			conn_abort(c, errno);
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	c->stats.out_bytes += sent;
	return sent;
}

int conn_send_data(struct conn *c, const struct frame *f, const void *head, size_t n,
		   const void *data, size_t len)
{
	uint8_t first[FRAME_HEADER + CONN_HEAD];
	const struct iovec parts[] = { { first, FRAME_HEADER + n }, { (void *)data, len } };
	size_t all = FRAME_HEADER + n + len, sent = 0, of_first;
	struct out *o;

	if (c->is_lost || c->freed)
		return -EPIPE;
	if (all > OUT_MAX - MIN(c->queued, (size_t)OUT_MAX))
		return -ENOBUFS;
	frame_encode(f, first);
	memcpy(first + FRAME_HEADER, head, n);
	if (!c->queued)
		sent = send_parts(c, parts, all);
	if (sent == all || c->is_lost)
		return 0;
	o = out_new(all - sent);
	if (!o && sent) /* half a frame is worse than none */
		conn_abort(c, ENOMEM);
	if (!o)
		return sent ? 0 : -ENOMEM;
	o->len = all - sent;
	of_first = parts[0].iov_len - MIN(sent, parts[0].iov_len);
	memcpy(o->data, first + parts[0].iov_len - of_first, of_first);
	memcpy(o->data + of_first, (const uint8_t *)data + len - (o->len - of_first),
	       o->len - of_first);
	conn_send(c, o);
	return 0;
}

/* EPOLLOUT: sends, and tells the owner what that changed. */
static void write_some(struct conn *c)
{
	flush(c);
	if (c->is_lost)
		return;
	if (c->congested && c->queued < OUT_HIGH / 2) {
		c->congested = false;
		update_events(c);
		if (c->ops->on_drain)
			c->ops->on_drain(c->owner);
	}
	if (!c->freed && !c->queued && c->ops->on_flushed)
		c->ops->on_flushed(c->owner);
}

/* --- life --- */

static void done_with(struct conn *c)
{
	if (--c->busy == 0 && c->freed) {
		body_free(c);
		free(c);
	}
}

static void read_more(struct deferred *d)
{
	struct conn *c = container_of(d, struct conn, more);

	c->busy++;
	if (!c->is_lost && wants_read(c))
		read_some(c);
	done_with(c);
}

static void on_ready(struct watch *w, uint32_t events)
{
	struct conn *c = container_of(w, struct conn, watch);

	c->busy++;
	if ((events & EPOLLOUT) && c->queued)
		write_some(c);
	if (!c->freed && !c->is_lost && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
		if (wants_read(c))
			read_some(c);
		else if (events & (EPOLLHUP | EPOLLERR))
			conn_abort(c, ECONNRESET);	/* HUP cannot be muted: it would spin */
	}
	done_with(c);
}

struct conn *conn_new(struct loop *l, int fd, const struct conn_ops *ops, void *owner,
		      unsigned int flags, struct recv_pool *pool, int *error)
{
	AUTO_FD own = fd;
	struct conn *c;

	*error = fd_set_nonblock(fd);
	if (*error < 0)
		return NULL;
	c = mem_new(1, sizeof(*c));
	if (!c) {
		*error = -ENOMEM;
		return NULL;
	}
	*error = watch_add(l, &c->watch, fd, EPOLLIN, on_ready);
	if (*error < 0) {
		free(c);
		return NULL;
	}
	c->loop = l;
	c->ops = ops;
	c->owner = owner;
	c->flags = flags;
	c->pool = pool;
	c->fd = TAKE_FD(own);
	list_init(&c->queue);
	list_init(&c->lost.node);
	list_init(&c->more.node);
	return c;
}

void conn_free(struct conn *c)
{
	if (!c || c->freed)
		return;
	c->freed = true;
	watch_del(&c->watch);
	deferred_cancel(&c->lost);
	deferred_cancel(&c->more);
	drop_queue(c);
	close(c->fd);
	if (c->pool)
		c->pool->used -= c->body_cap;
	c->pool = NULL;		/* it may go before the outermost callback returns */
	if (c->busy)
		return;
	body_free(c);
	free(c);
}

void conn_hold(struct conn *c)
{
	c->holds++;
	update_events(c);
}

void conn_release(struct conn *c)
{
	c->holds--;
	update_events(c);
}

size_t conn_queued(const struct conn *c)
{
	return c->queued;
}

size_t conn_unsent(const struct conn *c)
{
	socklen_t len = sizeof(int);
	int domain, n = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != AF_VSOCK ||
	    ioctl(c->fd, SIOCOUTQ, &n) < 0)
		return 0;
	return n > 0 ? (size_t)n : 0;
}

bool conn_is_congested(const struct conn *c)
{
	return c->congested;
}

void conn_stats(const struct conn *c, struct conn_stats *out)
{
	*out = c->stats;
}
