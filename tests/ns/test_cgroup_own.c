/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The group that another init has delegated, in each tree that one may use: version 2's, and beside
 * version 1 systemd's own and that of its hybrid set-up. Each case is a child that moves there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/io.h"
#include "base/str.h"
#include "kernel/cgroup_ops.h"
#include "kernel/sys.h"

/* Where an init's processes are, seen from a root of the version. */
static const struct place {
	enum cgroup_version version;
	const char *root, *tree;
} places[] = {
	{ CGROUP_VERSION_2, "/sys/fs/cgroup", "" },
	{ CGROUP_VERSION_2, "/sys/fs/cgroup/unified", "" },
	{ CGROUP_VERSION_1, "/sys/fs/cgroup", "/unified" },
	{ CGROUP_VERSION_1, "/sys/fs/cgroup", "/systemd" },
};

static char unit[64], base[96], dir[192];
static struct cgroup_root root;

/* In the child: cmocka's asserts would go on in it as in the parent. */
#define CHECK(what)								\
	do {									\
		if (!(what)) {							\
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
			_exit(1);						\
		}								\
	} while (0)

static bool is_here(const struct place *p)
{
	char path[128];
	struct statfs fs;

	snprintf(path, sizeof(path), "%s%s", p->root, p->tree);
	if (cgroup_detect(p->root, &root) < 0 || root.version != p->version)
		return false;
	return statfs(path, &fs) == 0 && ((unsigned long)fs.f_type == SYS_CGROUP2_MAGIC ||
					  (unsigned long)fs.f_type == SYS_CGROUP_MAGIC);
}

static void enter(const struct place *p, const char *attribute)
{
	snprintf(dir, sizeof(dir), "%s%s%s", p->root, p->tree, unit);
	CHECK(mkdir(dir, 0755) == 0 || errno == EEXIST);
	CHECK(!attribute || setxattr(dir, attribute, "1", 1, 0) == 0);
	snprintf(dir, sizeof(dir), "%s%s%s/cgroup.procs", p->root, p->tree, unit);
	CHECK(io_write_file(AT_FDCWD, dir, "0") >= 0);
}

static pid_t sleeper(const char *group)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		CHECK(cgroup_add_pid(&root, group, 0) == 0);
		raise(SIGSTOP);
		_exit(0);
	}
	CHECK(waitpid(pid, NULL, WUNTRACED) == pid);
	return pid;
}

static void is_taken(const struct place *p)
{
	char group[160];
	struct err e = { 0 };

	enter(p, "trusted.delegate");
	CHECK(cgroup_take_own(&root, &e) == 1);
	CHECK(str_eq(root.base, base));
	cgroup_hand_down(&root);
	snprintf(group, sizeof(group), "%s/pod/c1", base);
	if (p->version == CGROUP_VERSION_2) {
		char agent[96];
		pid_t self = 0;

		snprintf(agent, sizeof(agent), "%s/agent", unit);
		CHECK(cgroup_pids(&root, agent, 0, &self, 1) == 1 && self == getpid());
		CHECK(cgroup_pids(&root, unit, 0, NULL, 0) == 0);
	}
	CHECK(cgroup_create(&root, group, &e) == 0);
	CHECK(cgroup_populated(&root, group) == 0);
}

/* Version 2: as the kernel would let somebody make them who hands no controller down. */
static void make_groups(const struct place *p, const char *group)
{
	static const char *const parts[] = { "", "/containers", "/containers/pod", "/containers/pod/c1" };
	struct err e = { 0 };

	if (p->version == CGROUP_VERSION_1) {
		CHECK(cgroup_create(&root, group, &e) == 0);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		snprintf(dir, sizeof(dir), "%s%s%s", p->root, unit, parts[i]);
		CHECK(mkdir(dir, 0755) == 0);
	}
}

/* Who lives is killed; what is empty then, or was before, is gone. */
static void what_an_earlier_life_left_goes(const struct place *p)
{
	char group[160];
	struct err e = { 0 };
	int status;
	pid_t pid;

	snprintf(group, sizeof(group), "%s/pod/c1", base);
	make_groups(p, group);
	pid = sleeper(group);
	enter(p, "trusted.delegate");
	CHECK(cgroup_take_own(&root, &e) == 1);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	snprintf(group, sizeof(group), "%s/pod", base);
	root.base[0] = '\0';
	if (p->version == CGROUP_VERSION_2) {
		snprintf(dir, sizeof(dir), "%s%s/cgroup.procs", p->root, unit);
		CHECK(io_write_file(AT_FDCWD, dir, "0") >= 0);
	}
	CHECK(cgroup_take_own(&root, &e) == 1);
	CHECK(cgroup_open(&root, group, 0) == -ENOENT);
}

static void the_newer_mark_counts(const struct place *p)
{
	struct err e = { 0 };

	enter(p, "user.delegate");
	CHECK(cgroup_take_own(&root, &e) == 1);
	CHECK(str_eq(root.base, base));
}

/* A session's group, or one that somebody made by hand. */
static void what_is_not_delegated_is_left_alone(const struct place *p)
{
	struct err e = { 0 };
	char agent[96];

	enter(p, NULL);
	CHECK(cgroup_take_own(&root, &e) == 0);
	CHECK(!*root.base && !err_is_set(&e));
	snprintf(agent, sizeof(agent), "%s/agent", unit);
	CHECK(cgroup_open(&root, agent, 0) < 0);
}

static void in_each_place(void (*fn)(const struct place *p))
{
	size_t ran = 0;

	for (size_t i = 0; i < COUNT_OF(places); i++) {
		char tree[128];
		int status;
		pid_t pid;

		if (!is_here(&places[i]))
			continue;
		ran++;
		pid = fork();
		if (pid == 0) {
			alarm(20); /* against hangs */
			fn(&places[i]);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		cgroup_kill(&root, unit);
		assert_int_equal(cgroup_remove(&root, unit), 0);
		snprintf(tree, sizeof(tree), "%s%s%s/agent", places[i].root, places[i].tree, unit);
		rmdir(tree);
		*strrchr(tree, '/') = '\0';
		rmdir(tree);
		cgroup_root_fini(&root);
		assert_int_equal(status, 0);
	}
	assert_true(ran > 0);
}

static void test_taken(void **state UNUSED)
{
	in_each_place(is_taken);
}

static void test_left_over(void **state UNUSED)
{
	in_each_place(what_an_earlier_life_left_goes);
}

static void test_newer_mark(void **state UNUSED)
{
	in_each_place(the_newer_mark_counts);
}

static void test_not_delegated(void **state UNUSED)
{
	in_each_place(what_is_not_delegated_is_left_alone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_left_over),
		cmocka_unit_test(test_newer_mark),
		cmocka_unit_test(test_not_delegated),
	};

	snprintf(unit, sizeof(unit), "/mote-own-%d", (int)getpid());
	snprintf(base, sizeof(base), "%s/containers", unit);
	return cmocka_run_group_tests(tests, NULL, NULL);
}