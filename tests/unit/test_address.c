/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: the text, listening, connecting, and the hybrid vsock's handshake with a real peer
 * process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <linux/vm_sockets.h>

#include "ttrpc/address.h"

static char dir[64];
static struct address here;	/* a unix socket in dir */

static int setup(void **state UNUSED)
{
	snprintf(dir, sizeof(dir), "/tmp/test_address_XXXXXX");
	here = (struct address){ .kind = ADDRESS_UNIX };
	if (!mkdtemp(dir))
		return -1;
	snprintf(here.path, sizeof(here.path), "%s/s", dir);
	return 0;
}

static int teardown(void **state UNUSED)
{
	unlink(here.path);
	return rmdir(dir);
}

static void good_texts(void **state UNUSED)
{
	static const struct {
		const char *text;
		struct address a;
	} good[] = {
		{ "vsock://-1:1024", { ADDRESS_VSOCK, VMADDR_CID_ANY, 1024, "" } },
		{ "vsock://3:1024", { ADDRESS_VSOCK, 3, 1024, "" } },
		{ "vsock://4294967295:0", { ADDRESS_VSOCK, UINT32_MAX, 0, "" } },
		{ "hvsock:///run/vm.vsock:1024", { ADDRESS_HVSOCK, 0, 1024, "/run/vm.vsock" } },
		{ "hvsock://a:b:7", { ADDRESS_HVSOCK, 0, 7, "a:b" } },
		{ "unix:///run/s", { ADDRESS_UNIX, 0, 0, "/run/s" } },
		{ "unix://@name", { ADDRESS_UNIX, 0, 0, "@name" } },
	};

	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct err e = { 0 };
		struct address a;

		assert_int_equal(address_parse(good[i].text, &a, &e), 0);
		assert_int_equal(a.kind, good[i].a.kind);
		assert_int_equal(a.cid, good[i].a.cid);
		assert_int_equal(a.port, good[i].a.port);
		assert_string_equal(a.path, good[i].a.path);
	}
}

static void bad_texts(void **state UNUSED)
{
	static const char *const bad[] = {
		"", "x", "/run/s", "tcp://1.2.3.4:5", "vsock:/3:4", "vsock://", "vsock://3",
		"vsock://:4", "vsock://3:", "vsock://-2:4", "vsock://3:4:5", "vsock://3:-1",
		"vsock://3: 4", "vsock:// 3:4", "vsock://3:4294967295", "vsock://4294967296:4",
		"vsock://33333333333333333333:4", "hvsock://", "hvsock:///run/s", "hvsock://:5",
		"hvsock:///run/s:", "hvsock:///run/s:x", "unix://", "unix://@",
	};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct err e = { 0 };
		struct address a;

		assert_int_equal(address_parse(bad[i], &a, &e), -1);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	}
}

static void a_path_may_be_as_long_as_the_kernel_takes(void **state UNUSED)
{
	char text[sizeof(here.path) + 10];
	struct err e = { 0 };
	struct address a;

	memset(text, 'p', sizeof(text));
	memcpy(text, "unix://", 7);
	text[7 + sizeof(here.path) - 1] = '\0';
	assert_int_equal(address_parse(text, &a, &e), 0);
	text[7 + sizeof(here.path) - 1] = 'p';
	text[7 + sizeof(here.path)] = '\0';
	assert_int_equal(address_parse(text, &a, &e), -1);
}

