/* SPDX-License-Identifier: Apache-2.0 */
/* What the fronts share: a call that waits for a verb of the model. */
#ifndef MOTE_SERVICE_VERB_H
#define MOTE_SERVICE_VERB_H

#include "ttrpc/call.h"

/* How long a verb may take when the host gives no time of its own. */
#define VERB_MS 60000

/* The moment by which a verb gives up: a little before the host does, so that its answer (what
 * hung, where) arrives before the host's own "timeout". */
uint64_t verb_deadline(const struct call *c);

/* For verbs whose result is nothing: answers the call that is `owner`. */
void verb_answer(void *owner, const struct err *e);

/* The same for work_start(). */
void verb_answer_work(void *owner, const struct err *e, const void *out, size_t len);

#endif
