/* SPDX-License-Identifier: Apache-2.0 */
/* Task.Exec, Start, Kill, Wait, Delete, ResizePty, CloseIO: what concerns a process. */
#include <signal.h>

#include "base/log.h"
#include "container/spec_json.h"
#include "containerd_events.pb-c.h"
#include "service/containerd/any.h"
#include "service/containerd/task.h"

#define KILL_MAX 1024 /* processes that one Kill of all reaches */

/* --- Exec --- */

static void exec_added(const struct task_process *tp)
{
	Containerd__Events__TaskExecAdded event = CONTAINERD__EVENTS__TASK_EXEC_ADDED__INIT;

	event.container_id = (char *)tp->task->container->id;
	event.exec_id = (char *)tp->id;
	events_add(&tp->task->ctd->events, EVENT_EXEC_ADDED, &event.base);
}

static bool has_exec(const struct task *t, const char *id)
{
	for (const struct list *l = t->execs.next; l != &t->execs; l = l->next)
		if (str_eq(container_of(l, const struct task_process, node)->id, id))
			return true;
	return false;
}

/* Of an exec whose start failed nothing is left but its name. */
static struct process *new_process(struct task *t, const char *exec_id, struct err *e)
{
	if (!has_exec(t, exec_id))
		return process_new(t->container, exec_id, e);
	err_set(e, RC_ALREADY_EXISTS, "exec_id '%s' already exists", exec_id);
	return NULL;
}

void task_exec(struct call *c)
{
	const Containerd__Task__V2__ExecProcessRequest *req = (const void *)c->req;
	const char *const urls[] = { req->stdin, req->stdout, req->stderr };
	struct task *t = task_find(c, req->id);
	struct task_process *tp = NULL;
	struct process *p;
	struct err e = { 0 };

	if (!t)
		return;
	p = new_process(t, req->exec_id, &e);
	if (p && !any_is(req->spec, "Process"))
		err_set(&e, RC_INVALID_ARGUMENT, "spec: not a Process");
	else if (p)
		p->spec = spec_json_read_process((const char *)req->spec->value.data,
						 req->spec->value.len, &p->arena, &e);
	if (p && p->spec) {
		p->spec->terminal = req->terminal;
		p->spec->apparmor_if_there = true;
		tp = task_exec_new(t, p, urls, req->terminal, &e);
	}
	if (!tp) {
		if (p)
			process_forget(p);
		call_fail(c, &e);
		return;
	}
	exec_added(tp);
	call_ok(c);
}

/* --- Start --- */

struct starting {
	struct call *call;
	struct task_process *of;
};

static void answer_start(struct call *c, const struct task_process *tp)
{
	Containerd__Task__V2__StartResponse reply = CONTAINERD__TASK__V2__START_RESPONSE__INIT;

	reply.pid = tp->pid;
	call_reply(c, &reply.base);
}

static void first_started(void *owner, const struct err *e)
{
	struct starting *st = owner;
	struct task_process *tp = st->of;
	Containerd__Events__TaskStart event = CONTAINERD__EVENTS__TASK_START__INIT;

	tp->bits &= ~(unsigned int)TASK_STARTING;
	if (err_is_set(e)) {
		call_fail(st->call, e);
		task_tell_exit(tp);
		return;
	}
	tp->bits |= TASK_STARTED;
	event.container_id = (char *)tp->task->container->id;
	event.pid = tp->pid;
	events_add(&tp->task->ctd->events, EVENT_START, &event.base);
	answer_start(st->call, tp);
	task_tell_exit(tp);
}

/* The process is gone, or goes by itself. Nothing ran, so nothing is told but to those who wait. */
static void exec_failed(struct task_process *tp)
{
	process_wait_cancel(&tp->exit);
	tp->process = NULL;
	tp->bits |= TASK_EXITED;
	tp->status = 255;
	tp->exited_ms = stamp_now();
	task_tell_exit(tp);
}

