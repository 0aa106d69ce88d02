/* SPDX-License-Identifier: Apache-2.0 */
/* The option table and its readers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "main/config.h"

static int warnings;
static char last_warning[256];

static void count(const char *text)
{
	warnings++;
	snprintf(last_warning, sizeof(last_warning), "%s", text);
}

static void read_cmdline(struct config *c, const char *text)
{
	warnings = 0;
	*last_warning = '\0';
	config_defaults(c);
	config_read_cmdline(c, text, count);
}

static void test_defaults(void **state)
{
	struct config c;

	(void)state;
	config_defaults(&c);
	assert_int_equal(c.log_level, LOG_INFO);
	assert_string_equal(c.server_addr, "vsock://-1:1024");
	assert_int_equal(c.hotplug_timeout_s, 3);
	assert_int_equal(c.log_vport, 0);
	assert_true(c.unified_cgroup);
	assert_false(c.debug_console);
}

static void test_cmdline(void **state)
{
	struct config c;

	(void)state;
	read_cmdline(
		&c,
		"console=hvc0 quiet agent.log=debug agent.debug_console agent.debug_console_vport=1026 "
		"agent.log_vport=1025 agent.container_pipe_size=65536 agent.hotplug_timeout=10 panic=1\n");
	assert_int_equal(warnings, 0);
	assert_int_equal(c.log_level, LOG_DEBUG);
	assert_true(c.debug_console);
	assert_int_equal(c.debug_console_vport, 1026);
	assert_int_equal(c.log_vport, 1025);
	assert_int_equal(c.container_pipe_size, 65536);
	assert_int_equal(c.hotplug_timeout_s, 10);
}

static void test_quotes(void **state)
{
	struct config c;

	(void)state;
	read_cmdline(&c, "other=\"a agent.log=debug b\" agent.server_addr=\"unix:///tmp/a b\"");
	assert_int_equal(warnings, 0);
	assert_int_equal(c.log_level, LOG_INFO);
	assert_string_equal(c.server_addr, "unix:///tmp/a b");
}

static void test_cgroup_version(void **state)
{
	struct config c;

	(void)state;
	read_cmdline(&c, "systemd.unified_cgroup_hierarchy=0");
	assert_false(c.unified_cgroup);
	assert_false(c.cgroup_no_v1);
	read_cmdline(&c, "systemd.unified_cgroup_hierarchy=false cgroup_no_v1=all");
	assert_true(c.cgroup_no_v1);
	read_cmdline(&c, "cgroup_no_v1=memory");
	assert_false(c.cgroup_no_v1);
	assert_int_equal(warnings, 0);
}

/* A bad value, a missing value and an unknown key each warn once and change nothing. */
static void test_bad_words(void **state)
{
	static const char *const bad[] = {
		"agent.log=loud",
		"agent.log=",
		"agent.log",
		"agent.hotplug_timeout=3s",
		"agent.hotplug_timeout=0",
		"agent.hotplug_timeout=-1",
		"agent.hotplug_timeout=99999999999999999999",
		"agent.log_vport=4294967296",
		"agent.container_pipe_size=0x10",
		"agent.server_addr=",
		"agent.nothing=1",
		"agent.=1",
		"systemd.unified_cgroup_hierarchy=maybe",
		"agent.debug_console=perhaps",
	};
	struct config preset, c;

	(void)state;
	config_defaults(&preset);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		read_cmdline(&c, bad[i]);
		if (warnings != 1)
			fail_msg("%s: %d warnings", bad[i], warnings);
		if (memcmp(&c, &preset, sizeof(c)))
			fail_msg("%s changed something", bad[i]);
	}
}

static void test_long_words(void **state)
{
	static char text[20000];
	struct config c;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "agent.server_addr=", 18);
	read_cmdline(&c, text);
	assert_int_equal(warnings, 1);
	assert_string_equal(c.server_addr, "vsock://-1:1024");
	memset(text, ' ', 100);
	read_cmdline(&c, text);
	assert_int_equal(warnings, 0);
}

