/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs with real forks and, where deadlines matter, a fake clock. job.c is included, so that fork can fail and
 * a job's state can be seen.
 *
 * A child that survives SIGKILL is made without any help from the kernel's D state: a traced process that dies
 * is shown to its tracer alone, and its real parent hears of the death only when the tracer lets go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

static int forks_refused;

static pid_t test_fork(void);

#define fork test_fork
#include "event/job.c"
#undef fork

#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>

static pid_t test_fork(void)
{
	if (forks_refused == 0)
		return fork();
	forks_refused--;
	errno = EAGAIN;
	return -1;
}

static struct loop *loop;
static int fds_before;
static int gate[2], news[2];	/* children wait at the gate, and write to news */

struct owner {
	int done, late;
	struct err err;
	size_t out_len;
	unsigned char out[JOB_OUT_MAX];
	int *order, *n_order, name;
};

static struct owner owner;

static int setup(void **state UNUSED)
{
	sigset_t none;

	sigemptyset(&none);
	reaper_block_signals(&none);
	clock_fake(1000);
	forks_refused = 0;
	memset(&owner, 0, sizeof(owner));
	fds_before = fd_count();
	loop = loop_new();
	if (!loop || pipe2(gate, O_CLOEXEC) < 0 || pipe2(news, O_CLOEXEC) < 0)
		return -1;
	if (reaper_start(loop, &none, NULL) < 0)
		return -1;
	return loop_once(loop, 0) == 1 ? 0 : -1;	/* its first look around */
}

static void close_gate(void)
{
	close(gate[1]);
	gate[1] = -1;
}

/* No child, no job, no descriptor may be left. */
static int teardown(void **state UNUSED)
{
	bool clean = child_count() == 0 && job_running_count() == 0 && list_empty(&jobs.queue) &&
		     waitid(P_ALL, 0, NULL, WEXITED | WNOHANG | __WALL) < 0;

	reaper_stop();
	loop_free(loop);
	close(gate[0]);
	if (gate[1] >= 0)
		close(gate[1]);
	close(news[0]);
	close(news[1]);
	clock_fake(CLOCK_NEVER);
	if (!clean || fd_count() != fds_before)
		fprintf(stderr, "left over: %zu children, %zu jobs, %d descriptors\n", child_count(),
			job_running_count(), fd_count() - fds_before);
	return clean && fd_count() == fds_before ? 0 : -1;
}

static void on_done(void *p, const struct err *e, const void *out, size_t out_len)
{
	struct owner *o = p;

	assert_int_equal(o->late, 0);
	o->done++;
	o->err = *e;
	o->out_len = out_len;
	if (out_len)
		memcpy(o->out, out, out_len);
	if (o->order)
		o->order[(*o->n_order)++] = o->name;
}

static void on_late(void *p)
{
	((struct owner *)p)->late++;
}

static struct job_opts options(size_t out_max)
{
	static int keep[2];

	keep[0] = gate[0];
	keep[1] = news[1];
	return (struct job_opts){
		.what = "test", .deadline_ms = CLOCK_NEVER, .keep_fds = keep, .n_keep_fds = 2,
		.out_max = out_max, .late = on_late,
	};
}

static struct job *start_until(job_fn fn, void *arg, uint64_t deadline_ms)
{
	struct job_opts opts = options(JOB_OUT_MAX);
	struct err e = { 0 };
	struct job *j;

	opts.deadline_ms = deadline_ms;
	j = job_start(loop, &opts, fn, arg, on_done, &owner, &e);
	assert_non_null(j);
	assert_int_equal(owner.done, 0);
	return j;
}

static struct job *start(job_fn fn, void *arg)
{
	return start_until(fn, arg, CLOCK_NEVER);
}

static void turn_until_done(void)
{
	while (!owner.done)
		assert_true(loop_once(loop, -1) >= 0);
	assert_int_equal(owner.done, 1);
}

