/* SPDX-License-Identifier: Apache-2.0 */
#include "main/console.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "container/pump.h"
#include "event/child.h"
#include "event/job.h"
#include "kernel/clone.h"
#include "kernel/oom_score.h"
#include "kernel/proc.h"
#include "kernel/tty.h"
#include "main/port.h"

#define BACKLOG	  8
#define KILL_MS	  5000 /* for a session to end once it is killed */
#define ROUND_MS  10   /* between two looks for what a session has started meanwhile */
#define AGAIN_MS  1000 /* between two shells on /dev/console */

/* --- the shell ----------------------------------------------------------------------------- */

/* In the child. tty: its terminal, which becomes 0, 1 and 2. */
static NORETURN void become_shell(int tty, enum tty_ctty how)
{
	static const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
		"TERM=xterm", NULL
	};
	/* as Kata's images have them, the best first */
	static const char *const shells[] = { "/run/kata-extensions/devkit/bin/devkit-sh", "/bin/bash",
					"/bin/sh" };
	static const char none[] = "no shell in this image\r\n";

	reaper_reset_in_child();
	oom_score_restore();
	setsid();
	(void)tty_set_controlling(tty, how);
	if (fd_install(tty, STDIN_FILENO) < 0 || fd_install(STDIN_FILENO, STDOUT_FILENO) < 0 ||
	    fd_install(STDIN_FILENO, STDERR_FILENO) < 0 || fd_close_except(NULL, 0) < 0)
		_exit(126);
	if (chdir("/root") < 0 && chdir("/") < 0)
		_exit(126);
	for (size_t i = 0; i < COUNT_OF(shells); i++) {
		const char *const argv[] = { shells[i], NULL };

		execve(shells[i], (char *const *)argv, (char *const *)env);
	}
	(void)!write(STDERR_FILENO, none, sizeof(none) - 1);
	_exit(127);
}

/* The pid, or -errno. */
static pid_t start_shell(int tty, enum tty_ctty how)
{
	struct clone_opts o = { .cgroup_fd = -1 };
	pid_t pid = clone_process(&o);

	if (pid == 0)
		become_shell(tty, how);
	if (pid > 0)
		auto_close(&o.pidfd);
	return pid;
}

/* Kills what belongs to the session beside its leader. How many lived. */
static size_t kill_members(pid_t session)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	struct proc_status st;
	size_t n = 0;
	uint64_t v;

	while (d && (entry = readdir(d))) {
		pid_t pid = num_u64(entry->d_name, INT32_MAX, &v) == 0 ? (pid_t)v : 0;

		if (!pid || pid == session || getsid(pid) != session)
			continue;
		if (proc_status(pid, &st) < 0 || st.state == 'Z' || st.state == 'X')
			continue;
		kill(pid, SIGKILL);
		n++;
	}
	if (d)
		closedir(d);
	return n;
}

/* The leader is stopped first and killed last: it starts nothing more, and its number stays the
 * session's as long as there is anything to kill. */
static int kill_job(void *arg, void *out UNUSED, size_t out_cap UNUSED, size_t *out_len UNUSED,
		    struct err *e UNUSED)
{
	pid_t session = *(const pid_t *)arg;
	uint64_t until = clock_after(KILL_MS / 2);

	kill(session, SIGSTOP);
	while (kill_members(session) && clock_ms() < until)
		poll(NULL, 0, ROUND_MS);
	kill(session, SIGKILL);
	return 0;
}

/* --- connections --------------------------------------------------------------------------- */

struct console {
	struct child shell;
	pid_t session;
	struct streams streams;
	struct pump in, out;
	bool killing; /* the job runs */
};

static struct port port = { .what = "the debug console", .subsystem = "console" };
static size_t open_consoles;

/* When nothing of it runs any more. */
static void check_end(struct console *c)
{
	if (c->shell.pid > 0 || c->killing || pump_is_open(&c->out))
		return;
	pump_stop(&c->in);
	pump_stop(&c->out);
	streams_close(&c->streams);
	open_consoles--;
	log_info("console", "the shell %d has ended", (int)c->session);
	free(c);
}

static void on_shell_gone(struct child *ch, int status UNUSED)
{
	struct console *c = container_of(ch, struct console, shell);

	streams_process_exited(&c->streams);
	check_end(c);
}

