/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks and their processes: the objects, and the order in which exits are told. */
#include "service/containerd/task.h"

#include "base/log.h"
#include "containerd_events.pb-c.h"
#include "service/containerd/any.h"

#define STATUS_UNKNOWN 255

static void on_oom(struct container *c)
{
	const struct task *t = c->front_data;
	Containerd__Events__TaskOOM event = CONTAINERD__EVENTS__TASK_OOM__INIT;

	event.container_id = (char *)c->id;
	events_add(&t->ctd->events, EVENT_OOM, &event.base);
}

/* --- exits --- */

static void release_waiters(struct task_process *tp)
{
	Containerd__Task__V2__WaitResponse reply = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	Google__Protobuf__Timestamp stamp;
	struct list queue;
	struct call *c;

	stamp_set(&stamp, tp->exited_ms);
	reply.exit_status = (uint32_t)tp->status;
	reply.exited_at = &stamp;
	list_take(&tp->waiters, &queue);
	while ((c = LIST_FIRST(&queue, struct call, park))) {
		list_remove(&c->park);
		call_reply(c, &reply.base);
	}
}

static void publish_exit(const struct task_process *tp)
{
	const struct container *c = tp->task->container;
	Containerd__Events__TaskExit event = CONTAINERD__EVENTS__TASK_EXIT__INIT;
	Google__Protobuf__Timestamp stamp;

	stamp_set(&stamp, tp->exited_ms);
	event.container_id = (char *)c->id;
	event.id = (char *)(*tp->id ? tp->id : c->id);
	event.pid = tp->pid;
	event.exit_status = (uint32_t)tp->status;
	event.exited_at = &stamp;
	events_add(&tp->task->ctd->events, EVENT_EXIT, &event.base);
}

static bool has_running_execs(const struct task *t)
{
	for (const struct list *l = t->execs.next; l != &t->execs; l = l->next) {
		unsigned int bits = container_of(l, const struct task_process, node)->bits;

		if (bits & (TASK_STARTING | TASK_STARTED) && !(bits & TASK_TOLD))
			return true;
	}
	return false;
}

static bool is_first(const struct task_process *tp)
{
	return tp == &tp->task->first;
}

void task_tell_exit(struct task_process *tp)
{
	struct task *t = tp->task;

	if (!t->made || !(tp->bits & TASK_EXITED) || tp->bits & (TASK_TOLD | TASK_STARTING))
		return;
	if (is_first(tp) && has_running_execs(t))
		return; /* the last of them comes here */
	tp->bits |= TASK_TOLD;
	io_exited(&tp->io);
	/* what never ran has no exit for containerd */
	if (is_first(tp) || tp->bits & TASK_STARTED)
		publish_exit(tp);
	release_waiters(tp);
	if (!is_first(tp))
		task_tell_exit(&t->first);
}

/* Where processes are shared with the pod, the kernel does not end what the first one leaves. */
static void kill_rest(const struct task *t)
{
	struct err e = { 0 };

	if (t->made && t->container->state == CONTAINER_STOPPED &&
	    container_kill_all(t->container, &e) < 0)
		log_warn("task", "%s: end what is left: %s", t->container->id, e.msg);
}

static void process_exited(struct process_waiter *w, struct process *p, int status)
{
	struct task_process *tp = w->owner;

	tp->bits |= TASK_EXITED;
	tp->status = status;
	tp->exited_ms = p->exited_ms ? p->exited_ms : stamp_now();
	if (is_first(tp))
		kill_rest(tp->task);
	task_tell_exit(tp);
}

/* --- the objects --- */

static void fini(struct task_process *tp)
{
	process_wait_cancel(&tp->exit);
	io_drop(&tp->io);
	if (!(tp->bits & TASK_TOLD)) {
		tp->status = tp->bits & TASK_EXITED ? tp->status : STATUS_UNKNOWN;
		tp->exited_ms = tp->bits & TASK_EXITED ? tp->exited_ms : stamp_now();
	}
	release_waiters(tp);
}

static void on_gone(struct container *c)
{
	struct task *t = c->front_data;
	struct task_process *tp;

	LIST_EACH(tp, &t->execs, struct task_process, node) {
		tp->process = NULL; /* freed with the container's */
		task_exec_free(tp);
	}
	fini(&t->first);
}

static const struct container_front front = { on_oom, on_gone };

static int fill(struct task_process *tp, struct task *t, struct process *p,
		const char *const urls[3], bool terminal, struct err *e)
{
	tp->task = t;
	tp->process = p;
	tp->terminal = terminal;
	list_init(&tp->node);
	list_init(&tp->exit.node);
	list_init(&tp->waiters);
	if (terminal && *urls[2])
		return err_set(e, RC_INVALID_ARGUMENT, "stderr: is no part of a terminal");
	if (io_claim(&t->ctd->ios, &tp->io, urls, e) < 0)
		return -1;
	process_wait(p, &tp->exit, process_exited, tp);
	return 0;
}

