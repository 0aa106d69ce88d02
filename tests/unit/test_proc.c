/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "kernel/proc.h"
#include "kernel/random.h"

static const char status[] =
	"Name:\tState:\tx\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t123\nNgid:\t0\nPid:\t123\nPPid:\t7\nTracerPid:\t0\n"
	"Uid:\t1000\t1001\t1002\t1003\nGid:\t5\t6\t7\t8\nNStgid:\t123\t1\nNSpid:\t123\t12\t1\nVmRSS:\t    1234 kB\n"
	"Threads:\t3\nSigPnd:\t0000000000000001\nShdPnd:\t0000000000000002\nSigBlk:\t0000000000010000\n"
	"SigIgn:\t0000000000001000\nSigCgt:\t8000000000000000\n";

static void test_status(void **state)
{
	struct proc_status s;

	(void)state;
	assert_int_equal(proc_status_parse(status, &s), 0);
	assert_int_equal(s.state, 'S');
	assert_int_equal(s.tgid, 123);
	assert_int_equal(s.ppid, 7);
	assert_int_equal(s.ns_pid, 1);
	assert_int_equal(s.uid, 1001);
	assert_int_equal(s.gid, 6);
	assert_int_equal(s.threads, 3);
	assert_int_equal(s.rss_kb, 1234);
	assert_int_equal(s.sig_pending, 3);
	assert_true(proc_sig_in(s.sig_blocked, SIGCHLD));
	assert_true(proc_sig_in(s.sig_ignored, SIGPIPE));
	assert_true(proc_sig_in(s.sig_caught, 64));
	assert_false(proc_sig_in(s.sig_caught, 63));
	assert_false(proc_sig_in(UINT64_MAX, 0));
	assert_false(proc_sig_in(UINT64_MAX, 65));
}

static void test_status_malformed(void **state)
{
	char text[sizeof(status)];
	struct proc_status s;

	(void)state;
	assert_int_equal(proc_status_parse("", &s), -EINVAL);
	/* Cut anywhere before its last line it must be refused. */
	for (size_t n = 0; n < sizeof(status) - 30; n++) {
		memcpy(text, status, n);
		text[n] = '\0';
		assert_int_equal(proc_status_parse(text, &s), -EINVAL);
	}
}

static void test_own(void **state)
{
	struct proc_status s, other;
	uint64_t a, b;

	(void)state;
	assert_int_equal(proc_status(0, &s), 0);
	assert_int_equal(proc_status(getpid(), &other), 0);
	assert_int_equal(s.tgid, getpid());
	assert_int_equal(s.ppid, getppid());
	assert_int_equal(other.tgid, s.tgid);
	assert_int_equal(s.uid, geteuid());
	assert_int_equal(proc_start_time(0, &a), 0);
	assert_int_equal(proc_start_time(getpid(), &b), 0);
	assert_true(a == b && a > 0);
	assert_int_equal(proc_status(INT32_MAX, &s), -ENOENT);
}

static void test_start_time(void **state)
{
	uint64_t t;

	(void)state;
	assert_int_equal(
		proc_start_time_parse(
			"1 (a) b) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 123 5\n", &t),
		0);
	assert_int_equal(t, 99);
	assert_int_equal(proc_start_time_parse("1 (a S 0 1", &t), -EINVAL);
	assert_int_equal(proc_start_time_parse("1 (a) S 0 1", &t), -EINVAL);
}

static void test_cmdline(void **state)
{
	static const struct {
		const char *text;
		const char *want[8];	/* key, value, …; a value of NULL has no '=' */
		size_t n;
	} rows[] = {
		{ "", { NULL }, 0 },
		{ "  \n\t", { NULL }, 0 },
		{ "quiet", { "quiet", NULL }, 1 },
		{ "a=1 b= c", { "a", "1", "b", "", "c", NULL }, 3 },
		{ " x=\"two words\" y\n", { "x", "two words", "y", NULL }, 2 },
		{ "\"x=two words\" y=1", { "x", "two words", "y", "1" }, 2 },
		{ "x=a=b", { "x", "a=b" }, 1 },
		{ "x=\"open end", { "x", "open end" }, 1 },
		{ "\"open", { "open", NULL }, 1 },
		{ "\"", { "", NULL }, 1 },
		{ "x=\"\" \"\"", { "x", "", "", NULL }, 2 },
		{ "=v", { "", "v" }, 1 },
		{ "a=b\"c d\"e", { "a", "b\"c d\"e" }, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[64], *cursor = text, *key, *value;
		size_t n = 0;

		memcpy(text, rows[i].text, strlen(rows[i].text) + 1);
		while (proc_cmdline_next(&cursor, &key, &value)) {
			assert_true(n < rows[i].n);
			assert_string_equal(key, rows[i].want[2 * n]);
			if (rows[i].want[2 * n + 1])
				assert_string_equal(value, rows[i].want[2 * n + 1]);
			else
				assert_null(value);
			n++;
		}
		assert_int_equal(n, rows[i].n);
	}
}

static void test_random(void **state)
{
	unsigned char a[600] = { 0 }, b[600] = { 0 };

	(void)state;
	assert_int_equal(random_bytes(a, sizeof(a)), 0);
	assert_int_equal(random_bytes(b, sizeof(b)), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(random_reseed(a, 0), -EINVAL);
	assert_int_equal(random_reseed(a, 65537), -EINVAL);
	if (geteuid() == 0)
		assert_int_equal(random_reseed(a, sizeof(a)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_status_malformed),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_start_time),
		cmocka_unit_test(test_cmdline),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
