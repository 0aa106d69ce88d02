/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGCHLD says only that somebody exited: signals coalesce, so each one starts a round of
 * waitid(P_ALL) until nothing is left. A round is cut after REAPS_PER_TURN and goes on in the next pass, so that a
 * container that breeds orphans cannot hold the loop. Tracked children are found in a hash by pid.
 *
 * __WALL (allowed in waitid since Linux 4.7) also takes children that were cloned with another exit signal
 * or none. Those do not announce themselves: they are found when the next SIGCHLD comes.
 * Orphans need no care, the kernel gives them SIGCHLD when it moves them to a new parent.
 */
#include "event/child.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef __WALL
#define __WALL	0x40000000
#endif

#define BUCKETS		64
#define REAPS_PER_TURN	64
#define SIGNALS_PER_TURN 8

static struct {
	struct loop *loop;	/* NULL: not started */
	struct watch watch;
	struct deferred more;
	signal_fn on_signal;
	struct list buckets[BUCKETS];
	size_t tracked;
} reaper;

static struct list *bucket_of(pid_t pid)
{
	struct list *b = &reaper.buckets[(unsigned int)pid % BUCKETS];

	if (!b->next)
		list_init(b);
	return b;
}

void child_track(struct child *c, pid_t pid, child_fn fn)
{
	*c = (struct child){ .pid = pid, .fn = fn };
	list_append(bucket_of(pid), &c->node);
	reaper.tracked++;
}

void child_untrack(struct child *c)
{
	if (!c->pid)
		return;
	list_remove(&c->node);
	c->pid = 0;
	reaper.tracked--;
}

size_t child_count(void)
{
	return reaper.tracked;
}

static struct child *find(pid_t pid)
{
	struct child *c;

	LIST_EACH(c, bucket_of(pid), struct child, node)
		if (c->pid == pid)
			return c;
	return NULL;
}

/* The one place that knows what the fields of a wait mean. */
static void report(const siginfo_t *si)
{
	struct child *c = find(si->si_pid);
	int status = si->si_status & 0xff;

	if (!c)
		return;
	child_untrack(c);
	c->signo = si->si_code == CLD_EXITED ? 0 : status;	/* else CLD_KILLED or CLD_DUMPED */
	c->fn(c, c->signo ? 128 + c->signo : status);
}

static void reap(struct deferred *d)
{
	for (int i = 0; i < REAPS_PER_TURN; i++) {
		siginfo_t si = { 0 };

		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | __WALL) < 0 || si.si_pid == 0)
			return;
		report(&si);
	}
	if (reaper.loop)
		loop_defer(reaper.loop, d, reap);
}

static void on_signals(struct watch *w, uint32_t events UNUSED)
{
	struct signalfd_siginfo si[SIGNALS_PER_TURN];
	ssize_t n = read(w->fd, si, sizeof(si));
	size_t count = n > 0 ? (size_t)n / sizeof(si[0]) : 0;

	for (size_t i = 0; i < count && reaper.loop; i++) {
		if (si[i].ssi_signo == SIGCHLD)
			loop_defer(reaper.loop, &reaper.more, reap);
		else if (reaper.on_signal)
			reaper.on_signal((int)si[i].ssi_signo);
	}
}

void reaper_block_signals(const sigset_t *signals)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, standard = { .sa_handler = SIG_DFL };
	sigset_t set = *signals;

	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	/* Who starts us may have ignored it, which survives exec and makes the kernel reap by itself. */
	sigaction(SIGCHLD, &standard, NULL);
}

int reaper_start(struct loop *l, const sigset_t *signals, signal_fn on_signal)
{
	sigset_t set = *signals;
	int fd, r;

	if (reaper.loop)
		return -EBUSY;
	sigaddset(&set, SIGCHLD);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = watch_add(l, &reaper.watch, fd, EPOLLIN, on_signals);
	if (r < 0) {
		close(fd);
		return r;
	}
	reaper.loop = l;
	reaper.on_signal = on_signal;
	list_init(&reaper.more.node);
	loop_defer(l, &reaper.more, reap);	/* children from before the signals were blocked */
	return 0;
}

void reaper_stop(void)
{
	if (!reaper.loop)
		return;
	deferred_cancel(&reaper.more);
	watch_del(&reaper.watch);
	close(reaper.watch.fd);
	reaper.loop = NULL;
}

void reaper_reset_in_child(void)
{
	/* The kernel's own struct, all zero: SIG_DFL. libc keeps a few signals for itself and refuses them, also when whoever
	 * started us had them ignored, which lasts beyond execve. Fails for SIGKILL and SIGSTOP alone. */
	static const unsigned long standard[4];
	sigset_t none;

	for (int signo = 1; signo < _NSIG; signo++)
		syscall(SYS_rt_sigaction, signo, standard, NULL, (size_t)(_NSIG / 8));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}
