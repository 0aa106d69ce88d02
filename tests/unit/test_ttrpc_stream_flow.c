/* SPDX-License-Identifier: Apache-2.0 */
/* Streams under pressure: pausing, full queues; then the client's streams and the server's
 * together. */
#include "ttrpc_stream_fixture.h"

/* --- pausing --- */

static void a_pause_keeps_the_order(void **state UNUSED)
{
	char buf[300], text[16];
	struct str all = STR_OVER(buf);
	int fd;

	seen.pause_after = 3;
	fd = open_stream(FRAME_REMOTE_OPEN, NULL);
	for (int i = 0; i < 90; i++) {
		snprintf(text, sizeof(text), "%02d ", i);
		str_add(&all, text);
		data(fd, 0, text);
	}
	peer_frame(fd, 1, FRAME_DATA, STREAM_END, NULL, 0);
	settle();
	assert_string_equal(seen.text, "00 01 02 ");
	assert_int_equal(seen.ends, 0);
	peer_request(fd, 3, 0, "grpc.Health", "Check", "", 0);	/* the others go on */
	expect_status(fd, 3, RC_OK, "");
	call_stream_resume(seen.call);
	assert_int_equal(seen.messages, 3);	/* never inside resume */
	settle();
	assert_string_equal(seen.text, buf);
	assert_int_equal(seen.ends, 1);
	call_stream_end(seen.call);
	close(fd);
}

static void what_comes_before_the_start_waits(void **state UNUSED)
{
	int fd;

	fx.on_stream = keep_stream;
	fd = open_stream(FRAME_REMOTE_OPEN, NULL);
	data(fd, 0, "early");
	peer_frame(fd, 1, FRAME_DATA, STREAM_END, NULL, 0);
	settle();
	assert_int_equal(seen.messages, 0);
	call_stream_start(seen.call, &stream_ops);
	assert_int_equal(seen.messages, 0);
	settle();
	assert_string_equal(seen.text, "early");
	assert_int_equal(seen.ends, 1);
	call_stream_end(seen.call);
	close(fd);
}

static void an_end_or_loss_drops_what_waits(void **state UNUSED)
{
	int fd;

	fx.on_stream = keep_stream;
	fd = open_stream(FRAME_REMOTE_OPEN, NULL);
	data(fd, 0, "never seen");
	settle();
	call_stream_start(seen.call, &stream_ops);
	call_stream_end(seen.call);
	settle();
	close(fd);
	fd = open_stream(FRAME_REMOTE_OPEN, NULL);
	data(fd, 0, "never seen");
	settle();
	close(fd);
	settle();
	assert_int_equal(seen.messages, 0);
	assert_int_equal(seen.cancels, 1);
}

/* More than PARKED_MAX in a paused stream: its connection stops, others go on, nothing is lost. */
static void a_long_pause_stops_the_connection(void **state UNUSED)
{
	int fd, other = peer_new(), sent = 0;
	static uint8_t frame[FRAME_HEADER + 60010];
	struct frame f = { 60004, 1, FRAME_DATA, 0 };

	seen.pause_after = 1;
	fd = open_stream(FRAME_REMOTE_OPEN, NULL);
	frame_encode(&f, frame);
	memcpy(frame + FRAME_HEADER, "\x0a\xe0\xd4\x03", 4);	/* field 1, 60000 bytes */
	memset(frame + FRAME_HEADER + 4, '.', 60000);
	while (send(fd, frame, FRAME_HEADER + f.length, MSG_DONTWAIT | MSG_NOSIGNAL) ==
	       (ssize_t)(FRAME_HEADER + f.length)) {
		settle();
		assert_true(++sent < 100);
	}
	assert_true(sent >= 17);
	assert_int_equal(loop_once(fx.loop, 0), 0);
	peer_request(other, 1, 0, "grpc.Health", "Check", "", 0);
	expect_status(other, 1, RC_OK, "");
	seen.pause_after = 0;
	call_stream_resume(seen.call);
	settle();
	assert_true(seen.messages >= sent);
	close(fd);
	settle();
	assert_int_equal(seen.cancels, 1);
	close(other);
}

static void a_held_connection_may_vanish(void **state UNUSED)
{
	static uint8_t part[1 << 20];
	int fd;

	seen.pause_after = 1;
	fd = open_stream(FRAME_REMOTE_OPEN, NULL);
	data(fd, 0, "x");
	peer_frame(fd, 1, FRAME_DATA, 0, part, sizeof(part));
	settle();
	close(fd);
	settle();
	assert_int_equal(seen.cancels, 1);
	assert_int_equal(stats().conns, 0);
}

