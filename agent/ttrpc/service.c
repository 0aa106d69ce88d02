/* SPDX-License-Identifier: Apache-2.0 */
#include "ttrpc/service.h"

static const char *wire_name(const struct rpc_service *s)
{
	return s->name ? s->name : s->desc->name;
}

static const ProtobufCMethodDescriptor *schema_method(const struct rpc_service *s, const char *name)
{
	return protobuf_c_service_descriptor_get_method_by_name(s->desc, name);
}

static const struct rpc_row *find_row(const struct rpc_service *s, const char *name)
{
	for (size_t i = 0; i < s->n_rows; i++)
		if (str_eq(s->rows[i].method, name))
			return &s->rows[i];
	return NULL;
}

static bool is_unimplemented(const struct rpc_service *s, const char *name)
{
	for (const char *const *m = s->unimplemented; m && *m; m++)
		if (str_eq(*m, name))
			return true;
	return false;
}

static int check_rows(const struct rpc_service *s, struct err *e)
{
	for (size_t i = 0; i < s->n_rows; i++) {
		const struct rpc_row *row = &s->rows[i];

		if (!schema_method(s, row->method))
			return err_set(e, RC_INTERNAL, "%s.%s: not in the schema", wire_name(s),
				       row->method);
		if (!row->handler)
			return err_set(e, RC_INTERNAL, "%s.%s: no handler", wire_name(s),
				       row->method);
		if (find_row(s, row->method) != row || is_unimplemented(s, row->method))
			return err_set(e, RC_INTERNAL, "%s.%s: listed twice", wire_name(s),
				       row->method);
	}
	for (const char *const *m = s->unimplemented; m && *m; m++)
		if (!schema_method(s, *m))
			return err_set(e, RC_INTERNAL, "%s.%s: not in the schema", wire_name(s),
				       *m);
	return 0;
}

static int check_schema(const struct rpc_service *s, struct err *e)
{
	for (unsigned int i = 0; i < s->desc->n_methods; i++) {
		const char *name = s->desc->methods[i].name;

		if (!find_row(s, name) && !is_unimplemented(s, name))
			return err_set(e, RC_INTERNAL, "%s.%s: no row", wire_name(s), name);
	}
	return 0;
}

int service_check(const struct rpc_service *const *services, struct err *e)
{
	for (size_t i = 0; services[i]; i++) {
		for (size_t j = 0; j < i; j++)
			if (str_eq(wire_name(services[i]), wire_name(services[j])))
				return err_set(e, RC_INTERNAL, "service %s: listed twice",
					       wire_name(services[i]));
		if (check_rows(services[i], e) < 0 || check_schema(services[i], e) < 0)
			return -1;
	}
	return 0;
}

int service_find(const struct rpc_service *const *services, const char *service, const char *method,
		 struct rpc_method *out, struct err *e)
{
	const ProtobufCMethodDescriptor *schema;
	const struct rpc_service *s = NULL;
	const struct rpc_row *row;

	for (size_t i = 0; services[i] && !s; i++)
		if (str_eq(wire_name(services[i]), service))
			s = services[i];
	if (!s)
		return err_set(e, RC_INVALID_ARGUMENT, "%s service does not exist", service);
	row = find_row(s, method);
	schema = row ? schema_method(s, method) : NULL;
	if (!schema)
		return err_set(e, RC_UNIMPLEMENTED, "%s method", method);
	*out = (struct rpc_method){ s, row, schema->input, schema->output };
	return 0;
}
