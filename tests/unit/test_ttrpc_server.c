/* SPDX-License-Identifier: Apache-2.0 */
/* The server against peers that are made by hand, byte by byte where it matters. */
#include "ttrpc_fixture.h"

static struct call *parked(void)
{
	struct call *c = LIST_FIRST(&fx.parked, struct call, park);

	assert_non_null(c);
	return c;
}

/* --- the ordinary --- */

static void answers(void **state UNUSED)
{
	int fd = peer_new();

	peer_request(fd, 1, 0, "grpc.Health", "Check", "", 0);
	expect_status(fd, 1, RC_OK, "");
	assert_int_equal(stats().calls, 0);
	assert_int_equal(stats().conns, 1);
	close(fd);
}

static void answers_out_of_order(void **state UNUSED)
{
	struct peer_in in = { .payload = NULL };
	int fd = peer_new();

	peer_request(fd, 1, 0, "grpc.Health", "Version", "one", 0);
	peer_request(fd, 3, 0, "grpc.Health", "Version", "two", 0);
	peer_request(fd, 5, 0, "grpc.Health", "Check", "", 0);
	assert_int_equal(peer_next(fd, &in)->f.stream, 5);
	answer_parked(container_of(fx.parked.prev, struct call, park));
	assert_int_equal(peer_next(fd, &in)->f.stream, 3);
	assert_non_null(memmem(in.payload, in.f.length, "two", 3));
	answer_parked(parked());
	assert_int_equal(peer_next(fd, &in)->f.stream, 1);
	assert_non_null(memmem(in.payload, in.f.length, "one", 3));
	free(in.payload);
	close(fd);
}

static void takes_torn_frames(void **state UNUSED)
{
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	struct envelope_request r = { "grpc.Health", "Check", body_of_msg(&req.base), 0 };
	uint8_t buf[FRAME_HEADER + 64];
	struct frame f = { (uint32_t)envelope_request_size(&r), 1, FRAME_REQUEST, 0 };
	int fd = peer_new();

	for (; f.stream < 7; f.stream += 2) {
		frame_encode(&f, buf);
		envelope_request_write(&r, buf + FRAME_HEADER);
		for (size_t i = 0; i < FRAME_HEADER + f.length; i++) {
			assert_true(peer_is_idle(fd));
			peer_write(fd, buf + i, 1);
		}
		expect_status(fd, f.stream, RC_OK, "");
	}
	close(fd);
}

static void takes_a_frame_of_the_largest_size(void **state UNUSED)
{
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	struct envelope_request r = { "grpc.Health", "Check", { 0 }, 0 };
	size_t n = FRAME_MAX - 64;
	uint8_t *buf = malloc(FRAME_MAX);
	int fd = peer_new();

	req.service = fx.big;
	fx.big[n] = '\0';
	r.payload = body_of_msg(&req.base);
	fx.big[n] = 'x';
	fx.big[n + FRAME_MAX - envelope_request_size(&r)] = '\0';
	r.payload = body_of_msg(&req.base);
	assert_int_equal(envelope_request_size(&r), FRAME_MAX);
	envelope_request_write(&r, buf);
	peer_frame(fd, 1, FRAME_REQUEST, 0, buf, FRAME_MAX);
	expect_status(fd, 1, RC_OK, "");
	free(buf);
	close(fd);
}

/* --- refusals --- */

static void refuses_wrong_ids(void **state UNUSED)
{
	int fd = peer_new();

	peer_request(fd, 2, 0, "grpc.Health", "Check", "", 0);
	expect_status(fd, 2, RC_INVALID_ARGUMENT, "stream id must be odd");
	peer_request(fd, 0, 0, "grpc.Health", "Check", "", 0);
	expect_status(fd, 0, RC_INVALID_ARGUMENT, "stream id must be odd");
	peer_request(fd, 7, 0, "grpc.Health", "Check", "", 0);
	expect_status(fd, 7, RC_OK, "");
	peer_request(fd, 7, 0, "grpc.Health", "Check", "", 0);
	expect_status(fd, 7, RC_INVALID_ARGUMENT, "stream id must be above the last one");
	peer_request(fd, 5, 0, "grpc.Health", "Check", "", 0);
	expect_status(fd, 5, RC_INVALID_ARGUMENT, "stream id must be above the last one");
	peer_request(fd, UINT32_MAX, 0, "grpc.Health", "Check", "", 0);
	expect_status(fd, UINT32_MAX, RC_OK, "");
	close(fd);
}

