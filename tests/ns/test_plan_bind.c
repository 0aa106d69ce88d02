/* SPDX-License-Identifier: Apache-2.0 */
/* Where a bind's source is looked for, what it binds on, and what the mount gets. */
#include "plan_world.h"

#include <sys/socket.h>
#include <sys/un.h>

static struct plan_op *bind_in(struct world *w, const char *target, const char *source)
{
	struct plan_op *op = add(w, PLAN_BIND, target, source);

	op->flags = PLAN_SOURCE_IN_ROOT;
	op->ms_flags = MS_BIND;
	return op;
}

static void assert_text(struct world *w, const char *path, const char *want)
{
	AUTO_FD fd = path_open_in(w->fd, path, O_RDONLY, 0);
	char text[32] = "";

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(-fd));
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	assert_string_equal(text, want);
}

/* "rw" on a source that is read-only makes the bind writable, and leaves the source alone. */
static void test_flags_are_taken_away(void **state)
{
	WORLD();
	struct plan_op *op = add(w, PLAN_MOUNT, "/src", NULL);

	op->fstype = "tmpfs";
	bind_in(w, "/ro", "/src")->ms_flags = MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOATIME;
	op = bind_in(w, "/rw", "/ro");
	op->ms_clear = MS_RDONLY | MS_NOATIME;
	bind_in(w, "/same", "/ro");
	run(w);
	assert_int_equal(mount_flags(w, "/ro") & 0x403, 0x403);
	assert_int_equal(mount_flags(w, "/rw") & 0x403, 0x002);
	assert_int_equal(mount_flags(w, "/same") & 0x403, 0x403);
}

/* A symlink that a container left in a volume leads nowhere. */
static void test_source_in_a_volume(void **state)
{
	WORLD();
	static const char *const links[] = { "d/up", "abs", "in", "in/secret" };
	char path[96];
	struct plan_op *op = add(w, PLAN_MOUNT, "/top/vol", NULL);

	op->fstype = "tmpfs";
	run(w);
	put(w, "secret", "outside");
	assert_int_equal(mkdirat(w->fd, "top/vol/d", 0755), 0);
	put(w, "top/vol/d/secret", "inside");
	assert_int_equal(symlinkat("../../../../secret", w->fd, "top/vol/d/up"), 0);
	assert_int_equal(symlinkat("/secret", w->fd, "top/vol/abs"), 0);
	assert_int_equal(symlinkat("d", w->fd, "top/vol/in"), 0);
	again(w);
	snprintf(path, sizeof(path), "%s/top/vol/d/secret", root);
	add(w, PLAN_BIND, "/t/direct", path)->flags = PLAN_SOURCE_STRICT;
	run(w);
	assert_text(w, "/t/direct", "inside");
	for (size_t i = 0; i < COUNT_OF(links); i++) {
		again(w);
		snprintf(path, sizeof(path), "%s/top/vol/%s", root, links[i]);
		add(w, PLAN_BIND, "/t/link", path)->flags = PLAN_SOURCE_STRICT;
		run_fails(w, RC_PERMISSION_DENIED);
	}
}

