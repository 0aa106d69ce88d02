/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a container: create, start, streams, exec, signals, removal, and what is refused. */
#include "lib/container_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in: %s", part, text);
}

/* --- create, start, wait, remove --- */

static void runs_a_command(void **state UNUSED)
{
	assert_string_equal(output_of(SHELL("c1", "echo hello; exit 7"), 7), "hello\n");
}

static void command_is_found_in_path(void **state UNUSED)
{
	assert_string_equal(output_of(CONTAINER("c1", "echo", "a b"), 0), "a b\n");
}

static void created_waits_for_start(void **state UNUSED)
{
	struct container *c = SHELL("c1", "echo started");
	struct told t = { 0 };

	create(c);
	turn_for(50);
	assert_int_equal(c->state, CONTAINER_CREATED);
	assert_true(c->init->pid > 0);
	start(c);
	assert_string_equal(read_all(c->init, STREAMS_OUT), "started\n");
	container_start(c, CLOCK_NEVER, told_fn, &t);	/* a second time */
	assert_int_equal(t.e.rc, RC_FAILED_PRECONDITION);
	assert_int_equal(wait_exit(c->init), 0);
	assert_int_equal(c->state, CONTAINER_STOPPED);
	drop(c);
}

static void removed_without_start(void **state UNUSED)
{
	struct container *c = SHELL("c1", "echo never");

	create(c);
	drop(c);
}

static void killed_by_removal(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000 & sleep 1000");
	struct process_waiter w;

	create(c);
	start(c);
	assert_false(process_wait(c->init, &w, NULL, NULL));
	process_wait_cancel(&w);
	drop(c);
}

static void bundle_and_cgroup_go(void **state UNUSED)
{
	struct container *c = SHELL("c1", "true");
	char bundle[128];
	struct stat st;

	create(c);
	snprintf(bundle, sizeof(bundle), "%s", c->bundle);
	assert_int_equal(stat(bundle, &st), 0);
	if (host.cgroups)
		assert_int_equal(cgroup_populated(host.cgroups, "/c1"), 1);
	drop(c);
	assert_int_equal(stat(bundle, &st), -1);
	if (host.cgroups)
		assert_true(cgroup_open(host.cgroups, "/c1", 0) < 0);
}

/* --- what the process sees --- */

static void has_only_its_own(void **state UNUSED)
{
	const char *out = output_of(
		SHELL("c1",
		      "echo pid $$; hostname; ls /proc/self/fd; pwd; echo $HOME $NAME; umask;"
		      "echo links $(readlink /dev/fd) $(readlink /dev/ptmx); test -c /dev/null && echo null;"
		      "grep -c . /proc/self/mountinfo"),
		0);

	assert_contains(
		out,
		"pid 1\nbox\n0\n1\n2\n3\n/\n/root value\n0022\nlinks /proc/self/fd pts/ptmx\nnull\n3\n");
}

/* Signals that the agent blocks or ignores are not the container's business. */
static void signals_are_default(void **state UNUSED)
{
	const char *out = output_of(
		CONTAINER("c1", "grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"), 0);

	assert_string_equal(
		out,
		"SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n");
}

static void drops_rights(void **state UNUSED)
{
	struct container *c =
		CONTAINER("c1", "grep", "-E", "^(Uid|Gid|Groups|Cap|NoNew)", "/proc/self/status");
	struct spec_process *p = c->spec->process;
	uint32_t groups[] = { 5, 7 };

	p->user = (struct spec_user){ .uid = 1000, .gid = 1001, .groups = groups, .n_groups = 2 };
	*p->caps = (struct caps_sets){ .bounding = 0x401, .permitted = 0x400, .effective = 0x400,
				       .inheritable = 0x400, .ambient = 0x400 };
	p->no_new_privs = true;
	assert_string_equal(
		output_of(c, 0),
		"Uid:\t1000\t1000\t1000\t1000\nGid:\t1001\t1001\t1001\t1001\nGroups:\t5 7 \n"
		"CapInh:\t0000000000000400\nCapPrm:\t0000000000000400\nCapEff:\t0000000000000400\n"
		"CapBnd:\t0000000000000401\nCapAmb:\t0000000000000400\nNoNewPrivs:\t1\n");
}