static void refuses_unknown_names(void **state UNUSED)
{
	int fd = peer_new();

	peer_request(fd, 1, 0, "grpc.Wealth", "Check", "", 0);
	expect_status(fd, 1, RC_INVALID_ARGUMENT, "grpc.Wealth service does not exist");
	peer_request(fd, 3, 0, "grpc.Health", "Cheque", "", 0);
	expect_status(fd, 3, RC_UNIMPLEMENTED, "Cheque method");
	peer_request(fd, 5, 0, "test.Stream", "Version", "", 0);
	expect_status(fd, 5, RC_UNIMPLEMENTED, "Version method");
	peer_request(fd, 7, 0, "", "", "", 0);
	expect_status(fd, 7, RC_INVALID_ARGUMENT, " service does not exist");
	/* Go refuses a message with a string that is not UTF-8: the name comes back cleaned. */
	peer_request(fd, 9, 0, "a\xff\xc3\xa9", "", "", 0);
	expect_status(fd, 9, RC_INVALID_ARGUMENT, "a?\xc3\xa9 service does not exist");
	close(fd);
}

static void refuses_what_it_cannot_decode(void **state UNUSED)
{
	static const uint8_t junk[] = { 0x0a, 0x7f };	/* field 1, 127 bytes that are not there */
	struct envelope_request r = {
		"grpc.Health", "Check", { .data = junk, .len = sizeof(junk) }, 0
	};
	uint8_t buf[64];
	int fd = peer_new();

	peer_frame(fd, 1, FRAME_REQUEST, 0, junk, sizeof(junk));
	expect_status(fd, 1, RC_INVALID_ARGUMENT, "cannot decode ttrpc.Request");
	envelope_request_write(&r, buf);
	peer_frame(fd, 3, FRAME_REQUEST, 0, buf, envelope_request_size(&r));
	expect_status(fd, 3, RC_INVALID_ARGUMENT, "cannot decode grpc.CheckRequest");
	peer_request(fd, 5, 0, "grpc.Health", "Check", "", 0);
	expect_status(fd, 5, RC_OK, "");
	close(fd);
}

static void refuses_oversized_requests(void **state UNUSED)
{
	struct frame f = { UINT32_MAX, 3, FRAME_REQUEST, 0 };
	uint8_t head[FRAME_HEADER];
	int fd = peer_new();

	peer_frame(fd, 1, FRAME_REQUEST, 0, fx.big, FRAME_MAX + 1);
	expect_status(fd, 1, RC_INVALID_ARGUMENT,
		      "a message of 4194305 bytes, the limit is 4194304");
	peer_request(fd, 1, 0, "grpc.Health", "Check", "", 0);
	expect_status(fd, 1, RC_INVALID_ARGUMENT, NULL);	/* the id was used up */
	peer_request(fd, 3, 0, "grpc.Health", "Check", "", 0);
	expect_status(fd, 3, RC_OK, "");
	/* 4 GiB: it waits for them and holds nothing. */
	frame_encode(&f, head);
	peer_write(fd, head, sizeof(head));
	for (int i = 0; i < 10; i++)
		peer_write(fd, fx.big, BIG);
	assert_true(peer_is_idle(fd));
	close(fd);
}

static void oversized_replies_become_a_status(void **state UNUSED)
{
	int fd = peer_new();

	fx.reply_bytes = FRAME_MAX;
	peer_request(fd, 1, 0, "test.Size", "Version", "", 0);
	expect_status(fd, 1, RC_INVALID_ARGUMENT, NULL);
	fx.reply_bytes = FRAME_MAX - 10;	/* 5 bytes of envelope, 5 of the message's own */
	peer_request(fd, 3, 0, "test.Size", "Version", "", 0);
	expect_status(fd, 3, RC_OK, "");
	close(fd);
}

static void ignores_other_frames(void **state UNUSED)
{
	int fd = peer_new();

	peer_frame(fd, 1, FRAME_RESPONSE, 0, "abc", 3);
	peer_frame(fd, 2, 0, 0xff, "abc", 3);
	peer_frame(fd, 3, 255, 0xff, NULL, 0);
	peer_frame(fd, 5, 77, 0, fx.big, BIG);
	assert_true(peer_is_idle(fd));
	peer_request(fd, 1, 0, "grpc.Health", "Check", "", 0);
	expect_status(fd, 1, RC_OK, "");
	/* Data for a unary call changes nothing; for a stream that never was it is an error. */
	peer_request(fd, 3, 0, "grpc.Health", "Version", "x", 0);
	peer_frame(fd, 3, FRAME_DATA, 0, "abc", 3);
	assert_true(peer_is_idle(fd));
	answer_parked(parked());
	expect_status(fd, 3, RC_OK, "");
	peer_frame(fd, 3, FRAME_DATA, 0, "abc", 3);
	assert_true(peer_is_idle(fd));
	peer_frame(fd, 9, FRAME_DATA, 0, "abc", 3);
	expect_status(fd, 9, RC_INVALID_ARGUMENT, "no such stream");
	close(fd);
}

