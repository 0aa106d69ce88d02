/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd's Sandbox: the pod's own life, apart from its containers'. The machine is booted by
 * StartSandbox and ended by StopSandbox; what is known of it, and of its processes, is told until
 * ShutdownSandbox.
 */
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "containerd_sandbox.pb-c.h"
#include "shim/shim.h"
#include "shim/task_work.h"
#include "ttrpc/pb.h"
#include "vm/vm_arch.h"

#define READY      "SANDBOX_READY"
#define NOT_READY  "SANDBOX_NOTREADY"
#define MEMORY_KEY "io.kubernetes.cri.sandbox-memory"
#define QUOTA_KEY  "io.kubernetes.cri.sandbox-cpu-quota"
#define PERIOD_KEY "io.kubernetes.cri.sandbox-cpu-period"

#define SB(name)   Containerd__Runtime__Sandbox__V1__##name

/* A call that is work. */
struct parked {
	struct work work;
	struct call *c;
};

static void park(struct call *c, void (*fn)(struct work *w))
{
	struct parked *p = ARENA_NEW(&c->arena, struct parked);

	if (!p) {
		call_failf(c, RC_RESOURCE_EXHAUSTED, "no memory");
		return;
	}
	p->c = c;
	shim_queue(call_context(c), &p->work, fn);
}

static struct call *call_of(struct work *w)
{
	return container_of(w, struct parked, work)->c;
}

/* Is it this pod's? Answers if not. */
static bool is_ours(struct call *c, const char *id)
{
	struct shim *s = call_context(c);

	if (str_eq(id, s->id) && s->sandbox.created)
		return true;
	call_failf(c, RC_NOT_FOUND, "sandbox %.80s", id);
	return false;
}

static void to_timestamp(const struct timespec *at, Google__Protobuf__Timestamp *out)
{
	google__protobuf__timestamp__init(out);
	out->seconds = at->tv_sec;
	out->nanos = (int32_t)at->tv_nsec;
}

/* --- create --- */

static const char *annotation(const SB(CreateSandboxRequest) * q, const char *key)
{
	for (size_t i = 0; i < q->n_annotations; i++)
		if (str_eq(q->annotations[i]->key, key))
			return q->annotations[i]->value;
	return "";
}

static uint64_t number(const SB(CreateSandboxRequest) * q, const char *key)
{
	uint64_t n = 0;

	return num_u64(annotation(q, key), INT64_MAX, &n) == 0 ? n : 0;
}

static int keep_options(struct sandbox *b, const SB(CreateSandboxRequest) * q, struct err *e)
{
	struct arena a;
	uint8_t *packed;
	size_t len;

	if (!q->options || str_empty(q->options->type_url))
		return 0;
	arena_init(&a, 12u << 20);
	packed = pb_pack(&a, &q->options->base, &len, e);
	b->options = packed ? malloc(len + 1) : NULL;
	if (b->options) {
		memcpy(b->options, packed, len);
		b->options_len = len;
	}
	arena_fini(&a);
	return b->options ? 0 : err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
}

static void create(struct call *c)
{
	const SB(CreateSandboxRequest) *q = (const void *)c->req;
	struct shim *s = call_context(c);
	struct sandbox *b = &s->sandbox;
	struct str netns = STR_OVER(b->netns);
	struct err e = { 0 };
	uint64_t quota, period;

	if (!str_eq(q->sandbox_id, s->id)) {
		call_failf(c, RC_INVALID_ARGUMENT, "sandbox_id: this shim is of %s", s->id);
		return;
	}
	if (b->created || s->machine != MACHINE_NONE) {
		call_failf(c, RC_ALREADY_EXISTS, "sandbox %s exists", s->id);
		return;
	}
	str_add(&netns, q->netns_path);
	if (!str_ok(&netns) || (*b->netns && !path_is_plain(b->netns))) {
		call_failf(c, RC_INVALID_ARGUMENT, "netns_path: no absolute path without '..'");
		return;
	}
	if (keep_options(b, q, &e) < 0) {
		call_fail(c, &e);
		return;
	}
	b->memory = number(q, MEMORY_KEY);
	quota = number(q, QUOTA_KEY);
	period = number(q, PERIOD_KEY);
	b->cpus = quota && period ? quota / period + (quota % period != 0) : 0;
	b->created = true;
	clock_gettime(CLOCK_REALTIME, &b->created_at);
	call_ok(c);
}