static void exec_started(void *owner, const struct err *e)
{
	struct starting *st = owner;
	struct task_process *tp = st->of;
	Containerd__Events__TaskExecStarted event = CONTAINERD__EVENTS__TASK_EXEC_STARTED__INIT;

	tp->bits &= ~(unsigned int)TASK_STARTING;
	if (err_is_set(e)) {
		struct err told = *e;

		if (tp->task->first.bits & TASK_EXITED)
			told.rc = RC_FAILED_PRECONDITION;
		exec_failed(tp);
		call_fail(st->call, &told);
		return;
	}
	tp->bits |= TASK_STARTED;
	task_process_made(tp);
	event.container_id = (char *)tp->task->container->id;
	event.exec_id = (char *)tp->id;
	event.pid = tp->pid;
	events_add(&tp->task->ctd->events, EVENT_EXEC_STARTED, &event.base);
	answer_start(st->call, tp);
	task_tell_exit(tp);
}

void task_start(struct call *c)
{
	const Containerd__Task__V2__StartRequest *req = (const void *)c->req;
	struct task_process *tp = task_process_find(c, req->id, req->exec_id);
	struct starting *st;

	if (!tp)
		return;
	if (tp->bits || (*tp->id && tp->process->state != PROCESS_NEW)) {
		call_failf(c, RC_FAILED_PRECONDITION, "process \"%s\" of %s was started already",
			   tp->id, req->id);
		return;
	}
	st = ARENA_NEW(&c->arena, struct starting);
	if (!st) {
		call_failf(c, RC_RESOURCE_EXHAUSTED, "Start: no memory");
		return;
	}
	*st = (struct starting){ c, tp };
	tp->bits |= TASK_STARTING;
	if (*tp->id)
		process_exec(tp->process, verb_deadline(c), exec_started, st);
	else
		container_start(tp->task->container, verb_deadline(c), first_started, st);
}

/* --- Kill --- */

static int signal_all(const struct container *c, unsigned int signo, struct err *e)
{
	pid_t pids[KILL_MAX];
	ssize_t n;

	if (!signo || signo > (unsigned int)SIGRTMAX)
		return err_set(e, RC_INVALID_ARGUMENT, "signal %u: no such signal", signo);
	n = c->cgroup_path ? cgroup_pids(c->host->cgroups, c->cgroup_path, CGROUP_RECURSIVE, pids,
					 KILL_MAX) :
			     -ENOENT;
	if (n < 0)
		return err_sys(e, (int)-n, "processes of container %s", c->id);
	for (ssize_t i = 0; i < MIN(n, (ssize_t)KILL_MAX); i++)
		kill(pids[i], (int)signo);
	return 0;
}

void task_kill(struct call *c)
{
	const Containerd__Task__V2__KillRequest *req = (const void *)c->req;
	struct task_process *tp = task_process_find(c, req->id, req->exec_id);
	struct err e = { 0 };

	if (!tp)
		return;
	if (tp->bits & TASK_EXITED || !tp->process)
		err_set(&e, RC_NOT_FOUND, "process already finished");
	else if (!req->all)
		process_signal(tp->process, req->signal, &e);
	else if (req->signal == SIGKILL)
		container_kill_all(tp->task->container, &e);
	else
		signal_all(tp->task->container, req->signal, &e);
	verb_answer(c, &e);
}

/* --- Wait --- */

static void wait_cancelled(struct call *c)
{
	list_remove(&c->park);
	call_failf(c, RC_CANCELLED, "Wait: cancelled");
}

void task_wait(struct call *c)
{
	const Containerd__Task__V2__WaitRequest *req = (const void *)c->req;
	struct task_process *tp = task_process_find(c, req->id, req->exec_id);
	Containerd__Task__V2__WaitResponse reply = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	Google__Protobuf__Timestamp stamp;

	if (!tp)
		return;
	if (!(tp->bits & TASK_TOLD)) {
		c->cancel = wait_cancelled;
		list_append(&tp->waiters, &c->park);
		return;
	}
	stamp_set(&stamp, tp->exited_ms);
	reply.exit_status = (uint32_t)tp->status;
	reply.exited_at = &stamp;
	call_reply(c, &reply.base);
}

/* --- Delete --- */

/* What is told when all is gone. */
struct deleting {
	struct call *call;
	struct ctd *ctd;
	const char *id;
	bool again; /* another one is under way, and tells the event */
	Containerd__Task__V2__DeleteResponse reply;
	Google__Protobuf__Timestamp stamp;
};

