/* SPDX-License-Identifier: Apache-2.0 */
/* Every request of the agent's services, decoded under its budget, encoded, decoded: the first byte
 * picks the method. */
#include <stdlib.h>

#include "agent.pb-c.h"
#include "ttrpc/pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const ProtobufCServiceDescriptor *service = &grpc__agent_service__descriptor;
	const ProtobufCMessageDescriptor *type;
	ProtobufCMessage *msg, *again;
	struct err e = { 0 };
	struct arena a, b;
	uint8_t *out;
	size_t len;

	if (!size)
		return 0;
	type = service->methods[data[0] % service->n_methods].input;
	arena_init(&a, pb_budget(size));
	arena_init(&b, 16u << 20);
	msg = pb_unpack(&a, type, data + 1, size - 1, &e);
	if (msg) {
		out = pb_pack(&b, msg, &len, &e);
		again = out ? pb_unpack(&b, type, out, len, &e) : NULL;
		/* Packing is stable from the second time on. */
		if (again && protobuf_c_message_get_packed_size(again) != len)
			abort();
	} else if (!err_is_set(&e)) {
		abort();
	}
	if (a.total > a.budget)
		abort();
	arena_fini(&a);
	arena_fini(&b);
	return 0;
}
