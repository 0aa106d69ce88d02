/* SPDX-License-Identifier: Apache-2.0 */
#include "motectl/pump.h"

#include <signal.h>
#include <sys/epoll.h>

#include "agent.pb-c.h"
#include "motectl/pump_fd.h"
#include "ttrpc/pb.h"

#define SERVICE		"grpc.AgentService"
#define MEMORY_MAX	(8u << 20)	/* for one reply */
#define CALL_MS		60000
#define END_OF_TRANSMISSION	4	/* ^D */

static void out_read(struct pump_out *o);
static void in_write(struct pump *p);
static void in_read(struct pump *p);

static void fail(struct pump *p, const char *what, const struct err *e)
{
	if (!err_is_set(&p->error)) {
		p->error = *e;
		err_ctx(&p->error, "%s: %s", what, err_rc_name(e->rc));
	}
	p->done = true;
}

/* --- the end --- */

static void on_wait(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct pump *p = arg;
	Grpc__WaitProcessResponse *reply;
	struct err bad = { 0 };
	struct arena a;

	if (err_is_set(e)) {
		fail(p, "WaitProcess", e);
		return;
	}
	arena_init(&a, MEMORY_MAX);
	reply = (Grpc__WaitProcessResponse *)pb_unpack(&a, &grpc__wait_process_response__descriptor,
						       payload, len, &bad);
	if (reply)
		p->status = reply->status & 0xff;
	else
		fail(p, "WaitProcess", &bad);
	p->done = true;
	arena_fini(&a);
}

static bool out_is_over(const struct pump_out *o)
{
	return !o->method || (o->eof && (o->broken || o->len == 0));
}

static void wait_when_over(struct pump *p)
{
	Grpc__WaitProcessRequest req = GRPC__WAIT_PROCESS_REQUEST__INIT;
	struct err e = { 0 };

	if (p->waiting || p->done || !out_is_over(&p->out) || !out_is_over(&p->err))
		return;
	p->waiting = true;
	req.container_id = req.exec_id = (char *)p->id;
	if (client_call_msg(p->client, SERVICE, "WaitProcess", &req.base, 0, on_wait, p, &e) < 0)
		fail(p, "WaitProcess", &e);
}

/* --- output --- */

/* Our reader is gone: nothing can come out any more, as if SIGPIPE had hit the command. */
static void out_broken(struct pump_out *o, int errnum)
{
	struct pump *p = o->pump;

	watch_del(&o->watch);
	o->broken = true;
	o->len = 0;
	if (errnum != EPIPE && !err_is_set(&p->error))
		err_sys(&p->error, errnum, "write the container's output");
	pump_signal(p, SIGKILL);
}

/* Writes what our descriptor takes now. */
static void out_flush(struct pump_out *o)
{
	while (o->len) {
		size_t n = MIN(o->len, PUMP_BUFFER - o->start);
		ssize_t written = write(o->fd, o->buf + o->start, MIN(n, o->write_max));

		if (written < 0) {
			if (errno != EAGAIN && errno != EINTR)
				out_broken(o, errno);
			break;
		}
		o->start = (o->start + (size_t)written) % PUMP_BUFFER;
		o->len -= (size_t)written;
		if (!o->plain && o->write_max < PUMP_BUFFER)
			break;	/* the next write may have to wait: ask the loop first */
	}
	if (o->watch.loop)
		watch_mod(&o->watch, o->len ? EPOLLOUT : 0);
	out_read(o);
	wait_when_over(o->pump);
}

static void on_writable(struct watch *w, uint32_t events)
{
	struct pump_out *o = container_of(w, struct pump_out, watch);

	if (events & (EPOLLERR | EPOLLHUP) && !o->len) {	/* the reader went away meanwhile */
		out_broken(o, EPIPE);
		return;
	}
	out_flush(o);
}

/* n bytes fit. */
static void out_take(struct pump_out *o, const uint8_t *data, size_t n)
{
	for (size_t done = 0; done < n && !o->broken;) {
		size_t end = (o->start + o->len) % PUMP_BUFFER;
		size_t part = MIN(n - done, (end < o->start ? o->start : PUMP_BUFFER) - end);

		memcpy(o->buf + end, data + done, part);
		o->len += part;
		done += part;
	}
}

