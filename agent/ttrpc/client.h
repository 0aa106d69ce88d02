/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ttrpc client: many calls in flight on one connection, asynchronous on a loop. The library of
 * motectl, of the tests, and of the shim. Every function may be called from every callback,
 * client_free too.
 */
#ifndef MOTE_TTRPC_CLIENT_H
#define MOTE_TTRPC_CLIENT_H

#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "base/mem.h"
#include "event/loop.h"

struct client;

/* Takes over a connected socket. NULL with e (fd is closed). */
struct client *client_new(struct loop *l, int fd, struct err *e);
void client_free(struct client *c);	/* calls in flight end with CANCELLED first */

/* Told once when the connection is lost, after all calls in flight ended with UNAVAILABLE "ttrpc:
 * closed". */
void client_on_closed(struct client *c, void (*fn)(void *arg), void *arg);

/* How long a call's own timeout is waited for beyond its time, so that the server's answer to it, which says
 * more, comes first: 1 s unless it is set. Of the calls that begin after. */
void client_set_grace(struct client *c, uint64_t grace_ms);

/* The reply: e unset and the packed response message (valid during the call), or e set. Never from
 * inside client_call. */
typedef void (*client_done)(void *arg, const struct err *e, const uint8_t *payload, size_t len);

/* One unary call with a packed request. timeout_ms 0: none; else it travels as timeout_nano and is
 * enforced here too (+ the grace). Returns the stream id (> 0) for client_cancel, or -1 with e:
 * then done will not run. INVALID_ARGUMENT above FRAME_MAX, UNAVAILABLE "ttrpc: closed" after the
 * loss. */
int64_t client_call(struct client *c, const char *service, const char *method,
		    const uint8_t *payload, size_t len, uint64_t timeout_ms, client_done done,
		    void *arg, struct err *e);

/* The same with a message. */
int64_t client_call_msg(struct client *c, const char *service, const char *method,
			const ProtobufCMessage *req, uint64_t timeout_ms, client_done done,
			void *arg, struct err *e);

/* Forgets a call: done will not run. The server is not told (the protocol has no word for it). */
void client_cancel(struct client *c, int64_t id);

/* Blocking helper for tests and small tools: turns the loop until the reply is there; unpacks it
 * into a. NULL with e. */
ProtobufCMessage *client_call_wait(struct client *c, const char *service, const char *method,
				   const ProtobufCMessage *req,
				   const ProtobufCMessageDescriptor *reply_type,
				   uint64_t timeout_ms, struct arena *a, struct err *e);

/* Streams. fn gets the payload of each message (e unset, payload not NULL, also for an empty
 * message); then the end, once, payload NULL: e unset for an orderly end, set for a status or a
 * lost connection. A method that answers a client's stream with one message gives that message,
 * unless it is empty, and the end. */
struct client_stream;
typedef void (*client_stream_fn)(void *arg, const struct err *e, const uint8_t *payload,
				 size_t len);

/* first: the one message of a method where only the server streams; nothing can be sent after it.
 * NULL: this side sends with client_stream_send. timeout_ms is for the whole stream, as in
 * client_call. NULL with e. */
struct client_stream *client_stream_open(struct client *c, const char *service, const char *method,
					 const ProtobufCMessage *first, uint64_t timeout_ms,
					 client_stream_fn fn, void *arg, struct err *e);

/* As call_send: 1, 0 (queued; wait for on_drain), or -EPIPE, -ENOMEM, -EMSGSIZE. */
int client_stream_send(struct client_stream *s, const uint8_t *payload, size_t len);

/* There is room again after a 0. fn gets the arg of client_stream_open. */
void client_stream_on_drain(struct client_stream *s, void (*fn)(void *arg));

int client_stream_close_send(struct client_stream *s); /* 0, also the second time; -errno */

/* Always by the caller, before or after the end; fn will not run any more. The end does not free
 * it; client_free ends it but leaves the object to the caller too. */
void client_stream_free(struct client_stream *s);

#endif
