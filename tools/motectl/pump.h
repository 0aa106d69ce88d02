/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running container's streams, signals and end, from StartContainer's answer to its exit code.
 *
 * ReadStdout and ReadStderr are each kept pending while there is room; what comes is written to our
 * descriptors as they take it, so that a slow reader of ours slows the container and nothing else.
 * WaitProcess is asked last, after both streams' end: it closes them in the guest.
 */
#ifndef MOTECTL_PUMP_H
#define MOTECTL_PUMP_H

#include "base/err.h"
#include "event/loop.h"
#include "ttrpc/client.h"

#define PUMP_CHUNK	65536			/* bytes of one call */
#define PUMP_BUFFER	(4 * PUMP_CHUNK)	/* bytes of output that wait for our reader */

struct pump;

enum pump_flags {
	PUMP_STDIN = 0x1, /* our stdin goes to the container; else it has an empty one */
	PUMP_TERMINAL = 0x2,	/* a terminal: one output, and the end of stdin is a ^D */
};

struct pump_out {
	struct pump *pump;
	const char *method;	/* NULL: there is no such stream */
	struct watch watch;
	int fd;
	size_t write_max;	/* bytes that a write may hold without waiting */
	bool plain;		/* a file: cannot be watched, does not wait for long */
	bool reading, eof;	/* a call is pending; the guest has no more */
	bool broken;		/* our side takes no more */
	size_t start, len;
	uint8_t buf[PUMP_BUFFER];
};

struct pump_in {
	struct watch watch;
	struct deferred deferred;	/* reads a plain file, which cannot be watched */
	bool plain, eof;
	size_t start, len;	/* what WriteStdin has to take yet */
	uint8_t buf[PUMP_CHUNK];
};

struct pump {
	struct loop *loop;
	struct client *client;
	const char *id;			/* of the container, and of its first process */
	unsigned int flags;
	struct pump_in in;
	struct pump_out out, err;
	bool waiting, done;
	int status;			/* once done without an error */
	struct err error;
};

/* fds: ours. client and id live until pump_fini(). */
void pump_init(struct pump *p, struct loop *l, struct client *c, const char *id, unsigned int flags,
	       const int fds[3]);

/* Turns the loop until the container has ended and its output is out. The exit code, or -1 with e.
 */
int pump_run(struct pump *p, struct err *e);

/* In a callback, while pump_run() runs: a signal for the container's first process; SIGKILL for all
 * of it. */
void pump_signal(struct pump *p, int signo);
void pump_resize(struct pump *p, unsigned int rows, unsigned int columns);

/* The object itself has to stay until the client is freed: calls may be pending. */
void pump_fini(struct pump *p);

#endif