static void check_pair(const struct address *a)
{
	struct err e = { 0 };
	int lfd = address_listen(a, 4, &e), cfd, afd;
	char b;

	assert_true(lfd >= 0);
	cfd = address_connect(a, 1000, &e);
	assert_true(cfd >= 0);
	afd = accept(lfd, NULL, NULL);
	assert_true(afd >= 0);
	assert_int_equal(send(afd, "x", 1, 0), 1);
	assert_int_equal(recv(cfd, &b, 1, 0), 1);
	assert_true(fcntl(lfd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(cfd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(lfd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(cfd, F_GETFL) & O_NONBLOCK);
	close(lfd);
	close(cfd);
	close(afd);
}

static void unix_sockets(void **state UNUSED)
{
	struct stat st;

	umask(0);
	check_pair(&here);
	assert_int_equal(stat(here.path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	check_pair(&here);	/* the stale one is replaced */
}

static void abstract_sockets(void **state UNUSED)
{
	struct address a = { .kind = ADDRESS_UNIX };

	snprintf(a.path, sizeof(a.path), "@mote-test-address-%d", getpid());
	check_pair(&a);
	check_pair(&a);
}

static void other_files_are_not_replaced(void **state UNUSED)
{
	struct err e = { 0 };
	int fd = open(here.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(address_listen(&here, 4, &e), -1);
	assert_int_equal(e.sys, EADDRINUSE);
	assert_int_equal(access(here.path, F_OK), 0);
}

static void nobody_there(void **state UNUSED)
{
	struct err e = { 0 };

	assert_int_equal(address_connect(&here, 1000, &e), -1);
	assert_int_equal(e.rc, RC_NOT_FOUND);
	assert_non_null(strstr(e.msg, here.path));
}

static void a_full_backlog_times_out(void **state UNUSED)
{
	struct err e = { 0 };
	int lfd = address_listen(&here, 0, &e), one;

	assert_true(lfd >= 0);
	one = address_connect(&here, 1000, &e);
	assert_true(one >= 0);
	assert_int_equal(address_connect(&here, 1, &e), -1);
	assert_int_equal(e.sys, ETIMEDOUT);
	close(one);
	close(lfd);
}

/* --- hybrid vsock --- */

/* A child that accepts one connection, reads a line and answers with `answer` (then waits for the
 * other end to close). */
static pid_t hybrid_peer(int lfd, const char *answer)
{
	pid_t pid = fork();
	char line[64] = "";
	int fd;

	if (pid)
		return pid;
	fcntl(lfd, F_SETFL, 0);
	fd = accept(lfd, NULL, NULL);
	for (size_t n = 0; n < sizeof(line) - 1 && !strchr(line, '\n'); n++)
		if (recv(fd, line + n, 1, 0) != 1)
			_exit(2);
	if (*answer && send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0)
		_exit(3);
	if (*answer)
		(void)!recv(fd, line + 32, 1, 0);
	_exit(strcmp(line, "CONNECT 1024\n") ? 1 : 0);
}

static int connect_hybrid(const char *answer, struct err *e)
{
	struct address a = here;
	int lfd, fd, status;
	pid_t pid;

	a.kind = ADDRESS_HVSOCK;
	a.port = 1024;
	lfd = address_listen(&here, 4, e);
	assert_true(lfd >= 0);
	pid = hybrid_peer(lfd, answer);
	assert_true(pid > 0);
	close(lfd);
	fd = address_connect(&a, 5000, e);
	if (fd >= 0) {
		char buf[8];

		/* Nothing of what came behind the line is lost. */
		assert_int_equal(recv(fd, buf, sizeof(buf), 0), 4);
		assert_memory_equal(buf, "more", 4);
		close(fd);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return fd < 0 ? -1 : 0;
}

static void hybrid_ok(void **state UNUSED)
{
	struct err e = { 0 };

	assert_int_equal(connect_hybrid("OK 1073741824\nmore", &e), 0);
}

static void hybrid_refused(void **state UNUSED)
{
	struct err e = { 0 };

	assert_int_equal(connect_hybrid("FAILED\n", &e), -1);
	assert_int_equal(e.sys, ECONNREFUSED);
}

static void hybrid_closed(void **state UNUSED)
{
	struct err e = { 0 };

	assert_int_equal(connect_hybrid("", &e), -1);
	assert_int_equal(e.sys, ECONNRESET);
}

static void hybrid_too_long(void **state UNUSED)
{
	struct err e = { 0 };

	assert_int_equal(connect_hybrid("OK 33333333333333333333333333333333333333333333333333"
					"333333333333333333333333", &e), -1);
	assert_int_equal(e.sys, EPROTO);
}

static void hybrid_silent(void **state UNUSED)
{
	struct address a = here;
	struct err e = { 0 };
	int lfd = address_listen(&here, 4, &e);

	a.kind = ADDRESS_HVSOCK;
	assert_int_equal(address_connect(&a, 1, &e), -1);
	assert_int_equal(e.rc, RC_DEADLINE_EXCEEDED);
	close(lfd);
}

static void hybrid_cannot_listen(void **state UNUSED)
{
	struct address a = here;
	struct err e = { 0 };

	a.kind = ADDRESS_HVSOCK;
	assert_int_equal(address_listen(&a, 4, &e), -1);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(good_texts),
		TEST(bad_texts),
		TEST(a_path_may_be_as_long_as_the_kernel_takes),
		TEST(unix_sockets),
		TEST(abstract_sockets),
		TEST(other_files_are_not_replaced),
		TEST(nobody_there),
		TEST(a_full_backlog_times_out),
		TEST(hybrid_ok),
		TEST(hybrid_refused),
		TEST(hybrid_closed),
		TEST(hybrid_too_long),
		TEST(hybrid_silent),
		TEST(hybrid_cannot_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
