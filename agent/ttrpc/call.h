/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request in the server: one arena, one deadline, one reply.
 *
 * The handler owns the call until it answers; call_reply/call_ok/call_fail free it. The call object
 * and its arena stay valid until then, even when the peer has gone or the deadline has passed: the
 * answer is dropped silently in that case. A handler that waits for something sets `cancel`: it
 * runs once, in the loop, when the connection is lost, or when the deadline passes (the peer then
 * already got DEADLINE_EXCEEDED "timeout"). cancel must lead to an answer soon (usually: take the
 * call off the wait list, call_fail). A handler without `cancel` just finishes as if nothing had
 * happened.
 */
#ifndef MOTE_TTRPC_CALL_H
#define MOTE_TTRPC_CALL_H

#include "base/list.h"
#include "base/mem.h"
#include "event/loop.h"
#include "ttrpc/service.h"

struct server;

struct call {
	/* Request, reply, the handler's private state, and this struct itself. The budget is
	 * pb_budget() of the frame; a handler whose reply may need more raises it. */
	struct arena arena;
	struct rpc_method method;
	const ProtobufCMessage *req;	/* in the arena; NULL with RPC_RAW */
	const uint8_t *raw;		/* RPC_RAW: see below */
	size_t raw_len;
	struct server *server;
	struct loop *loop;
	uint64_t deadline_ms;		/* clock_ms() value, CLOCK_NEVER if the peer gave none */
	void (*cancel)(struct call *c);	/* set by a handler that waits */
	void *state;			/* the handler's */
	struct list park;		/* for the handler's wait lists; left at the answer */
};

/* The server's context pointer, as given to server_new. */
void *call_context(const struct call *c);

/* Packs and queues the reply of the method's output type. A reply that would exceed FRAME_MAX
 * becomes INVALID_ARGUMENT. Frees the call. */
void call_reply(struct call *c, const ProtobufCMessage *reply);

/* call_reply for an output type with nothing but bytes in its field 1: they are sent from where they
 * lie, and copied only when the connection does not take them now. */
void call_reply_data(struct call *c, const void *data, size_t len);

/* len, or a few bytes less, for who reads in pieces: a reply that is just larger than what one send
 * takes would need a second one, and its reader a second look. */
size_t call_data_fit(size_t len);

/* call_reply with an empty message of the output type. */
void call_ok(struct call *c);

/* e must be set (INTERNAL "no reason given" if it is not). Logged at debug here: the one place.
 * Frees the call. */
void call_fail(struct call *c, const struct err *e);

/*
 * Raw rows (RPC_RAW): the handler gets the encoded request in raw and raw_len, valid while it runs
 * and NULL when a stream's client has yet to send its first message. Whether the bytes are the
 * message that the method wants nobody has looked at. A stream's messages come by on_raw.
 */

/* call_reply with the encoded message of somebody else's reply. */
void call_reply_raw(struct call *c, const uint8_t *data, size_t len);

/* call_send likewise: sent from where it lies, and copied only when the connection does not take
 * it now. */
int call_send_raw(struct call *c, const uint8_t *data, size_t len);

/* call_fail with err_set. */
void call_failf(struct call *c, enum rc rc, const char *fmt, ...) PRINTF(3, 4);

/*
 * Streams (rows with RPC_STREAM). c->req is the message that came with the request; NULL when the
 * client has yet to send its first. A lost connection or a passed deadline runs `cancel`, as for
 * any call, and on_data is silent from then on: a handler that waits must set it. A method where
 * only the client streams answers with call_reply.
 */
struct call_stream_ops {
	/* One message, in scratch memory valid during the call; NULL: the peer sends no more. May
	 * end the call. May be NULL. */
	void (*on_data)(struct call *c, const ProtobufCMessage *msg);
	/* The same of a raw row, in its place; data NULL: the end. */
	void (*on_raw)(struct call *c, const uint8_t *data, size_t len);
	/* Room again after call_send said 0. May be NULL. */
	void (*on_drain)(struct call *c);
};

/* Until it is started a stream counts as paused. on_data never runs inside start and resume. */
void call_stream_start(struct call *c, const struct call_stream_ops *ops);

/* on_data is silent while paused. What arrives meanwhile is kept; when the paused streams of the
 * connection hold more than 1 MiB the connection, with all its other calls, is not read until half
 * of that is taken: the protocol has no credit for one stream. */
void call_stream_pause(struct call *c);
void call_stream_resume(struct call *c);

/* Queues one message. 1: queued, go on; 0: queued, but the connection is above its high-water mark:
 * wait for on_drain; -errno: not queued
 * (-EPIPE: peer gone; -EMSGSIZE: above FRAME_MAX; -ENOMEM). */
int call_send(struct call *c, const ProtobufCMessage *msg);

/* Ends the stream in order: the peer gets everything queued, then the end. Frees the call.
 * (call_fail ends it with a status.) */
void call_stream_end(struct call *c);

#endif