static void user_can_reopen_streams(void **state UNUSED)
{
	struct container *c = SHELL("c1", "echo $HOME >/dev/stdout; cd /tmp && pwd");

	c->spec->process->user = (struct spec_user){ .uid = 1000, .gid = 1000 };
	assert_string_equal(output_of(c, 0), "/home/user\n/tmp\n");
}

static void limits_and_score(void **state UNUSED)
{
	static struct spec_rlimit limits[] = { { "RLIMIT_NOFILE", 3, 4 }, { "RLIMIT_CORE", 0, 0 } };
	struct container *c = SHELL(
		"c1", "ulimit -S -n; ulimit -H -n; read s < /proc/self/oom_score_adj; echo $s");

	c->spec->process->rlimits = limits;
	c->spec->process->n_rlimits = 1;
	limits[0].soft = 33;
	limits[0].hard = 44;
	c->spec->process->oom_score_adj = (struct spec_i64){ 77, true };
	assert_string_equal(output_of(c, 0), "33\n44\n77\n");
}

static void readonly_root_and_masks(void **state UNUSED)
{
	static const char *const masked[] = { "/etc", "/proc/version", "/nowhere", NULL };
	static const char *const readonly[] = { "/proc/sys", NULL };
	struct container *c = SHELL(
		"c1",
		"touch /x; ls /etc | wc -l; wc -c </proc/version;"
		"echo y 2>/dev/null >/proc/sys/kernel/domainname || echo ro; touch /dev/x && echo dev");

	c->spec->root.readonly = true;
	c->spec->linux.masked_paths = strings(&c->arena, masked);
	c->spec->linux.readonly_paths = strings(&c->arena, readonly);
	assert_string_equal(output_of(c, 0), "0\n0\nro\ndev\n");
	assert_int_equal(access("/tmp/x", F_OK), -1);
}

static void cwd_is_made(void **state UNUSED)
{
	struct container *c = CONTAINER("c1", "pwd");

	c->spec->process->cwd = "/tmp/deep/down";
	assert_string_equal(output_of(c, 0), "/tmp/deep/down\n");
}

static void sysctl_is_written(void **state UNUSED)
{
	static struct spec_pair pairs[] = { { "kernel.shmmni", "1234" } };
	struct container *c = CONTAINER("c1", "cat", "/proc/sys/kernel/shmmni");

	c->spec->linux.sysctl = (struct spec_pairs){ pairs, 1 };
	assert_string_equal(output_of(c, 0), "1234\n");
}

static void joins_a_namespace(void **state UNUSED)
{
	struct container *c = CONTAINER("c1", "hostname");
	char path[64];
	int fd = ns_make(NS_UTS);

	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	c->spec->hostname = NULL;
	c->spec->linux.ns[NS_UTS].path = path;
	output_of(c, 0);
	close(fd);
}

/* The second container is in the first one's process namespace: it needs two clones. */
static void shares_a_pid_namespace(void **state UNUSED)
{
	struct container *first = SHELL("c1", "sleep 1000"), *second;
	char path[64];

	create(first);
	start(first);
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)first->init->pid);
	second = SHELL("c2", "test $$ != 1 && tr '\\0' ' ' </proc/1/cmdline");
	second->spec->linux.ns[NS_PID].path = path;
	assert_string_equal(output_of(second, 0), "sleep 1000 ");
	drop(first);
}

static void user_namespace(void **state UNUSED)
{
	static struct spec_id_map map = { .container_id = 0, .host_id = 100000, .size = 65536 };
	struct container *c =
		SHELL("c1", "id -u; cat /proc/self/uid_map; test -c /dev/null && echo null");

	chmod(scratch, 0755);
	c->spec->linux.ns[NS_USER].want = true;
	c->spec->linux.uid_maps = c->spec->linux.gid_maps = &map;
	c->spec->linux.n_uid_maps = c->spec->linux.n_gid_maps = 1;
	assert_string_equal(output_of(c, 0), "0\n         0     100000      65536\nnull\n");
}

