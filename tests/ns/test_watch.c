/* SPDX-License-Identifier: Apache-2.0 */
/* Copies that follow their source: Kubernetes' way of changing a volume, and what could go wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/io.h"
#include "storage/watch.h"
#include "storage_world.h"

#define SHARE  "/run/kata-containers/shared/containers"
#define SOURCE SHARE "/conf"
#define PARENT SHARE "/watchable"
#define TARGET PARENT "/conf"
#define PATIENCE_MS 20000

/* A generation of the volume: its files in a directory, to which ..data leads. */
static void generation(const char *dir, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), SOURCE "/%s/key", dir);
	put(path, text, 0640);
	snprintf(path, sizeof(path), SOURCE "/%s/other", dir);
	put(path, text, 0644);
	assert_int_equal(symlink(dir, SOURCE "/..tmp"), 0);
	assert_int_equal(rename(SOURCE "/..tmp", SOURCE "/..data"), 0);
}

static void volume(void)
{
	make_dir(SOURCE);
	generation("..2024_1", "first");
	assert_int_equal(symlink("..data/key", SOURCE "/key"), 0);
	assert_int_equal(symlink("..data/other", SOURCE "/other"), 0);
}

static int copy_now(void)
{
	struct err e = { 0 };
	int r = watch_copy(SOURCE, TARGET, &e);

	if (r < 0)
		fail_msg("%s", e.msg);
	return r;
}

static void copied_with_its_links(void **state)
{
	char link[64] = { 0 };

	NEEDS_NAMESPACE();
	volume();
	assert_int_equal(copy_now(), WATCH_CHANGED);
	assert_true(holds(TARGET "/key", "first"));
	assert_true(holds(TARGET "/..2024_1/other", "first"));
	assert_int_equal(readlink(TARGET "/..data", link, sizeof(link)), 8);
	assert_string_equal(link, "..2024_1");
	assert_mode(TARGET "/..2024_1/key", 0640);
	assert_int_equal(copy_now(), WATCH_SAME);
	generation("..2024_2", "second");
	assert_int_equal(path_remove_tree(AT_FDCWD, SOURCE "/..2024_1"), 0);
	assert_int_equal(unlink(SOURCE "/other"), 0);
	assert_int_equal(copy_now(), WATCH_CHANGED);
	assert_true(holds(TARGET "/key", "second"));
	assert_false(exists(TARGET "/..2024_1"));
	assert_false(exists(TARGET "/other"));
	assert_true(exists(TARGET "/..2024_2/other"));
}

static void one_file(void **state)
{
	struct err e = { 0 };

	NEEDS_NAMESPACE();
	make_dir(PARENT);
	put(SHARE "/file", "one", 0600);
	assert_int_equal(watch_copy(SHARE "/file", TARGET, &e), WATCH_CHANGED);
	assert_true(holds(TARGET, "one"));
	put(SHARE "/file", "another", 0600);
	assert_int_equal(watch_copy(SHARE "/file", TARGET, &e), WATCH_CHANGED);
	assert_true(holds(TARGET, "another"));
}

static void kinds_change(void **state)
{
	NEEDS_NAMESPACE();
	make_dir(SOURCE "/a");
	put(SOURCE "/b", "b", 0644);
	copy_now();
	assert_int_equal(rmdir(SOURCE "/a"), 0);
	put(SOURCE "/a", "a", 0644);
	assert_int_equal(unlink(SOURCE "/b"), 0);
	put(SOURCE "/b/c", "c", 0644);
	copy_now();
	assert_true(holds(TARGET "/a", "a"));
	assert_true(holds(TARGET "/b/c", "c"));
}

/* What lies at the target is not trusted either: nothing is written through a link. */
static void links_in_the_target(void **state)
{
	NEEDS_NAMESPACE();
	volume();
	put(SOURCE "/plain", "new", 0644);
	put("/run/victim/key", "untouched", 0644);
	make_dir(TARGET);
	assert_int_equal(symlink("/run/victim", TARGET "/..2024_1"), 0);
	assert_int_equal(symlink("/run/victim/key", TARGET "/plain"), 0);
	assert_int_equal(symlink("/run/victim/key", TARGET "/.mote-new-plain"), 0);
	copy_now();
	assert_true(holds("/run/victim/key", "untouched"));
	assert_true(holds(TARGET "/plain", "new"));
	assert_true(holds(TARGET "/key", "first"));
	assert_false(exists(TARGET "/.mote-new-plain"));
}

