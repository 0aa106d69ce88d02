/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_proc.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/fd.h"
#include "kernel/ns.h"

#define READ_SIZE	8192

/* Reads what is there: bytes, 0 at the end of the output, -errno. */
static ssize_t read_some(struct vm_proc *p)
{
	char buf[READ_SIZE];
	ssize_t n = read(p->outfd, buf, sizeof(buf));

	if (n < 0)
		return -errno;
	vm_lines_feed(&p->lines, buf, (size_t)n);
	return n;
}

static void on_output(struct watch *w, uint32_t events UNUSED)
{
	struct vm_proc *p = container_of(w, struct vm_proc, out);

	if (read_some(p) != 0)
		return;
	watch_del(w);
	vm_lines_flush(&p->lines);
}

static void on_exit_status(struct child *c, int status)
{
	struct vm_proc *p = container_of(c, struct vm_proc, child);

	p->exited = true;
	p->status = status;
	if (p->out.loop) {
		while (read_some(p) > 0)
			;	/* its last words may still be in the pipe */
		watch_del(&p->out);
		vm_lines_flush(&p->lines);
	}
	if (p->ended)
		p->ended(p->arg);
}

NORETURN static void run_child(const struct vm_proc_opts *opts, int outfd, pid_t parent)
{
	int nullfd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	reaper_reset_in_child();
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)	/* it died before prctl */
		_exit(127);
	if (fd_install(nullfd, 0) < 0 || fd_install(outfd, 1) < 0 || fd_install(outfd, 2) < 0)
		_exit(127);
	if (opts->netns && ns_join(opts->netns, NS_NET) < 0) {
		dprintf(2, "network namespace: %s\n", strerror(errno));
		_exit(127);
	}
	for (size_t i = 0; i < opts->n_fds; i++)
		fd_clear_cloexec(opts->fds[i]);
	fd_close_except(opts->fds, opts->n_fds);
	execv(opts->argv[0], (char *const *)opts->argv);
	dprintf(2, "%s: %s\n", opts->argv[0], strerror(errno));
	_exit(127);
}

int vm_proc_start(struct loop *l, struct vm_proc *p, const struct vm_proc_opts *opts, struct err *e)
{
	pid_t parent = getpid(), pid;
	int pipefd[2], rc;

	memset(p, 0, sizeof(*p));
	p->outfd = -1;
	p->name = opts->name;
	p->ended = opts->ended;
	p->arg = opts->arg;
	vm_lines_init(&p->lines, opts->line, opts->arg);
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_sys(e, errno, "start %s: pipe", opts->name);
	pid = fork();
	if (pid == 0)
		run_child(opts, pipefd[1], parent);
	rc = errno;
	close(pipefd[1]);
	if (pid < 0) {
		close(pipefd[0]);
		return err_sys(e, rc, "start %s: fork", opts->name);
	}
	p->loop = l;
	p->outfd = pipefd[0];
	child_track(&p->child, pid, on_exit_status);
	rc = fd_set_nonblock(p->outfd);
	if (rc == 0)
		rc = watch_add(l, &p->out, p->outfd, EPOLLIN, on_output);
	if (rc < 0) {
		vm_proc_stop(p);
		return err_sys(e, -rc, "start %s: watch its output", opts->name);
	}
	return 0;
}

bool vm_proc_is_alive(const struct vm_proc *p)
{
	return p->loop && !p->exited;
}

void vm_proc_signal(struct vm_proc *p, int signo)
{
	if (vm_proc_is_alive(p))
		kill(p->child.pid, signo);
}

int vm_proc_wait(struct vm_proc *p, uint64_t deadline_ms, const bool *cancel)
{
	while (vm_proc_is_alive(p)) {
		uint64_t now = clock_ms();

		if (cancel && *cancel)
			return -ECANCELED;
		if (now >= deadline_ms)
			return -ETIMEDOUT;
		loop_once(p->loop, (int)MIN(deadline_ms - now, (uint64_t)1000));
	}
	return 0;
}

int vm_proc_explain(const struct vm_proc *p, struct err *e)
{
	char last[160];

	vm_lines_last(&p->lines, last, sizeof(last));
	if (p->status > 128)
		return err_set(e, RC_UNAVAILABLE, "%s was killed by signal %d%s%s", p->name,
			       p->status - 128, *last ? ": " : "", last);
	return err_set(e, RC_UNAVAILABLE, "%s ended with status %d%s%s", p->name, p->status,
		       *last ? ": " : "", last);
}

void vm_proc_stop(struct vm_proc *p)
{
	if (!p->loop)
		return;
	vm_proc_signal(p, SIGKILL);
	vm_proc_wait(p, CLOCK_NEVER, NULL);
	watch_del(&p->out);
	auto_close(&p->outfd);
	p->loop = NULL;
}