/* --- failures --- */

static void missing_command(void **state UNUSED)
{
	struct err e = create_fails(CONTAINER("c1", "nonsense"));

	assert_contains(e.msg, "the file nonsense was not found");
	assert_int_equal(e.rc, RC_NOT_FOUND);
	e = create_fails(CONTAINER("c1", "/bin/nonsense"));
	assert_contains(e.msg, "the file /bin/nonsense was not found");
	e = create_fails(CONTAINER("c1", "/bin/plain"));
	assert_contains(e.msg, "the file /bin/plain is not executable");
	assert_int_equal(e.rc, RC_PERMISSION_DENIED);
}

/* Found, but the kernel refuses it only at execve. */
static void bad_interpreter(void **state UNUSED)
{
	struct container *c = CONTAINER("c1", "/bin/badloader");
	struct told t = { 0 };

	create(c);
	container_start(c, CLOCK_NEVER, told_fn, &t);
	turn_until(&t.yes);
	assert_contains(t.e.msg, "exec /bin/badloader");
	assert_int_equal(wait_exit(c->init), 127);
	drop(c);
}

static void bad_mount(void **state UNUSED)
{
	struct container *c = SHELL("c1", "true");
	struct err e;

	c->spec->mounts[c->spec->n_mounts++] = (struct spec_mount){
		.destination = "/mnt", .source = "/no/such/source", .type = "bind",
	};
	e = create_fails(c);
	assert_contains(e.msg, "mounts[2]");
	assert_int_equal(e.rc, RC_NOT_FOUND);
}

static void bad_root(void **state UNUSED)
{
	struct container *c = SHELL("c1", "true");
	struct err e;

	c->spec->root.path = "/no/such/root";
	e = create_fails(c);
	assert_contains(e.msg, "root.path /no/such/root");
}

static void bad_spec(void **state UNUSED)
{
	struct container *c = SHELL("c1", "true");
	struct err e;

	c->spec->linux.ns[NS_MNT].want = false;
	e = create_fails(c);
	assert_contains(e.msg, "spec: linux.namespaces");
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
}

static void create_in_time(void **state UNUSED)
{
	struct container *c = SHELL("c1", "true");
	struct told t = { 0 };

	container_create(c, clock_ms(), told_fn, &t);
	turn_until(&t.yes);
	assert_int_equal(t.e.rc, RC_DEADLINE_EXCEEDED);
	container_free(c);
}

/* --- exec --- */

static void exec_joins(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e = { 0 };
	struct process *p;

	create(c);
	assert_null(process_new(c, "e0", &e));	/* not yet */
	assert_int_equal(e.rc, RC_FAILED_PRECONDITION);
	err_clear(&e);
	start(c);
	p = EXEC(
		c, "e1", &e, "/bin/sh", "-c",
		"hostname; cat /proc/1/comm; ls /proc/self/fd; grep CapEff /proc/self/status; exit 3");
	if (!p)
		fail_msg("%s", e.msg);
	assert_contains(read_all(p, STREAMS_OUT), "box\nsleep\n0\n1\n2\n3\nCapEff:");
	assert_int_equal(wait_exit(p), 3);
	assert_null(process_new(c, "e1", &e));
	assert_contains(e.msg, "exec_id 'e1' already exists");
	err_clear(&e);
	assert_ptr_equal(process_find(c, "e1"), p);
	process_forget(p);
	assert_null(process_find(c, "e1"));
	assert_ptr_equal(process_find(c, ""), c->init);
	assert_ptr_equal(process_find(c, "c1"), c->init);
	drop(c);
}

