/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups for real, on whatever hierarchies this machine has: version 1's at /sys/fs/cgroup,
 * or version 2's there or (a hybrid host) in /sys/fs/cgroup/unified. Each test makes groups below
 * one of its own name and removes them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/str.h"
#include "kernel/cgroup_limits.h"
#include "kernel/clone.h"

static char group[64], leaf[96], pid_text[16];

static const char *roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

/* The root of a version, writable for this process; false: there is none. */
static bool find(enum cgroup_version version, struct cgroup_root *root)
{
	for (size_t i = 0; i < COUNT_OF(roots); i++) {
		if (cgroup_detect(roots[i], root) < 0)
			continue;
		if (root->version == version && geteuid() == 0) {
			struct err e = { 0 };

			cgroup_root_fini(root);
			if (cgroup_setup_root(roots[i], version, root, &e) < 0)
				fail_msg("%s", e.msg);
			cgroup_hand_down(root);
			return true;
		}
		cgroup_root_fini(root);
	}
	return false;
}

#define FIND(version)									\
	struct cgroup_root root;							\
	struct err e = { 0 };								\
	do {										\
		(void)state;								\
		assert_true(find(version, &root));					\
	} while (0)

/* A child that waits, started inside the group's directory where cgroup_fd is not -1. */
static pid_t sleeper(int cgroup_fd)
{
	struct clone_opts o = { .cgroup_fd = cgroup_fd };
	pid_t pid = clone_process(&o);

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (o.pidfd >= 0)
		close(o.pidfd);
	return pid;
}

/* The controller by which version 1's processes are listed. */
static unsigned int cgroup_any_of(const struct cgroup_root *root)
{
	return root->controllers & CGROUP_MEMORY ? CGROUP_MEMORY : CGROUP_PIDS;
}

static void expect_killed(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void create(const struct cgroup_root *root, struct err *e)
{
	if (cgroup_create(root, leaf, e) < 0)
		fail_msg("%s", e->msg);
	assert_int_equal(cgroup_create(root, leaf, e), 0);	/* again is fine */
	assert_int_equal(cgroup_populated(root, leaf), 0);
	assert_int_equal(cgroup_pids(root, leaf, 0, NULL, 0), 0);
}

static void remove_all(struct cgroup_root *root)
{
	assert_int_equal(cgroup_remove(root, group), 0);
	assert_int_equal(cgroup_open(root, group, 0), -ENOENT);
	assert_int_equal(cgroup_remove(root, group), 0);
	assert_int_equal(cgroup_kill(root, group), 0);
	assert_int_equal(cgroup_populated(root, group), 0);
	assert_int_equal(cgroup_pids(root, group, CGROUP_RECURSIVE, NULL, 0), 0);
	cgroup_root_fini(root);
}

/* The life of two processes in the leaf, seen from the group above. */
static void live_and_die(const struct cgroup_root *root, pid_t first, pid_t second)
{
	pid_t pids[4] = { 0 };

	assert_int_equal(cgroup_populated(root, leaf), 1);
	assert_int_equal(cgroup_populated(root, group), 1);
	assert_int_equal(cgroup_pids(root, group, 0, pids, 4), 0);
	assert_int_equal(cgroup_pids(root, group, CGROUP_RECURSIVE, pids, 1), 2);
	assert_int_equal(cgroup_pids(root, leaf, 0, pids, 4), 2);
	assert_true((pids[0] == first && pids[1] == second) ||
		    (pids[0] == second && pids[1] == first));
	assert_int_equal(cgroup_remove(root, group), -EBUSY);
	assert_int_equal(cgroup_kill(root, group), 0);
	expect_killed(first);
	expect_killed(second);
	assert_int_equal(cgroup_populated(root, group), 0);
}

static void test_v2(void **state)
{
	FIND(CGROUP_VERSION_2);
	AUTO_FD fd = -1;
	pid_t first, second;

	create(&root, &e);
	fd = cgroup_open(&root, leaf, 0);
	assert_true(fd >= 0);
	first = sleeper(fd);
	second = sleeper(-1);
	assert_int_equal(cgroup_add_pid(&root, leaf, second), 0);
	live_and_die(&root, first, second);
	remove_all(&root);
}

/* Kernels without clone3, without its cgroup field, and without its cgroup flag. */
static void test_join_on_old_kernels(void **state)
{
	static const int errors[] = { ENOSYS, E2BIG, EINVAL };
	FIND(CGROUP_VERSION_2);
	AUTO_FD fd = -1;

	create(&root, &e);
	fd = cgroup_open(&root, leaf, 0);
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		struct clone_opts o = { .cgroup_fd = fd };
		int p[2], err = -1;
		pid_t pid, listed = 0;

		assert_int_equal(pipe2(p, O_CLOEXEC), 0);
		clone_test_errno = errors[i];
		pid = clone_process(&o);
		clone_test_errno = 0;
		assert_true(pid >= 0);
		if (pid == 0)
			_exit(write(p[1], &o.cgroup_err, sizeof(int)) == sizeof(int) ? pause() : 1);
		assert_true(o.pidfd >= 0);
		assert_int_equal(read(p[0], &err, sizeof(err)), sizeof(err));
		assert_int_equal(err, 0);
		assert_int_equal(cgroup_pids(&root, leaf, 0, &listed, 1), 1);
		assert_int_equal(listed, pid);
		assert_int_equal(clone_pidfd_signal(o.pidfd, SIGKILL), 0);
		expect_killed(pid);
		close(o.pidfd);
		close(p[0]);
		close(p[1]);
	}
	remove_all(&root);
}