/* Options of other agents' features are known: they do not warn. */
static void test_ignored(void **state)
{
	struct config c;

	(void)state;
	read_cmdline(
		&c,
		"agent.cdh_api_timeout=50 agent.image_pull_timeout=9 agent.guest_components_procs=none "
		"agent.guest_components_procs=none agent.https_proxy=");
	assert_int_equal(warnings, 0);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void test_file(void **state)
{
	char path[] = "/tmp/mote-config-XXXXXX";
	struct err e = { 0 };
	struct config c;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	write_file(path,
		   "# a comment\nlog_level = \"debug\" # with a tail\nlog_vport = 1025\n"
		   "hotplug_timeout = { secs = 7, nanos = 0 }\nserver_addr = 'unix:///run/#x'\n"
		   "[cdh_api_timeout]\nsecs = 9\nnanos = 0\n[elsewhere]\nlog_level = \"trace\"\n");
	warnings = 0;
	config_defaults(&c);
	assert_int_equal(config_read_file(&c, path, count, &e), 0);
	assert_int_equal(warnings, 0);
	assert_int_equal(c.log_level, LOG_DEBUG);
	assert_int_equal(c.log_vport, 1025);
	assert_int_equal(c.hotplug_timeout_s, 7);
	assert_string_equal(c.server_addr, "unix:///run/#x");

	write_file(path,
		   "nonsense\nlog_level = \nlog_level = \"open\nunknown = 3\nlog_vport = 12\n");
	assert_int_equal(config_read_file(&c, path, count, &e), 0);
	assert_int_equal(warnings, 4);
	assert_int_equal(c.log_vport, 12);
	unlink(path);
	assert_int_equal(config_read_file(&c, path, count, &e), -1);
	assert_int_equal(e.rc, RC_NOT_FOUND);
}

/* agent.config_file takes the place of the rest; a file that is not there warns and the words
 * count. */
static void test_config_file_option(void **state)
{
	char path[] = "/tmp/mote-config-XXXXXX", line[256];
	struct config c;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	write_file(path, "log_vport = 7\n");
	snprintf(line, sizeof(line), "agent.log=trace agent.config_file=%s agent.log_vport=9",
		 path);
	read_cmdline(&c, line);
	assert_int_equal(warnings, 0);
	assert_int_equal(c.log_level, LOG_INFO);
	assert_int_equal(c.log_vport, 7);
	unlink(path);
	read_cmdline(&c, line);
	assert_int_equal(warnings, 1);
	assert_int_equal(c.log_level, LOG_TRACE);
	assert_int_equal(c.log_vport, 9);
}

static void test_env(void **state)
{
	struct config c;

	(void)state;
	setenv("KATA_AGENT_LOG_LEVEL", "error", 1);
	setenv("KATA_AGENT_SERVER_ADDR", "unix:///run/x", 1);
	warnings = 0;
	config_defaults(&c);
	config_read_env(&c, count);
	assert_int_equal(warnings, 0);
	assert_int_equal(c.log_level, LOG_ERROR);
	assert_string_equal(c.server_addr, "unix:///run/x");
	setenv("KATA_AGENT_LOG_LEVEL", "shout", 1);
	config_read_env(&c, count);
	assert_int_equal(warnings, 1);
	unsetenv("KATA_AGENT_LOG_LEVEL");
	unsetenv("KATA_AGENT_SERVER_ADDR");
}

/* What --dump-config prints is a config file that gives the same configuration. */
static void test_dump_round_trip(void **state)
{
	char path[] = "/tmp/mote-config-XXXXXX";
	struct err e = { 0 };
	struct config c, again;
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");

	(void)state;
	assert_non_null(f);
	read_cmdline(
		&c,
		"agent.log=trace agent.log_vport=5 agent.debug_console agent.server_addr=unix:///x");
	config_dump(&c, f);
	assert_int_equal(fclose(f), 0);
	warnings = 0;
	config_defaults(&again);
	assert_int_equal(config_read_file(&again, path, count, &e), 0);
	unlink(path);
	assert_int_equal(warnings, 0);
	memset(c.source, 0, sizeof(c.source));
	memset(again.source, 0, sizeof(again.source));
	assert_memory_equal(&c, &again, sizeof(c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_cmdline),
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_cgroup_version),
		cmocka_unit_test(test_bad_words),
		cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_ignored),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_config_file_option),
		cmocka_unit_test(test_env),
		cmocka_unit_test(test_dump_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
