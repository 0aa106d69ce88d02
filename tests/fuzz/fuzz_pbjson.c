/* SPDX-License-Identifier: Apache-2.0 */
/* JSON to a message and back: the first byte picks the type. What was read is well-formed, can be
 * written, and reads again. */
#include "agent.pb-c.h"
#include "health.pb-c.h"
#include "lib/pbjson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const types[] = {
	&grpc__create_container_request__descriptor,
	&grpc__stats_container_response__descriptor,
	&grpc__copy_file_request__descriptor,
	&grpc__health_check_response__descriptor,
	&grpc__mem_agent_memcg_config__descriptor,
	&grpc__update_interface_request__descriptor,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const ProtobufCMessageDescriptor *type;
	ProtobufCMessage *msg;
	struct err e = { 0 };
	struct arena a;
	size_t len;
	char *text;

	if (!size)
		return 0;
	type = types[data[0] % COUNT_OF(types)];
	arena_init(&a, 4u << 20);
	msg = pbjson_read(&a, type, (const char *)data + 1, size - 1, &e);
	if (!msg != err_is_set(&e))
		abort();
	if (msg) {
		if (!protobuf_c_message_check(msg))
			abort();
		text = pbjson_write(&a, msg, data[0] & 0x80 ? PBJSON_DEFAULTS : 0, &len, &e);
		if (text && !pbjson_read(&a, type, text, len, &e) && e.rc != RC_RESOURCE_EXHAUSTED)
			abort();
	}
	arena_fini(&a);
	return 0;
}
