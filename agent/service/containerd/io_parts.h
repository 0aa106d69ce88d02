/* SPDX-License-Identifier: Apache-2.0 */
/* What io.c (the process's side) and io_call.c (the host's) share. */
#ifndef MOTE_SERVICE_CONTAINERD_IO_PARTS_H
#define MOTE_SERVICE_CONTAINERD_IO_PARTS_H

#include "google/protobuf/any.pb-c.h"
#include "service/containerd/io.h"

enum io_way { IO_UNKNOWN, IO_IN, IO_OUT, IO_ERR };

enum io_bits {
	IO_READING = 0x1,
	IO_WRITING = 0x2,
	IO_FULL = 0x4,	  /* the connection takes no more for now */
	IO_EXITED = 0x8,  /* the process has */
	IO_OVER = 0x10,	  /* nothing more comes out, or is taken */
	IO_CLOSING = 0x20, /* an input that ends after what has come */
	IO_SINK = 0x40,	  /* nobody wants it */
	IO_LOOPS = 0x80,  /* go_input is on the stack */
};

/* Bytes of an input. */
struct bytes {
	char *buf;
	size_t len, cap;
};

struct io {
	struct list node;
	struct ios *all;
	enum io_way way;
	unsigned int bits;
	struct streams *streams; /* NULL: there is no process yet */
	struct call *call;	 /* NULL: there is no host */
	uint32_t window;	 /* bytes of output that the host takes */
	uint32_t credit;	 /* bytes of input that the host may send */
	struct streams_reader reader;
	struct streams_writer writer;
	struct bytes came, written; /* input that waits, and what the process is given now */
	char *held;		    /* output that could not be sent; NULL: none */
	size_t held_len;
	char id[];
};

/* --- io.c --- */

/* NULL: no memory. A name that is "" is found by nobody. */
struct io *io_new(struct ios *s, const char *id);
void io_free(struct io *io);
struct io *io_find(struct ios *s, const char *id);

/* Does what can be done now. */
void io_go(struct io *io);

/* Keeps bytes of the input. 0 or -ENOMEM. */
int io_keep(struct io *io, const void *data, size_t len);

/* What may be sent beyond what has been, and is being, taken. */
uint32_t io_room(const struct io *io);

/* --- io_call.c --- */

/* Each leaves the stream without a call; fine when it has none. */
void io_end_call(struct io *io);
void io_lose_call(struct io *io, enum rc rc, const char *why);
struct call *io_part(struct io *io);

/* The host may send so much more. */
void io_grant(struct io *io, uint32_t bytes);

/* STREAMS_HEADROOM bytes before data are written to. What call_send says. */
int io_send(struct io *io, char *data, size_t len);

/* The host sends no more. */
void io_half(struct io *io);

#endif
