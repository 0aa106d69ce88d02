/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes. A `done` is told from the loop, once, in one of three places: the stage is ready or
 * has executed, the start failed, or the process that could not be made has been reaped. Until that
 * last one the object stays, since the reaper knows it.
 */
#include "container/process.h"

#include <signal.h>
#include <time.h>

#include <fcntl.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "container/container.h"
#include "container/hooks_job.h"
#include "kernel/clone.h"
#include "kernel/proc.h"

#define STATUS_NEVER_RAN	255
#define DEATH_MS		50	/* that a killed process may take before it counts as hanging */

static const struct spawn_events events;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool is_first(const struct process *p)
{
	return p->container->init == p;
}

/* --- the object --- */

static struct process *process_alloc(struct container *c, const char *id)
{
	size_t id_bytes = strlen(id) + 1;
	struct process *p = mem_new(1, sizeof(*p) + id_bytes);

	if (!p)
		return NULL;
	memcpy(p->id, id, id_bytes);
	arena_init(&p->arena, PROCESS_ARENA_MAX);
	p->container = c;
	p->pidfd = -1;
	streams_init(&p->streams, c->host->loop);
	spawn_init(&p->spawn);
	list_init(&p->waiters);
	list_init(&p->kick.node);
	list_append(&c->processes, &p->node);
	return p;
}

struct process *process_new_first(struct container *c, struct err *e)
{
	struct process *p = process_alloc(c, c->id);

	if (!p)
		err_sys(e, ENOMEM, "container %s", c->id);
	return p;
}

bool process_id_is_good(const char *id)
{
	size_t n = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");

	return n && n <= CONTAINER_ID_MAX && !id[n];
}

struct process *process_new(struct container *c, const char *exec_id, struct err *e)
{
	struct process *p;

	if (container_allows(c, CONTAINER_DO_EXEC, e) < 0)
		return NULL;
	if (!process_id_is_good(exec_id)) {
		err_set(e, RC_INVALID_ARGUMENT, "bad exec id");
		return NULL;
	}
	if (process_find(c, exec_id) || str_eq(exec_id, c->id)) {
		err_set(e, RC_ALREADY_EXISTS, "exec_id '%s' already exists", exec_id);
		return NULL;
	}
	p = process_alloc(c, exec_id);
	if (!p)
		err_sys(e, ENOMEM, "exec_id '%s'", exec_id);
	return p;
}

static void tell_waiters(struct process *p)
{
	struct process_waiter *w;
	struct list queue;
	int status = p->status;

	list_take(&p->waiters, &queue); /* a waiter may forget the process */
	while ((w = LIST_FIRST(&queue, struct process_waiter, node))) {
		list_remove(&w->node);
		w->fn(w, p, status);
	}
}

/* Whoever still waits is told what is known: streams end, a process that never ran has the status
 * of one that failed to. */
void process_free(struct process *p)
{
	if (!p)
		return;
	list_remove(&p->node);
	deferred_cancel(&p->kick);
	timer_cancel(&p->hangs);
	spawn_drop(&p->spawn);
	if (p->state != PROCESS_EXITED)
		p->status = STATUS_NEVER_RAN;
	tell_waiters(p);
	process_pumps_stop(p);
	streams_close(&p->streams);
	auto_close(&p->pidfd);
	arena_fini(&p->arena);
	free(p);
}

struct process *process_find(struct container *c, const char *exec_id)
{
	const char *id = str_empty(exec_id) ? c->id : exec_id;
	struct process *p;

	LIST_EACH(p, &c->processes, struct process, node)
		if (!p->forgotten && str_eq(p->id, id))
			return p;
	return NULL;
}

bool process_is_live(const struct process *p)
{
	return p->spawn.child.pid > 0 || (p->spawn.first.pid > 0 && !p->spawn.ended);
}

void process_forget(struct process *p)
{
	if (process_is_live(p))
		return;
	if (!is_first(p)) {
		process_free(p);
		return;
	}
	p->forgotten = true;
	process_pumps_stop(p);
	streams_close(&p->streams);
}

