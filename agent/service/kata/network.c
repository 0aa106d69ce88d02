/* SPDX-License-Identifier: Apache-2.0 */
/* UpdateInterface, UpdateRoutes, ListInterfaces, ListRoutes, AddARPNeighbors, GetIPTables, SetIPTables. */
#include "sandbox/interfaces.h"
#include "service/convert.h"
#include "service/kata/kata.h"

/* Lists are as long as the guest's network, not as the request. */
#define LIST_BYTES	(12u << 20)

static struct loop *loop_of(const struct call *c)
{
	return kata_of(c)->sandbox->loop;
}

/* --- interfaces --- */

/* The reply is what was asked for. */
static void interface_done(void *owner, const struct err *e, const void *out UNUSED,
			   size_t len UNUSED)
{
	struct call *c = owner;
	const Grpc__UpdateInterfaceRequest *req = (const void *)c->req;

	if (err_is_set(e))
		call_fail(c, e);
	else
		call_reply(c, &req->interface->base);
}

void kata_update_interface(struct call *c)
{
	const Grpc__UpdateInterfaceRequest *req = (const void *)c->req;
	struct net_interface *i = ARENA_NEW(&c->arena, struct net_interface);
	struct err e = { 0 };

	if (!req->interface)
		err_set(&e, RC_INVALID_ARGUMENT, "UpdateInterface: no interface");
	else if (!i)
		err_set(&e, RC_RESOURCE_EXHAUSTED, "UpdateInterface: no memory");
	if (err_is_set(&e) || convert_interface(req->interface, &c->arena, i, &e) < 0)
		call_fail(c, &e);
	else
		sandbox_interface_set(kata_of(c)->sandbox, i, req->interface->devicepath,
				      verb_deadline(c), interface_done, c);
}

static void interfaces_listed(void *owner, const struct err *failed, const void *out, size_t len)
{
	struct call *c = owner;
	Grpc__Interfaces reply;
	struct err e = *failed;

	c->arena.budget += LIST_BYTES;
	if (err_is_set(&e) || convert_interface_list(out, len / sizeof(struct net_record), &c->arena, &reply, &e) < 0)
		call_fail(c, &e);
	else
		call_reply(c, &reply.base);
}

void kata_list_interfaces(struct call *c)
{
	network_list(loop_of(c), NET_LIST_INTERFACES, verb_deadline(c), interfaces_listed, c);
}

/* --- routes --- */

static void routes_listed(void *owner, const struct err *failed, const void *out, size_t len)
{
	struct call *c = owner;
	Grpc__Routes reply;
	struct err e = *failed;

	c->arena.budget += LIST_BYTES;
	if (err_is_set(&e) || convert_route_list(out, len / sizeof(struct net_record), &c->arena, &reply, &e) < 0)
		call_fail(c, &e);
	else
		call_reply(c, &reply.base);
}

void kata_list_routes(struct call *c)
{
	network_list(loop_of(c), NET_LIST_ROUTES, verb_deadline(c), routes_listed, c);
}

static void routes_set(void *owner, const struct err *e, const void *out UNUSED,
		       size_t len UNUSED)
{
	struct call *c = owner;

	if (err_is_set(e))
		call_fail(c, e);
	else
		kata_list_routes(c);
}

void kata_update_routes(struct call *c)
{
	static const Grpc__Routes none = GRPC__ROUTES__INIT;
	const Grpc__UpdateRoutesRequest *req = (const void *)c->req;
	const Grpc__Routes *in = req->routes ? req->routes : &none;
	struct err e = { 0 };
	struct net_route *r = convert_routes(in, &c->arena, &e);

	if (!r)
		call_fail(c, &e);
	else
		network_routes_set(loop_of(c), r, in->n_routes, verb_deadline(c), routes_set, c);
}

/* --- neighbours --- */

void kata_add_arp_neighbors(struct call *c)
{
	static const Grpc__ARPNeighbors none = GRPC__ARPNEIGHBORS__INIT;
	const Grpc__AddARPNeighborsRequest *req = (const void *)c->req;
	const Grpc__ARPNeighbors *in = req->neighbors ? req->neighbors : &none;
	struct err e = { 0 };
	struct net_neighbour *b = convert_neighbours(in, &c->arena, &e);

	if (!b)
		call_fail(c, &e);
	else
		network_neighbours_set(loop_of(c), b, in->n_arpneighbors, verb_deadline(c),
				       verb_answer_work, c);
}

/* --- packet filters --- */

static void iptables_got(void *owner, const struct err *e, const void *text, size_t len)
{
	Grpc__GetIPTablesResponse reply = GRPC__GET_IPTABLES_RESPONSE__INIT;
	struct call *c = owner;

	reply.data = (ProtobufCBinaryData){ len, (uint8_t *)text };
	if (err_is_set(e))
		call_fail(c, e);
	else
		call_reply(c, &reply.base);
}

void kata_get_iptables(struct call *c)
{
	const Grpc__GetIPTablesRequest *req = (const void *)c->req;

	network_iptables_get(loop_of(c), req->is_ipv6, verb_deadline(c), iptables_got, c);
}

static void iptables_set(void *owner, const struct err *e, const void *text, size_t len)
{
	Grpc__SetIPTablesResponse reply = GRPC__SET_IPTABLES_RESPONSE__INIT;
	struct call *c = owner;

	reply.data = (ProtobufCBinaryData){ len, (uint8_t *)text };
	if (err_is_set(e))
		call_fail(c, e);
	else
		call_reply(c, &reply.base);
}

void kata_set_iptables(struct call *c)
{
	const Grpc__SetIPTablesRequest *req = (const void *)c->req;

	network_iptables_set(loop_of(c), req->is_ipv6, req->data.data, req->data.len,
			     verb_deadline(c), iptables_set, c);
}
