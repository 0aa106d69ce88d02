/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/pause.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#include "base/fd.h"
#include "base/log.h"
#include "kernel/caps.h"
#include "kernel/clone.h"
#include "kernel/mountinfo.h"
#include "kernel/ns.h"
#include "kernel/root.h"

/* --- the process -------------------------------------------------------------------------- */

#define READY_FD 3

/* An empty file system, on a directory that every guest has. */
static int empty_root(struct err *e)
{
	enum root_how how = mountinfo_root_is_rootfs() == 1 ? ROOT_MOVE : ROOT_PIVOT;
	AUTO_FD fd = -1;

	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "nr_inodes=1,nr_blocks=1") < 0)
		return err_sys(e, errno, "mount an empty root");
	fd = open("/run", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, errno, "open the empty root") : root_switch(fd, how, e);
}

static int give_all_up(struct err *e)
{
	static const struct caps_sets none;

	if (empty_root(e) < 0 || caps_drop_bounding(0, e) < 0 || caps_apply(&none, e) < 0)
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? err_sys(e, errno, "no_new_privs") : 0;
}

void pause_main(void)
{
	static const int keep[] = { READY_FD };
	struct err e = { 0 };

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, PAUSE_NAME);
	signal(SIGCHLD, SIG_IGN); /* the kernel reaps */
	for (int i = 0; i < 3; i++)
		close(i);
	fd_close_except(keep, COUNT_OF(keep));
	if (give_all_up(&e) < 0 || write(READY_FD, "", 1) != 1)
		_exit(1);
	close(READY_FD);
	for (;;)
		pause();
}

static void NORETURN begin(int fd)
{
	static char name[] = PAUSE_NAME;
	static char *const argv[] = { name, NULL }, *const env[] = { NULL };
	static const int keep[] = { READY_FD };

	reaper_reset_in_child();
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (fd_install(fd, READY_FD) >= 0 && fd_close_except(keep, COUNT_OF(keep)) == 0)
		execve("/proc/self/exe", argv, env);
	_exit(127);
}

/* --- the agent's side --------------------------------------------------------------------- */

void pause_init(struct pause *p, struct loop *l)
{
	*p = (struct pause){ .loop = l, .pidfd = -1, .nsfd = -1, .fd = -1 };
	list_init(&p->child.node);
	list_init(&p->waiters);
}

static void tell(struct pause *p, const struct err *e)
{
	struct pause_waiter *w;

	while ((w = LIST_FIRST(&p->waiters, struct pause_waiter, node))) {
		list_remove(&w->node);
		w->done(w->owner, e);
	}
}

static void hang_up(struct pause *p)
{
	watch_del(&p->watch);
	auto_close(&p->fd);
}

static void on_exit_told(struct child *c, int status)
{
	struct pause *p = container_of(c, struct pause, child);
	struct err e = { 0 };

	if (p->ready)
		log_warn("sandbox", "the pod's shared process namespace is gone (status %d)",
			 status);
	p->ready = false;
	hang_up(p);
	auto_close(&p->pidfd);
	auto_close(&p->nsfd);
	err_set(&e, RC_INTERNAL, "hold the shared process namespace: status %d", status);
	tell(p, &e);
}

/* Its word, or the end of what cannot be: then its exit tells more. */
static void on_word(struct watch *w, uint32_t events UNUSED)
{
	struct pause *p = container_of(w, struct pause, watch);
	const struct err none = { 0 };
	char byte;
	ssize_t n = read(p->fd, &byte, 1);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	hang_up(p);
	if (n != 1)
		return;
	p->ready = true;
	tell(p, &none);
}

static int start(struct pause *p, struct err *e)
{
	struct clone_opts o = { .flags = CLONE_NEWPID | CLONE_NEWNS, .cgroup_fd = -1 };
	int ends[2], r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	p->fd = ends[0];
	r = fd_set_nonblock(p->fd);
	if (r == 0)
		r = watch_add(p->loop, &p->watch, p->fd, EPOLLIN, on_word);
	pid = r < 0 ? r : clone_process(&o);
	if (pid == 0)
		begin(ends[1]);
	close(ends[1]);
	if (pid < 0) {
		hang_up(p);
		return err_sys(e, -pid, "hold the shared process namespace");
	}
	p->pidfd = o.pidfd;
	child_track(&p->child, pid, on_exit_told);
	p->nsfd = ns_hold(pid, NS_PID);
	if (p->nsfd >= 0)
		return 0;
	err_sys(e, -p->nsfd, "hold the shared process namespace");
	pause_end(p);
	return -1;
}

int pause_need(struct pause *p, struct pause_waiter *w, struct err *e)
{
	list_init(&w->node);
	if (p->ready)
		return 1;
	if (p->child.pid <= 0 && start(p, e) < 0)
		return -1;
	list_append(&p->waiters, &w->node);
	return 0;
}

void pause_end(struct pause *p)
{
	p->ready = false;
	if (p->pidfd >= 0)
		clone_pidfd_signal(p->pidfd, SIGKILL);
	else if (p->child.pid > 0) /* not reaped: the number is still its own */
		kill(p->child.pid, SIGKILL);
}

void pause_fini(struct pause *p)
{
	pause_end(p);
	child_untrack(&p->child);
	hang_up(p);
	auto_close(&p->pidfd);
	auto_close(&p->nsfd);
}
