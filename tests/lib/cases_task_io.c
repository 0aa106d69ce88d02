/* SPDX-License-Identifier: Apache-2.0 */
/* Streams by name: before, while and after there is a process, their windows, and who has them. */
#include "lib/cases.h"

#include "lib/rig_task.h"

#define WINDOW 65536

static struct rig_stream in, out, err, other;

static void end(struct rig *r, const char *id)
{
	rig_task(r, "Kill", "{\"id\":\"%s\",\"signal\":9}", id);
	rig_task_wait(r, id, "");
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
}

/* As containerd does it: the streams are opened before the task is created. The end of the input
 * goes through, and the ends of the outputs come before Delete. */
static void before_the_task(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = {
		.args = "[\"sh\",\"-c\",\"cat; echo to err >&2; exit 4\"]",
		.in = "ttrpc+unix:///x?streaming_id=a-in",
		.out = "ttrpc+unix:///x?a=b&streaming_id=a-out",
		.err = "stream://a-err",
	};
	const char *id = rig_id(r);

	rig_stream_open(r, r->client, &in, "a-in", 0);
	rig_stream_open(r, r->client, &out, "a-out", WINDOW);
	rig_stream_open(r, r->client, &err, "a-err", WINDOW);
	assert_int_equal(in.window, 0); /* nobody takes it yet */
	assert_done(r, rig_task_run(r, id, &what));
	while (!in.window)
		loop_once(r->loop, 1000);
	assert_int_equal(in.window, WINDOW);
	rig_stream_write(&in, "hello ", 6);
	rig_stream_until(&out, "hello ");
	rig_stream_write(&in, "world\n", 6);
	rig_stream_end_write(&in);
	rig_stream_until(&out, NULL);
	rig_stream_until(&err, NULL);
	rig_stream_until(&in, NULL);
	assert_int_equal(out.err.rc, RC_OK);
	assert_int_equal(in.err.rc, RC_OK);
	assert_string_equal(out.data, "hello world\n");
	assert_string_equal(err.data, "to err\n");
	assert_int_equal(in.window, WINDOW - 0);
	assert_int_equal(rig_task_wait(r, id, ""), 4);
	rig_stream_close(&in);
	rig_stream_close(&out);
	rig_stream_close(&err);
	end(r, id);
}

/* An output that is opened late, after the exit, has all of it; and once more it has its end. */
static void after_the_exit(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { .args = "[\"sh\",\"-c\",\"echo late\"]", .out = "stream://late" };
	const char *id = rig_id(r);

	assert_done(r, rig_task_run(r, id, &what));
	assert_int_equal(rig_task_wait(r, id, ""), 0);
	rig_stream_open(r, r->client, &out, "late", WINDOW);
	rig_stream_until(&out, NULL);
	assert_string_equal(out.data, "late\n");
	rig_stream_close(&out);
	rig_stream_open(r, r->client, &out, "late", WINDOW);
	rig_stream_until(&out, NULL);
	assert_int_equal(out.err.rc, RC_OK);
	assert_int_equal(out.len, 0);
	rig_stream_close(&out);
	end(r, id);
	/* the name is free again, and waits for another process */
	rig_stream_open(r, r->client, &out, "late", WINDOW);
	assert_false(out.ended);
	rig_stream_close(&out);
}

/* The input's end may come before the task, too. */
static void empty_input(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { .args = "[\"cat\"]", .in = "stream://empty-in" };
	const char *id = rig_id(r);

	rig_stream_open(r, r->client, &in, "empty-in", 0);
	rig_stream_end_write(&in);
	assert_done(r, rig_task_run(r, id, &what));
	assert_int_equal(rig_task_wait(r, id, ""), 0);
	rig_stream_until(&in, NULL);
	rig_stream_close(&in);
	end(r, id);
	what.in = NULL; /* without a stream it is at its end */
	assert_done(r, rig_task_run(r, id, &what));
	assert_int_equal(rig_task_wait(r, id, ""), 0);
	end(r, id);
}

/* Never beyond what was granted; nothing granted holds the process, not the agent. */
static void output_window(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = {
		.args = "[\"sh\",\"-c\",\"dd if=/dev/zero bs=1024 count=300 2>/dev/null\"]",
		.out = "stream://win",
	};
	const char *id = rig_id(r);

	rig_stream_open(r, r->client, &out, "win", 1000);
	assert_done(r, rig_task_run(r, id, &what));
	rig_stream_bytes(&out, 1000);
	while (loop_once(r->loop, 300) > 0)
		;
	assert_int_equal(out.total, 1000);
	rig_stream_grant(&out, 70000);
	rig_stream_bytes(&out, 71000);
	assert_int_equal(out.total, 71000);
	rig_stream_grant(&out, 1 << 30);
	rig_stream_until(&out, NULL);
	assert_int_equal(out.total, 300 * 1024);
	assert_true(out.largest <= 32768);
	assert_int_equal(out.err.rc, RC_OK);
	assert_int_equal(rig_task_wait(r, id, ""), 0);
	rig_stream_close(&out);
	end(r, id);
}

