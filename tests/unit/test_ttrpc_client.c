/* SPDX-License-Identifier: Apache-2.0 */
/* The client against the server, and against a peer that answers by hand. */
#include "ttrpc_fixture.h"

struct answer {
	int count;
	struct err e;
	char text[32];
	size_t len;
};

static void keep(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct answer *a = arg;

	a->count++;
	a->e = *e;
	assert_true(err_is_set(e) == (payload == NULL));
	a->len = len;
	if (payload)
		memcpy(a->text, payload, MIN(len, sizeof(a->text)));
}

static struct client *client_of(int fd)
{
	struct err e = { 0 };
	struct client *c = client_new(fx.loop, fd, &e);

	assert_non_null(c);
	return c;
}

/* A client whose peer is the test. */
static struct client *client_of_us(int *fd)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	*fd = sv[0];
	return client_of(sv[1]);
}

static int64_t call_text(struct client *c, const char *method, const char *text,
			 uint64_t timeout_ms, struct answer *a)
{
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	struct err e = { 0 };
	int64_t id;

	*a = (struct answer){ 0 };
	req.service = (char *)text;
	id = client_call_msg(c, "grpc.Health", method, &req.base, timeout_ms, keep, a, &e);
	assert_int_equal(a->count, 0);
	assert_true(id > 0);
	return id;
}

static struct call *first_parked(void)
{
	return LIST_FIRST(&fx.parked, struct call, park);
}

/* --- with the server --- */

