/* SPDX-License-Identifier: Apache-2.0 */
/* Task's calls on their way through: what every one of them needs. */
#ifndef MOTE_SHIM_RELAY_H
#define MOTE_SHIM_RELAY_H

#include "shim/shim.h"

struct relay;
typedef void (*relay_fn)(struct relay *r);
typedef void (*relay_reply_fn)(struct relay *r, const uint8_t *payload, size_t len);

/* In the call's arena; c->state. */
struct relay {
	struct work work;
	struct shim *s;
	struct call *c;
	const char *id, *exec_id;
	const uint8_t *raw; /* a copy of the request, when it was asked for */
	size_t raw_len;
	int64_t guest_id;     /* of the call to the guest */
	relay_reply_fn reply; /* NULL: passed on as it is */
	relay_fn gone;        /* answers when there is no machine any more */
};

/* Reads the ids of a raw request (fields 1 and, if it has one, 2). NULL: it is answered already. */
struct relay *relay_admit(struct call *c, bool has_exec_id);

/* Copies the request, which is gone when the handler returns. false: it is answered already. */
bool relay_keep(struct relay *r);

/* Passes the request on: the copy, or c->raw, and then only in the handler. parks: nothing changes by it, so it is
 * taken back when nobody waits for it any more. */
void relay_send(struct relay *r, bool parks);

/* OK with the message that has these fields. */
struct wire_edit;
void relay_answer(struct relay *r, const struct wire_edit *fields, size_t n);

void relay_fail(struct relay *r, enum rc rc, const char *what);

#endif
