/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How jobs end early or start late: deadlines, lame ducks, cancels, the queue, failures at the start.
 *
 * A child that survives SIGKILL is made without any help from the kernel's D state: a traced process that dies
 * is shown to its tracer alone, and its real parent hears of the death only when the tracer lets go.
 */
#include "job_world.h"

#include <sys/ptrace.h>
#include <sys/resource.h>

JOB(fail_late_code) { return err_set(e, RC_DEADLINE_EXCEEDED, "device did not come"); }

JOB(wait_at_gate)
{
	char c;

	say();
	return read(gate[0], &c, 1) < 0 ? err_set(e, RC_INTERNAL, "gate") : 0;
}

JOB(close_result_and_hang)
{
	close(result_fd());
	return hang(arg, out, out_cap, out_len, e);
}

JOB(answer_and_hang)
{
	struct answer a = { .magic = ANSWER_MAGIC };

	write_raw(&a, sizeof(a));
	return hang(arg, out, out_cap, out_len, e);
}

/* The grandchild holds `news` as long as it lives. */
JOB(hang_with_grandchild)
{
	if (fork() == 0)
		pause_forever();
	say();
	pause_forever();
	return 0;
}

/* --- deadlines --- */

static void test_deadline(void **state UNUSED)
{
	start_until(hang, NULL, 1250);
	await_news(1);
	clock_fake(1249);
	assert_int_equal(loop_once(loop, 0), 0);
	clock_fake(1250);
	assert_int_equal(loop_once(loop, -1), 1);
	assert_int_equal(owner.done, 1);
	expect_error(RC_DEADLINE_EXCEEDED, "test: no answer within 250 ms");
	turn_until_late();
	assert_int_equal(owner.done, 1);
	assert_int_equal(job_running_count(), 0);
}

static void test_deadline_takes_grandchildren_along(void **state UNUSED)
{
	char c;

	start_until(hang_with_grandchild, NULL, 1250);
	await_news(1);
	clock_fake(1250);
	turn_until_done();
	turn_until_late();
	close(news[1]);
	assert_int_equal(read(news[0], &c, 1), 0);
	news[1] = dup(news[0]);
}

static void test_closed_result_but_alive(void **state UNUSED)
{
	start_until(close_result_and_hang, NULL, 1250);
	await_news(1);
	assert_int_equal(loop_once(loop, 0), 0);	/* it keeps nobody busy */
	assert_int_equal(owner.done, 0);
	clock_fake(1250);
	turn_until_done();
	expect_error(RC_DEADLINE_EXCEEDED, "test: no answer within 250 ms");
	turn_until_late();
}

static void test_deadline_in_the_past(void **state UNUSED)
{
	start_until(hang, NULL, 500);
	assert_int_equal(job_running_count(), 0);	/* not even started */
	turn_until_done();
	expect_error(RC_DEADLINE_EXCEEDED, "test: no answer within 0 ms");
	assert_int_equal(owner.late, 1);
}

/* The owner sees one code, so that code always means: late follows. */
static void test_own_deadline_code_is_followed_by_late(void **state UNUSED)
{
	start(fail_late_code, NULL);
	turn_until_done();
	expect_error(RC_DEADLINE_EXCEEDED, "device did not come");
	assert_int_equal(owner.late, 1);
}

static void test_answer_in_time_needs_no_late(void **state UNUSED)
{
	start_until(succeed, NULL, 1250);
	turn_until_done();
	clock_fake(5000);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_int_equal(owner.late, 0);
}

/* --- lame ducks --- */

/* Its tracer, in a session of its own, keeps it from being reaped until the gate closes. */
JOB(hang_traced)
{
	pid_t me = getpid();

	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	if (fork() == 0) {
		char c;

		setsid();
		if (ptrace(PTRACE_SEIZE, me, NULL, NULL) < 0)
			_exit(92);
		say();
		_exit(read(gate[0], &c, 1) == 0 ? 0 : 93);
	}
	pause_forever();
	return 0;
}