static void exec_of_nothing(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e = { 0 };

	create(c);
	start(c);
	assert_null(EXEC(c, "e1", &e, "nonsense"));
	assert_contains(e.msg, "the file nonsense was not found");
	assert_null(process_find(c, "e1"));
	err_clear(&e);
	assert_null(EXEC(c, "e1", &e, "/bin/badloader"));
	assert_contains(e.msg, "exec /bin/badloader");
	drop(c);
}

static void exec_when_init_is_dead(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e = { 0 };
	struct process *p;
	struct told t = { 0 };

	create(c);
	start(c);
	p = process_new(c, "e1", &e);
	assert_non_null(p);
	p->spec = process_spec(&p->arena, (const char *const[]){ "true", NULL });
	process_kill(c->init);
	/* begins while the death is not reaped yet */
	process_exec(p, CLOCK_NEVER, told_fn, &t);
	turn_until(&t.yes);
	assert_true(t.e.rc == RC_NOT_FOUND || t.e.rc == RC_INTERNAL);
	wait_exit(c->init);
	assert_null(process_new(c, "e2", &e));
	assert_int_equal(e.rc, RC_FAILED_PRECONDITION);
	drop(c);
}

/* --- signals, freezer, limits --- */

static void term_without_handler(void **state UNUSED)
{
	struct container *c = CONTAINER("c1", "sleep", "1000");
	struct err e = { 0 };

	create(c);
	start(c);
	assert_int_equal(process_signal(c->init, SIGTERM, &e), 0);
	assert_int_equal(wait_exit(c->init), 128 + SIGKILL);
	assert_int_equal(process_signal(c->init, SIGTERM, &e), 0);	/* gone is success */
	assert_int_equal(process_signal(c->init, 4711, &e), -1);
	drop(c);
}

