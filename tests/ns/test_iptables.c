/* SPDX-License-Identifier: Apache-2.0 */
/* Packet filters: what passes between a host and the image's programs, which are scripts here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "event/child.h"
#include "network/network.h"

static struct loop *loop;
static const char *missing;

static struct {
	bool done;
	struct err e;
	char text[4096];
	size_t len;
} got;

static int setup(void **state)
{
	sigset_t none;

	(void)state;
	sigemptyset(&none);
	reaper_block_signals(&none);
	/* an own /usr/sbin, with what the scripts need on /usr/bin */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
	    mount("tmpfs", "/usr/sbin", "tmpfs", 0, NULL) < 0)
		missing = "needs a mount namespace";
	loop = loop_new();
	return reaper_start(loop, &none, NULL);
}

static int teardown(void **state)
{
	(void)state;
	reaper_stop();
	loop_free(loop);
	return 0;
}

static void program(const char *name, const char *script)
{
	char path[64];

	snprintf(path, sizeof(path), "/usr/sbin/%s", name);
	assert_int_equal(io_create_file(AT_FDCWD, path, script, strlen(script), 0755), 0);
}

static void told(void *owner, const struct err *e, const void *text, size_t len)
{
	(void)owner;
	assert_false(got.done);
	got.done = true;
	got.e = *e;
	got.len = len;
	if (len)
		memcpy(got.text, text, MIN(len, sizeof(got.text) - 1));
	got.text[MIN(len, sizeof(got.text) - 1)] = '\0';
}

static void await_answer(void)
{
	while (!got.done)
		loop_once(loop, -1);
	got.done = false;
}

static void get(bool v6, uint64_t ms)
{
	network_iptables_get(loop, v6, clock_after(ms), told, NULL);
	await_answer();
}

static void set(bool v6, const char *rules, uint64_t ms)
{
	network_iptables_set(loop, v6, rules, strlen(rules), clock_after(ms), told, NULL);
	await_answer();
}

#define NEEDS_NAMESPACE()                                    \
	do {                                                 \
		(void)state;                                 \
		if (missing) {                               \
			print_message("skip: %s\n", missing); \
			skip();                              \
		}                                            \
	} while (0)

static void none_in_the_image(void **state)
{
	NEEDS_NAMESPACE();
	get(false, 10000);
	assert_int_equal(got.e.rc, RC_FAILED_PRECONDITION);
	assert_string_equal(got.e.msg,
			    "the guest's image has no iptables-save in /usr/sbin or /sbin");
	set(true, "*filter\n", 10000);
	assert_string_equal(got.e.msg,
			    "the guest's image has no ip6tables-restore in /usr/sbin or /sbin");
}

static void each_by_its_program(void **state)
{
	NEEDS_NAMESPACE();
	program("iptables-save", "#!/bin/sh\necho four $#; exit 3\n");
	program("ip6tables-save", "#!/bin/sh\necho six\n");
	program("iptables-restore", "#!/bin/sh\necho \"$@\"; cat; ls /proc/self/fd | wc -l\n");
	get(false, 10000); /* what it has said counts, whatever its status */
	assert_false(err_is_set(&got.e));
	assert_string_equal(got.text, "four 0\n");
	get(true, 10000);
	assert_string_equal(got.text, "six\n");
	set(false, "*filter\nCOMMIT\n", 10000);
	assert_false(err_is_set(&got.e));
	assert_string_equal(got.text, "--wait 5\n*filter\nCOMMIT\n4\n");
}

static void refusals_have_its_words(void **state)
{
	NEEDS_NAMESPACE();
	program("ip6tables-restore",
		"#!/bin/sh\necho version >&2; printf 'line 7 \\033 failed\\n' >&2; exit 2\n");
	set(true, "nonsense", 10000);
	assert_int_equal(got.e.rc, RC_INTERNAL);
	assert_string_equal(got.e.msg,
			    "/usr/sbin/ip6tables-restore: exit status 2: version line 7   failed");
	program("ip6tables-restore", "#!/bin/sh\nkill -9 $$\n");
	set(true, "x", 10000);
	assert_string_equal(got.e.msg, "/usr/sbin/ip6tables-restore: signal 9: ");
}

static void bounded(void **state)
{
	NEEDS_NAMESPACE();
	program("iptables-save", "#!/bin/sh\nhead -c 4000000 /dev/zero\n");
	get(false, 20000);
	assert_int_equal(got.e.rc, RC_RESOURCE_EXHAUSTED);
	program("iptables-restore", "#!/bin/sh\nread never < /proc/self/fd/0; exec tail -f /dev/null\n");
	set(false, "x", 300);
	assert_int_equal(got.e.rc, RC_DEADLINE_EXCEEDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_in_the_image),
		cmocka_unit_test(each_by_its_program),
		cmocka_unit_test(refusals_have_its_words),
		cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
