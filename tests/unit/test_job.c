/* SPDX-License-Identifier: Apache-2.0 */
/* What a job gives back, however its child behaves, and what the child finds around it. */
#include "job_world.h"

JOB(fail_enoent) { return err_sys(e, ENOENT, "open /dev/vdb"); }
JOB(fail_mute) { return -1; }
JOB(succeed_with_error_set) { err_set(e, RC_INTERNAL, "x"); return 0; }
JOB(crash) { raise(SIGSEGV); return 0; }
JOB(kill_itself) { raise(SIGKILL); return 0; }
JOB(exit_0) { _exit(0); }
JOB(exit_3) { _exit(3); }
JOB(exit_137) { _exit(137); }

JOB(fill_out)
{
	size_t n = *(size_t *)arg;

	for (size_t i = 0; i < n && i < out_cap; i++)
		((unsigned char *)out)[i] = (unsigned char)(i * 7);
	*out_len = n;
	return 0;
}

JOB(close_result_and_exit)
{
	close(result_fd());
	_exit(0);
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

/* A success with a text that does not end. */
JOB(answer_unset_poison)
{
	struct answer a = { .magic = ANSWER_MAGIC };

	memset(a.err.msg, '\033', sizeof(a.err.msg));
	write_raw(&a, sizeof(a));
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

/* The exit is known before the payload was read: it is read then. */
static void test_payload_after_the_exit(void **state UNUSED)
{
	static size_t n = 20000;
	struct job *j = start(fill_out, &n);
	siginfo_t si;

	assert_int_equal(waitid(P_PID, (id_t)j->child.pid, &si, WEXITED | WNOWAIT), 0);
	turn_until_done();
	assert_false(err_is_set(&owner.err));
	assert_int_equal(owner.out_len, n);
	assert_int_equal(owner.out[n - 1], (unsigned char)((n - 1) * 7));
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
	run_and_expect(answer_unset_poison, RC_OK, "");
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

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_success), T(test_payload), T(test_payload_after_the_exit), T(test_payload_is_bounded), T(test_errors),
		T(test_child_that_dies), T(test_hostile_answers),
		T(test_hostile_text_is_cleaned), T(test_whole_answer_then_death),
		T(test_descriptors_of_the_child), T(test_dies_with_the_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
