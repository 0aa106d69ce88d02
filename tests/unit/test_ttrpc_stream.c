/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of the server: frames as the protocol's text wants them, and every way to end. */
#include "ttrpc_stream_fixture.h"

/* --- requests and ends --- */

static void both_sides_talk(void **state UNUSED)
{
	int fd;

	seen.echo = true;
	fd = open_stream(FRAME_REMOTE_OPEN, NULL);
	assert_null(seen.call->req);
	data(fd, 0, "a");
	expect_frame(fd, FRAME_DATA, 0, 2);
	data(fd, 0, "");	/* an empty message is a message */
	expect_frame(fd, FRAME_DATA, 0, 2);
	data(fd, 0, "b");
	expect_frame(fd, FRAME_DATA, 0, 2);
	peer_frame(fd, 1, FRAME_DATA, STREAM_END, NULL, 0);
	expect_frame(fd, FRAME_DATA, STREAM_END, 0);
	assert_string_equal(seen.text, "ab");
	assert_int_equal(seen.messages, 3);
	assert_int_equal(seen.ends, 1);
	assert_int_equal(stats().calls, 0);
	close(fd);
}

static void the_last_message_may_close(void **state UNUSED)
{
	int fd;

	seen.echo = true;
	fd = open_stream(FRAME_REMOTE_OPEN, NULL);
	data(fd, FRAME_REMOTE_CLOSED, "last");
	expect_frame(fd, FRAME_DATA, 0, 2);
	expect_frame(fd, FRAME_DATA, STREAM_END, 0);
	assert_string_equal(seen.text, "last");
	close(fd);
}

/* Which requests carry a message: see PROTOCOL.md and what Go and Rust clients send. */
static void first_messages(void **state UNUSED)
{
	static const struct {
		uint8_t flags;
		const char *first;
		bool has_req;
		int ends;
	} cases[] = {
		{ FRAME_REMOTE_OPEN, NULL, false, 0 },
		{ FRAME_REMOTE_OPEN | FRAME_NO_DATA, NULL, false, 0 },
		{ FRAME_REMOTE_OPEN, "x", true, 0 },
		{ FRAME_REMOTE_CLOSED, "x", true, 1 },
		{ FRAME_REMOTE_CLOSED, NULL, true, 1 },	/* an empty message */
		{ 0, "x", true, 1 },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int fd;

		forget_all();
		fd = open_stream(cases[i].flags, cases[i].first);
		assert_int_equal(seen.call->req != NULL, cases[i].has_req);
		assert_int_equal(seen.messages, 0);
		assert_int_equal(seen.ends, cases[i].ends);
		call_stream_end(seen.call);
		expect_frame(fd, FRAME_DATA, STREAM_END, 0);
		close(fd);
	}
}

static void a_stream_may_end_with_a_status(void **state UNUSED)
{
	int fd = open_stream(FRAME_REMOTE_OPEN, NULL);

	send_status_message(seen.call);
	call_failf(seen.call, RC_NOT_FOUND, "gone");
	expect_frame(fd, FRAME_DATA, 0, 2);
	expect_status(fd, 1, RC_NOT_FOUND, "gone");
	data(fd, 0, "late");	/* was on its way */
	peer_frame(fd, 1, FRAME_DATA, STREAM_END, NULL, 0);
	assert_true(peer_is_idle(fd));
	close(fd);
}

static void a_clients_stream_may_end_with_one_reply(void **state UNUSED)
{
	int fd = open_stream(FRAME_REMOTE_OPEN, NULL);

	data(fd, 0, "a");
	data(fd, FRAME_REMOTE_CLOSED, "b");
	settle();
	assert_int_equal(seen.ends, 1);
	call_ok(seen.call);
	expect_status(fd, 1, RC_OK, "");
	close(fd);
}

static void the_handler_may_end_it_while_data_comes(void **state UNUSED)
{
	int fd;

	seen.end_after = 2;
	fd = open_stream(FRAME_REMOTE_OPEN, NULL);
	for (int i = 0; i < 5; i++)
		data(fd, 0, "x");
	expect_frame(fd, FRAME_DATA, STREAM_END, 0);
	assert_int_equal(seen.messages, 2);
	assert_true(peer_is_idle(fd));
	close(fd);
}

/* --- faults of the peer --- */

