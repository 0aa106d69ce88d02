/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include "agent.pb-c.h"
#include "health.pb-c.h"
#include "lib/base64.h"
#include "lib/pbjson.h"

#include <cmocka.h>

#define BUDGET	(1u << 20)

static ProtobufCMessage *read_text(struct arena *a, const ProtobufCMessageDescriptor *type,
				   const char *text, struct err *e)
{
	return pbjson_read(a, type, text, strlen(text), e);
}

/* Reads text as a message and writes it again on one line. */
static void check_round_trip(const ProtobufCMessageDescriptor *type, const char *in,
			     const char *out)
{
	struct err e = { 0 };
	struct arena a;
	ProtobufCMessage *msg;
	size_t len;
	char *text;

	arena_init(&a, BUDGET);
	msg = read_text(&a, type, in, &e);
	if (!msg)
		fail_msg("%s: %s", in, e.msg);
	text = pbjson_write(&a, msg, PBJSON_COMPACT, &len, &e);
	assert_non_null(text);
	assert_string_equal(text, out);
	assert_int_equal(len, strlen(out));
	arena_fini(&a);
	assert_int_equal(arena_bytes_in_use(), 0);
}

static void check_refused(const ProtobufCMessageDescriptor *type, const char *in, const char *why)
{
	struct err e = { 0 };
	struct arena a;

	arena_init(&a, BUDGET);
	if (read_text(&a, type, in, &e))
		fail_msg("accepted: %s", in);
	assert_string_equal(e.msg, why);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	arena_fini(&a);
}

static void both_spellings_of_a_name_are_read(void **state UNUSED)
{
	const ProtobufCMessageDescriptor *type = &grpc__wait_process_request__descriptor;
	const char *out = "{\"container_id\":\"a\",\"exec_id\":\"b\"}";

	check_round_trip(type, out, out);
	check_round_trip(type, "{\"containerId\":\"a\",\"execId\":\"b\"}", out);
	check_round_trip(type, "{\"exec_id\":null,\"containerId\":\"\"}", "{}");
	check_refused(type, "{\"containerid\":\"a\"}",
		      "grpc.WaitProcessRequest has no field 'containerid'");
	check_refused(type, "{\"execId\":\"a\",\"exec_id\":\"a\"}", "exec_id: given twice");
	check_refused(type, "{\"exec_id\\u0000\":\"a\"}",
		      "grpc.WaitProcessRequest has no field 'exec_id'");
	check_refused(type, "{\"exec_id\":\"a\\u0000b\"}", "exec_id: a string with a NUL in it");
	check_refused(type, "[]", "an object is wanted, not array");
	check_refused(type, "{\"exec_id\":7}", "exec_id: a string is wanted, not uint");
}

static void numbers_keep_their_range(void **state UNUSED)
{
	const ProtobufCMessageDescriptor *type =
		&grpc__copy_file_request__descriptor; /* int64, uint32, int32 */

	check_round_trip(
		type, "{\"file_size\":\"9223372036854775807\",\"offset\":-9223372036854775808}",
		"{\"file_size\":\"9223372036854775807\",\"offset\":\"-9223372036854775808\"}");
	check_round_trip(type,
			 "{\"file_mode\":4294967295,\"uid\":-2147483648,\"gid\":\"2147483647\"}",
			 "{\"file_mode\":4294967295,\"uid\":-2147483648,\"gid\":2147483647}");
	check_round_trip(type, "{\"uid\":1e3,\"gid\":-2.0}", "{\"uid\":1000,\"gid\":-2}");
	check_refused(type, "{\"file_size\":\"9223372036854775808\"}", "file_size: out of range");
	check_refused(type, "{\"file_mode\":4294967296}", "file_mode: out of range");
	check_refused(type, "{\"file_mode\":-1}", "file_mode: out of range");
	check_refused(type, "{\"uid\":2147483648}", "uid: out of range");
	check_refused(type, "{\"uid\":1.5}", "uid: not a whole number that is exact");
	check_refused(type, "{\"uid\":1e300}", "uid: not a whole number that is exact");
	check_refused(type, "{\"uid\":\" 1\"}", "uid: the string is not a number");
	check_refused(type, "{\"uid\":true}", "uid: a number is wanted, not true");
}

