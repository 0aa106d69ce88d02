/* SPDX-License-Identifier: Apache-2.0 */
/* Plans carried out for real: each kind of operation, its undo, and the guard of /proc. */
#include "plan_world.h"

static void test_tmpfs_and_undo(void **state)
{
	WORLD();
	struct plan_op *op = add(w, PLAN_MOUNT, "/run/a", "tmpfs");
	char fstype[32], before[256], after[256];

	op->fstype = "tmpfs";
	op->ms_flags = MS_NOSUID | MS_NODEV;
	op->data = "mode=0751,size=1m";
	assert_non_null(getcwd(before, sizeof(before)));
	run(w);
	assert_non_null(getcwd(after, sizeof(after)));
	assert_string_equal(before, after);	/* mounting goes through the working directory */
	{
		AUTO_FD fd = look(w, "/run/a");
		struct stat st;

		assert_int_equal(mountinfo_is_mount(fd), 1);
		assert_int_equal(mountinfo_fstype(fd, fstype, sizeof(fstype)), 0);
		assert_string_equal(fstype, "tmpfs");
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0751);
	}
	assert_int_equal(mount_flags(w, "/run/a") & 6, 6);
	assert_int_equal(plan_undo(&w->p, w->fd, w->done, &w->e), 0);
	assert_false(exists(w, "run/a"));
	assert_true(exists(w, "run"));	/* only what the op names is taken away */
}

static void test_symlink_cannot_lead_out(void **state)
{
	WORLD();
	struct plan_op *op;

	assert_int_equal(symlinkat("/../../../../../../etc", w->fd, "evil"), 0);
	op = add(w, PLAN_MOUNT, "/evil/x", NULL);
	op->fstype = "tmpfs";
	run(w);
	assert_true(is_mount(w, "/etc/x"));
	assert_int_equal(access("/etc/x", F_OK), -1);
}

static void test_wrong_filesystem(void **state)
{
	WORLD();
	struct plan_op *op = add(w, PLAN_MOUNT, "/a", "none");

	op->fstype = "no-such-fs";
	op->what = "storage 0 (blk)";
	run_fails(w, RC_INTERNAL);
	assert_string_equal(
		w->e.msg,
		"storage 0 (blk): mount none on /a: unknown filesystem type 'no-such-fs' (ENODEV)");
	again(w);
	op = add(w, PLAN_MOUNT, "/a", "tmpfs");
	op->fstype = "tmpfs";
	op->data = "nonsense=1";
	run_fails(w, RC_INVALID_ARGUMENT);
	assert_string_equal(
		w->e.msg, "mount tmpfs on /a: wrong fs type, bad option, bad superblock (EINVAL)");
}

static void test_skip_mounted(void **state)
{
	WORLD();
	struct plan_op *op = add(w, PLAN_MOUNT, "/a", NULL);
	uint64_t before, after;

	op->fstype = "tmpfs";
	run(w);
	again(w);
	op = add(w, PLAN_MOUNT, "/a", NULL);
	op->fstype = "tmpfs";
	op->flags = PLAN_SKIP_MOUNTED;
	{
		AUTO_FD fd = look(w, "/a");

		assert_int_equal(mountinfo_mount_id(fd, &before), 0);
	}
	run(w);
	{
		AUTO_FD fd = look(w, "/a");

		assert_int_equal(mountinfo_mount_id(fd, &after), 0);
	}
	assert_int_equal(before, after);
	assert_int_equal(plan_undo(&w->p, w->fd, w->done, &w->e), 0);
	assert_true(is_mount(w, "/a"));	/* it was there before the plan */
}

