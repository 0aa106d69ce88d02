/* SPDX-License-Identifier: Apache-2.0 */
/* Removal of trees, with openat2 and, in a child with a seccomp filter, without. */
#include <setjmp.h>
#include <stdarg.h>

#include "base/path.h"

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/io.h"
#include "deny_syscall.h"

static char scene[64];
static int scenefd, fds_before;

static int set_up(void **state UNUSED)
{
	snprintf(scene, sizeof(scene), "%s/test_path_remove.XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	fds_before = fd_count();
	if (!mkdtemp(scene))
		return -1;
	scenefd = open(scene, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return scenefd < 0 ? -1 : 0;
}

static int tear_down(void **state UNUSED)
{
	int r = path_remove_tree(AT_FDCWD, scene);

	close(scenefd);
	assert_int_equal(fd_count(), fds_before);
	return r;
}

static void make_dir(const char *path)
{
	if (mkdirat(scenefd, path, 0755) < 0)
		fail_msg("mkdir %s: %s", path, strerror(errno));
}

static void make_file(const char *path)
{
	assert_int_equal(io_create_file(scenefd, path, "x", 1, 0600), 0);
}

static bool exists(const char *path)
{
	struct stat st;

	return fstatat(scenefd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void what_is_not_there_is_gone(void **state UNUSED)
{
	assert_int_equal(path_remove_tree(scenefd, "nothing"), 0);
	assert_int_equal(path_remove_tree(-1, "nothing"), -EBADF);
	make_file("file");
	assert_int_equal(path_remove_tree(scenefd, "file/x"), -ENOTDIR);
}

static void names_that_mean_another_directory(void **state UNUSED)
{
	static const char *const bad[] = { "", "/", ".", "..", "a/", "a/.", "a/..", "a/b/.." };

	make_dir("a");
	make_dir("a/b");
	make_file("a/file");
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(path_remove_tree(scenefd, bad[i]), -EINVAL);
	assert_true(exists("a/file"));
	assert_true(exists("a/b"));
}

static void all_kinds_of_entries(void **state UNUSED)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char path[32];
	int fd;

	make_dir("t");
	make_dir("t/empty");
	make_dir("t/d");
	make_file("t/d/file");
	make_file("t/.hidden");
	make_dir("kept");
	make_file("kept/file");
	assert_int_equal(symlinkat("../kept", scenefd, "t/link"), 0);
	assert_int_equal(symlinkat("../../kept", scenefd, "t/d/link"), 0);
	assert_int_equal(symlinkat("nowhere", scenefd, "t/dangling"), 0);
	assert_int_equal(mkfifoat(scenefd, "t/fifo", 0600), 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/t/socket",
		 path_of_fd(scenefd, path));
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	assert_int_equal(path_remove_tree(scenefd, "t"), 0);
	assert_false(exists("t"));
	assert_true(exists("kept/file"));
}

static void one_file_or_link(void **state UNUSED)
{
	make_file("file");
	make_dir("kept");
	make_file("kept/file");
	assert_int_equal(symlinkat("kept", scenefd, "link"), 0);
	assert_int_equal(path_remove_tree(scenefd, "file"), 0);
	assert_int_equal(path_remove_tree(scenefd, "link"), 0);
	assert_false(exists("file"));
	assert_false(exists("link"));
	assert_true(exists("kept/file"));
	assert_int_equal(path_remove_tree(scenefd, "kept/file"), 0);
	assert_true(exists("kept"));
}

/* Many names, so that the listing needs more than one turn and the stack of names grows. */
static void a_wide_tree(void **state UNUSED)
{
	char path[300];

	make_dir("t");
	for (int i = 0; i < 3000; i++) {
		snprintf(path, sizeof(path), "t/%0200d", i);
		if (i % 3) {
			make_file(path);
			continue;
		}
		make_dir(path);
		snprintf(path, sizeof(path), "t/%0200d/x", i);
		make_file(path);
	}
	assert_int_equal(path_remove_tree(scenefd, "t"), 0);
	assert_false(exists("t"));
}

static void make_deep(const char *name, int levels)
{
	int fd = dup(scenefd), down;

	for (int i = 0; i < levels; i++) {
		assert_int_equal(mkdirat(fd, name, 0755), 0);
		down = openat(fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(down >= 0);
		close(fd);
		fd = down;
		if (i % 100 == 0)
			assert_int_equal(io_create_file(fd, "file", "x", 1, 0600), 0);
	}
	close(fd);
}

static void a_deep_tree_with_few_descriptors(void **state UNUSED)
{
	struct rlimit old, few;
	int lowest = dup(scenefd);

	make_deep("d", 10000);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = (rlim_t)lowest + 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	int r = path_remove_tree(scenefd, "d");

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(r, 0);
	assert_false(exists("d"));
}

static void what_cannot_be_removed_ends_it(void **state UNUSED)
{
	struct rlimit old, none;
	int lowest = dup(scenefd);

	close(lowest);
	make_dir("t");
	make_dir("t/d");
	make_file("t/d/file");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (int i = 0; i < 2; i++) {
		none = old;
		none.rlim_cur = (rlim_t)(lowest + i);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		int r = path_remove_tree(scenefd, "t");

		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		assert_int_equal(r, -EMFILE);
		assert_true(exists("t"));
	}
	assert_int_equal(path_remove_tree(scenefd, "t"), 0);
}

/* A mount namespace, as root or in a user namespace where the caller is root, with the scene as working
 * directory. 0; 77 without permission; another number for the check that failed. */
static int use_mount_namespace(void)
{
	char map[64];
	int uid = (int)getuid(), gid = (int)getgid();

	if (unshare(CLONE_NEWNS) < 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			return 77;
		io_write_file(AT_FDCWD, "/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %d 1", uid);
		io_write_file(AT_FDCWD, "/proc/self/uid_map", map);
		snprintf(map, sizeof(map), "0 %d 1", gid);
		io_write_file(AT_FDCWD, "/proc/self/gid_map", map);
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	/* The old descriptor is of the old namespace's mount. */
	scenefd = open(scene, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return scenefd < 0 || fchdir(scenefd) < 0 ? 99 : 0;
}

static void in_child_or_skip(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int remove_around_mounts(void)
{
	static const struct {
		const char *target, *source, *type;
		unsigned long flags;
		const char *witness;	/* lies behind the mount */
	} rows[] = {
		{ "t/d/m", "none", "tmpfs", 0, "t/d/m/w" },
		{ "t/d/m", "kept", NULL, MS_BIND, "t/d/m/w" },
		{ "t/d", "none", "tmpfs", 0, "t/d/w" },
		{ "t", "none", "tmpfs", 0, "t/w" },
		{ "t/d/f", "kept/w", NULL, MS_BIND, "kept/w" },
	};

	int r = use_mount_namespace();

	if (r)
		return r;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		mkdir("t", 0755);
		mkdir("t/d", 0755);
		mkdir("t/d/m", 0755);
		io_create_file(AT_FDCWD, "t/d/f", "", 0, 0600);
		mkdir("kept", 0755);
		io_create_file(AT_FDCWD, "kept/w", "x", 1, 0600);
		if (mount(rows[i].source, rows[i].target, rows[i].type, rows[i].flags, NULL) < 0)
			return errno == EPERM ? 77 : 10;
		io_create_file(AT_FDCWD, rows[i].witness, "x", 1, 0600);
		if (path_remove_tree(scenefd, "t") != -EBUSY)
			return 20 + (int)i;
		if (!exists(rows[i].witness) || !exists("kept/w"))
			return 30 + (int)i;
		if (umount2(rows[i].target, MNT_DETACH) < 0)
			return 40 + (int)i;
		if (path_remove_tree(scenefd, "t") != 0)
			return 50 + (int)i;
	}
	return 0;
}

static void mount_points_are_left_alone(void **state UNUSED)
{
	in_child_or_skip(remove_around_mounts);
}

enum { SIBLINGS = 20, CHAIN = 10 };

static void make_chain(void)
{
	char path[64];
	int len = snprintf(path, sizeof(path), "t/a/b");

	for (int i = 0; i < CHAIN; i++) {
		mkdirat(scenefd, path, 0755);
		len += snprintf(path + len, sizeof(path) - (size_t)len, "/c");
	}
	io_create_file(scenefd, "t/a/b/first", "x", 1, 0600);
}

/* t/a/b with a chain of directories in it, among its siblings t/a/0 to t/a/19. */
static void make_victims(void)
{
	char path[64];

	mkdirat(scenefd, "t", 0755);
	mkdirat(scenefd, "t/a", 0755);
	for (int i = 0; i < SIBLINGS; i++) {
		if (i == SIBLINGS / 2)
			make_chain();
		snprintf(path, sizeof(path), "t/a/%d", i);
		mkdirat(scenefd, path, 0755);
		snprintf(path, sizeof(path), "t/a/%d/file", i);
		io_create_file(scenefd, path, "x", 1, 0600);
	}
}

/* Directories with the same names, which shall stay. */
static void make_kept(void)
{
	char path[64];

	make_dir("kept");
	for (int i = 0; i < SIBLINGS; i++) {
		snprintf(path, sizeof(path), "kept/%d", i);
		make_dir(path);
		snprintf(path, sizeof(path), "kept/%d/file", i);
		make_file(path);
	}
}

static bool kept_is_whole(void)
{
	char path[64];
	int whole = 0;

	for (int i = 0; i < SIBLINGS; i++) {
		snprintf(path, sizeof(path), "kept/%d/file", i);
		whole += exists(path);
	}
	return whole == SIBLINGS;
}

static atomic_bool racing;
static atomic_int attacks;

/* Moves b to kept when it is being emptied: the ".." of what is below leads to kept then. */
static void *move_out(void *arg UNUSED)
{
	while (atomic_load(&racing))
		if (exists("t/a/b/c/c/c/c") && !exists("t/a/b/first") &&
		    renameat(scenefd, "t/a/b", scenefd, "kept/b") == 0)
			atomic_fetch_add(&attacks, 1);
	return NULL;
}

/* One of the siblings is a symlink to kept every other moment. */
static void *swap_link(void *arg UNUSED)
{
	while (atomic_load(&racing)) {
		if (!exists("evil") && symlinkat("../../kept", scenefd, "evil") < 0)
			break;
		if (syscall(SYS_renameat2, scenefd, "t/a/19", scenefd, "evil", 2) == 0)
			atomic_fetch_add(&attacks, 1);
		path_remove_tree(scenefd, "evil");
	}
	return NULL;
}

/* kept is mounted on one of the siblings every other moment. */
static void *mount_over(void *arg UNUSED)
{
	while (atomic_load(&racing)) {
		if (mount("kept", "t/a/19", NULL, MS_BIND, NULL) == 0)
			atomic_fetch_add(&attacks, 1);
		umount2("t/a/19", MNT_DETACH);
	}
	return NULL;
}

/* 0, or the number of the check that failed. */
static int race_against(void *(*attacker)(void *))
{
	pthread_t thread;
	int r = 0, removed = 0;

	make_kept();
	atomic_store(&racing, true);
	atomic_store(&attacks, 0);
	if (pthread_create(&thread, NULL, attacker, NULL))
		return 1;
	for (int i = 0; (i < 200 || (atomic_load(&attacks) < 20 && i < 5000)) && r == 0; i++) {
		make_victims();
		removed += path_remove_tree(scenefd, "t") == 0;
		r = kept_is_whole() ? 0 : 2;
		path_remove_tree(scenefd, "kept/b");
	}
	atomic_store(&racing, false);
	pthread_join(thread, NULL);
	if (r == 0)
		r = atomic_load(&attacks) < 20 ? 3 : removed ? 0 : 4;
	return r;
}

static void a_directory_moved_out_takes_nothing_along(void **state UNUSED)
{
	assert_int_equal(race_against(move_out), 0);
}

static void a_symlink_in_a_directorys_place_is_not_followed(void **state UNUSED)
{
	assert_int_equal(race_against(swap_link), 0);
}

static int race_against_mounts(void)
{
	int r = use_mount_namespace();

	return r ? r : race_against(mount_over);
}

static void a_mount_that_appears_is_not_entered(void **state UNUSED)
{
	in_child_or_skip(race_against_mounts);
}

/* Somebody else removes the same tree. */
static void *remove_too(void *arg UNUSED)
{
	while (atomic_load(&racing))
		path_remove_tree(scenefd, "t");
	return NULL;
}

static void two_removers_do_not_disturb_each_other(void **state UNUSED)
{
	pthread_t thread;

	atomic_store(&racing, true);
	assert_int_equal(pthread_create(&thread, NULL, remove_too, NULL), 0);
	for (int i = 0; i < 300; i++) {
		mkdirat(scenefd, "t", 0755);
		mkdirat(scenefd, "t/a", 0755);
		mkdirat(scenefd, "t/a/b", 0755);
		mkdirat(scenefd, "t/a/b/c", 0755);
		mkdirat(scenefd, "t/d", 0755);
		mkdirat(scenefd, "t/d/e", 0755);
		assert_int_equal(path_remove_tree(scenefd, "t"), 0);
	}
	atomic_store(&racing, false);
	pthread_join(thread, NULL);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	TEST(what_is_not_there_is_gone),
	TEST(names_that_mean_another_directory),
	TEST(all_kinds_of_entries),
	TEST(one_file_or_link),
	TEST(a_wide_tree),
	TEST(a_deep_tree_with_few_descriptors),
	TEST(what_cannot_be_removed_ends_it),
	TEST(mount_points_are_left_alone),
	TEST(a_directory_moved_out_takes_nothing_along),
	TEST(a_symlink_in_a_directorys_place_is_not_followed),
	TEST(a_mount_that_appears_is_not_entered),
	TEST(two_removers_do_not_disturb_each_other),
};

int main(void)
{
	int failed = cmocka_run_group_tests_name("openat2", tests, NULL, NULL);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (deny_syscall(SYS_openat2, ENOSYS) < 0)
			return 1;
		return cmocka_run_group_tests_name("without openat2", tests, NULL, NULL);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		failed++;
	return failed;
}
