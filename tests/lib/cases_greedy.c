/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container without limits that takes all there is of one thing. Meanwhile the agent answers, the
 * containers beside it go on, what cannot be had is an error that says so, and the greedy one can
 * be ended: afterwards everything works as before.
 */
#include "lib/cases.h"

/* Lives beside the greedy one; its first process gives back what it is given. */
static void start_neighbour(struct rig *r)
{
	struct rig_container what = { .args = "[\"cat\"]" };

	assert_done(r, rig_run(r, "neighbour", &what));
}

static void neighbour_answers(struct rig *r)
{
	assert_done(r, rig_call(r, "WriteStdin",
				"{\"container_id\":\"neighbour\",\"data\":\"aGVsbG8K\"}"));
	assert_done(r, rig_call(r, "ReadStdout", "{\"container_id\":\"neighbour\",\"len\":100}"));
	assert_string_equal(r->reply, "{\"data\":\"aGVsbG8K\"}");
}

/* Runs the script, which says "full" once there is no more, and then waits with what it has. */
static void start_greedy(struct rig *r, const char *script)
{
	char args[512];
	struct rig_container what = { .args = args };

	snprintf(args, sizeof(args), "[\"sh\",\"-c\",\"%s; echo full; read x\"]", script);
	assert_done(r, rig_run(r, "greedy", &what));
	assert_done(r, rig_call(r, "ReadStdout", "{\"container_id\":\"greedy\",\"len\":100}"));
	assert_string_equal(r->reply, "{\"data\":\"ZnVsbAo=\"}");
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	neighbour_answers(r);
}

static void end_greedy(struct rig *r)
{
	assert_done(r, rig_call(r, "SignalProcess",
				"{\"container_id\":\"greedy\",\"signal\":9}"));
	assert_int_equal(rig_wait(r, "greedy", ""), 137);
	assert_done(r, rig_remove(r, "greedy"));
	neighbour_answers(r);
	assert_done(r, rig_exec(r, "neighbour", "after", "exit 8"));
	assert_int_equal(rig_wait(r, "neighbour", "after"), 8);
	assert_done(r, rig_remove(r, "neighbour"));
}

/* The guest's last process is the greedy one's; the guest has fewer than usual, to be quick. */
static void every_process(void **state)
{
	struct rig *r = cases_rig;
	unsigned long usual;
	char script[96];

	(void)state;
	assert_int_equal(rig_guest(r, "cat /guest/sys/kernel/threads-max"), 0);
	usual = strtoul(r->reply, NULL, 10);
	assert_int_equal(rig_guest(r, "echo 300 > /guest/sys/kernel/threads-max"), 0);
	start_neighbour(r);
	start_greedy(r, "sh -c 'while :; do sleep 100000 & done' 2>/dev/null");
	assert_rc(r, rig_exec(r, "neighbour", "more", "exit 0"), RC_INTERNAL,
		  "Resource temporarily unavailable");
	assert_done(r, rig_call(r, "GetGuestDetails", "{}"));
	end_greedy(r);
	snprintf(script, sizeof(script), "echo %lu > /guest/sys/kernel/threads-max", usual);
	assert_int_equal(rig_guest(r, script), 0);
}

/* The kernel must find the one who took it all, which is neither the agent nor the neighbour. */
static void every_page(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = { .args = "[\"tail\",\"/dev/zero\"]" };

	(void)state;
	start_neighbour(r);
	assert_done(r, rig_run(r, "greedy", &what));
	assert_int_equal(rig_wait(r, "greedy", ""), 137);
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	neighbour_answers(r);
	assert_done(r, rig_remove(r, "greedy"));
	assert_done(r, rig_remove(r, "neighbour"));
}

/* Roots in memory share what the guest gives them; who only reads needs none of it. */
static void every_block_of_its_root(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	start_neighbour(r);
	start_greedy(r, "dd if=/dev/zero of=/fill bs=64k 2>/dev/null");
	assert_int_equal(rig_shell(r, "cat /proc/self/comm"), 0);
	assert_string_equal(r->reply, "cat\n");
	end_greedy(r);
}

/* Outputs that nobody reads: as many processes as wait for a reader. */
static void every_pipe(void **state)
{
	struct rig *r = cases_rig;
	char id[16];

	(void)state;
	start_neighbour(r);
	start_greedy(r, "yes >&2 & true");
	for (int i = 0; i < 24; i++) {
		snprintf(id, sizeof(id), "e%d", i);
		assert_done(r, rig_exec(r, "greedy", id, "yes >&2 & exec yes"));
	}
	neighbour_answers(r);
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	end_greedy(r);
}

static int clear_up(void **state)
{
	(void)state;
	rig_remove(cases_rig, "greedy");
	rig_remove(cases_rig, "neighbour");
	return 0;
}

const struct CMUnitTest cases_greedy[] = {
	cmocka_unit_test_teardown(every_process, clear_up),
	cmocka_unit_test_teardown(every_page, clear_up),
	cmocka_unit_test_teardown(every_block_of_its_root, clear_up),
	cmocka_unit_test_teardown(every_pipe, clear_up),
	{ 0 },
};
