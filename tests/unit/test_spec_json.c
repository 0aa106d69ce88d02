/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of a config.json beyond what the corpus shows: values that Kata's messages cannot
 * carry, processes alone, and limits of memory, size and depth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "container/spec_json.h"

static struct arena arena;

static struct spec *read_spec(const char *text, struct err *e)
{
	struct spec *s = spec_new(&arena);

	assert_non_null(s);
	return spec_json_read(text, strlen(text), &arena, s, e) == 0 ? s : NULL;
}

#define SPEC(members)	"{\"ociVersion\":\"1.2.0\"" members "}"

/* A number that is 0 is said all the same. */
static void zeros_are_said(void **state UNUSED)
{
	struct err e = { 0 };
	struct spec *s = read_spec(
		SPEC(",\"process\":{\"cwd\":\"/\",\"oomScoreAdj\":0,\"user\":{\"uid\":0,\"gid\":0,\"umask\":0}},"
		     "\"linux\":{\"devices\":[{\"path\":\"/dev/a\",\"type\":\"c\",\"major\":0,\"minor\":0,"
		     "\"fileMode\":0}],\"personality\":{\"domain\":\"LINUX\"},"
		     "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":0,"
		     "\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":0}]}}"),
		&e);

	if (!s)
		fail_msg("%s", e.msg);
	assert_true(s->process->oom_score_adj.set);
	assert_true(s->process->user.umask_set);
	assert_true(s->linux.devices[0].mode_set);
	assert_int_equal(s->linux.devices[0].mode, 0);
	assert_true(s->linux.personality.set);
	assert_non_null(s->linux.seccomp->default_errno);
	assert_non_null(s->linux.seccomp->rules[0].errno_ret);
	assert_int_equal(*s->linux.seccomp->rules[0].errno_ret, 0);
}

static void nothing_is_said(void **state UNUSED)
{
	struct err e = { 0 };
	struct spec *s = read_spec(SPEC(",\"process\":{\"cwd\":\"/\"},\"linux\":{}"), &e);

	if (!s)
		fail_msg("%s", e.msg);
	assert_false(s->process->oom_score_adj.set);
	assert_false(s->process->user.umask_set);
	assert_false(s->process->io_priority.set);
	assert_null(s->process->scheduler);
	assert_non_null(s->process->caps);	/* none, rather than those of the agent */
	assert_int_equal(s->process->caps->bounding, 0);
	assert_false(s->linux.personality.set);
	assert_false(s->linux.monotonic.set);
	assert_null(s->linux.seccomp);
	assert_null(s->linux.resources);
	assert_null(s->linux.memory_policy);
}

/* Numbers of a device that are missing are not 0. */
static void device_without_numbers(void **state UNUSED)
{
	struct err e = { 0 };
	struct spec *s = read_spec(
		SPEC(",\"linux\":{\"devices\":[{\"path\":\"/dev/a\",\"type\":\"c\"}]}"), &e);

	if (!s)
		fail_msg("%s", e.msg);
	assert_int_equal(s->linux.devices[0].major, -1);
	assert_int_equal(s->linux.devices[0].minor, -1);
}

/* An exec's process: no capabilities are "those of the container", not none. */
static void process_alone(void **state UNUSED)
{
	static const char text[] = "{\"cwd\":\"/tmp\",\"args\":[\"a\",\"b\"],\"ioPriority\":"
				   "{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":3}}";
	static const char bad[] = "{\"cwd\":\"/\",\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1}]}";
	struct err e = { 0 };
	struct spec_process *p = spec_json_read_process(text, strlen(text), &arena, &e);

	if (!p)
		fail_msg("%s", e.msg);
	assert_string_equal(p->cwd, "/tmp");
	assert_int_equal(p->args.n, 2);
	assert_null(p->args.v[2]);
	assert_null(p->caps);
	assert_true(p->io_priority.set);
	assert_int_equal(p->io_priority.level, 3);
	assert_null(spec_json_read_process(bad, strlen(bad), &arena, &e));
	assert_string_equal(e.msg, "process.rlimits[0].hard: missing");
}

static char *read_golden(const char *name, size_t *len)
{
	char path[128], *text = NULL;
	ssize_t n;

	snprintf(path, sizeof(path), "tests/golden/specs/%s.json", name);
	n = io_read_file_arena(AT_FDCWD, path, &arena, 1 << 20, &text);
	if (n < 0)
		fail_msg("%s: cannot be read (run from the top of the tree)", path);
	*len = (size_t)n;
	return text;
}

/* Every arena that is too small is told as such, none crashes, and the text may go away. */
static void no_memory(void **state UNUSED)
{
	static const char *const names[] = { "edge-seccomp-everything", "edge-every-hook",
					     "edge-memory-policy", "cri-userns" };

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		struct err e = { .rc = RC_INTERNAL };
		size_t len;
		char *text = read_golden(names[i], &len);

		for (size_t budget = 256; err_is_set(&e); budget += 256) {
			struct arena small;
			struct spec *s;

			assert_true(budget < 1 << 18);
			arena_init(&small, budget + 4096);
			s = spec_new(&small);
			assert_non_null(s);
			err_clear(&e);
			if (spec_json_read(text, len, &small, s, &e) < 0)
				assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
			arena_fini(&small);
		}
	}
}

/* Depth costs memory only, and what is not asked for is not walked. */
static void deep_and_large(void **state UNUSED)
{
	enum { DEPTH = 100000 };
	char *text = arena_alloc(&arena, 2 * DEPTH + 64);
	struct err e = { 0 };
	size_t n = 0;

	assert_non_null(text);
	n += (size_t)snprintf(text, 64, "{\"ociVersion\":\"1.2.0\",\"x\":");
	memset(text + n, '[', DEPTH);
	memset(text + n + DEPTH, ']', DEPTH);
	memcpy(text + n + 2 * DEPTH, "}", 2);
	if (!read_spec(text, &e))
		assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
	err_clear(&e);
	memset(text, '[', 2 * DEPTH);
	text[2 * DEPTH] = '\0';
	assert_null(read_spec(text, &e));
	err_clear(&e);
	assert_int_equal(spec_json_read(text, SPEC_JSON_MAX + 1, &arena, spec_new(&arena), &e), -1);
	assert_string_equal(e.msg, "the spec has more than 4194304 bytes");
}

/* The text after the document, and an empty one. */
static void not_a_document(void **state UNUSED)
{
	static const char *const texts[] = { "", " ", "{", "{}{}", "{\"ociVersion\":\"1.0\",}",
					     "{'ociVersion':1}", "nul" };

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct err e = { 0 };

		assert_null(read_spec(texts[i], &e));
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	}
}

static int setup(void **state UNUSED)
{
	arena_init(&arena, 16 << 20);
	return 0;
}

static int teardown(void **state UNUSED)
{
	arena_fini(&arena);
	assert_int_equal(arena_bytes_in_use(), 0);
	return 0;
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(zeros_are_said), TEST(nothing_is_said), TEST(device_without_numbers),
		TEST(process_alone), TEST(no_memory), TEST(deep_and_large), TEST(not_a_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