static void test_lame_duck(void **state UNUSED)
{
	struct owner second = { 0 };
	struct job_opts opts = options(0);
	struct err e = { 0 };
	struct job *j = start_until(hang_traced, NULL, 1250);
	pid_t pid = j->child.pid;

	await_news(1);
	clock_fake(1250);
	turn_until_done();
	expect_error(RC_DEADLINE_EXCEEDED, "test: no answer within 250 ms");
	assert_int_equal(job_lame_count(), 1);
	assert_int_equal(job_running_count(), 1);

	/* Life goes on, round after round of reaping, and it stays. */
	assert_non_null(job_start(loop, &opts, succeed, NULL, on_done, &second, &e));
	while (!second.done)
		assert_true(loop_once(loop, -1) >= 0);
	assert_int_equal(owner.late, 0);
	assert_int_equal(job_lame_count(), 1);
	assert_int_equal(kill(pid, 0), 0);

	close_gate();
	turn_until_late();
	assert_int_equal(job_lame_count(), 0);
	assert_int_equal(owner.done, 1);
}

static void test_cancelled_lame_duck(void **state UNUSED)
{
	struct job *j = start(hang_traced, NULL);

	await_news(1);
	job_cancel(j);
	assert_int_equal(job_lame_count(), 1);
	assert_int_equal(owner.late, 0);
	close_gate();
	turn_until_late();
	assert_int_equal(owner.done, 0);
}

/* A duck takes no place from the others, or eight of them would stop the agent. */
static void test_lame_ducks_free_their_places(void **state UNUSED)
{
	struct owner ducks[JOB_PARALLEL + 1];
	struct job_opts opts = options(0);
	struct err e = { 0 };

	memset(ducks, 0, sizeof(ducks));
	opts.deadline_ms = 1250;
	for (int i = 0; i < JOB_PARALLEL; i++)
		assert_non_null(job_start(loop, &opts, hang_traced, NULL, on_done, &ducks[i], &e));
	opts.deadline_ms = CLOCK_NEVER;
	assert_non_null(job_start(loop, &opts, succeed, NULL, on_done, &owner, &e));
	await_news(JOB_PARALLEL);
	assert_int_equal(loop_once(loop, 0), 0);	/* only queued */
	clock_fake(1250);
	turn_until_done();
	assert_false(err_is_set(&owner.err));
	assert_int_equal(job_lame_count(), JOB_PARALLEL);
	close_gate();
	while (job_lame_count())
		assert_true(loop_once(loop, -1) >= 0);
	for (int i = 0; i < JOB_PARALLEL; i++)
		assert_int_equal(ducks[i].late, 1);
}

static void test_too_many_lame_ducks(void **state UNUSED)
{
	struct job_opts opts = options(0);
	struct err e = { 0 };

	jobs.lame = JOB_LAME_MAX;
	assert_null(job_start(loop, &opts, succeed, NULL, on_done, &owner, &e));
	jobs.lame = 0;
	assert_int_equal(e.rc, RC_UNAVAILABLE);
	assert_string_equal(e.msg, "test: 64 earlier helpers are stuck");
}

/* --- cancel --- */

static void test_cancel_running(void **state UNUSED)
{
	struct job *j = start(hang, NULL);

	await_news(1);
	job_cancel(j);
	assert_int_equal(owner.late, 0);
	turn_until_late();
	assert_int_equal(owner.done, 0);
}

static void test_cancel_right_after_start(void **state UNUSED)
{
	job_cancel(start(hang, NULL));
	turn_until_late();
	assert_int_equal(owner.done, 0);
}

static void test_cancel_after_the_answer_came(void **state UNUSED)
{
	struct job *j = start(answer_and_hang, NULL);

	await_news(1);
	while (!answer_is_whole(j))
		assert_true(loop_once(loop, -1) >= 0);
	assert_int_equal(owner.done, 0);
	job_cancel(j);
	turn_until_late();
	assert_int_equal(owner.done, 0);
}

static void test_cancel_after_the_exit(void **state UNUSED)
{
	struct job *j = start(succeed, NULL);
	siginfo_t si;

	assert_int_equal(waitid(P_PID, (id_t)j->child.pid, &si, WEXITED | WNOWAIT), 0);
	job_cancel(j);
	turn_until_late();
	assert_int_equal(owner.done, 0);
}

static void test_cancel_without_late(void **state UNUSED)
{
	struct job_opts opts = options(0);
	struct err e = { 0 };
	struct job *j;

	opts.late = NULL;
	j = job_start(loop, &opts, hang, NULL, on_done, &owner, &e);
	assert_non_null(j);
	job_cancel(j);
	while (job_running_count())
		assert_true(loop_once(loop, -1) >= 0);
	assert_int_equal(owner.done, 0);
}

