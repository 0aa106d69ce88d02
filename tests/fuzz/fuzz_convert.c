/* SPDX-License-Identifier: Apache-2.0 */
/* Kata's grpc.Spec, from bytes as they come by the wire or as JSON, into the model and through the
 * rules to the plan. */
#include <stdlib.h>

#include "base/path.h"
#include "container/rootfs.h"
#include "lib/pbjson.h"
#include "service/convert.h"
#include "ttrpc/pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void follow(const struct spec *s, struct arena *a)
{
	const struct rootfs_facts facts = { .cgroup2 = true, .cgroup_path = "/c",
					    .user_ns = s->linux.ns[NS_USER].want };
	struct err e = { 0 };
	struct plan p;

	plan_init(&p, a);
	if (spec_validate(s, &e) == 0 && rootfs_plan(s, &facts, &p, &e) == 0) {
		for (size_t i = 0; i < p.n; i++)
			if (!path_is_plain(p.ops[i].target))
				abort();
	} else if (!err_is_set(&e)) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const ProtobufCMessageDescriptor *type = &grpc__spec__descriptor;
	struct err e = { 0 };
	struct arena call, own;
	ProtobufCMessage *msg;
	struct spec *s;

	arena_init(&call, 4 << 20);
	arena_init(&own, 1 << 20);
	s = spec_new(&own);
	if (!s)
		abort();
	msg = size && data[0] == '{' ? pbjson_read(&call, type, (const char *)data, size, &e) :
				       pb_unpack(&call, type, data, size, &e);
	if (!msg) {
		if (!err_is_set(&e))
			abort();
	} else if (convert_spec((const Grpc__Spec *)msg, &own, s, &e) == 0) {
		arena_fini(&call);	/* nothing points into the call */
		follow(s, &own);
	} else if (!err_is_set(&e)) {
		abort();
	}
	arena_fini(&call);
	arena_fini(&own);
	return 0;
}
