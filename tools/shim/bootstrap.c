/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/bootstrap.h"

#include "base/str.h"
#include "ttrpc/wire.h"

#define TEXT_MAX 4096

/* BootstrapParams, BootstrapResult; DeleteResponse; RuntimeInfo and its RuntimeVersion. */
enum {
	PARAMS_ID = 1,
	PARAMS_NAMESPACE = 2,
	PARAMS_LOG_LEVEL = 3,
	PARAMS_TTRPC = 5,
	PARAMS_SOCKET_DIR = 9,
	RESULT_VERSION = 1,
	RESULT_ADDRESS = 2,
	RESULT_PROTOCOL = 3,
	DELETE_PID = 1,
	DELETE_STATUS = 2,
	DELETE_AT = 3,
	INFO_NAME = 1,
	INFO_VERSION = 2,
	VERSION_TEXT = 1,
	TIMESTAMP_SECONDS = 1,
};

#define LEVEL_DEBUG (-4) /* and below: more */

static bool says(struct arena *a, const uint8_t *data, size_t len, uint32_t number,
		 const char *what)
{
	const char *text = wire_text(a, data, len, number, TEXT_MAX);

	return text && what && *text && str_eq(text, what);
}

void bootstrap_read(struct arena *a, const uint8_t *data, size_t len,
		    const struct shim_flags *flags, struct bootstrap *out)
{
	struct wire_field level;
	const char *text;

	*out = (struct bootstrap){ .ttrpc_address = "", .socket_dir = "", .debug = flags->debug };
	if (!says(a, data, len, PARAMS_ID, flags->id) ||
	    !says(a, data, len, PARAMS_NAMESPACE, flags->namespace))
		return;
	out->is_params = true;
	text = wire_text(a, data, len, PARAMS_TTRPC, TEXT_MAX);
	out->ttrpc_address = text ? text : "";
	text = wire_text(a, data, len, PARAMS_SOCKET_DIR, TEXT_MAX);
	out->socket_dir = text ? text : "";
	if (wire_find(data, len, PARAMS_LOG_LEVEL, WIRE_VARINT, &level) > 0)
		out->debug = out->debug || (int64_t)level.value <= LEVEL_DEBUG;
}

static uint8_t *make(struct arena *a, const struct wire_edit *fields, size_t n, size_t *len)
{
	return wire_edit(a, (const uint8_t *)"", 0, fields, n, len);
}

uint8_t *bootstrap_answer(struct arena *a, const struct bootstrap *b,
			  const struct bootstrap_result *r, size_t *len)
{
	const struct wire_edit fields[] = {
		{ .number = RESULT_VERSION, .value = r->version },
		WIRE_TEXT(RESULT_ADDRESS, r->address),
		WIRE_TEXT(RESULT_PROTOCOL, "ttrpc"),
	};
	char *text;

	if (b->is_params)
		return make(a, fields, COUNT_OF(fields), len);
	/* the address has nothing that JSON would want escaped: it is made of a checked directory
	 * and digits */
	text = arena_printf(a, "{\"version\":%u,\"address\":\"%s\",\"protocol\":\"ttrpc\"}",
			    r->version, r->address);
	*len = text ? strlen(text) : 0;
	return (uint8_t *)text;
}

uint8_t *bootstrap_info(struct arena *a, const char *name, const char *version, size_t *len)
{
	const struct wire_edit inner[] = { WIRE_TEXT(VERSION_TEXT, version) };
	struct wire_edit fields[] = { WIRE_TEXT(INFO_NAME, name), { .number = INFO_VERSION } };

	fields[1].data = make(a, inner, COUNT_OF(inner), &fields[1].len);
	return fields[1].data ? make(a, fields, COUNT_OF(fields), len) : NULL;
}

uint8_t *bootstrap_deleted(struct arena *a, uint32_t pid, uint32_t status, int64_t seconds,
			   size_t *len)
{
	const struct wire_edit inner[] = { { .number = TIMESTAMP_SECONDS,
					     .value = (uint64_t)seconds } };
	struct wire_edit fields[] = {
		{ .number = DELETE_PID, .value = pid },
		{ .number = DELETE_STATUS, .value = status },
		{ .number = DELETE_AT },
	};

	fields[2].data = make(a, inner, COUNT_OF(inner), &fields[2].len);
	return fields[2].data ? make(a, fields, COUNT_OF(fields), len) : NULL;
}