static void waits_for_a_reply(void **state UNUSED)
{
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	struct client *c = client_of(peer_new());
	const Grpc__HealthCheckResponse *reply;
	struct err e = { 0 };
	struct arena a;

	arena_init(&a, 65536);
	reply = (const Grpc__HealthCheckResponse *)client_call_wait(
		c, "grpc.Health", "Check", &req.base, &grpc__health_check_response__descriptor,
		1000, &a, &e);
	assert_non_null(reply);
	assert_int_equal(reply->status, GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
	assert_null(client_call_wait(c, "grpc.Health", "Nope", &req.base,
				     &grpc__health_check_response__descriptor, 1000, &a, &e));
	assert_int_equal(e.rc, RC_UNIMPLEMENTED);
	assert_string_equal(e.msg, "Nope method");
	arena_fini(&a);
	client_free(c);
	settle();
}

static void many_calls_out_of_order(void **state UNUSED)
{
	struct client *c = client_of(peer_new());
	struct answer a[300];

	for (size_t i = 0; i < COUNT_OF(a); i++) {
		char text[16];

		snprintf(text, sizeof(text), "n%03zu", i);
		assert_int_equal(call_text(c, "Version", text, 0, &a[i]), 2 * i + 1);
	}
	settle();
	assert_int_equal(stats().calls, COUNT_OF(a));
	while (!list_empty(&fx.parked))
		answer_parked(container_of(fx.parked.prev, struct call, park));
	settle();
	for (size_t i = 0; i < COUNT_OF(a); i++) {
		char text[16];

		snprintf(text, sizeof(text), "\x12\x04n%03zu", i);
		assert_int_equal(a[i].count, 1);
		assert_int_equal(a[i].len, 6);
		assert_memory_equal(a[i].text, text, 6);
	}
	client_free(c);
	settle();
}

/* 200 connections, each with calls in flight, in one loop. */
static void two_hundred_clients(void **state UNUSED)
{
	static struct client *clients[200];
	static struct answer waiting[200], quick[200];

	for (size_t i = 0; i < COUNT_OF(clients); i++) {
		clients[i] = client_of(peer_new());
		call_text(clients[i], "Version", "w", 0, &waiting[i]);
		call_text(clients[i], "Check", "q", 0, &quick[i]);
	}
	settle();
	assert_int_equal(stats().conns, 200);
	assert_int_equal(stats().calls, 200);
	while (!list_empty(&fx.parked))
		answer_parked(first_parked());
	settle();
	for (size_t i = 0; i < COUNT_OF(clients); i++) {
		assert_int_equal(waiting[i].count, 1);
		assert_int_equal(quick[i].count, 1);
		client_free(clients[i]);
	}
	settle();
	assert_int_equal(stats().conns, 0);
}

static void deadline_of_the_server(void **state UNUSED)
{
	struct client *c = client_of(peer_new());
	struct answer a;

	call_text(c, "Version", "", 50, &a);
	settle();
	assert_true(first_parked()->deadline_ms == 1050);
	clock_fake(1050);
	settle();
	assert_int_equal(a.count, 1);
	assert_int_equal(a.e.rc, RC_DEADLINE_EXCEEDED);
	assert_string_equal(a.e.msg, "timeout");
	client_free(c);
	settle();
}

/* Requests of 12 MiB in the queue and replies of as much: neither end may stop for the other. */
static void both_directions_full(void **state UNUSED)
{
	struct client *c = client_of(peer_new());
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	struct answer a[12] = { 0 };
	struct err e = { 0 };

	fx.reply_bytes = 1 << 20;
	fx.big[1 << 20] = '\0';
	req.service = fx.big;
	for (size_t i = 0; i < COUNT_OF(a); i++)
		assert_true(client_call_msg(c, "test.Size", "Version", &req.base, 0, keep, &a[i],
					    &e) > 0);
	settle();
	for (size_t i = 0; i < COUNT_OF(a); i++) {
		assert_int_equal(a[i].count, 1);
		assert_true(a[i].len > 1 << 20);
	}
	client_free(c);
	settle();
}

/* --- with us --- */

static void answer_by_hand(int fd, uint32_t id, int rc, const char *message)
{
	struct envelope_response r = { rc, message, { 0 } };
	uint8_t buf[200];

	envelope_response_write(&r, buf);
	peer_frame(fd, id, FRAME_RESPONSE, 0, buf, envelope_response_size(&r));
}

static void request_as_sent(void **state UNUSED)
{
	struct peer_in in = { .payload = NULL };
	struct envelope_request r;
	struct err e = { 0 };
	struct client *c;
	struct arena a;
	struct answer ans;
	int fd;

	c = client_of_us(&fd);
	call_text(c, "Check", "abc", 7, &ans);
	peer_next(fd, &in);
	assert_int_equal(in.f.stream, 1);
	assert_int_equal(in.f.type, FRAME_REQUEST);
	assert_int_equal(in.f.flags, 0);
	arena_init(&a, 65536);
	assert_int_equal(envelope_request_read(&a, in.payload, in.f.length, &r, &e), 0);
	assert_string_equal(r.service, "grpc.Health");
	assert_string_equal(r.method, "Check");
	assert_int_equal(r.timeout_nano, 7000000);
	assert_int_equal(r.payload.len, 5);
	assert_memory_equal(r.payload.data, "\x0a\x03" "abc", 5);
	arena_fini(&a);
	free(in.payload);
	client_free(c);
	assert_int_equal(ans.e.rc, RC_CANCELLED);
	close(fd);
}

static void statuses(void **state UNUSED)
{
	static const struct {
		int sent;
		enum rc seen;
	} cases[] = { { 5, RC_NOT_FOUND },
		      { 16, RC_UNAUTHENTICATED },
		      { 17, RC_UNKNOWN },
		      { -1, RC_UNKNOWN },
		      { INT32_MAX, RC_UNKNOWN } };
	struct answer a;
	struct client *c;
	int fd;

	c = client_of_us(&fd);
	for (uint32_t i = 0; i < COUNT_OF(cases); i++) {
		call_text(c, "Check", "", 0, &a);
		answer_by_hand(fd, 2 * i + 1, cases[i].sent, "a\nb");
		settle();
		assert_int_equal(a.count, 1);
		assert_int_equal(a.e.rc, cases[i].seen);
		assert_string_equal(a.e.msg, "a?b");
	}
	client_free(c);
	close(fd);
}

static void own_timeout_comes_after_a_grace(void **state UNUSED)
{
	struct answer a;
	struct client *c;
	int fd;

	c = client_of_us(&fd);
	call_text(c, "Check", "", 50, &a);
	clock_fake(2049);
	settle();
	assert_int_equal(a.count, 0);
	clock_fake(2050);
	settle();
	assert_int_equal(a.count, 1);
	assert_int_equal(a.e.rc, RC_DEADLINE_EXCEEDED);
	answer_by_hand(fd, 1, RC_OK, "");	/* too late: nobody's */
	settle();
	assert_int_equal(a.count, 1);
	/* who knows of a slower server waits for it longer */
	client_set_grace(c, 5000);
	call_text(c, "Check", "", 50, &a);
	clock_fake(2050 + 5049);
	settle();
	assert_int_equal(a.count, 0);
	answer_by_hand(fd, 3, RC_DEADLINE_EXCEEDED, "the device");
	settle();
	assert_int_equal(a.count, 1);
	assert_string_equal(a.e.msg, "the device");
	client_free(c);
	close(fd);
}

static void a_cancelled_call_is_silent(void **state UNUSED)
{
	struct answer a, b;
	struct client *c;
	int64_t id;
	int fd;

	c = client_of_us(&fd);
	id = call_text(c, "Check", "", 0, &a);
	call_text(c, "Check", "", 0, &b);
	client_cancel(c, id);
	client_cancel(c, id);
	client_cancel(c, -1);
	client_cancel(c, INT64_MAX);
	answer_by_hand(fd, 1, RC_OK, "");
	answer_by_hand(fd, 3, RC_OK, "");
	settle();
	assert_int_equal(a.count, 0);
	assert_int_equal(b.count, 1);
	client_free(c);
	close(fd);
}

static void bad_replies_fail_their_call_only(void **state UNUSED)
{
	struct answer a[4];
	struct client *c;
	int fd;

	c = client_of_us(&fd);
	for (size_t i = 0; i < COUNT_OF(a); i++)
		call_text(c, "Check", "", 0, &a[i]);
	peer_frame(fd, 1, FRAME_RESPONSE, 0, "\x0a\x7f", 2);
	peer_frame(fd, 3, FRAME_RESPONSE, 0, fx.big, FRAME_MAX + 1);
	peer_frame(fd, 5, FRAME_DATA, 0, "x", 1);
	peer_frame(fd, 7, FRAME_REQUEST, 0, "x", 1);	/* not for a client */
	peer_frame(fd, 99, FRAME_RESPONSE, 0, "x", 1);
	answer_by_hand(fd, 7, RC_OK, "");
	settle();
	assert_int_equal(a[0].e.rc, RC_INVALID_ARGUMENT);
	assert_int_equal(a[1].e.rc, RC_RESOURCE_EXHAUSTED);
	assert_int_equal(a[2].e.rc, RC_INTERNAL);
	assert_int_equal(a[3].e.rc, RC_OK);
	for (size_t i = 0; i < COUNT_OF(a); i++)
		assert_int_equal(a[i].count, 1);
	client_free(c);
	close(fd);
}

static void count(void *arg)
{
	++*(int *)arg;
}

static void loss_ends_all_calls_and_is_told(void **state UNUSED)
{
	struct answer a[50];
	struct err e = { 0 };
	struct client *c;
	int fd, closed = 0;

	c = client_of_us(&fd);
	client_on_closed(c, count, &closed);
	for (size_t i = 0; i < COUNT_OF(a); i++)
		call_text(c, "Check", "", 5000, &a[i]);
	close(fd);
	settle();
	for (size_t i = 0; i < COUNT_OF(a); i++) {
		assert_int_equal(a[i].count, 1);
		assert_int_equal(a[i].e.rc, RC_UNAVAILABLE);
		assert_string_equal(a[i].e.msg, "ttrpc: closed");
	}
	assert_int_equal(closed, 1);
	assert_int_equal(client_call(c, "a", "b", NULL, 0, 0, keep, a, &e), -1);
	assert_int_equal(e.rc, RC_UNAVAILABLE);
	client_free(c);
	assert_int_equal(closed, 1);
}

static void too_large_requests_are_not_sent(void **state UNUSED)
{
	struct answer a = { 0 };
	struct err e = { 0 };
	struct client *c;
	int fd;

	c = client_of_us(&fd);
	assert_int_equal(client_call(c, "a", "b", (uint8_t *)fx.big, FRAME_MAX, 0, keep, &a, &e),
			 -1);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	assert_true(peer_is_idle(fd));
	client_free(c);
	assert_int_equal(a.count, 0);
	close(fd);
}

/* A server that reads nothing: the queue is bounded, and nothing is lost of what was accepted. */
static void the_queue_is_bounded(void **state UNUSED)
{
	struct peer_in in = { .payload = NULL };
	struct answer a = { 0 };
	struct err e = { 0 };
	struct client *c;
	uint32_t n = 0;
	int fd;

	c = client_of_us(&fd);
	while (client_call(c, "a", "b", (uint8_t *)fx.big, 1 << 20, 0, keep, &a, &e) > 0)
		n++;
	assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
	assert_true(n >= 15 && n <= 17);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(peer_next(fd, &in)->f.stream, 2 * i + 1);
	free(in.payload);
	client_free(c);
	assert_int_equal(a.count, (int)n);
	close(fd);
}

/* --- freeing in callbacks --- */

static struct client *victim;

static void free_victim(void *arg, const struct err *e UNUSED, const uint8_t *payload UNUSED,
			size_t len UNUSED)
{
	++*(int *)arg;
	client_free(TAKE_PTR(victim));
}

static void free_victim_closed(void *arg)
{
	free_victim(arg, NULL, NULL, 0);
}

static void the_client_may_be_freed_by_a_reply(void **state UNUSED)
{
	struct err e = { 0 };
	int fd, n = 0;

	victim = client_of_us(&fd);
	for (int i = 0; i < 3; i++)
		assert_true(client_call(victim, "a", "b", NULL, 0, 0, free_victim, &n, &e) > 0);
	answer_by_hand(fd, 3, RC_OK, "");
	answer_by_hand(fd, 1, RC_OK, "");
	settle();
	assert_int_equal(n, 3);
	close(fd);
}

static void the_client_may_be_freed_by_the_loss(void **state UNUSED)
{
	struct err e = { 0 };
	int fd, n = 0;

	victim = client_of_us(&fd);
	client_on_closed(victim, free_victim_closed, &n);
	for (int i = 0; i < 3; i++)
		assert_true(client_call(victim, "a", "b", NULL, 0, 0, free_victim, &n, &e) > 0);
	close(fd);
	settle();
	assert_int_equal(n, 3);

	victim = client_of_us(&fd);
	client_on_closed(victim, free_victim_closed, &n);
	close(fd);
	settle();
	assert_int_equal(n, 4);
}

static void the_client_may_be_freed_by_a_timeout(void **state UNUSED)
{
	struct err e = { 0 };
	int fd, n = 0;

	victim = client_of_us(&fd);
	for (int i = 0; i < 3; i++)
		assert_true(client_call(victim, "a", "b", NULL, 0, 1, free_victim, &n, &e) > 0);
	clock_fake(10000);
	settle();
	assert_int_equal(n, 3);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(waits_for_a_reply),
		TEST(many_calls_out_of_order),
		TEST(two_hundred_clients),
		TEST(deadline_of_the_server),
		TEST(both_directions_full),
		TEST(request_as_sent),
		TEST(statuses),
		TEST(own_timeout_comes_after_a_grace),
		TEST(a_cancelled_call_is_silent),
		TEST(bad_replies_fail_their_call_only),
		TEST(loss_ends_all_calls_and_is_told),
		TEST(too_large_requests_are_not_sent),
		TEST(the_queue_is_bounded),
		TEST(the_client_may_be_freed_by_a_reply),
		TEST(the_client_may_be_freed_by_the_loss),
		TEST(the_client_may_be_freed_by_a_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
