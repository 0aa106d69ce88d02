/* SPDX-License-Identifier: Apache-2.0 */
/* Filters are loaded in children, for there is no way back from one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kernel/seccomp.h"

#define CHECK(x)	do { if (!(x)) _exit(__LINE__ & 0x7f); } while (0)

static int in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
		signal(SIGSYS, SIG_DFL);	/* cmocka has a handler */
		fn();
		syscall(SYS_exit_group, 0);	/* the sanitizers' exit calls more */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void skip_without_filters(void)
{
	if (seccomp_filter_supported())
		return;
	print_message("skip: this kernel filters no system calls\n");
	skip();
}

static void load(const struct seccomp_spec *spec)
{
	struct err e = { 0 };
	int listener;

	CHECK(seccomp_filter_load(spec, &listener, &e) == 0);
	CHECK(listener == -1);
}

static void load_typical(void)
{
	char *denied[] = { (char *)"getcwd", (char *)"no_such_call_ever", (char *)"getpriority" };
	char *socket_call[] = { (char *)"socket" };
	char *redundant[] = { (char *)"read" };
	char *list[] = { (char *)"SCMP_ARCH_X86_64", (char *)"SCMP_ARCH_X86" };
	char *flag[] = { (char *)"SECCOMP_FILTER_FLAG_LOG", (char *)"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
			 (char *)"SECCOMP_FILTER_FLAG_TSYNC" };
	const unsigned int number = 77;
	const struct seccomp_arg args[] = {
		{ .index = 0, .op = "SCMP_CMP_EQ", .value = AF_NETLINK },
		{ .index = 1, .op = "SCMP_CMP_MASKED_EQ", .value = 0xf, .value_two = SOCK_RAW },
	};
	const struct seccomp_rule rules[] = {
		{ .names = denied, .n_names = 3, .action = "SCMP_ACT_ERRNO", .errno_ret = &number },
		{ .names = socket_call,
		  .n_names = 1,
		  .action = "SCMP_ACT_ERRNO",
		  .args = args,
		  .n_args = 2 },
		{ .names = redundant, .n_names = 1, .action = "SCMP_ACT_ALLOW" },
	};
	const struct seccomp_spec spec = {
		.default_action = "SCMP_ACT_ALLOW",
#ifdef __x86_64__
		.arches = list, .n_arches = 2,
#endif
		.flags = flag, .n_flags = 3,
		.rules = rules, .n_rules = 3,
	};
	char buf[64];

	load(&spec);
	CHECK(syscall(SYS_getcwd, buf, sizeof(buf)) < 0 && errno == 77);
	CHECK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) < 0 && errno == EPERM);
	CHECK(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0);
	CHECK(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
}

static void test_typical(void **state)
{
	(void)state;
	skip_without_filters();
	assert_int_equal(in_child(load_typical), 0);
}

/* A profile may name machines whose programs cannot run here: one of other endianness, one that the library may be without. */
static void load_of_other_machines(void)
{
	char *list[] = { (char *)"SCMP_ARCH_S390X", (char *)"SCMP_ARCH_MIPSEL", (char *)"SCMP_ARCH_PPC64" };
	char *denied[] = { (char *)"getpriority" };
	const struct seccomp_rule rule = { .names = denied, .n_names = 1, .action = "SCMP_ACT_ERRNO" };
	const struct seccomp_spec spec = { .default_action = "SCMP_ACT_ALLOW",
					   .arches = list,
					   .n_arches = COUNT_OF(list),
					   .rules = &rule,
					   .n_rules = 1 };

	load(&spec);
	CHECK(syscall(SYS_getpriority, 0, 0) < 0 && errno == EPERM);
}

static void test_other_machines(void **state)
{
	(void)state;
	skip_without_filters();
	assert_int_equal(in_child(load_of_other_machines), 0);
}

/* --- actions --- */

static const char *action_now;

