/* SPDX-License-Identifier: Apache-2.0 */
#include "service/verb.h"

#include "base/clock.h"

#define ANSWER_MS 200 /* for our own words to arrive before the host's timer fires */

uint64_t verb_deadline(const struct call *c)
{
	uint64_t now = clock_ms();

	if (c->deadline_ms == CLOCK_NEVER)
		return clock_after(VERB_MS);
	return c->deadline_ms > now + 2 * ANSWER_MS ? c->deadline_ms - ANSWER_MS : c->deadline_ms;
}

void verb_answer(void *owner, const struct err *e)
{
	struct call *c = owner;

	if (err_is_set(e))
		call_fail(c, e);
	else
		call_ok(c);
}

void verb_answer_work(void *owner, const struct err *e, const void *out UNUSED, size_t len UNUSED)
{
	verb_answer(owner, e);
}
