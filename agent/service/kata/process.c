/* SPDX-License-Identifier: Apache-2.0 */
/* ExecProcess, SignalProcess, WaitProcess. */
#include <signal.h>

#include "service/convert.h"
#include "service/kata/linger.h"

static void exec(struct call *c, int fds[3])
{
	const Grpc__ExecProcessRequest *req = (const void *)c->req;
	struct container *found = kata_container(c, req->container_id);
	struct process *p;
	struct err e = { 0 };

	if (!found)
		return;
	p = process_find(found, req->exec_id);
	if (p)
		linger_end(kata_of(c), p); /* waited for: its id is free again */
	p = process_new(found, req->exec_id, &e);
	if (!p) {
		call_fail(c, &e);
		return;
	}
	p->spec = convert_process(req->process, &p->arena, &e);
	if (!p->spec || process_pass(p, fds, &e) < 0) {
		process_forget(p);
		call_fail(c, &e);
		return;
	}
	process_exec(p, verb_deadline(c), verb_answer, c);
}

void kata_exec_process(struct call *c)
{
	const Grpc__ExecProcessRequest *req = (const void *)c->req;
	const uint32_t ports[] = { req->stdin_port, req->stdout_port, req->stderr_port };

	kata_take_streams(c, ports, exec);
}

/* An empty exec id with SIGKILL means everything in the container. */
static void signal_all(struct call *c, const char *id)
{
	struct container *found = kata_container(c, id);
	struct err e = { 0 };

	if (!found)
		return;
	if (container_kill_all(found, &e) < 0)
		call_fail(c, &e);
	else
		call_ok(c);
}

void kata_signal_process(struct call *c)
{
	const Grpc__SignalProcessRequest *req = (const void *)c->req;
	struct err e = { 0 };
	struct process *p;

	if (!*req->exec_id && req->signal == SIGKILL) {
		signal_all(c, req->container_id);
		return;
	}
	p = kata_process(c, req->container_id, req->exec_id);
	if (!p)
		return;
	if (process_signal(p, req->signal, &e) < 0)
		call_fail(c, &e);
	else
		call_ok(c);
}

static void reply_status(struct call *c, struct process *p, int status)
{
	Grpc__WaitProcessResponse reply = GRPC__WAIT_PROCESS_RESPONSE__INIT;

	linger_add(kata_of(c), p);
	reply.status = status;
	call_reply(c, &reply.base);
}

static void on_exit_told(struct process_waiter *w, struct process *p, int status)
{
	reply_status(w->owner, p, status);
}

static void wait_cancelled(struct call *c)
{
	process_wait_cancel(c->state);
	call_failf(c, RC_CANCELLED, "WaitProcess: cancelled");
}

void kata_wait_process(struct call *c)
{
	const Grpc__WaitProcessRequest *req = (const void *)c->req;
	struct process *p = kata_process(c, req->container_id, req->exec_id);
	struct process_waiter *w;

	if (!p)
		return;
	w = ARENA_NEW(&c->arena, struct process_waiter);
	if (!w) {
		call_failf(c, RC_RESOURCE_EXHAUSTED, "WaitProcess: no memory");
		return;
	}
	c->state = w;
	c->cancel = wait_cancelled;
	if (process_wait(p, w, on_exit_told, c))
		reply_status(c, p, p->status);
}
