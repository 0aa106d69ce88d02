/* SPDX-License-Identifier: Apache-2.0 */
/* Storages set up and undone for real. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include "storage_world.h"

#define OVERLAY_RW	"io.katacontainers.fs-opt.overlay-rw"

/* --- drivers ------------------------------------------------------------------------------- */

static void ephemeral_honours_its_options(void **state)
{
	struct storage_req r =
		request("ephemeral", "shm", "tmpfs", "/run/kata-containers/sandbox/shm");
	struct storage_plan sp;
	struct statfs fs;

	NEEDS_NAMESPACE();
	set_options(&r, "noexec|nosuid|nodev|mode=1750|size=65536");
	must(&r, &sp);
	assert_true(is_mount(r.mount_point));
	assert_int_equal(statfs(r.mount_point, &fs), 0);
	assert_int_equal(fs.f_blocks * (uint64_t)fs.f_bsize, 65536);
	assert_int_equal(fs.f_flags & 0xe, 0xe);	/* nosuid, nodev, noexec */
	assert_mode(r.mount_point, 01750);
	assert_true(sp.flags & STORAGE_KEEP);
}

/* A container that starts anew finds its files, and a failure later does not take them away. */
static void ephemeral_is_taken_as_it_is(void **state)
{
	struct storage_req r =
		request("ephemeral", "tmpfs", "tmpfs", "/run/kata-containers/sandbox/ephemeral/e");
	struct storage_plan sp;

	NEEDS_NAMESPACE();
	must(&r, &sp);
	put("/run/kata-containers/sandbox/ephemeral/e/file", "mine", 0644);
	must(&r, &sp);
	assert_true(holds("/run/kata-containers/sandbox/ephemeral/e/file", "mine"));
	undo(&sp);
	assert_true(holds("/run/kata-containers/sandbox/ephemeral/e/file", "mine"));
	assert_int_equal(umount2(r.mount_point, 0), 0);
	assert_false(is_mount(r.mount_point));	/* it was mounted once */
}

static void ephemeral_group(void **state)
{
	char gid[32];
	struct storage_req r = request("ephemeral", "tmpfs", "tmpfs", "/run/e");
	struct storage_plan sp;

	NEEDS_NAMESPACE();
	snprintf(gid, sizeof(gid), "fsgid=%u", other_gid());
	set_options(&r, gid);
	must(&r, &sp);
	assert_int_equal(stat_of("/run/e").st_gid, other_gid());
	assert_mode("/run/e", 03777);
}

static void local_made_and_undone(void **state)
{
	char opts[64];
	struct storage_req r = request("local", "local", "local",
				       "/run/kata-containers/shared/containers/s/rootfs/local/v");
	struct storage_plan sp;

	NEEDS_NAMESPACE();
	snprintf(opts, sizeof(opts), "mode=0777|fsgid=%u", other_gid());
	set_options(&r, opts);
	must(&r, &sp);
	assert_false(is_mount(r.mount_point));
	assert_int_equal(stat_of(r.mount_point).st_gid, other_gid());
	assert_mode(r.mount_point, 02777);
	assert_mode("/run/kata-containers/shared/containers/s/rootfs/local", 0755);
	undo(&sp);
	assert_false(exists(r.mount_point));
}

static void local_undo_spares_files(void **state)
{
	struct storage_req r = request("local", "local", "local", "/run/v");
	struct storage_plan sp;

	NEEDS_NAMESPACE();
	make_dir("/run/v");
	put("/run/v/file", "kept", 0644);
	must(&r, &sp);
	undo(&sp);
	assert_true(holds("/run/v/file", "kept"));
}

