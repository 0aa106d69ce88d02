/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/watcher.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "event/child.h"
#include "event/job.h"
#include "storage/storage.h"

#define NAME "mote-watch"

struct watcher {
	struct child child;
	bool stopped; /* nobody knows it any more: freed when it is reaped */
	char target[];
};

static void NORETURN follow(const char *source, const char *target)
{
	struct err e = { 0 };

	prctl(PR_SET_NAME, NAME);
	_exit(storage_follow(source, target, &e) < 0 ? (e.sys ? e.sys & 0x7f : 1) : 0);
}

/* 0: it is a bind mount now. Else the container goes on with what was copied last. */
static void on_exit_told(struct child *c, int status)
{
	struct watcher *w = container_of(c, struct watcher, child);

	if (w->stopped) {
		free(w);
		return;
	}
	if (status)
		log_warn("storage", "%s is not followed any more (status %d)", w->target, status);
}

struct watcher *watcher_start(const char *source, const char *target, struct err *e)
{
	size_t n = strlen(target) + 1;
	struct watcher *w = mem_new(1, sizeof(*w) + n);
	pid_t pid;

	if (!w) {
		err_sys(e, ENOMEM, "follow %s", target);
		return NULL;
	}
	memcpy(w->target, target, n);
	pid = job_fork(NULL, 0);
	if (pid == 0)
		follow(source, target);
	if (pid < 0) {
		free(w);
		err_sys(e, -pid, "follow %s", target);
		return NULL;
	}
	child_track(&w->child, pid, on_exit_told);
	return w;
}

pid_t watcher_stop(struct watcher *w)
{
	if (!w)
		return 0;
	if (w->child.pid <= 0) {
		free(w);
		return 0;
	}
	w->stopped = true;
	kill(w->child.pid, SIGKILL);
	return w->child.pid;
}
