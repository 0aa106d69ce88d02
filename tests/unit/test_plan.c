/* SPDX-License-Identifier: Apache-2.0 */
/* Plans as data; tests/ns/test_plan.c carries them out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/sysmacros.h>

#include "kernel/plan.h"
#include "kernel/sys.h"

static void test_print(void **state)
{
	struct plan_op *op;
	struct err e = { 0 };
	struct arena a;
	struct plan p;

	(void)state;
	arena_init(&a, 65536);
	plan_init(&p, &a);
	op = plan_add(&p, PLAN_MOUNT, "/dev/shm", &e);
	op->fstype = "tmpfs";
	op->source = "shm";
	op->ms_flags = MS_NOSUID | MS_NODEV;
	op->data = "mode=1777,size=65536k";
	op = plan_add(&p, PLAN_BIND, "/etc/hosts", &e);
	op->source = "/share/hosts";
	op->ms_flags = MS_BIND | MS_REC | MS_RDONLY;
	op->propagation = MS_PRIVATE | MS_REC;
	op->rec_set = MOUNT_ATTR_NOSUID;
	op->flags = PLAN_OPTIONAL | PLAN_PROC_GUARD;
	op = plan_add(&p, PLAN_MKNOD, "/dev/null", &e);
	op->mode = S_IFCHR | 0666;
	op->uid = 0;
	op->gid = 5;
	op->dev = makedev(1, 3);
	op = plan_add(&p, PLAN_SYMLINK, "/dev/fd", &e);
	op->source = "/proc/self/fd";
	plan_add(&p, PLAN_MASK, "/proc/kcore", &e);
	assert_string_equal(
		plan_print(&p, &a),
		"mount /dev/shm: fstype=tmpfs source=shm options=nodev,nosuid "
		"data=mode=1777,size=65536k\n"
		"bind /etc/hosts: source=/share/hosts options=rbind,ro,rprivate,rnosuid [optional] "
		"[proc-guard]\n"
		"mknod /dev/null: mode=020666 uid=0 gid=5 dev=1:3\n"
		"symlink /dev/fd: source=/proc/self/fd\n"
		"mask /proc/kcore:\n");
	arena_fini(&a);
}

static void test_grows(void **state)
{
	struct err e = { 0 };
	struct arena a;
	struct plan p;

	(void)state;
	arena_init(&a, 1 << 20);
	plan_init(&p, &a);
	for (int i = 0; i < 100; i++) {
		struct plan_op *op = plan_add(&p, PLAN_CHMOD, "/x", &e);

		assert_non_null(op);
		op->mode = (mode_t)i;
	}
	assert_int_equal(p.n, 100);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(p.ops[i].mode, i);
		assert_true(p.ops[i].uid == (uid_t)-1);
	}
	arena_fini(&a);
}

static void test_out_of_memory(void **state)
{
	struct plan_op *op = NULL;
	struct err e = { 0 };
	struct arena a;
	struct plan p;

	(void)state;
	arena_init(&a, 8192);
	plan_init(&p, &a);
	for (int i = 0; i < 1000; i++) {
		op = plan_add(&p, PLAN_CHMOD, "/x", &e);
		if (!op)
			break;
	}
	assert_null(op);
	assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
	assert_null(plan_print(&p, &a));
	arena_fini(&a);
}

/* What a planner forgot is told, not run. */
static void test_incomplete(void **state)
{
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err e = { 0 };
	struct arena a;
	struct plan p;
	size_t done = 7;

	(void)state;
	arena_init(&a, 65536);
	plan_init(&p, &a);
	plan_add(&p, PLAN_SYMLINK, "/nonexistent/link", &e)->what = "links";
	assert_int_equal(plan_run(&p, root, &done, &e), -1);
	assert_int_equal(done, 0);
	assert_int_equal(e.rc, RC_INTERNAL);
	err_clear(&e);
	plan_init(&p, &a);
	plan_add(&p, PLAN_CHMOD, "", &e);
	assert_int_equal(plan_run(&p, root, &done, &e), -1);
	err_clear(&e);
	plan_init(&p, &a);
	assert_int_equal(plan_run(&p, root, &done, &e), 0);
	assert_int_equal(plan_undo(&p, root, done, &e), 0);
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_incomplete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