static void on_output(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct pump_out *o = arg;
	Grpc__ReadStreamResponse *reply = NULL;
	struct err bad = *e;
	struct arena a;

	o->reading = false;
	arena_init(&a, MEMORY_MAX);
	if (!err_is_set(&bad))
		reply = (Grpc__ReadStreamResponse *)pb_unpack(
			&a, &grpc__read_stream_response__descriptor, payload, len, &bad);
	if (reply && reply->data.len > PUMP_BUFFER - o->len)
		err_set(&bad, RC_DATA_LOSS, "the agent sent more than was asked for");
	else if (reply && reply->data.len)
		out_take(o, reply->data.data, reply->data.len);
	else
		o->eof = true;
	/* A stream may end with an error, a terminal's does; a lost connection is the end of
	 * everything. */
	if (bad.rc == RC_UNAVAILABLE || bad.rc == RC_CANCELLED || bad.rc == RC_DATA_LOSS)
		fail(o->pump, o->method, &bad);
	arena_fini(&a);
	if (!o->pump->done)
		out_flush(o);
}

static void out_read(struct pump_out *o)
{
	Grpc__ReadStreamRequest req = GRPC__READ_STREAM_REQUEST__INIT;
	struct err e = { 0 };

	if (!o->method || o->reading || o->eof || o->pump->done ||
	    PUMP_BUFFER - o->len < PUMP_CHUNK)
		return;
	req.container_id = req.exec_id = (char *)o->pump->id;
	req.len = PUMP_CHUNK;
	o->reading = true;
	if (client_call_msg(o->pump->client, SERVICE, o->method, &req.base, 0, on_output, o, &e) <
	    0)
		fail(o->pump, o->method, &e);
}

static void out_init(struct pump *p, struct pump_out *o, const char *method, int fd)
{
	memset(o, 0, offsetof(struct pump_out, buf));
	o->pump = p;
	o->method = method;
	o->fd = method ? pump_fd_open(fd, &o->write_max) : -1;
	if (!method)
		return;
	o->write_max = MIN(o->write_max, (size_t)PUMP_BUFFER);
	o->plain = watch_add(p->loop, &o->watch, o->fd, 0, on_writable) < 0;
	if (o->plain)
		o->write_max = PUMP_BUFFER;
}

/* --- input --- */

static void in_stop(struct pump *p)
{
	watch_del(&p->in.watch);
	deferred_cancel(&p->in.deferred);
	p->in.eof = true;
	p->in.len = 0;
}

static void on_closed_stdin(void *arg UNUSED, const struct err *e UNUSED,
			    const uint8_t *payload UNUSED, size_t len UNUSED)
{
	/* a process that has ended needs no end of its input */
}

static void in_close(struct pump *p)
{
	Grpc__CloseStdinRequest req = GRPC__CLOSE_STDIN_REQUEST__INIT;
	struct err e = { 0 };

	in_stop(p);
	if (p->flags & PUMP_TERMINAL) {
		p->in.buf[0] = END_OF_TRANSMISSION;
		p->in.start = 0;
		p->in.len = 1;
		in_write(p);
		return;
	}
	req.container_id = req.exec_id = (char *)p->id;
	client_call_msg(p->client, SERVICE, "CloseStdin", &req.base, CALL_MS, on_closed_stdin, p,
			&e);
}

/* A container that reads its input no more is no error of ours: the rest is dropped, as a pipe
 * would. */
static void on_written(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct pump *p = arg;
	Grpc__WriteStreamResponse *reply = NULL;
	struct err bad = *e;
	struct arena a;

	arena_init(&a, MEMORY_MAX);
	if (!err_is_set(&bad))
		reply = (Grpc__WriteStreamResponse *)pb_unpack(
			&a, &grpc__write_stream_response__descriptor, payload, len, &bad);
	if (!reply || reply->len == 0 || reply->len > p->in.len) {
		in_stop(p);
	} else {
		p->in.start += reply->len;
		p->in.len -= reply->len;
	}
	arena_fini(&a);
	if (p->done)
		return;
	if (p->in.len)
		in_write(p);
	else if (!p->in.eof)
		in_read(p);
}