static void bytes_are_base64(void **state UNUSED)
{
	const ProtobufCMessageDescriptor *type = &grpc__write_stream_request__descriptor;

	check_round_trip(type, "{\"data\":\"aGVsbG8=\"}", "{\"data\":\"aGVsbG8=\"}");
	check_round_trip(type, "{\"data\":\"aGVsbG8\"}", "{\"data\":\"aGVsbG8=\"}");
	check_round_trip(type, "{\"data\":\"-_8=\"}", "{\"data\":\"+/8=\"}");
	check_round_trip(type, "{\"data\":\"\"}", "{}");
	check_refused(type, "{\"data\":\"a\"}", "data: not base64");
	check_refused(type, "{\"data\":\"aGVsbG8?\"}", "data: not base64");
	check_refused(type, "{\"data\":\"aGVsbG9=\"}", "data: not base64");
	check_refused(type, "{\"data\":\"=\"}", "data: not base64");
	check_refused(type, "{\"data\":1}", "data: base64 in a string is wanted, not uint");
}

static void base64_of_every_length_returns(void **state UNUSED)
{
	uint8_t data[64], back[64 + 3];
	char text[128];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37 + 11);
	for (size_t n = 0; n <= sizeof(data); n++) {
		base64_encode(data, n, text);
		assert_int_equal(strlen(text), base64_length(n));
		assert_int_equal(base64_decode(text, strlen(text), back), n);
		assert_memory_equal(data, back, n);
	}
}

static void enums_by_name_or_number(void **state UNUSED)
{
	const ProtobufCMessageDescriptor *type = &grpc__health_check_response__descriptor;

	check_round_trip(type, "{\"status\":\"SERVING\"}", "{\"status\":\"SERVING\"}");
	check_round_trip(type, "{\"status\":2}", "{\"status\":\"NOT_SERVING\"}");
	check_round_trip(type, "{\"status\":77}", "{\"status\":77}");
	check_refused(type, "{\"status\":\"serving\"}",
		      "status: grpc.HealthCheckResponse.ServingStatus has no value of that name");
	check_refused(type, "{\"status\":[]}", "status: a number is wanted, not array");
}

static void maps_are_objects(void **state UNUSED)
{
	const ProtobufCMessageDescriptor *spec = &grpc__spec__descriptor;

	check_round_trip(spec, "{\"Annotations\":{\"a\":\"1\",\"b.c/d\":\"\"}}",
			 "{\"Annotations\":{\"a\":\"1\",\"b.c/d\":\"\"}}");
	check_round_trip(spec, "{\"Annotations\":{}}", "{}");
	check_round_trip(&grpc__memory_stats__descriptor,
			 "{\"stats\":{\"anon\":\"18446744073709551615\",\"file\":7}}",
			 "{\"stats\":{\"anon\":\"18446744073709551615\",\"file\":\"7\"}}");
	check_round_trip(&grpc__cgroup_stats__descriptor,
			 "{\"hugetlbStats\":{\"2MB\":{\"usage\":1}}}",
			 "{\"hugetlb_stats\":{\"2MB\":{\"usage\":\"1\"}}}");
	check_refused(spec, "{\"Annotations\":[]}", "Annotations: an object is wanted, not array");
	check_refused(spec, "{\"Annotations\":{\"a\":1}}",
		      "Annotations: entry 0: a string is wanted, not uint");
}

static void an_error_names_the_way_to_it(void **state UNUSED)
{
	const ProtobufCMessageDescriptor *type = &grpc__create_container_request__descriptor;

	check_round_trip(type,
			 "{\"OCI\":{\"Process\":{\"Args\":[\"sh\",\"-c\"],\"Terminal\":true}}}",
			 "{\"OCI\":{\"Process\":{\"Terminal\":true,\"Args\":[\"sh\",\"-c\"]}}}");
	check_refused(type, "{\"OCI\":{\"Process\":{\"Args\":[\"a\",\"b\",3]}}}",
		      "OCI: Process: Args: [2]: a string is wanted, not uint");
	check_refused(type, "{\"OCI\":{\"Process\":{\"Terminal\":1}}}",
		      "OCI: Process: Terminal: true or false is wanted, not uint");
	check_refused(type, "{\"storages\":[null]}",
		      "storages: [0]: an object is wanted, not null");
}