static void sources_that_lie(void **state)
{
	struct err e = { 0 };

	NEEDS_NAMESPACE();
	make_dir(PARENT);
	assert_int_equal(symlink("/etc", SHARE "/etc"), 0);
	assert_int_equal(symlink("/etc/passwd", SHARE "/passwd"), 0);
	assert_int_equal(watch_copy(SHARE "/etc/apt", TARGET, &e), -1);
	assert_int_equal(e.rc, RC_PERMISSION_DENIED);
	memset(&e, 0, sizeof(e));
	assert_int_equal(watch_copy(SHARE "/passwd", TARGET, &e), -1);
	assert_false(exists(TARGET));
	memset(&e, 0, sizeof(e));
	assert_int_equal(watch_copy(SHARE "/none", TARGET, &e), -1);
	assert_int_equal(e.rc, RC_NOT_FOUND);
	/* no file, and none that anybody should wait for */
	make_dir(SOURCE);
	assert_int_equal(mkfifo(SOURCE "/pipe", 0644), 0);
	put(SOURCE "/file", "file", 0644);
	copy_now();
	assert_true(holds(TARGET "/file", "file"));
	assert_false(exists(TARGET "/pipe"));
}

static void too_large(void **state)
{
	static char mebibyte[(1 << 20) + 1];
	char path[128];

	NEEDS_NAMESPACE();
	make_dir(SOURCE);
	for (int i = 0; i < WATCH_ENTRIES; i++) {
		snprintf(path, sizeof(path), SOURCE "/%d", i);
		put(path, "x", 0644);
	}
	assert_int_equal(copy_now(), WATCH_CHANGED);
	put(SOURCE "/more", "x", 0644);
	assert_int_equal(copy_now(), WATCH_TOO_LARGE);
	assert_false(exists(TARGET));
	path_remove_tree(AT_FDCWD, SOURCE);
	memset(mebibyte, 'x', sizeof(mebibyte) - 1);
	put(SOURCE "/large", mebibyte, 0644);
	assert_int_equal(copy_now(), WATCH_CHANGED);
	put(SOURCE "/small", "x", 0644);
	assert_int_equal(copy_now(), WATCH_TOO_LARGE);
	assert_false(exists(TARGET));
}

#define COPIES 2000

/* As fast as it can: a generation, and the one before is removed. */
static void change_for_ever(void)
{
	char dir[32], path[64];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned int n = 2;; n++) {
		snprintf(dir, sizeof(dir), "..%u", n);
		generation(dir, dir);
		snprintf(path, sizeof(path), n == 2 ? SOURCE "/..2024_1" : SOURCE "/..%u", n - 1);
		path_remove_tree(AT_FDCWD, path);
	}
}

