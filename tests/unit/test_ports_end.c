/* SPDX-License-Identifier: Apache-2.0 */
/* mote.v1.Ports: how a connection ends. */
#include "ports_agent.h"

/* --- ends --- */

static void the_host_ends_its_half(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, 1000);
	say(&c, &(struct piece){ .len = 10, .end = true });
	UNTIL(fx.loop, sink_read(&fx.sink, fx.fd));
	assert_true(fx.sink.ended && fx.sink.got == 10);
	assert_int_equal(tcp_fill(fx.fd, 0, 100), 100);
	UNTIL(fx.loop, c.heard.got == 100);
	assert_false(c.over || c.heard.ended);
	auto_close(&fx.fd);
	expect_over(&c, RC_OK, "");
	assert_true(c.heard.ended);
	close_conn(&c);
}

/* … before the connection is there. */
static void the_host_ends_its_half_at_once(void **state UNUSED)
{
	struct conn c;

	fx.listenfd = tcp_bound(AF_INET, &fx.port, 8);
	open_raw(&c);
	say(&c, &(struct piece){ .port = fx.port, .end = true });
	UNTIL(fx.loop, accepted() && sink_read(&fx.sink, fx.fd));
	assert_true(fx.sink.ended);
	auto_close(&fx.fd);
	close_conn(&c);
}

static void the_server_ends_its_half(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, FOUR_MB);
	assert_int_equal(tcp_fill(fx.fd, 0, 1000), 1000);
	assert_int_equal(shutdown(fx.fd, SHUT_WR), 0);
	UNTIL(fx.loop, c.heard.ended);
	assert_int_equal(c.heard.got, 1000);
	send_all(&c, FOUR_MB);
	assert_false(c.over);
	say(&c, &(struct piece){ .end = true });
	UNTIL(fx.loop, sink_read(&fx.sink, fx.fd));
	assert_true(fx.sink.ended);
	expect_over(&c, RC_OK, "");
	close_conn(&c);
}

/* All that the host has sent is written before its end is. */
static void an_end_behind_bytes_that_wait(void **state UNUSED)
{
	struct conn c;
	size_t sent;

	connect_to(&c, AF_INET, 0);
	for (int i = 0; i < 2000 && c.heard.window > c.sent; i++) {
		say(&c, &(struct piece){ .len = MIN(c.heard.window - c.sent, (size_t)30000),
					 .from = c.sent });
		turn(fx.loop);
	}
	sent = c.sent;
	say(&c, &(struct piece){ .end = true });
	turn(fx.loop);
	UNTIL(fx.loop, sink_read(&fx.sink, fx.fd));
	assert_true(fx.sink.ended);
	assert_int_equal(fx.sink.got, sent);
	close_conn(&c);
}

/* --- resets --- */

static void the_server_resets(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, 1000);
	tcp_reset(&fx.fd);
	expect_over(&c, RC_UNAVAILABLE, "reset");
	assert_false(c.heard.ended);
	close_conn(&c);
}

/* Of one who has sent its end: nobody reads there any more. */
static void the_server_resets_behind_its_end(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, 1000);
	assert_int_equal(shutdown(fx.fd, SHUT_WR), 0);
	UNTIL(fx.loop, c.heard.ended);
	tcp_reset(&fx.fd);
	expect_over(&c, RC_UNAVAILABLE, "reset");
	close_conn(&c);
}

/* A host that takes nothing hears of it once it does; the loop rests meanwhile. */
static void the_server_resets_while_nobody_reads(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, 0);
	tcp_reset(&fx.fd);
	for (int i = 0; i < 50; i++)
		loop_once(fx.loop, 1);
	assert_int_equal(loop_once(fx.loop, 0), 0);
	say(&c, &(struct piece){ .window = 10 });
	expect_over(&c, RC_UNAVAILABLE, "reset");
	close_conn(&c);
}

/* As servers do that answer before they have read all: the answer comes, then the reset. */
static void an_answer_before_a_reset(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, 0);
	say(&c, &(struct piece){ .len = 100 });
	turn(fx.loop);
	assert_int_equal(tcp_fill(fx.fd, 0, 5000), 5000);
	auto_close(&fx.fd); /* with bytes that it has not read */
	say(&c, &(struct piece){ .len = 100, .from = 100 });
	turn(fx.loop);
	say(&c, &(struct piece){ .window = 3000 });
	UNTIL(fx.loop, c.heard.got == 3000);
	say(&c, &(struct piece){ .window = 3000 });
	expect_over(&c, RC_UNAVAILABLE, "");
	assert_int_equal(c.heard.got, 5000);
	assert_false(c.heard.ended);
	close_conn(&c);
}

static void the_host_gives_it_up(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, 1000);
	say(&c, &(struct piece){ .len = 10 });
	client_stream_close_send(c.stream);
	expect_over(&c, RC_CANCELLED, "gives it up");
	UNTIL(fx.loop, sink_read(&fx.sink, fx.fd));
	assert_int_equal(fx.sink.error, ECONNRESET);
	close_conn(&c);
}

static void the_host_is_lost(void **state UNUSED)
{
	struct conn c;

	connect_to(&c, AF_INET, 1000);
	client_free(fx.client);
	assert_true(c.over);
	UNTIL(fx.loop, sink_read(&fx.sink, fx.fd));
	assert_int_equal(fx.sink.error, ECONNRESET);
	assert_int_equal(fx.fronts.ctd.n_ports, 0);
	close_conn(&c);
	setup_client();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(the_host_ends_its_half),
		TEST(the_host_ends_its_half_at_once),
		TEST(the_server_ends_its_half),
		TEST(an_end_behind_bytes_that_wait),
		TEST(the_server_resets),
		TEST(the_server_resets_behind_its_end),
		TEST(the_server_resets_while_nobody_reads),
		TEST(an_answer_before_a_reset),
		TEST(the_host_gives_it_up),
		TEST(the_host_is_lost),
	};

	return cmocka_run_group_tests_name("ends of ports", tests, NULL, NULL);
}