static void one_action(void)
{
	char *denied[] = { (char *)"getpriority" };
	const struct seccomp_rule rule = { .names = denied, .n_names = 1, .action = action_now };
	const struct seccomp_spec spec = { .default_action = "SCMP_ACT_ALLOW",
					   .rules = &rule,
					   .n_rules = 1 };

	load(&spec);
	errno = 0;
	CHECK(syscall(SYS_getpriority, 0, 0) < 0);
	_exit(errno);
}

static void test_actions(void **state)
{
	static const struct { const char *action; int status; } rows[] = {
		{ "SCMP_ACT_KILL", 128 + 31 },	/* SIGSYS */
		{ "SCMP_ACT_KILL_THREAD", 128 + 31 },
		{ "SCMP_ACT_KILL_PROCESS", 128 + 31 },
		{ "SCMP_ACT_TRAP", 128 + 31 },
		{ "SCMP_ACT_ERRNO", EPERM },
		{ "SCMP_ACT_TRACE", ENOSYS },	/* nobody traces */
	};

	(void)state;
	skip_without_filters();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int status;

		action_now = rows[i].action;
		status = in_child(one_action);
		if (status != rows[i].status)
			fail_msg("%s: %d, not %d", rows[i].action, status, rows[i].status);
	}
}

static void log_action(void)
{
	char *names[] = { (char *)"getpriority" };
	const struct seccomp_rule rule = { .names = names, .n_names = 1,
					   .action = "SCMP_ACT_LOG" };
	const struct seccomp_spec spec = { .default_action = "SCMP_ACT_ALLOW",
					   .rules = &rule,
					   .n_rules = 1 };

	load(&spec);
	CHECK(syscall(SYS_getpriority, 0, 0) >= 0);
}

static void default_errno(void)
{
	char *names[] = { (char *)"exit_group", (char *)"exit", (char *)"write" };
	const unsigned int number = ENOTTY;
	const struct seccomp_rule rule = { .names = names, .n_names = 3,
					   .action = "SCMP_ACT_ALLOW" };
	const struct seccomp_spec spec = { .default_action = "SCMP_ACT_ERRNO",
					   .default_errno = &number,
					   .rules = &rule,
					   .n_rules = 1 };

	load(&spec);
	CHECK(syscall(SYS_getpriority, 0, 0) < 0 && errno == ENOTTY);
}

static void test_defaults(void **state)
{
	(void)state;
	skip_without_filters();
	assert_int_equal(in_child(log_action), 0);
	assert_int_equal(in_child(default_errno), 0);
}

/* --- conditions: for which of these arguments getpgid(2) is refused --- */

static const struct condition {
	const char *op;
	uint64_t value, two;
	const char *refused;	/* of 1 2 3 4 5 */
} conditions[] = {
	{ "SCMP_CMP_NE", 3, 0, "1245" },
	{ "SCMP_CMP_LT", 3, 0, "12" },
	{ "SCMP_CMP_LE", 3, 0, "123" },
	{ "SCMP_CMP_EQ", 3, 0, "3" },
	{ "SCMP_CMP_GE", 3, 0, "345" },
	{ "SCMP_CMP_GT", 3, 0, "45" },
	{ "SCMP_CMP_MASKED_EQ", 1, 1, "135" },
};

static const struct condition *condition_now;
static bool twice;

static void one_condition(void)
{
	char *names[] = { (char *)"getpgid" };
	const struct seccomp_arg args[] = {
		{ 0, condition_now->value, condition_now->two, condition_now->op },
		{ 0, 5, 0, "SCMP_CMP_EQ" },
	};
	const struct seccomp_rule rule = { .names = names, .n_names = 1, .args = args,
					   .n_args = twice ? 2 : 1,
					   .action = "SCMP_ACT_ERRNO" };
	const struct seccomp_spec spec = { .default_action = "SCMP_ACT_ALLOW",
					   .rules = &rule,
					   .n_rules = 1 };

	load(&spec);
	for (int i = 1; i <= 5; i++) {
		bool want = strchr(condition_now->refused, '0' + i) || (twice && i == 5);
		bool got = syscall(SYS_getpgid, i) < 0 && errno == EPERM;

		CHECK(got == want);
	}
}

