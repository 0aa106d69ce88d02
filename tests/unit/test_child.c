/* SPDX-License-Identifier: Apache-2.0 */
/* The reaper with real children. child.c is included for the one test that needs a made-up siginfo. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "event/child.c"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static struct loop *loop;
static sigset_t set;
static int last_signal;

struct kid {
	struct child child;
	int calls, status, signo;
	struct child *victim;
};

static void on_kid(struct child *c, int status)
{
	struct kid *k = container_of(c, struct kid, child);

	assert_int_equal(c->pid, 0);
	k->calls++;
	k->status = status;
	k->signo = c->signo;
	if (k->victim)
		child_untrack(k->victim);
}

static void on_signal(int signo)
{
	last_signal = signo;
}

static int setup(void **state UNUSED)
{
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	reaper_block_signals(&set);
	last_signal = 0;
	loop = loop_new();
	return loop && reaper_start(loop, &set, on_signal) == 0 ? 0 : -1;
}

static int teardown(void **state UNUSED)
{
	size_t left = child_count();

	reaper_stop();
	loop_free(loop);
	return left == 0 && waitid(P_ALL, 0, NULL, WEXITED | WNOHANG | __WALL) < 0 ? 0 : -1;
}

static pid_t fork_exit(int code)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(code);
	assert_true(pid > 0);
	return pid;
}

/* A child that waits for its signal. What comes before it has dropped cmocka's handlers stays pending. */
static pid_t fork_pause(void)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = fork();
	if (pid != 0)
		sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid == 0) {
		reaper_reset_in_child();
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	return pid;
}

/* Waits until pid is a zombie, without reaping it. */
static void await_zombie(pid_t pid)
{
	siginfo_t si;

	assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT | __WALL), 0);
}

static void turn_until(const struct kid *k)
{
	while (!k->calls)
		assert_true(loop_once(loop, -1) >= 0);
}

static void test_exit_codes(void **state UNUSED)
{
	static const int codes[] = { 0, 1, 127, 255 };

	for (size_t i = 0; i < COUNT_OF(codes); i++) {
		struct kid k = { 0 };

		child_track(&k.child, fork_exit(codes[i]), on_kid);
		assert_int_equal(child_count(), 1);
		turn_until(&k);
		assert_int_equal(k.status, codes[i]);
		assert_int_equal(k.signo, 0);
		assert_int_equal(child_count(), 0);
	}
}

static void test_death_by_signal(void **state UNUSED)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGSEGV };

	for (size_t i = 0; i < COUNT_OF(signals); i++) {
		struct kid k = { 0 };
		const struct rlimit no_core = { 0, 0 };

		setrlimit(RLIMIT_CORE, &no_core);
		child_track(&k.child, fork_pause(), on_kid);
		assert_int_equal(kill(k.child.pid, signals[i]), 0);
		turn_until(&k);
		assert_int_equal(k.status, 128 + signals[i]);
		assert_int_equal(k.signo, signals[i]);
	}
}

static void test_core_dump_is_a_signal(void **state UNUSED)
{
	struct kid k = { 0 };
	siginfo_t si = { .si_code = CLD_DUMPED };

	child_track(&k.child, 4000000, on_kid);
	si.si_pid = 4000000;
	si.si_status = SIGABRT;
	report(&si);
	assert_int_equal(k.calls, 1);
	assert_int_equal(k.status, 128 + SIGABRT);
	assert_int_equal(k.signo, SIGABRT);
}

/* 137 may be an exit code. */
static void test_exit_code_that_looks_like_a_signal(void **state UNUSED)
{
	struct kid k = { 0 };

	child_track(&k.child, fork_exit(137), on_kid);
	turn_until(&k);
	assert_int_equal(k.status, 137);
	assert_int_equal(k.signo, 0);
}