static void turn_until_late(void)
{
	while (!owner.late)
		assert_true(loop_once(loop, -1) >= 0);
	assert_int_equal(owner.late, 1);
}

static void expect_error(enum rc rc, const char *msg)
{
	assert_int_equal(owner.err.rc, rc);
	assert_string_equal(owner.err.msg, msg);
}

static void run_and_expect(job_fn fn, enum rc rc, const char *msg)
{
	memset(&owner, 0, sizeof(owner));
	start(fn, NULL);
	turn_until_done();
	expect_error(rc, msg);
	assert_int_equal(owner.late, 0);
}

/* Until the children have written n bytes of news. */
static void await_news(size_t n)
{
	char c;

	while (n-- > 0)
		assert_int_equal(read(news[0], &c, 1), 1);
}

/* --- in the child --- */

#define JOB(name) \
	static int name(void *arg UNUSED, void *out UNUSED, size_t out_cap UNUSED, size_t *out_len UNUSED, \
			struct err *e UNUSED)

/* The result pipe: the descriptor above 2 that is none of those that were kept. */
static int result_fd(void)
{
	for (int fd = 3;; fd++)
		if (fd != gate[0] && fd != news[1] && fcntl(fd, F_GETFD) >= 0)
			return fd;
}

static void pause_forever(void)
{
	for (;;)
		pause();
}

static void say(void)
{
	if (write(news[1], "x", 1) != 1)
		_exit(90);
}

JOB(succeed) { return 0; }
JOB(fail_enoent) { return err_sys(e, ENOENT, "open /dev/vdb"); }
JOB(fail_mute) { return -1; }
JOB(succeed_with_error_set) { err_set(e, RC_INTERNAL, "x"); return 0; }
JOB(fail_late_code) { return err_set(e, RC_DEADLINE_EXCEEDED, "device did not come"); }
JOB(crash) { raise(SIGSEGV); return 0; }
JOB(kill_itself) { raise(SIGKILL); return 0; }
JOB(exit_0) { _exit(0); }
JOB(exit_3) { _exit(3); }
JOB(exit_137) { _exit(137); }
JOB(hang) { say(); pause_forever(); return 0; }

JOB(fill_out)
{
	size_t n = *(size_t *)arg;

	for (size_t i = 0; i < n && i < out_cap; i++)
		((unsigned char *)out)[i] = (unsigned char)(i * 7);
	*out_len = n;
	return 0;
}

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

JOB(close_result_and_exit)
{
	close(result_fd());
	_exit(0);
}

static void write_raw(const void *p, size_t n)
{
	if (write(result_fd(), p, n) != (ssize_t)n)
		_exit(91);
}

JOB(answer_and_hang)
{
	struct answer a = { .magic = ANSWER_MAGIC };

	write_raw(&a, sizeof(a));
	return hang(arg, out, out_cap, out_len, e);
}

JOB(answer_and_crash)
{
	struct answer a = { .magic = ANSWER_MAGIC };

	write_raw(&a, sizeof(a));
	return kill_itself(arg, out, out_cap, out_len, e);
}

JOB(answer_wrong_magic)
{
	struct answer a = { .magic = 1 };

	write_raw(&a, sizeof(a));
	_exit(0);
}

JOB(answer_too_long)
{
	struct answer a = { .magic = ANSWER_MAGIC, .out_len = JOB_OUT_MAX + 1 };

	write_raw(&a, sizeof(a));
	_exit(0);
}

JOB(answer_half_a_head)
{
	struct answer a = { .magic = ANSWER_MAGIC };

	write_raw(&a, sizeof(a) / 2);
	_exit(0);
}

JOB(answer_half_a_payload)
{
	struct answer a = { .magic = ANSWER_MAGIC, .out_len = 100 };

	write_raw(&a, sizeof(a));
	write_raw("abc", 3);
	_exit(0);
}

