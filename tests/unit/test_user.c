/* SPDX-License-Identifier: Apache-2.0 */
/* motectl run -u: users of a rootfs. */
#include <setjmp.h>
#include <stdarg.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "lib/user.h"

#include <cmocka.h>

static char dir[] = "/tmp/mote-test-user-XXXXXX";
static int rootfd = -1;

static int setup(void **state UNUSED)
{
	static const char passwd[] =
		"root:x:0:0:root:/root:/bin/sh\n"
		"broken line\n"
		"bad:x:no:1::/:\n"
		"web:x:33:44::/var/www:/bin/false\n"
		"last:x:1000:1000::/home/last:/bin/sh";
	static const char group[] =
		"root:x:0:\nadm:x:4:last,web\nvideo:x:44:web\naudio:x:29:webby,web\nlast:x:1000:\n";

	if (!mkdtemp(dir))
		return -1;
	rootfd = open(dir, O_DIRECTORY | O_CLOEXEC);
	return mkdirat(rootfd, "etc", 0755) ||
	       io_create_file(rootfd, "etc/passwd", passwd, strlen(passwd), 0644) ||
	       io_create_file(rootfd, "etc/group", group, strlen(group), 0644);
}

static int teardown(void **state UNUSED)
{
	close(rootfd);
	return path_remove_tree(AT_FDCWD, dir);
}

static void check(const char *text, uint32_t uid, uint32_t gid, size_t n_groups)
{
	struct err e = { 0 };
	struct user u;

	if (user_resolve(rootfd, text, &u, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	assert_int_equal(u.uid, uid);
	assert_int_equal(u.gid, gid);
	assert_int_equal(u.n_groups, n_groups);
}

static void names_and_numbers(void **state UNUSED)
{
	struct err e = { 0 };
	struct user u;

	check("0:0", 0, 0, 0);
	check("root", 0, 0, 0);
	check("web", 33, 44, 2);	/* adm and audio; video is its own */
	check("33", 33, 44, 2);
	check("last", 1000, 1000, 1);
	check("web:adm", 33, 4, 0);
	check("web:12", 33, 12, 0);
	check("4711", 4711, 0, 0);
	check("4711:4712", 4711, 4712, 0);
	assert_int_equal(user_resolve(-1, "7:8", &u, &e), 0);	/* numbers need no files */
	assert_int_equal(u.gid, 8);
}

static void refusals(void **state UNUSED)
{
	static const struct { const char *text, *why; enum rc rc; } bad[] = {
		{ "nobody", "the rootfs has no user 'nobody' in etc/passwd", RC_NOT_FOUND },
		{ "bad", "the rootfs has no user 'bad' in etc/passwd", RC_NOT_FOUND },
		{ "web:none", "the rootfs has no group 'none' in etc/group", RC_NOT_FOUND },
		{ "4294967295", "the rootfs has no user '4294967295' in etc/passwd", RC_NOT_FOUND },
		{ "", "'' is not USER or USER:GROUP", RC_INVALID_ARGUMENT },
		{ ":1", "':1' is not USER or USER:GROUP", RC_INVALID_ARGUMENT },
		{ "1:", "'1:' is not USER or USER:GROUP", RC_INVALID_ARGUMENT },
	};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct err e = { 0 };
		struct user u;

		assert_int_equal(user_resolve(rootfd, bad[i].text, &u, &e), -1);
		assert_string_equal(e.msg, bad[i].why);
		assert_int_equal(e.rc, bad[i].rc);
	}
}

/* A rootfs whose etc/passwd points out of it: the file is looked for inside. */
static void links_stay_inside(void **state UNUSED)
{
	struct err e = { 0 };
	struct user u;

	assert_int_equal(mkdirat(rootfd, "other", 0755), 0);
	assert_int_equal(symlinkat("/etc", rootfd, "other/etc"), 0);

	int otherfd = openat(rootfd, "other", O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(user_resolve(otherfd, "root", &u, &e), -1);
	assert_int_equal(e.rc, RC_NOT_FOUND);
	close(otherfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_numbers),
		cmocka_unit_test(refusals),
		cmocka_unit_test(links_stay_inside),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