/* --- sending --- */

static int send_big(struct call *c)
{
	Grpc__VersionCheckResponse msg = GRPC__VERSION_CHECK_RESPONSE__INIT;
	int r;

	fx.big[100000] = '\0';
	msg.agent_version = fx.big;
	r = call_send(c, &msg.base);
	fx.big[100000] = 'x';
	return r;
}

static void a_full_queue_says_so_and_drains(void **state UNUSED)
{
	struct peer_in in = { .payload = NULL };
	int fd = open_stream(FRAME_REMOTE_OPEN, NULL), sent = 1, r;

	while ((r = send_big(seen.call)) == 1)
		sent++;
	assert_int_equal(r, 0);
	settle();
	assert_int_equal(seen.drains, 0);
	for (int i = 0; i < sent; i++) {
		peer_next(fd, &in);
		assert_int_equal(in.f.type, FRAME_DATA);
	}
	assert_int_equal(seen.drains, 1);
	assert_int_equal(send_big(seen.call), 1);
	call_stream_end(seen.call);
	free(in.payload);
	close(fd);
}

static void impossible_sends(void **state UNUSED)
{
	Grpc__VersionCheckResponse msg = GRPC__VERSION_CHECK_RESPONSE__INIT;
	int fd = open_stream(FRAME_REMOTE_OPEN, NULL), r;

	fx.big[FRAME_MAX] = '\0';
	msg.agent_version = fx.big;
	assert_int_equal(call_send(seen.call, &msg.base), -EMSGSIZE);
	fx.big[FRAME_MAX - 100] = '\0';
	do	/* a handler that does not wait for room loses its peer at OUT_MAX */
		r = call_send(seen.call, &msg.base);
	while (r >= 0);
	assert_int_equal(r, -EPIPE);
	settle();
	assert_int_equal(seen.cancels, 1);
	assert_int_equal(stats().conns, 0);
	close(fd);
}

/* --- both ends of ours --- */

struct reader {
	int messages, ends, drains;
	struct err e;
	struct client_stream *stream;
	int free_after;
};

static void reader_fn(void *arg, const struct err *e, const uint8_t *payload, size_t len UNUSED)
{
	struct reader *r = arg;

	assert_int_equal(r->ends, 0);
	if (payload) {
		assert_false(err_is_set(e));
		r->messages++;
	} else {
		r->ends++;
		r->e = *e;
	}
	if (r->messages == r->free_after)
		client_stream_free(TAKE_PTR(r->stream));
}

static void reader_drain(void *arg)
{
	((struct reader *)arg)->drains++;
}

static struct client *client_open(struct reader *r, const ProtobufCMessage *first,
				  uint64_t timeout_ms)
{
	struct err e = { 0 };
	struct client *c = client_new(fx.loop, peer_new(), &e);

	*r = (struct reader){ .free_after = -1 };
	r->stream =
		client_stream_open(c, "test.Stream", "Check", first, timeout_ms, reader_fn, r, &e);
	assert_non_null(r->stream);
	return c;
}

static void client_talks(void **state UNUSED)
{
	struct reader r;
	struct client *c = client_open(&r, NULL, 0);

	seen.echo = true;
	for (int i = 0; i < 40; i++)
		assert_int_equal(client_stream_send(r.stream, (const uint8_t *)"\x0a\x01z", 3), 1);
	assert_int_equal(client_stream_close_send(r.stream), 0);
	assert_int_equal(client_stream_close_send(r.stream), 0);
	assert_int_equal(client_stream_send(r.stream, NULL, 0), -EPIPE);
	settle();
	assert_int_equal(seen.messages, 40);
	assert_int_equal(r.messages, 40);
	assert_int_equal(r.ends, 1);
	assert_false(err_is_set(&r.e));
	client_stream_free(r.stream);
	client_free(c);
	settle();
}

