/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events on their way to containerd. The guest keeps each until it is acknowledged, which is done
 * once containerd has it; so none is lost while containerd is away. At most OUTBOX_QUEUE wait here,
 * of OUTBOX_BYTES in all (and one event): when they are more, the guest is not listened to until there
 * is room again.
 */
#ifndef MOTE_SHIM_OUTBOX_H
#define MOTE_SHIM_OUTBOX_H

#include "base/list.h"
#include "event/loop.h"
#include "ttrpc/client.h"

#define OUTBOX_QUEUE 256
#define OUTBOX_BYTES (128u << 10)

struct shim;

struct outbox {
	struct list queue;
	size_t n, bytes;
	uint64_t seen, acked; /* numbers of the guest */
	struct client_stream *stream;
	const char *address; /* containerd's ttrpc socket; "": nobody is told */
	struct client *containerd;
	bool busy;   /* a Forward is under way */
	bool broken; /* containerd was not to be reached: a timer runs */
	struct timer retry;
};

void outbox_init(struct shim *s);

/* Listens to the guest from now on. */
int outbox_begin(struct shim *s, struct err *e);
void outbox_end(struct shim *s); /* of the guest's */
void outbox_fini(struct shim *s);

/* One of our own: event is an encoded message of that type. */
void outbox_tell(struct shim *s, const char *topic, const char *type, const uint8_t *event,
		 size_t len);

/* Turns the loop until the guest's exits of all that ran are known, at most max_ms. In work only.
 */
void outbox_settle(struct shim *s, uint64_t max_ms);

/* Turns the loop until all are with containerd, at most max_ms. In work only. */
void outbox_flush(struct shim *s, uint64_t max_ms);

#endif