static void test_untracked_is_not_told(void **state UNUSED)
{
	struct kid k = { 0 };
	pid_t pid = fork_exit(0);

	child_track(&k.child, pid, on_kid);
	child_untrack(&k.child);
	child_untrack(&k.child);
	assert_int_equal(child_count(), 0);
	await_zombie(pid);
	assert_true(loop_once(loop, -1) > 0);
	assert_int_equal(kill(pid, 0), -1);	/* reaped all the same */
	assert_int_equal(k.calls, 0);
}

/* Of two that are reaped in one round the first one's callback untracks the other. */
static void test_untracked_within_a_round(void **state UNUSED)
{
	struct kid a = { 0 }, b = { 0 };
	pid_t pid_a = fork_exit(1), pid_b = fork_exit(2);

	child_track(&a.child, pid_a, on_kid);
	child_track(&b.child, pid_b, on_kid);
	a.victim = &b.child;
	b.victim = &a.child;
	await_zombie(pid_a);
	await_zombie(pid_b);
	while (kill(pid_a, 0) == 0 || kill(pid_b, 0) == 0)
		assert_true(loop_once(loop, -1) > 0);
	assert_int_equal(a.calls + b.calls, 1);
}

static void test_same_bucket(void **state UNUSED)
{
	struct kid a = { 0 }, b = { 0 };

	child_track(&a.child, fork_exit(3), on_kid);
	child_track(&b.child, a.child.pid + 1000 * BUCKETS, on_kid);
	turn_until(&a);
	assert_int_equal(a.status, 3);
	assert_int_equal(b.calls, 0);
	child_untrack(&b.child);
}

/* The middle process dies, its child comes to us and dies too: nobody is told and no zombie stays. */
static void test_orphans_are_reaped(void **state UNUSED)
{
	struct kid middle = { 0 };
	int told[2], hold[2];
	pid_t orphan, pid;

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(pipe(told), 0);
	assert_int_equal(pipe(hold), 0);
	pid = fork();
	if (pid == 0) {
		char c;

		close(hold[1]);
		orphan = fork();
		if (orphan == 0)
			_exit(read(hold[0], &c, 1) == 0 ? 0 : 1);
		_exit(write(told[1], &orphan, sizeof(orphan)) == sizeof(orphan) ? 0 : 1);
	}
	child_track(&middle.child, pid, on_kid);
	assert_int_equal(read(told[0], &orphan, sizeof(orphan)), sizeof(orphan));
	turn_until(&middle);
	assert_int_equal(kill(orphan, 0), 0);
	close(hold[1]);
	while (kill(orphan, 0) == 0)
		assert_true(loop_once(loop, -1) >= 0);
	assert_int_equal(middle.calls, 1);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	close(told[0]);
	close(told[1]);
	close(hold[0]);
}

/* One turn reaps REAPS_PER_TURN, though one signal may have stood for all; other events come in between. */
static void test_burst_is_cut(void **state UNUSED)
{
	enum { N = 2 * REAPS_PER_TURN + 10 };
	static struct kid kids[N];
	size_t before = N, after;
	int turns = 0;

	memset(kids, 0, sizeof(kids));
	for (int i = 0; i < N; i++)
		child_track(&kids[i].child, fork_exit(i % 200), on_kid);
	for (int i = 0; i < N; i++)
		await_zombie(kids[i].child.pid);
	for (; before; before = after) {
		assert_true(loop_once(loop, -1) > 0);
		after = child_count();
		assert_in_range(before - after, 1, 2 * REAPS_PER_TURN);	/* two deferred passes in a turn */
		turns++;
	}
	assert_true(turns >= 2);
	for (int i = 0; i < N; i++) {
		assert_int_equal(kids[i].calls, 1);
		assert_int_equal(kids[i].status, i % 200);
	}
}

/* Such a child does not announce its end, but the next round finds it. */
static void test_cloned_without_sigchld(void **state UNUSED)
{
	struct kid mute = { 0 }, loud = { 0 };
	pid_t pid = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);

	if (pid == 0)
		_exit(9);
	assert_true(pid > 0);
	child_track(&mute.child, pid, on_kid);
	await_zombie(pid);
	child_track(&loud.child, fork_exit(0), on_kid);
	turn_until(&loud);
	turn_until(&mute);
	assert_int_equal(mute.status, 9);
}

