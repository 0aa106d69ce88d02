/* SPDX-License-Identifier: Apache-2.0 */
/* What stays of a spec, over the corpus of specs: all that later calls ask for, and nothing that
 * points into the spec it came from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "base/str.h"
#include "container/spec_json.h"
#include "lib/spec_dump.h"

#define DIR_OF "tests/golden/specs"

static struct arena made, kept, texts;

static int setup(void **state UNUSED)
{
	arena_init(&made, 8 << 20);
	arena_init(&kept, 8 << 20);
	arena_init(&texts, 64 << 20);
	return 0;
}

static int teardown(void **state UNUSED)
{
	arena_fini(&made);
	arena_fini(&kept);
	arena_fini(&texts);
	return arena_bytes_in_use() == 0 ? 0 : -1;
}

/* NULL: the file's spec is not one. */
static struct spec *read_golden(const char *file)
{
	char path[300], *text = NULL;
	struct spec *s = spec_new(&made);
	struct err e = { 0 };

	snprintf(path, sizeof(path), DIR_OF "/%s", file);
	assert_true(io_read_file_arena(AT_FDCWD, path, &texts, 1 << 20, &text) > 0);
	return spec_json_read(text, strlen(text), &made, s, &e) == 0 ? s : NULL;
}

/* Blanks what only the making of the first process asks for. */
static void blank(struct spec *s)
{
	struct spec_linux l = { .uid_maps = s->linux.uid_maps,
				.n_uid_maps = s->linux.n_uid_maps,
				.gid_maps = s->linux.gid_maps,
				.n_gid_maps = s->linux.n_gid_maps,
				.seccomp = s->linux.seccomp,
				.devices = s->linux.devices,
				.n_devices = s->linux.n_devices,
				.personality = s->linux.personality,
				.memory_policy = s->linux.memory_policy };

	memcpy(l.ns, s->linux.ns, sizeof(l.ns));
	for (size_t i = 0; i < l.n_devices; i++)
		l.devices[i].path = NULL;
	s->linux = l;
	s->root.readonly = false;
	s->hostname = s->domainname = NULL;
	s->mounts = (struct spec_mount *)spec_termination_log(s);
	s->n_mounts = s->mounts ? 1 : 0;
	if (s->mounts)
		*s->mounts = (struct spec_mount){ .destination = s->mounts->destination,
						  .source = s->mounts->source,
						  .type = "" };
	s->hooks = (struct spec_hooks){ .poststart = s->hooks.poststart,
					.poststop = s->hooks.poststop };
	if (!s->process)
		return;
	s->process->user = (struct spec_user){ 0 };
	s->process->args = s->process->env = (struct spec_strings){ 0 };
	s->process->cwd = NULL;
}

static void check(const char *file)
{
	struct spec *s = read_golden(file), *copy;
	char *expected, *got;

	if (!s)
		return;
	copy = spec_keep(&kept, s);
	assert_non_null(copy);
	blank(s);
	expected = spec_dump(s, &texts);
	arena_fini(&made);
	got = spec_dump(copy, &texts);
	if (!str_eq(got, expected))
		fail_msg("%s: kept:\n%s\nexpected:\n%s", file, got, expected);
	arena_fini(&kept);
	arena_fini(&texts);
}

static void stays_what_is_asked_for(void **state UNUSED)
{
	DIR *dir = opendir(DIR_OF);
	struct dirent *de;
	size_t n = 0;

	assert_non_null(dir);
	while ((de = readdir(dir)))
		if (strstr(de->d_name, ".json") && !str_starts(de->d_name, "bad-")) {
			check(de->d_name);
			n++;
		}
	closedir(dir);
	assert_true(n > 40);
}

static void no_memory_is_told(void **state UNUSED)
{
	struct spec *s = read_golden("edge-seccomp-everything.json"), *copy = NULL;

	assert_non_null(s);
	for (size_t budget = 0; !copy; budget += 64) {
		struct arena small;

		assert_true(budget < 1 << 18);
		arena_init(&small, budget);
		copy = spec_keep(&small, s);
		arena_fini(&small);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(stays_what_is_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
