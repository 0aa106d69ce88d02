/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conversation with a stage. Events come from three sides in any order: messages, the end of
 * the conversation, the exit. What has been said is always heard first: an exit drains the socket
 * before it is judged. After a failure the conversation is over, and only the exit is still
 * awaited.
 */
#include "container/spawn.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/io.h"
#include "base/str.h"
#include "container/streams.h"
#include "kernel/clone.h"

#define MAPS_BYTES	4096	/* the kernel takes less than a page */

enum { IDLE, SETTING_UP, READY, STARTING, OVER };

void spawn_init(struct spawn *s)
{
	memset(s, 0, sizeof(*s));
	s->sockfd = s->pidfd = s->childfd = s->joinfd = -1;
	s->stdio[0] = s->stdio[1] = s->stdio[2] = -1;
	list_init(&s->child.node);
	list_init(&s->first.node);
}

/* --- ending --- */

/* The child has spoken, is killed, or gone. */
static void close_childs(struct spawn *s)
{
	auto_close(&s->childfd);
	auto_close(&s->joinfd);
	streams_close_child(s->stdio);
}

static void hang_up(struct spawn *s)
{
	close_childs(s);
	timer_cancel(&s->timer);
	watch_del(&s->watch);
	auto_close(&s->sockfd);
	s->state = OVER;
}

static void kill_all(struct spawn *s)
{
	if (s->pidfd >= 0)
		clone_pidfd_signal(s->pidfd, SIGKILL);
	else if (s->child.pid > 0)	/* not reaped: the number is still its own */
		kill(s->child.pid, SIGKILL);
	if (s->first.pid > 0)
		kill(s->first.pid, SIGKILL);
}

void spawn_kill(struct spawn *s)
{
	if (s->state == IDLE)
		return;
	hang_up(s);
	kill_all(s);
}

void spawn_drop(struct spawn *s)
{
	if (s->state == IDLE)
		return;
	hang_up(s);
	child_untrack(&s->child);
	child_untrack(&s->first);
	auto_close(&s->pidfd);
}

static void fail(struct spawn *s, const struct err *e)
{
	hang_up(s);
	s->events->on_fail(s, e);
}

static void fail_died(struct spawn *s, int status, int signo)
{
	struct err e = { 0 };

	if (signo)
		err_set(&e, RC_INTERNAL, "the process died while it was set up (signal %d)", signo);
	else
		err_set(&e, RC_INTERNAL, "the process ended while it was set up (status %d)",
			status);
	fail(s, &e);
}

static void on_deadline(struct timer *t)
{
	struct spawn *s = container_of(t, struct spawn, timer);
	struct err e = { 0 };

	err_set(&e, RC_DEADLINE_EXCEEDED, "the process was not %s in time (root %s)",
		s->state == STARTING ? "started" : "set up", s->stage->spec->root.path);
	kill_all(s);
	fail(s, &e);
}

/* --- messages --- */

static int write_map(pid_t pid, const char *file, const struct spec_id_map *maps, size_t n,
		     struct err *e)
{
	char text[MAPS_BYTES], path[64];
	struct str s = STR_OVER(text), p = STR_OVER(path);
	int r;

	str_addf(&p, "/proc/%d/%s", (int)pid, file);
	for (size_t i = 0; i < n; i++)
		str_addf(&s, "%u %u %u\n", maps[i].container_id, maps[i].host_id, maps[i].size);
	r = str_ok(&s) ? io_write_file(AT_FDCWD, path, text) : -EFBIG;
	return r < 0 ? err_sys(e, -r, "write %s", file) : 0;
}