static void test_bind(void **state)
{
	WORLD();
	struct plan_op *op;
	struct stat st;

	add(w, PLAN_MKDIR, "/src/sub", NULL);
	op = add(w, PLAN_MOUNT, "/src/sub", NULL);
	op->fstype = "tmpfs";
	op = add(w, PLAN_BIND, "/dst", "/src");
	op->flags = PLAN_SOURCE_IN_ROOT;
	op->ms_flags = MS_BIND | MS_REC | MS_RDONLY | MS_NOEXEC | MS_NOATIME;
	op->propagation = MS_PRIVATE | MS_REC;
	run(w);
	assert_true(is_mount(w, "/dst"));
	assert_true(is_mount(w, "/dst/sub"));
	assert_int_equal(mount_flags(w, "/dst") & (1 | 8 | 0x400), 1 | 8 | 0x400);
	assert_int_equal(mount_flags(w, "/src") & (1 | 8), 0);
	assert_int_equal(mount_flags(w, "/dst/sub") & 1, 0);	/* not a recursive option */
	assert_int_equal(plan_undo(&w->p, w->fd, w->done, &w->e), 0);
	assert_false(exists(w, "dst"));
	assert_int_equal(fstatat(w->fd, "src", &st, 0), 0);
	assert_false(exists(w, "src/sub"));
}

static void test_bind_file(void **state)
{
	WORLD();
	struct plan_op *op;
	char text[16];

	put(w, "hosts", "here");
	op = add(w, PLAN_BIND, "/etc/hosts", "/hosts");
	op->flags = PLAN_SOURCE_IN_ROOT;
	op->ms_flags = MS_BIND | MS_RDONLY;
	run(w);
	assert_int_equal(io_read_file(w->fd, "etc/hosts", text, sizeof(text)), 4);
	assert_int_equal(io_write_file(w->fd, "etc/hosts", "x"), -EROFS);
	assert_int_equal(io_write_file(w->fd, "hosts", "here"), 0);
	assert_int_equal(plan_undo(&w->p, w->fd, w->done, &w->e), 0);
	assert_false(is_mount(w, "/etc/hosts"));
}

static void test_recursive_attributes(void **state)
{
	WORLD();
	struct plan_op *op = add(w, PLAN_MOUNT, "/src/sub", NULL);

	op->fstype = "tmpfs";
	op = add(w, PLAN_BIND, "/dst", "/src");
	op->flags = PLAN_SOURCE_IN_ROOT;
	op->ms_flags = MS_BIND | MS_REC;
	op->rec_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
	if (!has_setattr) {
		run_fails(w, RC_UNIMPLEMENTED);
		return;
	}
	run(w);
	assert_int_equal(mount_flags(w, "/dst") & 3, 3);
	assert_int_equal(mount_flags(w, "/dst/sub") & 3, 3);
	assert_int_equal(mount_flags(w, "/src/sub") & 3, 0);
}

static void test_optional(void **state)
{
	WORLD();
	struct plan_op *op = add(w, PLAN_BIND, "/a", "/no/such/source");

	op->ms_flags = MS_BIND;
	op->flags = PLAN_OPTIONAL;
	run(w);
	assert_false(exists(w, "a"));
	again(w);
	op = add(w, PLAN_BIND, "/a", "/no/such/source");
	op->ms_flags = MS_BIND;
	run_fails(w, RC_NOT_FOUND);
}

/* Without mount_setattr it does not reach the mounts below. */
static void test_mask_and_readonly(void **state)
{
	WORLD();
	struct plan_op *op;
	char text[8];

	put(w, "secret", "text");
	assert_int_equal(mkdirat(w->fd, "dir", 0755), 0);
	put(w, "dir/inner", "text");
	add(w, PLAN_MASK, "/secret", NULL);
	add(w, PLAN_MASK, "/dir", NULL);
	add(w, PLAN_MASK, "/missing", NULL);
	add(w, PLAN_MASK, "/secret/below/a/file", NULL);
	op = add(w, PLAN_MOUNT, "/ro/sub", NULL);
	op->fstype = "tmpfs";
	add(w, PLAN_READONLY, "/ro", NULL);
	add(w, PLAN_READONLY, "/missing", NULL);
	run(w);
	assert_int_equal(io_read_file(w->fd, "secret", text, sizeof(text)), 0);
	assert_false(exists(w, "dir/inner"));
	assert_int_equal(mount_flags(w, "/dir") & 1, 1);
	assert_int_equal(mkdirat(w->fd, "dir/x", 0755), -1);
	assert_int_equal(mount_flags(w, "/ro") & 1, 1);
	assert_int_equal(mount_flags(w, "/ro/sub") & 1, has_setattr);
}

