/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>

#include "base/log.h"

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "base/json.h"

static int con[2];	/* the console: a pipe that blocks */
static char text[65536 + 1];

static int set_up(void **state UNUSED)
{
	if (pipe2(con, O_CLOEXEC) < 0)
		return -1;
	log_init(LOG_INFO, con[1], "1.2.3");
	/* A log that blocks shall fail the test, not stop it. */
	alarm(60);
	return 0;
}

static int tear_down(void **state UNUSED)
{
	alarm(0);
	log_init(LOG_INFO, -1, "");
	close(con[0]);
	close(con[1]);
	return 0;
}

/* All that the console holds now. */
static const char *console(void)
{
	size_t len = 0;
	int flags = fcntl(con[0], F_GETFL);
	ssize_t n;

	fcntl(con[0], F_SETFL, flags | O_NONBLOCK);
	while ((n = read(con[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	fcntl(con[0], F_SETFL, flags);
	text[len] = '\0';
	return text;
}

static void levels_have_katas_names(void **state UNUSED)
{
	static const struct {
		const char *name;
		int level;
	} rows[] = {
		{ "critical", LOG_CRITICAL }, { "fatal", LOG_CRITICAL }, { "panic", LOG_CRITICAL },
		{ "error", LOG_ERROR }, { "warn", LOG_WARN }, { "warning", LOG_WARN },
		{ "info", LOG_INFO }, { "debug", LOG_DEBUG }, { "trace", LOG_TRACE },
		{ "", -1 }, { "INFO", -1 }, { "warn ", -1 }, { "crit", -1 }, { NULL, -1 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum log_level level = LOG_TRACE;
		int r = log_level_parse(rows[i].name, &level);

		assert_int_equal(r, rows[i].level < 0 ? -EINVAL : 0);
		if (r == 0)
			assert_int_equal(level, rows[i].level);
	}
	for (enum log_level l = LOG_CRITICAL; l <= LOG_TRACE; l++) {
		enum log_level again;

		assert_int_equal(log_level_parse(log_level_name(l), &again), 0);
		assert_int_equal(again, l);
	}
	assert_string_equal(log_level_name((enum log_level)99), "?");
}

static void the_console_gets_plain_lines(void **state UNUSED)
{
	log_info("boot", "up in %d ms", 7);
	log_error("rpc", "bad");
	log_at(LOG_CRITICAL, "main", "worse");
	assert_string_equal(console(),
			    "INFO boot: up in 7 ms\nERROR rpc: bad\nCRIT main: worse\n");
}

static void lower_levels_are_silent(void **state UNUSED)
{
	log_debug("x", "no");
	log_set_level(LOG_ERROR);
	assert_int_equal(log_get_level(), LOG_ERROR);
	log_info("x", "no");
	assert_string_equal(console(), "");
	log_set_level(LOG_TRACE);
	log_at(LOG_TRACE, "x", "yes");
	assert_string_equal(console(), "TRACE x: yes\n");
}

static void nobody_forges_a_line(void **state UNUSED)
{
	log_warn("x", "id %s", "a\nCRIT main: b\r\x1b[31m\xc2\x9b" "c\xff");
	assert_string_equal(console(), "WARN x: id a?CRIT main: b??[31m??c?\n");
}

static void a_long_message_is_cut(void **state UNUSED)
{
	static char msg[3000];

	memset(msg, 'm', sizeof(msg) - 1);
	log_info("x", "%s", msg);
	assert_int_equal(strlen(console()), strlen("INFO x: ") + LOG_LINE_MAX + 1);
	assert_string_equal(text + strlen(text) - 5, "m...\n");
	msg[LOG_LINE_MAX] = '\0';
	log_info("x", "%s", msg);
	assert_string_equal(console() + strlen(text) - 5, "mmmm\n");
}

static void errno_survives(void **state UNUSED)
{
	errno = EXDEV;
	log_info("x", "y");
	log_init(LOG_INFO, 1000, "");
	log_info("x", "y");
	assert_int_equal(errno, EXDEV);
}

static void no_console_is_fine(void **state UNUSED)
{
	log_init(LOG_INFO, -1, "");
	log_info("x", "y");
	assert_string_equal(console(), "");
}

static void fill_console(void)
{
	static char zeros[4096];

	assert_int_equal(fcntl(con[1], F_SETPIPE_SZ, 4096), 4096);
	assert_int_equal(write(con[1], zeros, sizeof(zeros)), sizeof(zeros));
}

static void a_full_console_drops_and_counts(void **state UNUSED)
{
	char drained[4096];

	fill_console();
	for (int i = 0; i < 3; i++)
		log_info("x", "lost");
	assert_int_equal(read(con[0], drained, sizeof(drained)), sizeof(drained));
	log_info("x", "back");
	assert_string_equal(console(), "WARN log: 3 lines dropped\nINFO x: back\n");
	log_info("x", "again");
	assert_string_equal(console(), "INFO x: again\n");
}

/* A file size limit makes a write short, and the next one fail. */
static void a_torn_line_stays_alone(void **state UNUSED)
{
	int fd = memfd_create("console", MFD_CLOEXEC);
	struct rlimit old, small;
	ssize_t n;

	assert_true(fd >= 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = strlen("INFO x: first\nINFO x");
	signal(SIGXFSZ, SIG_IGN);
	log_init(LOG_INFO, fd, "");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	log_info("x", "first");
	log_info("x", "torn");
	log_info("x", "lost");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	log_info("x", "back");
	signal(SIGXFSZ, SIG_DFL);
	n = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "INFO x: first\nINFO x\nWARN log: 2 lines dropped\nINFO x: back\n");
	close(fd);
}

static void a_console_without_reader_is_no_end(void **state UNUSED)
{
	signal(SIGPIPE, SIG_IGN);
	close(con[0]);
	log_info("x", "y");
	log_info("x", "y");
	con[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	signal(SIGPIPE, SIG_DFL);
}

static char sunk[8192];
static int sink_calls;

static void keep_line(void *arg, const char *json, size_t len)
{
	assert_ptr_equal(arg, sunk);
	assert_true(len < sizeof(sunk));
	assert_int_equal(strlen(json), len);
	assert_null(strchr(json, '\n'));
	memcpy(sunk, json, len + 1);
	sink_calls++;
}

static void check_key(yyjson_val *root, const char *key, const char *want)
{
	const char *got = yyjson_get_str(yyjson_obj_get(root, key));

	assert_non_null(got);
	assert_string_equal(got, want);
}

static void a_line_has_the_keys_that_hosts_parse(void **state UNUSED)
{
	struct err e = { 0 };
	yyjson_val *root;
	struct arena a;
	char pid[32];

	arena_init(&a, 1 << 20);
	log_set_sink(keep_line, sunk);
	log_warn("sub\"system", "m \"q\" \\ \n\t\x01 \xc3\xa4 \xff end");
	root = yyjson_doc_get_root(json_read(&a, sunk, strlen(sunk), &e));
	assert_non_null(root);
	assert_int_equal(yyjson_obj_size(root), 8);
	check_key(root, "msg", "m \"q\" \\ \n\t\x01 \xc3\xa4 \xef\xbf\xbd end");
	check_key(root, "level", "WARN");
	check_key(root, "version", "1.2.3");
	check_key(root, "subsystem", "sub\"system");
	check_key(root, "name", "kata-agent");
	check_key(root, "source", "agent");
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	check_key(root, "pid", pid);
	assert_int_equal(strlen(yyjson_get_str(yyjson_obj_get(root, "ts"))), 30);
	arena_fini(&a);
}

static void levels_on_the_wire(void **state UNUSED)
{
	static const char *const tags[] = { "CRIT", "ERRO", "WARN", "INFO", "DEBG", "TRCE" };

	log_set_level(LOG_TRACE);
	log_set_sink(keep_line, sunk);
	for (size_t i = 0; i < COUNT_OF(tags); i++) {
		char want[32];

		log_at((enum log_level)i, "x", "y");
		snprintf(want, sizeof(want), ",\"level\":\"%s\",", tags[i]);
		assert_non_null(strstr(sunk, want));
	}
}

/* Each byte of the longest message becomes six. */
static void the_longest_line_fits(void **state UNUSED)
{
	char msg[LOG_LINE_MAX + 1];

	memset(msg, 1, LOG_LINE_MAX);
	msg[LOG_LINE_MAX] = '\0';
	log_set_sink(keep_line, sunk);
	sink_calls = 0;
	log_info("x", "%s", msg);
	assert_int_equal(sink_calls, 1);
	assert_true(strlen(sunk) > 6 * LOG_LINE_MAX);
}

static void log_again(void *arg UNUSED, const char *json UNUSED, size_t len UNUSED)
{
	sink_calls++;
	log_info("sink", "from the sink");
}

static void a_sink_that_logs_does_not_recurse(void **state UNUSED)
{
	sink_calls = 0;
	log_set_sink(log_again, NULL);
	log_info("x", "one");
	log_info("x", "two");
	assert_int_equal(sink_calls, 2);
	log_set_sink(NULL, NULL);
	log_info("x", "three");
	assert_int_equal(sink_calls, 2);
}

/* Whole lines from `from` up to `to` ("line N"), the newest at the end. */
static void check_ring(const char *buf, size_t len, int *from, int to)
{
	int expect = -1;

	for (const char *at = buf, *end; at < buf + len; at = end + 1) {
		int n;

		end = memchr(at, '\n', (size_t)(buf + len - at));
		assert_non_null(end);
		assert_int_equal(at[0], '{');
		assert_int_equal(end[-1], '}');
		assert_int_equal(sscanf(at, "{\"msg\":\"line %d ", &n), 1);
		if (expect < 0)
			*from = n;
		else
			assert_int_equal(n, expect);
		expect = n + 1;
	}
	assert_int_equal(expect, to + 1);
}

static void the_ring_keeps_the_newest_whole_lines(void **state UNUSED)
{
	static char buf[LOG_RING_BYTES], msg[LOG_LINE_MAX + 1];
	size_t len, small;
	int from = -1, small_from = -1;

	log_init(LOG_INFO, -1, "1");
	assert_int_equal(log_ring_copy(buf, sizeof(buf)), 0);
	memset(msg, 'm', LOG_LINE_MAX);
	for (int i = 0; i < 3000; i++) {
		log_info("x", "line %d %.*s", i, i * 7 % 900, msg);
		if (i % 100 && i > 20)
			continue;
		len = log_ring_copy(buf, sizeof(buf));
		check_ring(buf, len, &from, i);
	}
	len = log_ring_copy(buf, sizeof(buf));
	check_ring(buf, len, &from, 2999);
	assert_true(from > 2000);
	assert_in_range(len, LOG_RING_BYTES - 2048, LOG_RING_BYTES);

	small = log_ring_copy(buf, 5000);
	assert_in_range(small, 3000, 5000);
	check_ring(buf, small, &small_from, 2999);
	assert_true(small_from > from);
	assert_int_equal(log_ring_copy(buf, 10), 0);
}

static volatile sig_atomic_t copies, bad_copies;

static void copy_ring(int sig UNUSED)
{
	static char buf[LOG_RING_BYTES];
	size_t len = log_ring_copy(buf, sizeof(buf));

	copies++;
	if (len && (buf[0] != '{' || buf[len - 1] != '\n'))
		bad_copies++;
}

/* The crash report may interrupt the writer at any instruction. */
static void a_signal_handler_sees_whole_lines(void **state UNUSED)
{
	struct itimerval every = { { 0, 50 }, { 0, 50 } }, never = { 0 };
	struct sigaction act = { .sa_handler = copy_ring, .sa_flags = SA_RESTART }, old;

	log_init(LOG_INFO, -1, "1");
	sigaction(SIGVTALRM, &act, &old);
	setitimer(ITIMER_VIRTUAL, &every, NULL);
	for (int i = 0; i < 2000000 && copies < 100; i++)
		log_info("x", "line %d %*d", i, i % 700, i);
	setitimer(ITIMER_VIRTUAL, &never, NULL);
	sigaction(SIGVTALRM, &old, NULL);
	assert_true(copies >= 10);
	assert_int_equal(bad_copies, 0);
}

static void count_in_shared(void *arg, const char *json UNUSED, size_t len UNUSED)
{
	++*(volatile int *)arg;
}

/* 0, or the number of the check that failed. */
static int log_as_child(volatile int *shared)
{
	static char buf[LOG_RING_BYTES];
	size_t before = log_ring_copy(buf, sizeof(buf));

	log_info("child", "hello");
	if (*shared != 1)
		return 2;
	return log_ring_copy(buf, sizeof(buf)) == before ? 0 : 3;
}

/* The exit code of a child that runs fn. */
static int in_child(int (*fn)(volatile int *shared), volatile int *shared)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn(shared));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 99;
	return WEXITSTATUS(status);
}

static void a_child_has_the_console_only(void **state)
{
	volatile int *shared = *state;

	log_set_sink(count_in_shared, *state);
	log_info("parent", "one");
	assert_int_equal(*shared, 1);
	assert_int_equal(in_child(log_as_child, shared), 0);
	assert_string_equal(console(), "INFO parent: one\nINFO child: hello\n");
}

static int log_as_second_pid_1(volatile int *shared)
{
	return getpid() == 1 ? log_as_child(shared) : 4;
}

static int log_as_pid_1(volatile int *shared)
{
	log_init(LOG_INFO, -1, "");
	log_set_sink(count_in_shared, (void *)shared);
	log_info("first", "one");
	if (getpid() != 1 || unshare(CLONE_NEWPID) < 0)
		return 5;
	return in_child(log_as_second_pid_1, shared);
}

static int enter_pid_namespace(volatile int *shared)
{
	return unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0 ? 77 : in_child(log_as_pid_1, shared);
}

static void a_child_with_the_pid_of_its_parent_too(void **state)
{
	int r = in_child(enter_pid_namespace, *state);

	if (r == 77)
		skip();
	assert_int_equal(r, 0);
}

static int set_up_shared(void **state)
{
	*state = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return *state == MAP_FAILED ? -1 : set_up(state);
}

static int tear_down_shared(void **state)
{
	munmap(*state, 4096);
	return tear_down(state);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(levels_have_katas_names),
		TEST(the_console_gets_plain_lines),
		TEST(lower_levels_are_silent),
		TEST(nobody_forges_a_line),
		TEST(a_long_message_is_cut),
		TEST(errno_survives),
		TEST(no_console_is_fine),
		TEST(a_full_console_drops_and_counts),
		TEST(a_torn_line_stays_alone),
		TEST(a_console_without_reader_is_no_end),
		TEST(a_line_has_the_keys_that_hosts_parse),
		TEST(levels_on_the_wire),
		TEST(the_longest_line_fits),
		TEST(a_sink_that_logs_does_not_recurse),
		TEST(the_ring_keeps_the_newest_whole_lines),
		TEST(a_signal_handler_sees_whole_lines),
		cmocka_unit_test_setup_teardown(a_child_has_the_console_only, set_up_shared,
						tear_down_shared),
		cmocka_unit_test_setup_teardown(a_child_with_the_pid_of_its_parent_too,
						set_up_shared, tear_down_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