static void test_conditions(void **state)
{
	(void)state;
	skip_without_filters();
	for (size_t i = 0; i < 2 * COUNT_OF(conditions); i++) {
		condition_now = &conditions[i / 2];
		twice = i % 2;
		if (in_child(one_condition))
			fail_msg("%s%s", condition_now->op, twice ? ", or 5" : "");
	}
}

/* --- the listener --- */

static void notify(void)
{
	char *names[] = { (char *)"getpriority" };
	const struct seccomp_rule rule = { .names = names, .n_names = 1,
					   .action = "SCMP_ACT_NOTIFY" };
	const struct seccomp_spec spec = { .default_action = "SCMP_ACT_ALLOW",
					   .rules = &rule,
					   .n_rules = 1,
					   .listener_path = "/nowhere" };
	struct err e = { 0 };
	int listener;

	CHECK(seccomp_notifies(&spec));
	CHECK(seccomp_filter_load(&spec, &listener, &e) == 0);
	CHECK(listener >= 0);
	CHECK(fcntl(listener, F_GETFD) == FD_CLOEXEC);
	close(listener);	/* nobody is left to answer */
	CHECK(syscall(SYS_getpriority, 0, 0) < 0 && errno == ENOSYS);
}

static void test_listener(void **state)
{
	(void)state;
	skip_without_filters();
	assert_int_equal(in_child(notify), 0);
}

/* In libseccomp 2.6, and 5.19 of the kernel; else it says so. Without a listener it means
 * nothing. */
static void wait_killable(void)
{
	char *names[] = { (char *)"getpriority" };
	char *flag[] = { (char *)"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" };
	const struct seccomp_rule rule = { .names = names, .n_names = 1,
					   .action = "SCMP_ACT_NOTIFY" };
	struct seccomp_spec spec = { .default_action = "SCMP_ACT_ALLOW", .listener_path = "/l",
				     .flags = flag, .n_flags = 1 };
	struct err e = { 0 };
	int listener;

	CHECK(seccomp_filter_load(&spec, &listener, &e) == 0);
	spec.rules = &rule;
	spec.n_rules = 1;
	if (seccomp_filter_load(&spec, &listener, &e) < 0)
		CHECK(e.rc == RC_UNIMPLEMENTED && strstr(e.msg, "WAIT_KILLABLE"));
	else
		CHECK(listener >= 0);
}

static void test_wait_killable(void **state)
{
	(void)state;
	skip_without_filters();
	assert_int_equal(in_child(wait_killable), 0);
}

/* --- what is refused, without loading anything --- */