/* --- making and starting --- */

static void tell_done(struct process *p, const struct err *e)
{
	process_done_fn done = TAKE_PTR(p->done);

	if (done)
		done(p->done_owner, e);
}

/* An exec that was never made is gone before anybody hears of it. */
static void tell_failed(struct process *p)
{
	const struct err e = p->failed;
	process_done_fn done = TAKE_PTR(p->done);
	void *owner = p->done_owner;

	p->status = STATUS_NEVER_RAN;
	tell_waiters(p);
	if (is_first(p))
		streams_close(&p->streams);
	else
		process_free(p);
	if (done)
		done(owner, &e);
}

static void on_kick(struct deferred *d)
{
	tell_failed(container_of(d, struct process, kick));
}

static void fail_later(struct process *p)
{
	p->state = PROCESS_EXITED;
	loop_defer(p->container->host->loop, &p->kick, on_kick);
}

/* The guest's number of an id of the container; -1: it has none. */
static uint32_t guest_id(const struct spec_id_map *maps, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= maps[i].container_id && id - maps[i].container_id < maps[i].size)
			return maps[i].host_id + (id - maps[i].container_id);
	return UINT32_MAX;
}

/* In a user namespace of its own the process cannot take what belongs to the guest's root, a terminal
 * above all. Neither terminals nor pipes let anybody wait here. Best effort: the streams work, they
 * only cannot be opened again. */
static void give_streams(struct process *p)
{
	const struct spec_linux *l = &p->container->spec->linux;
	const struct spec_user *u = &p->spec->user;

	if (!l->ns[NS_USER].want || !str_empty(l->ns[NS_USER].path))
		return;
	for (int i = 0; i < 3; i++)
		if (fchown(p->stage.stdio[i], guest_id(l->uid_maps, l->n_uid_maps, u->uid),
			   guest_id(l->gid_maps, l->n_gid_maps, u->gid)) < 0)
			log_debug("process", "%s: give it its streams: %s", p->id, strerror(errno));
}

static int open_streams(struct process *p, struct err *e)
{
	const struct spec_process *s = p->spec;
	struct err ignored = { 0 };

	if (streams_open(&p->streams, p->container->host->loop, s->terminal ? STREAMS_TTY : 0,
			 p->container->host->pipe_bytes, p->stage.stdio, e) < 0)
		return -1;
	if (s->terminal && s->console_rows && s->console_columns)
		streams_resize(&p->streams, s->console_rows, s->console_columns, &ignored);
	give_streams(p);
	return 0;
}

/* A group whose processes have moved into groups of their own below it, as an init does, takes no
 * more of them (version 2): an exec goes where the first process is. */
static int open_inner_group(const struct process *p)
{
	const struct container *c = p->container;

	if (is_first(p) || c->cgroup_fd < 0 || !cgroup_is_inner(c->cgroup_fd))
		return -1;
	return cgroup_open_of_pid(c->host->cgroups, c->cgroup_path, c->init->pid);
}

/* The first process's descriptor is parked, out of a child's reach. */
static int lend_first(struct process *p, struct err *e)
{
	p->stage.join_pidfd = fcntl(p->container->init->pidfd, F_DUPFD_CLOEXEC, 3);
	return p->stage.join_pidfd < 0 ? err_sys(e, errno, "join the container") : 0;
}

static int make(struct process *p, struct err *e)
{
	AUTO_FD inner = open_inner_group(p);
	int r;

	if (open_streams(p, e) < 0)
		return -1;
	if (!is_first(p) && lend_first(p, e) < 0) {
		streams_close_child(p->stage.stdio);
		return -1;
	}
	p->stage.cgroup_fd = inner >= 0 ? inner : p->container->cgroup_fd;
	r = spawn_start(&p->spawn, p->container->host->loop, &p->stage, p->deadline_ms, &events, e);
	p->stage.cgroup_fd = p->container->cgroup_fd;
	return r;
}

