/* SPDX-License-Identifier: Apache-2.0 */
/* Stdio between pipes of ours and a guest's streams; the guest is a server of this program, which
 * may be told to misbehave. */
#include <setjmp.h>
#include <stdarg.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "containerd_streaming.pb-c.h"
#include "shim/pump_in.h"
#include "shim/pump_out.h"
#include "ttrpc/call.h"
#include "ttrpc/server.h"
#include "ttrpc/wire.h"

#include <cmocka.h>

#define CHUNK 32768
#define TURNS 2000

static struct {
	struct loop *loop;
	struct server *server;
	struct client *client;
	struct call *call; /* the stream */
	size_t granted, sent, received;
	bool ended; /* by the shim's side */
	char id[32], text[64];
	int fds[2];
} fx;

/* --- the guest --- */

static void on_raw(struct call *c, const uint8_t *bytes, size_t len)
{
	const uint8_t *msg;
	struct wire_field f;
	size_t n;

	if (!bytes) {
		fx.ended = true;
		return;
	}
	if (pump_open(bytes, len, "StreamInit", &msg, &n) == 1) {
		assert_int_equal(wire_find(msg, n, 1, WIRE_BYTES, &f), 1);
		snprintf(fx.id, sizeof(fx.id), "%.*s", (int)f.len, (const char *)f.data);
		call_send_raw(c, (const uint8_t *)"", 0);
	} else if (pump_open(bytes, len, pump_window, &msg, &n) == 1) {
		assert_int_equal(wire_find(msg, n, 1, WIRE_VARINT, &f), 1);
		fx.granted += f.value;
	} else if (pump_open(bytes, len, pump_data, &msg, &n) == 1) {
		assert_int_equal(wire_find(msg, n, 1, WIRE_BYTES, &f), 1);
		snprintf(fx.text + fx.received, sizeof(fx.text) - fx.received, "%.*s", (int)f.len,
			 (const char *)f.data);
		fx.received += f.len;
	}
}

static void on_cancel(struct call *c)
{
	fx.call = NULL;
	call_failf(c, RC_CANCELLED, "cancelled");
}

static void stream(struct call *c)
{
	static const struct call_stream_ops ops = { .on_raw = on_raw };

	fx.call = c;
	c->cancel = on_cancel;
	call_stream_start(c, &ops);
}

static const struct rpc_row rows[] = { { "Stream", stream, RPC_RAW | RPC_STREAM } };
static const struct rpc_service streaming = {
	.desc = &containerd__services__streaming__v1__streaming__descriptor,
	.rows = rows,
	.n_rows = 1
};
static const struct rpc_service *const services[] = { &streaming, NULL };

static void send_data(size_t len)
{
	static uint8_t buf[PUMP_HEAD + 2 * PUMP_WINDOW];
	size_t n = pump_write_data_head(len, buf);

	memset(buf + n, 'x', len);
	fx.sent += len;
	assert_true(call_send_raw(fx.call, buf, n + len) >= 0);
}

/* --- the fixture --- */

static void settle(void)
{
	while (loop_once(fx.loop, 0) > 0)
		;
}

static int setup(void **state UNUSED)
{
	struct err e = { 0 };
	int pair[2];

	memset(&fx, 0, sizeof(fx));
	fx.loop = loop_new();
	fx.server = server_new(fx.loop, services, NULL, SERVER_ANY_PEER, &e);
	assert_non_null(fx.server);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(server_adopt(fx.server, pair[0]), 0);
	fx.client = client_new(fx.loop, pair[1], &e);
	assert_non_null(fx.client);
	assert_int_equal(pipe2(fx.fds, O_CLOEXEC | O_NONBLOCK), 0);
	return 0;
}

static int teardown(void **state UNUSED)
{
	client_free(fx.client);
	server_free(fx.server);
	settle();
	loop_free(fx.loop);
	auto_close(&fx.fds[0]);
	auto_close(&fx.fds[1]);
	return 0;
}

static void begin_out(struct pump_out *p)
{
	struct err e = { 0 };

	pump_out_init(p, fx.loop, TAKE_FD(fx.fds[1]));
	assert_int_equal(pump_out_begin(p, fx.client, "c/out", &e), 0);
	settle();
	assert_string_equal(fx.id, "c/out");
}

/* Reads what is there. */
static size_t drain(void)
{
	static char buf[CHUNK];
	size_t all = 0;
	ssize_t n;

	while ((n = read(fx.fds[0], buf, sizeof(buf))) > 0)
		all += (size_t)n;
	return all;
}

/* --- output --- */

static void a_reader_that_sleeps_holds_the_guest_up(void **state UNUSED)
{
	struct pump_out p;
	size_t got = 0;

	begin_out(&p);
	assert_int_equal(fx.granted, PUMP_WINDOW);
	for (int i = 0; i < TURNS && fx.granted - fx.sent >= CHUNK; i++) {
		send_data(CHUNK);
		settle();
	}
	/* all that the pipe and the window take, and no more */
	assert_true(fx.sent >= PUMP_WINDOW && fx.sent <= 3 * PUMP_WINDOW);
	assert_true(fx.granted - fx.sent < CHUNK);
	for (int i = 0; i < TURNS && got < fx.sent; i++) {
		got += drain();
		settle();
	}
	assert_int_equal(got, fx.sent);
	assert_true(fx.granted - fx.sent >= CHUNK);
	pump_out_fini(&p);
}