static void one_member_of_a_oneof(void **state UNUSED)
{
	const ProtobufCMessageDescriptor *type = &grpc__linux_syscall__descriptor;

	check_round_trip(type, "{\"errnoret\":0}",
			 "{\"errnoret\":0}"); /* said, though it is zero */
	check_round_trip(type, "{\"Action\":\"x\"}", "{\"Action\":\"x\"}");
}

static void defaults_on_request(void **state UNUSED)
{
	struct err e = { 0 };
	struct arena a;
	ProtobufCMessage *msg;
	size_t len;

	arena_init(&a, BUDGET);
	msg = read_text(&a, &grpc__wait_process_response__descriptor, "{}", &e);
	assert_non_null(msg);
	assert_string_equal(pbjson_write(&a, msg, PBJSON_COMPACT, &len, &e), "{}");
	assert_string_equal(pbjson_write(&a, msg, PBJSON_COMPACT | PBJSON_DEFAULTS, &len, &e),
			    "{\"status\":0}");
	msg = read_text(&a, &grpc__linux_syscall__descriptor, "{}", &e);
	assert_string_equal(pbjson_write(&a, msg, PBJSON_COMPACT | PBJSON_DEFAULTS, &len, &e),
			    "{\"Names\":[],\"Action\":\"\",\"Args\":[]}");
	arena_fini(&a);
}

static void text_that_is_not_utf8_is_repaired(void **state UNUSED)
{
	Grpc__Metrics m = GRPC__METRICS__INIT;
	struct err e = { 0 };
	struct arena a;
	size_t len;

	arena_init(&a, BUDGET);
	m.metrics = (char *)"ok \xc3\xa4 bad \xff\xc0\x80 \xed\xa0\x80 end\xe2\x82";
	assert_string_equal(pbjson_write(&a, &m.base, PBJSON_COMPACT, &len, &e),
			    "{\"metrics\":\"ok \xc3\xa4 bad \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
			    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd end\xef\xbf\xbd\xef\xbf\xbd\"}");
	arena_fini(&a);
}

static void a_small_arena_is_an_error(void **state UNUSED)
{
	static const char text[] = "{\"OCI\":{\"Process\":{\"Args\":["
				   "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"b\"]}}}";

	for (size_t budget = 0; budget < 65536; budget += 512) {
		struct err e = { 0 };
		struct arena a;

		arena_init(&a, budget);
		if (read_text(&a, &grpc__create_container_request__descriptor, text, &e))
			assert_false(err_is_set(&e));
		else
			assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
		arena_fini(&a);
	}
}

/* Every message of the services: an empty one is written with all its defaults, and that text reads
 * back to the same. */
static void every_message_of_the_schema_round_trips(void **state UNUSED)
{
	static const ProtobufCServiceDescriptor *const services[] = {
		&grpc__health__descriptor, &grpc__agent_service__descriptor
	};

	for (size_t s = 0; s < COUNT_OF(services); s++) {
		for (unsigned int i = 0; i < services[s]->n_methods; i++) {
			const ProtobufCMessageDescriptor *type = services[s]->methods[i].input;
			struct err e = { 0 };
			struct arena a;
			ProtobufCMessage *msg;
			char *all, *again;
			size_t len;

			arena_init(&a, BUDGET);
			msg = read_text(&a, type, "{}", &e);
			assert_non_null(msg);
			all = pbjson_write(&a, msg, PBJSON_DEFAULTS, &len, &e);
			assert_non_null(all);
			msg = read_text(&a, type, all, &e);
			if (!msg)
				fail_msg("%s: %s", type->name, e.msg);
			again = pbjson_write(&a, msg, PBJSON_DEFAULTS, &len, &e);
			assert_string_equal(all, again);
			assert_true(protobuf_c_message_check(msg));
			arena_fini(&a);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_spellings_of_a_name_are_read),
		cmocka_unit_test(numbers_keep_their_range),
		cmocka_unit_test(bytes_are_base64),
		cmocka_unit_test(base64_of_every_length_returns),
		cmocka_unit_test(enums_by_name_or_number),
		cmocka_unit_test(maps_are_objects),
		cmocka_unit_test(an_error_names_the_way_to_it),
		cmocka_unit_test(one_member_of_a_oneof),
		cmocka_unit_test(defaults_on_request),
		cmocka_unit_test(text_that_is_not_utf8_is_repaired),
		cmocka_unit_test(a_small_arena_is_an_error),
		cmocka_unit_test(every_message_of_the_schema_round_trips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
