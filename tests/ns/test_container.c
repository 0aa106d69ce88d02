/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a container: create, start, removal, what it sees, and what is refused. */
#include "lib/container_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"

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
		assert_int_equal(cgroup_populated(host.cgroups, group_of("c1")), 1);
	drop(c);
	assert_int_equal(stat(bundle, &st), -1);
	if (host.cgroups)
		assert_true(cgroup_open(host.cgroups, group_of("c1"), 0) < 0);
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
		"touch /mote-x; ls /etc | wc -l; wc -c </proc/version;"
		"echo y 2>/dev/null >/proc/sys/kernel/domainname || echo ro; touch /dev/x && echo dev");
	char path[128];

	c->spec->root.readonly = true;
	c->spec->linux.masked_paths = strings(&c->arena, masked);
	c->spec->linux.readonly_paths = strings(&c->arena, readonly);
	assert_string_equal(output_of(c, 0), "0\n0\nro\ndev\n");
	snprintf(path, sizeof(path), "%s/mote-x", rootfs);
	assert_int_equal(access(path, F_OK), -1);
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

	assert_contains(e.msg, "the file nonsense was not found: No such file or directory (ENOENT)");
	assert_int_equal(e.rc, RC_NOT_FOUND);
	e = create_fails(CONTAINER("c1", "/bin/nonsense"));
	assert_contains(e.msg, "the file /bin/nonsense was not found");
	e = create_fails(CONTAINER("c1", "/bin/plain"));
	assert_contains(e.msg, "the file /bin/plain is not executable: Permission denied (EACCES)");
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

/* Who asked may stop waiting: the removal goes on, and asking again waits for its end. */
static void removal_goes_on(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct told first = { 0 }, meanwhile = { 0 };

	create(c);
	start(c);
	container_remove(c, clock_ms(), told_fn, &first);
	container_remove(c, CLOCK_NEVER, told_fn, &meanwhile);
	assert_int_equal(meanwhile.e.rc, RC_FAILED_PRECONDITION);
	turn_until(&first.yes);
	assert_int_equal(first.e.rc, RC_DEADLINE_EXCEEDED);
	assert_int_equal(c->state, CONTAINER_REMOVING);
	turn_for(30);
	drop(c);
}

static void on_status(struct process_waiter *w, struct process *p UNUSED, int status)
{
	*(int *)w->owner = status;
}

static void on_end(struct streams_reader *r, const void *data UNUSED, size_t len,
		   const struct err *e)
{
	assert_int_equal(len, 0);
	assert_false(err_is_set(e));
	*(bool *)r->owner = true;
}

static void removal_tells_who_waits(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct process_waiter w;
	struct streams_reader r;
	int status = -1;
	bool end = false;

	create(c);
	start(c);
	assert_false(process_wait(c->init, &w, on_status, &status));
	streams_read(&c->init->streams, STREAMS_OUT, &r, 100, on_end, &end);
	drop(c);
	assert_int_equal(status, 128 + SIGKILL);
	assert_true(end);
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
		TEST(removal_goes_on),
		TEST(removal_tells_who_waits),
	};
	int failed = 0;

	/* Without cgroups, and in each version that this machine has. */
	for (int version = 0; version <= 2; version++)
		if (fixture_cgroups(version))
			failed += cmocka_run_group_tests(tests, fixture_group_setup,
							 fixture_group_teardown);
	/* All paths and mounts go the other way. */
	return failed + fixture_on_old_kernel(tests, COUNT_OF(tests), fixture_group_setup);
}