static void say(struct spawn *s, enum stage_msg_kind kind, struct err *e)
{
	const struct stage_msg m = { .kind = kind };

	if (send(s->sockfd, &m, sizeof(m), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		err_sys(e, errno, "tell the process");
}

/* What failed, failed for the process has ended: its last word and its exit tell why, and are still to
 * come. */
static bool is_gone(const struct spawn *s, const struct err *e)
{
	if (e->sys == EPIPE)
		return true;
	return (e->sys == ENOENT || e->sys == ESRCH) && s->pidfd >= 0 &&
	       clone_pidfd_signal(s->pidfd, 0) == -ESRCH;
}

static void on_maps(struct spawn *s)
{
	const struct spec_linux *l = &s->stage->spec->linux;
	struct err e = { 0 };

	if (write_map(s->pid, "gid_map", l->gid_maps, l->n_gid_maps, &e) == 0 &&
	    write_map(s->pid, "uid_map", l->uid_maps, l->n_uid_maps, &e) == 0)
		say(s, STAGE_MSG_MAPS, &e);
	if (!err_is_set(&e) || is_gone(s, &e))
		return;
	kill_all(s);
	fail(s, &e);
}

/* What the process waits for in the middle of its way. */
static void answer(struct spawn *s, enum stage_msg_kind kind)
{
	struct err e = { 0 };

	if (s->state == SETTING_UP)
		say(s, kind, &e);
	if (!err_is_set(&e) || is_gone(s, &e))
		return;
	kill_all(s);
	fail(s, &e);
}

static void on_child_exit(struct child *c, int status);

/* The helper made the process: a child of this one, by CLONE_PARENT. If it has died already it
 * may have been reaped as a stranger; its pidfd knows. The exit of the helper then stands for
 * its own. */
static void on_pid(struct spawn *s, pid_t pid, int pidfd)
{
	if (s->pid || pid <= 0) {
		auto_close(&pidfd);
		return;
	}
	if (pidfd < 0)
		pidfd = clone_pidfd_open(pid);
	if (pidfd >= 0 && clone_pidfd_signal(pidfd, 0) == -ESRCH) {
		auto_close(&pidfd);
		return;
	}
	s->pid = pid;
	s->pidfd = pidfd;
	child_track(&s->child, pid, on_child_exit);
}

static void on_word(struct spawn *s, uint32_t kind)
{
	if (kind == STAGE_MSG_MAPS) {
		on_maps(s);
	} else if (kind == STAGE_MSG_HOOKS) {
		s->events->on_hooks(s);
	} else if (kind == STAGE_MSG_READY) {
		timer_cancel(&s->timer);
		s->state = READY;
		s->events->on_ready(s);
	}
}

/* A process that a helper made may speak before the helper has told its pid: the two race. What
 * it said, one word at most since it then waits for the answer, is kept. */
static void on_message(struct spawn *s, struct stage_msg *m, int pidfd)
{
	close_childs(s);
	if (m->kind == STAGE_MSG_PID && s->state == SETTING_UP) {
		on_pid(s, m->pid, pidfd);
		if (s->pid && s->early)
			on_word(s, s->early);
		return;
	}
	if (m->kind == STAGE_MSG_TTY && s->state == SETTING_UP && pidfd >= 0) {
		s->events->on_tty(s, pidfd);
		answer(s, STAGE_MSG_TTY);
		return;
	}
	auto_close(&pidfd);
	if (m->kind == STAGE_MSG_ERR) {
		err_sanitize(&m->err);
		fail(s, &m->err);
	} else if (s->state == SETTING_UP && s->pid) {
		on_word(s, m->kind);
	} else if (s->state == SETTING_UP) {
		s->early = m->kind;
	}
}

/* 1: a message; 0: the end of the conversation; -EAGAIN: nothing now; another -errno. */
static int receive(const struct spawn *s, struct stage_msg *m, int *pidfd)
{
	struct iovec iov = { .iov_base = m, .iov_len = sizeof(*m) };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = u.buf,
			    .msg_controllen = sizeof(u.buf) };
	struct cmsghdr *c;
	ssize_t n;

	*pidfd = -1;
	/* A peer that ended without hearing our last word gives ECONNRESET, once, and before what it
	 * said itself: its last word may say why. */
	do
		n = recvmsg(s->sockfd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&h);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(pidfd, CMSG_DATA(c), sizeof(int));
	return n == sizeof(*m) ? 1 : 0;
}

/* Before the start the end of the conversation means that the process is dying, and its exit
 * says more. */
static void on_hang_up(struct spawn *s)
{
	if (s->state == STARTING) {
		hang_up(s);
		s->events->on_exec(s);
		return;
	}
	watch_del(&s->watch);
}

/* Nobody can tell any more what becomes of the process. */
static void on_deaf(struct spawn *s, int cause)
{
	struct err e = { 0 };

	err_sys(&e, cause, "hear the process");
	kill_all(s);
	fail(s, &e);
}

/* true: another message may follow. */
static bool listen_once(struct spawn *s)
{
	struct stage_msg m;
	int pidfd, r;

	if (s->sockfd < 0)
		return false;
	r = receive(s, &m, &pidfd);
	if (r == -EAGAIN)
		return false;
	if (r < 0) {
		on_deaf(s, -r);
		return false;
	}
	if (r == 0) {
		auto_close(&pidfd);
		on_hang_up(s);
		return false;
	}
	on_message(s, &m, pidfd);
	return true;
}

static void on_socket(struct watch *w, uint32_t events)
{
	(void)events;
	listen_once(container_of(w, struct spawn, watch));
}

/* --- exits --- */

static void on_over(struct spawn *s, int status, int signo)
{
	if (s->state == SETTING_UP)
		fail_died(s, status, signo);
	/* killed on the way to execve, or right behind it: nobody can tell */
	if (s->state == STARTING) {
		hang_up(s);
		s->events->on_exec(s);
	}
	hang_up(s);
	auto_close(&s->pidfd);
	s->ended = true;
	s->events->on_exit(s, status);
}

static void on_child_exit(struct child *c, int status)
{
	struct spawn *s = container_of(c, struct spawn, child);

	while (listen_once(s))
		;
	on_over(s, status, c->signo);
}

/* The helper's exit matters only when there was no process: it said why, or died. It may be
 * reaped after the process's own. */
static void on_first_exit(struct child *c, int status)
{
	struct spawn *s = container_of(c, struct spawn, first);

	while (!s->pid && !s->ended && listen_once(s))
		;
	if (!s->pid && !s->ended)
		on_over(s, status, c->signo);
}

/* --- starting --- */

static pid_t make_process(struct spawn *s, const struct stage *st, int childfd)
{
	bool helper = stage_needs_helper(st);
	struct clone_opts o = { .flags = CLONE_FILES | (helper ? 0 : stage_clone_flags(st)),
				.cgroup_fd = stage_joins_late(st) ? -1 : st->cgroup_fd };
	pid_t pid = clone_process(&o);

	if (pid == 0)
		stage_main(st, childfd, o.cgroup_err);
	if (pid < 0)
		return pid;
	if (helper) {
		auto_close(&o.pidfd);
		child_track(&s->first, pid, on_first_exit);
		return pid;
	}
	s->pid = pid;
	s->pidfd = o.pidfd >= 0 ? o.pidfd : clone_pidfd_open(pid);
	child_track(&s->child, pid, on_child_exit);
	return pid;
}

static void forget_childs(struct stage *st)
{
	st->join_pidfd = -1;
	memset(st->stdio, -1, sizeof(st->stdio));
}

int spawn_start(struct spawn *s, struct loop *l, struct stage *st, uint64_t deadline_ms,
		const struct spawn_events *events, struct err *e)
{
	int pair[2], r;
	pid_t pid;

	spawn_init(s);
	s->joinfd = st->join_pidfd;
	memcpy(s->stdio, st->stdio, sizeof(s->stdio));
	s->loop = l;
	s->stage = st;
	s->events = events;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		err_sys(e, errno, "socketpair");
		close_childs(s);
		forget_childs(st);
		return -1;
	}
	s->sockfd = pair[0];
	s->childfd = pair[1];
	fd_park(&s->sockfd);
	r = watch_add(l, &s->watch, s->sockfd, EPOLLIN, on_socket);
	pid = r < 0 ? r : make_process(s, st, s->childfd);
	forget_childs(st);
	if (pid < 0) {
		hang_up(s);
		s->state = IDLE;
		return err_sys(e, -pid, "make a process");
	}
	s->state = SETTING_UP;
	timer_arm(l, &s->timer, deadline_ms, on_deadline);
	return 0;
}

void spawn_hooks_done(struct spawn *s)
{
	answer(s, STAGE_MSG_HOOKS);
}

int spawn_release(struct spawn *s, uint64_t deadline_ms, struct err *e)
{
	if (s->state != READY)
		return err_set(e, RC_FAILED_PRECONDITION,
			       "the process is not waiting for its start");
	say(s, STAGE_MSG_START, e);
	if (err_is_set(e))
		return -1;
	s->state = STARTING;
	timer_arm(s->loop, &s->timer, deadline_ms, on_deadline);
	return 0;
}
