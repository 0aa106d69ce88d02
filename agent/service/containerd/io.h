/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams by name (containerd.services.streaming.v1): a process's standard streams, carried by a
 * call of a host. The host may come before the process and may go and come again: the newest call
 * has the stream, what was not sent goes to it. Windows are honoured both ways. An output is read
 * only as far as its window goes, so that what waits is in the process's pipe; the agent keeps at
 * most IO_WINDOW bytes of an input, and one piece of an output whose host was lost.
 *
 * "" is no stream: an input at its end, an output that is thrown away.
 */
#ifndef MOTE_SERVICE_CONTAINERD_IO_H
#define MOTE_SERVICE_CONTAINERD_IO_H

#include "container/streams.h"
#include "ttrpc/call.h"

#define IO_WINDOW    65536 /* bytes of an input on their way */
#define IO_ID_MAX    255
#define IO_WAITING   1024 /* streams of hosts that no process has, at most */

struct io;

struct ios {
	struct list list;
	size_t n_waiting;
};

/* The three of a process. */
struct io_set {
	struct io *v[3]; /* NULL: none */
};

void ios_init(struct ios *s);
void ios_fini(struct ios *s); /* what is left; their calls are cancelled with the server */

/* Reserves the streams that these addresses name, "stream://ID" or "…?streaming_id=ID". -1 with e:
 * INVALID_ARGUMENT, ALREADY_EXISTS when a process has that stream. */
int io_claim(struct ios *s, struct io_set *set, const char *const urls[3], struct err *e);

/* The process is there: carries them. */
void io_attach(struct io_set *set, struct streams *streams);

/* It has exited: the input ends, an output's end is looked for though its window be empty. */
void io_exited(struct io_set *set);

/* No more input after what has come. */
void io_close_input(struct io_set *set);

/* Ends them in order, what was not sent is lost. Before the streams go. */
void io_drop(struct io_set *set);

#endif
