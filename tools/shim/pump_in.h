/* SPDX-License-Identifier: Apache-2.0 */
/* A process's input: from a descriptor into a stream of the guest, as much as the guest has room
 * for; the rest stays in the FIFO. */
#ifndef MOTE_SHIM_PUMP_IN_H
#define MOTE_SHIM_PUMP_IN_H

#include "base/err.h"
#include "event/loop.h"
#include "ttrpc/client.h"

struct pump_in {
	struct loop *loop;
	struct client_stream *stream;
	struct watch watch;
	struct deferred now; /* reads a plain file, which cannot be watched */
	int fd;              /* -1: closed */
	bool plain;
	bool congested; /* the connection to the guest is full */
	bool closing;   /* what is there now is the last */
	size_t window;  /* bytes that the guest takes */
};

/* Takes fd, which does not wait. */
void pump_in_init(struct pump_in *p, struct loop *l, int fd);
int pump_in_begin(struct pump_in *p, struct client *c, const char *id, struct err *e);

/* What is there still goes, then the input ends. */
void pump_in_close(struct pump_in *p);
void pump_in_fini(struct pump_in *p);

#endif
