/* SPDX-License-Identifier: Apache-2.0 */
/* An agent whose host has named a directory of the guest's hooks: what runs for a container, when,
 * and what a bad one does (nothing). */
#include "lib/cases.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/str.h"

static char dir[128], journal[160];

static void hook(struct rig *r, const char *stage, const char *name, const char *more)
{
	char path[256], text[512];

	snprintf(path, sizeof(path), "%s/%s", dir, stage);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", dir, stage, name);
	snprintf(text, sizeof(text),
		 "#!/bin/sh\nread state\necho \"$(basename $0) $1 $state\" >>%s\n%s\n", journal,
		 more);
	assert_int_equal(io_create_file(AT_FDCWD, path, text, strlen(text), 0755), 0);
	assert_true(r->kind == RIG_NAMESPACES);
}

static void run_for_each_container(void **state)
{
	static const char *const want[] = {
		"10-first prestart {",    "\"status\":\"creating\"", "20-bad prestart {",
		"only poststart {",       "\"status\":\"running\"",  "last poststop {",
		"\"status\":\"stopped\"",
	};
	struct rig *r = cases_rig;
	char text[8192];
	const char *at = text;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/hooks", r->dir);
	snprintf(journal, sizeof(journal), "%s/journal", r->dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	hook(r, "prestart", "10-first", "");
	hook(r, "prestart", "20-bad", "exit 9");
	hook(r, "poststart", "only", "");
	hook(r, "poststop", "last", "");
	assert_done(r, rig_call(r, "CreateSandbox",
				"{\"sandbox_id\":\"pod\",\"guest_hook_path\":\"%s\"}", dir));
	assert_int_equal(rig_shell(r, "echo hello"), 0);
	assert_string_equal(r->reply, "hello\n");
	assert_true(io_read_file(AT_FDCWD, journal, text, sizeof(text)) > 0);
	for (size_t i = 0; i < COUNT_OF(want); i++) {
		at = strstr(at, want[i]);
		if (!at)
			fail_msg("no \"%s\" in its place:\n%s", want[i], text);
	}
}

int main(void)
{
	static const struct CMUnitTest cases[] = { cmocka_unit_test(run_for_each_container),
						   { 0 } };
	static const struct CMUnitTest *const tables[] = { cases, NULL };
	static struct rig r;

	return cases_main(RIG_NAMESPACES, "guest hooks", tables, &r);
}
