/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of a stream: containerd.services.streaming.v1.Streaming. */
#include "containerd_streaming.pb-c.h"
#include "containerd_transfer.pb-c.h"
#include "google/protobuf/empty.pb-c.h"
#include "service/containerd/any.h"
#include "service/containerd/containerd.h"
#include "service/containerd/io_parts.h"

#define TYPE_INIT   "containerd.services.streaming.v1.StreamInit"
#define TYPE_DATA   "containerd.types.transfer.Data"
#define TYPE_WINDOW "containerd.types.transfer.WindowUpdate"
#define TYPE_EMPTY  "google.protobuf.Empty"

struct call *io_part(struct io *io)
{
	struct call *c = TAKE_PTR(io->call);

	c->state = NULL;
	return c;
}

void io_end_call(struct io *io)
{
	if (io->call)
		call_stream_end(io_part(io));
}

void io_lose_call(struct io *io, enum rc rc, const char *why)
{
	if (io->call)
		call_failf(io_part(io), rc, "stream \"%.64s\": %s", io->id, why);
}

/* What call_send says. */
static int send_any(struct io *io, const char *type, const void *data, size_t len)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	int r;

	any.type_url = (char *)type;
	any.value.data = (void *)data;
	any.value.len = len;
	r = call_send(io->call, &any.base);
	if (r == 0)
		io->bits |= IO_FULL;
	return r;
}

void io_grant(struct io *io, uint32_t bytes)
{
	Containerd__Types__Transfer__WindowUpdate update =
		CONTAINERD__TYPES__TRANSFER__WINDOW_UPDATE__INIT;
	uint8_t packed[16];

	if (!io->call || !bytes)
		return;
	io->credit += bytes;
	update.update = (int32_t)bytes;
	send_any(io, TYPE_WINDOW, packed,
		 containerd__types__transfer__window_update__pack(&update, packed));
}

/* The header of Data is written in front of what the process wrote, where there is room for it: so
 * the bytes are copied once, into the frame. */