static void client_gives_one_message_and_listens(void **state UNUSED)
{
	Grpc__CheckRequest first = GRPC__CHECK_REQUEST__INIT;
	struct reader r;
	struct client *c = client_open(&r, &first.base, 0);

	settle();
	assert_non_null(seen.call->req);
	assert_int_equal(seen.ends, 1);
	assert_int_equal(client_stream_send(r.stream, NULL, 0), -EPIPE);
	for (int i = 0; i < 5; i++)
		send_status_message(seen.call);
	call_failf(seen.call, RC_ABORTED, "enough");
	settle();
	assert_int_equal(r.messages, 5);
	assert_int_equal(r.ends, 1);
	assert_int_equal(r.e.rc, RC_ABORTED);
	assert_int_equal(client_stream_send(r.stream, NULL, 0), -EPIPE);
	client_stream_free(r.stream);
	client_free(c);
	settle();
}

static void client_gets_one_reply(void **state UNUSED)
{
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;
	struct reader r;
	struct client *c = client_open(&r, NULL, 0);

	client_stream_close_send(r.stream);
	settle();
	reply.status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	call_reply(seen.call, &reply.base);
	settle();
	assert_int_equal(r.messages, 1);
	assert_int_equal(r.ends, 1);
	assert_false(err_is_set(&r.e));
	client_stream_free(r.stream);
	client_free(c);
	settle();
}

static void every_end_is_told_once(void **state UNUSED)
{
	struct reader r;
	struct client *c = client_open(&r, NULL, 0);

	settle();
	server_free(TAKE_PTR(fx.server));
	settle();
	assert_int_equal(r.ends, 1);
	assert_int_equal(r.e.rc, RC_UNAVAILABLE);
	client_stream_free(r.stream);
	client_free(c);

	fixture_teardown(NULL);
	setup(NULL);
	c = client_open(&r, NULL, 0);
	client_free(c);
	assert_int_equal(r.ends, 1);
	assert_int_equal(r.e.rc, RC_CANCELLED);
	assert_int_equal(client_stream_send(r.stream, NULL, 0), -EPIPE);
	client_stream_free(r.stream);
	settle();

	c = client_open(&r, NULL, 100);
	fx.on_stream = keep_stream;
	settle();
	seen.call->cancel = stream_cancel;
	clock_fake(1100);
	settle();
	assert_int_equal(r.ends, 1);
	assert_int_equal(r.e.rc, RC_DEADLINE_EXCEEDED);
	client_stream_free(r.stream);
	client_free(c);
	settle();
}

static void a_stream_may_be_freed_by_its_message(void **state UNUSED)
{
	struct reader r;
	struct client *c = client_open(&r, NULL, 0);

	r.free_after = 2;
	settle();
	for (int i = 0; i < 5; i++)
		send_status_message(seen.call);
	call_stream_end(seen.call);
	settle();
	assert_int_equal(r.messages, 2);
	assert_int_equal(r.ends, 0);
	client_free(c);
	settle();
}

/* Bulk from the client into a stream that pauses now and then: all of it arrives, the queue stays
 * bounded. */
static void a_bulk_client_waits_for_room(void **state UNUSED)
{
	static uint8_t part[60004];
	struct reader r;
	struct client *c = client_open(&r, NULL, 0);
	int sent = 0;

	memcpy(part, "\x0a\xe0\xd4\x03", 4);
	memset(part + 4, '.', 60000);
	client_stream_on_drain(r.stream, reader_drain);
	seen.pause_after = 1;
	while (sent < 200) {
		int before = r.drains, n;

		while ((n = client_stream_send(r.stream, part, sizeof(part))) == 1)
			sent++;
		assert_int_equal(n, 0);
		sent++;
		settle();
		if (r.drains == before) {
			seen.pause_after = 0;
			call_stream_resume(seen.call);
			settle();
		}
		assert_int_equal(r.drains, before + 1);
	}
	settle();
	assert_int_equal(seen.messages, sent);
	client_stream_free(r.stream);
	client_free(c);
	settle();
	assert_int_equal(seen.cancels, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_pause_keeps_the_order),
		TEST(what_comes_before_the_start_waits),
		TEST(an_end_or_loss_drops_what_waits),
		TEST(a_long_pause_stops_the_connection),
		TEST(a_held_connection_may_vanish),
		TEST(a_full_queue_says_so_and_drains),
		TEST(impossible_sends),
		TEST(client_talks),
		TEST(client_gives_one_message_and_listens),
		TEST(client_gets_one_reply),
		TEST(every_end_is_told_once),
		TEST(a_stream_may_be_freed_by_its_message),
		TEST(a_bulk_client_waits_for_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
