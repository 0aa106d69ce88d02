/* SPDX-License-Identifier: Apache-2.0 */
/* Kata's messages where the agent that they were made for reads something into them that no host
 * means: each row is what a host sends, and what it must come to here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "lib/pbjson.h"
#include "service/convert.h"

static struct arena arena;

static struct spec *convert(const char *members, struct err *e)
{
	char *text = arena_printf(&arena, "{\"Root\":{\"Path\":\"/r\"},%s}", members);
	ProtobufCMessage *msg =
		pbjson_read(&arena, &grpc__spec__descriptor, text, strlen(text), e);
	struct spec *s = spec_new(&arena);

	assert_non_null(s);
	if (!msg)
		fail_msg("%s: %s", text, e->msg);
	return convert_spec((const Grpc__Spec *)msg, &arena, s, e) == 0 ? s : NULL;
}

static struct spec *fine(const char *members)
{
	struct err e = { 0 };
	struct spec *s = convert(members, &e);

	if (!s)
		fail_msg("%s: %s", members, e.msg);
	return s;
}

static struct err refused(const char *members)
{
	struct err e = { 0 };

	if (convert(members, &e))
		fail_msg("%s: was read", members);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	return e;
}

#define PROCESS(more)	"\"Process\":{" more "},\"Linux\":{}"
#define LINUX(more)	"\"Process\":{},\"Linux\":{" more "}"

/* Not a shell that nobody asked for. */
static void no_command_is_none(void **state UNUSED)
{
	struct spec *s = fine(PROCESS("\"Capabilities\":{}"));
	struct err e = { 0 };

	assert_int_equal(s->process->args.n, 0);
	assert_int_equal(spec_validate_process(s->process, &e), -1);
	assert_string_equal(e.msg, "process.args: no command");
}

#define FILTER(rule)	LINUX("\"Seccomp\":{\"DefaultAction\":\"SCMP_ACT_ALLOW\",\"Syscalls\":" \
			      "[{\"Names\":[\"mkdir\"],\"Action\":\"SCMP_ACT_ERRNO\"" rule "}]}")

/* A call that is refused with 0 looks done. */
static void refused_is_not_done(void **state UNUSED)
{
	assert_null(fine(FILTER(""))->linux.seccomp->rules[0].errno_ret);
	assert_null(fine(FILTER(",\"errnoret\":0"))->linux.seccomp->rules[0].errno_ret);
	assert_int_equal(*fine(FILTER(",\"errnoret\":38"))->linux.seccomp->rules[0].errno_ret, 38);
}

static void hooks_are_not_mixed_up(void **state UNUSED)
{
	struct spec *s = fine(LINUX("") ",\"Hooks\":{\"Poststart\":[{\"Path\":\"/start\"}],"
					"\"Poststop\":[{\"Path\":\"/stop\"},{\"Path\":\"/stop2\"}]}");

	assert_int_equal(s->hooks.poststart.n, 1);
	assert_int_equal(s->hooks.poststop.n, 2);
	assert_string_equal(s->hooks.poststart.v[0].path, "/start");
	assert_string_equal(s->hooks.poststop.v[0].path, "/stop");
}

static void pids_hold_when_said(void **state UNUSED)
{
	struct spec *s = fine(LINUX("\"Resources\":{\"Pids\":{\"Limit\":\"7\"}}"));

	assert_int_equal(s->linux.resources->limits.pids, 7);
	s = fine(LINUX("\"Resources\":{}"));
	assert_int_equal(s->linux.resources->limits.pids, CGROUP_UNSET);
}

static void names_of_namespaces(void **state UNUSED)
{
	static const struct { const char *name; int type; } rows[] = {
		{ "mnt", NS_MNT }, { "mount", NS_MNT }, { "net", NS_NET }, { "network", NS_NET },
		{ "pid", NS_PID }, { "time", NS_TIME }, { "user", NS_USER },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct spec *s = fine(arena_printf(
			&arena, LINUX("\"Namespaces\":[{\"Type\":\"%s\"}]"), rows[i].name));

		for (int t = 0; t < NS_TYPES; t++)
			assert_int_equal(s->linux.ns[t].want, t == rows[i].type);
	}
	/* not a pid namespace */
	assert_string_equal(refused(LINUX("\"Namespaces\":[{\"Type\":\"cpu\"}]")).msg,
			    "linux.namespaces[0].type: unknown \"cpu\"");
	assert_string_equal(
		refused(LINUX("\"Namespaces\":[{\"Type\":\"mnt\"},{\"Type\":\"mount\"}]")).msg,
		"linux.namespaces[1]: a second mount namespace");
}

