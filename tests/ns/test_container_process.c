/* SPDX-License-Identifier: Apache-2.0 */
/* The processes of a container: execs, signals, their streams. */
#include "lib/container_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/io.h"

/* --- exec --- */

static void exec_in_time(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct told t = { 0 };
	struct err e = { 0 };
	struct process *p;

	create(c);
	start(c);
	p = process_new(c, "e1", &e);
	assert_non_null(p);
	p->spec = process_spec(&p->arena, (const char *const[]){ "true", NULL });
	process_exec(p, clock_ms(), told_fn, &t);
	turn_until(&t.yes);
	assert_int_equal(t.e.rc, RC_DEADLINE_EXCEEDED);
	/* on a busy machine the answer does not wait for its death */
	while (process_find(c, "e1"))
		assert_true(loop_once(loop, 10000) > 0);
	drop(c);
}

static void exec_joins(void **state UNUSED)
{
	struct container *c = CONTAINER("c1", "sleep", "1000");
	struct err e = { 0 };
	struct process *p;

	create(c);
	assert_null(process_new(c, "e0", &e));	/* not yet */
	assert_int_equal(e.rc, RC_FAILED_PRECONDITION);
	err_clear(&e);
	start(c);
	p = EXEC(
		c, "e1", &e, "/bin/sh", "-c",
		"hostname; cat /proc/1/comm; ls /proc/self/fd; grep CapEff /proc/self/status; exit 3");
	if (!p)
		fail_msg("%s", e.msg);
	assert_contains(read_all(p, STREAMS_OUT), "box\nsleep\n0\n1\n2\n3\nCapEff:");
	assert_int_equal(wait_exit(p), 3);
	assert_null(process_new(c, "e1", &e));
	assert_contains(e.msg, "exec_id 'e1' already exists");
	err_clear(&e);
	assert_ptr_equal(process_find(c, "e1"), p);
	process_forget(p);
	assert_null(process_find(c, "e1"));
	assert_ptr_equal(process_find(c, ""), c->init);
	assert_ptr_equal(process_find(c, "c1"), c->init);
	drop(c);
}

static void never_told(struct child *c UNUSED, int status UNUSED)
{
	fail();
}

/* The helper that made it may be reaped after it: its id is free all the same. */
static void exec_outlived_by_its_helper(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e = { 0 };
	struct process *p;
	pid_t pid = 0;

	create(c);
	start(c);
	p = EXEC(c, "e1", &e, "true");
	assert_non_null(p);
	assert_int_equal(wait_exit(p), 0);
	if (!p->spawn.first.pid) { /* as it usually is: then another child stands for the helper */
		pid = fork();
		if (pid == 0) {
			pause();
			_exit(0);
		}
		child_track(&p->spawn.first, pid, never_told);
	}
	process_forget(p);
	assert_null(process_find(c, "e1"));
	assert_non_null(EXEC(c, "e1", &e, "true"));
	if (pid)
		kill(pid, SIGKILL);
	drop(c);
}

static void exec_of_nothing(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e = { 0 };

	create(c);
	start(c);
	assert_null(EXEC(c, "e1", &e, "nonsense"));
	assert_contains(e.msg, "the file nonsense was not found: No such file or directory (ENOENT)");
	assert_null(process_find(c, "e1"));
	err_clear(&e);
	assert_null(EXEC(c, "e1", &e, "/bin/badloader"));
	assert_contains(e.msg, "exec /bin/badloader");
	drop(c);
}

static void exec_when_init_is_dead(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e = { 0 };
	struct process *p;
	struct told t = { 0 };

	create(c);
	start(c);
	p = process_new(c, "e1", &e);
	assert_non_null(p);
	p->spec = process_spec(&p->arena, (const char *const[]){ "true", NULL });
	process_kill(c->init);
	/* begins while the death is not reaped yet */
	process_exec(p, CLOCK_NEVER, told_fn, &t);
	turn_until(&t.yes);
	/* or it was faster than the death */
	if (t.e.rc != RC_OK && t.e.rc != RC_NOT_FOUND && t.e.rc != RC_INTERNAL)
		fail_msg("%d: %s", t.e.rc, t.e.msg);
	wait_exit(c->init);
	assert_null(process_new(c, "e2", &e));
	assert_int_equal(e.rc, RC_FAILED_PRECONDITION);
	drop(c);
}

/* --- signals --- */

static void term_without_handler(void **state UNUSED)
{
	struct container *c = CONTAINER("c1", "sleep", "1000");
	struct err e = { 0 };

	create(c);
	start(c);
	assert_int_equal(process_signal(c->init, SIGTERM, &e), 0);
	assert_int_equal(wait_exit(c->init), 128 + SIGKILL);
	assert_int_equal(process_signal(c->init, SIGTERM, &e), 0);	/* gone is success */
	assert_int_equal(process_signal(c->init, 4711, &e), -1);
	drop(c);
}

