/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard streams. Each output is a non-blocking descriptor and a queue of parked readers; its
 * watch exists only while the queue is not empty. A reader that comes to an empty queue is served
 * at once, unless a callback of this file is on the stack: then it is parked, so that a callback
 * that reads again cannot recurse. Callbacks are the last thing that happens in every function
 * here, since they may free what the streams belong to.
 *
 * Input is a queue of writers. Closing it puts one last writer, of our own, at the end of the
 * queue; what that one does depends on the kind: close the pipe, or type the end-of-file character.
 */
#include "container/streams.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <termios.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "kernel/tty.h"

/* One buffer for all: PID 1 has one thread, and the data is handed on before the next read. */
static char room[STREAMS_HEADROOM + STREAMS_READ_MAX];
static char *const buffer = room + STREAMS_HEADROOM;
static unsigned int depth;	/* callbacks of this file on the stack */

static void on_output(struct watch *w, uint32_t events);
static void on_input(struct watch *w, uint32_t events);
static void on_drained(struct timer *t);
static void on_kick(struct deferred *d);

/* --- opening and closing --- */

static void end_init(struct streams_end *end)
{
	end->fd = -1;
	list_init(&end->readers);
}

void streams_init(struct streams *s, struct loop *l)
{
	memset(s, 0, sizeof(*s));
	s->loop = l;
	s->in_fd = -1;
	s->drained_at = CLOCK_NEVER;
	s->in_closed = true;
	end_init(&s->out);
	end_init(&s->err);
	list_init(&s->writers);
	list_init(&s->last.node);
	list_init(&s->kick.node);
}

void streams_close_child(int child_fds[3])
{
	for (int i = 2; i >= 0; i--) {
		for (int k = 0; k < i; k++)
			if (child_fds[k] == child_fds[i])
				child_fds[i] = -1;
		auto_close(&child_fds[i]);
	}
}

static int open_tty(struct streams *s, int child_fds[3], struct err *e)
{
	int master, slave, r;

	r = tty_open_pair(AT_FDCWD, "/dev/pts/ptmx", &master, &slave);
	/* a devpts of old options shows its multiplexer in /dev only */
	if (r == -ENOENT || r == -EACCES)
		r = tty_open_pair(AT_FDCWD, "/dev/ptmx", &master, &slave);
	if (r < 0)
		return err_sys(e, -r, "open a terminal");
	s->tty = true;
	s->out.fd = master;
	child_fds[0] = child_fds[1] = child_fds[2] = slave;
	/* A second number, since epoll watches each end on its own. */
	s->in_fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
	if (s->in_fd < 0)
		return err_sys(e, errno, "open a terminal");
	fd_park(&s->in_fd);
	fd_park(&s->out.fd);
	r = fd_set_nonblock(s->out.fd);
	return r < 0 ? err_sys(e, -r, "open a terminal") : 0;
}

static int open_pipe(int *ours, int *theirs, int our_side, size_t pipe_bytes, struct err *e)
{
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "open a pipe");
	*ours = ends[our_side];
	*theirs = ends[!our_side];
	fd_park(ours);
	r = fd_set_nonblock(*ours);
	if (r < 0)
		return err_sys(e, -r, "open a pipe");
	if (pipe_bytes && fcntl(*ours, F_SETPIPE_SZ, (int)MIN(pipe_bytes, (size_t)INT32_MAX)) < 0)
		return err_sys(e, errno, "set the pipe's size to %zu", pipe_bytes);
	return 0;
}

static int open_pipes(struct streams *s, size_t pipe_bytes, int child_fds[3], struct err *e)
{
	if (open_pipe(&s->in_fd, &child_fds[0], 1, 0, e) < 0)
		return -1;
	if (open_pipe(&s->out.fd, &child_fds[1], 0, pipe_bytes, e) < 0)
		return -1;
	return open_pipe(&s->err.fd, &child_fds[2], 0, pipe_bytes, e);
}