/* In a user namespace nodes are bound: the right one, whatever it is called in the guest. */
static void test_device_by_number(void **state)
{
	WORLD();
	struct plan_op *op = add(w, PLAN_BIND, "/dev/nothing", "/dev/zero");
	struct stat st;

	op->flags = PLAN_SOURCE_DEVICE;
	op->mode = S_IFCHR;
	op->dev = makedev(1, 3);
	run(w);
	assert_int_equal(fstatat(w->fd, "dev/nothing", &st, 0), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	again(w);
	op = add(w, PLAN_BIND, "/dev/none", "/dev/zero");
	op->flags = PLAN_SOURCE_DEVICE;
	op->mode = S_IFCHR;
	op->dev = makedev(1, 250);
	run_fails(w, err_rc_of(ENODEV));
}

static void test_sockets_and_nodes(void **state)
{
	WORLD();
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO_FD s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/sock", root);
	assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	bind_in(w, "/run/a.sock", "/sock");
	add(w, PLAN_BIND, "/run/null", "/dev/null");
	run(w);
	assert_int_equal(fstatat(w->fd, "run/a.sock", &st, 0), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(fstatat(w->fd, "run/null", &st, 0), 0);
	assert_true(S_ISCHR(st.st_mode));
}

/* A terminal, for one: it has no path here, and what it is bound on may be a trap. */
static void test_source_by_descriptor(void **state)
{
	WORLD();
	AUTO_FD fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	struct plan_op *op = add(w, PLAN_BIND, "/dev/console", "terminal");
	struct stat st;

	op->flags = PLAN_SOURCE_FD | PLAN_NOFOLLOW;
	op->sourcefd = fd;
	run(w);
	assert_int_equal(fstatat(w->fd, "dev/console", &st, 0), 0);
	assert_int_equal(st.st_rdev, makedev(1, 5));
	put(w, "victim", "text");
	assert_int_equal(symlinkat("/victim", w->fd, "dev/link"), 0);
	op->target = "/dev/link";
	assert_int_equal(plan_run(&w->p, w->fd, &w->done, &w->e), -1);
	assert_int_equal(w->e.sys, ELOOP);
	assert_text(w, "/victim", "text");
	err_clear(&w->e);
	op->target = "/dev/other";
	op->sourcefd = -1;
	assert_int_equal(plan_run(&w->p, w->fd, &w->done, &w->e), -1);
	assert_int_equal(w->e.sys, EBADF);
}

static void test_ordinary_directory(void **state)
{
	WORLD();
	struct plan_op *op;

	assert_int_equal(mkdirat(w->fd, "there", 0755), 0);
	assert_int_equal(symlinkat("there", w->fd, "sys"), 0);
	op = add(w, PLAN_MOUNT, "/sys", NULL);
	op->fstype = "tmpfs";
	op->flags = PLAN_NOFOLLOW;
	run_fails(w, err_rc_of(ELOOP));
	assert_false(is_mount(w, "/there"));
	again(w);
	op = add(w, PLAN_MOUNT, "/new/sys", NULL);
	op->fstype = "tmpfs";
	op->flags = PLAN_NOFOLLOW;
	run(w);
	assert_true(is_mount(w, "/new/sys"));
}

static void test_nothing_on_the_root(void **state)
{
	static const char *const ways[] = { "/", "/dir/..", "/up" };
	WORLD();

	assert_int_equal(mkdirat(w->fd, "dir", 0755), 0);
	assert_int_equal(symlinkat("..", w->fd, "up"), 0);
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		again(w);
		bind_in(w, ways[i], "/dir")->flags |= PLAN_PROC_GUARD;
		run_fails(w, RC_PERMISSION_DENIED);
	}
}

static mode_t mode_of(struct world *w, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(w->fd, path, &st, 0), 0);
	return st.st_mode & 07777;
}

static void test_mode_of_what_is_covered(void **state)
{
	static const char *const at[] = { "/old", "/new", "/ro" };
	WORLD();

	assert_int_equal(mkdirat(w->fd, "old", 0700), 0);
	assert_int_equal(mkdirat(w->fd, "ro", 0711), 0);
	for (size_t i = 0; i < COUNT_OF(at); i++) {
		struct plan_op *op = add(w, PLAN_MOUNT, at[i], NULL);

		op->fstype = "tmpfs";
		op->flags = PLAN_KEEP_MODE;
		op->ms_flags = i == 2 ? MS_RDONLY | MS_NODEV : 0;
	}
	run(w);
	assert_int_equal(mode_of(w, "old"), 0700);
	assert_int_equal(mode_of(w, "new"), 01777);
	assert_int_equal(mode_of(w, "ro"), 0711);
	assert_int_equal(mount_flags(w, "/ro") & 5, 5);
}

