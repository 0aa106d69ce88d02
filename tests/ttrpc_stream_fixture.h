/* SPDX-License-Identifier: Apache-2.0 */
/* On top of ttrpc_fixture.h: a stream handler of test.Stream that notes what it sees and acts as
 * told. */
#ifndef MOTE_TESTS_TTRPC_STREAM_FIXTURE_H
#define MOTE_TESTS_TTRPC_STREAM_FIXTURE_H

#include "ttrpc_fixture.h"

#include "base/str.h"

/* What the server's handler saw and how it acts. */
static struct {
	struct call *call;
	char text[4096];	/* of all messages, one after the other, cut at the end */
	struct str all;		/* over text */
	int messages, ends, drains, cancels;
	int pause_after;	/* pauses after so many messages; 0: never */
	int end_after;		/* ends the stream then */
	bool echo;		/* sends each message back */
} seen;

static void send_status_message(struct call *c)
{
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;

	reply.status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	assert_true(call_send(c, &reply.base) >= 0);
}

static void on_data(struct call *c, const ProtobufCMessage *msg)
{
	assert_ptr_equal(c, seen.call);
	if (!msg) {
		seen.ends++;
		if (seen.echo)
			call_stream_end(c);
		return;
	}
	str_add(&seen.all, ((const Grpc__CheckRequest *)msg)->service);
	if (++seen.messages == seen.pause_after)
		call_stream_pause(c);
	if (seen.messages == seen.end_after)
		call_stream_end(c);
	else if (seen.echo)
		send_status_message(c);
}

static void on_drain(struct call *c)
{
	assert_ptr_equal(c, seen.call);
	seen.drains++;
}

static const struct call_stream_ops stream_ops = { .on_data = on_data, .on_drain = on_drain };

static void stream_cancel(struct call *c)
{
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;

	seen.cancels++;
	assert_int_equal(call_send(c, &reply.base), -EPIPE);
	call_stream_end(c);
}

static void keep_stream(struct call *c)
{
	seen.call = c;
	c->cancel = stream_cancel;
}

static void start_stream(struct call *c)
{
	keep_stream(c);
	call_stream_start(c, &stream_ops);
}

static void forget_all(void)
{
	memset(&seen, 0, sizeof(seen));
	seen.all = STR_OVER(seen.text);
}

static int UNUSED setup(void **state)
{
	forget_all();
	fixture_setup(state);
	fx.on_stream = start_stream;
	return 0;
}

/* A stream that the test's peer opened. */
static int UNUSED open_stream(uint8_t flags, const char *first)
{
	int fd = peer_new();

	peer_request(fd, 1, flags, "test.Stream", "Check", first, 0);
	settle();
	assert_non_null(seen.call);
	return fd;
}

static void UNUSED data(int fd, uint8_t flags, const char *text)
{
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	uint8_t buf[512];

	req.service = (char *)text;
	peer_frame(fd, 1, FRAME_DATA, flags, buf, grpc__check_request__pack(&req, buf));
}

static void UNUSED expect_frame(int fd, uint8_t type, uint8_t flags, size_t len)
{
	struct peer_in in = { .payload = NULL };

	peer_next(fd, &in);
	assert_int_equal(in.f.stream, 1);
	assert_int_equal(in.f.type, type);
	assert_int_equal(in.f.flags, flags);
	assert_int_equal(in.f.length, len);
	free(in.payload);
}

#define STREAM_END	(FRAME_REMOTE_CLOSED | FRAME_NO_DATA)

#endif