static void test_proc_guard(void **state)
{
	static const struct {
		enum plan_kind kind;
		const char *target, *source, *fstype;
		bool allowed;
	} rows[] = {
		{ PLAN_MOUNT, "/proc", NULL, "tmpfs", false },
		{ PLAN_MOUNT, "/proc/sys", NULL, "tmpfs", false },
		{ PLAN_MOUNT, "//./proc/sys", NULL, "tmpfs", false },
		{ PLAN_MOUNT, "/link/sys", NULL, "tmpfs", false },
		{ PLAN_BIND, "/proc/self/task", "/tmp", NULL, false },
		{ PLAN_BIND, "/proc/version", "/etc/passwd", NULL, false },
		{ PLAN_BIND, "/link/cpuinfo", "/etc/passwd", NULL, true },
		{ PLAN_BIND, "/proc/meminfo", "/etc/passwd", NULL, true },
		{ PLAN_BIND, "/proc/net/dev", "/etc/passwd", NULL, true },
		{ PLAN_BIND, "/proc", "/proc", NULL, true },
		{ PLAN_BIND, "/proc", "/proc/sys", NULL, false },
		{ PLAN_BIND, "/proc", "/tmp", NULL, false },
		{ PLAN_MOUNT, "/procure", NULL, "tmpfs", true },
	};
	WORLD();
	struct plan_op *op = add(w, PLAN_BIND, "/proc", "/proc");

	op->ms_flags = MS_BIND | MS_REC;
	op->flags = PLAN_PROC_GUARD;
	assert_int_equal(symlinkat("proc", w->fd, "link"), 0);
	run(w);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int r;

		again(w);
		op = add(w, rows[i].kind, rows[i].target, rows[i].source);
		op->fstype = rows[i].fstype;
		op->ms_flags = rows[i].kind == PLAN_BIND ? MS_BIND : 0;
		op->flags = PLAN_PROC_GUARD;
		r = plan_run(&w->p, w->fd, &w->done, &w->e);
		if ((r == 0) != rows[i].allowed || (r < 0 && w->e.rc != RC_PERMISSION_DENIED))
			fail_msg("row %zu (%s): %d %s", i, rows[i].target, r, w->e.msg);
	}
}

static void test_proc_guard_before_proc_is_mounted(void **state)
{
	WORLD();
	struct plan_op *op = add(w, PLAN_MOUNT, "/proc/sys", NULL);

	op->fstype = "tmpfs";
	op->flags = PLAN_PROC_GUARD;
	run_fails(w, RC_PERMISSION_DENIED);
}

