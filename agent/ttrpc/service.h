/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server offers: services as tables of rows. Message types come from the generated service
 * descriptor, so a row cannot disagree with the schema. service_check() refuses a row that is not
 * in the schema, a duplicate, and a schema method without a row.
 */
#ifndef MOTE_TTRPC_SERVICE_H
#define MOTE_TTRPC_SERVICE_H

#include <protobuf-c/protobuf-c.h>

#include "base/err.h"

struct call;

/* Gets a decoded request (call->req) and must see to it that the call is answered exactly once, now
 * or later (call_reply, call_ok, call_fail), whatever happens to the connection meanwhile. */
typedef void (*rpc_handler)(struct call *c);

enum rpc_flags {
	RPC_STREAM = 0x1,	/* client, server or both stream: see call.h, "streams" */
	RPC_RAW = 0x2,		/* nothing is decoded: for who passes messages on (call.h, "raw") */
};

struct rpc_row {
	const char *method;
	rpc_handler handler;
	unsigned int flags;
};

struct rpc_service {
	const ProtobufCServiceDescriptor *desc;
	const char *name;		/* wire name where it differs from desc->name, else NULL */
	const struct rpc_row *rows;
	size_t n_rows;
	/* NULL-terminated: methods of the schema that answer UNIMPLEMENTED; may be NULL. */
	const char *const *unimplemented;
};

/* All tables against their schemas. 0, or -1 with e naming service and method. */
int service_check(const struct rpc_service *const *services, struct err *e);

struct rpc_method {
	const struct rpc_service *service;
	const struct rpc_row *row;
	const ProtobufCMessageDescriptor *input, *output;
};

/* services: NULL-terminated. Unknown service: INVALID_ARGUMENT "X service does not exist"; unknown
 * or unimplemented method: UNIMPLEMENTED "X method". 0 or -1 with e. */
int service_find(const struct rpc_service *const *services, const char *service, const char *method,
		 struct rpc_method *out, struct err *e);

#endif
