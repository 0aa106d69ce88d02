/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc.SandboxService, as Kuasar's host uses it beside tasks and streams: one call sets the pod up, with
 * its network; the clock is measured, and then shifted by a signed difference.
 */
#include "kuasar.pb-c.h"

#include "sandbox/interfaces.h"
#include "sandbox/machine.h"
#include "service/containerd/any.h"
#include "service/containerd/containerd.h"
#include "service/containerd/pod_config.h"

#define SANDBOX_ID "kuasar" /* its host gives the sandbox none */

/* What is asked for, one after the other. */
struct setup {
	struct call *call;
	struct sandbox *sandbox;
	struct sandbox_spec spec;
	struct net_interface *interfaces;
	struct net_route *routes;
	size_t n_interfaces, n_routes, at;
	uint64_t deadline_ms;
};

void kuasar_check(struct call *c)
{
	call_ok(c);
}

void kuasar_exec(struct call *c)
{
	call_failf(c, RC_UNIMPLEMENTED, "ExecVMProcess: there is no shell beside the containers");
}

/* --- network --- */

static int read_interfaces(struct setup *s, Kuasar__Interface *const *in, size_t n, struct arena *a,
			   struct err *e)
{
	s->interfaces = ARENA_ARRAY(a, struct net_interface, n);
	if (!s->interfaces)
		return err_sys(e, ENOMEM, "interfaces");
	for (size_t i = 0; i < n; i++) {
		struct net_address *v = ARENA_ARRAY(a, struct net_address, in[i]->n_ipaddresses);

		if (!v)
			return err_sys(e, ENOMEM, "interfaces");
		for (size_t k = 0; k < in[i]->n_ipaddresses; k++)
			v[k] = (struct net_address){ in[i]->ipaddresses[k]->address,
						     in[i]->ipaddresses[k]->mask };
		s->interfaces[i] = (struct net_interface){ .name = in[i]->name,
							   .mac = in[i]->hwaddr,
							   .device = "",
							   .mtu = in[i]->mtu,
							   .flags = in[i]->raw_flags,
							   .addresses = v,
							   .n_addresses = in[i]->n_ipaddresses };
	}
	s->n_interfaces = n;
	return 0;
}

static int read_routes(struct setup *s, Kuasar__Route *const *in, size_t n, struct arena *a,
		       struct err *e)
{
	s->routes = ARENA_ARRAY(a, struct net_route, n);
	if (!s->routes)
		return err_sys(e, ENOMEM, "routes");
	for (size_t i = 0; i < n; i++)
		s->routes[i] = (struct net_route){ .dest = in[i]->dest,
						   .gateway = in[i]->gateway,
						   .device = in[i]->device,
						   .source = in[i]->source,
						   .scope = in[i]->scope,
						   .flags = in[i]->flags,
						   .v6 = in[i]->family == KUASAR__IPFAMILY__v6 };
	s->n_routes = n;
	return 0;
}

static void next(void *owner, const struct err *e, const void *out UNUSED, size_t len UNUSED)
{
	struct setup *s = owner;

	if (err_is_set(e)) {
		call_fail(s->call, e);
	} else if (s->at < s->n_interfaces) {
		sandbox_interface_set(s->sandbox, &s->interfaces[s->at++], "", s->deadline_ms, next,
				      s);
	} else if (s->n_routes) {
		size_t n = s->n_routes;

		s->n_routes = 0;
		network_routes_set(s->sandbox->loop, s->routes, n, s->deadline_ms, next, s);
	} else {
		call_ok(s->call);
	}
}

static void start(struct setup *s)
{
	const struct err none = { 0 };

	next(s, &none, NULL, 0);
}

static struct setup *setup_new(struct call *c)
{
	struct setup *s = ARENA_NEW(&c->arena, struct setup);

	if (!s) {
		call_failf(c, RC_RESOURCE_EXHAUSTED, "no memory");
		return NULL;
	}
	s->call = c;
	s->sandbox = ctd_of(c)->sandbox;
	s->deadline_ms = verb_deadline(c);
	return s;
}

void kuasar_update_interfaces(struct call *c)
{
	const Kuasar__UpdateInterfacesRequest *req = (const void *)c->req;
	struct setup *s = setup_new(c);
	struct err e = { 0 };

	if (!s)
		return;
	if (read_interfaces(s, req->interfaces, req->n_interfaces, &c->arena, &e) < 0)
		call_fail(c, &e);
	else
		start(s);
}

void kuasar_update_routes(struct call *c)
{
	const Kuasar__UpdateRoutesRequest *req = (const void *)c->req;
	struct setup *s = setup_new(c);
	struct err e = { 0 };

	if (!s)
		return;
	if (read_routes(s, req->routes, req->n_routes, &c->arena, &e) < 0)
		call_fail(c, &e);
	else
		start(s);
}

/* --- the pod --- */

static void created(void *owner, const struct err *e)
{
	struct setup *s = owner;
	struct pod *p = &ctd_of(s->call)->pod;

	if (p->state == POD_CREATING) /* else it was shut down meanwhile */
		p->state = err_is_set(e) ? POD_NONE : POD_READY;
	p->created_ms = stamp_now();
	next(s, e, NULL, 0);
}

static int read_setup(struct setup *s, const Kuasar__SetupSandboxRequest *req, struct err *e)
{
	struct arena *a = &s->call->arena;
	const Runtime__V1__PodSandboxConfig *in;

	if (!any_is(req->config, "PodSandboxConfig"))
		return err_set(e, RC_NOT_FOUND, "config: not a PodSandboxConfig");
	in = pod_config_json(req->config->value.data, req->config->value.len, a, e);
	s->spec = (struct sandbox_spec){ .id = SANDBOX_ID, .hostname = "", .guest_hooks = "" };
	if (!in || pod_config_take(in, a, &s->spec, e) < 0)
		return err_ctx(e, "config");
	if (read_interfaces(s, req->interfaces, req->n_interfaces, a, e) < 0)
		return -1;
	return read_routes(s, req->routes, req->n_routes, a, e);
}

void kuasar_setup(struct call *c)
{
	const Kuasar__SetupSandboxRequest *req = (const void *)c->req;
	struct setup *s = setup_new(c);
	struct err e = { 0 };

	if (!s)
		return;
	if (ctd_of(c)->pod.state != POD_NONE)
		err_set(&e, RC_ALREADY_EXISTS, "the sandbox is set up already");
	else
		read_setup(s, req, &e);
	if (err_is_set(&e)) {
		call_fail(c, &e);
		return;
	}
	ctd_of(c)->pod.state = POD_CREATING;
	sandbox_create(s->sandbox, &s->spec, s->deadline_ms, created, s);
}

/* --- the clock --- */

void kuasar_sync_clock(struct call *c)
{
	const Kuasar__SyncClockPacket *req = (const void *)c->req;
	Kuasar__SyncClockPacket reply = *req;
	struct err e = { 0 };

	if (req->delta) {
		if (machine_shift_clock(req->delta, &e) < 0) {
			call_fail(c, &e);
			return;
		}
	} else {
		reply.clientarrivetime = machine_clock_ns();
		reply.serversendtime = machine_clock_ns();
	}
	call_reply(c, &reply.base);
}
