/* SPDX-License-Identifier: Apache-2.0 */
#include "service/containerd/any.h"

#include <time.h>

bool any_is(const Google__Protobuf__Any *any, const char *name)
{
	const char *last;

	if (!any || !any->type_url)
		return false;
	last = strrchr(any->type_url, '/');
	return str_eq(last ? last + 1 : any->type_url, name);
}

ProtobufCMessage *any_open(const Google__Protobuf__Any *any, const ProtobufCMessageDescriptor *type,
			   struct arena *a, struct err *e)
{
	return pb_unpack(a, type, any->value.data, any->value.len, e);
}

int any_make(Google__Protobuf__Any *out, const char *name, const ProtobufCMessage *msg,
	     struct arena *a, struct err *e)
{
	google__protobuf__any__init(out);
	out->type_url = (char *)name;
	out->value.data = pb_pack(a, msg, &out->value.len, e);
	return out->value.data ? 0 : -1;
}

void stamp_set(Google__Protobuf__Timestamp *out, uint64_t ms)
{
	google__protobuf__timestamp__init(out);
	out->seconds = (int64_t)(ms / 1000);
	out->nanos = (int32_t)(ms % 1000 * 1000000);
}

uint64_t stamp_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
