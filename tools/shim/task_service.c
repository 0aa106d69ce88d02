/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd's Task, versions 2 and 3: their messages are the same. Calls go through to the guest
 * as they are, and so do the replies but for what only the host knows: paths, and process ids.
 * Every process is told to have the machine's: a number of the guest would be some other process of
 * the host.
 */
#include "containerd_task.pb-c.h"
#include "shim/event_text.h"
#include "shim/host_hooks.h"
#include "shim/relay.h"
#include "shim/task_work.h"
#include "ttrpc/wire.h"

/* Fields of replies. */
enum {
	STATE_ID = 1,
	STATE_BUNDLE = 2,
	STATE_PID = 3,
	STATE_STATUS = 4,
	STATE_STDIN = 5,
	STATE_TERMINAL = 8,
	STATE_EXIT_STATUS = 9,
	STATE_EXITED_AT = 10,
	STATE_EXEC_ID = 11,
	START_PID = 1,
	DELETE_PID = 1,
	DELETE_STATUS = 2,
	DELETE_AT = 3,
	WAIT_STATUS = 1,
	WAIT_AT = 2,
	CONNECT_SHIM = 1,
	CONNECT_TASK = 2,
	CONNECT_VERSION = 3,
	PIDS_PROCESS = 1,
	INFO_PID = 1,
};

#define STOPPED  3 /* containerd.v1.types.Status */
#define GUEST_MS 120000

/* The reply with fields of ours in the place of the guest's. */
static void reply_edited(struct relay *r, const uint8_t *payload, size_t len,
			 const struct wire_edit *edits, size_t n)
{
	size_t out_len;
	uint8_t *out = wire_edit(&r->c->arena, payload, len, edits, n, &out_len);

	if (out)
		call_reply_raw(r->c, out, out_len);
	else
		relay_fail(r, RC_INTERNAL, "the guest's reply is malformed");
}

static struct proc *find(const struct relay *r)
{
	return proc_find(r->s, r->id, r->exec_id);
}

/* --- when there is no machine any more --- */

static void gone_not_found(struct relay *r)
{
	relay_fail(r, RC_NOT_FOUND, "the process has ended");
}

static void gone_wait(struct relay *r)
{
	struct wire_edit fields[] = { { .number = WAIT_STATUS }, { .number = WAIT_AT } };
	const struct proc *p = find(r);

	if (!p) {
		relay_fail(r, RC_NOT_FOUND, "no such process");
		return;
	}
	fields[0].value = p->status;
	fields[1].data = event_text_time(&r->c->arena, &p->at, &fields[1].len);
	relay_answer(r, fields, COUNT_OF(fields));
}

static void gone_state(struct relay *r)
{
	const struct proc *p = find(r);

	if (!p) {
		relay_fail(r, RC_NOT_FOUND, "no such process");
		return;
	}
	struct wire_edit fields[] = {
		WIRE_TEXT(STATE_ID, r->id),
		WIRE_TEXT(STATE_BUNDLE, p->task->bundle),
		{ .number = STATE_PID, .value = (uint64_t)r->s->vm_pid },
		{ .number = STATE_STATUS, .value = STOPPED },
		WIRE_TEXT(STATE_STDIN, p->urls[0]),
		WIRE_TEXT(STATE_STDIN + 1, p->urls[1]),
		WIRE_TEXT(STATE_STDIN + 2, p->urls[2]),
		{ .number = STATE_TERMINAL, .value = p->terminal },
		{ .number = STATE_EXIT_STATUS, .value = p->status },
		WIRE_TEXT(STATE_EXEC_ID, r->exec_id),
		{ .number = STATE_EXITED_AT },
	};

	fields[10].data = event_text_time(&r->c->arena, &p->at, &fields[10].len);
	relay_answer(r, fields, COUNT_OF(fields));
}

/* A container that has ended is told to have the machine's process: one without any is cleared away
 * by a containerd that starts again, before anybody has asked what it ended with. */
static void gone_pids(struct relay *r)
{
	const struct wire_edit pid = { .number = INFO_PID, .value = (uint64_t)r->s->vm_pid };
	struct wire_edit process = { .number = PIDS_PROCESS };

	if (!tasks_find(r->s, r->id)) {
		relay_fail(r, RC_NOT_FOUND, "no such container");
		return;
	}
	process.data = wire_edit(&r->c->arena, (const uint8_t *)"", 0, &pid, 1, &process.len);
	relay_answer(r, &process, 1);
}

static void pids_reply(struct relay *r, const uint8_t *payload, size_t len)
{
	if (len)
		call_reply_raw(r->c, payload, len);
	else
		gone_pids(r);
}

/* Shutdown is asked for once a container, which need not be the last: a pause container that has
 * ended is deleted before the others. */
