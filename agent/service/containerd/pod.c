/* SPDX-License-Identifier: Apache-2.0 */
/* containerd.runtime.sandbox.v1.Sandbox. */
#include "service/containerd/pod.h"

#include <sys/utsname.h>

#include "base/log.h"
#include "service/containerd/any.h"
#include "service/containerd/containerd.h"
#include "service/containerd/pod_config.h"

void pod_init(struct pod *p)
{
	*p = (struct pod){ 0 };
	list_init(&p->waiters);
}

struct pod *pod_find(struct call *c, const char *id)
{
	struct ctd *d = ctd_of(c);

	if (d->pod.state != POD_NONE && str_eq(id, d->sandbox->id))
		return &d->pod;
	call_failf(c, RC_NOT_FOUND, "sandbox \"%.64s\": not found", id);
	return NULL;
}

/* --- create, start --- */

static void created(void *owner, const struct err *e)
{
	struct call *c = owner;
	struct pod *p = &ctd_of(c)->pod;

	if (p->state == POD_CREATING) /* else it was shut down meanwhile */
		p->state = err_is_set(e) ? POD_NONE : POD_CREATED;
	p->created_ms = stamp_now();
	verb_answer(c, e);
}

void pod_create(struct call *c)
{
	const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *req = (const void *)c->req;
	struct sandbox_spec *spec = ARENA_NEW(&c->arena, struct sandbox_spec);
	struct ctd *d = ctd_of(c);
	struct err e = { 0 };

	if (!spec)
		err_set(&e, RC_RESOURCE_EXHAUSTED, "CreateSandbox: no memory");
	else if (!*req->sandbox_id)
		err_set(&e, RC_INVALID_ARGUMENT, "sandbox_id: missing");
	else if (d->pod.state != POD_NONE)
		err_set(&e, RC_ALREADY_EXISTS, "sandbox \"%s\" exists already", d->sandbox->id);
	else
		pod_config_read(req->options, &c->arena, spec, &e);
	if (err_is_set(&e)) {
		call_fail(c, &e);
		return;
	}
	spec->id = req->sandbox_id;
	d->pod.state = POD_CREATING;
	sandbox_create(d->sandbox, spec, verb_deadline(c), created, c);
}

/* The process is ours: there is none for the pod alone. */
void pod_start(struct call *c)
{
	const Containerd__Runtime__Sandbox__V1__StartSandboxRequest *req = (const void *)c->req;
	Containerd__Runtime__Sandbox__V1__StartSandboxResponse reply =
		CONTAINERD__RUNTIME__SANDBOX__V1__START_SANDBOX_RESPONSE__INIT;
	struct pod *p = pod_find(c, req->sandbox_id);
	Google__Protobuf__Timestamp stamp;

	if (!p)
		return;
	if (p->state != POD_CREATED) {
		call_failf(c, RC_FAILED_PRECONDITION, "sandbox \"%s\" %s", req->sandbox_id,
			   p->state == POD_CREATING ? "is being created" :
			   p->state == POD_READY    ? "was started already" :
						      "has been stopped");
		return;
	}
	p->state = POD_READY;
	stamp_set(&stamp, p->created_ms);
	reply.pid = (uint32_t)getpid();
	reply.created_at = &stamp;
	call_reply(c, &reply.base);
}

/* --- the end --- */

static void answer_wait(struct call *c, const struct pod *p)
{
	Containerd__Runtime__Sandbox__V1__WaitSandboxResponse reply =
		CONTAINERD__RUNTIME__SANDBOX__V1__WAIT_SANDBOX_RESPONSE__INIT;
	Google__Protobuf__Timestamp stamp;

	stamp_set(&stamp, p->exited_ms);
	reply.exited_at = &stamp;
	call_reply(c, &reply.base);
}

static void stop(struct pod *p)
{
	struct list queue;
	struct call *c;

	if (p->state == POD_STOPPED)
		return;
	p->state = POD_STOPPED;
	p->exited_ms = stamp_now();
	list_take(&p->waiters, &queue);
	while ((c = LIST_FIRST(&queue, struct call, park))) {
		list_remove(&c->park);
		answer_wait(c, p);
	}
}