/* --- deadlines and loss --- */

static void deadlines_pass(void **state UNUSED)
{
	int fd = peer_new();

	peer_request(fd, 1, 0, "grpc.Health", "Version", "", 5000001);	/* 5 ms and a bit: 6 */
	settle();
	assert_int_equal(parked()->deadline_ms, 1006);
	clock_fake(1005);
	assert_true(peer_is_idle(fd));
	clock_fake(1006);
	expect_status(fd, 1, RC_DEADLINE_EXCEEDED, "timeout");
	assert_int_equal(fx.cancelled, 1);
	assert_int_equal(stats().calls, 0);
	assert_true(peer_is_idle(fd));		/* the cancel's own answer is dropped */
	close(fd);
}

/* A handler without cancel goes on; its answer comes to nothing, and it may come after the
 * connection. */
static void late_answers_are_dropped(void **state UNUSED)
{
	int fd = peer_new();
	struct call *c;

	peer_request(fd, 1, 0, "grpc.Health", "Version", "", 1);
	settle();
	c = parked();
	c->cancel = NULL;
	clock_fake(2000);
	expect_status(fd, 1, RC_DEADLINE_EXCEEDED, "timeout");
	assert_int_equal(stats().calls, 1);
	close(fd);
	settle();
	assert_int_equal(stats().conns, 0);
	assert_string_equal(((const Grpc__CheckRequest *)c->req)->service, "");
	answer_parked(c);
	assert_int_equal(stats().calls, 0);
}

static void extreme_timeouts(void **state UNUSED)
{
	static const int64_t none[] = { 0, -1, INT64_MIN };
	int fd = peer_new();

	for (uint32_t i = 0; i < COUNT_OF(none); i++) {
		peer_request(fd, 2 * i + 1, 0, "grpc.Health", "Version", "", none[i]);
		settle();
		assert_true(parked()->deadline_ms == CLOCK_NEVER);
		answer_parked(parked());
		expect_status(fd, 2 * i + 1, RC_OK, "");
	}
	peer_request(fd, 99, 0, "grpc.Health", "Version", "", INT64_MAX);
	settle();
	assert_true(parked()->deadline_ms == 1000 + INT64_MAX / 1000000 + 1);
	answer_parked(parked());
	close(fd);
}

static void loss_cancels(void **state UNUSED)
{
	int fd = peer_new(), other = peer_new();

	for (uint32_t id = 1; id < 200; id += 2)
		peer_request(fd, id, 0, "grpc.Health", "Version", "", 1000000);
	peer_request(other, 1, 0, "grpc.Health", "Version", "stays", 0);
	settle();
	assert_int_equal(stats().calls, 101);
	close(fd);
	settle();
	assert_int_equal(fx.cancelled, 100);
	assert_int_equal(stats().calls, 1);
	clock_fake(100000);
	settle();
	assert_int_equal(fx.cancelled, 100);
	answer_parked(parked());
	expect_status(other, 1, RC_OK, "");
	close(other);
}

static void cancel_answers_all(struct call *c)
{
	fx.cancelled++;
	(void)c;
	while (!list_empty(&fx.parked))
		call_ok(parked());
}

/* One cancel may end calls whose own cancel has not run yet. */
static void a_cancel_may_end_other_calls(void **state UNUSED)
{
	int fd = peer_new();

	for (uint32_t id = 1; id < 20; id += 2) {
		peer_request(fd, id, 0, "grpc.Health", "Version", "", 0);
		settle();
		container_of(fx.parked.prev, struct call, park)->cancel = cancel_answers_all;
	}
	close(fd);
	settle();
	assert_int_equal(fx.cancelled, 1);
	assert_int_equal(stats().calls, 0);
}

