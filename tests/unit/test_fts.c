/* SPDX-License-Identifier: Apache-2.0 */
/* The tree walk that libcgroup gets from tools/deps, where the C library has none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <sys/stat.h>

#include "../../tools/deps.d/fts/fts.c"

static char dir[] = "/tmp/test-fts-XXXXXX";

/* Walks and counts; every entry must lie under its parent, one level deeper. */
struct seen {
	int pre, post, other, unreadable, deepest;
};

static struct seen walk(char *path)
{
	char *paths[] = { path, NULL };
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
	struct seen s = { 0 };
	FTSENT *e;

	assert_non_null(fts);
	while ((e = fts_read(fts))) {
		assert_ptr_equal(fts->fts_path, e->fts_path);
		assert_int_equal(e->fts_level, e->fts_parent->fts_level + 1);
		if (e->fts_level)
			assert_memory_equal(e->fts_path, e->fts_parent->fts_path,
					    strlen(e->fts_parent->fts_path));
		s.pre += e->fts_info == FTS_D;
		s.post += e->fts_info == FTS_DP;
		s.other += e->fts_info == FTS_NSOK;
		s.unreadable += e->fts_info == FTS_DNR;
		if (e->fts_level > s.deepest)
			s.deepest = e->fts_level;
	}
	assert_int_equal(errno, 0);
	assert_null(fts_read(fts));
	assert_int_equal(errno, 0);
	assert_int_equal(fts_close(fts), 0);
	return s;
}

static void visits_each_directory_twice(void **state)
{
	struct seen s = walk(dir);

	(void)state;
	assert_int_equal(s.pre, 4); /* itself, a, a/b, c */
	assert_int_equal(s.post, 4);
	assert_int_equal(s.other, 3); /* a/b/file, link, to */
	assert_int_equal(s.unreadable, 0);
	assert_int_equal(s.deepest, 3);
}

static void a_file_is_one_entry(void **state)
{
	char path[sizeof(dir) + 16];
	struct seen s;

	(void)state;
	snprintf(path, sizeof(path), "%s/a/b/file", dir);
	s = walk(path);
	assert_int_equal(s.other, 1);
	assert_int_equal(s.pre + s.post + s.unreadable, 0);
}

static void tells_what_cannot_be_read(void **state)
{
	char path[sizeof(dir) + 16], *paths[] = { path, NULL };
	FTSENT *e;
	FTS *fts;

	(void)state;
	snprintf(path, sizeof(path), "%s/none", dir);
	assert_null(fts_open(paths, 0, NULL));
	assert_int_equal(errno, ENOENT);

	/* a directory that is gone between the visit and the reading */
	assert_int_equal(mkdir(path, 0755), 0);
	fts = fts_open(paths, 0, NULL);
	assert_non_null(fts);
	e = fts_read(fts);
	assert_int_equal(e->fts_info, FTS_D);
	assert_int_equal(rmdir(path), 0);
	e = fts_read(fts);
	assert_int_equal(e->fts_info, FTS_DNR);
	assert_int_equal(e->fts_errno, ENOENT);
	assert_null(fts_read(fts));
	fts_close(fts);
}

static void ends_at_any_point(void **state)
{
	char *paths[] = { dir, NULL };

	(void)state;
	for (int steps = 0; steps < 12; steps++) {
		FTS *fts = fts_open(paths, 0, NULL);

		assert_non_null(fts);
		for (int i = 0; i < steps; i++)
			fts_read(fts);
		fts_close(fts); /* the sanitizer tells what it left */
	}
}

static int enter(void **state)
{
	int fd;

	(void)state;
	if (!mkdtemp(dir) || chdir(dir) < 0 || mkdir("a", 0755) || mkdir("a/b", 0755) ||
	    mkdir("c", 0755) || symlink("a", "link") || symlink("nowhere", "to"))
		return 1;
	fd = open("a/b/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 || close(fd);
}

static int leave(void **state)
{
	(void)state;
	return unlink("a/b/file") || unlink("link") || unlink("to") || rmdir("a/b") || rmdir("a") ||
	       rmdir("c") || chdir("/") || rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(visits_each_directory_twice),
		cmocka_unit_test(a_file_is_one_entry),
		cmocka_unit_test(tells_what_cannot_be_read),
		cmocka_unit_test(ends_at_any_point),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
