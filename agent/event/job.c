/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job is in one of five states, and on the one list of that state:
 *
 *	QUEUED   no child yet; waits for one of JOB_PARALLEL places
 *	RUNNING  the child lives; the answer comes by a pipe, the exit by the reaper
 *	LAME     done has run with DEADLINE_EXCEEDED, or the owner cancelled; the child was killed and is not reaped yet
 *	NEVER    the same, but no child was ever started: only `late` is left to call
 *	(freed)
 *
 * The child writes one struct answer and the payload, then exits. Its exit is what ends a job: everything it ever
 * wrote lies in the pipe by then, so what is missing after a last read will never come. The child is not trusted:
 * it may have crashed in somebody's filesystem image, so lengths and text of its answer are checked.
 *
 * Queued jobs are started by a deferred call only, so that no callback runs inside job_start or job_cancel.
 */
#include "event/job.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/io.h"
#include "base/mem.h"
#include "event/child.h"

#define ANSWER_MAGIC	0x4a4f4221u
#define EXIT_UNUSABLE	125	/* the child could not be set up */

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_LAME, JOB_NEVER };

struct answer {
	uint32_t magic;
	uint32_t out_len;
	struct err err;
};

struct job {
	struct loop *loop;
	enum job_state state;
	struct list node;		/* in jobs.queue while QUEUED */
	struct child child;
	struct watch result;		/* the pipe's read end; not watched: closed */
	int answerfd;			/* its write end: the child's, which is gone when it is closed */
	struct timer deadline;
	struct deferred never;

	const char *what;
	job_fn fn;
	job_done_fn done;
	job_late_fn late;
	void *arg, *owner;
	int keep_fds[JOB_FDS_KEEP + 1];	/* room for the result pipe */
	size_t n_keep_fds;
	uint64_t started_ms;

	size_t got;			/* bytes of the answer and its payload that came */
	struct answer answer;
	size_t out_max;
	unsigned char out[];
};

static struct {
	struct list queue;
	struct deferred pump;
	size_t running, lame;
} jobs = {
	.queue = { &jobs.queue, &jobs.queue },
	.pump = { .node = { &jobs.pump.node, &jobs.pump.node } },
};

size_t job_running_count(void)
{
	return jobs.running + jobs.lame;
}

size_t job_lame_count(void)
{
	return jobs.lame;
}

/* --- the child --- */

pid_t job_fork(const int *keep, size_t n)
{
	pid_t parent = getpid(), pid = fd_fork(), now;

	if (pid < 0)
		return -errno;
	if (pid > 0)
		return pid;
	if (fd_own(keep, n) < 0)
		_exit(EXIT_UNUSABLE);
	reaper_reset_in_child();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	now = getppid();	/* 0: the parent is outside of our pid namespace */
	if ((now != 0 && now != parent) || fd_close_except(keep, n) < 0)
		_exit(EXIT_UNUSABLE);
	return 0;
}

static NORETURN void run_in_child(struct job *j, int fd)
{
	struct answer a = { .magic = ANSWER_MAGIC };
	size_t out_len = 0;

	setsid();	/* a group of its own, so that what it starts can be killed with it */
	if (j->fn(j->arg, j->out, j->out_max, &out_len, &a.err) == 0)
		err_clear(&a.err);
	else
		err_set(&a.err, RC_INTERNAL, "%s: failed without a reason", j->what);
	a.out_len = (uint32_t)MIN(out_len, j->out_max);
	if (io_write_full(fd, &a, sizeof(a)) < 0 || io_write_full(fd, j->out, a.out_len) < 0)
		_exit(EXIT_UNUSABLE);
	_exit(0);
}

/* --- the answer --- */

static void close_result(struct job *j)
{
	if (!j->result.loop)
		return;
	watch_del(&j->result);
	close(j->result.fd);
}

/* How many bytes the answer has, as far as is known; 0 when it cannot be one. */
static size_t answer_size(const struct job *j)
{
	if (j->got < sizeof(j->answer))
		return sizeof(j->answer);
	if (j->answer.magic != ANSWER_MAGIC || j->answer.out_len > j->out_max)
		return 0;
	return sizeof(j->answer) + j->answer.out_len;
}

