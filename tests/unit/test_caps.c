/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/capability.h>

#include "kernel/caps.h"
#include "kernel/rlimit.h"

#include <sys/resource.h>

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(caps_number("CAP_CHOWN"), CAP_CHOWN);
	assert_int_equal(caps_number("CAP_SYS_ADMIN"), CAP_SYS_ADMIN);
	assert_int_equal(caps_number("sys_admin"), CAP_SYS_ADMIN);
	assert_int_equal(caps_number("cap_net_raw"), CAP_NET_RAW);
	assert_int_equal(caps_number("CAP_MKNOD"), CAP_MKNOD);
	assert_int_equal(caps_number("CAP_SETFCAP"), CAP_SETFCAP);
	assert_int_equal(caps_number("CAP_AUDIT_READ"), CAP_AUDIT_READ);
	assert_int_equal(caps_number("CAP_CHECKPOINT_RESTORE"), CAP_CHECKPOINT_RESTORE);
	assert_int_equal(caps_number(""), -EINVAL);
	assert_int_equal(caps_number("CAP_"), -EINVAL);
	assert_int_equal(caps_number("CAP_CHOWN "), -EINVAL);
	assert_null(caps_name(41));
	for (unsigned int nr = 0; nr <= 40; nr++)
		assert_int_equal(caps_number(caps_name(nr)), (int)nr);
}

static void test_parse(void **state)
{
	char *good[] = { (char *)"CAP_KILL", (char *)"CAP_BPF", (char *)"kill" };
	char *bad[] = { (char *)"CAP_KILL", (char *)"CAP_FLY" };
	struct err e = { 0 };
	uint64_t mask = 7;

	(void)state;
	assert_int_equal(caps_parse(bad, 2, &mask, &e), -1);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	assert_string_equal(e.msg, "unknown capability 'CAP_FLY'");
	assert_int_equal(mask, 7);
	err_clear(&e);
	assert_int_equal(caps_parse(good, 3, &mask, &e), 0);
	assert_true(mask == (1ull << CAP_KILL | 1ull << CAP_BPF));
	assert_int_equal(caps_parse(NULL, 0, &mask, &e), 0);
	assert_true(mask == 0);
}

static void test_of_this_process(void **state)
{
	struct caps_sets s;

	(void)state;
	assert_true(caps_last() >= CAP_AUDIT_READ && caps_last() < 64);
	assert_int_equal(caps_get(&s), 0);
	assert_true((s.effective & ~s.permitted) == 0);
	assert_true((s.bounding & ~caps_all()) == 0);
}

static void test_rlimits(void **state)
{
	struct err e = { 0 };
	struct rlimit before, now;

	(void)state;
	assert_int_equal(rlimit_number("RLIMIT_NOFILE"), RLIMIT_NOFILE);
	assert_int_equal(rlimit_number("RLIMIT_RTTIME"), RLIMIT_RTTIME);
	assert_int_equal(rlimit_number("NOFILE"), -EINVAL);
	assert_int_equal(rlimit_apply("RLIMIT_FOO", 1, 2, &e), -1);
	assert_string_equal(e.msg, "unknown resource limit 'RLIMIT_FOO'");
	err_clear(&e);
	assert_int_equal(rlimit_apply("RLIMIT_CORE", 2, 1, &e), -1);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	err_clear(&e);
	assert_int_equal(getrlimit(RLIMIT_CORE, &before), 0);
	assert_int_equal(rlimit_apply("RLIMIT_CORE", 0, before.rlim_max, &e), 0);
	assert_int_equal(getrlimit(RLIMIT_CORE, &now), 0);
	assert_true(now.rlim_cur == 0 && now.rlim_max == before.rlim_max);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_of_this_process),
		cmocka_unit_test(test_rlimits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