static void junk_ends_the_stream_only(void **state UNUSED)
{
	int fd = open_stream(FRAME_REMOTE_OPEN, NULL);

	peer_frame(fd, 1, FRAME_DATA, 0, "\x0a\x7f", 2);
	expect_status(fd, 1, RC_INVALID_ARGUMENT, "cannot decode grpc.CheckRequest");
	assert_int_equal(seen.cancels, 1);
	peer_request(fd, 3, 0, "grpc.Health", "Check", "", 0);
	expect_status(fd, 3, RC_OK, "");
	close(fd);
}

static void oversized_data_ends_the_stream_only(void **state UNUSED)
{
	int fd = open_stream(FRAME_REMOTE_OPEN, NULL);

	peer_frame(fd, 1, FRAME_DATA, 0, fx.big, FRAME_MAX + 1);
	expect_status(fd, 1, RC_INVALID_ARGUMENT, NULL);
	assert_int_equal(seen.cancels, 1);
	peer_request(fd, 3, 0, "grpc.Health", "Check", "", 0);
	expect_status(fd, 3, RC_OK, "");
	close(fd);
}

static void data_after_the_end_is_a_fault(void **state UNUSED)
{
	int fd = open_stream(FRAME_REMOTE_OPEN, NULL);

	peer_frame(fd, 1, FRAME_DATA, STREAM_END, NULL, 0);
	data(fd, 0, "more");
	expect_status(fd, 1, RC_INVALID_ARGUMENT, "data after the end of the stream");
	assert_int_equal(seen.cancels, 1);
	close(fd);
}

static void loss_and_deadline_cancel(void **state UNUSED)
{
	int fd = open_stream(FRAME_REMOTE_OPEN, NULL);

	data(fd, 0, "a");
	settle();
	close(fd);
	settle();
	assert_int_equal(seen.cancels, 1);
	assert_int_equal(seen.ends, 0);

	fd = peer_new();
	peer_request(fd, 1, FRAME_REMOTE_OPEN, "test.Stream", "Check", NULL, 1000000);
	settle();
	clock_fake(1001);
	expect_status(fd, 1, RC_DEADLINE_EXCEEDED, "timeout");
	assert_int_equal(seen.cancels, 2);
	close(fd);
}

/* --- rows that pass messages on --- */

/* Bytes that are no message of the method's come and go as they are. */
static void raw_rows_do_not_look(void **state UNUSED)
{
	static const uint8_t junk[] = { 0xff, 0xff, 0x07, 0 };
	struct envelope_request r = { "test.Raw", "Version", { .data = junk, .len = sizeof(junk) }, 0 };
	struct envelope_response answer;
	struct peer_in in = { 0 };
	struct arena a;
	struct err e = { 0 };
	uint8_t buf[64];
	int fd = peer_new();

	envelope_request_write(&r, buf);
	peer_frame(fd, 1, FRAME_REQUEST, 0, buf, envelope_request_size(&r));
	peer_next(fd, &in);
	arena_init(&a, pb_budget(in.f.length));
	assert_int_equal(envelope_response_read(&a, in.payload, in.f.length, &answer, &e), 0);
	assert_int_equal(answer.rc, RC_OK);
	assert_int_equal(answer.payload.len, sizeof(junk));
	assert_memory_equal(answer.payload.data, junk, sizeof(junk));
	arena_fini(&a);
	peer_request(fd, 3, FRAME_REMOTE_OPEN, "test.Raw", "Check", NULL, 0);
	peer_frame(fd, 3, FRAME_DATA, 0, junk, sizeof(junk));
	peer_next(fd, &in);
	assert_int_equal(in.f.type, FRAME_DATA);
	assert_int_equal(in.f.length, sizeof(junk));
	assert_memory_equal(in.payload, junk, sizeof(junk));
	peer_frame(fd, 3, FRAME_DATA, STREAM_END, NULL, 0);
	peer_next(fd, &in);
	assert_int_equal(in.f.flags, STREAM_END);
	free(in.payload);
	assert_int_equal(stats().calls, 0);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_sides_talk),
		TEST(raw_rows_do_not_look),
		TEST(the_last_message_may_close),
		TEST(first_messages),
		TEST(a_stream_may_end_with_a_status),
		TEST(a_clients_stream_may_end_with_one_reply),
		TEST(the_handler_may_end_it_while_data_comes),
		TEST(junk_ends_the_stream_only),
		TEST(oversized_data_ends_the_stream_only),
		TEST(data_after_the_end_is_a_fault),
		TEST(loss_and_deadline_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
