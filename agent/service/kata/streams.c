/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WriteStdin, ReadStdout, ReadStderr, CloseStdin, TtyWinResize. A read waits, parked on the stream,
 * until there is something; an empty reply with status OK is the end of the stream. A write is
 * answered when all of it is in the pipe, so a host cannot fill our memory.
 */
#include "service/kata/linger.h"

struct read_state {
	struct streams_reader reader;
	struct process *process;
};

static void read_done(struct streams_reader *r, const void *data, size_t len, const struct err *e)
{
	struct call *c = r->owner;
	struct read_state *st = c->state;

	if (err_is_set(e)) {
		call_fail(c, e);
		return;
	}
	if (!len && st->process->state == PROCESS_EXITED)
		linger_check(kata_of(c), st->process);
	call_reply_data(c, data, len);
}

static void read_cancelled(struct call *c)
{
	struct read_state *st = c->state;

	streams_read_cancel(&st->reader);
	call_failf(c, RC_CANCELLED, "read: cancelled");
}

static void read_stream(struct call *c, enum streams_kind kind)
{
	const Grpc__ReadStreamRequest *req = (const void *)c->req;
	struct process *p = kata_process(c, req->container_id, req->exec_id);
	struct read_state *st;

	if (!p)
		return;
	st = ARENA_NEW(&c->arena, struct read_state);
	if (!st) {
		call_failf(c, RC_RESOURCE_EXHAUSTED, "read: no memory");
		return;
	}
	st->process = p;
	c->state = st;
	c->cancel = read_cancelled;
	streams_read(&p->streams, kind, &st->reader,
		     call_data_fit(MIN(req->len, (uint32_t)STREAMS_READ_MAX)), read_done, c);
}

void kata_read_stdout(struct call *c)
{
	read_stream(c, STREAMS_OUT);
}

void kata_read_stderr(struct call *c)
{
	read_stream(c, STREAMS_ERR);
}

struct write_state {
	struct streams_writer writer;
	struct streams *streams;
	uint32_t len;
};

static void write_done(struct streams_writer *w, const struct err *e)
{
	struct call *c = w->owner;
	const struct write_state *st = c->state;
	Grpc__WriteStreamResponse reply = GRPC__WRITE_STREAM_RESPONSE__INIT;

	if (err_is_set(e)) {
		call_fail(c, e);
		return;
	}
	reply.len = st->len;
	call_reply(c, &reply.base);
}

static void write_cancelled(struct call *c)
{
	struct write_state *st = c->state;

	streams_write_cancel(st->streams, &st->writer);
	call_failf(c, RC_CANCELLED, "WriteStdin: cancelled");
}

void kata_write_stdin(struct call *c)
{
	const Grpc__WriteStreamRequest *req = (const void *)c->req;
	struct process *p = kata_process(c, req->container_id, req->exec_id);
	struct write_state *st;

	if (!p)
		return;
	if (!req->data.len) { /* hosts say the end of input this way too */
		streams_close_stdin(&p->streams);
		call_ok(c);
		return;
	}
	st = ARENA_NEW(&c->arena, struct write_state);
	if (!st) {
		call_failf(c, RC_RESOURCE_EXHAUSTED, "WriteStdin: no memory");
		return;
	}
	st->streams = &p->streams;
	st->len = (uint32_t)req->data.len;
	c->state = st;
	c->cancel = write_cancelled;
	streams_write(&p->streams, &st->writer, req->data.data, req->data.len, write_done, c);
}

void kata_close_stdin(struct call *c)
{
	const Grpc__CloseStdinRequest *req = (const void *)c->req;
	struct process *p = kata_process(c, req->container_id, req->exec_id);

	if (!p)
		return;
	streams_close_stdin(&p->streams);
	call_ok(c);
}

void kata_tty_win_resize(struct call *c)
{
	const Grpc__TtyWinResizeRequest *req = (const void *)c->req;
	struct process *p = kata_process(c, req->container_id, req->exec_id);
	struct err e = { 0 };

	if (!p)
		return;
	if (streams_resize(&p->streams, req->row, req->column, &e) < 0)
		call_fail(c, &e);
	else
		call_ok(c);
}
