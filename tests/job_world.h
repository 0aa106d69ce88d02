/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of jobs share: real forks on a real loop with a fake clock, one owner that counts its calls, and a
 * check after each test that no child, job or descriptor is left. job.c is included, so that fork can fail and a
 * job's state can be seen.
 */
#ifndef MOTE_TESTS_JOB_WORLD_H
#define MOTE_TESTS_JOB_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

static int forks_refused;

static pid_t test_fork(void);

#include "base/fd.h"

#define fd_fork test_fork
#include "event/job.c"
#undef fd_fork

#include <stdio.h>
#include <sys/wait.h>

static pid_t test_fork(void)
{
	if (forks_refused == 0)
		return fd_fork();
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

static inline void close_gate(void)
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

static inline struct job *start_until(job_fn fn, void *arg, uint64_t deadline_ms)
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

static inline struct job *start(job_fn fn, void *arg)
{
	return start_until(fn, arg, CLOCK_NEVER);
}

static void turn_until_done(void)
{
	while (!owner.done)
		assert_true(loop_once(loop, -1) >= 0);
	assert_int_equal(owner.done, 1);
}

static inline void turn_until_late(void)
{
	while (!owner.late)
		assert_true(loop_once(loop, -1) >= 0);
	assert_int_equal(owner.late, 1);
}

static inline void expect_error(enum rc rc, const char *msg)
{
	assert_int_equal(owner.err.rc, rc);
	assert_string_equal(owner.err.msg, msg);
}

static inline void run_and_expect(job_fn fn, enum rc rc, const char *msg)
{
	memset(&owner, 0, sizeof(owner));
	start(fn, NULL);
	turn_until_done();
	expect_error(rc, msg);
	assert_int_equal(owner.late, 0);
}

/* Until the children have written n bytes of news. */
static inline void await_news(size_t n)
{
	char c;

	while (n-- > 0)
		assert_int_equal(read(news[0], &c, 1), 1);
}

/* --- in the child --- */

#define JOB(name) \
	static UNUSED int name(void *arg UNUSED, void *out UNUSED, size_t out_cap UNUSED, size_t *out_len UNUSED, \
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
JOB(hang) { say(); pause_forever(); return 0; }

static inline void write_raw(const void *p, size_t n)
{
	if (write(result_fd(), p, n) != (ssize_t)n)
		_exit(91);
}

#endif