struct task *task_new(struct ctd *d, struct container *c, const char *bundle,
		      const char *const urls[3], bool terminal, struct err *e)
{
	struct task *t = ARENA_NEW(&c->kept, struct task);

	if (!t) {
		err_sys(e, ENOMEM, "task");
		return NULL;
	}
	t->ctd = d;
	t->container = c;
	t->first.id = "";
	list_init(&t->execs);
	t->bundle = arena_strdup(&c->kept, bundle);
	for (size_t i = 0; i < COUNT_OF(t->first.urls); i++)
		t->first.urls[i] = arena_strdup(&c->kept, urls[i]);
	if (!t->bundle || !t->first.urls[0] || !t->first.urls[1] || !t->first.urls[2]) {
		err_sys(e, ENOMEM, "task");
		return NULL;
	}
	if (fill(&t->first, t, c->init, urls, terminal, e) < 0)
		return NULL;
	c->front = &front;
	c->front_data = t;
	return t;
}

static void copy(const char **out, char **at, const char *text)
{
	size_t n = strlen(text) + 1;

	memcpy(*at, text, n);
	*out = *at;
	*at += n;
}

struct task_process *task_exec_new(struct task *t, struct process *p, const char *const urls[3],
				   bool terminal, struct err *e)
{
	size_t n = strlen(p->id) + strlen(urls[0]) + strlen(urls[1]) + strlen(urls[2]) + 4;
	struct task_process *tp = mem_new(1, sizeof(*tp) + n);
	char *at;

	if (!tp) {
		err_sys(e, ENOMEM, "exec_id '%s'", p->id);
		return NULL;
	}
	at = (char *)(tp + 1);
	copy(&tp->id, &at, p->id);
	for (size_t i = 0; i < COUNT_OF(tp->urls); i++)
		copy(&tp->urls[i], &at, urls[i]);
	if (fill(tp, t, p, urls, terminal, e) < 0) {
		free(tp);
		return NULL;
	}
	list_append(&t->execs, &tp->node);
	return tp;
}

void task_exec_free(struct task_process *tp)
{
	fini(tp);
	list_remove(&tp->node);
	if (tp->process)
		process_forget(tp->process);
	free(tp);
}

void task_process_made(struct task_process *tp)
{
	tp->pid = (uint32_t)tp->process->pid;
	io_attach(&tp->io, &tp->process->streams);
	if (tp->bits & TASK_TOLD)
		io_exited(&tp->io);
}

/* --- looking --- */

static struct task *look_up(struct ctd *d, const char *id)
{
	struct err e = { 0 };
	struct container *found = sandbox_find(d->sandbox, id, &e);
	struct task *t = found && found->front == &front ? found->front_data : NULL;

	return t && t->made ? t : NULL;
}

void task_delete_failed(struct ctd *d, const char *id)
{
	struct task *t = look_up(d, id);

	if (t)
		t->deleting = false;
}

struct task *task_find(struct call *c, const char *id)
{
	struct task *t = look_up(ctd_of(c), id);

	if (t)
		return t;
	call_failf(c, RC_NOT_FOUND, "task \"%.64s\": not found", id);
	return NULL;
}

uint32_t task_pid(struct ctd *d, const char *id)
{
	const struct task *t = look_up(d, id);

	return t ? t->first.pid : 0;
}

struct task_process *task_process_find(struct call *c, const char *id, const char *exec_id)
{
	struct task *t = task_find(c, id);
	struct task_process *tp;

	if (!t)
		return NULL;
	if (!*exec_id)
		return &t->first;
	LIST_EACH(tp, &t->execs, struct task_process, node)
		if (str_eq(tp->id, exec_id))
			return tp;
	call_failf(c, RC_NOT_FOUND, "task \"%s\": process \"%.64s\" not found", id, exec_id);
	return NULL;
}

Containerd__V1__Types__Status task_status(const struct task_process *tp)
{
	enum container_state state = tp->task->container->state;

	if (tp->bits & TASK_TOLD || !tp->process)
		return CONTAINERD__V1__TYPES__STATUS__STOPPED;
	if (!is_first(tp))
		return tp->bits & TASK_STARTED ? CONTAINERD__V1__TYPES__STATUS__RUNNING :
						 CONTAINERD__V1__TYPES__STATUS__CREATED;
	if (state == CONTAINER_PAUSING)
		return CONTAINERD__V1__TYPES__STATUS__PAUSING;
	if (state == CONTAINER_PAUSED || state == CONTAINER_RESUMING)
		return CONTAINERD__V1__TYPES__STATUS__PAUSED;
	return tp->bits & (TASK_STARTED | TASK_EXITED) ? CONTAINERD__V1__TYPES__STATUS__RUNNING :
							 CONTAINERD__V1__TYPES__STATUS__CREATED;
}
