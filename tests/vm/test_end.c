/* SPDX-License-Identifier: Apache-2.0 */
/* How a machine ends, and what it says until then: a boot for each case. */
#include "lib/cases.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "ttrpc/address.h"

#define LOG_PORT 1025
#define END_MS	 60000 /* against hangs only */

static struct rig rig;

/* Kernel parameters; NULL: none. */
static void boot(const char *cmdline)
{
	rig = (struct rig){ .vm_opts = { .cmdline = cmdline, .n_shares = 1 } };
	assert_int_equal(rig_start(&rig, RIG_VM), 0);
}

static int shut_down(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static void wait_for_the_end(void)
{
	if (vm_wait_exit(rig.vm, END_MS, &rig.err) < 0)
		fail_msg("%s", rig.err.msg);
}

static void console_has(const char *part)
{
	if (!strstr(vm_console(rig.vm), part))
		fail_msg("no \"%s\" on the console: %s", part, vm_console(rig.vm));
}

/* --- the log port ------------------------------------------------------------------------------ */

static char text[1 << 17];
static size_t text_len;

/* Reads until the log holds `part`; it must be whole lines up to there. */
static void read_log(int fd, const char *part)
{
	uint64_t until = clock_after(END_MS);

	while (!strstr(text, part)) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		assert_true(clock_ms() < until);
		if (poll(&p, 1, 100) == 0) {
			loop_once(rig.loop, 0);
			continue;
		}
		n = read(fd, text + text_len, sizeof(text) - 1 - text_len);
		if (n <= 0)
			fail_msg("the end instead of \"%s\" after: %s", part, text);
		text_len += (size_t)n;
		text[text_len] = '\0';
	}
}

/* Every whole line is an object with the members that hosts know. */
static size_t check_lines(void)
{
	size_t lines = 0;

	for (char *at = text, *end; (end = strchr(at, '\n')); at = end + 1, lines++) {
		static const char *const members[] = { "msg", "level", "ts", "subsystem", "version" };
		struct err e = { 0 };
		struct arena a;
		yyjson_doc *doc;

		arena_init(&a, 1 << 20);
		doc = json_read(&a, at, (size_t)(end - at), &e);
		if (!doc)
			fail_msg("%s: %.*s", e.msg, (int)(end - at), at);
		for (size_t i = 0; i < COUNT_OF(members); i++)
			if (!yyjson_is_str(yyjson_obj_get(yyjson_doc_get_root(doc), members[i])))
				fail_msg("no %s: %.*s", members[i], (int)(end - at), at);
		arena_fini(&a);
	}
	return lines;
}

static int connect_to_log(void)
{
	struct address a;

	assert_int_equal(address_parse(rig.address, &a, &rig.err), 0);
	a.port = LOG_PORT;
	return address_connect(&a, END_MS, &rig.err);
}

static void log_until_the_power_is_off(void **state)
{
	AUTO_FD fd = -1;
	AUTO_FD first = -1;

	(void)state;
	boot("agent.log_vport=1025 agent.log=debug");
	first = connect_to_log();
	fd = connect_to_log();	/* who comes later takes the place */
	if (fd < 0)
		fail_msg("%s", rig.err.msg);
	read_log(fd, "serves on");
	assert_done(&rig, rig_call(&rig, "CreateSandbox", "{\"sandbox_id\":\"pod-7\"}"));
	read_log(fd, "sandbox \\\"pod-7\\\" is ready");
	assert_done(&rig, rig_call(&rig, "DestroySandbox", "{}"));
	read_log(fd, "power off");
	assert_true(check_lines() >= 3);
	wait_for_the_end();
	console_has("power off");
	console_has("Power down");
}

/* What hangs does not keep the guest from its end. QEMU itself waits for the server at the reset of
 * the device, hence it goes on at last. */
static void off_while_a_server_hangs(void **state)
{
	struct rig_container what = {
		.root = "/run/kata-containers/shared",
		.storages = ",{\"driver\":\"virtio-fs\",\"source\":\"rootfs\",\"fstype\":\"virtiofs\","
			    "\"mount_point\":\"/run/kata-containers/shared\"}",
	};

	(void)state;
	boot(NULL);
	assert_done(&rig, rig_create(&rig, "c1", &what));
	assert_int_equal(kill(-vm_share_pid(rig.vm, 0), SIGSTOP), 0);
	assert_done(&rig, rig_call_on(&rig, rig.client, 3000, "DestroySandbox", "{}"));
	assert_console(&rig, "the last sync: ");
	assert_int_equal(kill(-vm_share_pid(rig.vm, 0), SIGCONT), 0);
	wait_for_the_end();
	console_has("Power down");
}

