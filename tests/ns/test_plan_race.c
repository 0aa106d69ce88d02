/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container that shares a volume with the one that is being made swaps directories and symlinks
 * under its root while the plan runs (CVE-2021-30465: a mount's target was checked, then mounted on
 * by name; CVE-2024-45310: directories were made on the way the same way). Whatever the plan ends
 * with, nothing of it may be outside of the root, nothing outside may be changed, and nothing from
 * outside may be inside. Bounded by rounds, not by time.
 */
#include "plan_world.h"

#include <dirent.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>

#define ROUNDS 10000 /* with all of the new calls, and with none; fewer in between */
#define BATCH  50    /* rounds between looks at what is outside; what was mounted goes then */

static int rounds;
static atomic_bool stop;
static atomic_uint swaps;

/* "a" is a directory or a symlink that leads out, "b" the other one; "in/deep" moves out of the
 * root and back, so that ".." of it is another directory. */
static void *attack(void *arg)
{
	int top = *(int *)arg;

	while (!atomic_load(&stop)) {
		syscall(SYS_renameat2, top, "root/a", top, "root/b", RENAME_EXCHANGE);
		syscall(SYS_renameat2, top, "root/in/deep", top, "outside/deep", RENAME_EXCHANGE);
		syscall(SYS_renameat2, top, "root/a", top, "root/c", RENAME_EXCHANGE);
		atomic_fetch_add(&swaps, 3);
	}
	return NULL;
}

static void lay_out(struct world *w)
{
	char out[64];

	assert_int_equal(mkdirat(w->fd, "outside", 0755), 0);
	assert_int_equal(mkdirat(w->fd, "outside/deep", 0755), 0);
	assert_int_equal(mkdirat(w->fd, "outside/sub", 0755), 0);
	put(w, "outside/sub/secret", "secret");
	assert_int_equal(mkdirat(w->fd, "root", 0755), 0);
	assert_int_equal(mkdirat(w->fd, "root/a", 0755), 0);
	assert_int_equal(mkdirat(w->fd, "root/a/sub", 0755), 0);
	assert_int_equal(mkdirat(w->fd, "root/in", 0755), 0);
	assert_int_equal(mkdirat(w->fd, "root/in/deep", 0755), 0);
	assert_int_equal(symlinkat("../outside", w->fd, "root/b"), 0);
	snprintf(out, sizeof(out), "%s/outside", root);
	assert_int_equal(symlinkat(out, w->fd, "root/c"), 0);
	put(w, "root/file", "text");
}

static void plan_of_a_round(struct world *w)
{
	struct plan_op *op;

	again(w);
	add(w, PLAN_MKDIR, "/a/made/deep", NULL);
	op = add(w, PLAN_MOUNT, "/a/fs", NULL);
	op->fstype = "tmpfs";
	op->data = "size=4k";
	op->flags = PLAN_PROC_GUARD | PLAN_KEEP_MODE;
	op->propagation = MS_PRIVATE;
	op = add(w, PLAN_BIND, "/a/dir", "/in");
	op->flags = PLAN_SOURCE_IN_ROOT | PLAN_PROC_GUARD;
	op->ms_flags = MS_BIND | MS_RDONLY;
	op = add(w, PLAN_BIND, "/a/text", "/file");
	op->flags = PLAN_SOURCE_IN_ROOT | PLAN_PROC_GUARD;
	op->ms_flags = MS_BIND;
	add(w, PLAN_SYMLINK, "/a/link", "/etc/passwd");
	add(w, PLAN_MKNOD, "/a/fifo", NULL)->mode = S_IFIFO | 0600;
	add(w, PLAN_MASK, "/a/text", NULL);
	add(w, PLAN_MKDIR, "/in/deep/../x", NULL);
	op = add(w, PLAN_MKDIR, "/a/sub", NULL);
	op->mode = 0700;
	op->uid = op->gid = 0;
	op->flags = PLAN_SET_OWNER;
	add(w, PLAN_CHMOD, "/a/sub", NULL)->mode = 0711;
	add(w, PLAN_CHOWN, "/a/sub", NULL)->gid = 0;
	add(w, PLAN_READONLY, "/a/sub", NULL);
	add(w, PLAN_MASK, "/a/sub", NULL);
	op = add(w, PLAN_MOUNT, "/a/sub", NULL);
	op->fstype = "tmpfs";
	op->data = "size=64k";
	op->flags = PLAN_PROC_GUARD | PLAN_TMPCOPYUP;
}

