/* SPDX-License-Identifier: Apache-2.0 */
/* The schemas that motectl knows, and looking things up in them by name. Static tables only. */
#ifndef MOTE_LIB_SCHEMA_H
#define MOTE_LIB_SCHEMA_H

#include <protobuf-c/protobuf-c.h>
#include <stdio.h>

#include "base/err.h"

/* NULL-terminated. */
const ProtobufCServiceDescriptor *const *schema_services(void);

/* "grpc.AgentService/StartContainer", or "AgentService/StartContainer". -1 with e: NOT_FOUND. */
int schema_find_method(const char *text, const ProtobufCServiceDescriptor **service,
		       const ProtobufCMethodDescriptor **method, struct err *e);

/* One line per method. */
void schema_print_list(FILE *out);

/* A service, a method, a message or an enum, by full name or without its package, in the words of a
 * .proto file. -1 with e: NOT_FOUND. */
int schema_describe(FILE *out, const char *name, struct err *e);

#endif