/* Whatever the source does while it is read, the copy is of one state of it. */
static void whole_while_it_changes(void **state)
{
	static char key[64], other[64];
	pid_t pid;

	NEEDS_NAMESPACE();
	volume();
	copy_now();
	pid = fork();
	if (pid == 0)
		change_for_ever();
	for (int i = 0; i < COPIES; i++) {
		struct err e = { 0 };

		(void)!watch_copy(SOURCE, TARGET, &e); /* a source that goes meanwhile is looked at again */
		memset(key, 0, sizeof(key));
		memset(other, 0, sizeof(other));
		if (io_read_file(AT_FDCWD, TARGET "/..data/key", key, sizeof(key)) <= 0 ||
		    io_read_file(AT_FDCWD, TARGET "/..data/other", other, sizeof(other)) <= 0 || !str_eq(key, other)) {
			kill(pid, SIGKILL);
			fail_msg("copy %d: \"%s\" and \"%s\" (%s)", i, key, other, e.msg);
		}
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* --- followed --------------------------------------------------------------------------------- */

static pid_t follow(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct err e = { 0 };

		_exit(watch_follow(SOURCE, TARGET, &e) < 0 ? 1 : 0);
	}
	return pid;
}

/* Until the file says so; woken by whatever happens in the target. */
static void until_holds(const char *path, const char *text)
{
	AUTO_FD events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd p = { .fd = events, .events = POLLIN };

	inotify_add_watch(events, PARENT, IN_ALL_EVENTS);
	for (int i = 0; i < 1000; i++) {
		char buf[4096];

		inotify_add_watch(events, TARGET, IN_ALL_EVENTS);
		if (text ? holds(path, text) : !exists(path))
			return;
		assert_true(poll(&p, 1, PATIENCE_MS) > 0);
		while (read(events, buf, sizeof(buf)) > 0)
			;
	}
	fail_msg("%s never is \"%s\"", path, text ? text : "gone");
}

static void followed(void **state)
{
	pid_t pid;
	int status;

	NEEDS_NAMESPACE();
	volume();
	make_dir(PARENT);
	pid = follow();
	until_holds(TARGET "/key", "first");
	generation("..2024_2", "second");
	until_holds(TARGET "/key", "second");
	assert_true(holds(TARGET "/other", "second"));
	assert_int_equal(unlink(SOURCE "/other"), 0);
	until_holds(TARGET "/other", NULL);
	for (int i = 0; i < WATCH_ENTRIES; i++) {
		char path[128];

		snprintf(path, sizeof(path), SOURCE "/more%d", i);
		put(path, "x", 0644);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(is_mount(TARGET));
	assert_true(holds(TARGET "/more15", "x"));
	assert_int_equal(umount2(TARGET, 0), 0);
}

/* --- as a driver ------------------------------------------------------------------------------ */

static void carried_out_and_removed(void **state)
{
	struct storage_req r = request("watchable-bind", SOURCE, "bind", TARGET);
	struct storage_plan sp;
	struct err e = { 0 };

	NEEDS_NAMESPACE();
	volume();
	must(&r, &sp);
	assert_true(is_mount(PARENT));
	assert_false(is_mount(TARGET));
	assert_true(holds(TARGET "/key", "first"));
	assert_int_equal(storage_remove_copy(TARGET, 0, &e), 0);
	assert_false(exists(TARGET));
	assert_false(is_mount(PARENT)); /* it was the last one in it */
	/* again; one that is too large is bound */
	put(SOURCE "/z", "z", 0644);
	for (int i = 0; i < WATCH_ENTRIES; i++) {
		char path[128];

		snprintf(path, sizeof(path), SOURCE "/more%d", i);
		put(path, "x", 0644);
	}
	must(&r, &sp);
	assert_true(is_mount(TARGET));
	assert_int_equal(storage_follow(SOURCE, TARGET, &e), 0);
	assert_int_equal(storage_unmount(TARGET, &e), 0);
	assert_false(exists(TARGET));
	assert_true(holds(SOURCE "/z", "z"));
	assert_int_equal(storage_remove_copy(TARGET, 0, &e), 0);
	assert_int_equal(chdir("/"), 0);
	assert_false(is_mount(PARENT));
}

#define BESIDE 3
#define ROUNDS 100

/* A container's life with a copy of its own: 0, or what is wrong. */
static int come_and_go(const char *target)
{
	struct storage_req r = request("watchable-bind", SOURCE, "bind", target);
	const struct storage_driver *d = storage_driver_find(r.driver, &err);
	struct storage_ctx ctx = { .container_id = "c1" };
	struct storage_plan sp;
	char key[160];

	snprintf(key, sizeof(key), "%s/key", target);
	for (int i = 0; i < ROUNDS; i++) {
		struct err e = { 0 };

		if (storage_plan_make(d, &r, &ctx, &arena, &sp, &e) < 0 ||
		    storage_execute(&sp, &r, &done, &e) < 0 || !holds(key, "first") ||
		    storage_remove_copy(target, 0, &e) < 0) {
			fprintf(stderr, "%s, round %d: %s\n", target, i, err_is_set(&e) ? e.msg : "hidden");
			return 1;
		}
	}
	return 0;
}

/* The tmpfs that the copies are in is made by whoever comes first, and goes with the last one. */
static void beside_each_other(void **state)
{
	pid_t pids[BESIDE];
	int status, bad = 0;

	NEEDS_NAMESPACE();
	volume();
	for (int i = 0; i < BESIDE; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			char target[128];

			snprintf(target, sizeof(target), PARENT "/conf%d", i);
			_exit(come_and_go(target));
		}
	}
	for (int i = 0; i < BESIDE; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		bad += status != 0;
	}
	assert_int_equal(bad, 0);
	assert_false(is_mount(PARENT));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(copied_with_its_links), TEST(one_file),   TEST(kinds_change),
		TEST(links_in_the_target),   TEST(sources_that_lie), TEST(too_large),
		TEST(whole_while_it_changes), TEST(followed),
		TEST(carried_out_and_removed), TEST(beside_each_other),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
