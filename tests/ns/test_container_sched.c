/* SPDX-License-Identifier: Apache-2.0 */
/* How a container's processes are scheduled, what clocks and names they see, and where an exec has
 * it from. */
#include "lib/container_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/io.h"
#include "container/spec_words.h"

/* nice, static priority and policy of the shell itself: it forks nothing for that. */
#define SHOW	"read -r line </proc/self/stat; set -- $line; echo ${19} ${40} ${41}"

static const char *output_with(struct sched_params p)
{
	struct container *c = SHELL("c1", SHOW);

	c->spec->process->scheduler = &p;
	return output_of(c, 0);
}

static void policies(void **state UNUSED)
{
	assert_string_equal(output_with((struct sched_params){ .policy = SCHED_IDLE }), "0 0 5\n");
	assert_string_equal(output_with((struct sched_params){ .policy = SCHED_BATCH, .nice = 7 }),
			    "7 0 3\n");
	assert_string_equal(output_with((struct sched_params){ .nice = -3 }), "-3 0 0\n");
	assert_string_equal(output_with((struct sched_params){ .policy = SCHED_RR, .priority = 9 }),
			    "0 9 2\n");
	assert_string_equal(output_with((struct sched_params){ .policy = SPEC_SCHED_DEADLINE,
							       .runtime_ns = 10000000,
							       .deadline_ns = 100000000,
							       .period_ns = 100000000 }),
			    "0 0 6\n");
}

/* What the shell forks is an ordinary process again. */
static void reset_on_fork(void **state UNUSED)
{
	struct sched_params p = { .policy = SCHED_FIFO, .priority = 5, .flags = 0x01 };
	struct container *c = SHELL("c1", SHOW "; (" SHOW "); true");

	c->spec->process->scheduler = &p;
	assert_string_equal(output_of(c, 0), "0 5 1\n0 0 0\n");
}

static void refused_by_the_kernel(void **state UNUSED)
{
	/* a budget that is larger than its period */
	struct sched_params p = { .policy = SPEC_SCHED_DEADLINE, .runtime_ns = 2000000,
				  .deadline_ns = 1000000 };
	struct container *c = SHELL("c1", "true");
	struct err e;

	c->spec->process->scheduler = &p;
	e = create_fails(c);
	assert_contains(e.msg, "process.scheduler: Invalid argument (EINVAL)");
}

static void io_priority(void **state UNUSED)
{
	struct container *c = SHELL("c1", "ionice");

	c->spec->process->io_priority = (struct spec_io_priority){ 2, 6, true };
	assert_string_equal(output_of(c, 0), "best-effort: prio 6\n");
	c = SHELL("c1", "ionice");
	c->spec->process->io_priority = (struct spec_io_priority){ 3, 0, true };
	assert_contains(output_of(c, 0), "idle");
}

static void personality_of_32_bits(void **state UNUSED)
{
	struct container *c = SHELL("c1", "uname -m");

	c->spec->linux.personality = (struct spec_u64){ 8, true };
	assert_string_equal(output_of(c, 0), "i686\n");
}

/* --- memory --- */

static bool kernel_has_numa(void)
{
	return access("/proc/self/numa_maps", F_OK) == 0;
}

static void memory_policy(void **state UNUSED)
{
	static struct spec_memory_policy bind = { 2, SPEC_MPOL_F_STATIC_NODES, "0" };
	struct container *c = SHELL("c1", "grep -c ' bind=static:0 ' /proc/self/numa_maps");

	c->spec->linux.memory_policy = &bind;
	if (kernel_has_numa()) {
		assert_true(strtol(output_of(c, 0), NULL, 10) > 0);
	} else {
		struct err e = create_fails(c);

		assert_int_equal(e.rc, RC_FAILED_PRECONDITION);
		assert_string_equal(e.msg, "process: linux.memoryPolicy: the kernel has no NUMA");
	}
}

static void memory_of_no_node(void **state UNUSED)
{
	static struct spec_memory_policy bind = { 2, 0, "1023" };
	struct container *c = SHELL("c1", "true");
	struct err e;

	c->spec->linux.memory_policy = &bind;
	e = create_fails(c);
	assert_contains(e.msg, "linux.memoryPolicy");
}

/* --- clocks --- */