static bool answer_is_whole(const struct job *j)
{
	return j->got >= sizeof(j->answer) && j->got == answer_size(j);
}

/* One read. False: there is no more to read, now or ever. */
static bool read_answer(struct job *j)
{
	size_t head = sizeof(j->answer), want = answer_size(j);
	void *to = j->got < head ? (char *)&j->answer + j->got : (char *)j->out + (j->got - head);
	ssize_t n;

	if (want <= j->got) {	/* whole, or not an answer: what follows is nobody's business */
		close_result(j);
		return false;
	}
	n = read(j->result.fd, to, want - j->got);
	if (n < 0)
		return errno == EINTR;
	if (n == 0)
		close_result(j);
	j->got += (size_t)n;
	return n > 0;
}

static void on_result(struct watch *w, uint32_t events UNUSED)
{
	read_answer(container_of(w, struct job, result));
}

static void judge_answer(struct job *j, int status, struct err *e)
{
	if (answer_is_whole(j)) {
		if (!err_is_set(&j->answer.err))
			return;	/* and whatever its text says */
		*e = j->answer.err;
		err_sanitize(e);
		return;
	}
	if (j->child.signo)
		err_set(e, RC_INTERNAL, "%s: helper died (signal %d)", j->what, j->child.signo);
	else if (answer_size(j) == 0)
		err_set(e, RC_INTERNAL, "%s: helper gave a malformed answer", j->what);
	else
		err_set(e, RC_INTERNAL, "%s: helper gave no answer (exit %d)", j->what, status);
	j->answer.out_len = 0;	/* nothing of it is shown */
}

/* --- ends --- */

static void run_pump(struct deferred *d);

/* Kept out of the callers' stacks: every end of a child may free a place. */
static void pump_later(struct loop *l)
{
	if (!list_empty(&jobs.queue))
		loop_defer(l, &jobs.pump, run_pump);
}

/* The end of a job that has no child (any more). */
static void finish(struct job *j, const struct err *e)
{
	timer_cancel(&j->deadline);
	j->done(j->owner, e, j->out, j->answer.out_len);
	if (e->rc == RC_DEADLINE_EXCEEDED && j->late)
		j->late(j->owner);
	free(j);
}

static void on_exit_of_child(struct child *c, int status)
{
	struct job *j = container_of(c, struct job, child);
	struct err e = { 0 };

	auto_close(&j->answerfd);
	if (j->state == JOB_LAME) {
		jobs.lame--;
		if (j->late)
			j->late(j->owner);
		free(j);
		return;
	}
	while (j->result.loop && read_answer(j))
		;
	close_result(j);
	jobs.running--;
	pump_later(j->loop);
	judge_answer(j, status, &e);
	finish(j, &e);
}

static void on_never(struct deferred *d)
{
	struct job *j = container_of(d, struct job, never);

	j->late(j->owner);
	free(j);
}

/* Ends the job for its owner but for `late`. The child, if any, is killed. */
static void abandon(struct job *j)
{
	timer_cancel(&j->deadline);
	if (j->state == JOB_QUEUED) {
		list_remove(&j->node);
		j->state = JOB_NEVER;
		return;
	}
	close_result(j);
	/* In this order: after the first one the child can start nothing more that the second would miss. */
	kill(j->child.pid, SIGKILL);
	kill(-j->child.pid, SIGKILL);
	j->state = JOB_LAME;
	jobs.running--;
	jobs.lame++;
	pump_later(j->loop);
}

static void on_deadline(struct timer *t)
{
	struct job *j = container_of(t, struct job, deadline);
	struct err e = { 0 };

	err_set(&e, RC_DEADLINE_EXCEEDED, "%s: no answer within %llu ms", j->what,
		(unsigned long long)(t->at_ms - j->started_ms));
	abandon(j);
	if (j->state == JOB_NEVER)
		finish(j, &e);
	else
		j->done(j->owner, &e, NULL, 0);
}