static void begin(struct process *p, uint64_t deadline_ms, process_done_fn done, void *owner)
{
	struct container *c = p->container;

	p->state = PROCESS_CREATING;
	p->deadline_ms = deadline_ms;
	p->done = done;
	p->done_owner = owner;
	p->stage.container_id = c->id;
	p->stage.spec = c->spec;
	p->stage.bundle = c->bundle;
	p->stage.process = p->spec;
	p->stage.cgroups = c->host->cgroups;
	p->stage.cgroup_path = c->cgroup_path;
	if (make(p, &p->failed) < 0)
		fail_later(p);
}

void process_create(struct process *p, struct plan *rootfs, const char *bundle_rootfs,
		    uint64_t deadline_ms, process_done_fn done, void *owner)
{
	p->stage = (struct stage){ .rootfs = rootfs,
				   .bundle_rootfs = bundle_rootfs,
				   .hooks = hooks_job_due(p->container, HOOKS_BEFORE_PIVOT) ||
					    p->container->spec->hooks.create_container.n,
				   .join_pidfd = -1 };
	begin(p, deadline_ms, done, owner);
}

static int check_exec(const struct process *p, struct err *e)
{
	if (!p->spec)
		return err_set(e, RC_INVALID_ARGUMENT, "process: missing");
	if (container_allows(p->container, CONTAINER_DO_EXEC, e) < 0)
		return -1;
	return spec_validate_process(p->spec, e);
}

void process_exec(struct process *p, uint64_t deadline_ms, process_done_fn done, void *owner)
{
	p->stage = (struct stage){ .join_pidfd = -1 };
	if (check_exec(p, &p->failed) == 0 &&
	    pci_env_rewrite(&p->spec->env, &p->container->pci, &p->arena, &p->failed) == 0) {
		begin(p, deadline_ms, done, owner);
		return;
	}
	p->done = done;
	p->done_owner = owner;
	fail_later(p);
}

static void release(struct process *p, uint64_t deadline_ms)
{
	struct err e = { 0 };

	if (spawn_release(&p->spawn, deadline_ms, &e) < 0) {
		if (!err_is_set(&p->failed))	/* what it died of says more */
			p->failed = e;
		process_kill(p);
		return;
	}
	p->state = PROCESS_STARTING;
}

void process_start(struct process *p, uint64_t deadline_ms, process_done_fn done, void *owner)
{
	p->done = done;
	p->done_owner = owner;
	release(p, deadline_ms);
}

/* --- events of the stage --- */

static struct process *process_of(struct spawn *s)
{
	return container_of(s, struct process, spawn);
}

static void on_hooks(struct spawn *s)
{
	container_prestart(process_of(s)->container, s->pid);
}

static void on_tty(struct spawn *s, int master)
{
	struct process *p = process_of(s);

	if (streams_take_terminal(&p->streams, master, &p->failed) < 0)
		process_kill(p);
}

static void on_ready(struct spawn *s)
{
	struct process *p = process_of(s);
	struct err none = { 0 };

	p->pid = s->pid;
	p->pidfd = TAKE_FD(s->pidfd);
	fd_park(&p->pidfd);
	p->state = PROCESS_CREATED;
	process_pumps_start(p);
	if (is_first(p))
		tell_done(p, &none);
	else
		release(p, p->deadline_ms);
}

/* A program that runs needs its description no more; a container's first one is asked for its
 * capabilities by later execs. */
static void drop_spec(struct process *p)
{
	p->spec = NULL;
	p->stage.process = NULL;
	arena_fini(&p->arena);
}

static void on_exec(struct spawn *s)
{
	struct process *p = process_of(s);
	struct err none = { 0 };

	p->state = PROCESS_RUNNING;
	p->started_ms = now_ms();
	if (!is_first(p))
		drop_spec(p);
	else if (container_init_started(p->container))
		return;
	tell_done(p, &none);
}

static void on_hangs(struct timer *t)
{
	struct process *p = container_of(t, struct process, hangs);

	tell_done(p, &p->failed);
}

void process_started(struct process *p, const struct err *e)
{
	tell_done(p, e);
}

/* The answer waits for the exit: only then nothing is left of it. But a process that was killed at
 * its deadline may hang in a file system, and who asked was promised an answer by then. */