JOB(answer_and_more)
{
	struct answer a = { .magic = ANSWER_MAGIC, .out_len = 3 };

	write_raw(&a, sizeof(a));
	write_raw("abcdef", 6);
	_exit(0);
}

JOB(answer_poison)
{
	struct answer a = { .magic = ANSWER_MAGIC };

	a.err.rc = RC_NOT_FOUND;
	memset(a.err.msg, 'A', sizeof(a.err.msg));	/* not terminated */
	a.err.msg[1] = '\033';
	write_raw(&a, sizeof(a));
	_exit(0);
}

JOB(list_fds)
{
	char *p = out;

	for (int fd = 0; fd < 300; fd++)
		p[fd] = fcntl(fd, F_GETFD) >= 0;
	p[result_fd()] = 0;
	*out_len = 300;
	return 0;
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

/* --- answers --- */

static void test_success(void **state UNUSED)
{
	start(succeed, NULL);
	assert_int_equal(job_running_count(), 1);
	turn_until_done();
	assert_false(err_is_set(&owner.err));
	assert_int_equal(owner.out_len, 0);
	assert_int_equal(job_running_count(), 0);
	run_and_expect(succeed_with_error_set, RC_OK, "");
}

static void test_payload(void **state UNUSED)
{
	static size_t sizes[] = { 0, 1, 4096, JOB_OUT_MAX - 1, JOB_OUT_MAX };

	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		memset(&owner, 0, sizeof(owner));
		start(fill_out, &sizes[i]);
		turn_until_done();
		assert_false(err_is_set(&owner.err));
		assert_int_equal(owner.out_len, sizes[i]);
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(owner.out[k], (unsigned char)(k * 7));
	}
}

/* What the child claims to have written beyond its room is not sent. */
static void test_payload_is_bounded(void **state UNUSED)
{
	size_t too_much = 1000000;
	struct job_opts opts = options(10);
	struct err e = { 0 };

	assert_non_null(job_start(loop, &opts, fill_out, &too_much, on_done, &owner, &e));
	turn_until_done();
	assert_false(err_is_set(&owner.err));
	assert_int_equal(owner.out_len, 10);
}

static void test_errors(void **state UNUSED)
{
	run_and_expect(fail_enoent, RC_NOT_FOUND, "open /dev/vdb: No such file or directory (ENOENT)");
	assert_int_equal(owner.err.sys, ENOENT);
	run_and_expect(fail_mute, RC_INTERNAL, "test: failed without a reason");
}

static void test_child_that_dies(void **state UNUSED)
{
	run_and_expect(crash, RC_INTERNAL, "test: helper died (signal 11)");
	run_and_expect(kill_itself, RC_INTERNAL, "test: helper died (signal 9)");
	run_and_expect(exit_0, RC_INTERNAL, "test: helper gave no answer (exit 0)");
	run_and_expect(exit_3, RC_INTERNAL, "test: helper gave no answer (exit 3)");
	run_and_expect(exit_137, RC_INTERNAL, "test: helper gave no answer (exit 137)");
	run_and_expect(close_result_and_exit, RC_INTERNAL, "test: helper gave no answer (exit 0)");
}

static void test_hostile_answers(void **state UNUSED)
{
	run_and_expect(answer_wrong_magic, RC_INTERNAL, "test: helper gave a malformed answer");
	run_and_expect(answer_too_long, RC_INTERNAL, "test: helper gave a malformed answer");
	run_and_expect(answer_half_a_head, RC_INTERNAL, "test: helper gave no answer (exit 0)");
	run_and_expect(answer_half_a_payload, RC_INTERNAL, "test: helper gave no answer (exit 0)");
	assert_int_equal(owner.out_len, 0);
	run_and_expect(answer_and_more, RC_OK, "");
	assert_int_equal(owner.out_len, 3);
	assert_memory_equal(owner.out, "abc", 3);
}

