/* SPDX-License-Identifier: Apache-2.0 */
/* Filters are loaded in children, for there is no way back from one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void load_typical(void)
{
	char *denied[] = { (char *)"getcwd", (char *)"no_such_call_ever", (char *)"getpriority" };
	char *socket_call[] = { (char *)"socket" };
	char *redundant[] = { (char *)"read" };
	char *list[] = { (char *)"SCMP_ARCH_X86_64", (char *)"SCMP_ARCH_X86" };
	char *flag[] = { (char *)"SECCOMP_FILTER_FLAG_LOG" };
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
		.flags = flag, .n_flags = 1,
		.rules = rules, .n_rules = 3,
	};
	struct err e = { 0 };
	char buf[64];

	CHECK(seccomp_filter_load(&spec, &e) == 0);
	CHECK(syscall(SYS_getcwd, buf, sizeof(buf)) < 0 && errno == 77);
	CHECK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) < 0 && errno == EPERM);
	CHECK(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0);
	CHECK(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
}

static void test_typical(void **state)
{
	(void)state;
	if (!seccomp_filter_supported()) {
		print_message("skip: this kernel filters no system calls\n");
		skip();
	}
	assert_int_equal(in_child(load_typical), 0);
}

/* Two values of one argument. */
static void load_alternatives(void)
{
	char *denied[] = { (char *)"socket" };
	const struct seccomp_arg args[] = {
		{ .index = 0, .op = "SCMP_CMP_EQ", .value = AF_NETLINK },
		{ .index = 0, .op = "SCMP_CMP_EQ", .value = AF_INET },
	};
	const struct seccomp_rule rule = { .names = denied,
					   .n_names = 1,
					   .action = "SCMP_ACT_ERRNO",
					   .args = args,
					   .n_args = 2 };
	const struct seccomp_spec spec = { .default_action = "SCMP_ACT_ALLOW",
					   .rules = &rule,
					   .n_rules = 1 };
	struct err e = { 0 };

	CHECK(seccomp_filter_load(&spec, &e) == 0);
	CHECK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) < 0 && errno == EPERM);
	CHECK(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 && errno == EPERM);
	CHECK(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
}

static void test_alternatives(void **state)
{
	(void)state;
	if (!seccomp_filter_supported()) {
		print_message("skip: this kernel filters no system calls\n");
		skip();
	}
	assert_int_equal(in_child(load_alternatives), 0);
}

static void load_killer(void)
{
	char *denied[] = { (char *)"getpriority" };
	const struct seccomp_rule rule = { .names = denied,
					   .n_names = 1,
					   .action = "SCMP_ACT_KILL_PROCESS" };
	const struct seccomp_spec spec = { .default_action = "SCMP_ACT_ALLOW",
					   .rules = &rule,
					   .n_rules = 1 };
	struct err e = { 0 };

	CHECK(seccomp_filter_load(&spec, &e) == 0);
	syscall(SYS_getpriority, 0, 0);
}

static void test_kill(void **state)
{
	(void)state;
	if (!seccomp_filter_supported()) {
		print_message("skip: this kernel filters no system calls\n");
		skip();
	}
	assert_int_equal(in_child(load_killer), 128 + 31);	/* SIGSYS */
}

/* None of these gets as far as loading. */
static void test_refused(void **state)
{
	char *names[] = { (char *)"read" };
	char *odd[] = { (char *)"SCMP_ARCH_PDP11" };
	const struct seccomp_arg bad_op = { .op = "SCMP_CMP_NEAR" },
				 bad_index = { .op = "SCMP_CMP_EQ", .index = 6 };
	const struct seccomp_rule rules[] = {
		{ .names = names, .n_names = 1, .action = "SCMP_ACT_DANCE" },
		{ .names = names, .n_names = 1, .action = "SCMP_ACT_NOTIFY" },
		{ .names = names,
		  .n_names = 1,
		  .action = "SCMP_ACT_ERRNO",
		  .args = &bad_op,
		  .n_args = 1 },
		{ .names = names,
		  .n_names = 1,
		  .action = "SCMP_ACT_ERRNO",
		  .args = &bad_index,
		  .n_args = 1 },
		{ .names = names, .n_names = 0, .action = "SCMP_ACT_ERRNO" },
		{ .names = names, .n_names = 1, .action = NULL },
	};
	struct seccomp_spec spec = { .default_action = "SCMP_ACT_ALLOW", .n_rules = 1 };
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		spec.rules = &rules[i];
		err_clear(&e);
		assert_int_equal(seccomp_filter_load(&spec, &e), -1);
		assert_int_equal(e.rc, i == 1 ? RC_UNIMPLEMENTED : RC_INVALID_ARGUMENT);
	}
	spec.n_rules = 0;
	spec.arches = odd;
	spec.n_arches = 1;
	err_clear(&e);
	assert_int_equal(seccomp_filter_load(&spec, &e), -1);
	assert_string_equal(e.msg, "seccomp: unknown architecture 'SCMP_ARCH_PDP11'");
	spec.n_arches = 0;
	spec.flags = odd;
	spec.n_flags = 1;
	err_clear(&e);
	assert_int_equal(seccomp_filter_load(&spec, &e), -1);
	spec.default_action = NULL;
	err_clear(&e);
	assert_int_equal(seccomp_filter_load(&spec, &e), -1);
	assert_string_equal(e.msg, "seccomp: unknown action ''");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_typical),
		cmocka_unit_test(test_alternatives),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