static void on_fail(struct spawn *s, const struct err *e)
{
	struct process *p = process_of(s);

	p->failed = *e;
	if (e->rc == RC_DEADLINE_EXCEEDED)
		timer_arm(p->container->host->loop, &p->hangs, clock_after(DEATH_MS), on_hangs);
}

/* What had begun to run has a status to be asked for, also when its start failed; what was never
 * ready has none. */
static void on_gone(struct spawn *s, int status)
{
	struct process *p = process_of(s);
	struct container *c = p->container;
	bool made = p->state > PROCESS_CREATING;
	bool failed = err_is_set(&p->failed);

	p->state = PROCESS_EXITED;
	p->status = status;
	p->exited_ms = now_ms();
	p->spawn.pid = 0;
	auto_close(&p->pidfd);
	timer_cancel(&p->hangs);
	container_process_gone(c);
	streams_process_exited(&p->streams);
	if (!made || (failed && !is_first(p))) {
		tell_failed(p);
		return;
	}
	if (failed)
		tell_done(p, &p->failed);
	if (is_first(p))
		container_init_exited(c);
	if (!process_pumps_carry(p))
		tell_waiters(p);
}

void process_outputs_over(struct process *p)
{
	if (p->state == PROCESS_EXITED)
		tell_waiters(p);
}

static const struct spawn_events events = {
	.on_hooks = on_hooks,
	.on_tty = on_tty,
	.on_ready = on_ready,
	.on_exec = on_exec,
	.on_fail = on_fail,
	.on_exit = on_gone,
};

/* --- waiting, signals --- */

bool process_wait(struct process *p, struct process_waiter *w, process_exit_fn fn, void *owner)
{
	list_init(&w->node);
	if (p->state == PROCESS_EXITED && !process_pumps_carry(p))
		return true;
	w->fn = fn;
	w->owner = owner;
	list_append(&p->waiters, &w->node);
	return false;
}

void process_wait_cancel(struct process_waiter *w)
{
	list_remove(&w->node);
}

void process_kill(struct process *p)
{
	if (p->pidfd >= 0)
		clone_pidfd_signal(p->pidfd, SIGKILL);
	else if (p->spawn.child.pid > 0)
		kill(p->spawn.child.pid, SIGKILL);
	if (p->state != PROCESS_CREATING)
		return;
	if (!err_is_set(&p->failed))
		err_set(&p->failed, RC_CANCELLED, "killed while it was set up");
	spawn_kill(&p->spawn);
}

/* The kernel drops a signal for the first process of a pid namespace that has no handler for it.
 * A host that asks for the end by SIGTERM would wait in vain. */
static int real_signal(const struct process *p, int signo)
{
	struct proc_status st;
	uint64_t own;

	if (signo != SIGTERM || !is_first(p) || proc_status(p->pid, &st) < 0)
		return signo;
	own = st.sig_blocked | st.sig_ignored | st.sig_caught;
	return proc_sig_in(own, SIGTERM) ? signo : SIGKILL;
}

int process_signal(struct process *p, unsigned int signo, struct err *e)
{
	int r;

	if (signo > (unsigned int)SIGRTMAX)
		return err_set(e, RC_INVALID_ARGUMENT, "signal %u: no such signal", signo);
	if (p->state == PROCESS_EXITED)
		return 0;
	if (p->pid <= 0)
		return err_set(e, RC_FAILED_PRECONDITION, "process %s is being created", p->id);
	signo = (unsigned int)real_signal(p, (int)signo);
	/* Without pidfds: the child is not reaped, so the number is still its own. */
	if (p->pidfd >= 0)
		r = clone_pidfd_signal(p->pidfd, (int)signo);
	else
		r = kill(p->pid, (int)signo) < 0 ? -errno : 0;
	if (signo == SIGKILL && p->container->cgroup_path)
		freeze_killed(p->container);
	return r < 0 && r != -ESRCH ? err_sys(e, -r, "signal %u to process %s", signo, p->id) : 0;
}
