/* SPDX-License-Identifier: Apache-2.0 */
/* protobuf-c over arenas: budgets, hostile input, and what the schemas themselves must keep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "agent.pb-c.h"
#include "health.pb-c.h"
#include "ttrpc.pb-c.h"
#include "ttrpc/frame.h"
#include "ttrpc/pb.h"

static void budgets(void **state UNUSED)
{
	assert_int_equal(pb_budget(0), 65536);
	assert_int_equal(pb_budget(1000), 65536 + 8000);
	assert_int_equal(pb_budget(FRAME_MAX), 12 << 20);
	assert_int_equal(pb_budget(SIZE_MAX), 12 << 20);
	/* The bend is smooth. */
	assert_true(pb_budget(1564672) <= 12 << 20 && pb_budget(1564672) > (12 << 20) - 8);
	assert_int_equal(pb_budget(1564673), 12 << 20);
}

static void there_and_back(void **state UNUSED)
{
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	const Grpc__CheckRequest *back;
	struct err e = { 0 };
	struct arena a;
	uint8_t *data;
	size_t len;

	arena_init(&a, 65536);
	req.service = (char *)"all of it";
	data = pb_pack(&a, &req.base, &len, &e);
	assert_non_null(data);
	assert_int_equal(len, 11);
	back = (const Grpc__CheckRequest *)pb_unpack(&a, &grpc__check_request__descriptor, data,
						     len, &e);
	assert_non_null(back);
	assert_string_equal(back->service, "all of it");
	/* Nothing is a message too. */
	assert_non_null(pb_unpack(&a, &grpc__check_request__descriptor, NULL, 0, &e));
	assert_false(err_is_set(&e));
	arena_fini(&a);
}

static void junk_is_refused(void **state UNUSED)
{
	static const struct {
		const char *data;
		size_t len;
	} junk[] = {
		{ "\x0a", 1 },				/* no length */
		{ "\x0a\x05""abc", 5 },			/* cut */
		{ "\x0a\xff\xff\xff\xff\x0f", 6 },	/* 4 GiB */
		{ "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
		{ "\x07", 1 },				/* wire type 7 */
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11 },
	};

	for (size_t i = 0; i < COUNT_OF(junk); i++) {
		struct err e = { 0 };
		struct arena a;

		arena_init(&a, 65536);
		assert_null(pb_unpack(&a, &grpc__check_request__descriptor,
				      (const uint8_t *)junk[i].data, junk[i].len, &e));
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
		assert_string_equal(e.msg, "cannot decode grpc.CheckRequest");
		arena_fini(&a);
	}
}

/* Two bytes each on the wire, many more in memory: the budget stops it, whatever the field. */
static void a_frame_of_empty_strings_hits_the_budget(void **state UNUSED)
{
	const struct {
		const ProtobufCMessageDescriptor *type;
		uint8_t tag;
	} cases[] = {
		{ &grpc__process__descriptor, 4 << 3 | 2 },		/* Args */
		{ &ttrpc__request__descriptor, 5 << 3 | 2 },		/* metadata */
		{ &grpc__create_container_request__descriptor, 4 << 3 | 2 },	/* devices */
		{ &grpc__check_request__descriptor, 15 << 3 | 2 },	/* unknown */
	};
	uint8_t *frame = malloc(FRAME_MAX);
	size_t before = arena_bytes_in_use();

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err e = { 0 };
		struct arena a;

		for (size_t k = 0; k < FRAME_MAX; k += 2) {
			frame[k] = cases[i].tag;
			frame[k + 1] = 0;
		}
		arena_init(&a, pb_budget(FRAME_MAX));
		assert_null(pb_unpack(&a, cases[i].type, frame, FRAME_MAX, &e));
		assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
		assert_true(arena_bytes_in_use() - before <= 12 << 20);
		arena_fini(&a);
	}
	free(frame);
}

static void a_full_frame_of_data_fits_the_budget(void **state UNUSED)
{
	Grpc__WriteStreamRequest req = GRPC__WRITE_STREAM_REQUEST__INIT;
	uint8_t *data = malloc(FRAME_MAX), *frame = malloc(FRAME_MAX + 64);
	struct err e = { 0 };
	struct arena a;

	memset(data, 'd', FRAME_MAX);
	req.container_id = (char *)"c";
	req.data = (ProtobufCBinaryData){ FRAME_MAX - 40, data };
	arena_init(&a, pb_budget(FRAME_MAX));
	assert_non_null(pb_unpack(&a, &grpc__write_stream_request__descriptor, frame,
				  grpc__write_stream_request__pack(&req, frame), &e));
	arena_fini(&a);
	free(data);
	free(frame);
}

static void no_room_to_pack(void **state UNUSED)
{
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	struct err e = { 0 };
	struct arena a;
	size_t len;

	arena_init(&a, 0);
	req.service = (char *)"x";
	assert_null(pb_pack(&a, &req.base, &len, &e));
	assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
}

/* --- the schemas --- */

/* protobuf-c unpacks by recursion without a limit: in a graph with a cycle the peer would choose
 * our stack's depth. */
#define DEPTH_MAX 12

static size_t depth_of(const ProtobufCMessageDescriptor *type,
		       const ProtobufCMessageDescriptor **path, size_t depth)
{
	size_t deepest = depth;

	assert_true(depth < DEPTH_MAX);
	for (size_t i = 0; i < depth; i++)
		if (path[i] == type)
			fail_msg("%s contains itself", type->name);
	path[depth] = type;
	for (unsigned int i = 0; i < type->n_fields; i++)
		if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			deepest = MAX(deepest, depth_of(type->fields[i].descriptor, path, depth + 1));
	return deepest;
}

static void no_message_contains_itself(void **state UNUSED)
{
	const ProtobufCServiceDescriptor *all[] = { &grpc__agent_service__descriptor,
						    &grpc__health__descriptor };
	const ProtobufCMessageDescriptor *path[DEPTH_MAX];
	size_t deepest = 0;

	for (size_t s = 0; s < COUNT_OF(all); s++) {
		assert_true(all[s]->n_methods > 0);
		for (unsigned int m = 0; m < all[s]->n_methods; m++) {
			deepest = MAX(deepest, depth_of(all[s]->methods[m].input, path, 0));
			depth_of(all[s]->methods[m].output, path, 0);
		}
	}
	assert_true(deepest >= 3); /* CreateContainer: OCI, Linux, Resources: the walk did walk */
	depth_of(&ttrpc__request__descriptor, path, 0);
	depth_of(&ttrpc__response__descriptor, path, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(budgets),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(junk_is_refused),
		cmocka_unit_test(a_frame_of_empty_strings_hits_the_budget),
		cmocka_unit_test(a_full_frame_of_data_fits_the_budget),
		cmocka_unit_test(no_room_to_pack),
		cmocka_unit_test(no_message_contains_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
