/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine moves `at` forward while steps are done, stops where one parks, and walks back once one
 * failed. While a step's run is on the stack nothing else moves: a resume that arrives then only leaves a note
 * (`resumed`, and its error in `err`), which counts if run answers PARK. `finished` is always the last thing that
 * touches s, since it may free it.
 */
#include "event/step.h"

#include "base/clock.h"

static void undo_before(struct steps *s, size_t end)
{
	while (end-- > 0)
		if (s->table[end].undo)
			s->table[end].undo(s);
	s->finished(s);
}

static void fail(struct steps *s)
{
	if (!err_is_set(&s->err))
		err_set(&s->err, RC_INTERNAL, "failed without a reason");
	err_ctx(&s->err, "%s", s->table[s->at].name);
	undo_before(s, s->at);
}

static enum step_result run_one(struct steps *s)
{
	struct err e = { 0 };
	enum step_result r;

	s->resumed = false;
	s->running = true;
	r = s->table[s->at].run(s, &e);
	s->running = false;
	if (r == STEP_PARK) {
		if (!s->resumed)
			return STEP_PARK;
		return err_is_set(&s->err) ? STEP_FAIL : STEP_DONE;
	}
	if (r == STEP_FAIL)
		s->err = e;
	return r;
}

static void step_done(struct steps *s)
{
	uint64_t took = clock_us() - s->since_us;

	if (s->at < STEPS_TIMED)
		s->took_us[s->at] = (uint32_t)MIN(took, (uint64_t)UINT32_MAX);
	s->at++;
}

static void go_on(struct steps *s)
{
	while (s->table[s->at].name) {
		s->since_us = clock_us();
		switch (run_one(s)) {
		case STEP_DONE:
			err_clear(&s->err);	/* of a resume that it did not wait for */
			step_done(s);
			break;
		case STEP_PARK:
			s->parked = true;
			return;
		case STEP_FAIL:
			fail(s);
			return;
		}
	}
	s->finished(s);
}

void steps_start(struct steps *s, const struct step *table, void (*finished)(struct steps *s))
{
	*s = (struct steps){ .table = table, .finished = finished };
	go_on(s);
}

void steps_resume(struct steps *s, const struct err *e)
{
	if (s->running && !s->resumed) {
		s->resumed = true;
		s->err = *e;
		return;
	}
	if (!s->parked)
		return;
	s->parked = false;
	s->err = *e;
	if (err_is_set(&s->err)) {
		fail(s);
		return;
	}
	step_done(s);
	go_on(s);
}

void steps_tell_times(const struct steps *s, struct str *out)
{
	for (size_t i = 0; i < MIN(s->at, (size_t)STEPS_TIMED); i++)
		str_addf(out, "%s%s %u us", i ? ", " : "", s->table[i].name, s->took_us[i]);
}

void steps_abort(struct steps *s, const struct err *e)
{
	if (!s->parked)
		return;
	s->parked = false;
	s->err = *e;
	if (!err_is_set(&s->err))
		err_set(&s->err, RC_CANCELLED, "given up");
	undo_before(s, s->at + 1);
}
