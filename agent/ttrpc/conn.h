/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection that carries frames: whole frames come in one at a time, frames go out through a
 * queue. Shared by server and client, who know what the frames mean. Never waits.
 */
#ifndef MOTE_TTRPC_CONN_H
#define MOTE_TTRPC_CONN_H

#include "event/loop.h"
#include "ttrpc/frame.h"

#define RECV_POOL_MAX	(32u << 20)	/* bytes of a pool's unfinished frames */
#define OUT_MAX		(16u << 20)	/* bytes a connection may have queued */

struct conn;
struct out;

/* Receive memory shared by the connections of one server. */
struct recv_pool {
	size_t used;
	size_t max;
};

enum conn_skip { CONN_TOO_LARGE, CONN_NO_MEMORY };

/* All run in the loop; any of them may call conn_free. */
struct conn_ops {
	/* One whole frame; payload is valid during the call (f->length bytes). */
	void (*on_frame)(void *owner, const struct frame *f, const uint8_t *payload);
	/* A frame whose payload was thrown away. */
	void (*on_skipped)(void *owner, const struct frame *f, enum conn_skip why);
	/* The queue was above OUT_HIGH and is below its half again. May be NULL. */
	void (*on_drain)(void *owner);
	/* The last queued byte is with the kernel. May be NULL. */
	void (*on_flushed)(void *owner);
	/* Lost, once, with a positive errno (0: the peer closed in order). Never from inside
	 * another call to this file; the owner calls conn_free. */
	void (*on_lost)(void *owner, int errnum);
};

enum conn_flags {
	/* Reads whatever the queue holds: were both ends to stop reading, nobody would go on. */
	CONN_READS_ALWAYS = 0x1,
};

struct conn_stats { size_t in_bytes, out_bytes; };

/* Takes fd over (also on failure) and makes it non-blocking. pool may be NULL: no common limit.
 * NULL: -errno is in *error. */
struct conn *conn_new(struct loop *l, int fd, const struct conn_ops *ops, void *owner,
		      unsigned int flags, struct recv_pool *pool, int *error);

/* Closes; what is queued is dropped. Safe from inside the callbacks. NULL is fine. */
void conn_free(struct conn *c);

/* Room for one frame: *payload points at f->length bytes to be filled before conn_send. 0, -ENOMEM,
 * -ENOBUFS (OUT_MAX bytes are queued), -EPIPE (lost). */
int conn_prepare(struct conn *c, const struct frame *f, struct out **out, uint8_t **payload);

/* A frame whose payload is head (at most CONN_HEAD bytes) and data: both are sent at once as far as
 * the kernel takes them, only the rest is copied. Errors as conn_prepare's; then nothing of it was
 * sent. */
#define CONN_HEAD 32
int conn_send_data(struct conn *c, const struct frame *f, const void *head, size_t n,
		   const void *data, size_t len);

/* Queues what conn_prepare gave; sends at once what the kernel takes. Errors come by on_lost. */
void conn_send(struct conn *c, struct out *out);

/* Gives the connection up: on_lost follows in the loop. */
void conn_abort(struct conn *c, int errnum);

/* Counted: reading stops while there are more holds than releases. */
void conn_hold(struct conn *c);
void conn_release(struct conn *c);

size_t conn_queued(const struct conn *c);

/* Bytes that the kernel has and the host's device has not taken yet: they are lost when the machine
 * ends. 0 of other sockets than vsock, and where the kernel cannot tell (SIOCOUTQ, Linux 6.12). */
size_t conn_unsent(const struct conn *c);
bool conn_is_congested(const struct conn *c);	/* above OUT_HIGH */
void conn_stats(const struct conn *c, struct conn_stats *out);

#endif
