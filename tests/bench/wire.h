/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain blocking socket to a port of the guest, and calls that are encoded before the clock
 * starts: what is timed is a write, the guest, and reads, for the agent as for its floors.
 */
#ifndef MOTE_BENCH_WIRE_H
#define MOTE_BENCH_WIRE_H

#include "base/err.h"
#include "base/mem.h"

struct wire {
	int fd;
	uint32_t stream;      /* of the last call */
	uint8_t buf[1 << 21]; /* the last reply */
};

/* address: of the VM (vm_address()), whose port is replaced. 0, or -1 with e. Waits. */
int wire_open(struct wire *w, const char *address, uint32_t port, struct err *e);
void wire_close(struct wire *w);

/* All of it, or -1 with e. Waits, for a minute at most. */
int wire_write(struct wire *w, const void *data, size_t n, struct err *e);
int wire_read(struct wire *w, void *data, size_t n, struct err *e);

/* What has come, at most n bytes: their number, 0 at the end of the connection, -1 with e. */
ssize_t wire_read_some(struct wire *w, void *data, size_t n, struct err *e);

/* Up to and without its newline. */
int wire_read_line(struct wire *w, char *line, size_t cap, struct err *e);

/* A call, ready to be sent any number of times. */
struct shot {
	const char *method; /* for messages */
	uint8_t *frame;
	size_t len;
};

/* method: as rig_call(). The frame is in a. */
int shot_make(struct shot *s, struct arena *a, struct err *e, const char *method, const char *json,
	      ...) PRINTF(5, 6);

/* One call, its reply not looked at: the bytes behind its header are in w->buf + FRAME_HEADER,
 * their number is returned; -1 with e. */
ssize_t wire_round(struct wire *w, const struct shot *s, struct err *e);

/* One call. The reply's payload is in w->buf until the next one: *payload (may be NULL), its length
 * is returned; -1 with e, also for a status that is not OK. */
ssize_t wire_fire(struct wire *w, const struct shot *s, const uint8_t **payload, struct err *e);

/* A command of the guest's tool, "run …" or "read …": its answer's status, the text in text. -1
 * with e. */
int wire_command(struct wire *w, const char *command, char *text, size_t cap, struct err *e);

/* CLOCK_MONOTONIC in microseconds. */
double wire_now(void);

#endif