static void shifted_clocks(void **state UNUSED)
{
	struct container *c = SHELL("c1", "cat /proc/uptime /proc/self/timens_offsets; read x");
	struct err e = { 0 };
	struct process *p;
	const char *out;

	c->spec->linux.ns[NS_TIME].want = true;
	c->spec->linux.boottime = (struct spec_time_offset){ 100000000, 0, true };
	c->spec->linux.monotonic = (struct spec_time_offset){ 7, 5000, true };
	create(c);
	start(c);
	p = EXEC(c, "e1", &e, "cat", "/proc/uptime", "/proc/self/timens_offsets");
	if (!p)
		fail_msg("%s", e.msg);
	out = read_all(p, STREAMS_OUT);
	assert_true(strtol(out, NULL, 10) > 99999999);
	streams_close_stdin(&c->init->streams); /* it ends once it has said all */
	out = read_all(c->init, STREAMS_OUT);
	assert_true(strtol(out, NULL, 10) > 99999999);
	assert_contains(out, "monotonic           7      5000");
	assert_contains(out, "boottime    100000000         0");
	drop(c);
}

/* A new namespace without offsets, and one with a clock that would be negative. */
static void clocks_unshifted(void **state UNUSED)
{
	struct container *c = SHELL("c1", "readlink /proc/self/ns/time");
	char own[64] = "";
	struct err e;

	assert_true(readlink("/proc/self/ns/time", own, sizeof(own) - 1) > 0);
	c->spec->linux.ns[NS_TIME].want = true;
	assert_null(strstr(output_of(c, 0), own));
	c = SHELL("c1", "true");
	c->spec->linux.ns[NS_TIME].want = true;
	c->spec->linux.monotonic = (struct spec_time_offset){ INT64_MIN / 1000000000, 0, true };
	e = create_fails(c);
	assert_contains(e.msg, "linux.timeOffsets");
}

/* The helper that shifts the clocks also makes the process in its user namespace. */
static void clocks_of_a_user_namespace(void **state UNUSED)
{
	static struct spec_id_map map = { 0, 0, 1000 };
	struct container *c = SHELL("c1", "cut -c1 /proc/uptime; cat /proc/self/uid_map");

	c->spec->linux.ns[NS_TIME].want = c->spec->linux.ns[NS_USER].want = true;
	c->spec->linux.uid_maps = c->spec->linux.gid_maps = &map;
	c->spec->linux.n_uid_maps = c->spec->linux.n_gid_maps = 1;
	c->spec->linux.boottime = (struct spec_time_offset){ 900000000, 0, true };
	assert_string_equal(output_of(c, 0), "9\n         0          0       1000\n");
}

/* --- names --- */

static void names(void **state UNUSED)
{
	struct container *c = SHELL("c1", "cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname");

	c->spec->domainname = "example.org";
	assert_string_equal(output_of(c, 0), "box\nexample.org\n");
}

/* What was made by another has its host name from there. */
static void names_of_a_shared_namespace(void **state UNUSED)
{
	struct container *first = SHELL("c1", "sleep 1000");
	struct container *c = SHELL("c2", "cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname");

	create(first);
	start(first);
	c->spec->hostname = "other";
	c->spec->domainname = "example.org";
	c->spec->linux.ns[NS_UTS].path =
		arena_printf(&c->arena, "/proc/%d/ns/uts", (int)first->init->pid);
	assert_string_equal(output_of(c, 0), "box\nexample.org\n");
	drop(first);
}

/* --- execs --- */

static const char *exec_output(struct container *c, const char *script)
{
	struct err e = { 0 };
	struct process *p = EXEC(c, "e1", &e, "/bin/sh", "-c", script);
	static char text[4096];

	if (!p)
		fail_msg("%s", e.msg);
	snprintf(text, sizeof(text), "%s", read_all(p, STREAMS_OUT));
	wait_exit(p);
	process_forget(p);
	return text;
}