static void expect_file(const struct cgroup_root *root, unsigned int controller, const char *file,
			const char *want)
{
	AUTO_FD fd = cgroup_open(root, leaf, controller);
	char text[64];

	assert_true(fd >= 0);
	assert_true(io_read_line(fd, file, text, sizeof(text)) >= 0);
	assert_string_equal(text, want);
}

static void test_v2_limits(void **state)
{
	FIND(CGROUP_VERSION_2);
	struct cgroup_limits l;

	cgroup_limits_init(&l);
	create(&root, &e);
	l.memory = 1 << 25;
	l.pids = 20;
	l.cpu_shares = 1024;
	l.cpu_quota = 50000;
	assert_int_equal(cgroup_limit(&root, leaf, &l, &e), 0);
	expect_file(&root, 0, "memory.max", "33554432");
	expect_file(&root, 0, "pids.max", "20");
	expect_file(&root, 0, "cpu.weight", "100");
	expect_file(&root, 0, "cpu.max", "50000 100000");
	remove_all(&root);
}

/* What no controller enforces is refused, unless nothing is to be enforced. */
static void test_v2_without_controller(void **state)
{
	FIND(CGROUP_VERSION_2);
	struct cgroup_limits l;

	cgroup_limits_init(&l);
	create(&root, &e);
	root.controllers &= ~(unsigned int)CGROUP_MEMORY;
	l.memory = 1 << 25;
	assert_int_equal(cgroup_limit(&root, leaf, &l, &e), -1);
	assert_int_equal(e.rc, RC_FAILED_PRECONDITION);
	err_clear(&e);
	l.memory = -1;
	assert_int_equal(cgroup_limit(&root, leaf, &l, &e), 0);
	remove_all(&root);
}

static void test_v1(void **state)
{
	FIND(CGROUP_VERSION_1);
	pid_t first, second;

	create(&root, &e);
	first = sleeper(-1);
	second = sleeper(-1);
	assert_int_equal(cgroup_add_pid(&root, leaf, first), 0);
	assert_int_equal(cgroup_add_pid(&root, leaf, second), 0);
	live_and_die(&root, first, second);
	remove_all(&root);
}