static void end_if_empty(struct shim *s)
{
	if (s->last && list_empty(&s->tasks) && (!s->sandbox.created || s->sandbox.down))
		s->done = true;
}

static void tell_deleted(struct shim *s, const struct proc *p)
{
	struct event_in in = { .id = p->task->id, .status = p->status, .at = p->at };
	const uint8_t *event;
	struct arena a;
	size_t len;

	arena_init(&a, 65536);
	event = event_text_delete(&a, &in, (uint32_t)s->vm_pid, &len);
	if (event)
		outbox_tell(s, event_delete_topic, event_delete_type, event, len);
	arena_fini(&a);
}

static void gone_delete(struct relay *r)
{
	struct wire_edit fields[] = {
		{ .number = DELETE_PID, .value = (uint64_t)r->s->vm_pid },
		{ .number = DELETE_STATUS },
		{ .number = DELETE_AT },
	};
	struct proc *p = find(r);
	struct shim *s = r->s; /* r is the call's */

	if (!p) {
		relay_fail(r, RC_NOT_FOUND, "no such process");
		return;
	}
	fields[1].value = p->status;
	fields[2].data = event_text_time(&r->c->arena, &p->at, &fields[2].len);
	relay_answer(r, fields, COUNT_OF(fields));
	if (*p->exec_id) {
		proc_free(p);
		return;
	}
	tell_deleted(s, p);
	tasks_free(s, p->task);
	end_if_empty(s);
}

/* --- the calls --- */

static void plain(struct call *c)
{
	struct relay *r = relay_admit(c, false);

	if (!r)
		return;
	r->gone = gone_not_found;
	relay_send(r, false);
}

static void pids(struct call *c)
{
	struct relay *r = relay_admit(c, false);

	if (!r)
		return;
	r->reply = pids_reply;
	r->gone = gone_pids;
	relay_send(r, false);
}

static void wait_process(struct call *c)
{
	struct relay *r = relay_admit(c, true);

	if (!r)
		return;
	r->gone = gone_wait;
	relay_send(r, true);
}

static void state_reply(struct relay *r, const uint8_t *payload, size_t len)
{
	const struct proc *p = find(r);

	if (!p) {
		relay_fail(r, RC_NOT_FOUND, "no such process");
		return;
	}
	const struct wire_edit edits[] = {
		WIRE_TEXT(STATE_BUNDLE, p->task->bundle),
		{ .number = STATE_PID, .value = (uint64_t)r->s->vm_pid },
		WIRE_TEXT(STATE_STDIN, p->urls[0]),
		WIRE_TEXT(STATE_STDIN + 1, p->urls[1]),
		WIRE_TEXT(STATE_STDIN + 2, p->urls[2]),
	};

	reply_edited(r, payload, len, edits, COUNT_OF(edits));
}

static void state(struct call *c)
{
	struct relay *r = relay_admit(c, true);

	if (!r)
		return;
	r->reply = state_reply;
	r->gone = gone_state;
	relay_send(r, false);
}

static void start_reply(struct relay *r, const uint8_t *payload, size_t len)
{
	const struct wire_edit pid = { .number = START_PID, .value = (uint64_t)r->s->vm_pid };
	struct proc *p = find(r);

	if (p && p->state == PROC_CREATED) /* its exit may have been told first */
		p->state = PROC_RUNNING;
	reply_edited(r, payload, len, &pid, 1);
}

static bool has_hooks(const struct relay *r, enum bundle_hooks which)
{
	const struct task *t = tasks_find(r->s, r->id);

	return t && t->hooks & (unsigned int)which;
}

/* The hooks of the host run after the guest's answer and before ours. */
static void send_with_hooks(struct relay *r, enum bundle_hooks which)
{
	const struct task *t = tasks_find(r->s, r->id);
	unsigned int mask = t ? t->hooks & (unsigned int)which : 0;
	const char *bundle = mask ? arena_strdup(&r->c->arena, t->bundle) : "";
	const uint8_t *reply;
	struct err e = { 0 };
	size_t len;

	if (!mask || !bundle) {
		relay_send(r, false);
		return;
	}
	reply = guest_call(r->s, &r->c->arena, TASK_SERVICE, r->c->method.row->method, r->raw,
			   r->raw_len, GUEST_MS, &len, &e);
	if (!reply && guest_is_gone(&e))
		guest_lost(r->s);
	if (!reply && r->s->calls && r->s->machine != MACHINE_GONE) {
		call_fail(r->c, &e);
		return;
	}
	err_clear(&e);
	if (reply || which == BUNDLE_HOOKS_STOPPED)
		host_hooks_run(r->s, which, mask, r->id, bundle, &e);
	if (reply)
		r->reply(r, reply, len);
	else
		r->gone(r);
}