/* --- the queue --- */

static struct owner workers[JOB_PARALLEL];

static void fill_places(void)
{
	struct job_opts opts = options(0);
	struct err e = { 0 };

	memset(workers, 0, sizeof(workers));
	for (int i = 0; i < JOB_PARALLEL; i++)
		assert_non_null(job_start(loop, &opts, wait_at_gate, NULL, on_done, &workers[i], &e));
	await_news(JOB_PARALLEL);
	assert_int_equal(job_running_count(), JOB_PARALLEL);
}

static void empty_places(void)
{
	close_gate();
	while (job_running_count())
		assert_true(loop_once(loop, -1) >= 0);
	for (int i = 0; i < JOB_PARALLEL; i++)
		assert_int_equal(workers[i].done, 1);
}

static void test_queue_keeps_order(void **state UNUSED)
{
	enum { N = 5 };
	static struct owner waiting[N];
	int order[N], n = 0;
	struct job_opts opts = options(0);
	struct err e = { 0 };

	memset(waiting, 0, sizeof(waiting));
	fill_places();
	for (int i = 0; i < N; i++) {
		waiting[i].order = order;
		waiting[i].n_order = &n;
		waiting[i].name = i;
		assert_non_null(job_start(loop, &opts, wait_at_gate, NULL, on_done, &waiting[i], &e));
	}
	assert_int_equal(loop_once(loop, 0), 0);
	assert_int_equal(job_running_count(), JOB_PARALLEL);

	/* One place at a time, so that the queue's order is the order of the news. */
	for (int i = 0; i < N; i++) {
		assert_int_equal(write(gate[1], "x", 1), 1);
		while (LIST_FIRST(&jobs.queue, struct job, node) &&
		       LIST_FIRST(&jobs.queue, struct job, node)->owner == &waiting[i])
			assert_true(loop_once(loop, -1) >= 0);
		await_news(1);
		assert_int_equal(job_running_count(), JOB_PARALLEL);
	}
	empty_places();
	assert_int_equal(n, N);
}

static void test_cancel_queued(void **state UNUSED)
{
	struct job *j;

	fill_places();
	j = start(hang, NULL);
	job_cancel(j);
	assert_int_equal(owner.late, 0);	/* never inside the call */
	assert_int_equal(loop_once(loop, -1), 1);
	assert_int_equal(owner.late, 1);
	assert_int_equal(owner.done, 0);
	empty_places();
}

static void test_cancel_queued_without_late(void **state UNUSED)
{
	struct job_opts opts = options(0);
	struct err e = { 0 };

	fill_places();
	opts.late = NULL;
	job_cancel(job_start(loop, &opts, hang, NULL, on_done, &owner, &e));
	assert_int_equal(loop_once(loop, 0), 0);
	empty_places();
	assert_int_equal(owner.done, 0);
}

static void test_deadline_in_the_queue(void **state UNUSED)
{
	fill_places();
	start_until(hang, NULL, 1300);
	clock_fake(1300);
	turn_until_done();
	expect_error(RC_DEADLINE_EXCEEDED, "test: no answer within 300 ms");
	assert_int_equal(owner.late, 1);
	empty_places();
}

static void start_another(void *p, const struct err *e UNUSED, const void *out UNUSED, size_t out_len UNUSED)
{
	struct job_opts opts = options(0);
	struct err own = { 0 };

	assert_non_null(job_start(loop, &opts, succeed, NULL, on_done, p, &own));
	assert_int_equal(((struct owner *)p)->done, 0);
}

static void test_done_starts_another(void **state UNUSED)
{
	struct job_opts opts = options(0);
	struct err e = { 0 };

	assert_non_null(job_start(loop, &opts, succeed, NULL, start_another, &owner, &e));
	turn_until_done();
	assert_false(err_is_set(&owner.err));
}

static void start_behind(void *p, const struct err *e UNUSED, const void *out UNUSED, size_t out_len UNUSED)
{
	struct job_opts opts = options(0);
	struct err own = { 0 };
	struct job *j = job_start(loop, &opts, succeed, NULL, on_done, p, &own);

	assert_non_null(j);
	assert_ptr_equal(jobs.queue.prev, &j->node);
	assert_ptr_not_equal(jobs.queue.next, &j->node);
}