static void test_v1_limits(void **state)
{
	FIND(CGROUP_VERSION_1);
	struct cgroup_limits l;
	bool swap;

	create(&root, &e);
	cgroup_limits_init(&l);
	l.memory = 32 << 20;
	l.swap = 64 << 20;
	l.pids = 20;
	l.cpu_shares = 512;
	l.cpu_period = 50000;
	l.cpu_quota = 25000;
	l.cpus = "0";
	if (cgroup_limit(&root, leaf, &l, &e) < 0)
		fail_msg("%s", e.msg);
	expect_file(&root, CGROUP_MEMORY, "memory.limit_in_bytes", "33554432");
	expect_file(&root, CGROUP_PIDS, "pids.max", "20");
	expect_file(&root, CGROUP_CPU, "cpu.shares", "512");
	expect_file(&root, CGROUP_CPUSET, "cpuset.cpus", "0");
	/* Beyond the old sum of memory and swap, and back. */
	l.memory = 128 << 20;
	l.swap = 256 << 20;
	if (cgroup_limit(&root, leaf, &l, &e) < 0)
		fail_msg("%s", e.msg);
	expect_file(&root, CGROUP_MEMORY, "memory.limit_in_bytes", "134217728");
	l.memory = 32 << 20;
	l.swap = 64 << 20;
	if (cgroup_limit(&root, leaf, &l, &e) < 0)
		fail_msg("%s", e.msg);
	{
		AUTO_FD fd = cgroup_open(&root, leaf, CGROUP_MEMORY);

		swap = faccessat(fd, "memory.memsw.limit_in_bytes", F_OK, 0) == 0;
	}
	if (swap)
		expect_file(&root, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", "67108864");
	l.memory = 4096 * 3;
	l.cpu_shares = 1;
	l.cpus = "9999";
	assert_int_equal(cgroup_limit(&root, leaf, &l, &e), -1);
	assert_true(e.sys != 0);
	remove_all(&root);
}

/* Many, and deeper than descriptors would last; what lives in one keeps it. */
static void nest_and_remove(const struct cgroup_root *root, unsigned int controller)
{
	AUTO_FD fd = cgroup_open(root, leaf, controller);
	pid_t deep = sleeper(-1), pids[2];

	assert_true(fd >= 0);
	for (int depth = 0; depth < 200; depth++) {
		int sub;

		assert_int_equal(mkdirat(fd, "next", 0755), 0);
		if (depth % 8 == 0)
			assert_int_equal(mkdirat(fd, "beside", 0755), 0);
		sub = openat(fd, "next", O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(sub >= 0);
		close(fd);
		fd = sub;
	}
	snprintf(pid_text, sizeof(pid_text), "%d", (int)deep);
	assert_int_equal(io_write_file(fd, "cgroup.procs", pid_text), 0);
	assert_true(cgroup_has_groups(root, leaf));
	assert_int_equal(cgroup_remove_leaf(root, leaf), -EBUSY);
	assert_int_equal(cgroup_remove(root, group), -EBUSY);
	assert_int_equal(cgroup_pids(root, group, CGROUP_RECURSIVE, pids, 2), 1);
	assert_int_equal(pids[0], deep);
	assert_int_equal(cgroup_populated(root, group), 1);
	assert_int_equal(cgroup_kill(root, group), 0);
	if (root->version == CGROUP_VERSION_1)
		kill(deep, SIGKILL); /* version 1 kills by the freezer's list, and it is not in there */
	expect_killed(deep);
}

static void test_nested_v2(void **state)
{
	FIND(CGROUP_VERSION_2);
	AUTO_FD fd = -1, of_pid = -1;
	pid_t pid;

	create(&root, &e);
	pid = sleeper(-1);
	assert_int_equal(cgroup_add_pid(&root, leaf, pid), 0);
	of_pid = cgroup_open_of_pid(&root, group, pid);
	assert_true(of_pid >= 0);
	assert_int_equal(cgroup_open_of_pid(&root, "/elsewhere", pid), -ENOENT);
	assert_int_equal(cgroup_open_of_pid(&root, group, getpid()), -ENOENT);
	fd = cgroup_open(&root, leaf, 0);
	assert_false(cgroup_is_inner(fd));
	kill(pid, SIGKILL);
	expect_killed(pid);
	nest_and_remove(&root, 0);
	remove_all(&root);
}

static void test_nested_v1(void **state)
{
	FIND(CGROUP_VERSION_1);

	create(&root, &e);
	nest_and_remove(&root, cgroup_any_of(&root));
	remove_all(&root);
}

static void test_freeze(void **state)
{
	FIND(CGROUP_VERSION_2);
	AUTO_FD fd = -1;
	pid_t pid;
	struct pollfd p;
	char text[128];

	create(&root, &e);
	fd = cgroup_open(&root, leaf, 0);
	pid = sleeper(fd);
	p = (struct pollfd){ .fd = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC),
			     .events = POLLPRI };
	assert_true(p.fd >= 0);
	assert_true(read(p.fd, text, sizeof(text)) > 0);
	assert_int_equal(cgroup_freeze(&root, leaf, 1), 0);
	for (;;) {
		assert_true(io_read_file(fd, "cgroup.events", text, sizeof(text)) > 0);
		if (strstr(text, "frozen 1"))
			break;
		assert_int_equal(poll(&p, 1, 5000), 1);
		assert_true(pread(p.fd, text, sizeof(text), 0) > 0);
	}
	assert_int_equal(cgroup_freeze(&root, leaf, 0), 0);
	assert_int_equal(cgroup_kill(&root, leaf), 0);
	expect_killed(pid);
	close(p.fd);
	remove_all(&root);
}

/* A write to a list of controllers makes the kernel walk every group there is: the second container
 * of a pod writes to none. */
static void test_second_leaf_writes_no_list(void **state)
{
	FIND(CGROUP_VERSION_2);
	AUTO_FD events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	char pod[96], file[160], second[128], event[512];

	create(&root, &e);
	snprintf(pod, sizeof(pod), "%s/pod", group);
	snprintf(second, sizeof(second), "%s/second", pod);
	for (const char *const *at = (const char *const[]){ "", group, pod, NULL }; *at; at++) {
		snprintf(file, sizeof(file), "%s%s/cgroup.subtree_control", root.path, *at);
		assert_true(inotify_add_watch(events, file, IN_MODIFY) >= 0);
	}
	assert_int_equal(cgroup_create(&root, second, &e), 0);
	assert_int_equal(read(events, event, sizeof(event)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(cgroup_populated(&root, second), 0);
	remove_all(&root);
}

/* What a case needs. A host need not have it: cases_inside.c runs this program in guests that do. */
static const struct {
	struct CMUnitTest test;
	enum cgroup_version version;
	unsigned int controllers;
} rows[] = {
	{ cmocka_unit_test(test_v2), CGROUP_VERSION_2, 0 },
	{ cmocka_unit_test(test_join_on_old_kernels), CGROUP_VERSION_2, 0 },
	{ cmocka_unit_test(test_v2_limits), CGROUP_VERSION_2,
	  CGROUP_MEMORY | CGROUP_PIDS | CGROUP_CPU },
	{ cmocka_unit_test(test_second_leaf_writes_no_list), CGROUP_VERSION_2,
	  CGROUP_MEMORY | CGROUP_PIDS },
	{ cmocka_unit_test(test_v2_without_controller), CGROUP_VERSION_2, 0 },
	{ cmocka_unit_test(test_v1), CGROUP_VERSION_1, 0 },
	{ cmocka_unit_test(test_v1_limits), CGROUP_VERSION_1,
	  CGROUP_MEMORY | CGROUP_PIDS | CGROUP_CPU | CGROUP_CPUSET },
	{ cmocka_unit_test(test_nested_v2), CGROUP_VERSION_2, 0 },
	{ cmocka_unit_test(test_nested_v1), CGROUP_VERSION_1, 0 },
	{ cmocka_unit_test(test_freeze), CGROUP_VERSION_2, 0 },
};

static bool has(enum cgroup_version version, unsigned int controllers)
{
	struct cgroup_root root;
	bool yes = find(version, &root) && (root.controllers & controllers) == controllers;

	cgroup_root_fini(&root);
	return yes;
}

int main(void)
{
	struct CMUnitTest tests[COUNT_OF(rows)];
	size_t n = 0;

	snprintf(group, sizeof(group), "/mote-test-%d", (int)getpid());
	snprintf(leaf, sizeof(leaf), "%s/pod/leaf", group);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (has(rows[i].version, rows[i].controllers))
			tests[n++] = rows[i].test;
	return _cmocka_run_group_tests("control groups", tests, n, NULL, NULL);
}
