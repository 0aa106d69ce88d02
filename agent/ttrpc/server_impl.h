/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What server.c (listeners, connections), call.c (requests, replies) and stream.c (messages of
 * streams) share.
 *
 * A call is attached to its connection until its answer is on its way, the deadline passes, or the
 * connection is lost; then link is NULL and whatever the handler sends is dropped. The object
 * itself lives until the handler answers.
 */
#ifndef MOTE_TTRPC_SERVER_IMPL_H
#define MOTE_TTRPC_SERVER_IMPL_H

#include "ttrpc/call.h"
#include "ttrpc/conn.h"
#include "ttrpc/server.h"

#define SERVER_CALLS_ALL	(4 * SERVER_CALLS)	/* living calls, detached ones too */
#define LINK_BUCKETS		32
#define PARKED_MAX		(1u << 20)	/* bytes in a connection's paused streams */

struct server {
	struct loop *loop;
	const struct rpc_service *const *services;
	void *context;
	unsigned int flags;
	struct list listeners, links;
	size_t n_links, n_calls, refused;
	struct conn_stats closed;	/* sums of the connections that are gone */
	struct recv_pool pool;
	struct timer drain_timer;
	uint64_t drain_until;
	struct deferred drain_now;
	void (*drain_done)(void *arg);
	void *drain_arg;
	bool freed;	/* the last call frees it */
};

/* A client's connection. */
struct link {
	struct list node;	/* server.links */
	struct server *server;
	struct conn *conn;
	uint32_t last_id;	/* the highest stream id seen */
	size_t n_calls;
	size_t parked;		/* bytes of messages that wait in paused streams */
	bool held;		/* reading stopped because of them */
	struct list calls[LINK_BUCKETS];	/* attached, by stream id */
	struct list drain;	/* streams that wait for room */
};

enum stream_bits {
	STREAM_STARTED = 0x1,
	STREAM_PAUSED = 0x2,
	STREAM_PEER_DONE = 0x4,		/* the peer sends no more */
	STREAM_END_TOLD = 0x8,		/* … and on_data(NULL) said so */
};

struct server_call {
	struct call pub;
	struct list node;	/* a bucket of link.calls */
	struct link *link;	/* NULL: detached */
	uint32_t stream;
	struct timer deadline;
	/* Streams only. */
	const struct call_stream_ops *ops;
	unsigned int bits;
	struct list parts;	/* messages that wait to be given out */
	struct list drain_node;
	struct deferred deliver;
	bool *gone;		/* set by the end of the call while on_data runs */
};

static inline struct server_call *impl_of(struct call *c)
{
	return container_of(c, struct server_call, pub);
}

/* --- call.c --- */

/* conn_prepare; a peer that lets OUT_MAX bytes pile up loses the connection (-EPIPE). */
int link_prepare(struct link *l, const struct frame *f, struct out **out, uint8_t **payload);

/* A new stream id: its answer when it is not one. False: answered already. */
bool call_admit_id(struct link *l, uint32_t stream);
void call_request(struct link *l, const struct frame *f, const uint8_t *payload);
struct server_call *call_by_stream(struct link *l, uint32_t stream);

/* Answers a stream that has no call (or no longer). */
void call_refuse(struct link *l, uint32_t stream, const struct err *e);

/* The peer gets e now; the handler's cancel runs, its answer will be dropped. May free c. */
void call_give_up(struct server_call *c, const struct err *e);

/* The connection is gone: detaches all its calls, then runs their cancels. */
void call_detach_all(struct link *l);

/* Takes the call off its connection and frees it. */
void call_end(struct server_call *c);

/* --- stream.c --- */

void stream_data(struct link *l, const struct frame *f, const uint8_t *payload);
void stream_detach(struct server_call *c);	/* while link is still set */
void stream_drain(struct link *l);

/* --- server.c --- */

/* Frees a server that was given up, once its last call has ended. */
void server_release(struct server *s);

#endif
