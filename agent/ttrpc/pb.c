/* SPDX-License-Identifier: Apache-2.0 */
#include "ttrpc/pb.h"

#define BUDGET_BASE	(64u << 10)
#define BUDGET_FACTOR	8
#define BUDGET_MAX	(12u << 20)

struct source {
	struct arena *arena;
	bool exhausted;
};

static void *source_alloc(void *arg, size_t size)
{
	struct source *s = arg;
	void *p = arena_alloc(s->arena, size);

	if (!p)
		s->exhausted = true;
	return p;
}

/* The arena goes as a whole. */
static void source_free(void *arg UNUSED, void *p UNUSED)
{
}

/* The agent's own messages have no names (tools/strip-names); which one it is, the method tells. */
static const char *name_of(const ProtobufCMessageDescriptor *type)
{
	return type->name ? type->name : "the message";
}

ProtobufCMessage *pb_unpack(struct arena *a, const ProtobufCMessageDescriptor *type,
			    const uint8_t *data, size_t len, struct err *e)
{
	struct source source = { .arena = a };
	ProtobufCAllocator allocator = { source_alloc, source_free, &source };
	ProtobufCMessage *msg = protobuf_c_message_unpack(type, &allocator, len, data);

	if (msg)
		return msg;
	if (source.exhausted)
		err_set(e, RC_RESOURCE_EXHAUSTED, "no memory to decode %s", name_of(type));
	else
		err_set(e, RC_INVALID_ARGUMENT, "cannot decode %s", name_of(type));
	return NULL;
}

uint8_t *pb_pack(struct arena *a, const ProtobufCMessage *msg, size_t *len, struct err *e)
{
	size_t size = protobuf_c_message_get_packed_size(msg);
	uint8_t *out = arena_alloc(a, size);

	if (!out) {
		err_set(e, RC_RESOURCE_EXHAUSTED, "no memory to encode %s", name_of(msg->descriptor));
		return NULL;
	}
	*len = protobuf_c_message_pack(msg, out);
	return out;
}

size_t pb_budget(size_t frame_len)
{
	if (frame_len > (BUDGET_MAX - BUDGET_BASE) / BUDGET_FACTOR)
		return BUDGET_MAX;
	return BUDGET_BASE + BUDGET_FACTOR * frame_len;
}
