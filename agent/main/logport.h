/* SPDX-License-Identifier: Apache-2.0 */
/* The log on a vsock port (agent.log_vport): JSON lines to whoever connects, one at a time,
 * starting with what the ring still holds. Never waits: what a slow reader does not take in time is
 * dropped, and the log tells how much. */
#ifndef MOTE_MAIN_LOGPORT_H
#define MOTE_MAIN_LOGPORT_H

#include "base/err.h"
#include "event/loop.h"
#include "ttrpc/address.h"

/* Becomes the log's sink. One per process. */
/* What waits goes to the reader as far as it takes it now: before the machine's end. */
void logport_flush(void);

int logport_start(struct loop *l, const struct address *a, struct err *e);

#endif
