/* SPDX-License-Identifier: Apache-2.0 */
/* What an init that starts us is told, and what it tells us by the environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/log.h"
#include "main/service.h"

static int console[2];

static int set_up(void **state UNUSED)
{
	if (pipe2(console, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	log_init(LOG_INFO, console[1], "1");
	return 0;
}

static int tear_down(void **state UNUSED)
{
	log_init(LOG_INFO, -1, "");
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	close(console[0]);
	return close(console[1]);
}

static void begin(const char *socket_name)
{
	struct err e = { 0 };

	if (socket_name)
		setenv("NOTIFY_SOCKET", socket_name, 1);
	assert_int_equal(service_begin(&e), 0);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("JOURNAL_STREAM"));
}

static void expect_console(const char *want)
{
	char text[1024] = "";
	ssize_t n = read(console[0], text, sizeof(text) - 1);

	if (!want)
		assert_int_equal(n, -1);
	else
		assert_non_null(strstr(text, want));
}

static void expect_told(int fd, const char *want)
{
	char text[512] = "";

	assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) >= 0);
	assert_string_equal(text, want);
}

/* name as NOTIFY_SOCKET has it. */
static void tells(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO_FD fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[512];

	memcpy(a.sun_path, name, strlen(name));
	if (*name == '@')
		a.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&a,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
			 0);
	begin(name);
	service_ready("vsock://-1:1024");
	expect_told(fd, "READY=1\nSTATUS=vsock://-1:1024\n");
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), -1);
	expect_console(NULL);
}

static void a_path_is_told(void **state UNUSED)
{
	char dir[] = "/tmp/mote-notify-XXXXXX", name[64];

	assert_non_null(mkdtemp(dir));
	snprintf(name, sizeof(name), "%s/s", dir);
	tells(name);
	unlink(name);
	service_ready("here");
	expect_console("tell the init");
	rmdir(dir);
}

static void an_abstract_name_is_told(void **state UNUSED)
{
	char name[64];

	snprintf(name, sizeof(name), "@mote-notify-%d", (int)getpid());
	tells(name);
}

static void nobody_is_told(void **state UNUSED)
{
	char name[256];

	begin(NULL);
	service_ready("here");
	expect_console(NULL);
	begin("");
	service_ready("here");
	expect_console(NULL);
	begin("vsock:2:1234");
	service_ready("here");
	expect_console("NOTIFY_SOCKET");
	snprintf(name, sizeof(name), "/%0200d", 0); /* longer than an address */
	begin(name);
	service_ready("here");
	expect_console("NOTIFY_SOCKET");
	expect_console(NULL);
}

/* Only where standard error is that very stream. */
static void lines_in_the_journal_have_a_level(void **state UNUSED)
{
	static const struct {
		int more;
		const char *want;
	} rows[] = { { 0, "<4>WARN test: a line\n" }, { 1, "WARN test: a line\n" } };
	char text[64];
	struct stat st;

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char got[64] = "";

		snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
			 (unsigned long long)st.st_ino + (unsigned long long)rows[i].more);
		setenv("JOURNAL_STREAM", text, 1);
		begin(NULL);
		log_warn("test", "a line");
		assert_true(read(console[0], got, sizeof(got) - 1) > 0);
		assert_string_equal(got, rows[i].want);
	}
}

/* What we start outlives its own parents. */
static void becomes_a_subreaper(void **state UNUSED)
{
	int is = 0;

	begin(NULL);
	assert_int_equal(prctl(PR_GET_CHILD_SUBREAPER, &is), 0);
	assert_int_equal(is, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_path_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_abstract_name_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lines_in_the_journal_have_a_level, set_up, tear_down),
		cmocka_unit_test_setup_teardown(becomes_a_subreaper, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
