/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans carried out for real, in a mount namespace of the test program alone (in a user namespace
 * too when it is not run by root). Every test gets an empty tmpfs as the plan's root. The tests run
 * on this kernel as it is, and again on what looks like older ones: calls that they have not got
 * are denied.
 */
#ifndef MOTE_TESTS_PLAN_WORLD_H
#define MOTE_TESTS_PLAN_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/path.h"
#include "deny_syscall.h"
#include "kernel/mountinfo.h"
#include "kernel/plan.h"
#include "kernel/plan_ops.h"
#include "kernel/sys.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

#define CALLS_MAX 8

static const struct old_kernel {
	const char *name;
	unsigned int missing[CALLS_MAX];
} old_kernels[] = {
	{ "this kernel", { 0 } },
	{ "without mount_setattr (before Linux 5.12)", { SYS_mount_setattr } },
	{ "without fsopen and openat2", { SYS_fsopen, SYS_openat2, SYS_fchmodat2 } },
	{ "without any of them (before Linux 5.2)",
	  { SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_open_tree, SYS_move_mount, SYS_mount_setattr,
	    SYS_openat2, SYS_fchmodat2 } },
};

static bool has_setattr = true; /* as the kernel looks that this run is on */

static const char *no_namespace; /* why there is none */
static bool in_userns;
static char root[] = "/tmp/mote-plan-XXXXXX";

struct world {
	struct arena a;
	struct plan p;
	struct err e;
	size_t done;
	int fd;
};

static inline int enter_userns(void)
{
	char map[64];

	snprintf(map, sizeof(map), "0 %u 1", getuid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
	    io_write_file(AT_FDCWD, "/proc/self/setgroups", "deny") < 0 ||
	    io_write_file(AT_FDCWD, "/proc/self/uid_map", map) < 0)
		return -1;
	snprintf(map, sizeof(map), "0 %u 1", getgid());
	in_userns = true;
	return io_write_file(AT_FDCWD, "/proc/self/gid_map", map);
}

static inline int group_setup(void **state)
{
	(void)state;
	if (!mkdtemp(root))
		return -1;
	if (unshare(CLONE_NEWNS) < 0 && enter_userns() < 0)
		no_namespace = "no mount namespace can be made here";
	else if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		no_namespace = "the mount tree cannot be made private";
	return 0;
}

static inline int group_teardown(void **state)
{
	(void)state;
	rmdir(root);
	return 0;
}

static inline int setup(void **state)
{
	static struct world w;

	*state = &w;
	w = (struct world){ .fd = -1 };
	arena_init(&w.a, 1 << 20);
	plan_init(&w.p, &w.a);
	if (no_namespace)
		return 0;
	if (mount("tmpfs", root, "tmpfs", 0, NULL) < 0)
		return -1;
	w.fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return w.fd < 0;
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	arena_fini(&w->a);
	if (w->fd < 0)
		return 0;
	close(w->fd);
	return umount2(root, MNT_DETACH);
}

#define WORLD()                                                    \
	struct world *w = *state;                                  \
	do {                                                       \
		if (no_namespace) {                                \
			print_message("skip: %s\n", no_namespace); \
			skip();                                    \
		}                                                  \
	} while (0)

static inline struct plan_op *add(struct world *w, enum plan_kind kind, const char *target,
				  const char *source)
{
	struct plan_op *op = plan_add(&w->p, kind, target, &w->e);

	assert_non_null(op);
	op->source = source;
	return op;
}

static inline void run(struct world *w)
{
	if (plan_run(&w->p, w->fd, &w->done, &w->e) < 0)
		fail_msg("%s", w->e.msg);
	assert_int_equal(w->done, w->p.n);
}

/* Runs the plan, which must fail at its last op. */
static inline void run_fails(struct world *w, enum rc rc)
{
	assert_int_equal(plan_run(&w->p, w->fd, &w->done, &w->e), -1);
	assert_int_equal(w->done, w->p.n - 1);
	if (w->e.rc != rc)
		fail_msg("code %d: %s", w->e.rc, w->e.msg);
}

static inline void again(struct world *w)
{
	plan_init(&w->p, &w->a);
	err_clear(&w->e);
}

static inline int look(struct world *w, const char *path)
{
	int fd = path_open_in(w->fd, path, O_PATH, 0);

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(-fd));
	return fd;
}

static inline bool is_mount(struct world *w, const char *path)
{
	AUTO_FD fd = look(w, path);

	return mountinfo_is_mount(fd) == 1;
}

static inline bool exists(struct world *w, const char *path)
{
	AUTO_FD fd = path_open_in(w->fd, path, O_PATH | O_NOFOLLOW, 0);

	return fd >= 0;
}

static inline unsigned long mount_flags(struct world *w, const char *path)
{
	AUTO_FD fd = look(w, path);
	struct statfs fs;

	assert_int_equal(fstatfs(fd, &fs), 0);
	return (unsigned long)fs.f_flags;
}

static inline void put(struct world *w, const char *path, const char *text)
{
	assert_int_equal(io_create_file(w->fd, path, text, strlen(text), 0644), 0);
}

/* The exit status of one run on each kernel. */
static inline int run_on_kernels(int (*fn)(const char *kernel))
{
	int failed = 0;

	for (size_t i = 0; i < COUNT_OF(old_kernels); i++) {
		const struct old_kernel *k = &old_kernels[i];
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			for (size_t c = 0; c < CALLS_MAX && k->missing[c]; c++) {
				if (deny_syscall(k->missing[c], ENOSYS) < 0)
					_exit(99);
				has_setattr &= k->missing[c] != SYS_mount_setattr;
			}
			exit(fn(k->name));
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			failed = 1;
	}
	return failed;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
