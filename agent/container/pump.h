/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries a process's streams over a socket, without a call for each piece: an output until its end, or
 * a socket's bytes into the standard input until the peer is done. Only as much is read on one side as the
 * other takes: what waits is at most one piece of PUMP_BYTES each. Nothing here waits.
 */
#ifndef MOTE_CONTAINER_PUMP_H
#define MOTE_CONTAINER_PUMP_H

#include "container/streams.h"

#define PUMP_BYTES 16384 /* larger sends never arrive through some vsock backends */

struct pump;

/* Told once, from the loop or inside pump_start, and then the pump carries nothing any more: the output
 * has ended and its last byte is in the socket, the peer has ended the input, or the process takes none.
 * lost: the peer is gone. It may free the pump. */
typedef void (*pump_done_fn)(struct pump *p, bool lost);

struct pump {
	struct loop *loop;
	struct streams *streams;
	int fd; /* a non-blocking socket, the pump's own; -1: none */
	enum pump_way {
		PUMP_IN,
		PUMP_TALK, /* an input that ends with its peer, whether all was taken or not */
		PUMP_OUT,
		PUMP_ERR,
	} way;
	bool lost, ended;
	struct watch watch;
	struct deferred tell;
	struct streams_reader reader;
	struct streams_writer writer;
	char *buf; /* what waits for the socket, or for the process; NULL: nothing */
	size_t off, len;
	pump_done_fn done;
};

/* A pump that does nothing: pump_stop is fine. */
void pump_init(struct pump *p);

/* Takes fd over. An output whose peer is lost is read to its end all the same, so that the process does
 * not hang on it, and its done comes then. The end of a PUMP_IN closes the process's input. */
void pump_start(struct pump *p, struct loop *l, struct streams *s, enum pump_way way, int fd,
		pump_done_fn done);

/* Ends it without a word: closes the socket, and before the streams go. Not inside their callbacks. */
void pump_stop(struct pump *p);

/* Does it carry something still? */
bool pump_is_open(const struct pump *p);

#endif
