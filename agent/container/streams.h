/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standard streams of one process: three pipes, or a pseudo-terminal. The pipe is the buffer:
 * output is read only while a reader is parked, straight into that reader's callback; a chatty
 * process costs the agent no memory and waits for its host. Nothing here waits, nothing allocates.
 *
 * End of output, the rules: all writers closed the pipe (or EIO on a terminal) is EOF at once.
 * After the process has exited, what is in the pipe is still read; an empty pipe is EOF 500 ms
 * after the exit, since a grandchild may hold the other end for ever.
 *
 * A terminal has one output: stderr of a terminal is EOF at once.
 */
#ifndef MOTE_CONTAINER_STREAMS_H
#define MOTE_CONTAINER_STREAMS_H

#include "base/err.h"
#include "base/list.h"
#include "event/loop.h"

/* how long an open but silent pipe may outlive the process */
#define STREAMS_DRAIN_MS	500
#define STREAMS_READ_MAX	65536	/* bytes given to one callback, at most */
#define STREAMS_HEADROOM	16	/* bytes before what a callback is given, for it to write to */

enum streams_kind { STREAMS_OUT, STREAMS_ERR };

struct streams_reader;
struct streams_writer;

/* data is valid during the call only. len 0 with e unset: end of the stream. r is parked no more
 * and may be used again or freed. */
typedef void (*streams_read_fn)(struct streams_reader *r, const void *data, size_t len,
				const struct err *e);

/* All of the data was taken, or e says why not (FAILED_PRECONDITION: stdin is closed or the
 * process is gone; EPIPE in sys). */
typedef void (*streams_write_fn)(struct streams_writer *w, const struct err *e);

struct streams;
struct streams_end;

struct streams_reader {
	struct list node;	/* list_init()ed by streams_read */
	struct streams_end *end;
	size_t max;
	streams_read_fn fn;
	void *owner;
};

struct streams_writer {
	struct list node;
	const char *data;	/* the caller's, until fn ran */
	size_t len, off;
	streams_write_fn fn;
	void *owner;
};

struct streams_end {
	struct watch watch;
	struct streams *owner;
	int fd;			/* -1: closed, or not there */
	bool eof;
	int deaf;	/* errno: it cannot be watched, which the first reader is told */
	struct list readers;
};

struct streams {
	struct loop *loop;
	bool tty, exited;
	struct streams_end out, err;
	struct watch in_watch;
	int in_fd;		/* the stdin pipe, or the terminal's master (shared with out) */
	bool in_closed;		/* nothing more is taken; what is parked still is written */
	bool in_partial;	/* the last byte written was not a newline */
	struct list writers;
	struct streams_writer last;	/* the end of input, queued behind the others */
	char last_bytes[2];
	struct timer drain;
	struct deferred kick;
	/* clock_ms() from which an empty pipe is EOF; CLOCK_NEVER before the exit */
	uint64_t drained_at;
};

enum streams_flags { STREAMS_TTY = 0x1 };

/* Opens both sides. child_fds[0..2]: what becomes 0, 1, 2 of the process; the caller closes them
 * (on a terminal all three are one number: close once, see streams_close_child). pipe_bytes:
 * F_SETPIPE_SZ for output pipes, 0: as the kernel has it. */
int streams_open(struct streams *s, struct loop *l, unsigned int flags, size_t pipe_bytes,
		 int child_fds[3], struct err *e);
void streams_close_child(int child_fds[3]);

/* Another terminal instead of the one that was opened, of the same size; whoever waits for its output
 * waits on. master is the streams' from now on. -1 with e: the streams are of no use any more. */
int streams_take_terminal(struct streams *s, int master, struct err *e);

/* Zeroed state with nothing open: every call below is safe on it (EOF, FAILED_PRECONDITION). */
void streams_init(struct streams *s, struct loop *l);

/* Closes everything; parked readers get EOF, parked writers an error, inside this call. */
void streams_close(struct streams *s);

/* Gives up to max bytes (at most STREAMS_READ_MAX; 0 counts as 1) to r->fn as soon as there are
 * some, also inside this call. Who reads on from inside the callback is parked, so nothing
 * recurses; but nobody may read on after the end of the stream. */
void streams_read(struct streams *s, enum streams_kind kind, struct streams_reader *r, size_t max,
		  streams_read_fn fn, void *owner);

/* Forgets a parked reader or writer without a callback; what a writer wrote so far is written.
 * Fine when it is not parked (but list_init()ed). */
void streams_read_cancel(struct streams_reader *r);
void streams_write_cancel(struct streams *s, struct streams_writer *w);

/* Writes all of data, in the order of the calls; fn may run inside this call. len 0 completes at
 * once. */
void streams_write(struct streams *s, struct streams_writer *w, const void *data, size_t len,
		   streams_write_fn fn, void *owner);

/* No more input, after the writers that are parked. A pipe is closed. On a terminal in line mode
 * the end-of-file character is typed (twice after an unfinished line); a terminal in raw mode
 * gets nothing, since the byte would be input there. Output goes on in both. Calling it again is
 * fine. */
void streams_close_stdin(struct streams *s);

/* UNAVAILABLE "no tty" for pipes. */
int streams_resize(struct streams *s, unsigned int rows, unsigned int columns, struct err *e);

/* The process has exited: parked writers fail, the drain window starts. */
void streams_process_exited(struct streams *s);

#endif
