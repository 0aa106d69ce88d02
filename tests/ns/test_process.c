/* SPDX-License-Identifier: Apache-2.0 */
/* Processes, namespaces, roots and capabilities of the kernel layer, each in a child, since they
 * change what they run in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/path.h"
#include "kernel/caps.h"
#include "kernel/clone.h"
#include "kernel/mountinfo.h"
#include "kernel/ns.h"
#include "kernel/root.h"
#include "kernel/sys.h"
#include "kernel/tty.h"

/* A check in a child: its exit status is the line that failed, or 0. */
#define CHECK(x)	do { if (!(x)) _exit_line(__LINE__); } while (0)

static void _exit_line(int line)
{
	dprintf(2, "check of line %d failed: %s\n", line, strerror(errno));
	_exit(1);
}

static int wait_for(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, __WALL), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void in_child(void (*fn)(void))
{
	struct clone_opts o = { .cgroup_fd = -1 };
	pid_t pid = clone_process(&o);

	assert_true(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	if (o.pidfd >= 0)
		close(o.pidfd);
	assert_int_equal(wait_for(pid), 0);
}

#define NEEDS_ROOT()						\
	do {							\
		if (geteuid() != 0) {				\
			print_message("skip: needs root\n");	\
			skip();					\
		}						\
	} while (0)

static void test_pidfd(void **state)
{
	struct clone_opts o = { .cgroup_fd = -1 };
	pid_t pid = clone_process(&o);

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_true(o.pidfd >= 0);
	assert_true(fcntl(o.pidfd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(clone_pidfd_signal(o.pidfd, SIGKILL), 0);
	assert_int_equal(wait_for(pid), 128 + SIGKILL);
	assert_int_equal(clone_pidfd_signal(o.pidfd, SIGKILL), -ESRCH);
	close(o.pidfd);
	assert_int_equal(clone_pidfd_open(pid), -ESRCH);
}

/* A grandchild that is made with CLONE_PARENT is this process's own child. */
static void test_clone_parent(void **state)
{
	struct clone_opts o = { .cgroup_fd = -1 };
	pid_t child, grandchild;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	child = clone_process(&o);
	assert_true(child >= 0);
	if (child == 0) {
		struct clone_opts sibling = { .cgroup_fd = -1, .flags = CLONE_PARENT };
		pid_t pid = clone_process(&sibling);

		if (pid == 0)
			_exit(7);
		_exit(write(p[1], &pid, sizeof(pid)) != sizeof(pid));
	}
	assert_int_equal(wait_for(child), 0);
	assert_int_equal(read(p[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
	assert_int_equal(wait_for(grandchild), 7);
	close(o.pidfd);
	close(p[0]);
	close(p[1]);
}

static void test_bad_flags(void **state)
{
	struct clone_opts o = { .cgroup_fd = -1, .flags = CLONE_NEWNS | CLONE_FS };

	(void)state;
	assert_int_equal(clone_process(&o), -EINVAL);
	assert_int_equal(o.pidfd, -1);
}

static void check_new_pid_namespace(void)
{
	struct clone_opts o = { .cgroup_fd = -1, .flags = CLONE_NEWPID | CLONE_NEWNS };
	pid_t pid = clone_process(&o);
	int status;

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(getpid() == 1 ? 0 : 1);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void test_new_pid_namespace(void **state)
{
	(void)state;
	NEEDS_ROOT();
	in_child(check_new_pid_namespace);
}

static void check_made_namespaces(void)
{
	static const enum ns_type types[] = { NS_UTS, NS_IPC, NS_NET, NS_CGROUP };

	for (size_t i = 0; i < COUNT_OF(types); i++) {
		AUTO_FD before = ns_hold(0, types[i]);
		AUTO_FD made = ns_make(types[i]);
		AUTO_FD after = ns_hold(0, types[i]);

		CHECK(made >= 0);
		CHECK(ns_same(before, after) == 1);
		CHECK(ns_same(before, made) == 0);
		CHECK(ns_join(made, types[i]) == 0);
		CHECK(ns_join(made, types[i] == NS_UTS ? NS_IPC : NS_UTS) == -EINVAL);
	}
	CHECK(ns_make(NS_PID) == -EINVAL);
	CHECK(ns_make(NS_USER) == -EINVAL);
}

static void test_made_namespaces(void **state)
{
	(void)state;
	NEEDS_ROOT();
	in_child(check_made_namespaces);
}

static void check_persisted(void)
{
	struct err e = { 0 };
	AUTO_FD made = ns_make(NS_UTS);
	AUTO_FD again = -1;

	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0);
	CHECK(mount("tmpfs", "/tmp", "tmpfs", 0, NULL) == 0);
	CHECK(made >= 0);
	CHECK(ns_bind(made, "/tmp/ns/uts", &e) == 0);
	again = ns_open("/tmp/ns/uts", NS_UTS, &e);
	CHECK(again >= 0 && ns_same(made, again) == 1);
	CHECK(ns_open("/tmp/ns/uts", NS_IPC, &e) == -1 && e.rc == RC_INVALID_ARGUMENT);
	err_clear(&e);
	CHECK(ns_open("/tmp/ns/none", NS_IPC, &e) == -1 && e.rc == RC_NOT_FOUND);
	err_clear(&e);
	CHECK(ns_open("/etc/passwd", NS_IPC, &e) == -1 && e.rc == RC_INVALID_ARGUMENT);
	CHECK(ns_unbind("/tmp/ns/uts") == 0);
	CHECK(access("/tmp/ns/uts", F_OK) < 0);
	CHECK(ns_unbind("/tmp/ns/uts") == 0);
}

static void test_persisted(void **state)
{
	(void)state;
	NEEDS_ROOT();
	in_child(check_persisted);
}

static void test_ns_names(void **state)
{
	(void)state;
	assert_int_equal(ns_by_name("mount"), NS_MNT);
	assert_int_equal(ns_by_name("network"), NS_NET);
	assert_int_equal(ns_by_name("net"), -EINVAL);
	assert_int_equal(ns_supported(NS_MNT), 1);
	for (int i = 0; i < NS_TYPES; i++)
		assert_int_equal(ns_by_name(ns_info(i)->oci), i);
}

static int is_shared_proc(void *arg UNUSED, const struct mountinfo *m)
{
	return str_eq(m->target, "/proc") && m->shared && !m->master;
}

static void switch_root(enum root_how how)
{
	struct err e = { 0 };
	char fstype[16];
	AUTO_FD fd = -1;
	AUTO_FD now = -1;
	struct stat a, b;

	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0);
	CHECK(mount("outer", "/tmp", "tmpfs", 0, NULL) == 0);
	CHECK(mkdir("/tmp/new", 0755) == 0);
	CHECK(mount("inner", "/tmp/new", "tmpfs", 0, NULL) == 0);
	CHECK(mkdir("/tmp/new/proc", 0755) == 0 && mkdir("/tmp/new/mark", 0755) == 0);
	CHECK(mount("proc", "/tmp/new/proc", "proc", 0, NULL) == 0);
	CHECK(mount(NULL, "/tmp/new/proc", NULL, MS_SHARED, NULL) == 0);
	fd = open("/tmp/new", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(fd >= 0);
	if (root_switch(fd, how, &e) < 0) {
		dprintf(2, "%s\n", e.msg);
		_exit(1);
	}
	CHECK(access("/mark", F_OK) == 0 && access("/tmp", F_OK) < 0 && access("mark", F_OK) == 0);
	CHECK(chdir("/..") == 0 && access("mark", F_OK) == 0);
	/* The propagation of what is below is nobody's to change. */
	CHECK(mountinfo_each("/proc/self/mountinfo", is_shared_proc, NULL) == 1);
	now = open("/", O_PATH | O_CLOEXEC);
	CHECK(mountinfo_fstype(now, fstype, sizeof(fstype)) == 0 && str_eq(fstype, "tmpfs"));
	/* Who climbs with a second chroot comes no further than the new root. */
	CHECK(mkdir("/cage", 0755) == 0 && chroot("/cage") == 0);
	CHECK(chdir("../../../../..") == 0 && stat(".", &a) == 0 && fstat(now, &b) == 0);
	CHECK(a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

static void check_pivot(void)
{
	switch_root(ROOT_PIVOT);
}

static void check_move(void)
{
	switch_root(ROOT_MOVE);
}

static void test_pivot(void **state)
{
	(void)state;
	NEEDS_ROOT();
	if (mountinfo_root_is_rootfs() == 1) {
		print_message("skip: an initramfs cannot be pivoted\n");
		skip();
	}
	in_child(check_pivot);
}

static void test_move(void **state)
{
	(void)state;
	NEEDS_ROOT();
	in_child(check_move);
}

static void check_caps(void)
{
	const uint64_t want = 1ull << CAP_KILL | 1ull << CAP_NET_BIND_SERVICE;
	const struct caps_sets sets = { .effective = want,
					.permitted = want,
					.inheritable = want,
					.ambient = 1ull << CAP_KILL | 1ull << CAP_SYS_ADMIN |
						   1ull << 63 };
	struct caps_sets now;
	struct err e = { 0 };

	CHECK(caps_drop_bounding(want, &e) == 0);
	CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && setresuid(1234, 1234, 1234) == 0);
	CHECK(caps_apply(&sets, &e) == 0);
	CHECK(caps_get(&now) == 0);
	CHECK(now.bounding == want && now.effective == want && now.permitted == want &&
	      now.inheritable == want);
	CHECK(now.ambient == 1ull << CAP_KILL);
}

static void test_caps(void **state)
{
	(void)state;
	NEEDS_ROOT();
	in_child(check_caps);
}

static void check_tty(void)
{
	int master, slave;
	char c = 0;

	CHECK(setsid() > 0);
	CHECK(tty_open_pair(AT_FDCWD, "/dev/ptmx", &master, &slave) == 0 ||
	      tty_open_pair(AT_FDCWD, "/dev/pts/ptmx", &master, &slave) == 0);
	CHECK(open("/dev/tty", O_RDWR | O_CLOEXEC) < 0);	/* not taken by opening */
	CHECK(tty_set_controlling(slave, TTY_CTTY) == 0);
	CHECK(open("/dev/tty", O_RDWR | O_CLOEXEC) >= 0);
	CHECK(tty_set_size(master, 33, 77777) == 0);
	CHECK(write(slave, "x", 1) == 1 && read(master, &c, 1) == 1 && c == 'x');
	CHECK(fcntl(master, F_GETFD) == FD_CLOEXEC && fcntl(slave, F_GETFD) == FD_CLOEXEC);
	CHECK(tty_open_pair(AT_FDCWD, "/dev/null", &master, &slave) == -ENOTTY);
	CHECK(tty_open_pair_in(open("/dev", O_PATH), &master, &slave) == -ENOTTY);
	CHECK(tty_open_pair_in(open("/dev/pts", O_PATH), &master, &slave) == 0);
	/* what lies over its multiplexer is no devpts */
	CHECK(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0);
	CHECK(mount("/dev/null", "/dev/pts/ptmx", NULL, MS_BIND, NULL) == 0);
	CHECK(tty_open_pair_in(open("/dev/pts", O_PATH), &master, &slave) == -ENOTTY);
}

static void test_tty(void **state)
{
	(void)state;
	in_child(check_tty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pidfd),
		cmocka_unit_test(test_clone_parent),
		cmocka_unit_test(test_bad_flags),
		cmocka_unit_test(test_new_pid_namespace),
		cmocka_unit_test(test_made_namespaces),
		cmocka_unit_test(test_persisted),
		cmocka_unit_test(test_ns_names),
		cmocka_unit_test(test_pivot),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_tty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