static void term_with_handler(void **state UNUSED)
{
	struct container *c =
		SHELL("c1", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done");
	struct err e = { 0 };
	char byte[6];

	create(c);
	start(c);
	assert_int_equal(fcntl(c->init->streams.out.fd, F_SETFL, 0), 0);
	assert_int_equal(io_read_full(c->init->streams.out.fd, byte, 6), 6);
	assert_int_equal(process_signal(c->init, SIGTERM, &e), 0);
	assert_int_equal(wait_exit(c->init), 5);
	drop(c);
}

static void kill_all(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e = { 0 };
	struct process *p;

	create(c);
	start(c);
	p = EXEC(c, "e1", &e, "sleep", "1000");
	assert_non_null(p);
	assert_int_equal(container_kill_all(c, &e), 0);
	assert_int_equal(wait_exit(c->init), 137);
	assert_int_equal(wait_exit(p), 137);
	drop(c);
}

/* --- streams --- */

static void on_written(struct streams_writer *w, const struct err *e)
{
	assert_false(err_is_set(e));
	*(bool *)w->owner = true;
}

static void stdin_and_its_end(void **state UNUSED)
{
	struct container *c = CONTAINER("c1", "cat");
	struct streams_writer w;
	bool yes = false;

	create(c);
	streams_write(&c->init->streams, &w, "before start\n", 13, on_written, &yes);
	start(c);
	turn_until(&yes);
	streams_close_stdin(&c->init->streams);
	assert_string_equal(read_all(c->init, STREAMS_OUT), "before start\n");
	assert_int_equal(wait_exit(c->init), 0);
	drop(c);
}

static void stderr_is_apart(void **state UNUSED)
{
	struct container *c = SHELL("c1", "echo out; echo err >&2");

	create(c);
	start(c);
	assert_string_equal(read_all(c->init, STREAMS_ERR), "err\n");
	assert_string_equal(read_all(c->init, STREAMS_OUT), "out\n");
	drop(c);
}

static void terminal(void **state UNUSED)
{
	struct container *c = SHELL("c1", "tty; stty size; cat; echo end");
	struct streams_writer w;
	bool yes = false;
	const char *out;

	c->spec->process->terminal = true;
	c->spec->process->console_rows = 25;
	c->spec->process->console_columns = 81;
	create(c);
	start(c);
	/* no newline: its end is harder to tell */
	streams_write(&c->init->streams, &w, "typed", 5, on_written, &yes);
	turn_until(&yes);
	streams_close_stdin(&c->init->streams);
	out = read_all(c->init, STREAMS_OUT);
	assert_contains(out, "/dev/console\r\n"); /* what is typed shows up in between */
	assert_contains(out, "25 81\r\n");
	assert_contains(out, "typed");
	assert_contains(out, "end\r\n");
	assert_string_equal(read_all(c->init, STREAMS_ERR), "");
	assert_int_equal(wait_exit(c->init), 0);
	drop(c);
}

/* A grandchild keeps the pipe; the end is told half a second after the exit all the same. */
static void grandchild_holds_the_pipe(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e = { 0 };
	struct process *p;

	create(c);
	start(c);
	p = EXEC(c, "e1", &e, "/bin/sh", "-c", "sleep 1000 & echo hello");
	assert_non_null(p);
	assert_string_equal(read_all(p, STREAMS_OUT), "hello\n");
	assert_int_equal(wait_exit(p), 0);
	assert_string_equal(read_all(p, STREAMS_ERR), "");
	drop(c);
}

static void on_exit_told(struct process_waiter *w, struct process *p, int status)
{
	(void)p;
	*(int *)w->owner = status;
}

/* What a process has said before its end is in the pipe while the socket is full: its exit is told when
 * the host has taken that, and its removal does not wait for it. */
static void exit_after_the_output(void **state)
{
	static char got[1 << 17];
	struct process_waiter w;
	ssize_t n, have = 0;
	const int least = 1;

	(void)state;
	for (int read_it = 1; read_it >= 0; read_it--) {
		struct container *c = SHELL("c1", "head -c 60000 /dev/zero; exit 3");
		int status = -1, ends[2], fds[3] = { -1, -1, -1 };
		struct err e = { 0 };

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
		assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
		fds[1] = ends[0];
		assert_int_equal(process_pass(c->init, fds, &e), 0);
		assert_int_equal(fds[1], -1);
		create(c);
		start(c);
		while (c->init->state != PROCESS_EXITED)
			loop_once(loop, -1);
		turn_for(STREAMS_DRAIN_MS + 100);
		assert_false(process_wait(c->init, &w, on_exit_told, &status));
		assert_int_equal(status, -1);
		for (have = 0; read_it && status < 0;) {
			n = read(ends[1], got, sizeof(got));
			have += n > 0 ? n : 0;
			loop_once(loop, 10);
		}
		while (read_it && (n = read(ends[1], got, sizeof(got))) > 0)
			have += n;
		assert_int_equal(have, read_it ? 60000 : 0);
		drop(c);
		assert_int_equal(status, 3);
		close(ends[1]);
	}
}

/* A host need not have what these need: cases_inside.c runs this program in guests that do. */
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(exec_in_time),
		TEST(exec_joins),
		TEST(exec_of_nothing),
		TEST(exec_outlived_by_its_helper),
		TEST(exec_when_init_is_dead),
		TEST(term_without_handler),
		TEST(term_with_handler),
		TEST(kill_all),
		TEST(stdin_and_its_end),
		TEST(stderr_is_apart),
		TEST(terminal),
		TEST(grandchild_holds_the_pipe),
		TEST(exit_after_the_output),
	};
	int failed = 0;

	/* Without cgroups, and in each version that this machine has. */
	for (int version = 0; version <= 2; version++)
		if (fixture_cgroups(version))
			failed += cmocka_run_group_tests(tests, fixture_group_setup,
							 fixture_group_teardown);
	return failed;
}
