/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process's stdio between containerd and the guest: a FIFO, a file or a program here, a stream of
 * the guest's Streaming service there. Data is read when the other side has room and not before:
 * output waits in the guest's pipe, input in the FIFO. What the guest sends is not trusted: more
 * than it was granted, or what is no message, ends its stream.
 */
#ifndef MOTE_SHIM_STDIO_H
#define MOTE_SHIM_STDIO_H

#include "base/err.h"
#include "event/loop.h"
#include "ttrpc/client.h"

struct stdio;

struct stdio_opts {
	const char *ns, *id, *exec_id; /* exec_id "": the container's first process */
	const char *urls[3];           /* as containerd writes them */
	bool terminal;
};

/* Opens all on the host's side and the guest's streams; nothing flows before stdio_begin(). A
 * logging program gets up to 10 s to say that it is ready: turns the loop. NULL with e. */
struct stdio *stdio_open(struct loop *l, const struct stdio_opts *o, struct err *e);

/* Opens the guest's streams. -1 with e. */
int stdio_begin(struct stdio *s, struct client *streams, struct err *e);

/* What the guest is told to use for 0, 1, 2. */
const char *stdio_guest_url(const struct stdio *s, int number);

/* CloseIO: what is in the FIFO still goes, then the process's input ends. false: not ours to close,
 * the guest has to be asked. */
bool stdio_close_stdin(struct stdio *s);

/* Closes all; what the guest has not sent yet is lost. NULL is fine. */
void stdio_free(struct stdio *s);

#endif
