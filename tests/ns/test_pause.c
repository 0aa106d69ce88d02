/* SPDX-License-Identifier: Apache-2.0 */
/* The process that holds a pod's process namespace: begun when it is needed, once for all who wait,
 * begun again when it has died, gone with the sandbox. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "deny_syscall.h"
#include "kernel/clone.h"
#include "kernel/ns.h"
#include "kernel/sys.h"
#include "sandbox/pause.h"

static struct loop *loop;
static struct pause p;

struct told {
	struct pause_waiter w;
	bool yes;
	struct err e;
};

static void on_done(void *owner, const struct err *e)
{
	struct told *t = owner;

	assert_false(t->yes);
	t->yes = true;
	t->e = *e;
}

static int need(struct told *t)
{
	*t = (struct told){ .w = { .done = on_done, .owner = t } };
	return pause_need(&p, &t->w, &t->e);
}

static void turn_until(const bool *flag)
{
	uint64_t end = clock_after(20000);

	while (!*flag) {
		assert_true(clock_ms() < end);
		loop_once(loop, 100);
	}
}

static void turn_until_reaped(void)
{
	uint64_t end = clock_after(20000);

	while (child_count()) {
		assert_true(clock_ms() < end);
		loop_once(loop, 100);
	}
}

static void need_and_wait(void)
{
	struct told t;

	assert_int_equal(need(&t), 0);
	turn_until(&t.yes);
	if (err_is_set(&t.e))
		fail_msg("%s", t.e.msg);
}

static void once_for_all(void **state)
{
	struct told a, b, c;
	int own = ns_hold(0, NS_PID);

	(void)state;
	assert_int_equal(need(&a), 0);
	assert_int_equal(need(&b), 0);
	assert_int_equal(child_count(), 1);
	turn_until(&a.yes);
	turn_until(&b.yes);
	assert_false(err_is_set(&a.e) || err_is_set(&b.e));
	assert_int_equal(need(&c), 1);
	assert_int_equal(child_count(), 1);
	assert_int_equal(ns_same(own, p.nsfd), 0);
	close(own);
}

static void begun_again(void **state)
{
	(void)state;
	need_and_wait();
	assert_int_equal(clone_pidfd_signal(p.pidfd, SIGKILL), 0);
	turn_until_reaped();
	assert_false(p.ready);
	assert_int_equal(p.nsfd, -1);
	need_and_wait();
	assert_true(p.nsfd >= 0);
}

static void gone_with_the_sandbox(void **state)
{
	(void)state;
	need_and_wait();
	pause_end(&p);
	turn_until_reaped();
	assert_int_equal(p.nsfd, -1);
}

static int setup(void **state);
static int teardown(void **state);

/* Cannot be made as it has to be: then there is none, and who waits is told. */
static void not_without_its_walls(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		struct told t;

		teardown(state); /* a signalfd reads for the process that made it */
		if (setup(state) < 0)
			_exit(8);
		if (deny_syscall(SYS_pivot_root, EPERM) < 0 || deny_syscall(SYS_chroot, EPERM) < 0)
			_exit(9);
		if (need(&t) != 0)
			_exit(1);
		turn_until(&t.yes);
		_exit(t.e.rc == RC_INTERNAL && strstr(t.e.msg, "status 1") && !p.ready ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int fds;

static int setup(void **state)
{
	sigset_t none;

	(void)state;
	sigemptyset(&none);
	fds = fd_count();
	loop = loop_new();
	pause_init(&p, loop);
	return loop && reaper_start(loop, &none, NULL) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	pause_end(&p);
	turn_until_reaped();
	pause_fini(&p);
	reaper_stop();
	loop_free(loop);
	return fd_count() == fds ? 0 : -1;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(once_for_all),
		TEST(begun_again),
		TEST(gone_with_the_sandbox),
		TEST(not_without_its_walls),
	};
	sigset_t none;

	if (argc == 1 && strcmp(argv[0], PAUSE_NAME) == 0)
		pause_main();
	if (geteuid() != 0) {
		print_message("1..0 # SKIP needs root\n");
		return 77;
	}
	sigemptyset(&none);
	reaper_block_signals(&none);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
