/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ttrpc server: listeners, connections, dispatch. Never waits.
 *
 * Limits: SERVER_CONNS connections (more are accepted and closed at once), SERVER_CALLS calls in
 * flight per connection and four times as many in all (RESOURCE_EXHAUSTED beyond), receive buffers
 * that grow only as bytes arrive and are capped over all connections (RESOURCE_EXHAUSTED), output
 * above OUT_HIGH bytes stops reading that connection. An oversized request (> FRAME_MAX) is read,
 * discarded and answered with INVALID_ARGUMENT on its stream; the connection lives. A stream id
 * that is even, or not above the last new one, gets INVALID_ARGUMENT. Frames of other types, and
 * data for a stream that has ended, are ignored. Vsock peers other than the host (CID 2) are
 * refused unless SERVER_ANY_PEER.
 */
#ifndef MOTE_TTRPC_SERVER_H
#define MOTE_TTRPC_SERVER_H

#include "base/err.h"
#include "event/loop.h"
#include "ttrpc/address.h"
#include "ttrpc/service.h"

#define SERVER_CONNS	256
#define SERVER_CALLS	4096
#define OUT_HIGH	(1u << 20)
#define SEND_MAX	32768	/* one send(): larger ones get lost in some vsock backends */

enum server_flags { SERVER_ANY_PEER = 0x1 };

struct server;

/* services: NULL-terminated, static. context: what call_context() returns. NULL with e. */
struct server *server_new(struct loop *l, const struct rpc_service *const *services, void *context,
			  unsigned int flags, struct err *e);

int server_listen(struct server *s, const struct address *a, struct err *e);

/* Takes over an already connected socket (tests, socket activation); non-blocking is set. 0 or
 * -errno (-EUSERS: too many, -EACCES: not the host); fd is closed on failure too. */
int server_adopt(struct server *s, int fd);

/* Stops accepting; open connections go on until no output is queued, by a vsock not in the kernel
 * either, or max_ms passed; then done()
 * runs, never inside this call. Calls that wait do not hold it up. done may free the server. */
void server_drain(struct server *s, uint64_t max_ms, void (*done)(void *arg), void *arg);

/* Closes everything; cancels run. Calls still held by handlers stay valid until they are answered,
 * call_context() too. Not from a cancel. */
void server_free(struct server *s);

/* calls: not yet answered by their handlers. refused: connections. */
struct server_stats { size_t conns, calls, refused, in_bytes, out_bytes; };
void server_stats(const struct server *s, struct server_stats *out);

#endif