/* From a volume where links lead astray. */
static void plan_of_a_source(struct world *w, const char *source)
{
	struct plan_op *op;

	again(w);
	op = add(w, PLAN_BIND, "/in/src", source);
	op->flags = PLAN_SOURCE_STRICT | PLAN_PROC_GUARD;
	op->ms_flags = MS_BIND;
}

/* Every op by itself, so that one that fails does not keep the others from their chance. */
static void run_each(struct world *w, int rootfd)
{
	struct plan one = w->p;

	one.n = 1;
	for (size_t i = 0; i < w->p.n; i++) {
		one.ops = &w->p.ops[i];
		plan_run(&one, rootfd, &w->done, &w->e);
		err_clear(&w->e);
	}
}

static void assert_no_secret(int rootfd, const char *path)
{
	AUTO_FD fd = path_open_in(rootfd, path, O_PATH, 0);

	if (fd >= 0)
		fail_msg("brought in: %s", path);
}

static int mounts_outside(void *arg, const struct mountinfo *m)
{
	const char *outside = arg;

	if (path_is_below(m->target, outside))
		fail_msg("mounted outside: %s", m->target);
	return 0;
}

/* What was taken out by the attacker himself, "deep", may hold what the plan made in it while it
 * was inside; nothing else may be there. */
static void look_outside(const struct world *w)
{
	AUTO_FD fd = openat(w->fd, "outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *d;
	struct stat st;
	char path[64];
	DIR *dir;

	assert_true(fd >= 0);
	dir = fdopendir(fd);
	assert_non_null(dir);
	fd = -1;
	while ((d = readdir(dir)))
		if (d->d_name[0] != '.' && !str_eq(d->d_name, "deep") &&
		    !str_eq(d->d_name, "sub"))
			fail_msg("made outside: %s", d->d_name);
	closedir(dir);
	assert_int_equal(fstatat(w->fd, "outside/sub", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	snprintf(path, sizeof(path), "%s/outside", root);
	assert_int_equal(mountinfo_each("/proc/self/mountinfo", mounts_outside, path), 0);
}

static void batch(struct world *w)
{
	AUTO_FD rootfd = openat(w->fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char source[64];
	pthread_t thread;

	snprintf(source, sizeof(source), "%s/root/a/sub", root);

	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, attack, &w->fd), 0);
	for (int i = 0; i < BATCH; i++) {
		plan_of_a_round(w);
		run_each(w, rootfd);
		assert_no_secret(rootfd, "a/sub/secret");
		plan_of_a_source(w, source);
		run_each(w, rootfd);
		assert_no_secret(rootfd, "in/src/secret");
	}
	atomic_store(&stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	look_outside(w);
}

static void nothing_gets_out(void **state)
{
	WORLD();

	teardown(state);
	for (int done = 0; done < rounds; done += BATCH) {
		assert_int_equal(setup(state), 0);
		lay_out(w);
		batch(w);
		if (done + BATCH < rounds)
			teardown(state);
	}
	assert_true(atomic_load(&swaps) > (unsigned int)rounds);
}

static int run_all(const char *kernel)
{
	const struct CMUnitTest tests[] = { T(nothing_gets_out) };
	bool whole = kernel == old_kernels[0].name ||
		     kernel == old_kernels[COUNT_OF(old_kernels) - 1].name;

	rounds = whole ? ROUNDS : ROUNDS / 10;
	return cmocka_run_group_tests_name(kernel, tests, group_setup, group_teardown);
}

int main(void)
{
	return run_on_kernels(run_all);
}