static void overlay_writable(void **state)
{
	struct storage_req r =
		request("overlayfs", "overlay", "overlay", "/run/kata-containers/c1/rootfs");
	struct storage_plan sp;

	NEEDS_NAMESPACE();
	put("/run/l1/a", "upper of two", 0644);
	put("/run/l2/a", "lower of two", 0644);
	put("/run/l2/b", "below", 0644);
	/* userxattr: what an unprivileged overlay wants. */
	set_options(&r, in_userns ? "lowerdir=/run/l1:/run/l2|" OVERLAY_RW "|userxattr" :
				    "lowerdir=/run/l1:/run/l2|" OVERLAY_RW);
	must(&r, &sp);
	assert_true(is_mount(r.mount_point));
	assert_false(sp.flags & STORAGE_KEEP);
	assert_true(holds("/run/kata-containers/c1/rootfs/a", "upper of two"));
	assert_true(holds("/run/kata-containers/c1/rootfs/b", "below"));
	put("/run/kata-containers/c1/rootfs/b", "written", 0644);
	assert_true(holds("/run/kata-containers/c1/upper/b", "written"));
	assert_true(holds("/run/l2/b", "below"));
	undo(&sp);
	assert_false(exists(r.mount_point));
	assert_true(holds("/run/kata-containers/c1/upper/b", "written"));
}

static void overlay_read_only(void **state)
{
	struct storage_req r = request("overlayfs", "", "", "/run/m");
	struct storage_plan sp;

	NEEDS_NAMESPACE();
	put("/run/l1/a", "a", 0644);
	set_options(&r, "lowerdir=/run/l1:/run/l2");
	r.driver_options = split("io.katacontainers.volume.overlayfs.create_directory=/run/l2",
				 &r.n_driver_options);
	must(&r, &sp);
	assert_true(holds("/run/m/a", "a"));
	assert_int_equal(open("/run/m/b", O_WRONLY | O_CREAT | O_CLOEXEC, 0644), -1);
	assert_int_equal(errno, EROFS);
	undo(&sp);
	assert_false(exists("/run/m"));
	assert_false(exists("/run/l2"));
	assert_true(exists("/run/l1/a"));
}

static void bind_of_a_directory_and_a_file(void **state)
{
	struct storage_req dir = request("bind", "/run/a/data", "bind", "/run/b/data");
	struct storage_req file = request("bind", "/run/a/data/f", "bind", "/run/b/f");
	struct storage_plan first, second;
	size_t done_first;

	NEEDS_NAMESPACE();
	put("/run/a/data/f", "bound", 0644);
	set_options(&dir, "rbind|ro");
	must(&dir, &first);
	done_first = done;
	must(&file, &second);
	assert_true(holds("/run/b/data/f", "bound"));
	assert_true(holds("/run/b/f", "bound"));
	assert_int_equal(open("/run/b/data/g", O_WRONLY | O_CREAT | O_CLOEXEC, 0644), -1);
	assert_int_equal(errno, EROFS);
	undo(&second);
	done = done_first;
	undo(&first);
	assert_false(exists("/run/b/data"));
	assert_true(holds("/run/a/data/f", "bound"));
}

/* A container that can write beside the source leads no mount out of it. */
static void bind_follows_no_link(void **state)
{
	static const char *const sources[] = { "/run/a/link", "/run/a/link/passwd", "/run/a/dir/link" };
	struct storage_plan sp;

	NEEDS_NAMESPACE();
	make_dir("/run/a/dir");
	assert_int_equal(symlink("/etc", "/run/a/link"), 0);
	assert_int_equal(symlink("../../../etc/passwd", "/run/a/dir/link"), 0);
	for (size_t i = 0; i < COUNT_OF(sources); i++) {
		struct storage_req r = request("bind", sources[i], "bind", "/run/b");

		memset(&err, 0, sizeof(err));
		assert_int_equal(attempt(&r, NULL, &sp), -1);
		assert_int_equal(err.rc, RC_PERMISSION_DENIED);
		assert_non_null(strstr(err.msg, "a symbolic link on the way to it"));
		undo(&sp);
		assert_false(exists("/run/b"));
	}
}

/* --- every driver, made to fail -------------------------------------------------------------- */

