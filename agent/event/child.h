/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one reaper. Signals are blocked in the first lines of main and arrive by one signalfd; on
 * SIGCHLD waitid(P_ALL, WNOHANG) runs until nothing is left. Known children get their callback,
 * strangers (orphans that were reparented to PID 1 or to the subreaper) are reaped silently. Nobody
 * else waits for a process, ever.
 */
#ifndef MOTE_EVENT_CHILD_H
#define MOTE_EVENT_CHILD_H

#include <signal.h>

#include "base/list.h"
#include "event/loop.h"

struct child;
typedef void (*child_fn)(struct child *c,
			 int status); /* status: exit code 0..255, or 128 + signal */

struct child {
	struct list node; /* the hash chain; list_init()ed by child_track */
	pid_t pid;        /* 0 once it was reaped */
	int signo;        /* set before fn runs: the signal that ended it, 0 when it exited */
	child_fn fn;
};

/* Called for a signal other than SIGCHLD that was given to reaper_start. */
typedef void (*signal_fn)(int signo);

/* Blocks `signals` plus SIGCHLD and ignores SIGPIPE. Call first in main, before any fork. */
void reaper_block_signals(const sigset_t *signals);

/* Starts the signalfd watch on l. One reaper per process. on_signal may be NULL. 0 or -errno. */
int reaper_start(struct loop *l, const sigset_t *signals, signal_fn on_signal);
void reaper_stop(void); /* before loop_free */

/* Tells fn when pid exits. Must be called before the loop turns again after the fork (nothing can
 * be missed then, for only the loop reaps). The object must live until fn ran or child_untrack. */
void child_track(struct child *c, pid_t pid, child_fn fn);
void child_untrack(struct child *c);

/* In a fresh child: default dispositions for all signals and an empty mask. */
void reaper_reset_in_child(void);

/* Children tracked now (leak tests, metrics). */
size_t child_count(void);

#endif