static void in_write(struct pump *p)
{
	Grpc__WriteStreamRequest req = GRPC__WRITE_STREAM_REQUEST__INIT;
	struct err e = { 0 };

	req.container_id = req.exec_id = (char *)p->id;
	req.data.data = p->in.buf + p->in.start;
	req.data.len = p->in.len;
	if (client_call_msg(p->client, SERVICE, "WriteStdin", &req.base, 0, on_written, p, &e) < 0)
		in_stop(p);
}

static void in_take(struct pump *p)
{
	ssize_t n = read(STDIN_FILENO, p->in.buf, sizeof(p->in.buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
		in_read(p);
		return;
	}
	if (n <= 0) {
		in_close(p);
		return;
	}
	if (p->in.watch.loop)
		watch_mod(&p->in.watch, 0);
	p->in.start = 0;
	p->in.len = (size_t)n;
	in_write(p);
}

static void on_readable(struct watch *w, uint32_t events UNUSED)
{
	struct pump *p = container_of(w, struct pump, in.watch);

	if (p->in.len)	/* a hang-up while a write is on its way: it is seen again after it */
		watch_del(w);
	else
		in_take(p);
}

static void on_deferred(struct deferred *d)
{
	in_take(container_of(d, struct pump, in.deferred));
}

/* Reads on as soon as there is something. */
static void in_read(struct pump *p)
{
	if (!p->in.plain && !p->in.watch.loop)
		p->in.plain =
			watch_add(p->loop, &p->in.watch, STDIN_FILENO, EPOLLIN, on_readable) < 0;
	if (p->in.plain)
		loop_defer(p->loop, &p->in.deferred, on_deferred);
	else
		watch_mod(&p->in.watch, EPOLLIN);
}

/* --- from outside --- */

static void on_signalled(void *arg UNUSED, const struct err *e UNUSED,
			 const uint8_t *payload UNUSED, size_t len UNUSED)
{
	/* a process that has ended cannot be signalled; its end comes by itself */
}

void pump_signal(struct pump *p, int signo)
{
	Grpc__SignalProcessRequest req = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	struct err e = { 0 };

	req.container_id = (char *)p->id;
	req.exec_id = signo == SIGKILL ? (char *)"" : (char *)p->id;
	req.signal = (uint32_t)signo;
	client_call_msg(p->client, SERVICE, "SignalProcess", &req.base, CALL_MS, on_signalled, p,
			&e);
}

void pump_resize(struct pump *p, unsigned int rows, unsigned int columns)
{
	Grpc__TtyWinResizeRequest req = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;
	struct err e = { 0 };

	req.container_id = req.exec_id = (char *)p->id;
	req.row = rows;
	req.column = columns;
	client_call_msg(p->client, SERVICE, "TtyWinResize", &req.base, CALL_MS, on_signalled, p,
			&e);
}

void pump_init(struct pump *p, struct loop *l, struct client *c, const char *id, unsigned int flags,
	       const int fds[3])
{
	memset(p, 0, offsetof(struct pump, in));
	memset(&p->in, 0, offsetof(struct pump_in, buf));
	p->loop = l;
	p->client = c;
	p->id = id;
	p->flags = flags;
	p->waiting = p->done = false;
	p->status = 0;
	err_clear(&p->error);
	list_init(&p->in.deferred.node);
	out_init(p, &p->out, "ReadStdout", fds[1]);
	out_init(p, &p->err, flags & PUMP_TERMINAL ? NULL : "ReadStderr", fds[2]);
}

int pump_run(struct pump *p, struct err *e)
{
	out_read(&p->out);
	out_read(&p->err);
	if (p->flags & PUMP_STDIN)
		in_read(p);
	else if (!(p->flags & PUMP_TERMINAL))
		in_close(p);
	while (!p->done)
		loop_once(p->loop, -1);
	if (err_is_set(&p->error)) {
		*e = p->error;
		return -1;
	}
	return p->status;
}

void pump_fini(struct pump *p)
{
	p->done = true;	/* what calls are still pending end without an effect */
	in_stop(p);
	watch_del(&p->out.watch);
	watch_del(&p->err.watch);
	auto_close(&p->out.fd);
	auto_close(&p->err.fd);
}