static int count_entries(void)
{
	AUTO_FD fd = open("/run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(dup(fd));
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Whatever a driver plans, a mount that fails and its undo leave what was there before. */
static void every_driver_undone(void **state)
{
	NEEDS_NAMESPACE();
	for (const char *const *name = storage_driver_names(); *name; name++) {
		struct storage_req r = request(*name, "x", "", "/run/here");
		struct storage_plan sp;
		int before = count_entries();
		const struct storage_driver *d = storage_driver_find(*name, &err);

		if (str_eq(*name, "overlayfs"))
			set_options(&r, "lowerdir=/run/none:/run/nowhere");
		if (str_eq(*name, "local"))
			set_options(&r, "mode=0700");
		if (str_eq(*name, "ephemeral"))
			set_options(&r, "size=nonsense");
		/* one leaves its tmpfs, the other mounts in the container's directory: test_watch, and
		 * test_layers in a VM */
		if (str_eq(*name, "watchable-bind") || str_eq(*name, "erofs.multi-layer"))
			continue;
		if (str_eq(*name, "bind"))
			r.source = "/run/none";
		if (d->need)
			r.fstype = "ext4";
		if (attempt(&r, d->need ? "/dev/null" : NULL, &sp) == 0)
			assert_string_equal(
				*name, "local"); /* the one that needs nothing from the kernel */
		else
			assert_non_null(strstr(err.msg, "/run/here"));
		undo(&sp);
		if (count_entries() != before)
			fail_msg("%s leaves something in /run", *name);
		err_clear(&err);
	}
}

/* --- trust --------------------------------------------------------------------------------- */

/* A container that can write in a shared directory puts a link where the host will mount later. */
static void links_are_refused(void **state)
{
	static const char *const points[] = { "/run/share/link", "/run/share/link/deep/er",
					      "/run/share/dir/link2/x" };

	NEEDS_NAMESPACE();
	make_dir("/run/victim");
	make_dir("/run/share/dir");
	assert_int_equal(symlink("/run/victim", "/run/share/link"), 0);
	assert_int_equal(symlink("../../victim", "/run/share/dir/link2"), 0);
	for (size_t i = 0; i < COUNT_OF(points); i++) {
		struct storage_req r = request("ephemeral", "tmpfs", "tmpfs", points[i]);
		struct storage_plan sp;

		assert_int_equal(attempt(&r, NULL, &sp), -1);
		assert_int_equal(err.rc, RC_PERMISSION_DENIED);
		assert_non_null(strstr(err.msg, "symbolic link"));
		assert_int_equal(done, 0);
		err_clear(&err);
	}
	assert_int_equal(rmdir("/run/victim"), 0);	/* untouched: empty, and no mount */
}

/* A container that swaps a directory of a shared one for a link, and back, as fast as it can. */
struct swapper {
	pthread_t thread;
	atomic_bool stop;
	atomic_int swaps;
};

static void *swap(void *arg)
{
	struct swapper *s = arg;

	while (!atomic_load(&s->stop))
		if (renameat2(AT_FDCWD, "/run/share/a", AT_FDCWD, "/run/share/b", RENAME_EXCHANGE) == 0)
			atomic_fetch_add(&s->swaps, 1);
	return NULL;
}

static void swap_start(struct swapper *s)
{
	make_dir("/run/victim/v");
	make_dir("/run/share/a");
	assert_int_equal(symlink("../victim", "/run/share/b"), 0);
	assert_int_equal(chmod("/run/victim/v", 0700), 0);
	assert_int_equal(mount("victim", "/run/victim/v", "tmpfs", 0, "mode=700"), 0);
	atomic_store(&s->stop, false);
	atomic_store(&s->swaps, 0);
	assert_int_equal(pthread_create(&s->thread, NULL, swap, s), 0);
}

static void swap_end(struct swapper *s)
{
	struct stat root = stat_of("/run/victim/v");

	atomic_store(&s->stop, true);
	pthread_join(s->thread, NULL);
	assert_true(is_mount("/run/victim/v"));
	assert_mode("/run/victim/v", 0700);
	assert_int_equal(root.st_gid, 0);
	assert_int_equal(umount2("/run/victim/v", 0), 0);
	assert_false(is_mount("/run/victim/v"));
	assert_mode("/run/victim/v", 0700);
	assert_int_equal(rmdir("/run/victim/v"), 0);
	assert_int_equal(rmdir("/run/victim"), 0);	/* nothing was made there */
}

#define ROUNDS	10000

static void links_that_come_and_go(void **state)
{
	static const struct storage_ctx ctx = { .container_id = "c1" };
	struct storage_req made = request("local", "", "", "/run/share/a/v");
	struct storage_req mounted = request("ephemeral", "tmpfs", "tmpfs", "/run/share/a/v");
	struct storage_plan plans[2];
	struct swapper s;

	NEEDS_NAMESPACE();
	made.fs_group = mounted.fs_group = other_gid() + 1;
	made.flags = mounted.flags = in_userns ? 0 : STORAGE_FS_GROUP;
	set_options(&made, "mode=0777");
	assert_int_equal(storage_plan_make(&storage_local, &made, &ctx, &arena, &plans[0], &err), 0);
	assert_int_equal(storage_plan_make(&storage_ephemeral, &mounted, &ctx, &arena, &plans[1], &err),
			 0);
	swap_start(&s);
	for (int i = 0; i < ROUNDS || atomic_load(&s.swaps) < ROUNDS / 3; i++) {
		const struct storage_req *r = i % 2 ? &mounted : &made;
		struct err ignored = { 0 };

		err_clear(&err);
		storage_execute(&plans[i % 2], r, &done, &err);
		if (i % 3)
			storage_undo(&plans[i % 2], done, &ignored);
		else
			storage_unmount("/run/share/a/v", &ignored);
	}
	swap_end(&s);
}

/* --- before the mounts --------------------------------------------------------------------- */

/* A plan of one directory, with something to do before. */
static void plain_plan(struct storage_plan *sp)
{
	struct storage_req r = request("local", "", "", "/run/v");
	struct storage_ctx ctx = { 0 };

	assert_int_equal(storage_plan_make(&storage_local, &r, &ctx, &arena, sp, &err), 0);
}

static void hugepages(void **state)
{
	struct storage_req r = request("local", "", "", "/run/v");
	struct storage_plan sp;

	NEEDS_NAMESPACE();
	plain_plan(&sp);
	put("/run/huge/nr_hugepages", "0\n", 0644);
	sp.hugepages_dir = "/run/huge";
	sp.hugepages_count = 12;
	assert_int_equal(storage_execute(&sp, &r, &done, &err), 0);
	assert_true(holds("/run/huge/nr_hugepages", "12"));
	sp.hugepages_count = 3;
	assert_int_equal(storage_execute(&sp, &r, &done, &err), 0);
	assert_true(holds("/run/huge/nr_hugepages", "12"));
	put("/run/huge/nr_hugepages", "what", 0644);
	assert_int_equal(storage_execute(&sp, &r, &done, &err), -1);
	assert_int_equal(done, 0);
	err_clear(&err);
	sp.hugepages_dir = "/run/no-such-size";
	assert_int_equal(storage_execute(&sp, &r, &done, &err), -1);
	assert_int_equal(err.rc, RC_NOT_FOUND);
	assert_int_equal(done, 0);
}

/* The kernel does not take the number: nothing else may be begun then. */
static void reserve(uint64_t count)
{
	struct storage_req r = request("local", "", "", "/run/v");
	struct storage_plan sp;

	plain_plan(&sp);
	sp.hugepages_dir = "/run/huge";
	sp.hugepages_count = count;
	(void)storage_execute(&sp, &r, &done, &err);
}

/* Somebody waits for a lock of the file with that number, or the child has ended. */
static bool waits(const struct stat *st, pid_t child)
{
	char text[8192], mark[64];
	ssize_t n;

	snprintf(mark, sizeof(mark), ":%lu 0 EOF", (unsigned long)st->st_ino);
	for (;;) {
		n = io_read_file(AT_FDCWD, "/proc/locks", text, sizeof(text));
		assert_true(n > 0);
		for (char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
			const char *at = strstr(line, mark);

			if (at && at < strchrnul(line, '\n') && strstr(line, "-> FLOCK") &&
			    strstr(line, "-> FLOCK") < at)
				return true;
		}
		if (waitpid(child, NULL, WNOHANG) != 0)
			return false;
		sched_yield();
	}
}

/* Who wants less does not take away what another asks for at the same time: they take turns. */
static void hugepages_for_two(void **state)
{
	AUTO_FD lock = -1;
	struct stat st;
	pid_t pid;

	NEEDS_NAMESPACE();
	put("/run/huge/nr_hugepages", "10", 0644);
	lock = open("/run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(fstat(lock, &st), 0);
	pid = fork();
	if (pid == 0) {
		auto_close(&lock);
		reserve(11);
		_exit(0);
	}
	assert_true(waits(&st, pid));
	put("/run/huge/nr_hugepages", "12", 0644);
	auto_close(&lock);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(holds("/run/huge/nr_hugepages", "12"));
}

static void hugepages_refused(void **state)
{
	struct storage_req r = request("local", "", "", "/run/v");
	struct storage_plan sp;

	NEEDS_NAMESPACE();
	plain_plan(&sp);
	make_dir("/run/huge");
	assert_int_equal(symlink("/proc/sys/kernel/random/entropy_avail", "/run/huge/nr_hugepages"),
			 0);
	sp.hugepages_dir = "/run/huge";
	sp.hugepages_count = UINT32_MAX;
	assert_int_equal(storage_execute(&sp, &r, &done, &err), -1);
	assert_non_null(strstr(err.msg, "/run/huge"));
	assert_false(exists("/run/v"));
}

static void disk_file(const char *path)
{
	AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0 && ftruncate(fd, 8 << 20) == 0);
}

/* mkfs and the detection work on any file; only the mount wants a block device. */
static void filesystem_made_and_found(void **state)
{
	struct storage_req r = request("blk", "02", "", "/run/here");
	struct storage_plan sp;
	uint16_t magic = 0;

	NEEDS_NAMESPACE();
	disk_file("/run/disk");
	assert_int_equal(attempt(&r, "/run/disk", &sp), -1);
	assert_non_null(strstr(err.msg, "filesystem of /run/disk"));
	assert_int_equal(err.rc, RC_NOT_FOUND);
	assert_int_equal(done, 0);
	err_clear(&err);

	plain_plan(&sp);
	sp.mkfs_device = "/run/disk";
	if (storage_execute(&sp, &r, &done, &err) < 0)
		fail_msg("%s", err.msg);
	{
		AUTO_FD fd = open("/run/disk", O_RDONLY | O_CLOEXEC);

		assert_int_equal(pread(fd, &magic, 2, 1080), 2);
	}
	assert_int_equal(magic, 0xef53);	/* ext's, little-endian on disk */

	assert_int_equal(attempt(&r, "/run/disk", &sp), -1);
	assert_int_equal(err.sys, in_userns ? EPERM : ENOTBLK);	/* so the type was found */
	assert_int_equal(done, 1);
	undo(&sp);
	assert_false(exists("/run/here"));
}

static void mkfs_fails(void **state)
{
	struct storage_req r = request("local", "", "", "/run/v");
	struct storage_plan sp;

	NEEDS_NAMESPACE();
	plain_plan(&sp);
	put("/run/disk", "too small", 0644);
	sp.mkfs_device = "/run/disk";
	assert_int_equal(storage_execute(&sp, &r, &done, &err), -1);
	assert_string_equal(err.msg, "mkfs.ext4 /run/disk: exit code 1");
	assert_false(exists("/run/v"));
}

int main(void)
{
#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(ephemeral_honours_its_options),
		TEST(ephemeral_is_taken_as_it_is),
		TEST(ephemeral_group),
		TEST(local_made_and_undone),
		TEST(local_undo_spares_files),
		TEST(overlay_writable),
		TEST(overlay_read_only),
		TEST(bind_of_a_directory_and_a_file),
		TEST(bind_follows_no_link),
		TEST(every_driver_undone),
		TEST(links_are_refused),
		TEST(links_that_come_and_go),
		TEST(hugepages),
		TEST(hugepages_for_two),
		TEST(hugepages_refused),
		TEST(filesystem_made_and_found),
		TEST(mkfs_fails),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
