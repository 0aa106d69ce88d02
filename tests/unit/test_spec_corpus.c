/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two readers of a spec over one corpus: each tests/golden/specs/NAME.json is read as a
 * config.json, and, converted by the schema, as Kata's message; NAME.txt has what comes out: the
 * model and the plan of the file tree, or the error. A line that begins with '-' is what Kata's
 * messages cannot say (each such line must be of a field that they lack), '+' what they say
 * instead. GOLDEN=write writes the files: read them before they are committed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "container/rootfs.h"
#include "container/spec_json.h"
#include "lib/pbjson.h"
#include "lib/spec_dump.h"
#include "lib/spec_kata.h"
#include "service/convert.h"

#define DIR_OF	"tests/golden/specs"
#define TEXT_MAX (1u << 18)

static struct arena arena;

/* What Kata's messages have a field for, but not for every value; by the end of the path. */
static const char *const lossy[] = {
	"process.oomScoreAdj",	/* 0 is "not said" */
	".errnoRet",		/* one host sends 0 for "not said" */
};

struct outcome {
	struct err e;
	const char *dump, *plan;
};

/* --- reading --- */

static void finish(struct spec *s, struct outcome *out)
{
	const struct rootfs_facts facts = { .cgroup2 = true,
					    .cgroup_path = "/c1",
					    .user_ns = s->linux.ns[NS_USER].want };
	struct plan p;

	plan_init(&p, &arena);
	if (spec_validate(s, &out->e) < 0 || rootfs_plan(s, &facts, &p, &out->e) < 0)
		return;
	out->dump = spec_dump(s, &arena);
	out->plan = plan_print(&p, &arena);
	assert_non_null(out->plan);
}

static struct outcome by_json(const char *text)
{
	struct outcome out = { 0 };
	struct spec *s = spec_new(&arena);

	assert_non_null(s);
	if (spec_json_read(text, strlen(text), &arena, s, &out.e) == 0)
		finish(s, &out);
	return out;
}

static struct outcome by_kata(const char *text, struct spec_kata *kata)
{
	struct outcome out = { 0 };
	struct spec *s = spec_new(&arena);
	ProtobufCMessage *msg;

	assert_non_null(s);
	if (spec_kata_from(text, &arena, kata, &out.e) < 0)
		return out;
	msg = pbjson_read(&arena, &grpc__spec__descriptor, kata->text, strlen(kata->text), &out.e);
	if (msg && convert_spec((const Grpc__Spec *)msg, &arena, s, &out.e) == 0)
		finish(s, &out);
	return out;
}

/* --- comparing --- */

static bool has_line(const char *text, const char *line, size_t len)
{
	for (; *text; text += strcspn(text, "\n") + 1)
		if (strcspn(text, "\n") == len && memcmp(text, line, len) == 0)
			return true;
	return false;
}

/* The lines of both in one text; how many are not the same. */
static size_t add_both(struct str *out, const char *json, const char *kata)
{
	size_t differ = 0;

	while (*json || *kata) {
		size_t nj = strcspn(json, "\n"), nk = strcspn(kata, "\n");

		if (*json && !has_line(kata, json, nj)) {
			str_addf(out, "-%.*s\n", (int)nj, json);
			json += nj + 1;
			differ++;
		} else if (*kata && !has_line(json, kata, nk)) {
			str_addf(out, "+%.*s\n", (int)nk, kata);
			kata += nk + 1;
			differ++;
		} else {
			str_addf(out, " %.*s\n", (int)nj, json);
			json += nj + 1;
			kata += nk + 1;
		}
	}
	return differ;
}

static bool is_lost(const struct spec_kata *kata, const char *line)
{
	size_t len = strcspn(line, " ");

	for (size_t i = 0; i < kata->n_lost; i++) {
		size_t n = strlen(kata->lost[i]);

		if (n <= len && memcmp(kata->lost[i], line, n) == 0 && !isalnum(line[n]))
			return true;
	}
	for (size_t i = 0; i < COUNT_OF(lossy); i++) {
		size_t n = strlen(lossy[i]);

		if (n <= len && memcmp(line + len - n, lossy[i], n) == 0)
			return true;
	}
	return false;
}

/* No difference but for what the messages lack, and none in the plan. */
static void check_differences(const char *name, const char *text, const struct spec_kata *kata)
{
	for (; *text; text += strcspn(text, "\n") + 1)
		if (*text != ' ' && !str_starts(text, "plan:") && !is_lost(kata, text + 1))
			fail_msg("%s: the readers differ in: %.*s", name, (int)strcspn(text, "\n"),
				 text);
}

static const char *describe(const char *name, const char *text)
{
	char *buf = arena_alloc(&arena, TEXT_MAX);
	struct spec_kata kata = { 0 };
	struct outcome json = by_json(text), other = by_kata(text, &kata);
	struct str out;

	assert_non_null(buf);
	str_init(&out, buf, TEXT_MAX);
	if (json.dump && other.dump) {
		add_both(&out, json.dump, other.dump);
		str_add(&out, "plan:\n");
		add_both(&out, json.plan, other.plan);
		check_differences(name, buf, &kata);
	} else {
		str_addf(&out, "json: %s %s\n", json.dump ? "fine" : err_rc_name(json.e.rc),
			 json.e.msg);
		str_addf(&out, "kata: %s %s\n", other.dump ? "fine" : err_rc_name(other.e.rc),
			 other.e.msg);
		for (size_t i = 0; i < kata.n_lost; i++)
			str_addf(&out, "kata lacks: %s\n", kata.lost[i]);
	}
	assert_true(str_ok(&out));
	return buf;
}

/* --- the corpus --- */

static char *read_file(const char *name, const char *ending, size_t *len)
{
	char path[256], *text = NULL;
	ssize_t n;

	snprintf(path, sizeof(path), DIR_OF "/%s%s", name, ending);
	n = io_read_file_arena(AT_FDCWD, path, &arena, TEXT_MAX, &text);
	if (n < 0)
		fail_msg("%s: cannot be read (run from the top of the tree)", path);
	*len = (size_t)n;
	return text;
}

static void one(const char *name)
{
	const char *write = getenv("GOLDEN"), *now;
	char path[256], *want;
	size_t len;

	arena_init(&arena, 64 << 20);
	now = describe(name, read_file(name, ".json", &len));
	snprintf(path, sizeof(path), DIR_OF "/%s.txt", name);
	if (write && str_eq(write, "write"))
		assert_int_equal(io_create_file(AT_FDCWD, path, now, strlen(now), 0644), 0);
	want = read_file(name, ".txt", &len);
	if (!str_eq(want, now))
		fail_msg("%s:\n%s---- is now\n%s", path, want, now);
	arena_fini(&arena);
}

static int is_json(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 5 && str_eq(d->d_name + n - 5, ".json");
}

static void corpus(void **state UNUSED)
{
	struct dirent **names;
	int n = scandir(DIR_OF, &names, is_json, alphasort);

	assert_true(n >= 40);
	for (int i = 0; i < n; i++) {
		names[i]->d_name[strlen(names[i]->d_name) - 5] = '\0';
		one(names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(corpus) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