/* What an exec does not say itself is as in the container. */
static void execs_are_alike(void **state UNUSED)
{
	struct sched_params idle = { .policy = SCHED_IDLE };
	static struct spec_memory_policy bind = { 2, 0, "0" };
	static struct spec_rlimit files = { "RLIMIT_NOFILE", 77, 88 };
	struct container *c = SHELL("c1", "sleep 1000");

	c->spec->process->rlimits = &files;
	c->spec->process->n_rlimits = 1;
	c->spec->process->no_new_privs = true;
	c->spec->process->oom_score_adj = (struct spec_i64){ 555, true };
	c->spec->process->scheduler = &idle;
	c->spec->process->io_priority = (struct spec_io_priority){ 2, 1, true };
	c->spec->linux.personality = (struct spec_u64){ 8, true };
	if (kernel_has_numa())
		c->spec->linux.memory_policy = &bind;
	create(c);
	start(c);
	assert_string_equal(exec_output(c, SHOW "; ionice; uname -m"),
			    "0 0 5\nbest-effort: prio 1\ni686\n");
	assert_string_equal(exec_output(c, "ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj;"
					   "grep NoNewPrivs /proc/self/status"),
			    "77\n88\n555\nNoNewPrivs:\t1\n");
	if (kernel_has_numa())
		assert_true(*exec_output(c, "grep -c ' bind:0 ' /proc/self/numa_maps") != '0');
	drop(c);
}

static void exec_says_itself(void **state UNUSED)
{
	struct sched_params idle = { .policy = SCHED_IDLE }, batch = { .policy = SCHED_BATCH };
	static const char *const argv[] = { "/bin/sh", "-c", SHOW, NULL };
	struct container *c = SHELL("c1", "sleep 1000");
	struct told t = { 0 };
	struct err e = { 0 };
	struct process *p;

	c->spec->process->scheduler = &idle;
	create(c);
	start(c);
	p = process_new(c, "e1", &e);
	assert_non_null(p);
	p->spec = process_spec(&p->arena, argv);
	p->spec->scheduler = &batch;
	process_exec(p, CLOCK_NEVER, told_fn, &t);
	turn_until(&t.yes);
	assert_string_equal(t.e.msg, "");
	assert_string_equal(read_all(p, STREAMS_OUT), "0 0 3\n");
	drop(c);
}

#define CPUS	"grep Cpus_allowed_list /proc/self/status"

static void exec_processors(void **state UNUSED)
{
	struct container *c = SHELL("c1", CPUS "; read x");
	struct err e = { 0 };
	char text[128];

	c->spec->process->exec_cpus_initial = "0";
	create(c);
	start(c);
	assert_string_equal(exec_output(c, CPUS), "Cpus_allowed_list:\t0\n");
	c->spec->process->exec_cpus_initial = NULL;
	c->spec->process->exec_cpus_final = "0-0";
	assert_string_equal(exec_output(c, CPUS), "Cpus_allowed_list:\t0\n");
	c->spec->process->exec_cpus_final = "8191";
	assert_null(EXEC(c, "e1", &e, "true"));
	assert_contains(e.msg, "process.execCPUAffinity.final (8191): Invalid argument (EINVAL)");
	streams_close_stdin(&c->init->streams); /* it ends once it has said all */
	snprintf(text, sizeof(text), "Cpus_allowed_list:\t0-%ld\n",
		 sysconf(_SC_NPROCESSORS_ONLN) - 1);
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		assert_string_equal(read_all(c->init, STREAMS_OUT), text);
	drop(c);
}

/* The group is entered before the process runs, whichever way. */
static void exec_is_in_its_group(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");

	c->spec->process->exec_cpus_initial = "0";
	create(c);
	start(c);
	assert_contains(exec_output(c, "cat /proc/self/cgroup"), "0::/\n");
	drop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(policies), TEST(reset_on_fork), TEST(refused_by_the_kernel), TEST(io_priority),
		TEST(personality_of_32_bits), TEST(memory_policy), TEST(memory_of_no_node),
		TEST(shifted_clocks), TEST(clocks_unshifted),
		TEST(clocks_of_a_user_namespace), TEST(names),
		TEST(names_of_a_shared_namespace), TEST(execs_are_alike),
		TEST(exec_says_itself), TEST(exec_processors),
	};
	const struct CMUnitTest grouped[] = { TEST(exec_is_in_its_group) };
	int failed;

	fixture_cgroups(0);
	failed = cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
	if (fixture_cgroups(2))
		failed += cmocka_run_group_tests(grouped, fixture_group_setup,
						 fixture_group_teardown);
	return failed;
}
