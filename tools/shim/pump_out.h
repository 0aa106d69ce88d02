/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One output of a process: from a stream of the guest into a descriptor. The guest sends no more
 * than it was granted; what our side does not take at once waits here, and as much is not granted
 * again until it is gone. So a reader that sleeps costs WINDOW bytes, and the process waits in the
 * guest.
 */
#ifndef MOTE_SHIM_PUMP_OUT_H
#define MOTE_SHIM_PUMP_OUT_H

#include "base/err.h"
#include "event/loop.h"
#include "ttrpc/client.h"

#define PUMP_WINDOW (128u << 10)

struct pump_out {
	struct loop *loop;
	struct client_stream *stream;
	struct watch watch;
	int fd;         /* -1: closed */
	bool plain;     /* a file: cannot be watched, does not wait for long */
	bool open;      /* the guest has acknowledged the stream */
	bool ended;     /* the guest has no more */
	size_t granted; /* bytes that the guest may still send */
	size_t owed;    /* bytes that are written, and not granted again yet */
	uint8_t *rest;  /* what our side did not take; NULL: nothing */
	size_t start, len;
};

/* Takes fd, which does not wait. */
void pump_out_init(struct pump_out *p, struct loop *l, int fd);
int pump_out_begin(struct pump_out *p, struct client *c, const char *id, struct err *e);
void pump_out_fini(struct pump_out *p);

/* The first message of a stream, and what is in one: shared with pump_in. */
int pump_hello(struct client_stream *s, const char *id);

/* The bytes of the message `name` in an encoded Any: 1; 0: another message; -EBADMSG. */
int pump_open(const uint8_t *any, size_t len, const char *name, const uint8_t **data, size_t *n);

extern const char pump_data[], pump_window[];

/* An Any of a message with one varint, or the head of an Any of a message with len bytes, both in
 * field 1. out: PUMP_HEAD bytes; the number of them. */
#define PUMP_HEAD 96
size_t pump_write_window(uint64_t update, uint8_t *out);
size_t pump_write_data_head(size_t len, uint8_t *out);

#endif
