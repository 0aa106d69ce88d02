/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/logger.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "event/child.h"

#define READY_MS 10000
#define FIRST_FD 3
#define ABOVE_FD 16 /* where the ends wait, clear of the numbers that the program knows */

struct ends {
	int read[3], write[3]; /* stdout, stderr, ready */
};

static void close_all(int fds[3])
{
	for (int i = 0; i < 3; i++)
		auto_close(&fds[i]);
}

static int make_pipes(struct ends *p, struct err *e)
{
	for (int i = 0; i < 3; i++) {
		int fds[2];

		if (pipe2(fds, O_CLOEXEC) < 0)
			return err_sys(e, errno, "pipe");
		p->read[i] = fd_move_above(fds[0], ABOVE_FD);
		p->write[i] = fd_move_above(fds[1], ABOVE_FD);
		if (p->read[i] < 0 || p->write[i] < 0)
			return err_set(e, RC_RESOURCE_EXHAUSTED, "no descriptor");
	}
	return 0;
}

NORETURN static void run(const struct ends *p, const char *path, char **argv)
{
	int own[] = { p->read[0], p->read[1], p->write[2] };

	reaper_reset_in_child();
	setsid();
	for (int i = 0; i < 3; i++)
		if (fd_install(own[i], FIRST_FD + i) < 0)
			_exit(127);
	fd_close_except((const int[]){ 3, 4, 5 }, 3);
	execv(path, argv);
	_exit(127);
}

static char **arguments(struct arena *a, const struct url *u)
{
	char **argv = ARENA_ARRAY(a, char *, 2 * u->n_args + 2);
	size_t n = 0;

	if (!argv)
		return NULL;
	argv[n++] = (char *)u->path;
	for (size_t i = 0; i < u->n_args; i++) {
		argv[n++] = (char *)u->args[i].key;
		if (*u->args[i].value)
			argv[n++] = (char *)u->args[i].value;
	}
	return argv;
}

struct waiting {
	struct watch watch;
	bool ready;
};

static void on_ready(struct watch *w, uint32_t events UNUSED)
{
	struct waiting *x = container_of(w, struct waiting, watch);

	x->ready = true;
	watch_del(w);
}

/* A program that dies closes the pipe as well: its outputs then break, which is told there. */
static int await(struct loop *l, int fd, struct err *e)
{
	uint64_t deadline = clock_after(READY_MS), now;
	struct waiting w = { 0 };
	int rc = watch_add(l, &w.watch, fd, EPOLLIN, on_ready);

	if (rc < 0)
		return err_sys(e, -rc, "watch");
	while (!w.ready && (now = clock_ms()) < deadline)
		loop_once(l, (int)(deadline - now));
	watch_del(&w.watch);
	return w.ready ? 0
		       : err_set(e, RC_DEADLINE_EXCEEDED, "not ready within %d s", READY_MS / 1000);
}

static int start(struct loop *l, const struct logger_opts *o, struct ends *p, struct err *e)
{
	struct arena a;
	char **argv;
	pid_t pid;
	int rc;

	if (make_pipes(p, e) < 0)
		return -1;
	arena_init(&a, 256u << 10);
	argv = arguments(&a, o->program);
	pid = argv ? fork() : -1;
	if (pid == 0) {
		setenv("CONTAINER_ID", o->id, 1);
		setenv("CONTAINER_NAMESPACE", o->ns, 1);
		run(p, o->program->path, argv);
	}
	arena_fini(&a);
	if (pid < 0)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no process for %s", o->program->path);
	close_all((int[]){ p->read[0], p->read[1], p->write[2] });
	p->read[0] = p->read[1] = p->write[2] = -1;
	rc = await(l, p->read[2], e);
	if (rc < 0)
		kill(pid, SIGKILL);
	return rc;
}

int logger_start(struct loop *l, const struct logger_opts *o, int *out, int *err, struct err *e)
{
	struct ends p = { { -1, -1, -1 }, { -1, -1, -1 } };
	int rc = start(l, o, &p, e);

	for (int i = 0; i < 2 && rc == 0; i++)
		fd_set_nonblock(p.write[i]);
	if (rc == 0)
		*out = TAKE_FD(p.write[0]);
	if (rc == 0 && err)
		*err = TAKE_FD(p.write[1]);
	close_all(p.read);
	close_all(p.write);
	return rc < 0 ? err_ctx(e, "%s", o->program->path) : 0;
}
