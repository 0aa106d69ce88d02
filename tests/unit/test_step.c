/* SPDX-License-Identifier: Apache-2.0 */
/* The step engine. Every run, undo and end leaves a letter in the trace: "a b! ~a ." reads a done, b failed, a undone, finished. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "event/step.h"

enum act { DONE, PARK, FAIL, FAIL_MUTE, RESUME_PARK, RESUME_ERR_PARK, RESUME_ERR_DONE, RESUME_TWICE_PARK, ABORT_PARK };

static char trace_buf[256];
static struct str trace;
static enum act acts[3];
static struct err given;	/* s->err as finished saw it */
static bool undo_meddles;	/* undo calls resume and abort */
static bool free_at_end;

static const struct err no_error;
static struct err lost = { .rc = RC_CANCELLED, .msg = "connection lost" };
static struct err broken = { .rc = RC_NOT_FOUND, .sys = ENOENT, .msg = "no such device" };

static enum step_result act(struct steps *s, int i, struct err *e)
{
	str_addf(&trace, "%c ", 'a' + i);
	assert_int_equal(s->at, i);
	assert_false(err_is_set(e));
	switch (acts[i]) {
	case DONE:
		return STEP_DONE;
	case FAIL:
		err_set(e, RC_INVALID_ARGUMENT, "bad %d", i);
		return STEP_FAIL;
	case FAIL_MUTE:
		return STEP_FAIL;
	case RESUME_TWICE_PARK:
		steps_resume(s, &no_error);
		steps_resume(s, &broken);
		return STEP_PARK;
	case RESUME_PARK:
		steps_resume(s, &no_error);
		return STEP_PARK;
	case RESUME_ERR_PARK:
		steps_resume(s, &broken);
		return STEP_PARK;
	case RESUME_ERR_DONE:
		steps_resume(s, &broken);
		return STEP_DONE;
	case ABORT_PARK:
		steps_abort(s, &lost);
		return STEP_PARK;
	case PARK:
		break;
	}
	return STEP_PARK;
}

static void undo(struct steps *s, int i)
{
	str_addf(&trace, "~%c ", 'a' + i);
	if (undo_meddles) {
		steps_resume(s, &no_error);
		steps_abort(s, &lost);
	}
}

static enum step_result run_a(struct steps *s, struct err *e) { return act(s, 0, e); }
static enum step_result run_b(struct steps *s, struct err *e) { return act(s, 1, e); }
static enum step_result run_c(struct steps *s, struct err *e) { return act(s, 2, e); }
static void undo_a(struct steps *s) { undo(s, 0); }
static void undo_b(struct steps *s) { undo(s, 1); }
static void undo_c(struct steps *s) { undo(s, 2); }

static const struct step abc[] = {
	{ "alpha", run_a, undo_a }, { "beta", run_b, undo_b }, { "gamma", run_c, undo_c }, { 0 },
};
static const struct step b_without_undo[] = {
	{ "alpha", run_a, undo_a }, { "beta", run_b, NULL }, { "gamma", run_c, undo_c }, { 0 },
};
static const struct step empty[] = { { 0 } };

static void finished(struct steps *s)
{
	str_add(&trace, ".");
	given = s->err;
	if (free_at_end)
		free(s);
}

static int setup(void **state UNUSED)
{
	trace = STR_OVER(trace_buf);
	str_reset(&trace);
	memset(acts, 0, sizeof(acts));
	memset(&given, 0, sizeof(given));
	undo_meddles = free_at_end = false;
	return 0;
}

static void start(struct steps *s, enum act a, enum act b, enum act c)
{
	acts[0] = a;
	acts[1] = b;
	acts[2] = c;
	memset(s, 0xa5, sizeof(*s));	/* what was there must not matter */
	steps_start(s, abc, finished);
}

static void expect(const char *text, enum rc rc, const char *msg)
{
	assert_string_equal(trace_buf, text);
	assert_int_equal(given.rc, rc);
	assert_string_equal(given.msg, msg);
}

static void test_all_done(void **state UNUSED)
{
	struct steps s;

	start(&s, DONE, DONE, DONE);
	expect("a b c .", RC_OK, "");
}

static void test_empty_table(void **state UNUSED)
{
	struct steps s;

	steps_start(&s, empty, finished);
	expect(".", RC_OK, "");
}

static void test_failure_undoes_the_ones_before(void **state UNUSED)
{
	struct steps s;

	start(&s, DONE, DONE, FAIL);
	expect("a b c ~b ~a .", RC_INVALID_ARGUMENT, "gamma: bad 2");
	setup(NULL);
	start(&s, FAIL, DONE, DONE);
	expect("a .", RC_INVALID_ARGUMENT, "alpha: bad 0");
	setup(NULL);
	start(&s, DONE, FAIL_MUTE, DONE);
	expect("a b ~a .", RC_INTERNAL, "beta: failed without a reason");
}

static void test_missing_undo_is_skipped(void **state UNUSED)
{
	struct steps s;

	acts[2] = FAIL;
	steps_start(&s, b_without_undo, finished);
	expect("a b c ~a .", RC_INVALID_ARGUMENT, "gamma: bad 2");
}

static void test_park_and_resume(void **state UNUSED)
{
	struct steps s;

	start(&s, PARK, DONE, PARK);
	assert_string_equal(trace_buf, "a ");
	steps_resume(&s, &no_error);
	assert_string_equal(trace_buf, "a b c ");
	steps_resume(&s, &no_error);
	expect("a b c .", RC_OK, "");
	steps_resume(&s, &no_error);	/* nobody waits */
	steps_abort(&s, &lost);
	expect("a b c .", RC_OK, "");
}