/* What there is room for goes out from the buffer that it came in. */
static void what_flows_is_not_kept(void **state UNUSED)
{
	struct pump_out p;

	begin_out(&p);
	for (int i = 0; i < 20; i++) {
		send_data(CHUNK);
		settle();
		assert_null(p.rest);
		assert_int_equal(drain(), CHUNK);
	}
	send_data(CHUNK);
	send_data(CHUNK);
	send_data(CHUNK);
	settle();
	assert_non_null(p.rest);
	pump_out_fini(&p);
}

static void the_end_comes_behind_all_data(void **state UNUSED)
{
	struct pump_out p;
	size_t got = 0;

	begin_out(&p);
	send_data(CHUNK);
	send_data(CHUNK);
	send_data(CHUNK);
	settle();
	call_stream_end(TAKE_PTR(fx.call));
	settle();
	for (int i = 0; i < TURNS && p.fd >= 0; i++) {
		got += drain();
		settle();
	}
	got += drain();
	assert_int_equal(got, 3 * CHUNK);
	assert_int_equal(read(fx.fds[0], &got, 1), 0); /* nobody writes any more */
	pump_out_fini(&p);
}

static void more_than_was_granted_ends_the_stream(void **state UNUSED)
{
	struct pump_out p;

	begin_out(&p);
	send_data(PUMP_WINDOW + 1);
	settle();
	assert_null(p.stream);
	assert_int_equal(p.fd, -1);
	assert_int_equal(drain(), 0);
	pump_out_fini(&p);
}

static void junk_ends_the_stream(void **state UNUSED)
{
	struct pump_out p;

	begin_out(&p);
	assert_true(call_send_raw(fx.call, (const uint8_t *)"\xff\xff", 2) >= 0);
	settle();
	assert_null(p.stream);
	assert_int_equal(p.fd, -1);
	pump_out_fini(&p);
}

/* The process must not hang because nobody reads its output any more. */
static void a_reader_that_is_gone_takes_all(void **state UNUSED)
{
	struct pump_out p;

	begin_out(&p);
	auto_close(&fx.fds[0]);
	for (int i = 0; i < 20; i++) {
		assert_true(fx.granted - fx.sent >= CHUNK);
		send_data(CHUNK);
		settle();
	}
	pump_out_fini(&p);
}

/* --- input --- */

static void begin_in(struct pump_in *p, int fd)
{
	struct err e = { 0 };

	pump_in_init(p, fx.loop, fd);
	assert_int_equal(pump_in_begin(p, fx.client, "c/in", &e), 0);
	settle();
	assert_string_equal(fx.id, "c/in");
}

static void grant(size_t n)
{
	uint8_t out[PUMP_HEAD];

	assert_true(call_send_raw(fx.call, out, pump_write_window(n, out)) >= 0);
	settle();
}

static void input_goes_as_far_as_there_is_room(void **state UNUSED)
{
	struct pump_in p;

	begin_in(&p, TAKE_FD(fx.fds[0]));
	assert_int_equal(write(fx.fds[1], "hello world", 11), 11);
	settle();
	assert_int_equal(fx.received, 0);
	grant(5);
	assert_string_equal(fx.text, "hello");
	grant(100);
	assert_string_equal(fx.text, "hello world");
	assert_false(fx.ended);
	auto_close(&fx.fds[1]);
	settle();
	assert_true(fx.ended);
	pump_in_fini(&p);
}

/* A FIFO whose writer has not come yet reads as ended. */
static void a_writer_may_come_late(void **state UNUSED)
{
	char dir[] = "/tmp/mote-pump-XXXXXX", path[64];
	struct pump_in p;
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	begin_in(&p, open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	grant(100);
	assert_false(fx.ended);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(write(fd, "late", 4), 4);
	settle();
	assert_string_equal(fx.text, "late");
	assert_false(fx.ended);
	/* CloseIO: what is there still goes, though the writer stays */
	assert_int_equal(write(fd, "r", 1), 1);
	pump_in_close(&p);
	settle();
	assert_string_equal(fx.text, "later");
	assert_true(fx.ended);
	close(fd);
	pump_in_fini(&p);
	unlink(path);
	rmdir(dir);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_reader_that_sleeps_holds_the_guest_up),
		TEST(what_flows_is_not_kept),
		TEST(the_end_comes_behind_all_data),
		TEST(more_than_was_granted_ends_the_stream),
		TEST(junk_ends_the_stream),
		TEST(a_reader_that_is_gone_takes_all),
		TEST(input_goes_as_far_as_there_is_room),
		TEST(a_writer_may_come_late),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