static void on_killed(void *owner, const struct err *e, const void *out UNUSED, size_t len UNUSED)
{
	struct console *c = owner;

	if (err_is_set(e))
		log_warn("console", "%s", e->msg);
	c->killing = false;
	check_end(c);
}

/* The shell has ended, or has let go of its terminal; all that it said is in the socket. */
static void on_output_over(struct pump *p, bool lost UNUSED)
{
	struct console *c = container_of(p, struct console, out);

	pump_stop(&c->in); /* the other half of the connection */
	if (c->shell.pid > 0)
		kill(c->session, SIGKILL);
	check_end(c);
}

static void hang_up(struct console *c)
{
	const struct job_opts opts = { .what = "end a debug shell", .deadline_ms = clock_after(KILL_MS) };
	struct err e = { 0 };

	pump_stop(&c->in);
	pump_stop(&c->out);
	streams_close(&c->streams);
	c->killing = c->shell.pid > 0 && job_start(port.loop, &opts, kill_job, &c->session, on_killed, c, &e);
	if (err_is_set(&e)) {
		log_warn("console", "%s", e.msg);
		kill(c->session, SIGKILL); /* not reaped: the number is its own */
	}
	check_end(c);
}

static void on_input_over(struct pump *p, bool lost)
{
	if (lost) /* else the shell takes no more, and ends by itself */
		hang_up(container_of(p, struct console, in));
}

static int start(struct console *c, int fd, struct err *e)
{
	AUTO_FD own = fd;
	AUTO_FD twin = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* epoll watches each way by its own number */
	int child_fds[3];
	pid_t pid;

	if (twin < 0)
		return err_sys(e, errno, "open a debug shell");
	if (streams_open(&c->streams, port.loop, STREAMS_TTY, 0, child_fds, e) < 0)
		return -1;
	pid = start_shell(child_fds[0], TTY_CTTY);
	streams_close_child(child_fds);
	if (pid < 0) {
		streams_close(&c->streams);
		return err_sys(e, -pid, "start a debug shell");
	}
	c->session = pid;
	child_track(&c->shell, pid, on_shell_gone);
	pump_start(&c->out, port.loop, &c->streams, PUMP_OUT, TAKE_FD(own), on_output_over);
	pump_start(&c->in, port.loop, &c->streams, PUMP_TALK, TAKE_FD(twin), on_input_over);
	return 0;
}

static void on_connection(struct port *p UNUSED, int fd, uint32_t peer)
{
	AUTO_FD own = fd;
	struct console *c = open_consoles < CONSOLES_MAX ? mem_new(1, sizeof(*c)) : NULL;
	struct err e = { 0 };

	if (!c) {
		log_warn("console", "refused one more shell: there are %zu", open_consoles);
		return;
	}
	list_init(&c->shell.node);
	pump_init(&c->in);
	pump_init(&c->out);
	if (start(c, TAKE_FD(own), &e) < 0) {
		log_error("console", "%s", e.msg);
		free(c);
		return;
	}
	open_consoles++;
	log_info("console", "the shell %d serves port %u of the host", (int)c->session, peer);
}

int console_listen(struct loop *l, const struct address *a, bool any_peer, struct err *e)
{
	port.loop = l;
	port.any_peer = any_peer;
	port.fn = on_connection;
	return port_listen(&port, a, BACKLOG, e);
}

/* --- /dev/console -------------------------------------------------------------------------- */

static struct {
	struct loop *loop;
	struct child shell;
	struct timer again;
} local;

static void local_start(struct timer *t);

static void local_gone(struct child *c UNUSED, int status)
{
	if (status == 127)
		log_error("console", "no shell in this image");
	else
		timer_arm(local.loop, &local.again, clock_after(AGAIN_MS), local_start);
}

/* Taken from the agent, which has made it its own: a shell without a terminal knows no Ctrl-C. */
static void local_start(struct timer *t UNUSED)
{
	AUTO_FD tty = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
	pid_t pid = tty < 0 ? -errno : start_shell(tty, TTY_CTTY_STEAL);

	if (pid < 0)
		log_error("console", "shell on /dev/console: %s", strerror(-pid));
	else
		child_track(&local.shell, pid, local_gone);
}

void console_start_local(struct loop *l)
{
	local.loop = l;
	local_start(NULL);
}