void job_cancel(struct job *j)
{
	abandon(j);
	if (j->state != JOB_NEVER)
		return;
	if (j->late)
		loop_defer(j->loop, &j->never, on_never);
	else
		free(j);
}

/* --- starts --- */

static int start_child(struct job *j, struct err *e)
{
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "%s: pipe", j->what);

	AUTO_FD rfd = fds[0];
	AUTO_FD wfd = fds[1];

	r = fd_set_nonblock(rfd);
	if (r == 0)
		r = watch_add(j->loop, &j->result, rfd, EPOLLIN, on_result);
	if (r < 0)
		return err_sys(e, -r, "%s: watch the helper", j->what);
	j->keep_fds[j->n_keep_fds] = wfd;
	pid = job_fork(j->keep_fds, j->n_keep_fds + 1);
	if (pid == 0)
		run_in_child(j, wfd);
	if (pid < 0) {
		watch_del(&j->result);
		return err_sys(e, (int)-pid, "%s: fork", j->what);
	}
	TAKE_FD(rfd);
	j->answerfd = TAKE_FD(wfd);
	child_track(&j->child, pid, on_exit_of_child);
	j->state = JOB_RUNNING;
	jobs.running++;
	return 0;
}

static bool is_expired(const struct job *j)
{
	return j->deadline.loop && j->deadline.at_ms <= clock_ms();
}

static void start_queued(struct job *j)
{
	struct err e = { 0 };

	list_remove(&j->node);
	if (start_child(j, &e) < 0)
		finish(j, &e);
}

/* The next one to start. One that is past its deadline is left to its timer and holds up nobody. */
static struct job *next_queued(void)
{
	struct job *j;

	LIST_EACH(j, &jobs.queue, struct job, node)
		if (!is_expired(j))
			return j;
	return NULL;
}

static void run_pump(struct deferred *d UNUSED)
{
	struct job *j;

	for (int i = 0; i < JOB_PARALLEL && jobs.running < JOB_PARALLEL; i++) {
		j = next_queued();
		if (!j)
			return;
		start_queued(j);
	}
	/* Failed starts took no place; who starts another one in his done must not keep us here. */
	j = next_queued();
	if (j && jobs.running < JOB_PARALLEL)
		pump_later(j->loop);
}

static struct job *job_new(struct loop *l, const struct job_opts *opts)
{
	struct job *j = mem_new(1, sizeof(*j) + opts->out_max);

	if (!j)
		return NULL;
	j->loop = l;
	j->answerfd = -1;
	j->what = opts->what;
	j->late = opts->late;
	j->out_max = opts->out_max;
	j->n_keep_fds = opts->n_keep_fds;
	for (size_t i = 0; i < opts->n_keep_fds; i++)
		j->keep_fds[i] = opts->keep_fds[i];
	j->started_ms = clock_ms();
	list_init(&j->node);
	list_init(&j->never.node);
	return j;
}

struct job *job_start(struct loop *l, const struct job_opts *opts, job_fn fn, void *arg,
		      job_done_fn done, void *owner, struct err *e)
{
	struct job *j;

	if (opts->n_keep_fds > JOB_FDS_KEEP || opts->out_max > JOB_OUT_MAX) {
		err_set(e, RC_INTERNAL, "%s: job asks for too much", opts->what);
		return NULL;
	}
	if (jobs.lame >= JOB_LAME_MAX) {
		err_set(e, RC_UNAVAILABLE, "%s: %zu earlier helpers are stuck", opts->what, jobs.lame);
		return NULL;
	}
	j = job_new(l, opts);
	if (!j) {
		err_sys(e, ENOMEM, "%s", opts->what);
		return NULL;
	}
	j->fn = fn;
	j->arg = arg;
	j->done = done;
	j->owner = owner;
	timer_arm(l, &j->deadline, opts->deadline_ms, on_deadline);
	if (!list_empty(&jobs.queue) || jobs.running >= JOB_PARALLEL || is_expired(j)) {
		list_append(&jobs.queue, &j->node);
		return j;
	}
	if (start_child(j, e) < 0) {
		timer_cancel(&j->deadline);
		free(j);
		return NULL;
	}
	return j;
}