static void test_idmap(void **state)
{
	static const struct plan_idmap map = { "0 100000 65536\n", "0 200000 65536\n", false };
	WORLD();
	struct plan_op *op;
	struct stat st;

	if (in_userns) {
		print_message("skip: not in a user namespace\n");
		skip();
	}
	assert_int_equal(mkdirat(w->fd, "src", 0755), 0);
	put(w, "src/file", "text");
	assert_int_equal(fchownat(w->fd, "src/file", 5, 6, 0), 0);
	op = bind_in(w, "/dst", "/src");
	op->idmap = &map;
	op->ms_flags |= MS_RDONLY;
	if (!has_setattr) {
		run_fails(w, RC_UNIMPLEMENTED);
		return;
	}
	run(w);
	assert_int_equal(fstatat(w->fd, "dst/file", &st, 0), 0);
	assert_int_equal(st.st_uid, 100005);
	assert_int_equal(st.st_gid, 200006);
	assert_int_equal(fstatat(w->fd, "src/file", &st, 0), 0);
	assert_int_equal(st.st_uid, 5);
	assert_int_equal(mount_flags(w, "/dst") & 1, 1);
}

/* The tree is opened by who still may, and attached by who may no more. */
static void test_idmap_in_two_steps(void **state)
{
	static const struct plan_idmap map = { "0 1000 10\n", "0 1000 10\n", true };
	WORLD();
	char source[64];
	struct plan_op *op;
	struct stat st;

	op = add(w, PLAN_MOUNT, "/src/sub", NULL);
	op->fstype = "tmpfs";
	run(w);
	again(w);
	snprintf(source, sizeof(source), "%s/src", root);
	op = add(w, PLAN_BIND, "/dst", source);
	op->ms_flags = MS_BIND | MS_REC;
	op->idmap = &map;
	if (in_userns || !has_setattr) { /* nothing to do it with */
		assert_int_equal(plan_open_idmaps(&w->p, &w->e), -1);
		return;
	}
	assert_int_equal(plan_open_idmaps(&w->p, &w->e), 0);
	assert_true(op->sourcefd >= 0);
	run(w);
	plan_close_sources(&w->p);
	assert_int_equal(op->sourcefd, -1);
	assert_int_equal(fstatat(w->fd, "dst/sub", &st, 0), 0);
	assert_int_equal(st.st_uid, 1000);
	again(w);
	op = add(w, PLAN_BIND, "/dst", "/no/such/source");
	op->idmap = &map;
	op->what = "mounts[3]";
	assert_int_equal(plan_open_idmaps(&w->p, &w->e), -1);
	assert_non_null(strstr(w->e.msg, "mounts[3]: bind /no/such/source on /dst"));
}

/* fsconfig(2) takes values of 255 bytes: longer ones go the old way. */
static void test_long_option(void **state)
{
	WORLD();
	char name[201], data[512];
	struct plan_op *op;

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(mkdirat(w->fd, name, 0755), 0);
	assert_int_equal(mkdirat(w->fd, "low", 0755), 0);
	put(w, "low/file", "low");
	snprintf(data, sizeof(data), "lowerdir=%s/low:%s/./././././././././././%s", root, root,
		 name);
	assert_true(strlen(data) > 255);
	op = add(w, PLAN_MOUNT, "/over", "overlay");
	op->fstype = "overlay";
	op->data = data;
	if (plan_run(&w->p, w->fd, &w->done, &w->e) < 0) {
		if (in_userns || w->e.sys == ENODEV) {
			print_message("skip: no overlayfs\n");
			skip();
		}
		fail_msg("%s", w->e.msg);
	}
	assert_text(w, "/over/file", "low");
}

/* context="a,b" is one option. */
static void test_quoted_option(void **state)
{
	WORLD();
	struct plan_op *op = add(w, PLAN_MOUNT, "/a", NULL);

	op->fstype = "tmpfs";
	op->data = "mode=\"0700\",size=\"64k\"";
	if (plan_run(&w->p, w->fd, &w->done, &w->e) == 0)
		assert_int_equal(mode_of(w, "a"), 0700);
}

static int run_all(const char *kernel)
{
	const struct CMUnitTest tests[] = {
		T(test_flags_are_taken_away),
		T(test_source_in_a_volume),
		T(test_device_by_number),
		T(test_sockets_and_nodes),
		T(test_source_by_descriptor),
		T(test_ordinary_directory),
		T(test_nothing_on_the_root),
		T(test_mode_of_what_is_covered),
		T(test_idmap),
		T(test_idmap_in_two_steps),
		T(test_long_option),
		T(test_quoted_option),
	};

	return cmocka_run_group_tests_name(kernel, tests, group_setup, group_teardown);
}

int main(void)
{
	return run_on_kernels(run_all);
}
