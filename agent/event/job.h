/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: whatever may sleep in the kernel (mount, umount, device waits, mkfs, rm -rf, hooks) runs in
 * a forked child with a deadline. The child works on its copy of the memory in straight-line code,
 * sends one result message and _exits; done runs in the loop once the result and the exit have both
 * arrived, in either order. Killed or crashed: INTERNAL "WHAT: helper died (signal 11)".
 *
 * At the deadline the child is killed and done runs with DEADLINE_EXCEEDED "WHAT: no answer within
 * N ms" at once. A child that does not die of SIGKILL (D state) becomes a lame duck: it stays
 * tracked, counts in job_lame_count(), and `late` runs when it is reaped at last, so that the owner
 * can undo what the child may have done meanwhile and free the reserved id. `late` always runs
 * exactly once after a done with DEADLINE_EXCEEDED, even if the child dies at once, never got
 * started, or gave that code as its own answer (then right after done).
 *
 * At most JOB_PARALLEL run at a time; more wait in a queue (the deadline counts from the start of
 * the call).
 */
#ifndef MOTE_EVENT_JOB_H
#define MOTE_EVENT_JOB_H

#include "base/err.h"
#include "event/loop.h"

#define JOB_PARALLEL 8
#define JOB_OUT_MAX  65536 /* bytes of result payload at most */
#define JOB_FDS_KEEP 8
#define JOB_LAME_MAX 64 /* with that many stuck children job_start refuses: UNAVAILABLE */

struct job;

/* Runs in the child. Returns 0, or -1 with e set. out/out_cap: the result payload, *out_len bytes
 * of it travel back. May block, may crash, may use the heap; must not touch the loop. */
typedef int (*job_fn)(void *arg, void *out, size_t out_cap, size_t *out_len, struct err *e);

/* Runs in the loop. e is unset on success. out is valid during the call only. */
typedef void (*job_done_fn)(void *owner, const struct err *e, const void *out, size_t out_len);
typedef void (*job_late_fn)(void *owner);

struct job_opts {
	const char *what;     /* "mount storages": a constant or owned by the caller until done */
	uint64_t deadline_ms; /* clock_ms() value; CLOCK_NEVER: none */
	const int *keep_fds;  /* open in the child besides 0, 1, 2; everything else is closed. Open
				 until done. */
	size_t n_keep_fds;    /* at most JOB_FDS_KEEP */
	size_t out_max;       /* payload bytes wanted, at most JOB_OUT_MAX; 0: none */
	job_late_fn late;     /* may be NULL */
};

/* Starts (or queues) a job. arg belongs to the caller and must stay until done. NULL with e set:
 * nothing was started and done will not run. A done never runs inside job_start. */
struct job *job_start(struct loop *l, const struct job_opts *opts, job_fn fn, void *arg,
		      job_done_fn done, void *owner, struct err *e);

/* The caller loses interest: the child and what it started are killed, done will not run; late runs
 * (if given) once the child is reaped, from the loop and never inside this call. Not after done
 * (nor in it): j is gone then. */
void job_cancel(struct job *j);

/* The fork of jobs, for a child of the agent that is not a job. Returns twice, as fork(2): the pid,
 * or 0 in the child, or -errno. In the child signals are reset, every descriptor but 0, 1, 2 and
 * keep[] is closed, and it dies when its parent does. The parent keeps keep[] open until the child
 * has said something, was killed, or is gone: it takes its own descriptors after the fork. */
pid_t job_fork(const int *keep, size_t n);

size_t job_running_count(void); /* with a live child, lame ducks included */
size_t job_lame_count(void);

#endif
