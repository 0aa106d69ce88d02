/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running hooks. check-code: job
 *
 * The state goes through a file without a name, so that a hook that does not read it holds nobody
 * up.
 */
#include "container/hooks.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "kernel/clone.h"
#include "kernel/oom_score.h"
#include "kernel/rlimit.h"

#define STATE_ARENA_MAX	(1u << 20)
#define POLL_MS		10	/* for kernels without pidfds */

/* Each byte of a text becomes six at most ("\u0001"). */
static size_t room(const char *text)
{
	return text ? 6 * strlen(text) + 16 : 16;
}

char *hooks_state_print(const struct hooks_state *s, struct arena *a)
{
	const struct spec_pairs *p = &s->spec->annotations;
	const char *version = str_empty(s->spec->version) ? "1.0.2" : s->spec->version;
	size_t cap = 128 + room(version) + room(s->id) + room(s->bundle) + room(s->status);
	struct str out;
	char *buf;

	for (size_t i = 0; i < p->n; i++)
		cap += room(p->v[i].key) + room(p->v[i].value);
	buf = arena_alloc(a, cap);
	if (!buf)
		return NULL;
	str_init(&out, buf, cap);
	str_add(&out, "{\"ociVersion\":");
	json_add_string(&out, version);
	str_add(&out, ",\"id\":");
	json_add_string(&out, s->id);
	str_add(&out, ",\"status\":");
	json_add_string(&out, s->status);
	if (s->pid > 0)
		str_addf(&out, ",\"pid\":%d", (int)s->pid);
	str_add(&out, ",\"bundle\":");
	json_add_string(&out, s->bundle);
	str_add(&out, ",\"annotations\":{");
	for (size_t i = 0; i < p->n; i++) {
		str_add(&out, i ? "," : "");
		json_add_string(&out, p->v[i].key);
		str_add_char(&out, ':');
		json_add_string(&out, p->v[i].value);
	}
	str_add(&out, "}}");
	return str_ok(&out) ? buf : NULL;
}

/* -errno where there is no such descriptor to have. */
static int state_file(const char *state)
{
	int fd = memfd_create("state", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : io_write_full(fd, state, strlen(state));

	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r < 0 && fd >= 0)
		close(fd);
	return r < 0 ? r : fd;
}

static void NORETURN execute(const struct spec_hook *h, int statefd)
{
	static char *no_env[] = { NULL };
	char *only_path[] = { (char *)h->path, NULL };

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);	/* a job that is cancelled takes its hook along */
	if (fd_install(statefd, 0) < 0)
		_exit(126);
	rlimit_restore_files();
	oom_score_restore();
	execve(h->path, h->args.n ? h->args.v : only_path, h->env.n ? h->env.v : no_env);
	_exit(errno == ENOENT ? 127 : 126);
}

/* The wait status, or -ETIMEDOUT after the whole group was killed. */
static int wait_for(pid_t pid, int pidfd, uint32_t timeout_s)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	const uint64_t end = clock_after(1000ull * (timeout_s ? timeout_s : HOOKS_TIMEOUT_S));
	int status;

	while (waitpid(pid, &status, WNOHANG | __WALL) == 0) {
		const uint64_t now = clock_ms();
		const uint64_t most_ms = pidfd >= 0 ? INT32_MAX : POLL_MS;

		if (now >= end) {
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
			waitpid(pid, &status, __WALL);
			return -ETIMEDOUT;
		}
		poll(&p, 1, (int)MIN(end - now, most_ms));
	}
	return status;
}

static int run_one(const struct spec_hook *h, const char *state)
{
	struct clone_opts o = { .cgroup_fd = -1 };
	AUTO_FD statefd = state_file(state);
	AUTO_FD pidfd = -1;
	pid_t pid;

	if (statefd < 0)
		return statefd;
	pid = clone_process(&o);
	if (pid == 0)
		execute(h, statefd);
	if (pid < 0)
		return pid;
	pidfd = o.pidfd;
	return wait_for(pid, pidfd, h->timeout_s);
}

static int outcome(const struct spec_hook *h, const char *stage, size_t i, int r, struct err *e)
{
	if (r < 0)
		return err_sys(e, -r, "hooks.%s[%zu] (%s)", stage, i, h->path);
	if (WIFSIGNALED(r))
		return err_set(e, RC_INTERNAL, "hooks.%s[%zu] (%s): signal %d", stage, i, h->path,
			       WTERMSIG(r));
	if (r)
		return err_set(e, RC_INTERNAL, "hooks.%s[%zu] (%s): status %d", stage, i, h->path,
			       WEXITSTATUS(r));
	return 0;
}

int hooks_run(const struct spec_hook_list *l, const char *stage, enum hooks_rule rule,
	      const struct hooks_state *s, struct err *e)
{
	struct arena a;
	const char *state;
	int result = 0;

	if (!l->n)
		return 0;
	arena_init(&a, STATE_ARENA_MAX);
	state = hooks_state_print(s, &a);
	for (size_t i = 0; i < l->n && result == 0; i++) {
		int r = state ? run_one(&l->v[i], state) : -ENOMEM;

		result = outcome(&l->v[i], stage, i, r, e);
		if (result < 0 && rule == HOOKS_MAY) {
			log_warn("hooks", "container %s: %s", s->id, e->msg);
			err_clear(e);
			result = 0;
		}
	}
	arena_fini(&a);
	return result;
}