/* There is a place free within done, but it belongs to who waits. */
static void test_done_starts_no_other_before_the_queue(void **state UNUSED)
{
	struct job_opts opts = options(0);
	static struct owner waiting;
	struct err e = { 0 };
	struct job *first;

	first = job_start(loop, &opts, wait_at_gate, NULL, start_behind, &owner, &e);
	assert_non_null(first);
	for (int i = 1; i < JOB_PARALLEL; i++)
		assert_non_null(job_start(loop, &opts, wait_at_gate, NULL, on_done, &workers[i], &e));
	await_news(JOB_PARALLEL);
	assert_non_null(job_start(loop, &opts, succeed, NULL, on_done, &waiting, &e));
	kill(first->child.pid, SIGKILL);
	turn_until_done();
	assert_int_equal(waiting.done, 1);
	close_gate();
	while (job_running_count())
		assert_true(loop_once(loop, -1) >= 0);
}

/* --- failures at the start --- */

static void test_fork_fails(void **state UNUSED)
{
	struct job_opts opts = options(0);
	struct err e = { 0 };

	forks_refused = 1;
	opts.deadline_ms = 1250;
	assert_null(job_start(loop, &opts, succeed, NULL, on_done, &owner, &e));
	assert_string_equal(e.msg, "test: fork: Resource temporarily unavailable (EAGAIN)");
	clock_fake(2000);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_int_equal(owner.done, 0);
}

static void test_fork_fails_in_the_queue(void **state UNUSED)
{
	static struct owner more[JOB_PARALLEL + 2];
	struct job_opts opts = options(0);
	struct err e = { 0 };

	memset(more, 0, sizeof(more));
	fill_places();
	for (size_t i = 0; i < COUNT_OF(more); i++)
		assert_non_null(job_start(loop, &opts, succeed, NULL, on_done, &more[i], &e));
	forks_refused = JOB_PARALLEL + 1;	/* one more than a pass tries */
	empty_places();
	while (!more[JOB_PARALLEL + 1].done)
		assert_true(loop_once(loop, -1) >= 0);
	for (size_t i = 0; i < COUNT_OF(more); i++) {
		assert_int_equal(more[i].done, 1);
		assert_int_equal(more[i].late, 0);
		assert_int_equal(err_is_set(&more[i].err), i < JOB_PARALLEL + 1);
	}
}

static void test_no_descriptors(void **state UNUSED)
{
	struct job_opts opts = options(0);
	struct err e = { 0 };
	struct rlimit before, tight;

	getrlimit(RLIMIT_NOFILE, &before);
	tight = before;
	tight.rlim_cur = 3;	/* what is open stays open, nothing new comes */
	setrlimit(RLIMIT_NOFILE, &tight);
	assert_null(job_start(loop, &opts, succeed, NULL, on_done, &owner, &e));
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
	assert_string_equal(e.msg, "test: pipe: Too many open files (EMFILE)");
}

static void test_wants_too_much(void **state UNUSED)
{
	struct job_opts opts = options(JOB_OUT_MAX + 1);
	struct err e = { 0 };

	assert_null(job_start(loop, &opts, succeed, NULL, on_done, &owner, &e));
	assert_int_equal(e.rc, RC_INTERNAL);
	opts = options(0);
	opts.n_keep_fds = JOB_FDS_KEEP + 1;
	err_clear(&e);
	assert_null(job_start(loop, &opts, succeed, NULL, on_done, &owner, &e));
	assert_int_equal(e.rc, RC_INTERNAL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_deadline), T(test_deadline_takes_grandchildren_along),
		T(test_closed_result_but_alive), T(test_deadline_in_the_past),
		T(test_own_deadline_code_is_followed_by_late),
		T(test_answer_in_time_needs_no_late), T(test_lame_duck),
		T(test_cancelled_lame_duck), T(test_lame_ducks_free_their_places),
		T(test_too_many_lame_ducks), T(test_cancel_running),
		T(test_cancel_right_after_start), T(test_cancel_after_the_answer_came),
		T(test_cancel_after_the_exit), T(test_cancel_without_late),
		T(test_queue_keeps_order), T(test_cancel_queued),
		T(test_cancel_queued_without_late), T(test_deadline_in_the_queue),
		T(test_done_starts_another), T(test_done_starts_no_other_before_the_queue), T(test_fork_fails), T(test_fork_fails_in_the_queue),
		T(test_no_descriptors), T(test_wants_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