static struct deleting *deleting_new(struct call *c, const struct task_process *tp)
{
	struct deleting *d = ARENA_NEW(&c->arena, struct deleting);

	if (!d) {
		call_failf(c, RC_RESOURCE_EXHAUSTED, "Delete: no memory");
		return NULL;
	}
	d->call = c;
	d->ctd = tp->task->ctd;
	containerd__task__v2__delete_response__init(&d->reply);
	d->reply.pid = tp->pid;
	if (tp->bits & TASK_TOLD) {
		d->reply.exit_status = (uint32_t)tp->status;
		stamp_set(&d->stamp, tp->exited_ms);
		d->reply.exited_at = &d->stamp;
	}
	return d;
}

static void delete_exec(struct call *c, struct task_process *tp)
{
	struct deleting *d;

	if (tp->bits & (TASK_STARTING | TASK_STARTED) && !(tp->bits & TASK_EXITED)) {
		call_failf(c, RC_FAILED_PRECONDITION, "process \"%s\" runs", tp->id);
		return;
	}
	d = deleting_new(c, tp);
	if (!d)
		return;
	task_exec_free(tp);
	call_reply(c, &d->reply.base);
}

static void publish_delete(const struct deleting *d)
{
	Containerd__Events__TaskDelete event = CONTAINERD__EVENTS__TASK_DELETE__INIT;

	event.container_id = (char *)d->id;
	event.pid = d->reply.pid;
	event.exit_status = d->reply.exit_status;
	event.exited_at = d->reply.exited_at;
	events_add(&d->ctd->events, EVENT_DELETE, &event.base);
}

/* One that could not be removed may be deleted again. One that was never started was killed. */
static void deleted(void *owner, const struct err *e)
{
	struct deleting *d = owner;

	if (err_is_set(e)) {
		task_delete_failed(d->ctd, d->id);
		call_fail(d->call, e);
		return;
	}
	if (!d->reply.exited_at) {
		d->reply.exit_status = 128 + SIGKILL;
		stamp_set(&d->stamp, stamp_now());
		d->reply.exited_at = &d->stamp;
	}
	if (!d->again)
		publish_delete(d);
	call_reply(d->call, &d->reply.base);
}

void task_delete(struct call *c)
{
	const Containerd__Task__V2__DeleteRequest *req = (const void *)c->req;
	struct task_process *tp = task_process_find(c, req->id, req->exec_id);
	struct deleting *d;

	if (!tp)
		return;
	if (*tp->id) {
		delete_exec(c, tp);
		return;
	}
	if (tp->bits & (TASK_STARTING | TASK_STARTED) && !(tp->bits & TASK_TOLD)) {
		call_failf(c, RC_FAILED_PRECONDITION, "task \"%s\" is %s: cannot delete", req->id,
			   container_state_name(tp->task->container->state));
		return;
	}
	d = deleting_new(c, tp);
	if (!d)
		return;
	d->id = req->id;
	d->again = tp->task->deleting;
	tp->task->deleting = true;
	sandbox_container_remove(d->ctd->sandbox, tp->task->container, verb_deadline(c), deleted, d);
}

/* --- streams --- */

/* Without a terminal there is nothing to do, as other runtimes see it. */
void task_resize_pty(struct call *c)
{
	const Containerd__Task__V2__ResizePtyRequest *req = (const void *)c->req;
	struct task_process *tp = task_process_find(c, req->id, req->exec_id);
	struct err e = { 0 };

	if (!tp)
		return;
	if (tp->terminal && tp->process &&
	    streams_resize(&tp->process->streams, req->height, req->width, &e) < 0 &&
	    (e.rc == RC_UNAVAILABLE || tp->bits & TASK_EXITED))
		err_clear(&e);
	verb_answer(c, &e);
}

void task_close_io(struct call *c)
{
	const Containerd__Task__V2__CloseIORequest *req = (const void *)c->req;
	struct task_process *tp = task_process_find(c, req->id, req->exec_id);

	if (!tp)
		return;
	if (req->stdin)
		io_close_input(&tp->io);
	call_ok(c);
}