int io_send(struct io *io, char *data, size_t len)
{
	uint8_t *at = (uint8_t *)data, head[8];
	size_t n = 0;

	head[n++] = 1 << 3 | 2; /* field 1, bytes */
	for (size_t v = len; n == 1 || v; v >>= 7)
		head[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
	memcpy(at - n, head, n);
	return send_any(io, TYPE_DATA, at - n, len + n);
}

/* --- the host's call --- */

static void on_window(struct io *io, const Google__Protobuf__Any *any)
{
	Containerd__Types__Transfer__WindowUpdate *update;
	struct err e = { 0 };
	struct arena scratch;

	arena_init(&scratch, pb_budget(any->value.len));
	update = (void *)any_open(any, &containerd__types__transfer__window_update__descriptor,
				  &scratch, &e);
	if (!update || update->update <= 0)
		io_lose_call(io, RC_INVALID_ARGUMENT, "not a window");
	else
		io->window = MIN(io->window, (uint32_t)INT32_MAX) + (uint32_t)update->update;
	arena_fini(&scratch);
	if (io->call)
		io_go(io);
}

static void take_data(struct io *io, const uint8_t *data, size_t len)
{
	if (!len || io->bits & (IO_OVER | IO_CLOSING))
		return;
	if (len > io->credit) {
		io_lose_call(io, RC_RESOURCE_EXHAUSTED, "more than its window");
	} else if (io_keep(io, data, len) < 0) {
		io_lose_call(io, RC_RESOURCE_EXHAUSTED, "no memory");
	} else {
		io->credit -= (uint32_t)len;
		io_go(io);
	}
}

static void on_bytes(struct io *io, const Google__Protobuf__Any *any)
{
	Containerd__Types__Transfer__Data *msg;
	struct err e = { 0 };
	struct arena scratch;

	arena_init(&scratch, pb_budget(any->value.len));
	msg = (void *)any_open(any, &containerd__types__transfer__data__descriptor, &scratch, &e);
	if (msg)
		take_data(io, msg->data.data, msg->data.len);
	else
		io_lose_call(io, RC_INVALID_ARGUMENT, "not bytes");
	arena_fini(&scratch);
}

/* An output's host that sends no more wants no more; an input's has come to its end, which may be
 * before there is a process. */
void io_half(struct io *io)
{
	if (io->way > IO_IN) {
		io_end_call(io);
		return;
	}
	io->bits |= IO_CLOSING;
	io_go(io);
}

/* A call whose stream is gone has been answered; one that has none yet is not cancelled here. */
static void on_cancel(struct call *c)
{
	struct io *io = c->state;

	if (io) {
		io->call = NULL;
		c->state = NULL;
		if (io->way == IO_UNKNOWN)
			io_free(io);
	}
	call_failf(c, RC_CANCELLED, "Stream: cancelled");
}

/* What the new call may send and take begins anew. */
static void take_over(struct io *io, struct call *c)
{
	io_lose_call(io, RC_ABORTED, "taken over");
	io->call = c;
	c->state = io;
	io->window = io->credit = 0;
	io->bits &= ~(unsigned int)(io->way == IO_UNKNOWN ? IO_FULL | IO_CLOSING : IO_FULL);
	send_any(io, TYPE_EMPTY, NULL, 0);
	if (io->way == IO_IN && !(io->bits & (IO_OVER | IO_CLOSING)))
		io_grant(io, io_room(io));
	io_go(io);
}

static struct io *wait_for_process(struct ios *s, const char *id)
{
	struct io *io = s->n_waiting < IO_WAITING ? io_new(s, id) : NULL;

	if (io)
		s->n_waiting++;
	return io;
}

static void on_init(struct call *c, struct ios *s, const Google__Protobuf__Any *any)
{
	Containerd__Services__Streaming__V1__StreamInit *init;
	struct err e = { 0 };
	struct io *io;

	if (!any_is(any, TYPE_INIT)) {
		call_failf(c, RC_INVALID_ARGUMENT, "the first message is not StreamInit");
		return;
	}
	init = (void *)any_open(any, &containerd__services__streaming__v1__stream_init__descriptor,
				&c->arena, &e);
	if (!init) {
		call_fail(c, &e);
		return;
	}
	if (!*init->id || strlen(init->id) > IO_ID_MAX) {
		call_failf(c, RC_INVALID_ARGUMENT, "id: 1 to %d bytes", IO_ID_MAX);
		return;
	}
	io = io_find(s, init->id);
	if (!io)
		io = wait_for_process(s, init->id);
	if (io)
		take_over(io, c);
	else
		call_failf(c, RC_RESOURCE_EXHAUSTED, "too many streams that no process has");
}

static void on_message(struct call *c, const ProtobufCMessage *msg)
{
	const Google__Protobuf__Any *any = (const void *)msg;
	struct io *io = c->state;

	if (!io && !any)
		call_failf(c, RC_INVALID_ARGUMENT, "ended before its StreamInit");
	else if (!io)
		on_init(c, &ctd_of(c)->ios, any);
	else if (!any)
		io_half(io);
	else if (any_is(any, TYPE_WINDOW))
		on_window(io, any);
	else if (any_is(any, TYPE_DATA))
		on_bytes(io, any);
	else
		io_lose_call(io, RC_INVALID_ARGUMENT, "neither Data nor WindowUpdate");
	if (io && !io->call && io->way == IO_UNKNOWN)
		io_free(io);
}

static void on_room(struct call *c)
{
	struct io *io = c->state;

	if (!io)
		return;
	io->bits &= ~(unsigned int)IO_FULL;
	io_go(io);
}

void io_stream(struct call *c)
{
	static const struct call_stream_ops ops = { .on_data = on_message, .on_drain = on_room };

	c->cancel = on_cancel;
	call_stream_start(c, &ops);
	if (c->req)
		on_init(c, &ctd_of(c)->ios, (const void *)c->req);
}