int streams_open(struct streams *s, struct loop *l, unsigned int flags, size_t pipe_bytes,
		 int child_fds[3], struct err *e)
{
	int r;

	streams_init(s, l);
	child_fds[0] = child_fds[1] = child_fds[2] = -1;
	r = flags & STREAMS_TTY ? open_tty(s, child_fds, e)
				: open_pipes(s, pipe_bytes, child_fds, e);
	if (r < 0) {
		streams_close_child(child_fds);
		streams_close(s);
		return -1;
	}
	s->in_closed = false;
	return 0;
}

/* --- callbacks --- */

static void tell_reader(struct streams_reader *r, const void *data, size_t len, const struct err *e)
{
	list_remove(&r->node);
	depth++;
	r->fn(r, data, len, e);
	depth--;
}

static void tell_writer(struct streams_writer *w, const struct err *e)
{
	list_remove(&w->node);
	if (!w->fn)	/* our own last one */
		return;
	depth++;
	w->fn(w, e);
	depth--;
}

static void refuse_writer(struct streams_writer *w, const char *why)
{
	struct err e = { 0 };

	err_set(&e, RC_FAILED_PRECONDITION, "stdin: %s", why);
	e.sys = EPIPE;
	tell_writer(w, &e);
}

/* --- output --- */

/* Bytes read; 0 at the end of the stream; -EAGAIN: nothing yet; another -errno. */
static ssize_t end_read(const struct streams *s, struct streams_end *end, size_t max)
{
	ssize_t n;

	if (end->fd < 0 || end->eof)
		return 0;
	do
		n = read(end->fd, buffer, MIN(MAX(max, 1u), (size_t)STREAMS_READ_MAX));
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	if (n < 0 && errno == EAGAIN && clock_ms() < s->drained_at)
		return -EAGAIN;
	if (n < 0 && errno != EAGAIN && errno != EIO)
		return -errno;
	/* no writer, no slave (EIO), or silent for too long after the exit */
	end->eof = true;
	return 0;
}

static void end_watch(struct streams *s, struct streams_end *end)
{
	if (list_empty(&end->readers)) {
		watch_del(&end->watch);
		return;
	}
	if (end->fd >= 0 && !end->eof && !end->deaf) {
		int r = end->watch.loop ? 0
					: watch_add(s->loop, &end->watch, end->fd, EPOLLIN, on_output);

		if (r == 0)
			return;
		end->deaf = -r;
	}
	/* Nothing to watch: the answer is known, but must not come from inside a callback. */
	watch_del(&end->watch);
	loop_defer(s->loop, &s->kick, on_kick);
}

/* Serves the first reader. false: nothing to give yet, or nobody there. */
static bool end_serve(struct streams *s, struct streams_end *end)
{
	struct streams_reader *r = LIST_FIRST(&end->readers, struct streams_reader, node);
	struct err e = { 0 };
	ssize_t n;

	if (!r)
		return false;
	n = end_read(s, end, r->max);
	if (n == -EAGAIN && end->deaf) {
		n = -end->deaf;
		end->deaf = 0;
	}
	if (n == -EAGAIN)
		return false;
	list_remove(&r->node);
	end_watch(s, end);
	if (n < 0)
		err_sys(&e, (int)-n, "read output");
	tell_reader(r, buffer, n > 0 ? (size_t)n : 0, &e);
	return true;
}

static void on_output(struct watch *w, uint32_t events)
{
	struct streams_end *end = container_of(w, struct streams_end, watch);

	(void)events;
	end_serve(end->owner, end);
}

static bool end_answerable(const struct streams *s, const struct streams_end *end)
{
	return !list_empty(&end->readers) &&
	       (end->eof || end->deaf || end->fd < 0 || clock_ms() >= s->drained_at);
}

/* One reader a call: its callback may be the end of s. The others follow by the next deferred
 * call. */