static void test_other_signals(void **state UNUSED)
{
	raise(SIGTERM);
	while (!last_signal)
		assert_true(loop_once(loop, -1) >= 0);
	assert_int_equal(last_signal, SIGTERM);
	raise(SIGUSR1);
	while (last_signal == SIGTERM)
		assert_true(loop_once(loop, -1) >= 0);
	assert_int_equal(last_signal, SIGUSR1);
}

static void on_signal_stop(int signo)
{
	assert_int_equal(last_signal, 0);	/* not again after the stop */
	last_signal = signo;
	reaper_stop();
}

static void test_stop_within_a_signal(void **state UNUSED)
{
	reaper_stop();
	reaper_stop();
	assert_int_equal(reaper_start(loop, &set, on_signal_stop), 0);
	raise(SIGTERM);
	raise(SIGUSR1);
	while (!last_signal)
		assert_true(loop_once(loop, -1) >= 0);
	assert_null(reaper.loop);
	assert_int_equal(loop_once(loop, 0), 0);
	/* The two were read together, so the second one is gone with the first. */
	assert_int_equal(reaper_start(loop, &set, NULL), 0);
}

static void test_one_reaper(void **state UNUSED)
{
	assert_int_equal(reaper_start(loop, &set, NULL), -EBUSY);
}

/* Children that ended before the reaper started, their signal lost. */
static void test_children_from_before(void **state UNUSED)
{
	struct kid k = { 0 };
	pid_t pid;
	sigset_t sigchld;
	struct timespec now = { 0, 0 };

	reaper_stop();
	pid = fork_exit(5);
	await_zombie(pid);
	sigemptyset(&sigchld);
	sigaddset(&sigchld, SIGCHLD);
	while (sigtimedwait(&sigchld, NULL, &now) > 0)
		;
	assert_int_equal(reaper_start(loop, &set, NULL), 0);
	child_track(&k.child, pid, on_kid);
	turn_until(&k);
	assert_int_equal(k.status, 5);
}

/* With SIGCHLD ignored (inherited through exec) the kernel would reap by itself. */
static void test_ignored_sigchld_is_undone(void **state UNUSED)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };
	struct kid k = { 0 };

	sigaction(SIGCHLD, &sa, NULL);
	reaper_block_signals(&set);
	child_track(&k.child, fork_exit(6), on_kid);
	turn_until(&k);
	assert_int_equal(k.status, 6);
	sigaction(SIGPIPE, NULL, &sa);
	assert_ptr_equal(sa.sa_handler, SIG_IGN);
}

static int child_is_reset(void)
{
	sigset_t mask;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	for (int signo = 1; signo < NSIG; signo++) {
		struct sigaction sa;

		if (sigismember(&mask, signo) == 1)
			return 1;
		if (sigaction(signo, NULL, &sa) == 0 && sa.sa_handler != SIG_DFL)
			return 2;
	}
	return 0;
}

static void test_reset_in_child(void **state UNUSED)
{
	struct kid k = { 0 };
	pid_t pid = fork();

	if (pid == 0) {
		if (child_is_reset() == 0)
			_exit(99);	/* then the test shows nothing */
		reaper_reset_in_child();
		_exit(child_is_reset());
	}
	child_track(&k.child, pid, on_kid);
	turn_until(&k);
	assert_int_equal(k.status, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_exit_codes), T(test_death_by_signal), T(test_core_dump_is_a_signal),
		T(test_exit_code_that_looks_like_a_signal), T(test_untracked_is_not_told),
		T(test_untracked_within_a_round), T(test_same_bucket), T(test_orphans_are_reaped),
		T(test_burst_is_cut), T(test_cloned_without_sigchld), T(test_other_signals),
		T(test_stop_within_a_signal), T(test_one_reaper), T(test_children_from_before),
		T(test_ignored_sigchld_is_undone), T(test_reset_in_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
