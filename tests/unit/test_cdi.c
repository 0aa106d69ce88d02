/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the Container Device Interface, and what a spec becomes by them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "base/str.h"
#include "container/cdi.h"

static struct arena arena;
static struct cdi_file files[4];
static size_t n_files;
static struct spec_strings names;
static struct spec *spec;

static int setup(void **state UNUSED)
{
	arena_init(&arena, 8 << 20);
	n_files = 0;
	names = (struct spec_strings){ 0 };
	spec = spec_new(&arena);
	spec->process = ARENA_NEW(&arena, struct spec_process);
	spec->linux.resources = spec_resources_new(&arena);
	assert_true(spec && spec->process && spec->linux.resources);
	return 0;
}

static int teardown(void **state UNUSED)
{
	arena_fini(&arena);
	return 0;
}

static void file(const char *text)
{
	struct err e = { 0 };

	assert_true(n_files < COUNT_OF(files));
	if (cdi_read(&arena, text, strlen(text), &files[n_files++], &e) < 0)
		fail_msg("%s", e.msg);
}

static void want(const char *list)
{
	struct err e = { 0 };

	if (cdi_names(list, ',', &arena, &names, &e) < 0)
		fail_msg("%s", e.msg);
}

static void inject(void)
{
	struct err e = { 0 };

	if (cdi_resolve(files, n_files, &names, &e) < 0 ||
	    cdi_inject(spec, files, n_files, &names, &arena, &e) < 0)
		fail_msg("%s", e.msg);
}

static void refused(enum rc rc, const char *why)
{
	struct err e = { 0 };

	if (cdi_resolve(files, n_files, &names, &e) == 0 &&
	    cdi_inject(spec, files, n_files, &names, &arena, &e) == 0)
		fail_msg("not refused: %s", why);
	if (e.rc != rc || !strstr(e.msg, why))
		fail_msg("%s: %s", err_rc_name(e.rc), e.msg);
}

#define HEAD(kind) "{\"cdiVersion\":\"0.6.0\",\"kind\":\"" kind "\","
#define EDITS(...) "\"containerEdits\":{" __VA_ARGS__ "}"

static const char gpu[] = HEAD("nvidia.com/gpu") "\"annotations\":{\"x\":\"y\"},\"devices\":["
	"{\"name\":\"0\"," EDITS("\"deviceNodes\":[{\"path\":\"/dev/nvidia0\",\"type\":\"c\",\"major\":195,\"minor\":0,"
				 "\"fileMode\":438,\"permissions\":\"rw\",\"uid\":1,\"gid\":2},{\"path\":\"/dev/own\",\"hostPath\":\"/dev/zero\"}],"
				 "\"env\":[\"GPU=0\",\"A=new\"]") "},"
	"{\"name\":\"1\"," EDITS("\"env\":[\"SECOND=1\"]") "}],"
	EDITS("\"env\":[\"ALL=x\"],\"mounts\":[{\"hostPath\":\"/usr/lib/a\",\"containerPath\":\"/lib/a\",\"options\":[\"ro\",\"rbind\"]}],"
	      "\"hooks\":[{\"hookName\":\"createContainer\",\"path\":\"/bin/hook\",\"args\":[\"hook\",\"x\"],\"timeout\":5}],"
	      "\"additionalGids\":[7,8],\"intelRdt\":{}") "}";

static void all_of_it(void **state UNUSED)
{
	static char old[] = "A=old";
	char *env[] = { old, NULL };
	uint32_t groups[] = { 4 };
	struct cgroup_device_rule deny = { false, 'a', -1, -1, 7 };
	struct spec_resources *res = spec->linux.resources;

	spec->process->env = (struct spec_strings){ env, 1 };
	spec->process->user.groups = groups;
	spec->process->user.n_groups = 1;
	res->devices = &deny;
	res->n_devices = 1;
	file(gpu);
	want("nvidia.com/gpu=0");
	want("nvidia.com/gpu=1,nvidia.com/gpu=0");
	assert_int_equal(names.n, 2);
	inject();
	assert_int_equal(spec->process->env.n, 4);
	assert_string_equal(spec->process->env.v[0], "A=new");
	assert_string_equal(spec->process->env.v[1], "GPU=0");
	assert_string_equal(spec->process->env.v[2], "SECOND=1");
	assert_string_equal(spec->process->env.v[3], "ALL=x");
	assert_null(spec->process->env.v[4]);
	assert_int_equal(spec->process->user.n_groups, 3);
	assert_int_equal(spec->process->user.groups[2], 8);
	assert_int_equal(spec->linux.n_devices, 2);
	assert_string_equal(spec->linux.devices[0].path, "/dev/nvidia0");
	assert_int_equal(spec->linux.devices[0].major, 195);
	assert_int_equal(spec->linux.devices[0].mode, 0666);
	assert_int_equal(spec->linux.devices[0].gid, 2);
	assert_string_equal(spec->linux.devices[1].path, "/dev/own");
	assert_true(spec->linux.devices[1].type == S_IFCHR);
	assert_int_equal(spec->linux.devices[1].major, 1);
	assert_int_equal(spec->linux.devices[1].minor, 5);
	assert_int_equal(res->n_devices, 3);
	assert_int_equal(res->devices[1].major, 195);
	assert_int_equal(res->devices[1].access, CGROUP_DEV_READ | CGROUP_DEV_WRITE);
	assert_int_equal(res->devices[2].access, CGROUP_DEV_ALL);
	assert_int_equal(spec->n_mounts, 1);
	assert_string_equal(spec->mounts[0].source, "/usr/lib/a");
	assert_string_equal(spec->mounts[0].destination, "/lib/a");
	assert_int_equal(spec->mounts[0].options.n, 2);
	assert_int_equal(spec->hooks.create_container.n, 1);
	assert_string_equal(spec->hooks.create_container.v[0].path, "/bin/hook");
	assert_int_equal(spec->hooks.create_container.v[0].timeout_s, 5);
}

