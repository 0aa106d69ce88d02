/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP connection whose two ends are on two machines: here a socket, there another, and between
 * them a stream of mote.v1.PortPiece. The code of both ends: the agent's, which has the server, and
 * the shim's, which has the client.
 *
 * Each end grants the other a window, so that what its socket does not take waits with whoever
 * wrote it, and here no more than TUNNEL_WINDOW bytes do. The end of either way is carried as such;
 * a reset, and whatever else breaks the connection, as a reset, behind all that came before it.
 */
#ifndef MOTE_TTRPC_TUNNEL_H
#define MOTE_TTRPC_TUNNEL_H

#include "base/defs.h"
#include "event/loop.h"

#define TUNNEL_WINDOW 65536 /* bytes on their way to a socket */
#define TUNNEL_PORT   1     /* the number of PortPiece.port */

struct tunnel;

struct tunnel_ops {
	/* One message, to be copied: as call_send_raw. */
	int (*send)(struct tunnel *t, const uint8_t *msg, size_t len);

	/* The socket is closed: 0 in order (both ways had their end, and all is written), else
	 * the errno of why. Once; t may be freed in it. */
	void (*over)(struct tunnel *t, int errnum);
};

enum tunnel_bits {
	TUNNEL_FULL = 0x1,	 /* the stream takes no more for now */
	TUNNEL_ENDED = 0x2,	 /* the socket gives no more, and the other end knows */
	TUNNEL_PEER_ENDED = 0x4, /* the other end gives no more */
	TUNNEL_SHUT = 0x8,	 /* … and the socket knows */
	TUNNEL_LOST = 0x10,	 /* there is no other end any more */
};

struct tunnel {
	const struct tunnel_ops *ops;
	struct loop *loop;
	struct watch watch;
	int fd; /* -1: none yet, or closed */
	unsigned int bits;
	int broken;	  /* errno: the socket takes nothing any more */
	uint32_t window;  /* bytes that the other end takes */
	uint32_t granted; /* bytes that it may send */
	uint32_t owed;	  /* bytes that are written and not granted again yet */
	uint8_t *rest;	  /* what the socket did not take; NULL: nothing */
	size_t start, len;
};

void tunnel_init(struct tunnel *t, struct loop *l, const struct tunnel_ops *ops);

/* Takes the connected socket, which does not wait, and grants the window in a first message; with
 * `port` in it unless that is 0. 0 or -errno: then nothing is over yet. */
int tunnel_begin(struct tunnel *t, int fd, uint32_t port);

/* A message of the other end, which is not trusted. 0 or -errno: it is none, or more than was
 * granted. May be over in it, when it says 0. */
int tunnel_take(struct tunnel *t, const uint8_t *msg, size_t len);

/* The stream has room again after it had none. May be over in it. */
void tunnel_drained(struct tunnel *t);

/* The stream has ended. What came is still written, then it is over; may be in it. Of one that has
 * a socket. */
void tunnel_lost(struct tunnel *t);

/* Resets the connection, if it is not over; nobody is told. Fine twice. */
void tunnel_fini(struct tunnel *t);

#endif