static void test_files(void **state)
{
	WORLD();
	struct plan_op *op;
	char text[32];
	struct stat st;

	if (in_userns) {
		print_message("skip: no device nodes in a user namespace\n");
		skip();
	}
	op = add(w, PLAN_MKNOD, "/dev/null", NULL);
	op->mode = S_IFCHR | 0666;
	op->dev = makedev(1, 3);
	op->uid = 12;
	*add(w, PLAN_MKNOD, "/dev/null", NULL) = *op;
	add(w, PLAN_SYMLINK, "/dev/fd", "/proc/self/fd");
	add(w, PLAN_SYMLINK, "/dev/fd", "/proc/self/fd");
	add(w, PLAN_SYMLINK, "/dev/stdin", "wrong");
	add(w, PLAN_SYMLINK, "/dev/stdin", "/proc/self/fd/0");
	op = add(w, PLAN_MKDIR, "/data/deep", NULL);
	op->mode = 02770;
	op->uid = 0;
	op->gid = 55;
	op->flags = PLAN_SET_OWNER;
	add(w, PLAN_CHMOD, "/data", NULL)->mode = 0700;
	add(w, PLAN_CHOWN, "/dev/fd", NULL)->gid = 77;
	run(w);
	assert_int_equal(fstatat(w->fd, "dev/null", &st, 0), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	assert_int_equal(st.st_mode & 07777, 0666);
	assert_int_equal(st.st_uid, 12);
	memset(text, 0, sizeof(text));
	assert_int_equal(readlinkat(w->fd, "dev/stdin", text, sizeof(text) - 1), 15);
	assert_string_equal(text, "/proc/self/fd/0");
	assert_int_equal(fstatat(w->fd, "data/deep", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 02770);
	assert_int_equal(st.st_gid, 55);
	assert_int_equal(fstatat(w->fd, "data", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fstatat(w->fd, "dev/fd", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_gid, 77);
	again(w);
	op = add(w, PLAN_MKNOD, "/dev/null", NULL);
	op->mode = S_IFCHR | 0666;
	op->dev = makedev(1, 5);
	run_fails(w, RC_ALREADY_EXISTS);
}

static void test_copy_up(void **state)
{
	WORLD();
	struct plan_op *op;
	struct stat st;
	char text[16];

	assert_int_equal(mkdirat(w->fd, "var", 0755), 0);
	assert_int_equal(mkdirat(w->fd, "var/lib", 0711), 0);
	put(w, "var/lib/file", "hello");
	assert_int_equal(symlinkat("lib/file", w->fd, "var/link"), 0);
	assert_int_equal(mkfifoat(w->fd, "var/fifo", 0600), 0);
	op = add(w, PLAN_MOUNT, "/var", NULL);
	op->fstype = "tmpfs";
	op->ms_flags = MS_RDONLY;
	op->flags = PLAN_TMPCOPYUP;
	run(w);
	assert_true(is_mount(w, "/var"));
	assert_int_equal(io_read_file(w->fd, "var/link", text, sizeof(text)), 5);
	assert_string_equal(text, "hello");
	assert_int_equal(fstatat(w->fd, "var/lib", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(fstatat(w->fd, "var/fifo", &st, 0), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(mount_flags(w, "/var") & 1, 1);
	assert_int_equal(plan_undo(&w->p, w->fd, w->done, &w->e), 0);
	assert_int_equal(io_read_file(w->fd, "var/lib/file", text, sizeof(text)), 5);
}

static void test_remount_propagate_umount(void **state)
{
	WORLD();
	struct plan_op *op = add(w, PLAN_MOUNT, "/a", NULL);

	op->fstype = "tmpfs";
	op->ms_flags = MS_NOSUID;
	add(w, PLAN_PROPAGATE, "/a", NULL)->propagation = MS_SHARED;
	op = add(w, PLAN_REMOUNT, "/a", NULL);
	op->ms_flags = MS_BIND | MS_RDONLY;
	run(w);
	assert_int_equal(mount_flags(w, "/a") & 3, 3);
	again(w);
	add(w, PLAN_UMOUNT, "/a", NULL);
	add(w, PLAN_UMOUNT, "/a", NULL);
	add(w, PLAN_UMOUNT, "/missing", NULL);
	run(w);
	assert_false(is_mount(w, "/a"));
}

static void test_undo_leaves_what_is_not_empty(void **state)
{
	WORLD();

	add(w, PLAN_MKDIR, "/keep", NULL);
	add(w, PLAN_MKDIR, "/go", NULL);
	add(w, PLAN_MKDIR, "/stay", NULL)->flags = PLAN_NO_UNDO;
	run(w);
	put(w, "keep/file", "");
	assert_int_equal(plan_undo(&w->p, w->fd, w->done, &w->e), 0);
	assert_true(exists(w, "keep/file"));
	assert_false(exists(w, "go"));
	assert_true(exists(w, "stay"));
}

static int run_all(const char *kernel)
{
	const struct CMUnitTest tests[] = {
		T(test_tmpfs_and_undo),
		T(test_symlink_cannot_lead_out),
		T(test_wrong_filesystem),
		T(test_skip_mounted),
		T(test_bind),
		T(test_bind_file),
		T(test_recursive_attributes),
		T(test_optional),
		T(test_mask_and_readonly),
		T(test_proc_guard),
		T(test_proc_guard_before_proc_is_mounted),
		T(test_files),
		T(test_copy_up),
		T(test_remount_propagate_umount),
		T(test_undo_leaves_what_is_not_empty),
	};

	return cmocka_run_group_tests_name(kernel, tests, group_setup, group_teardown);
}

int main(void)
{
	return run_on_kernels(run_all);
}
