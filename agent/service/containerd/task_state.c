/* SPDX-License-Identifier: Apache-2.0 */
/* Task.State, Pids, Pause, Resume, Update, Checkpoint, Connect, Shutdown. */
#include "base/log.h"
#include "container/spec_json.h"
#include "containerd_events.pb-c.h"
#include "containerd_runc.pb-c.h"
#include "service/containerd/any.h"
#include "service/containerd/task.h"

#define PIDS_MAX   32768 /* of one reply */
#define PIDS_BYTES (4u << 20)

void task_state(struct call *c)
{
	const Containerd__Task__V2__StateRequest *req = (const void *)c->req;
	struct task_process *tp = task_process_find(c, req->id, req->exec_id);
	Containerd__Task__V2__StateResponse reply = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	Google__Protobuf__Timestamp stamp;

	if (!tp)
		return;
	reply.id = *tp->id ? (char *)tp->id : req->id;
	reply.exec_id = (char *)tp->id;
	reply.bundle = (char *)tp->task->bundle;
	reply.pid = tp->pid;
	reply.status = task_status(tp);
	reply.stdin = (char *)tp->urls[0];
	reply.stdout = (char *)tp->urls[1];
	reply.stderr = (char *)tp->urls[2];
	reply.terminal = tp->terminal;
	if (tp->bits & TASK_TOLD) {
		reply.exit_status = (uint32_t)tp->status;
		stamp_set(&stamp, tp->exited_ms);
		reply.exited_at = &stamp;
	}
	call_reply(c, &reply.base);
}

/* --- Pids --- */

/* 0, or -1 with e. Which processes are execs is told by an Any. */
static int fill_pid(const struct task *t, pid_t pid, Containerd__V1__Types__ProcessInfo *out,
		    struct arena *a, struct err *e)
{
	Containerd__Runc__V1__ProcessDetails details = CONTAINERD__RUNC__V1__PROCESS_DETAILS__INIT;

	containerd__v1__types__process_info__init(out);
	out->pid = (uint32_t)pid;
	for (const struct list *l = t->execs.next; l != &t->execs; l = l->next) {
		const struct task_process *tp = container_of(l, const struct task_process, node);

		if (tp->pid != out->pid || tp->bits & TASK_EXITED)
			continue;
		details.exec_id = (char *)tp->id;
		out->info = ARENA_NEW(a, Google__Protobuf__Any);
		if (!out->info)
			return err_sys(e, ENOMEM, "Pids");
		return any_make(out->info, "containerd.runc.v1.ProcessDetails", &details.base, a, e);
	}
	return 0;
}

static int fill_pids(const struct task *t, struct arena *a,
		     Containerd__Task__V2__PidsResponse *out, struct err *e)
{
	const struct container *c = t->container;
	pid_t *pids = ARENA_ARRAY(a, pid_t, PIDS_MAX);
	ssize_t n = pids && c->cgroup_path ? cgroup_pids(c->host->cgroups, c->cgroup_path,
							 CGROUP_RECURSIVE, pids, PIDS_MAX) :
					     0;
	Containerd__V1__Types__ProcessInfo *v;

	if (n < 0 && n != -ENOENT)
		return err_sys(e, (int)-n, "processes of container %s", c->id);
	n = n < 0 ? 0 : MIN(n, (ssize_t)PIDS_MAX);
	v = ARENA_ARRAY(a, Containerd__V1__Types__ProcessInfo, (size_t)n);
	out->processes = ARENA_ARRAY(a, Containerd__V1__Types__ProcessInfo *, (size_t)n);
	if (!pids || !v || !out->processes)
		return err_sys(e, ENOMEM, "Pids");
	for (ssize_t i = 0; i < n; i++) {
		if (fill_pid(t, pids[i], &v[i], a, e) < 0)
			return -1;
		out->processes[out->n_processes++] = &v[i];
	}
	return 0;
}

void task_pids(struct call *c)
{
	const Containerd__Task__V2__PidsRequest *req = (const void *)c->req;
	Containerd__Task__V2__PidsResponse reply = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;
	struct task *t = task_find(c, req->id);
	struct err e = { 0 };

	if (!t)
		return;
	c->arena.budget += PIDS_BYTES;
	if (fill_pids(t, &c->arena, &reply, &e) < 0)
		call_fail(c, &e);
	else
		call_reply(c, &reply.base);
}

/* --- Pause, Resume --- */

static void answer_change(void *owner, const struct err *e, enum event_kind kind)
{
	Containerd__Events__TaskPaused event = CONTAINERD__EVENTS__TASK_PAUSED__INIT;
	struct call *c = owner;

	/* the two events are alike */
	event.container_id = ((const Containerd__Task__V2__PauseRequest *)(const void *)c->req)->id;
	if (!err_is_set(e))
		events_add(&ctd_of(c)->events, kind, &event.base);
	verb_answer(c, e);
}

static void paused(void *owner, const struct err *e)
{
	answer_change(owner, e, EVENT_PAUSED);
}

static void resumed(void *owner, const struct err *e)
{
	answer_change(owner, e, EVENT_RESUMED);
}

void task_pause(struct call *c)
{
	const Containerd__Task__V2__PauseRequest *req = (const void *)c->req;
	struct task *t = task_find(c, req->id);

	if (t)
		container_pause(t->container, verb_deadline(c), paused, c);
}

void task_resume(struct call *c)
{
	const Containerd__Task__V2__ResumeRequest *req = (const void *)c->req;
	struct task *t = task_find(c, req->id);

	if (t)
		container_resume(t->container, verb_deadline(c), resumed, c);
}

/* --- the rest --- */

void task_update(struct call *c)
{
	const Containerd__Task__V2__UpdateTaskRequest *req = (const void *)c->req;
	struct task *t = task_find(c, req->id);
	struct spec_resources *res;
	struct err e = { 0 };

	if (!t)
		return;
	if (!req->resources) {
		call_ok(c);
		return;
	}
	if (!any_is(req->resources, "LinuxResources")) {
		call_failf(c, RC_INVALID_ARGUMENT, "resources: not LinuxResources");
		return;
	}
	res = spec_json_read_resources((const char *)req->resources->value.data,
				       req->resources->value.len, &c->arena, &e);
	if (!res) {
		call_fail(c, &e);
		return;
	}
	/* CRI sends all resources of the spec, with the devices by the host's numbers: the rules stay,
	 * as they do with runc (SkipDevices in its update.go) */
	res->n_devices = 0;
	container_update(t->container, res, verb_deadline(c), verb_answer, c);
}

void task_checkpoint(struct call *c)
{
	call_failf(c, RC_UNIMPLEMENTED, "Checkpoint: a guest has no CRIU; save the machine instead");
}

/* Also of what is no task: containerd asks so whether a shim lives. */
void task_connect(struct call *c)
{
	const Containerd__Task__V2__ConnectRequest *req = (const void *)c->req;
	Containerd__Task__V2__ConnectResponse reply =
		CONTAINERD__TASK__V2__CONNECT_RESPONSE__INIT;

	reply.shim_pid = (uint32_t)getpid();
	reply.task_pid = task_pid(ctd_of(c), req->id);
	reply.version = (char *)ctd_of(c)->sandbox->opts.version;
	call_reply(c, &reply.base);
}

/* Some versions of containerd send it after each container's end. */
void task_shutdown(struct call *c)
{
	struct sandbox *s = ctd_of(c)->sandbox;

	if (s->state != SANDBOX_EMPTY || sandbox_container_count(s))
		call_ok(c);
	else
		sandbox_destroy(s, verb_deadline(c), verb_answer, c);
}