static void test_refused_rules(void **state)
{
	char *names[] = { (char *)"read" }, *send_name[] = { (char *)"sendmsg" };
	const unsigned int one = 1, many = 4096, huge = 65536;
	const struct seccomp_arg bad_op = { .op = "SCMP_CMP_NEAR" }, no_op = { .op = NULL },
				 bad_index = { .op = "SCMP_CMP_EQ", .index = 6 },
				 seven[7] = { { .op = "SCMP_CMP_EQ" } };
	const struct { struct seccomp_rule rule; const char *text; } rows[] = {
		{ { names, 1, "SCMP_ACT_DANCE", NULL, NULL, 0 },
		  "action: unknown \"SCMP_ACT_DANCE\"" },
		{ { names, 1, NULL, NULL, NULL, 0 }, "action: missing" },
		{ { names, 0, "SCMP_ACT_ERRNO", NULL, NULL, 0 }, "names: empty" },
		{ { names, 1, "SCMP_ACT_ERRNO", NULL, &bad_op, 1 },
		  "args[0].op: unknown \"SCMP_CMP_NEAR\"" },
		{ { names, 1, "SCMP_ACT_ERRNO", NULL, &no_op, 1 }, "args[0].op: missing" },
		{ { names, 1, "SCMP_ACT_ERRNO", NULL, &bad_index, 1 }, "args[0].index: not 0 to 5" },
		{ { names, 1, "SCMP_ACT_ERRNO", NULL, seven, 7 }, "args: more than six" },
		{ { names, 1, "SCMP_ACT_ERRNO", &many, NULL, 0 },
		  "errnoRet: 4096 is more than 4095" },
		{ { names, 1, "SCMP_ACT_TRACE", &huge, NULL, 0 },
		  "errnoRet: 65536 is more than 65535" },
		{ { names, 1, "SCMP_ACT_ALLOW", &one, NULL, 0 },
		  "errnoRet: SCMP_ACT_ALLOW takes none" },
		{ { send_name, 1, "SCMP_ACT_NOTIFY", NULL, NULL, 0 },
		  "action: SCMP_ACT_NOTIFY is not possible for sendmsg" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct seccomp_rule two[] = { { names, 1, "SCMP_ACT_ERRNO", &one, NULL, 0 },
						    rows[i].rule };
		const struct seccomp_spec spec = { .default_action = "SCMP_ACT_ALLOW",
						   .listener_path = "/s",
						   .rules = two, .n_rules = 2 };
		struct err e = { 0 };
		char want[128];

		snprintf(want, sizeof(want), "linux.seccomp.syscalls[1].%s", rows[i].text);
		assert_int_equal(seccomp_check(&spec, &e), -1);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
		assert_string_equal(e.msg, want);
	}
}

static void test_refused(void **state)
{
	char *odd[] = { (char *)"SCMP_ARCH_PDP11" }, *names[] = { (char *)"read" };
	const unsigned int one = 1;
	const struct seccomp_rule tell = { .names = names, .n_names = 1,
					   .action = "SCMP_ACT_NOTIFY" };
	const struct { struct seccomp_spec spec; const char *text; } rows[] = {
		{ { .default_action = NULL }, "defaultAction: missing" },
		{ { .default_action = "X" }, "defaultAction: unknown \"X\"" },
		{ { .default_action = "SCMP_ACT_NOTIFY" },
		  "defaultAction: SCMP_ACT_NOTIFY cannot be the default" },
		{ { .default_action = "SCMP_ACT_ALLOW", .default_errno = &one },
		  "defaultErrnoRet: SCMP_ACT_ALLOW takes none" },
		{ { .default_action = "SCMP_ACT_ALLOW", .arches = odd, .n_arches = 1 },
		  "architectures[0]: unknown \"SCMP_ARCH_PDP11\"" },
		{ { .default_action = "SCMP_ACT_ALLOW", .flags = odd, .n_flags = 1 },
		  "flags[0]: unknown \"SCMP_ARCH_PDP11\"" },
		{ { .default_action = "SCMP_ACT_ALLOW", .listener_path = "socket" },
		  "listenerPath: not an absolute path" },
		{ { .default_action = "SCMP_ACT_ALLOW", .listener_metadata = "x" },
		  "listenerMetadata: without a listenerPath" },
		{ { .default_action = "SCMP_ACT_ALLOW", .rules = &tell, .n_rules = 1 },
		  "listenerPath: missing, and SCMP_ACT_NOTIFY needs it" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct err e = { 0 }, again = { 0 };
		char want[128];
		int listener;

		snprintf(want, sizeof(want), "linux.seccomp.%s", rows[i].text);
		assert_int_equal(seccomp_check(&rows[i].spec, &e), -1);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
		assert_string_equal(e.msg, want);
		assert_int_equal(seccomp_filter_load(&rows[i].spec, &listener, &again), -1);
		assert_string_equal(again.msg, want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_typical),
		cmocka_unit_test(test_other_machines),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_listener),
		cmocka_unit_test(test_wait_killable),
		cmocka_unit_test(test_refused_rules),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
