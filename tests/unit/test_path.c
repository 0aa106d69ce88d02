/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything runs twice: with openat2, and in a child where a seccomp filter answers ENOSYS.
 * The scene is a directory with a root that must not be left and a secret beside it.
 */
#include <setjmp.h>
#include <stdarg.h>

#include "base/path.h"

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/io.h"
#include "deny_syscall.h"

static char scene[64];
static int scenefd, rootfd, fds_before;

static void put_file(int dirfd, const char *name, const char *text)
{
	assert_int_equal(io_create_file(dirfd, name, text, strlen(text), 0644), 0);
}

static void put_link(const char *text, const char *name)
{
	assert_int_equal(symlinkat(text, rootfd, name), 0);
}

static int set_up(void **state UNUSED)
{
	char text[128], name[16];

	snprintf(scene, sizeof(scene), "%s/test_path.XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	fds_before = fd_count();
	if (!mkdtemp(scene))
		return -1;
	scenefd = open(scene, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(scenefd, "root", 0755), 0);
	assert_int_equal(mkdirat(scenefd, "outside", 0755), 0);
	put_file(scenefd, "outside/secret", "secret");
	rootfd = openat(scenefd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(rootfd >= 0);
	assert_int_equal(mkdirat(rootfd, "dir", 0755), 0);
	assert_int_equal(mkdirat(rootfd, "dir/sub", 0755), 0);
	put_file(rootfd, "file", "top");
	put_file(rootfd, "dir/file", "inner");
	put_link("/dir/file", "abs");
	put_link("dir/file", "rel");
	put_link("../../../../dir/file", "up");
	put_link("/dir", "dirlink");
	put_link("dir/sub/", "slashed");
	put_link("loop", "loop");
	put_link("/nowhere/x", "dangling");
	put_link("/dir/made", "tomake");
	put_link("/", "rootlink");
	put_link("..", "dotdot");
	put_link("../outside/secret", "escape");
	snprintf(text, sizeof(text), "%s/outside/secret", scene);
	put_link(text, "escape_abs");
	snprintf(text, sizeof(text), "%s/outside", scene);
	put_link(text, "outside_abs");
	put_link("../outside", "outside_rel");
	put_link("file", "l1");
	for (int i = 2; i <= 45; i++) {
		snprintf(text, sizeof(text), "l%d", i - 1);
		snprintf(name, sizeof(name), "l%d", i);
		put_link(text, name);
	}
	return 0;
}

/* Nothing may have come or gone beside the root. */
static void check_outside(void)
{
	char text[16];
	struct dirent *de;
	DIR *dir;
	int n = 0;

	assert_int_equal(io_read_file(scenefd, "outside/secret", text, sizeof(text)), 6);
	assert_string_equal(text, "secret");
	dir = fdopendir(openat(scenefd, "outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	assert_non_null(dir);
	while ((de = readdir(dir)))
		n++;
	closedir(dir);
	assert_int_equal(n, 3);
}

static int tear_down(void **state UNUSED)
{
	check_outside();
	close(rootfd);
	close(scenefd);
	assert_int_equal(fd_count(), fds_before);
	return path_remove_tree(AT_FDCWD, scene);
}

static bool exists(int dirfd, const char *path)
{
	struct stat st;

	return fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static struct stat stat_of(int dirfd, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

/* fd is what `path` names below the root (no symlinks resolved by the check); closes it. */
static void check_is(int fd, const char *path)
{
	struct stat want = stat_of(rootfd, path), got;

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(-fd));
	assert_int_equal(fstat(fd, &got), 0);
	if (want.st_ino != got.st_ino || want.st_dev != got.st_dev)
		fail_msg("not %s", path);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void paths_stay_inside(void **state UNUSED)
{
	static const struct {
		const char *path, *is;
	} rows[] = {
		{ "file", "file" }, { "/file", "file" }, { "///dir//file", "dir/file" },
		{ "./dir/./file", "dir/file" }, { "dir/../file", "file" }, { "../../file", "file" },
		{ "/../file", "file" }, { "dir/../../../dir/file", "dir/file" },
		{ "dir/sub/../../dir/sub/../file", "dir/file" },
		{ "dirlink/file", "dir/file" }, { "dirlink/../file", "file" },
		{ "slashed/../file", "dir/file" }, { "slashed", "dir/sub" },
		{ "abs", "dir/file" }, { "rel", "dir/file" }, { "up", "dir/file" },
		{ "rootlink", "." }, { "rootlink/rootlink/file", "file" }, { "dotdot/file", "file" },
		{ "dir/../dotdot/dotdot/..", "." }, { "", "." }, { "/", "." }, { "..", "." },
		{ ".", "." }, { "dir/", "dir" }, { "dir/.", "dir" }, { "dir/sub/..", "dir" },
		{ "dirlink/", "dir" }, { "l20", "file" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		check_is(path_open_in(rootfd, rows[i].path, O_RDONLY, 0), rows[i].is);
		check_is(path_open_in(rootfd, rows[i].path, O_PATH, 0), rows[i].is);
	}
}

/* The kernel counts the links of an attempt that it gives up (a mount or rename elsewhere) to those
 * of the next one, and may refuse more than 20: only the walk can be asked for all of them. */
static void the_walk_follows_40_links(void **state UNUSED)
{
	check_is(path_open_in(rootfd, "l40", O_RDONLY, 0), "file");
	check_is(path_open_in(rootfd, "l40", O_PATH, 0), "file");
	assert_int_equal(path_open_in(rootfd, "l41", O_RDONLY, 0), -ELOOP);
}

static void paths_that_fail(void **state UNUSED)
{
	static char long_name[300], long_path[6000];
	const struct {
		const char *path;
		int flags, r;
	} rows[] = {
		{ "nothing", O_RDONLY, -ENOENT }, { "nothing/x", O_RDONLY, -ENOENT },
		{ "escape", O_RDONLY, -ENOENT }, { "escape_abs", O_RDONLY, -ENOENT },
		{ "outside_abs/secret", O_RDONLY, -ENOENT },
		{ "outside_rel/secret", O_RDONLY, -ENOENT },
		{ "../outside/secret", O_RDONLY, -ENOENT },
		{ "dangling", O_RDONLY, -ENOENT }, { "dangling", O_PATH, -ENOENT },
		{ "loop", O_RDONLY, -ELOOP }, { "loop/x", O_RDONLY, -ELOOP },
		{ "l41", O_RDONLY, -ELOOP }, { "l45", O_PATH, -ELOOP },
		{ "file/", O_RDONLY, -ENOTDIR }, { "file/x", O_RDONLY, -ENOTDIR },
		{ "file/..", O_RDONLY, -ENOTDIR }, { "abs/x", O_RDONLY, -ENOTDIR },
		{ "file", O_RDONLY | O_DIRECTORY, -ENOTDIR },
		{ "abs", O_RDONLY | O_NOFOLLOW, -ELOOP },
		{ "dir", O_WRONLY, -EISDIR },
		{ "dir/", O_WRONLY | O_CREAT, -EISDIR },
		{ "file", O_WRONLY | O_CREAT | O_EXCL, -EEXIST },
		{ "tomake", O_WRONLY | O_CREAT | O_EXCL, -EEXIST },
		{ "nothing/x", O_WRONLY | O_CREAT, -ENOENT },
		{ long_name, O_RDONLY, -ENAMETOOLONG }, { long_path, O_RDONLY, -ENAMETOOLONG },
	};

	memset(long_name, 'n', 256);
	for (size_t i = 0; i + 2 < sizeof(long_path); i += 2)
		memcpy(long_path + i, "./", 2);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int fd = path_open_in(rootfd, rows[i].path, rows[i].flags, 0644);

		if (fd != rows[i].r)
			fail_msg("%.40s: %d, not %d", rows[i].path, fd, rows[i].r);
	}
	assert_int_equal(path_open_in(-1, "file", O_RDONLY, 0), -EBADF);
	assert_false(exists(rootfd, "dir/made"));
}

static void the_last_link_itself(void **state UNUSED)
{
	check_is(path_open_in(rootfd, "abs", O_PATH | O_NOFOLLOW, 0), "abs");
	check_is(path_open_in(rootfd, "dirlink/../abs", O_PATH | O_NOFOLLOW, 0), "abs");
	/* A slash behind it means the directory. */
	check_is(path_open_in(rootfd, "dirlink/", O_PATH | O_NOFOLLOW, 0), "dir");
}

static void files_are_made_inside(void **state UNUSED)
{
	mode_t old = umask(022);
	int fd = path_open_in(rootfd, "/../dirlink/new", O_WRONLY | O_CREAT | O_EXCL, 0666);

	check_is(fd, "dir/new");
	umask(old);
	assert_int_equal(stat_of(rootfd, "dir/new").st_mode & 07777, 0644);
	check_is(path_open_in(rootfd, "tomake", O_WRONLY | O_CREAT, 0600), "dir/made");
	assert_int_equal(path_open_in(rootfd, "outside_rel/x", O_WRONLY | O_CREAT, 0600), -ENOENT);
}

static void magic_links_are_refused(void **state UNUSED)
{
	static const char *const magic[] = {
		"exe", "cwd", "root", "root/etc", "cwd/..", "fd/0", "ns/mnt", "ns/pid",
	};
	AUTO_FD self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[32];
	int p[2], fd;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	snprintf(name, sizeof(name), "fd/%d", p[0]);
	assert_int_equal(path_open_in(self, name, O_RDONLY, 0), -ELOOP);
	for (size_t i = 0; i < COUNT_OF(magic); i++)
		assert_int_equal(path_open_in(self, magic[i], O_PATH, 0), -ELOOP);
	/* proc's ordinary links are followed. */
	fd = path_open_in(proc, "self/status", O_RDONLY, 0);
	assert_true(fd >= 0);
	close(fd);
	fd = path_open_in(proc, "mounts", O_RDONLY, 0);
	assert_true(fd >= 0);
	close(fd);
	close(p[0]);
	close(p[1]);
}

static void check_dir(int fd, const char *path, mode_t mode)
{
	struct stat st = stat_of(rootfd, path);

	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 07777, mode);
	assert_true(fcntl(fd, F_GETFL) & O_PATH);
	check_is(fd, path);
}

static void directories_are_made_inside(void **state UNUSED)
{
	mode_t old = umask(077);

	check_dir(path_mkdirs_in(rootfd, "/a/b/c/", 0757), "a/b/c", 0757);
	umask(old);
	check_dir(path_mkdirs_in(rootfd, "a/b", 0700), "a/b", 0757);
	check_dir(path_mkdirs_in(rootfd, "a/x", 01777), "a/x", 01777);
	check_dir(path_mkdirs_in(rootfd, "", 0700), ".", 0755);
	check_dir(path_mkdirs_in(rootfd, "/../..", 0700), ".", 0755);
	check_dir(path_mkdirs_in(rootfd, "dirlink", 0700), "dir", 0755);
	check_dir(path_mkdirs_in(rootfd, "dirlink/d/e", 0700), "dir/d/e", 0700);
	check_dir(path_mkdirs_in(rootfd, "q/../../etc", 0700), "etc", 0700);
	assert_true(exists(rootfd, "q"));
	check_dir(path_mkdirs_in(rootfd, "outside_rel/in", 0700), "outside/in", 0700);
	check_dir(path_mkdirs_in(rootfd, "dangling", 0700), "nowhere/x", 0700);
	assert_int_equal(path_mkdirs_in(rootfd, "file", 0700), -ENOTDIR);
	assert_int_equal(path_mkdirs_in(rootfd, "file/x", 0700), -ENOTDIR);
	assert_int_equal(path_mkdirs_in(rootfd, "abs/x", 0700), -ENOTDIR);
	assert_int_equal(path_mkdirs_in(rootfd, "loop/x", 0700), -ELOOP);
}

static void parents(void **state UNUSED)
{
	static const char *const bad[] = { "", "/", ".", "..", "dir/", "dir/.", "dir/..", "//" };
	const char *path, *name = NULL;

	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(path_parent_in(rootfd, bad[i], 0700, &name), -EINVAL);
	assert_null(name);

	path = "/dirlink/../dir/new";
	check_is(path_parent_in(rootfd, path, 0, &name), "dir");
	assert_ptr_equal(name, path + strlen(path) - 3);
	/* The last component is not looked at. */
	check_is(path_parent_in(rootfd, "abs", 0, &name), ".");
	assert_string_equal(name, "abs");
	assert_int_equal(path_parent_in(rootfd, "no/way/x", 0, &name), -ENOENT);
	check_dir(path_parent_in(rootfd, "no/way/x", 0711, &name), "no/way", 0711);
	assert_false(exists(rootfd, "no/way/x"));
}

static void mount_targets(void **state UNUSED)
{
	mode_t old = umask(077);

	check_dir(path_target_in(rootfd, "/t/dir", S_IFDIR), "t/dir", 0755);
	check_is(path_target_in(rootfd, "t/file", S_IFREG), "t/file");
	umask(old);
	assert_int_equal(stat_of(rootfd, "t/file").st_mode, S_IFREG | 0644);
	assert_int_equal(stat_of(rootfd, "t").st_mode, S_IFDIR | 0755);
	check_is(path_target_in(rootfd, "t/file", S_IFREG), "t/file");
	check_is(path_target_in(rootfd, "abs", S_IFREG), "dir/file");
	assert_int_equal(stat_of(rootfd, "dir/file").st_size, 5);

	/* An image's /etc/resolv.conf often points at nothing yet. */
	check_is(path_target_in(rootfd, "tomake", S_IFREG), "dir/made");
	check_is(path_target_in(rootfd, "dangling", S_IFREG), "nowhere/x");
	check_is(path_target_in(rootfd, "outside_rel/secret", S_IFREG), "outside/secret");

	/* What is there may be anything but a directory, and is not opened. */
	assert_int_equal(mkfifoat(rootfd, "fifo", 0600), 0);
	check_is(path_target_in(rootfd, "fifo", S_IFREG), "fifo");

	assert_int_equal(path_target_in(rootfd, "dir", S_IFREG), -EISDIR);
	assert_int_equal(path_target_in(rootfd, "dirlink", S_IFREG), -EISDIR);
	assert_int_equal(path_target_in(rootfd, "t/dir/", S_IFREG), -EISDIR);
	assert_int_equal(path_target_in(rootfd, "/", S_IFREG), -EISDIR);
	assert_int_equal(path_target_in(rootfd, "file", S_IFDIR), -ENOTDIR);
	assert_int_equal(path_target_in(rootfd, "fifo", S_IFDIR), -ENOTDIR);
	assert_int_equal(path_target_in(rootfd, "file/x", S_IFREG), -ENOTDIR);
	assert_int_equal(path_target_in(rootfd, "x", S_IFLNK), -EINVAL);
}

#define RACE_ROUNDS 10000

static atomic_bool racing;
static atomic_int swaps;

static bool exchange(const char *a, const char *b)
{
	return syscall(SYS_renameat2, rootfd, a, rootfd, b, 2 /* RENAME_EXCHANGE */) == 0;
}

/* A directory, and a file, change places with symlinks out of the root. */
static void *swap_links(void *arg UNUSED)
{
	while (atomic_load(&racing))
		if (exchange("r", "evil_dir") && exchange("f", "evil_file"))
			atomic_fetch_add(&swaps, 1);
	return NULL;
}

/* True when it could be opened; closes it. */
static bool check_harmless(int fd)
{
	struct stat st;

	if (fd < 0)
		return false;
	assert_int_equal(fstat(fd, &st), 0);
	assert_false(S_ISLNK(st.st_mode));
	assert_int_not_equal(st.st_ino, stat_of(scenefd, "outside/secret").st_ino);
	close(fd);
	return true;
}

/* Not even a link that stays inside. */
static void strict_follows_nothing(void **state UNUSED)
{
	static const char *const linked[] = { "rel", "abs", "dirlink/file", "dirlink", "escape", "dirlink/",
					      "dangling", "loop", "dotdot/file", "dir/../rel" };
	const char *name;
	int fd;

	for (size_t i = 0; i < COUNT_OF(linked); i++)
		assert_int_equal(path_open_strict(rootfd, linked[i], O_PATH), -ELOOP);
	fd = path_open_strict(rootfd, "/dir/./sub/../file", O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(path_open_strict(rootfd, "dir/none", O_PATH), -ENOENT);

	assert_int_equal(path_parent_strict(rootfd, "dirlink/x", 0755, &name), -ELOOP);
	assert_int_equal(path_parent_strict(rootfd, "outside_rel/new/x", 0755, &name), -ELOOP);
	assert_int_equal(path_parent_strict(rootfd, "file/x", 0755, &name), -ENOTDIR);
	assert_int_equal(path_parent_strict(rootfd, "dir/none/x", 0, &name), -ENOENT);
	fd = path_parent_strict(rootfd, "/dir/new/rel", 0750, &name); /* the last name is the caller's */
	assert_true(fd >= 0);
	assert_string_equal(name, "rel");
	close(fd);
	assert_int_equal(stat_of(rootfd, "dir/new").st_mode & 07777, 0750);
}

static void a_symlink_swapped_in_while_running(void **state UNUSED)
{
	int opened = 0, made = 0;
	char path[64], text[128];
	const char *name;
	pthread_t thread;

	snprintf(text, sizeof(text), "%s/outside", scene);
	put_link(text, "evil_dir");
	put_link("../outside/secret", "evil_file");
	assert_int_equal(mkdirat(rootfd, "r", 0755), 0);
	put_file(rootfd, "r/secret", "harmless");
	put_file(rootfd, "f", "harmless");
	atomic_store(&racing, true);
	atomic_store(&swaps, 0);
	assert_int_equal(pthread_create(&thread, NULL, swap_links, NULL), 0);
	for (int i = 0; i < RACE_ROUNDS || atomic_load(&swaps) < RACE_ROUNDS / 3; i++) {
		opened += check_harmless(path_open_in(rootfd, "r/../r/secret", O_RDONLY, 0));
		opened += check_harmless(path_open_in(rootfd, "f", O_RDONLY, 0));
		opened += check_harmless(path_open_in(rootfd, "f", O_PATH, 0));
		opened += check_harmless(path_target_in(rootfd, "f", S_IFREG));
		opened += check_harmless(path_open_strict(rootfd, "r/secret", O_RDONLY));
		opened += check_harmless(path_open_strict(rootfd, "f", O_RDONLY));
		snprintf(path, sizeof(path), "r/s%d/e/x", i % 50);
		made += check_harmless(path_parent_strict(rootfd, path, 0755, &name));
		made += check_harmless(path_mkdirs_in(rootfd, path, 0755));
		snprintf(path, sizeof(path), "r/d%d/e", i % 50);
		made += check_harmless(path_target_in(rootfd, path, i % 2 ? S_IFREG : S_IFDIR));
	}
	atomic_store(&racing, false);
	pthread_join(thread, NULL);
	assert_true(opened > 0);
	assert_true(made > 0);
	check_outside();
}

/* A directory is moved out of the root and back, so that its ".." is outside for a while. */
static void *move_out(void *arg UNUSED)
{
	while (atomic_load(&racing)) {
		if (renameat(rootfd, "m/n", scenefd, "n") == 0)
			atomic_fetch_add(&swaps, 1);
		/* The other side may have made a new one. */
		if (renameat(scenefd, "n", rootfd, "m/n") < 0)
			path_remove_tree(scenefd, "n");
	}
	return NULL;
}

static void a_directory_moved_out_while_running(void **state UNUSED)
{
	pthread_t thread;

	assert_int_equal(mkdirat(rootfd, "m", 0755), 0);
	assert_int_equal(mkdirat(rootfd, "m/n", 0755), 0);
	assert_int_equal(mkdirat(rootfd, "m/n/o", 0755), 0);
	atomic_store(&racing, true);
	atomic_store(&swaps, 0);
	assert_int_equal(pthread_create(&thread, NULL, move_out, NULL), 0);
	for (int i = 0; i < RACE_ROUNDS || atomic_load(&swaps) < RACE_ROUNDS / 3; i++) {
		const char *const path = "m/n/o/../../outside/secret";
		int fd = path_open_in(rootfd, path, O_RDONLY, 0);

		assert_true(fd < 0);
		fd = path_target_in(rootfd, "m/n/o/../../../../outside/x", S_IFREG);
		if (fd >= 0)
			close(fd);
	}
	atomic_store(&racing, false);
	pthread_join(thread, NULL);
	check_outside();
}

struct result {
	int err;
	ino_t ino;
};

static const int random_flags[] = { O_RDONLY, O_PATH, O_PATH | O_NOFOLLOW, O_RDONLY | O_DIRECTORY };

/* The same paths each time. None has more than 20 links in it (each name of a link to a directory has 6
 * letters, up to 15 of them, and l4 is behind the last), see the_walk_follows_40_links. */
static void open_at_random(struct result *results, int n)
{
	static const char *const parts[] = {
		"..", ".", "", "dir", "sub", "file", "abs", "rel", "up", "dirlink", "slashed",
		"loop", "dangling", "rootlink", "dotdot", "escape", "nothing", "l4", "l2",
	};
	uint64_t x = 42;

	for (int i = 0; i < n; i++) {
		char path[128];
		struct stat st;
		int fd, len = 0;

		do {
			x = x * 6364136223846793005 + 1442695040888963407;
			len += snprintf(path + len, sizeof(path) - (size_t)len, "%s%s",
					parts[(x >> 33) % COUNT_OF(parts)], (x >> 20) % 8 ? "/" : "");
		} while ((x >> 40) % 5 && len < 100);
		fd = path_open_in(rootfd, path, random_flags[(x >> 50) % COUNT_OF(random_flags)], 0);
		results[i] = (struct result){ .err = fd < 0 ? fd : 0 };
		if (fd >= 0 && fstat(fd, &st) == 0)
			results[i].ino = st.st_ino;
		if (fd >= 0)
			close(fd);
	}
}

/* The kernel is the specification of the walk. */
static void the_walk_does_what_the_kernel_does(void **state UNUSED)
{
	enum { N = 20000 };
	const size_t size = N * sizeof(struct result);
	struct result *mine = calloc(N, sizeof(*mine));
	struct result *walked = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				     -1, 0);
	int status, found = 0;
	pid_t pid;

	assert_ptr_not_equal(walked, MAP_FAILED);
	pid = fork();
	if (pid == 0) {
		if (deny_syscall(SYS_openat2, ENOSYS) < 0)
			_exit(1);
		open_at_random(walked, N);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	open_at_random(mine, N);
	for (int i = 0; i < N; i++) {
		if (mine[i].err != walked[i].err || mine[i].ino != walked[i].ino)
			fail_msg("path %d: %d %lu, walk %d %lu", i, mine[i].err,
				 (unsigned long)mine[i].ino, walked[i].err,
				 (unsigned long)walked[i].ino);
		found += mine[i].err == 0;
	}
	assert_true(found > N / 10 && found < N - N / 10);
	munmap(walked, size);
	free(mine);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static const struct CMUnitTest in_root[] = {
	TEST(paths_stay_inside),
	TEST(paths_that_fail),
	TEST(the_last_link_itself),
	TEST(files_are_made_inside),
	TEST(magic_links_are_refused),
	TEST(directories_are_made_inside),
	TEST(parents),
	TEST(mount_targets),
	TEST(strict_follows_nothing),
	TEST(a_symlink_swapped_in_while_running),
	TEST(a_directory_moved_out_while_running),
	TEST(the_walk_does_what_the_kernel_does),
};

static const struct CMUnitTest walk_only[] = {
	TEST(the_walk_follows_40_links),
};

int main(void)
{
	int status, failed;
	pid_t pid;

	failed = cmocka_run_group_tests_name("openat2", in_root, NULL, NULL);
	pid = fork();
	if (pid == 0) {
		if (deny_syscall(SYS_openat2, ENOSYS) < 0)
			return 1;
		return cmocka_run_group_tests_name("walk", in_root, NULL, NULL) +
		       cmocka_run_group_tests_name("walk only", walk_only, NULL, NULL);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		failed++;
	return failed;
}
