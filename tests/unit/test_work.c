/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "event/child.h"
#include "event/job.h"
#include "event/work.h"

static struct loop *loop;

static struct {
	int done, released, late;
	struct err e;
	char out[64];
	size_t len;
} got;

static int setup(void **state)
{
	sigset_t none;

	(void)state;
	sigemptyset(&none);
	reaper_block_signals(&none);
	loop = loop_new();
	return loop ? reaper_start(loop, &none, NULL) : -1;
}

static int teardown(void **state)
{
	(void)state;
	reaper_stop();
	loop_free(loop);
	return 0;
}

static int say(void *arg, int out, struct err *e)
{
	const char *text = arg;

	if (write(out, text, strlen(text)) < 0)
		return err_sys(e, errno, "write");
	return 0;
}

static int refuse(void *arg, int out, struct err *e)
{
	(void)say(arg, out, e);
	return err_set(e, RC_NOT_FOUND, "%s is not there", (const char *)arg);
}

static int look_at_out(void *arg, int out, struct err *e)
{
	(void)arg;
	return out == -1 ? 0 : err_set(e, RC_INTERNAL, "an outcome");
}

static void release(void *arg)
{
	assert_int_equal(got.done, 0);
	got.released++;
	free(arg);
}

static void done(void *owner, const struct err *e, const void *out, size_t len)
{
	assert_ptr_equal(owner, &got);
	assert_non_null(out);
	got.done++;
	got.e = *e;
	got.len = len;
	memcpy(got.out, out, MIN(len, sizeof(got.out)));
}

static void run(size_t max, work_fn fn, void *arg, void (*release_fn)(void *))
{
	const struct work_opts opts = { .what = "try it",
					.deadline_ms = clock_after(20000),
					.out_max = max,
					.release = release_fn };

	memset(&got, 0, sizeof(got));
	work_start(loop, &opts, fn, arg, done, &got);
	while (!got.done)
		loop_once(loop, -1);
	assert_int_equal(got.done, 1);
}

static void outcomes(void **state)
{
	char text[] = "an outcome";

	(void)state;
	run(10, say, text, NULL);
	assert_false(err_is_set(&got.e));
	assert_int_equal(got.len, 10);
	assert_memory_equal(got.out, text, 10);
	text[0] = '\0';
	run(10, say, text, NULL);
	assert_int_equal(got.len, 0);
	run(0, look_at_out, NULL, NULL);
	assert_false(err_is_set(&got.e));
	assert_int_equal(got.len, 0);
}

static void too_much(void **state)
{
	char text[] = "eleven byte";

	(void)state;
	run(10, say, text, NULL);
	assert_int_equal(got.e.rc, RC_RESOURCE_EXHAUSTED);
	assert_string_equal(got.e.msg, "try it: more than 10 bytes");
	assert_int_equal(got.len, 0);
}

/* Nothing of a failure's outcome is told, and what was given away is freed. */
static void failures(void **state)
{
	(void)state;
	run(10, refuse, strdup("it"), release);
	assert_int_equal(got.e.rc, RC_NOT_FOUND);
	assert_string_equal(got.e.msg, "it is not there");
	assert_int_equal(got.len, 0);
	assert_int_equal(got.released, 1);
}

static int hang(void *arg, int out, struct err *e)
{
	(void)arg, (void)out, (void)e;
	while (pause() < 0)
		;
	return 0;
}

static void late(void *owner)
{
	assert_ptr_equal(owner, &got);
	assert_int_equal(got.done, 1);
	got.late++;
}

/* Told again once the job has ended, and only then. */
static void late_ends(void **state)
{
	const struct work_opts opts = { .what = "try it",
					.deadline_ms = clock_after(10),
					.out_max = 10,
					.late = late };

	(void)state;
	memset(&got, 0, sizeof(got));
	work_start(loop, &opts, hang, NULL, done, &got);
	while (!got.late)
		loop_once(loop, -1);
	assert_int_equal(got.done, 1);
	assert_int_equal(got.e.rc, RC_DEADLINE_EXCEEDED);
	assert_int_equal(job_lame_count(), 0);
}

/* In time: never. */
static void late_never(void **state)
{
	const struct work_opts opts = { .what = "try it", .deadline_ms = clock_after(20000), .late = late };

	(void)state;
	memset(&got, 0, sizeof(got));
	work_start(loop, &opts, look_at_out, NULL, done, &got);
	while (!got.done || job_running_count())
		loop_once(loop, -1);
	assert_int_equal(got.late, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcomes),
		cmocka_unit_test(too_much),
		cmocka_unit_test(failures),
		cmocka_unit_test(late_ends),
		cmocka_unit_test(late_never),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