static void on_kick(struct deferred *d)
{
	struct streams *s = container_of(d, struct streams, kick);
	struct streams_end *end = end_answerable(s, &s->out) ? &s->out : &s->err;

	if (!end_answerable(s, end))
		return;
	loop_defer(s->loop, &s->kick, on_kick);
	end_serve(s, end);
}

static void on_drained(struct timer *t)
{
	on_kick(&container_of(t, struct streams, drain)->kick);
}

void streams_read(struct streams *s, enum streams_kind kind, struct streams_reader *r, size_t max,
		  streams_read_fn fn, void *owner)
{
	struct streams_end *end = kind == STREAMS_ERR ? &s->err : &s->out;
	bool alone = list_empty(&end->readers);

	end->owner = s;
	list_init(&r->node);
	r->max = max;
	r->fn = fn;
	r->owner = owner;
	r->end = end;
	list_append(&end->readers, &r->node);
	/* Of a closed end the answer is final: no later call, since the streams may not live
	 * that long. */
	if (alone && (!depth || end->fd < 0) && end_serve(s, end))
		return;
	end_watch(s, end);
}

void streams_read_cancel(struct streams_reader *r)
{
	if (list_empty(&r->node))
		return;
	list_remove(&r->node);
	end_watch(r->end->owner, r->end);
}

/* --- input --- */

static void in_shut(struct streams *s)
{
	watch_del(&s->in_watch);
	auto_close(&s->in_fd);
}

/*
 * What the end of input is on a terminal. In line mode the end-of-file character hands an
 * unfinished line over, and only on an empty line it means the end: so it is typed twice after a
 * part of a line. In raw mode no character means it.
 */
static size_t tty_end_of_file(struct streams *s, char out[2])
{
	struct termios t;

	if (tcgetattr(s->in_fd, &t) < 0 || !(t.c_lflag & ICANON) || t.c_cc[VEOF] == _POSIX_VDISABLE)
		return 0;
	out[0] = out[1] = (char)t.c_cc[VEOF];
	return s->in_partial ? 2 : 1;
}