static void term_with_handler(void **state UNUSED)
{
	struct container *c =
		SHELL("c1", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done");
	struct err e = { 0 };
	char byte[6];

	create(c);
	start(c);
	assert_int_equal(fcntl(c->init->streams.out.fd, F_SETFL, 0), 0);
	assert_int_equal(io_read_full(c->init->streams.out.fd, byte, 6), 6);
	assert_int_equal(process_signal(c->init, SIGTERM, &e), 0);
	assert_int_equal(wait_exit(c->init), 5);
	drop(c);
}

static void kill_all(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e = { 0 };
	struct process *p;

	create(c);
	start(c);
	p = EXEC(c, "e1", &e, "sleep", "1000");
	assert_non_null(p);
	assert_int_equal(container_kill_all(c, &e), 0);
	assert_int_equal(wait_exit(c->init), 137);
	assert_int_equal(wait_exit(p), 137);
	drop(c);
}

static void pause_and_resume(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e = { 0 };

	if (!host.cgroups || (host.cgroups->version == CGROUP_VERSION_1 &&
			      !(host.cgroups->controllers & CGROUP_FREEZER))) {
		container_free(c);
		skip();
	}
	create(c);
	start(c);
	assert_int_equal(container_pause(c, &e), 0);
	assert_int_equal(c->state, CONTAINER_PAUSED);
	assert_int_equal(container_pause(c, &e), -1);
	assert_int_equal(e.rc, RC_FAILED_PRECONDITION);
	err_clear(&e);
	assert_int_equal(container_resume(c, &e), 0);
	assert_int_equal(c->state, CONTAINER_RUNNING);
	assert_int_equal(container_pause(c, &e), 0);
	drop(c);	/* also frozen */
}

static void limits_are_set(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct cgroup_limits l;
	struct told t = { 0 };

	if (!host.cgroups || !(host.cgroups->controllers & CGROUP_PIDS)) {
		container_free(c);
		skip();
	}
	c->spec->linux.resources = spec_resources_new(&c->arena);
	assert_non_null(c->spec->linux.resources);
	c->spec->linux.resources->limits.pids = 20;
	create(c);
	start(c);
	cgroup_limits_init(&l);
	l.pids = 30;
	container_update(c, &l, CLOCK_NEVER, told_fn, &t);
	turn_until(&t.yes);
	if (err_is_set(&t.e))
		fail_msg("%s", t.e.msg);
	drop(c);
}

/* --- streams --- */

static void on_written(struct streams_writer *w, const struct err *e)
{
	assert_false(err_is_set(e));
	*(bool *)w->owner = true;
}

static void stdin_and_its_end(void **state UNUSED)
{
	struct container *c = CONTAINER("c1", "cat");
	struct streams_writer w;
	bool yes = false;

	create(c);
	streams_write(&c->init->streams, &w, "before start\n", 13, on_written, &yes);
	start(c);
	turn_until(&yes);
	streams_close_stdin(&c->init->streams);
	assert_string_equal(read_all(c->init, STREAMS_OUT), "before start\n");
	assert_int_equal(wait_exit(c->init), 0);
	drop(c);
}

static void stderr_is_apart(void **state UNUSED)
{
	struct container *c = SHELL("c1", "echo out; echo err >&2");

	create(c);
	start(c);
	assert_string_equal(read_all(c->init, STREAMS_ERR), "err\n");
	assert_string_equal(read_all(c->init, STREAMS_OUT), "out\n");
	drop(c);
}

static void terminal(void **state UNUSED)
{
	struct container *c = SHELL("c1", "stty size; cat; echo end");
	struct streams_writer w;
	bool yes = false;
	const char *out;

	c->spec->process->terminal = true;
	c->spec->process->console_rows = 25;
	c->spec->process->console_columns = 81;
	create(c);
	start(c);
	/* no newline: its end is harder to tell */
	streams_write(&c->init->streams, &w, "typed", 5, on_written, &yes);
	turn_until(&yes);
	streams_close_stdin(&c->init->streams);
	out = read_all(c->init, STREAMS_OUT);
	assert_contains(out, "25 81\r\n");
	assert_contains(out, "typed");
	assert_contains(out, "end\r\n");
	assert_string_equal(read_all(c->init, STREAMS_ERR), "");
	assert_int_equal(wait_exit(c->init), 0);
	drop(c);
}

/* A grandchild keeps the pipe; the end is told half a second after the exit all the same. */
static void grandchild_holds_the_pipe(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e = { 0 };
	struct process *p;

	create(c);
	start(c);
	p = EXEC(c, "e1", &e, "/bin/sh", "-c", "sleep 1000 & echo hello");
	assert_non_null(p);
	assert_string_equal(read_all(p, STREAMS_OUT), "hello\n");
	assert_int_equal(wait_exit(p), 0);
	assert_string_equal(read_all(p, STREAMS_ERR), "");
	drop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(runs_a_command),
		TEST(command_is_found_in_path),
		TEST(created_waits_for_start),
		TEST(removed_without_start),
		TEST(killed_by_removal),
		TEST(bundle_and_cgroup_go),
		TEST(has_only_its_own),
		TEST(signals_are_default),
		TEST(drops_rights),
		TEST(user_can_reopen_streams),
		TEST(limits_and_score),
		TEST(readonly_root_and_masks),
		TEST(cwd_is_made),
		TEST(sysctl_is_written),
		TEST(joins_a_namespace),
		TEST(shares_a_pid_namespace),
		TEST(user_namespace),
		TEST(missing_command),
		TEST(bad_interpreter),
		TEST(bad_mount),
		TEST(bad_root),
		TEST(bad_spec),
		TEST(create_in_time),
		TEST(exec_joins),
		TEST(exec_of_nothing),
		TEST(exec_when_init_is_dead),
		TEST(term_without_handler),
		TEST(term_with_handler),
		TEST(kill_all),
		TEST(pause_and_resume),
		TEST(limits_are_set),
		TEST(stdin_and_its_end),
		TEST(stderr_is_apart),
		TEST(terminal),
		TEST(grandchild_holds_the_pipe),
	};

	int failed = 0;

	/* Without cgroups, and in each version that this machine has. */
	for (int version = 0; version <= 2; version++)
		if (fixture_cgroups(version))
			failed += cmocka_run_group_tests(tests, fixture_group_setup,
							 fixture_group_teardown);
	return failed;
}
