/* SPDX-License-Identifier: Apache-2.0 */
/* Standard streams: pipes and terminals, by the rules that hosts rely on. */
#include "lib/cases.h"

static void both_outputs(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"echo out; echo err >&2; exit 1\"]"
	};

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_int_equal(rig_read(r, "ReadStdout", id, id), 4);
	assert_string_equal(r->reply, "out\n");
	assert_int_equal(rig_read(r, "ReadStderr", id, ""), 4);
	assert_string_equal(r->reply, "err\n");
	assert_int_equal(rig_wait(r, id, id), 1);
	assert_done(r, rig_remove(r, id));
}

/* Who waits first and reads then loses nothing. */
static void wait_then_read(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sleep\",\"1000\"]" };

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_done(r, rig_exec(r, id, "e", "echo still there"));
	assert_int_equal(rig_wait(r, id, "e"), 0);
	assert_true(rig_read(r, "ReadStdout", id, "e") > 0);
	assert_string_equal(r->reply, "still there\n");
	assert_done(r, rig_remove(r, id));
}

static void echo_through_cat(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"cat\"]" };

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_done(r,
		    rig_call(r, "WriteStdin",
			     "{\"container_id\":\"%s\",\"exec_id\":\"%s\",\"data\":\"aGVsbG8K\"}",
			     id, id));
	assert_string_equal(r->reply, "{\"len\":6}");
	assert_done(r,
		    rig_call(r, "ReadStdout",
			     "{\"container_id\":\"%s\",\"exec_id\":\"%s\",\"len\":100}", id, id));
	assert_string_equal(r->reply, "{\"data\":\"aGVsbG8K\"}");
	assert_done(r, rig_call(r, "CloseStdin", "{\"container_id\":\"%s\",\"exec_id\":\"%s\"}", id,
				id));
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_rc(r,
		  rig_call(r, "WriteStdin", "{\"container_id\":\"%s\",\"data\":\"aGVsbG8K\"}", id),
		  RC_FAILED_PRECONDITION, "");
	assert_done(r, rig_remove(r, id));
}

/* A write of no bytes is the end of the input, as some hosts say it. */
static void empty_write_ends_input(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"cat\"]" };

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_done(r, rig_call(r, "WriteStdin", "{\"container_id\":\"%s\"}", id));
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
}

/* More than a pipe holds: the writer waits, others do not. */
static void slow_reader(void **state)
{
	struct rig *r = cases_rig;
	static struct rig_pending p;
	static char big[4 * 49152 + 1];
	const char *id = rig_id(r);
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"read go </dev/null; sleep 1000 <&0\"]"
	};

	(void)state;
	memset(big, 'A', sizeof(big) - 1);
	assert_done(r, rig_run(r, id, &what));
	rig_send(r, r->client, 0, &p, "WriteStdin", "{\"container_id\":\"%s\",\"data\":\"%s\"}", id,
		 big);
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	assert_false(p.done);
	assert_done(r, rig_call(r, "SignalProcess", "{\"container_id\":\"%s\",\"signal\":9}", id));
	assert_int_not_equal(rig_await(r, &p), 0);
	assert_int_equal(rig_wait(r, id, ""), 137);
	assert_done(r, rig_remove(r, id));
}

/* A grandchild that keeps the pipe open does not keep the reader for ever. */
static void grandchild_holds_pipe(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sleep\",\"1000\"]" };

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_done(r, rig_exec(r, id, "e", "sleep 1000 & echo first"));
	assert_true(rig_read(r, "ReadStdout", id, "e") > 0);
	assert_string_equal(r->reply, "first\n");
	assert_int_equal(rig_wait(r, id, "e"), 0);
	assert_done(r, rig_remove(r, id));
}

static void terminal(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"stty size; read x; stty size; exit 4\"]",
		.process = ",\"Terminal\":true,\"ConsoleSize\":{\"Height\":30,\"Width\":90}",
	};

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_done(
		r,
		rig_call(r, "TtyWinResize",
			 "{\"container_id\":\"%s\",\"exec_id\":\"%s\",\"row\":40,\"column\":132}",
			 id, id));
	assert_done(r,
		    rig_call(r, "WriteStdin", "{\"container_id\":\"%s\",\"data\":\"Cg==\"}", id));
	assert_true(rig_read(r, "ReadStdout", id, id) > 0);
	assert_output(r, "40 132");
	assert_int_equal(rig_read(r, "ReadStderr", id, id), 0);
	assert_int_equal(rig_wait(r, id, ""), 4);
	assert_done(r, rig_remove(r, id));
}