/* All of it fits the window exactly: the end comes without another grant. */
static void exact_window(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { .args = "[\"sh\",\"-c\",\"printf 0123456789\"]",
				 .out = "stream://exact" };
	const char *id = rig_id(r);

	rig_stream_open(r, r->client, &out, "exact", 10);
	assert_done(r, rig_task_run(r, id, &what));
	rig_stream_until(&out, NULL);
	assert_string_equal(out.data, "0123456789");
	rig_stream_close(&out);
	end(r, id);
}

static void input_window(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { .args = "[\"sleep\",\"1000\"]", .in = "stream://full" };
	static char data[WINDOW];
	const char *id = rig_id(r);

	/* before there is a process nothing may be sent */
	rig_stream_open(r, r->client, &in, "full", 0);
	rig_stream_write(&in, data, 1);
	rig_stream_until(&in, NULL);
	assert_int_equal(in.err.rc, RC_RESOURCE_EXHAUSTED);
	rig_stream_close(&in);

	/* the process does not read: its pipe takes 64 KiB, and we as much */
	rig_stream_open(r, r->client, &in, "full", 0);
	assert_done(r, rig_task_run(r, id, &what));
	for (int i = 0; i < 2; i++) {
		while (in.window < WINDOW && !in.ended)
			loop_once(r->loop, 1000);
		rig_stream_write(&in, data, WINDOW);
	}
	while (loop_once(r->loop, 300) > 0)
		;
	assert_int_equal(in.window, 0);
	assert_false(in.ended);
	rig_stream_write(&in, data, 1);
	rig_stream_until(&in, NULL);
	assert_int_equal(in.err.rc, RC_RESOURCE_EXHAUSTED);
	rig_stream_close(&in);
	end(r, id);
}

/* A newer client has the stream; the older one hears of it. Nothing that it has not got is lost. */
static void taken_over(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = {
		.args = "[\"sh\",\"-c\",\"echo one; read x; echo got $x; read x; echo got $x\"]",
		.in = "stream://t-in",
		.out = "stream://t-out",
	};
	const char *id = rig_id(r);
	struct client *c = rig_connect(r);

	assert_non_null(c);
	assert_done(r, rig_task_run(r, id, &what));
	rig_stream_open(r, c, &in, "t-in", 0);
	rig_stream_open(r, c, &out, "t-out", 2);
	rig_stream_until(&out, "on");
	rig_stream_write(&in, "first\n", 6);
	rig_stream_open(r, r->client, &other, "t-out", WINDOW);
	rig_stream_until(&out, NULL);
	assert_int_equal(out.err.rc, RC_ABORTED);
	assert_string_equal(out.data, "on");
	rig_stream_until(&other, "got first\n");
	assert_string_equal(other.data, "e\ngot first\n");
	/* the host is lost: no end of the input */
	client_free(c);
	rig_stream_close(&in);
	rig_stream_close(&out);
	rig_stream_open(r, r->client, &in, "t-in", 0);
	rig_stream_write(&in, "second\n", 7);
	rig_stream_until(&other, NULL);
	assert_string_equal(other.data, "e\ngot first\ngot second\n");
	assert_int_equal(rig_task_wait(r, id, ""), 0);
	rig_stream_until(&in, NULL);
	rig_stream_close(&in);
	rig_stream_close(&other);
	end(r, id);
}

/* The end does not wait for what a grandchild holds, nor for Delete. */
static void grandchild(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { .args = "[\"sleep\",\"1000\"]" };
	const char *id = rig_id(r);

	assert_done(r, rig_task_run(r, id, &what));
	rig_stream_open(r, r->client, &out, "g-out", WINDOW);
	assert_done(r, rig_task_exec(r, id, "g", "sleep 1000 & echo said", "stream://g-out"));
	assert_done(r, rig_task(r, "Start", "{\"id\":\"%s\",\"exec_id\":\"g\"}", id));
	assert_int_equal(rig_task_wait(r, id, "g"), 0);
	rig_stream_until(&out, NULL);
	assert_string_equal(out.data, "said\n");
	rig_stream_close(&out);
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\",\"exec_id\":\"g\"}", id));
	end(r, id);
}

/* Delete ends the streams of who still reads, and of who waits for a name that never comes nobody
 * knows. */
static void delete_ends(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { .args = "[\"sleep\",\"1000\"]",
				 .in = "stream://d-in",
				 .out = "stream://d-out" };
	const char *id = rig_id(r);

	assert_done(r, rig_task_create(r, id, &what));
	rig_stream_open(r, r->client, &in, "d-in", 0);
	rig_stream_open(r, r->client, &out, "d-out", 0);
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
	rig_stream_until(&in, NULL);
	rig_stream_until(&out, NULL);
	assert_int_equal(out.err.rc, RC_OK);
	rig_stream_close(&in);
	rig_stream_close(&out);
}

