/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/schema.h"

#include "agent.pb-c.h"
#include "containerd_sandbox.pb-c.h"
#include "containerd_streaming.pb-c.h"
#include "containerd_task.pb-c.h"
#include "health.pb-c.h"
#include "kuasar.pb-c.h"
#include "lib/pbjson.h"
#include "mote.pb-c.h"

#define DEPTH_MAX	32	/* of messages in messages, when searching */

static const ProtobufCServiceDescriptor *const services[] = {
	&grpc__health__descriptor,
	&grpc__agent_service__descriptor,
	&containerd__task__v2__task__descriptor,
	&containerd__runtime__sandbox__v1__sandbox__descriptor,
	&containerd__services__streaming__v1__streaming__descriptor,
	&mote__v1__events__descriptor,
	&mote__v1__ports__descriptor,
	&kuasar__sandbox_service__descriptor,
	NULL,
};

static const char *const type_names[] = {
	[PROTOBUF_C_TYPE_INT32] = "int32",	 [PROTOBUF_C_TYPE_SINT32] = "sint32",
	[PROTOBUF_C_TYPE_SFIXED32] = "sfixed32", [PROTOBUF_C_TYPE_INT64] = "int64",
	[PROTOBUF_C_TYPE_SINT64] = "sint64",	 [PROTOBUF_C_TYPE_SFIXED64] = "sfixed64",
	[PROTOBUF_C_TYPE_UINT32] = "uint32",	 [PROTOBUF_C_TYPE_FIXED32] = "fixed32",
	[PROTOBUF_C_TYPE_UINT64] = "uint64",	 [PROTOBUF_C_TYPE_FIXED64] = "fixed64",
	[PROTOBUF_C_TYPE_FLOAT] = "float",	 [PROTOBUF_C_TYPE_DOUBLE] = "double",
	[PROTOBUF_C_TYPE_BOOL] = "bool",	 [PROTOBUF_C_TYPE_STRING] = "string",
	[PROTOBUF_C_TYPE_BYTES] = "bytes",
};

const ProtobufCServiceDescriptor *const *schema_services(void)
{
	return services;
}

/* Is `name` the full name or its last part? */
static bool matches(const char *full, const char *name, size_t n)
{
	const char *dot = strrchr(full, '.');

	return (strlen(full) == n && strncmp(full, name, n) == 0) ||
	       (dot && strlen(dot + 1) == n && strncmp(dot + 1, name, n) == 0);
}

int schema_find_method(const char *text, const ProtobufCServiceDescriptor **service,
		       const ProtobufCMethodDescriptor **method, struct err *e)
{
	const char *slash = strrchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : 0;

	if (!slash)
		return err_set(e, RC_INVALID_ARGUMENT, "'%.80s' is not SERVICE/METHOD", text);
	for (const ProtobufCServiceDescriptor *const *s = services; *s; s++) {
		if (!matches((*s)->name, text, n))
			continue;
		for (unsigned int i = 0; i < (*s)->n_methods; i++) {
			if (!str_eq((*s)->methods[i].name, slash + 1))
				continue;
			*service = *s;
			*method = &(*s)->methods[i];
			return 0;
		}
		return err_set(e, RC_NOT_FOUND,
			       "%s has no method '%.60s' ('motectl list' shows them)", (*s)->name,
			       slash + 1);
	}
	return err_set(e, RC_NOT_FOUND, "no service '%.*s' is known ('motectl list' shows them)",
		       (int)MIN(n, (size_t)60), text);
}

static void print_method(FILE *out, const ProtobufCServiceDescriptor *s,
			 const ProtobufCMethodDescriptor *m)
{
	fprintf(out, "%s/%s (%s) returns (%s)\n", s->name, m->name, m->input->name,
		m->output->name);
}

static void print_service(FILE *out, const ProtobufCServiceDescriptor *s)
{
	for (unsigned int i = 0; i < s->n_methods; i++)
		print_method(out, s, &s->methods[i]);
}

void schema_print_list(FILE *out)
{
	for (const ProtobufCServiceDescriptor *const *s = services; *s; s++)
		print_service(out, *s);
}

static const char *type_name(const ProtobufCFieldDescriptor *f)
{
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return ((const ProtobufCMessageDescriptor *)f->descriptor)->name;
	if (f->type == PROTOBUF_C_TYPE_ENUM)
		return ((const ProtobufCEnumDescriptor *)f->descriptor)->name;
	return type_names[f->type];
}

static void print_message(FILE *out, const ProtobufCMessageDescriptor *m)
{
	fprintf(out, "message %s {\n", m->name);
	for (unsigned int i = 0; i < m->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->fields[i];
		const ProtobufCMessageDescriptor *entry = f->descriptor;

		if (pbjson_is_map(m, f))
			fprintf(out, "  map<%s, %s> %s = %u;\n", type_name(&entry->fields[0]),
				type_name(&entry->fields[1]), f->name, f->id);
		else
			fprintf(out, "  %s%s %s = %u;%s\n",
				f->label == PROTOBUF_C_LABEL_REPEATED ? "repeated " : "",
				type_name(f), f->name, f->id,
				f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF ? " // oneof" : "");
	}
	fputs("}\n", out);
}

static void print_enum(FILE *out, const ProtobufCEnumDescriptor *type)
{
	fprintf(out, "enum %s {\n", type->name);
	for (unsigned int i = 0; i < type->n_values; i++)
		fprintf(out, "  %s = %d;\n", type->values[i].name, type->values[i].value);
	fputs("}\n", out);
}

/* Prints the first message or enum called `name` that `m` is or holds. */
static bool describe_type(FILE *out, const ProtobufCMessageDescriptor *m, const char *name,
			  unsigned int depth)
{
	if (matches(m->name, name, strlen(name))) {
		print_message(out, m);
		return true;
	}
	for (unsigned int i = 0; i < m->n_fields && depth < DEPTH_MAX; i++) {
		const ProtobufCFieldDescriptor *f = &m->fields[i];
		const ProtobufCEnumDescriptor *type = f->descriptor;

		if (f->type == PROTOBUF_C_TYPE_MESSAGE &&
		    describe_type(out, f->descriptor, name, depth + 1))
			return true;
		if (f->type == PROTOBUF_C_TYPE_ENUM && matches(type->name, name, strlen(name))) {
			print_enum(out, type);
			return true;
		}
	}
	return false;
}

int schema_describe(FILE *out, const char *name, struct err *e)
{
	const ProtobufCServiceDescriptor *service;
	const ProtobufCMethodDescriptor *method;

	if (strchr(name, '/')) {
		if (schema_find_method(name, &service, &method, e) < 0)
			return -1;
		print_method(out, service, method);
		print_message(out, method->input);
		print_message(out, method->output);
		return 0;
	}
	for (const ProtobufCServiceDescriptor *const *s = services; *s; s++) {
		if (matches((*s)->name, name, strlen(name))) {
			print_service(out, *s);
			return 0;
		}
	}
	for (const ProtobufCServiceDescriptor *const *s = services; *s; s++) {
		for (unsigned int i = 0; i < (*s)->n_methods; i++) {
			if (describe_type(out, (*s)->methods[i].input, name, 0) ||
			    describe_type(out, (*s)->methods[i].output, name, 0))
				return 0;
		}
	}
	return err_set(e, RC_NOT_FOUND, "no service, method, message or enum '%.80s' is known",
		       name);
}