static void names_of_capabilities(void **state UNUSED)
{
	struct spec *s = fine(PROCESS("\"Capabilities\":{\"Bounding\":[\"CAP_KILL\",\"CHOWN\","
				      "\"\\\"CAP_MKNOD\\\"\"]}"));

	assert_int_equal(s->process->caps->bounding, 1 << 5 | 1 << 0 | 1 << 27);
	assert_string_equal(
		refused(PROCESS("\"Capabilities\":{\"Ambient\":[\"CAP_MAGIC\"]}")).msg,
		"process.capabilities.ambient: unknown capability 'CAP_MAGIC'");
	assert_null(fine(PROCESS(""))->process->caps);
}

/* 0 is what a host sends for what its spec does not have. */
static void zeros_are_not_said(void **state UNUSED)
{
	struct spec *s = fine(PROCESS("\"OOMScoreAdj\":\"0\""));

	assert_false(s->process->oom_score_adj.set);
	s = fine(LINUX("\"Devices\":[{\"Path\":\"/dev/a\",\"Type\":\"c\",\"Major\":\"1\"}]"));
	assert_false(s->linux.devices[0].mode_set);
	s = fine(LINUX("\"Devices\":[{\"Path\":\"/dev/a\",\"Type\":\"b\",\"FileMode\":25008}]"));
	assert_int_equal(s->linux.devices[0].mode, 0660);
}

static void words_are_checked(void **state UNUSED)
{
	assert_string_equal(
		refused(LINUX("\"Devices\":[{\"Path\":\"/dev/a\",\"Type\":\"a\"}]")).msg,
		"linux.devices[0].type: \"a\" is not c, b, u or p");
	assert_string_equal(
		refused(LINUX("\"Devices\":[{\"Path\":\"/dev/a\",\"Type\":\"c\",\"FileMode\":65536}]"))
			.msg,
		"linux.devices[0].fileMode: not in 0..65535");
	assert_string_equal(
		refused(LINUX("\"Seccomp\":{\"Syscalls\":[{\"Args\":[{\"Index\":\"4294967296\"}]}]}"))
			.msg,
		"linux.seccomp.syscalls[0].args[0].index: not 0 to 5");
	assert_string_equal(
		refused(PROCESS("") ",\"Hooks\":{\"Poststop\":[{\"Timeout\":\"-1\"}]}").msg,
		"hooks.poststop[0].timeout: out of range");
}

/* What the messages have and the agent has not: it is there to be refused. */
static void rdt_is_not_lost(void **state UNUSED)
{
	struct spec *s = fine(LINUX("\"IntelRdt\":{\"L3CacheSchema\":\"L3:0=f\"}"));

	assert_non_null(s->linux.intel_rdt);
	assert_string_equal(s->linux.intel_rdt->l3_cache_schema, "L3:0=f");
	assert_null(fine(LINUX(""))->linux.intel_rdt);
}

/* A profile of the host's kernel shall not keep a pod from starting. */
static void profile_is_the_hosts(void **state UNUSED)
{
	struct spec *s = fine(PROCESS("\"ApparmorProfile\":\"cri-containerd.apparmor.d\""));

	assert_string_equal(s->process->apparmor_profile, "cri-containerd.apparmor.d");
	assert_true(s->process->apparmor_if_there);
}

static int setup(void **state UNUSED)
{
	arena_init(&arena, 16 << 20);
	return 0;
}

static int teardown(void **state UNUSED)
{
	arena_fini(&arena);
	return 0;
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_command_is_none),    TEST(refused_is_not_done),
		TEST(hooks_are_not_mixed_up), TEST(pids_hold_when_said),
		TEST(names_of_namespaces),   TEST(names_of_capabilities),
		TEST(zeros_are_not_said),    TEST(words_are_checked),
		TEST(rdt_is_not_lost),	     TEST(profile_is_the_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
