/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step engine driven by bytes: each run takes one for what it does, and the bytes that are left drive resume and
 * abort from outside. Whatever comes, a step is undone at most once and only after it ran, the order of undo is
 * the reverse of run, `finished` comes exactly once, and nobody touches s after that (it is freed there).
 */
#include "event/step.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS 6

static const uint8_t *input;
static size_t left;
static int ran[STEPS], undone[STEPS], last_undone, ends;
static const struct err none, bad = { .rc = RC_INTERNAL, .msg = "bad" };

static uint8_t next(void)
{
	if (!left)
		return 0;
	left--;
	return *input++;
}

static void require(int ok)
{
	if (!ok)
		abort();
}

static void meddle(struct steps *s, uint8_t how)
{
	if (how & 1)
		steps_resume(s, how & 2 ? &bad : &none);
	if (how & 4 && !ends)
		steps_abort(s, how & 2 ? &bad : &none);
}

static enum step_result run(struct steps *s, struct err *e)
{
	uint8_t b = next();

	require(s->at < STEPS && !ran[s->at] && !ends);
	require(s->at == 0 || ran[s->at - 1]);
	ran[s->at] = 1;
	meddle(s, b >> 4);
	if (b & 4)
		err_set(e, RC_NOT_FOUND, "gone");
	return b % 3 == 0 ? STEP_DONE : b % 3 == 1 ? STEP_PARK : STEP_FAIL;
}

static void undo_at(struct steps *s, int i)
{
	require(ran[i] && !undone[i] && i < last_undone && !ends);
	undone[i] = 1;
	last_undone = i;
	meddle(s, next());
}

#define UNDO(i) static void undo_##i(struct steps *s) { undo_at(s, i); }
UNDO(0) UNDO(1) UNDO(2) UNDO(3) UNDO(4) UNDO(5)

static const struct step table[] = {
	{ "zero", run, undo_0 }, { "one", run, undo_1 }, { "two", run, undo_2 },
	{ "three", run, undo_3 }, { "four", run, undo_4 }, { "five", run, undo_5 }, { 0 },
};

static void finished(struct steps *s)
{
	ends++;
	if (err_is_set(&s->err)) {
		/* All but the one that failed: that one only when it was aborted. */
		for (int i = 0; i < STEPS - 1; i++)
			require(!ran[i + 1] || undone[i]);
	} else {
		for (int i = 0; i < STEPS; i++)
			require(ran[i] && !undone[i]);
	}
	free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct steps *s = malloc(sizeof(*s));

	if (!s)
		return 0;
	input = data;
	left = size;
	memset(ran, 0, sizeof(ran));
	memset(undone, 0, sizeof(undone));
	last_undone = STEPS;
	ends = 0;
	steps_start(s, table, finished);
	while (!ends && left)
		meddle(s, next());
	if (!ends) {	/* starved of input: it must be parked then */
		require(s->parked);
		steps_abort(s, &bad);
	}
	require(ends == 1);
	return 0;
}