static void terminal(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = {
		.args = "[\"sh\",\"-c\",\"read x; stty size; echo to $x >&2\"]",
		.in = "stream://tty-in",
		.out = "stream://tty-out",
		.terminal = true,
	};
	const char *id = rig_id(r);

	assert_done(r, rig_task_create(r, id, &what));
	assert_done(r, rig_task(r, "ResizePty", "{\"id\":\"%s\",\"width\":91,\"height\":33}", id));
	assert_done(r, rig_task(r, "Start", "{\"id\":\"%s\"}", id));
	rig_stream_open(r, r->client, &in, "tty-in", 0);
	rig_stream_open(r, r->client, &out, "tty-out", WINDOW);
	rig_stream_write(&in, "go\n", 3);
	rig_stream_until(&out, NULL);
	assert_non_null(strstr(out.data, "33 91"));
	assert_non_null(strstr(out.data, "to go\r\n"));
	assert_done(r, rig_task(r, "State", "{\"id\":\"%s\"}", id));
	assert_output(r, "\"terminal\":true");
	rig_stream_until(&in, NULL);
	rig_stream_close(&in);
	rig_stream_close(&out);
	end(r, id);
}

/* Nobody wants the output: it must not hold the process. */
static void thrown_away(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = {
		.args = "[\"sh\",\"-c\",\"dd if=/dev/zero bs=65536 count=64 2>/dev/null; exit 9\"]"
	};
	const char *id = rig_id(r);

	assert_done(r, rig_task_run(r, id, &what));
	assert_int_equal(rig_task_wait(r, id, ""), 9);
	end(r, id);
}

static void close_io(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { .args = "[\"cat\"]", .in = "stream://c-in", .out = "stream://c-out" };
	const char *id = rig_id(r);

	assert_done(r, rig_task_run(r, id, &what));
	rig_stream_open(r, r->client, &in, "c-in", 0);
	rig_stream_open(r, r->client, &out, "c-out", WINDOW);
	rig_stream_write(&in, "last", 4);
	assert_done(r, rig_task(r, "CloseIO", "{\"id\":\"%s\",\"stdin\":false}", id));
	assert_done(r, rig_task(r, "CloseIO", "{\"id\":\"%s\",\"stdin\":true}", id));
	rig_stream_until(&out, NULL);
	assert_string_equal(out.data, "last");
	assert_done(r, rig_task(r, "CloseIO", "{\"id\":\"%s\",\"stdin\":true}", id));
	assert_int_equal(rig_task_wait(r, id, ""), 0);
	rig_stream_until(&in, NULL);
	rig_stream_close(&in);
	rig_stream_close(&out);
	end(r, id);
}

static void bulk(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = {
		.args = "[\"sh\",\"-c\",\"dd if=/dev/zero bs=65536 count=64 2>/dev/null\"]",
		.out = "stream://bulk",
	};
	const char *id = rig_id(r);

	rig_stream_open(r, r->client, &out, "bulk", 1 << 30);
	assert_done(r, rig_task_run(r, id, &what));
	rig_stream_until(&out, NULL);
	assert_int_equal(out.total, 64 * 65536);
	rig_stream_close(&out);
	end(r, id);
}

/* What waits for a process is bounded. */
static void too_many(void **state UNUSED)
{
	static struct rig_stream many[1025];
	struct rig *r = cases_rig;
	struct client *c = rig_connect(r);
	char id[16];
	size_t n = 0;

	assert_non_null(c);
	for (; n < COUNT_OF(many); n++) {
		snprintf(id, sizeof(id), "many-%zu", n);
		rig_stream_open(r, c, &many[n], id, 0);
		if (many[n].ended)
			break;
	}
	assert_true(n >= 1000 && n < COUNT_OF(many));
	assert_int_equal(many[n].err.rc, RC_RESOURCE_EXHAUSTED);
	client_free(c); /* they go with their connection */
	for (size_t i = 0; i <= n; i++)
		rig_stream_close(&many[i]);
	do {
		rig_stream_open(r, r->client, &out, "many-0", 0);
		rig_stream_close(&out);
	} while (out.ended); /* which the agent hears of when it hears of it */
}

const struct CMUnitTest cases_task_io[] = {
	cmocka_unit_test(before_the_task), cmocka_unit_test(after_the_exit),
	cmocka_unit_test(empty_input),	   cmocka_unit_test(output_window),
	cmocka_unit_test(exact_window),	   cmocka_unit_test(input_window),
	cmocka_unit_test(taken_over),	   cmocka_unit_test(grandchild),
	cmocka_unit_test(delete_ends),	   cmocka_unit_test(terminal),
	cmocka_unit_test(thrown_away),	   cmocka_unit_test(close_io),
	cmocka_unit_test(bulk),		   cmocka_unit_test(too_many),
	{ 0 },
};