/* The terminal is of the container's own devpts, so that it has a name in there, and it is the
 * container's console. An exec gets the next one. */
static void terminal_has_a_name(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"tty; echo by name >$(tty); echo by console >/dev/console; read x\"]",
		.process = ",\"Terminal\":true",
	};

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_done(r, rig_call(r, "ExecProcess",
				"{\"container_id\":\"%s\",\"exec_id\":\"e\",\"process\":{\"Terminal\":true,\"Args\":[\"tty\"],"
				"\"Cwd\":\"/\",\"User\":{},\"Env\":[\"PATH=/bin\"]}}",
				id));
	assert_true(rig_read(r, "ReadStdout", id, "e") > 0);
	assert_output(r, "/dev/pts/1");
	assert_int_equal(rig_wait(r, id, "e"), 0);
	assert_done(r, rig_call(r, "CloseStdin", "{\"container_id\":\"%s\"}", id));
	assert_true(rig_read(r, "ReadStdout", id, id) > 0);
	assert_output(r, "/dev/pts/0\r\nby name\r\nby console\r\n");
	assert_done(r, rig_remove(r, id));
}

/* The size is there from the first moment. */
static void terminal_first_size(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = {
		.args = "[\"stty\",\"size\"]",
		.process = ",\"Terminal\":true,\"ConsoleSize\":{\"Height\":30,\"Width\":90}",
	};

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_true(rig_read(r, "ReadStdout", id, id) > 0);
	assert_output(r, "30 90");
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
}

static void terminal_end_of_input(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sh\",\"-c\",\"cat >/dev/null; echo over\"]",
				      .process = ",\"Terminal\":true" };

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_done(r, rig_call(r, "CloseStdin", "{\"container_id\":\"%s\"}", id));
	assert_true(rig_read(r, "ReadStdout", id, id) > 0);
	assert_output(r, "over");
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
}

static void no_terminal_no_size(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sleep\",\"100\"]" };

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_rc(r,
		  rig_call(r, "TtyWinResize", "{\"container_id\":\"%s\",\"row\":1,\"column\":1}",
			   id),
		  RC_UNAVAILABLE, "no tty");
	assert_done(r, rig_remove(r, id));
}

/* A host whose connection is cut while it reads finds the output where it was. */
static void reader_comes_back(void **state)
{
	struct rig *r = cases_rig;
	static struct rig_pending p;
	struct client *other;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sh\",\"-c\",\"read x; echo for you\"]" };

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	other = rig_connect(r);
	assert_non_null(other);
	rig_send(r, other, 0, &p, "ReadStdout", "{\"container_id\":\"%s\",\"len\":100}", id);
	assert_done(r, rig_call_on(r, other, 10000, "grpc.Health/Check",
				   "{}")); /* so the read is parked there */
	client_free(other);
	assert_done(r, rig_call(r, "CloseStdin", "{\"container_id\":\"%s\"}", id));
	assert_true(rig_read(r, "ReadStdout", id, id) > 0);
	assert_string_equal(r->reply, "for you\n");
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
}

const struct CMUnitTest cases_streams[] = {
	cmocka_unit_test(both_outputs),
	cmocka_unit_test(wait_then_read),
	cmocka_unit_test(echo_through_cat),
	cmocka_unit_test(empty_write_ends_input),
	cmocka_unit_test(slow_reader),
	cmocka_unit_test(grandchild_holds_pipe),
	cmocka_unit_test(terminal),
	cmocka_unit_test(terminal_has_a_name),
	cmocka_unit_test(terminal_first_size),
	cmocka_unit_test(terminal_end_of_input),
	cmocka_unit_test(no_terminal_no_size),
	cmocka_unit_test(reader_comes_back),
	{ 0 },
};