static void calls_outlive_the_server(void **state UNUSED)
{
	int fd = peer_new();
	struct call *c;

	peer_request(fd, 1, 0, "grpc.Health", "Version", "text", 0);
	settle();
	c = parked();
	c->cancel = NULL;
	server_free(TAKE_PTR(fx.server));
	assert_true(peer_is_closed(fd));
	assert_ptr_equal(call_context(c), &fx);
	answer_parked(c);
	close(fd);
}

static void a_failure_without_reason_says_so(void **state UNUSED)
{
	const struct err none = { 0 };
	int fd = peer_new();

	peer_request(fd, 1, 0, "grpc.Health", "Version", "", 0);
	settle();
	call_fail(parked(), &none);
	expect_status(fd, 1, RC_INTERNAL, "no reason given");
	peer_request(fd, 3, 0, "grpc.Health", "Version", "", 0);
	settle();
	call_failf(parked(), RC_NOT_FOUND, "no %s", "such thing");
	expect_status(fd, 3, RC_NOT_FOUND, "no such thing");
	close(fd);
}

/* --- tables --- */

static void tables_are_checked(void **state UNUSED)
{
	static const struct rpc_row twice[] = { { "Check", check_now, 0 },
						{ "Version", check_now, 0 },
						{ "Check", check_now, 0 } };
	static const struct rpc_row strange[] = { { "Check", check_now, 0 },
						  { "Version", check_now, 0 },
						  { "Chess", check_now, 0 } };
	static const struct rpc_row empty[] = { { "Check", check_now, 0 }, { "Version", NULL, 0 } };
	static const struct rpc_row one[] = { { "Check", check_now, 0 } };
	static const struct rpc_row both[] = { { "Check", check_now, 0 },
					       { "Version", check_now, 0 } };
	static const char *const strange_names[] = { "Version", "Chess", NULL };
	const ProtobufCServiceDescriptor *d = &grpc__health__descriptor;
	const struct {
		struct rpc_service service;
		const char *message;
	} bad[] = {
		{ { d, NULL, twice, 3, NULL }, "grpc.Health.Check: listed twice" },
		{ { d, NULL, strange, 3, NULL }, "grpc.Health.Chess: not in the schema" },
		{ { d, NULL, empty, 2, NULL }, "grpc.Health.Version: no handler" },
		{ { d, NULL, one, 1, NULL }, "grpc.Health.Version: no row" },
		{ { d, "a.B", both, 2, left_out }, "a.B.Version: listed twice" },
		{ { d, NULL, one, 1, strange_names }, "grpc.Health.Chess: not in the schema" },
		{ { d, "test.Size", both, 2, NULL }, "service test.Size: listed twice" },
	};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		const struct rpc_service *table[] = { &size, &bad[i].service, NULL };
		struct err e = { 0 };

		assert_int_equal(service_check(table, &e), -1);
		assert_string_equal(e.msg, bad[i].message);
	}
}

/* --- garbage --- */

static uint64_t seed;

static uint32_t dice(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33);
}

/* Frames that are almost right, from a fixed seed. The server lives, and serves the next one. */
static void survives_garbage(void **state UNUSED)
{
	for (seed = 1; seed < 3000;) {
		uint64_t first = seed;
		int fd = peer_new();

		for (int i = 0; i < 20; i++) {
			struct frame f = { dice() % 3 ? dice() % 60 : dice(), dice() % 64,
					   (uint8_t)(dice() % 4), (uint8_t)(dice() % 8) };
			uint8_t buf[FRAME_HEADER + 60];

			for (size_t k = 0; k < sizeof(buf); k++)
				buf[k] = (uint8_t)(dice() % 3 ? dice() % 40 : dice());
			frame_encode(&f, buf);
			if (send(fd, buf, FRAME_HEADER + f.length % 61, MSG_NOSIGNAL) < 0)
				break;
		}
		settle();
		close(fd);
		settle();
		seed = first + 1;
	}
	answers(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers),
		TEST(answers_out_of_order),
		TEST(takes_torn_frames),
		TEST(takes_a_frame_of_the_largest_size),
		TEST(refuses_wrong_ids),
		TEST(refuses_unknown_names),
		TEST(refuses_what_it_cannot_decode),
		TEST(refuses_oversized_requests),
		TEST(oversized_replies_become_a_status),
		TEST(ignores_other_frames),
		TEST(deadlines_pass),
		TEST(late_answers_are_dropped),
		TEST(extreme_timeouts),
		TEST(loss_cancels),
		TEST(a_cancel_may_end_other_calls),
		TEST(calls_outlive_the_server),
		TEST(a_failure_without_reason_says_so),
		TEST(tables_are_checked),
		TEST(survives_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