static void run_start(struct work *w)
{
	struct call *c = call_of(w);
	struct shim *s = call_context(c);
	SB(StartSandboxResponse)
	reply = CONTAINERD__RUNTIME__SANDBOX__V1__START_SANDBOX_RESPONSE__INIT;
	Google__Protobuf__Timestamp at;
	struct err e = { 0 };

	if (guest_up(s, s->id, &e) < 0) {
		sandbox_ended(s, STATUS_LOST);
		call_fail(c, &e);
		return;
	}
	s->sandbox.started = true;
	to_timestamp(&s->sandbox.created_at, &at);
	reply.pid = (uint32_t)s->vm_pid;
	reply.created_at = &at;
	call_reply(c, &reply.base);
}

static void start(struct call *c)
{
	const SB(StartSandboxRequest) *q = (const void *)c->req;
	struct shim *s = call_context(c);

	if (!is_ours(c, q->sandbox_id))
		return;
	if (s->sandbox.started || s->sandbox.ended)
		call_failf(c, RC_FAILED_PRECONDITION, "sandbox %s was started before", s->id);
	else
		park(c, run_start);
}

/* --- what is known of it --- */

static void platform(struct call *c)
{
	const SB(PlatformRequest) *q = (const void *)c->req;
	SB(PlatformResponse) reply = CONTAINERD__RUNTIME__SANDBOX__V1__PLATFORM_RESPONSE__INIT;
	Containerd__Types__Platform p = CONTAINERD__TYPES__PLATFORM__INIT;
	const char *name = vm_arch_host()->name;

	if (!is_ours(c, q->sandbox_id))
		return;
	p.os = (char *)"linux";
	p.architecture = (char *)(str_eq(name, "x86_64")    ? "amd64"
				  : str_eq(name, "aarch64") ? "arm64"
							    : name);
	reply.platform = &p;
	call_reply(c, &reply.base);
}

static void status(struct call *c)
{
	const SB(SandboxStatusRequest) *q = (const void *)c->req;
	SB(SandboxStatusResponse)
	reply = CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_STATUS_RESPONSE__INIT;
	SB(SandboxStatusResponse__InfoEntry)
	machine = CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_STATUS_RESPONSE__INFO_ENTRY__INIT,
	*info[] = { &machine };
	Google__Protobuf__Timestamp created, ended;
	struct shim *s = call_context(c);

	if (!is_ours(c, q->sandbox_id))
		return;
	to_timestamp(&s->sandbox.created_at, &created);
	to_timestamp(&s->sandbox.ended_at, &ended);
	reply.sandbox_id = (char *)s->id;
	reply.pid = (uint32_t)s->vm_pid;
	reply.state = (char *)(s->machine == MACHINE_UP && !s->sandbox.ended ? READY : NOT_READY);
	reply.created_at = &created;
	reply.exited_at = s->sandbox.ended ? &ended : NULL;
	machine.key = (char *)"machine";
	machine.value = arena_printf(&c->arena, "{\"vmm\":\"qemu\",\"pid\":%d}", (int)s->vm_pid);
	if (q->verbose && machine.value) {
		reply.n_info = 1;
		reply.info = info;
	}
	call_reply(c, &reply.base);
}

static void ping(struct call *c)
{
	const SB(PingRequest) *q = (const void *)c->req;

	if (is_ours(c, q->sandbox_id))
		call_ok(c);
}