static void test_resume_with_error_fails_the_parked_step(void **state UNUSED)
{
	struct steps s;

	start(&s, DONE, PARK, DONE);
	steps_resume(&s, &broken);
	expect("a b ~a .", RC_NOT_FOUND, "beta: no such device");
	assert_int_equal(given.sys, ENOENT);
}

static void test_resume_while_running(void **state UNUSED)
{
	struct steps s;

	start(&s, RESUME_PARK, RESUME_PARK, RESUME_PARK);
	expect("a b c .", RC_OK, "");
	setup(NULL);
	start(&s, DONE, RESUME_ERR_PARK, DONE);
	expect("a b ~a .", RC_NOT_FOUND, "beta: no such device");
	setup(NULL);
	start(&s, DONE, RESUME_TWICE_PARK, DONE);	/* the first one counts */
	expect("a b c .", RC_OK, "");
}

/* The note of a resume counts only if the step parks: it must leak neither into this step nor the next. */
static void test_resume_while_running_but_not_parked(void **state UNUSED)
{
	struct steps s;

	start(&s, RESUME_ERR_DONE, PARK, DONE);
	assert_string_equal(trace_buf, "a b ");
	assert_true(s.parked);
	steps_resume(&s, &no_error);
	expect("a b c .", RC_OK, "");
	setup(NULL);
	start(&s, DONE, DONE, RESUME_ERR_DONE);
	expect("a b c .", RC_OK, "");
}

static void test_abort_tells_the_parked_step_too(void **state UNUSED)
{
	struct steps s;

	start(&s, DONE, PARK, DONE);
	steps_abort(&s, &lost);
	expect("a b ~b ~a .", RC_CANCELLED, "connection lost");
	steps_resume(&s, &no_error);	/* what it waited for comes late */
	steps_abort(&s, &lost);
	expect("a b ~b ~a .", RC_CANCELLED, "connection lost");
}

static void test_abort_without_a_reason_is_no_success(void **state UNUSED)
{
	struct steps s;

	start(&s, PARK, DONE, DONE);
	steps_abort(&s, &no_error);
	expect("a ~a .", RC_CANCELLED, "given up");
}

static void test_abort_only_while_parked(void **state UNUSED)
{
	struct steps s;

	start(&s, ABORT_PARK, DONE, DONE);
	assert_string_equal(trace_buf, "a ");
	steps_resume(&s, &no_error);
	expect("a b c .", RC_OK, "");
}

/* An error that lies in s itself may be handed in. */
static void test_own_error_handed_back(void **state UNUSED)
{
	struct steps s;

	start(&s, DONE, PARK, DONE);
	s.err = broken;
	steps_abort(&s, &s.err);
	expect("a b ~b ~a .", RC_NOT_FOUND, "no such device");
}

static void test_undo_cannot_restart(void **state UNUSED)
{
	struct steps s;

	undo_meddles = true;
	start(&s, DONE, DONE, FAIL);
	expect("a b c ~b ~a .", RC_INVALID_ARGUMENT, "gamma: bad 2");
	setup(NULL);
	undo_meddles = true;
	start(&s, DONE, PARK, DONE);
	steps_abort(&s, &lost);
	expect("a b ~b ~a .", RC_CANCELLED, "connection lost");
}

/* finished frees s on each way to the end; the address sanitizer watches. */
static void test_finished_frees(void **state UNUSED)
{
	static const struct { enum act b; int how; const char *trace; } ways[] = {
		{ DONE, 0, "a b c ." },
		{ FAIL, 0, "a b ~a ." },
		{ RESUME_ERR_PARK, 0, "a b ~a ." },
		{ PARK, 1, "a b c ." },
		{ PARK, 2, "a b ~a ." },
		{ PARK, 3, "a b ~b ~a ." },
	};

	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		struct steps *s = malloc(sizeof(*s));

		assert_non_null(s);
		setup(NULL);
		free_at_end = true;
		start(s, DONE, ways[i].b, DONE);
		if (ways[i].how == 1)
			steps_resume(s, &no_error);
		else if (ways[i].how == 2)
			steps_resume(s, &broken);
		else if (ways[i].how == 3)
			steps_abort(s, &lost);
		assert_string_equal(trace_buf, ways[i].trace);
	}
}

/* A parked step takes until its resume; one that is not done is not told. */
static void test_times(void **state)
{
	struct steps s;
	char text[128];
	struct str told = STR_OVER(text);

	(void)state;
	acts[0] = DONE;
	acts[1] = PARK;
	acts[2] = PARK;
	clock_fake(1000);
	steps_start(&s, abc, finished);
	steps_tell_times(&s, &told);
	assert_string_equal(text, "alpha 0 us");
	clock_fake(1025);
	steps_resume(&s, &no_error);
	clock_fake(1026);
	steps_resume(&s, &no_error);
	str_reset(&told);
	steps_tell_times(&s, &told);
	assert_string_equal(text, "alpha 0 us, beta 25000 us, gamma 1000 us");
	clock_fake(CLOCK_NEVER);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_all_done), T(test_empty_table), T(test_failure_undoes_the_ones_before),
		T(test_missing_undo_is_skipped), T(test_park_and_resume),
		T(test_resume_with_error_fails_the_parked_step), T(test_resume_while_running),
		T(test_resume_while_running_but_not_parked), T(test_abort_tells_the_parked_step_too),
		T(test_abort_without_a_reason_is_no_success), T(test_abort_only_while_parked),
		T(test_own_error_handed_back), T(test_undo_cannot_restart), T(test_finished_frees),
		T(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
