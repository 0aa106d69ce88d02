/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/shim.h"

#include "shim/event_text.h"

#define EVENT_BYTES 65536

struct task *tasks_find(struct shim *s, const char *id)
{
	struct task *t;

	LIST_EACH(t, &s->tasks, struct task, node)
		if (str_eq(t->id, id))
			return t;
	return NULL;
}

struct proc *proc_find(struct shim *s, const char *id, const char *exec_id)
{
	struct task *t = tasks_find(s, id);
	struct proc *p;

	if (!t || str_empty(exec_id))
		return t ? &t->init : NULL;
	LIST_EACH(p, &t->execs, struct proc, node)
		if (str_eq(p->exec_id, exec_id))
			return p;
	return NULL;
}

static bool init_proc(struct proc *p, struct task *t, const char *exec_id)
{
	list_init(&p->node);
	p->task = t;
	p->exec_id = strdup(exec_id);
	return p->exec_id;
}

static void fini_proc(struct proc *p)
{
	stdio_free(TAKE_PTR(p->stdio));
	list_remove(&p->node);
	free(p->exec_id);
	for (int i = 0; i < 3; i++)
		free(p->urls[i]);
}

struct task *tasks_new(struct shim *s, const char *id, const char *bundle)
{
	struct task *t = mem_new(1, sizeof(*t));

	if (!t)
		return NULL;
	list_init(&t->execs);
	list_init(&t->dropped);
	t->id = strdup(id);
	t->bundle = strdup(bundle);
	if (!init_proc(&t->init, t, "") || !t->id || !t->bundle) {
		fini_proc(&t->init);
		free(t->id);
		free(t->bundle);
		free(t);
		return NULL;
	}
	list_append(&s->tasks, &t->node);
	return t;
}

struct proc *proc_new(struct task *t, const char *exec_id)
{
	struct proc *p = mem_new(1, sizeof(*p));

	if (!p)
		return NULL;
	if (!init_proc(p, t, exec_id)) {
		fini_proc(p);
		free(p);
		return NULL;
	}
	list_append(&t->execs, &p->node);
	return p;
}

int proc_set_urls(struct proc *p, bool terminal, const char *const urls[3])
{
	p->terminal = terminal;
	for (int i = 0; i < 3; i++) {
		free(p->urls[i]);
		p->urls[i] = strdup(urls[i]);
		if (!p->urls[i])
			return -ENOMEM;
	}
	return 0;
}

void proc_free(struct proc *p)
{
	struct task *t = p->task;

	if (t->holds) {
		list_remove(&p->node);
		list_append(&t->dropped, &p->node);
		return;
	}
	fini_proc(p);
	free(p);
}

static void free_all(struct list *procs)
{
	struct proc *p;

	while ((p = LIST_FIRST(procs, struct proc, node)))
		proc_free(p);
}

void tasks_hold(struct task *t)
{
	t->holds++;
}

void tasks_let_go(struct shim *s, struct task *t)
{
	if (--t->holds)
		return;
	free_all(&t->dropped);
	if (t->freed)
		tasks_free(s, t);
}

void tasks_free(struct shim *s, struct task *t)
{
	list_remove(&t->node);
	t->freed = true;
	if (t->holds)
		return;
	free_all(&t->execs);
	fini_proc(&t->init);
	share_remove(&s->share, t->id);
	disk_remove(s, t->disk);
	block_remove(s, t);
	free(t->id);
	free(t->bundle);
	free(t->rootfs);
	free(t);
}

void proc_stopped(struct proc *p, uint32_t status, const struct timespec *at)
{
	if (p->state == PROC_STOPPED)
		return;
	p->state = PROC_STOPPED;
	p->status = status;
	p->at = *at;
}

void proc_lost(struct shim *s, struct proc *p, const struct timespec *now)
{
	struct event_in in = { .id = p->task->id, .exec_id = p->exec_id };
	const uint8_t *event;
	struct arena a;
	size_t len;

	if (p->state == PROC_CREATED && *p->exec_id)
		return; /* an exec that was never begun has no end */
	proc_stopped(p, STATUS_LOST, now);
	if (p->exit_told)
		return;
	p->exit_told = true;
	in.status = p->status;
	in.at = p->at;
	arena_init(&a, EVENT_BYTES);
	event = event_text_exit(&a, &in, (uint32_t)s->vm_pid, &len);
	if (event)
		outbox_tell(s, event_exit_topic, event_exit_type, event, len);
	arena_fini(&a);
}

void tasks_deleted(struct shim *s, const struct task *t)
{
	/* told by the guest after its reply: the ones that are not awaited any more make room */
	free(s->deleted[s->next_deleted]);
	s->deleted[s->next_deleted] = strdup(t->id);
	s->next_deleted = (s->next_deleted + 1) % COUNT_OF(s->deleted);
}