static void test_hostile_text_is_cleaned(void **state UNUSED)
{
	start(answer_poison, NULL);
	turn_until_done();
	assert_int_equal(owner.err.rc, RC_NOT_FOUND);
	assert_true(strnlen(owner.err.msg, sizeof(owner.err.msg)) < sizeof(owner.err.msg));
	assert_int_equal(owner.err.msg[1], '?');
}

/* The work was done and told; how the child ended afterwards does not matter. */
static void test_whole_answer_then_death(void **state UNUSED)
{
	run_and_expect(answer_and_crash, RC_OK, "");
}

/* --- the child's world --- */

static void test_descriptors_of_the_child(void **state UNUSED)
{
	AUTO_FD stray = open("/dev/null", O_RDONLY);	/* not even close-on-exec */

	assert_true(stray >= 3);
	start(list_fds, NULL);
	turn_until_done();
	assert_int_equal(owner.out_len, 300);
	for (int fd = 3; fd < 300; fd++)
		assert_int_equal(owner.out[fd], fd == gate[0] || fd == news[1]);
}

/* The child of job_fork goes with its parent: `news` has no writer left then. */
static void test_dies_with_the_parent(void **state UNUSED)
{
	pid_t pid = fork();
	char c;

	if (pid == 0) {
		if (job_fork(&news[1], 1) == 0)
			hang(NULL, NULL, 0, NULL, NULL);
		close(news[1]);
		_exit(read(gate[0], &c, 1) == 1 ? 0 : 1);
	}
	assert_true(pid > 0);
	await_news(1);
	assert_int_equal(write(gate[1], "x", 1), 1);
	close(news[1]);
	assert_int_equal(read(news[0], &c, 1), 0);
	news[1] = dup(news[0]);
	while (kill(pid, 0) == 0)
		assert_true(loop_once(loop, -1) >= 0);
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
	struct job *j = start_until(close_result_and_hang, NULL, 1250);

	await_news(1);
	while (j->result.loop)
		assert_true(loop_once(loop, -1) >= 0);
	assert_int_equal(loop_once(loop, 0), 0);	/* an end of file that is over does not keep us busy */
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
	static struct owner more[3];
	struct job_opts opts = options(0);
	struct err e = { 0 };

	memset(more, 0, sizeof(more));
	fill_places();
	for (size_t i = 0; i < COUNT_OF(more); i++)
		assert_non_null(job_start(loop, &opts, succeed, NULL, on_done, &more[i], &e));
	forks_refused = 2;
	empty_places();
	while (!more[2].done)
		assert_true(loop_once(loop, -1) >= 0);
	for (size_t i = 0; i < COUNT_OF(more); i++) {
		assert_int_equal(more[i].done, 1);
		assert_int_equal(more[i].late, 0);
		assert_int_equal(err_is_set(&more[i].err), i < 2);
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
		T(test_success), T(test_payload), T(test_payload_is_bounded), T(test_errors),
		T(test_child_that_dies), T(test_hostile_answers), T(test_hostile_text_is_cleaned),
		T(test_whole_answer_then_death), T(test_descriptors_of_the_child), T(test_dies_with_the_parent),
		T(test_deadline), T(test_deadline_takes_grandchildren_along), T(test_closed_result_but_alive),
		T(test_deadline_in_the_past), T(test_own_deadline_code_is_followed_by_late),
		T(test_answer_in_time_needs_no_late), T(test_lame_duck), T(test_cancelled_lame_duck),
		T(test_lame_ducks_free_their_places), T(test_too_many_lame_ducks), T(test_cancel_running),
		T(test_cancel_right_after_start), T(test_cancel_after_the_answer_came),
		T(test_cancel_after_the_exit), T(test_cancel_without_late), T(test_queue_keeps_order),
		T(test_cancel_queued), T(test_cancel_queued_without_late), T(test_deadline_in_the_queue),
		T(test_done_starts_another), T(test_fork_fails), T(test_fork_fails_in_the_queue),
		T(test_no_descriptors), T(test_wants_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