/* What is stopped, or never was, is fine: containerd asks again after a failure. */
void pod_stop(struct call *c)
{
	const Containerd__Runtime__Sandbox__V1__StopSandboxRequest *req = (const void *)c->req;
	struct pod *p = pod_find(c, req->sandbox_id);

	if (!p)
		return;
	if (p->state == POD_CREATING) {
		call_failf(c, RC_FAILED_PRECONDITION, "sandbox \"%s\" is being created",
			   req->sandbox_id);
		return;
	}
	sandbox_kill_all(ctd_of(c)->sandbox);
	stop(p);
	call_ok(c);
}

static void wait_cancelled(struct call *c)
{
	list_remove(&c->park);
	call_failf(c, RC_CANCELLED, "WaitSandbox: cancelled");
}

void pod_wait(struct call *c)
{
	const Containerd__Runtime__Sandbox__V1__WaitSandboxRequest *req = (const void *)c->req;
	struct pod *p = pod_find(c, req->sandbox_id);

	if (!p)
		return;
	if (p->state == POD_STOPPED) {
		answer_wait(c, p);
		return;
	}
	c->cancel = wait_cancelled;
	list_append(&p->waiters, &c->park);
}

/* The machine goes down after the answer. An unknown sandbox is gone already. */
void pod_shutdown(struct call *c)
{
	const Containerd__Runtime__Sandbox__V1__ShutdownSandboxRequest *req = (const void *)c->req;
	struct ctd *d = ctd_of(c);

	if (d->pod.state == POD_NONE || !str_eq(req->sandbox_id, d->sandbox->id)) {
		call_ok(c);
		return;
	}
	stop(&d->pod);
	sandbox_destroy(d->sandbox, verb_deadline(c), verb_answer, c);
}

/* --- questions --- */

void pod_status(struct call *c)
{
	const Containerd__Runtime__Sandbox__V1__SandboxStatusRequest *req = (const void *)c->req;
	Containerd__Runtime__Sandbox__V1__SandboxStatusResponse reply =
		CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_STATUS_RESPONSE__INIT;
	Containerd__Runtime__Sandbox__V1__SandboxStatusResponse__InfoEntry version =
		CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_STATUS_RESPONSE__INFO_ENTRY__INIT,
		*info[] = { &version };
	struct pod *p = pod_find(c, req->sandbox_id);
	Google__Protobuf__Timestamp created_at, exited_at;

	if (!p)
		return;
	reply.sandbox_id = req->sandbox_id;
	reply.pid = (uint32_t)getpid();
	reply.state = (char *)(p->state == POD_READY ? "SANDBOX_READY" : "SANDBOX_NOTREADY");
	stamp_set(&created_at, p->created_ms);
	stamp_set(&exited_at, p->exited_ms);
	reply.created_at = &created_at;
	if (p->state == POD_STOPPED)
		reply.exited_at = &exited_at;
	version.key = (char *)"agent_version";
	version.value = (char *)ctd_of(c)->sandbox->opts.version;
	if (req->verbose) {
		reply.info = info;
		reply.n_info = COUNT_OF(info);
	}
	call_reply(c, &reply.base);
}

/* As Go names them. */
static const char *architecture(const char *machine)
{
	static const struct {
		const char *machine, *go;
	} names[] = { { "x86_64", "amd64" }, { "aarch64", "arm64" } };

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (str_eq(names[i].machine, machine))
			return names[i].go;
	return machine;
}

void pod_platform(struct call *c)
{
	Containerd__Runtime__Sandbox__V1__PlatformResponse reply =
		CONTAINERD__RUNTIME__SANDBOX__V1__PLATFORM_RESPONSE__INIT;
	Containerd__Types__Platform platform = CONTAINERD__TYPES__PLATFORM__INIT;
	struct utsname u;

	uname(&u);
	platform.os = (char *)"linux";
	platform.architecture = (char *)architecture(u.machine);
	reply.platform = &platform;
	call_reply(c, &reply.base);
}

void pod_ping(struct call *c)
{
	const Containerd__Runtime__Sandbox__V1__PingRequest *req = (const void *)c->req;

	if (pod_find(c, req->sandbox_id))
		call_ok(c);
}