/* --- a fault of PID 1 -------------------------------------------------------------------------- */

static void fault_is_told(void **state)
{
	struct rig_container what = {
		.args = "[\"kill\",\"-SEGV\",\"1\"]",
		.process = ",\"Capabilities\":{\"Bounding\":[\"CAP_KILL\"],\"Effective\":[\"CAP_KILL\"],"
			   "\"Permitted\":[\"CAP_KILL\"]}",
		.linux = ",\"Namespaces\":[{\"Type\":\"mount\"},{\"Type\":\"uts\"},{\"Type\":\"pid\",\"Path\":\"/proc/1/ns/pid\"}]",
	};
	const char *console;

	(void)state;
	boot(NULL);
	assert_done(&rig, rig_call(&rig, "CreateSandbox", "{\"sandbox_id\":\"pod-8\"}"));
	assert_done(&rig, rig_create(&rig, "c1", &what));
	rig_call(&rig, "StartContainer", "{\"container_id\":\"c1\"}"); /* may be its last word */
	wait_for_the_end();
	console_has("mote-agent " MOTE_VERSION " (build ");
	console_has("fatal signal 0xb at 0x");
	console = strstr(vm_console(rig.vm), "--- log ---");
	assert_non_null(console);
	assert_non_null(strstr(console, "pod-8\\\" is ready"));
	console_has("--- end ---");
	console_has("Power down");
	assert_null(strstr(vm_console(rig.vm), "Kernel panic"));
}

/* --- who hears of the end -------------------------------------------------------------------------- */

/* In QEMU's place: much on the console, why it ends, and no time for anybody to read it before. */
static const char dying[] =
	"#!/bin/bash\n"
	"for a; do case $a in socket,id=console,fd=*) c=${a##*=};; socket,id=qmp,fd=*) q=${a##*=};; esac; done\n"
	"{ yes 'a line of the guest' | head -n 1000; echo 'its last word'; } >&$c\n"
	"echo '{\"event\":\"SHUTDOWN\",\"data\":{\"reason\":\"guest-panic\"}}' >&$q\n";

/* A machine that has ended has said its last word, whatever the launcher did when it was said. */
static void nothing_is_said_after_the_end(void **state)
{
	const char *build = getenv("MOTE_BUILD");
	char kernel[256], qemu[96];
	struct err e = { 0 };
	siginfo_t info;
	sigset_t none;

	(void)state;
	rig = (struct rig){ .loop = loop_new() };
	sigemptyset(&none);
	assert_int_equal(reaper_start(rig.loop, &none, NULL), 0);
	rig.has_own_loop = true;
	snprintf(rig.dir, sizeof(rig.dir), "/tmp/mote-end-XXXXXX");
	assert_non_null(mkdtemp(rig.dir));
	snprintf(qemu, sizeof(qemu), "%s/qemu", rig.dir);
	assert_int_equal(io_create_file(AT_FDCWD, qemu, dying, sizeof(dying) - 1, 0700), 0);
	snprintf(kernel, sizeof(kernel), "%s/vmlinuz", build ? build : "build/x86_64");
	rig.vm_opts = (struct vm_opts){ .kernel = kernel, .initrd = "", .qemu = qemu, .accel = "tcg" };
	rig.vm = vm_start(rig.loop, &rig.vm_opts, &e);
	if (!rig.vm)
		fail_msg("%s", e.msg);
	assert_int_equal(waitid(P_PID, (id_t)vm_pid(rig.vm), &info, WEXITED | WNOWAIT), 0);
	wait_for_the_end();
	console_has("its last word");
	assert_int_equal(vm_wait_ready(rig.vm, END_MS, &e), -1);
	if (!strstr(e.msg, "(guest-panic)") || !strstr(e.msg, "its last word"))
		fail_msg("%s", e.msg);
}

#define CASE(f) cmocka_unit_test_teardown(f, shut_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(log_until_the_power_is_off),
		CASE(off_while_a_server_hangs),
		CASE(fault_is_told),
		CASE(nothing_is_said_after_the_end),
	};
	const char *missing = rig_missing(RIG_VM);
	sigset_t none;

	sigemptyset(&none);
	reaper_block_signals(&none); /* here, since a case that fails gets back what was before it */
	if (getenv("MOTE_ONLY"))
		cmocka_set_test_filter(getenv("MOTE_ONLY"));
	if (missing) {
		printf("%s\n", missing);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