/* 0: all written; -EAGAIN: the rest has to wait; another -errno. */
static int write_some(struct streams *s, struct streams_writer *w)
{
	while (w->off < w->len) {
		ssize_t n = write(s->in_fd, w->data + w->off, w->len - w->off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		w->off += (size_t)n;
	}
	if (w->len)
		s->in_partial = w->data[w->len - 1] != '\n';
	return 0;
}

static int write_last(struct streams *s)
{
	if (!s->tty) {
		in_shut(s);
		return 0;
	}
	if (!s->last.data) {
		s->last.data = s->last_bytes;
		s->last.len = tty_end_of_file(s, s->last_bytes);
	}
	return write_some(s, &s->last);
}

/* Serves the first writer. false: it has to wait, or there is none. */
static bool in_serve(struct streams *s)
{
	struct streams_writer *w = LIST_FIRST(&s->writers, struct streams_writer, node);
	struct err e = { 0 };
	int r;

	if (!w)
		return false;
	r = w == &s->last ? write_last(s) : write_some(s, w);
	if (r == -EAGAIN)
		return false;
	list_remove(&w->node);
	if (list_empty(&s->writers))
		watch_del(&s->in_watch);
	if (r == -EPIPE || r == -EIO) {
		refuse_writer(w, "nobody reads it any more");
		return true;
	}
	if (r < 0)
		err_sys(&e, -r, "write to stdin");
	tell_writer(w, &e);
	return true;
}

static void on_input(struct watch *w, uint32_t events)
{
	(void)events;
	in_serve(container_of(w, struct streams, in_watch));
}

/* Serves the queue as far as it goes without a callback that is not ours, then waits for room. */
static void in_push(struct streams *s, bool alone)
{
	if (alone && !depth && in_serve(s))
		return;
	if (!list_empty(&s->writers) && !s->in_watch.loop &&
	    watch_add(s->loop, &s->in_watch, s->in_fd, EPOLLOUT, on_input) < 0)
		refuse_writer(LIST_FIRST(&s->writers, struct streams_writer, node),
			      "cannot be watched");
}

void streams_write(struct streams *s, struct streams_writer *w, const void *data, size_t len,
		   streams_write_fn fn, void *owner)
{
	bool alone = list_empty(&s->writers);

	*w = (struct streams_writer){ .data = data, .len = len, .fn = fn, .owner = owner };
	list_init(&w->node);
	if (s->in_closed || s->exited || s->in_fd < 0) {
		refuse_writer(w, s->exited ? "the process is gone" : "closed");
		return;
	}
	list_append(&s->writers, &w->node);
	in_push(s, alone);
}

void streams_write_cancel(struct streams *s, struct streams_writer *w)
{
	list_remove(&w->node);
	if (list_empty(&s->writers))
		watch_del(&s->in_watch);
}

void streams_close_stdin(struct streams *s)
{
	bool alone = list_empty(&s->writers);

	if (s->in_closed)
		return;
	s->in_closed = true;
	if (s->in_fd < 0)
		return;
	list_append(&s->writers, &s->last.node);
	in_push(s, alone);
}

int streams_resize(struct streams *s, unsigned int rows, unsigned int columns, struct err *e)
{
	int r;

	if (!s->tty || s->out.fd < 0)
		return err_set(e, RC_UNAVAILABLE, "no tty");
	r = tty_set_size(s->out.fd, rows, columns);
	return r < 0 ? err_sys(e, -r, "resize the terminal") : 0;
}

/* Under the numbers that are there, which are watched: nobody else knows of the change. */
int streams_take_terminal(struct streams *s, int master, struct err *e)
{
	AUTO_FD fd = master;
	int r = s->tty && s->out.fd >= 0 && s->in_fd >= 0 ? fd_set_nonblock(fd) : -EBADF;

	if (r == 0)
		r = tty_copy_size(s->out.fd, fd);
	if (r == 0) {
		watch_del(&s->out.watch);
		watch_del(&s->in_watch);
		if (dup3(fd, s->out.fd, O_CLOEXEC) < 0 || dup3(fd, s->in_fd, O_CLOEXEC) < 0)
			r = -errno;
	}
	if (r < 0)
		return err_sys(e, -r, "take the container's terminal");
	end_watch(s, &s->out);
	in_push(s, false);
	return 0;
}

/* --- the end --- */

/* The queue is taken over first: a callback may free the streams. */
static void fail_writers(struct streams *s, const char *why)
{
	struct list queue;
	struct streams_writer *w;

	list_remove(&s->last.node);
	list_take(&s->writers, &queue);
	while ((w = LIST_FIRST(&queue, struct streams_writer, node)))
		refuse_writer(w, why);
}

static void end_readers(struct streams_end *end)
{
	struct list queue;
	struct streams_reader *r;
	struct err none = { 0 };

	list_take(&end->readers, &queue);
	while ((r = LIST_FIRST(&queue, struct streams_reader, node)))
		tell_reader(r, buffer, 0, &none);
}

void streams_process_exited(struct streams *s)
{
	if (s->exited)
		return;
	s->exited = true;
	s->drained_at = clock_after(STREAMS_DRAIN_MS);
	timer_arm(s->loop, &s->drain, s->drained_at, on_drained);
	in_shut(s);
	fail_writers(s, "the process is gone");
}

void streams_close(struct streams *s)
{
	timer_cancel(&s->drain);
	deferred_cancel(&s->kick);
	watch_del(&s->out.watch);
	watch_del(&s->err.watch);
	in_shut(s);
	auto_close(&s->out.fd);
	auto_close(&s->err.fd);
	s->in_closed = true;
	fail_writers(s, "closed");
	end_readers(&s->out);
	end_readers(&s->err);
}