/* Nobody wants it: nothing of the file is. */
static void nothing_unasked(void **state UNUSED)
{
	file(gpu);
	file(HEAD("a.b/c") "\"devices\":[{\"name\":\"d\"," EDITS("\"env\":[\"D=1\"]") "}]}");
	want("a.b/c=d");
	inject();
	assert_int_equal(spec->process->env.n, 1);
	assert_int_equal(spec->linux.n_devices, 0);
	assert_int_equal(spec->n_mounts, 0);
}

static void names_of_devices(void **state UNUSED)
{
	static const char *const bad[] = {
		"", "a", "a/b", "a/b=", "/b=c", "a/=c", "a/b=c,", ",a/b=c", "a/b/c=d", "a/b=c d", "a b/c=d", "a/b==c",
	};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct spec_strings out = { 0 };
		struct err e = { 0 };

		if (cdi_names(bad[i], ',', &arena, &out, &e) == 0)
			fail_msg("\"%s\" is a name", bad[i]);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	}
	{
		struct err e = { 0 };

		assert_int_equal(cdi_names("a/b=c:d/e=f", ':', &arena, &names, &e), 0);
		assert_int_equal(names.n, 2);
		assert_string_equal(names.v[1], "d/e=f");
	}
}

static void not_found(void **state UNUSED)
{
	want("nvidia.com/gpu=2");
	refused(RC_NOT_FOUND, "CDI device nvidia.com/gpu=2: in none of 0 files");
	file(gpu);
	refused(RC_NOT_FOUND, "in none of 1 files");
}

static void in_two_files(void **state UNUSED)
{
	want("nvidia.com/gpu=1");
	file(gpu);
	file(gpu);
	refused(RC_ALREADY_EXISTS, "nvidia.com/gpu=1: in two files");
}

static void bad_edits(void **state UNUSED)
{
	static const struct {
		const char *edits;
		enum rc rc;
		const char *why;
	} rows[] = {
		{ "\"deviceNodes\":[{\"path\":\"dev/x\"}]", RC_INVALID_ARGUMENT, "not absolute" },
		{ "\"deviceNodes\":[{\"path\":\"/dev/../etc/x\",\"type\":\"c\",\"major\":1}]", RC_INVALID_ARGUMENT, "with \"..\"" },
		{ "\"deviceNodes\":[{\"path\":\"/etc/passwd\"}]", RC_INVALID_ARGUMENT, "not below /dev" },
		{ "\"deviceNodes\":[{\"path\":\"/dev/x\",\"hostPath\":\"/etc/passwd\"}]", RC_INVALID_ARGUMENT, "not below /dev" },
		{ "\"deviceNodes\":[{\"path\":\"/dev/none-such\"}]", RC_NOT_FOUND, "/dev/none-such" },
		{ "\"deviceNodes\":[{\"path\":\"/dev/zero\",\"type\":\"b\"}]", RC_FAILED_PRECONDITION, "another type" },
		{ "\"deviceNodes\":[{\"path\":\"/dev/fd\"}]", RC_FAILED_PRECONDITION, "no device" },
		{ "\"hooks\":[{\"hookName\":\"sometime\",\"path\":\"/x\"}]", RC_INVALID_ARGUMENT, "hookName \"sometime\"" },
	};

	want("a/b=c");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		n_files = 0;
		file(arena_printf(&arena, HEAD("a/b") "\"devices\":[{\"name\":\"c\"," EDITS("%s") "}]}", rows[i].edits));
		refused(rows[i].rc, rows[i].why);
	}
}

static void bad_files(void **state UNUSED)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "JSON" },
		{ "[]", "an object is wanted" },
		{ "{}", "cdiVersion: missing" },
		{ HEAD("a/b") "\"devices\":[{}]}", "devices[0].name: missing" },
		{ HEAD("a/b") "\"devices\":{}}", "devices: a list" },
		{ HEAD("a/b") "\"devices\":[{\"name\":\"c\"," EDITS("\"deviceNodes\":[{\"path\":\"/dev/x\",\"type\":\"z\"}]") "}]}",
		  "deviceNodes[0].type: \"z\"" },
		{ HEAD("a/b") EDITS("\"deviceNodes\":[{\"path\":\"/dev/x\",\"permissions\":\"x\"}]") "}", "permissions: \"x\"" },
		{ HEAD("a/b") EDITS("\"additionalGids\":[-1]") "}", "additionalGids[0]" },
		{ HEAD("a/b") EDITS("\"env\":[1]") "}", "env[0]" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct err e = { 0 };

		assert_int_equal(cdi_read(&arena, rows[i].text, strlen(rows[i].text), &files[0], &e), -1);
		if (!strstr(e.msg, rows[i].why))
			fail_msg("not \"%s\" but \"%s\"", rows[i].why, e.msg);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(all_of_it),    TEST(nothing_unasked), TEST(names_of_devices), TEST(not_found),
		TEST(in_two_files), TEST(bad_edits),	   TEST(bad_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
