/* SPDX-License-Identifier: Apache-2.0 */
/* The frame header and the envelope, against bytes written down here and against the generated
 * code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "ttrpc.pb-c.h"
#include "ttrpc/envelope.h"
#include "ttrpc/frame.h"

static void header_is_big_endian(void **state UNUSED)
{
	static const uint8_t bytes[FRAME_HEADER] = { 0, 1, 2, 3, 0x84, 5, 6, 7, 3, 5 };
	uint8_t back[FRAME_HEADER];
	struct frame f;

	frame_decode(bytes, &f);
	assert_int_equal(f.length, 0x00010203);
	assert_int_equal(f.stream, 0x84050607);
	assert_int_equal(f.type, FRAME_DATA);
	assert_int_equal(f.flags, FRAME_REMOTE_CLOSED | FRAME_NO_DATA);
	frame_encode(&f, back);
	assert_memory_equal(back, bytes, sizeof(bytes));
}

static void header_takes_every_value(void **state UNUSED)
{
	static const uint32_t words[] = {
		0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0x7fffffff, 0x80000000, UINT32_MAX,
	};

	for (size_t i = 0; i < COUNT_OF(words); i++) {
		for (unsigned int b = 0; b < 256; b++) {
			struct frame f = { words[i], ~words[i], (uint8_t)b, (uint8_t)~b }, back;
			uint8_t bytes[FRAME_HEADER];

			frame_encode(&f, bytes);
			frame_decode(bytes, &back);
			assert_int_equal(back.length, f.length);
			assert_int_equal(back.stream, f.stream);
			assert_int_equal(back.type, f.type);
			assert_int_equal(back.flags, f.flags);
		}
	}
}

/* What we write by hand is byte for byte what the generated code writes. */
static void request_is_what_the_schema_says(void **state UNUSED)
{
	static const int64_t timeouts[] = { 0, 1, 127, 128, 5000000000, INT64_MAX };
	static const size_t lens[] = { 0, 1, 127, 128, 300, 20000 };
	static uint8_t payload[20000], mine[20100], theirs[20100];

	memset(payload, 0xab, sizeof(payload));
	for (size_t t = 0; t < COUNT_OF(timeouts); t++) {
		for (size_t n = 0; n < COUNT_OF(lens); n++) {
			Ttrpc__Request pb = TTRPC__REQUEST__INIT;
			struct body body = { .data = payload, .len = lens[n] };
			struct envelope_request r = { "grpc.Health", "Check", body, timeouts[t] };
			size_t size = envelope_request_size(&r);

			pb.service = (char *)"grpc.Health";
			pb.method = (char *)"Check";
			pb.payload = (ProtobufCBinaryData){ lens[n], payload };
			pb.timeout_nano = timeouts[t];
			assert_int_equal(ttrpc__request__get_packed_size(&pb), size);
			ttrpc__request__pack(&pb, theirs);
			envelope_request_write(&r, mine);
			assert_memory_equal(mine, theirs, size);
		}
	}
}

static void response_is_what_the_schema_says(void **state UNUSED)
{
	static const size_t lens[] = { 0, 1, 127, 128, 20000 };
	static uint8_t payload[20000], mine[20400], theirs[20400];
	static char text[201];

	memset(text, 'e', 200);
	for (size_t n = 0; n < COUNT_OF(lens); n++) {
		for (int code = 0; code <= 16; code++) {
			Ttrpc__Response pb = TTRPC__RESPONSE__INIT;
			Ttrpc__Status status = TTRPC__STATUS__INIT;
			struct body body = { .data = payload, .len = lens[n] };
			struct envelope_response r = { code, text + 12 * code, body };
			size_t size = envelope_response_size(&r);

			status.code = code;
			status.message = text + 12 * code;
			pb.status = code ? &status : NULL;
			pb.payload = (ProtobufCBinaryData){ lens[n], payload };
			assert_int_equal(ttrpc__response__get_packed_size(&pb), size);
			ttrpc__response__pack(&pb, theirs);
			envelope_response_write(&r, mine);
			assert_memory_equal(mine, theirs, size);
		}
	}
}

static void envelopes_come_back(void **state UNUSED)
{
	struct body xyz = { .data = (const uint8_t *)"xyz", .len = 3 };
	struct envelope_request req = { "a.B", "C", xyz, 77 }, req2;
	struct envelope_response resp = { RC_NOT_FOUND, "no such thing", { 0 } }, resp2;
	uint8_t buf[100];
	struct err e = { 0 };
	struct arena a;

	arena_init(&a, 4096);
	envelope_request_write(&req, buf);
	assert_int_equal(envelope_request_read(&a, buf, envelope_request_size(&req), &req2, &e), 0);
	assert_string_equal(req2.service, "a.B");
	assert_string_equal(req2.method, "C");
	assert_int_equal(req2.payload.len, 3);
	assert_memory_equal(req2.payload.data, "xyz", 3);
	assert_true(req2.payload.data > buf && req2.payload.data < buf + sizeof(buf)); /* not copied */
	assert_int_equal(req2.timeout_nano, 77);
	envelope_response_write(&resp, buf);
	assert_int_equal(envelope_response_read(&a, buf, envelope_response_size(&resp), &resp2, &e),
			 0);
	assert_int_equal(resp2.rc, RC_NOT_FOUND);
	assert_string_equal(resp2.message, "no such thing");
	assert_int_equal(resp2.payload.len, 0);
	/* A status of code 0, as the reference sends it, and none at all, are success. */
	assert_int_equal(envelope_response_read(&a, (const uint8_t *)"\x0a\x00", 2, &resp2, &e), 0);
	assert_int_equal(resp2.rc, RC_OK);
	assert_int_equal(envelope_response_read(&a, NULL, 0, &resp2, &e), 0);
	assert_int_equal(resp2.rc, RC_OK);
	arena_fini(&a);
}

static void text_becomes_utf8(void **state UNUSED)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\xff", "?" },
		{ "\x80x", "?x" },
		{ "\xc3", "?" },			/* cut */
		{ "\xe2\x82", "??" },
		{ "\xf0\x9f\x98...", "???..." },	/* cut by an error's end */
		{ "\xc0\xaf", "??" },			/* overlong '/' */
		{ "\xe0\x80\x80", "???" },
		{ "\xed\xa0\x80", "???" },		/* a surrogate */
		{ "\xf4\x90\x80\x80", "????" },		/* above U+10FFFF */
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char buf[32];

		memcpy(buf, cases[i].in, strlen(cases[i].in) + 1);
		envelope_make_utf8(buf);
		assert_string_equal(buf, cases[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_is_big_endian),
		cmocka_unit_test(header_takes_every_value),
		cmocka_unit_test(request_is_what_the_schema_says),
		cmocka_unit_test(response_is_what_the_schema_says),
		cmocka_unit_test(envelopes_come_back),
		cmocka_unit_test(text_becomes_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