static void on_metrics(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct call *c = arg;

	if (err_is_set(e))
		call_fail(c, e);
	else
		call_reply_raw(c, payload, len);
}

static void metrics(struct call *c)
{
	const SB(SandboxMetricsRequest) *q = (const void *)c->req;
	struct shim *s = call_context(c);
	struct err e = { 0 };

	if (!is_ours(c, q->sandbox_id))
		return;
	if (!s->calls)
		call_failf(c, RC_FAILED_PRECONDITION, "the machine does not run");
	else if (client_call_msg(s->calls, SANDBOX_SERVICE, "SandboxMetrics", c->req, 0, on_metrics,
				 c, &e) < 0)
		call_fail(c, &e);
}

/* --- the end --- */

static void reply_ended(struct call *c)
{
	struct shim *s = call_context(c);
	SB(WaitSandboxResponse)
	reply = CONTAINERD__RUNTIME__SANDBOX__V1__WAIT_SANDBOX_RESPONSE__INIT;
	Google__Protobuf__Timestamp at;

	to_timestamp(&s->sandbox.ended_at, &at);
	reply.exit_status = s->sandbox.status;
	reply.exited_at = &at;
	call_reply(c, &reply.base);
}

void sandbox_ended(struct shim *s, uint32_t how)
{
	struct call *c;

	if (!s->sandbox.ended) {
		s->sandbox.ended = true;
		s->sandbox.status = how;
		clock_gettime(CLOCK_REALTIME, &s->sandbox.ended_at);
	}
	while ((c = LIST_FIRST(&s->sandbox.waiters, struct call, park))) {
		list_remove(&c->park);
		reply_ended(c);
	}
}

static void forget_waiter(struct call *c)
{
	call_failf(c, RC_CANCELLED, "nobody waits any more");
}

static void wait_for_end(struct call *c)
{
	const SB(WaitSandboxRequest) *q = (const void *)c->req;
	struct shim *s = call_context(c);

	if (!is_ours(c, q->sandbox_id))
		return;
	if (s->sandbox.ended) {
		reply_ended(c);
		return;
	}
	c->cancel = forget_waiter;
	list_append(&s->sandbox.waiters, &c->park);
}

static void run_stop(struct work *w)
{
	struct call *c = call_of(w);
	struct shim *s = call_context(c);

	sandbox_ended(s, 0);
	guest_stop(s);
	call_ok(c);
}

static void stop(struct call *c)
{
	const SB(StopSandboxRequest) *q = (const void *)c->req;

	if (is_ours(c, q->sandbox_id))
		park(c, run_stop);
}

static void run_shutdown(struct work *w)
{
	struct call *c = call_of(w);
	struct shim *s = call_context(c);

	sandbox_ended(s, 0);
	guest_stop(s);
	s->sandbox.down = true;
	s->done = true;
	call_ok(c);
}

static void shut_down(struct call *c)
{
	const SB(ShutdownSandboxRequest) *q = (const void *)c->req;
	struct shim *s = call_context(c);

	if (!str_eq(q->sandbox_id, s->id))
		call_ok(c); /* one that is not there is as good as down */
	else
		park(c, run_shutdown);
}

static const struct rpc_row rows[] = {
	{ "CreateSandbox", create, 0 },     { "StartSandbox", start, 0 },
	{ "Platform", platform, 0 },        { "StopSandbox", stop, 0 },
	{ "WaitSandbox", wait_for_end, 0 }, { "SandboxStatus", status, 0 },
	{ "PingSandbox", ping, 0 },         { "ShutdownSandbox", shut_down, 0 },
	{ "SandboxMetrics", metrics, 0 },
};

const struct rpc_service shim_sandbox = {
	.desc = &containerd__runtime__sandbox__v1__sandbox__descriptor,
	.rows = rows,
	.n_rows = COUNT_OF(rows),
};