/* A client may have given the container a network since it was created. */
static void run_start(struct work *w)
{
	struct relay *r = container_of(w, struct relay, work);
	struct shim *s = r->s;
	struct err e = { 0 };

	if (s->machine == MACHINE_UP && net_follow(&s->net, s->vm, s->calls, &e) < 0)
		call_fail(r->c, &e);
	else
		send_with_hooks(r, BUNDLE_HOOKS_STARTED);
}

static void start(struct call *c)
{
	struct relay *r = relay_admit(c, true);

	if (!r)
		return;
	r->reply = start_reply;
	r->gone = gone_not_found;
	if (*r->exec_id ||
	    (!net_has_more(&r->s->net) && !has_hooks(r, BUNDLE_HOOKS_STARTED)))
		relay_send(r, false);
	else if (relay_keep(r))
		shim_queue(r->s, &r->work, run_start);
}

static void delete_reply(struct relay *r, const uint8_t *payload, size_t len)
{
	const struct wire_edit pid = { .number = DELETE_PID, .value = (uint64_t)r->s->vm_pid };
	struct proc *p = find(r);

	if (p && *p->exec_id) {
		proc_free(p);
	} else if (p) {
		tasks_deleted(r->s, p->task);
		tasks_free(r->s, p->task);
		guest_forget(r->s);
		end_if_empty(r->s);
	}
	reply_edited(r, payload, len, &pid, 1);
}

static void run_delete(struct work *w)
{
	send_with_hooks(container_of(w, struct relay, work), BUNDLE_HOOKS_STOPPED);
}

static void delete_process(struct call *c)
{
	struct relay *r = relay_admit(c, true);

	if (!r)
		return;
	r->reply = delete_reply;
	r->gone = gone_delete;
	if (*r->exec_id || !has_hooks(r, BUNDLE_HOOKS_STOPPED))
		relay_send(r, false);
	else if (relay_keep(r))
		shim_queue(r->s, &r->work, run_delete);
}

/* Of an exec or of the first process, with an exec_id in the request. */
static void to_process(struct call *c)
{
	struct relay *r = relay_admit(c, true);

	if (!r)
		return;
	r->gone = gone_not_found;
	relay_send(r, false);
}

static void close_io(struct call *c)
{
	struct relay *r = relay_admit(c, true);
	struct proc *p;

	if (!r)
		return;
	p = find(r);
	if (p && (!p->stdio || stdio_close_stdin(p->stdio))) {
		call_ok(c);
		return;
	}
	r->gone = gone_not_found;
	relay_send(r, false);
}

static void connect_task(struct call *c)
{
	struct relay *r = relay_admit(c, false);
	struct shim *s;

	if (!r)
		return;
	s = r->s;
	/* Asked after a restart of containerd, of the sandbox too: any error would end the whole
	 * pod. */
	const struct wire_edit fields[] = {
		{ .number = CONNECT_SHIM, .value = (uint64_t)getpid() },
		{ .number = CONNECT_TASK, .value = tasks_find(s, r->id) ? (uint64_t)s->vm_pid : 0 },
		WIRE_TEXT(CONNECT_VERSION, MOTE_VERSION),
	};

	relay_answer(r, fields, COUNT_OF(fields));
}

/* Sent after each container's end by some, never by others. */
static void shutdown_shim(struct call *c)
{
	struct shim *s = call_context(c);

	s->last = true;
	end_if_empty(s);
	call_ok(c);
}

static const struct rpc_row rows[] = {
	{ "State", state, RPC_RAW },
	{ "Create", task_work_create, RPC_RAW },
	{ "Start", start, RPC_RAW },
	{ "Delete", delete_process, RPC_RAW },
	{ "Pids", pids, RPC_RAW },
	{ "Pause", plain, RPC_RAW },
	{ "Resume", plain, RPC_RAW },
	{ "Kill", to_process, RPC_RAW },
	{ "Exec", task_work_exec, RPC_RAW },
	{ "ResizePty", to_process, RPC_RAW },
	{ "CloseIO", close_io, RPC_RAW },
	{ "Update", plain, RPC_RAW },
	{ "Wait", wait_process, RPC_RAW },
	{ "Stats", plain, RPC_RAW },
	{ "Connect", connect_task, RPC_RAW },
	{ "Shutdown", shutdown_shim, RPC_RAW },
};

static const char *const unimplemented[] = { "Checkpoint", NULL };

const struct rpc_service shim_task_v2 = {
	.desc = &containerd__task__v2__task__descriptor,
	.rows = rows,
	.n_rows = COUNT_OF(rows),
	.unimplemented = unimplemented,
};

const struct rpc_service shim_task_v3 = {
	.desc = &containerd__task__v2__task__descriptor,
	.name = "containerd.task.v3.Task",
	.rows = rows,
	.n_rows = COUNT_OF(rows),
	.unimplemented = unimplemented,
};
