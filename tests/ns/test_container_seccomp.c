/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of containers: what each action does to a program, and the listener of
 * SCMP_ACT_NOTIFY. */
#include "lib/container_fixture.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/json.h"

static struct seccomp_rule rule;
static struct seccomp_spec filter;

/* mkdir is what the rule is about. */
static struct seccomp_spec *rule_for_mkdir(const char *action)
{
	static char mkdir_name[] = "mkdir", mkdirat_name[] = "mkdirat";
	static char *names[] = { mkdir_name, mkdirat_name };

	rule = (struct seccomp_rule){ .names = names, .n_names = 2, .action = action };
	filter = (struct seccomp_spec){ .default_action = "SCMP_ACT_ALLOW",
					.rules = &rule,
					.n_rules = 1 };
	return &filter;
}

static void actions(void **state UNUSED)
{
	static const struct { const char *action, *out; int status; } rows[] = {
		{ "SCMP_ACT_KILL", "", 128 + 31 },	/* SIGSYS */
		{ "SCMP_ACT_KILL_THREAD", "", 128 + 31 },
		{ "SCMP_ACT_KILL_PROCESS", "", 128 + 31 },
		{ "SCMP_ACT_TRAP", "", 128 + 31 },
		{ "SCMP_ACT_ERRNO", "mkdir: can't create directory '/tmp/x': Operation not permitted\n",
		  1 },
		{ "SCMP_ACT_TRACE", "mkdir: can't create directory '/tmp/x': Function not implemented\n",
		  1 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct container *c = SHELL("c1", "exec 2>&1 mkdir /tmp/x");

		c->spec->linux.seccomp = rule_for_mkdir(rows[i].action);
		assert_string_equal(output_of(c, rows[i].status), rows[i].out);
	}
}

static void log_lets_pass(void **state UNUSED)
{
	struct container *c = SHELL("c1", "mkdir /tmp/logged && rmdir /tmp/logged && echo fine");
	static char flag[] = "SECCOMP_FILTER_FLAG_LOG";
	static char *flags[] = { flag };

	c->spec->linux.seccomp = rule_for_mkdir("SCMP_ACT_LOG");
	filter.flags = flags;
	filter.n_flags = 1;
	assert_string_equal(output_of(c, 0), "fine\n");
}

/* A number that a rule says itself, for one value of an argument. */
static void own_errno(void **state UNUSED)
{
	static char chmod_name[] = "chmod", fchmodat_name[] = "fchmodat";
	static char *names[] = { chmod_name }, *at_names[] = { fchmodat_name };
	static const unsigned int number = EDOM;
	static const struct seccomp_arg second = { 1, 0777, 0700, "SCMP_CMP_MASKED_EQ" },
					third = { 2, 0777, 0700, "SCMP_CMP_MASKED_EQ" };
	static const struct seccomp_rule rules[] = {
		{ names, 1, "SCMP_ACT_ERRNO", &number, &second, 1 },
		{ at_names, 1, "SCMP_ACT_ERRNO", &number, &third, 1 },
	};
	struct container *c =
		SHELL("c1", "chmod 700 /tmp 2>&1; chmod 1777 /tmp && echo fine");

	filter = (struct seccomp_spec){ .default_action = "SCMP_ACT_ALLOW",
					.rules = rules, .n_rules = 2 };
	c->spec->linux.seccomp = &filter;
	assert_string_equal(output_of(c, 0),
			    "chmod: /tmp: Numerical argument out of domain\nfine\n");
}

/* --- the listener --- */

static char socket_path[128];

static int listen_at(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	unlink(path);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

/* One state and one descriptor, and then the end. The text is what came. */
static int receive_state(int listener, char *text, size_t cap)
{
	AUTO_FD fd = accept(listener, NULL, NULL);
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	struct iovec iov = { .iov_base = text, .iov_len = cap - 1 };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.buf,
			    .msg_controllen = sizeof(u.buf) };
	ssize_t n, more;
	int got;

	assert_true(fd >= 0);
	n = recvmsg(fd, &h, MSG_CMSG_CLOEXEC);
	assert_true(n > 0);
	assert_non_null(CMSG_FIRSTHDR(&h));
	assert_int_equal(CMSG_FIRSTHDR(&h)->cmsg_type, SCM_RIGHTS);
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof(int));
	while ((more = read(fd, text + n, cap - 1 - (size_t)n)) > 0)
		n += more;
	assert_int_equal(more, 0);
	text[n] = 0;
	return got;
}

static void check_state(const char *text, pid_t pid, const char *status)
{
	struct err e = { 0 };
	struct arena a;
	yyjson_val *root, *inner;

	arena_init(&a, 1 << 20);
	root = yyjson_doc_get_root(json_read(&a, text, strlen(text), &e));
	assert_non_null(root);
	inner = yyjson_obj_get(root, "state");
	assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "ociVersion")), "1.2.0");
	assert_string_equal(
		yyjson_get_str(yyjson_arr_get_first(yyjson_obj_get(root, "fds"))), "seccompFd");
	assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "metadata")), "a \"b\"");
	assert_int_equal(yyjson_get_int(yyjson_obj_get(root, "pid")), pid);
	assert_int_equal(yyjson_get_int(yyjson_obj_get(inner, "pid")), pid);
	assert_string_equal(yyjson_get_str(yyjson_obj_get(inner, "id")), "c1");
	assert_string_equal(yyjson_get_str(yyjson_obj_get(inner, "status")), status);
	arena_fini(&a);
}

/* Answers one call with an error number. */
static void answer(int fd, int number)
{
	struct seccomp_notif n = { 0 };
	struct seccomp_notif_resp r = { .error = -number };

	assert_int_equal(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &n), 0);
	r.id = n.id;
	assert_int_equal(ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r), 0);
}

static struct container *notifying(const char *script)
{
	struct container *c = SHELL("c1", script);

	c->spec->linux.seccomp = rule_for_mkdir("SCMP_ACT_NOTIFY");
	filter.listener_path = socket_path;
	filter.listener_metadata = "a \"b\"";
	return c;
}

static void handed_over(bool nnp)
{
	struct container *c = notifying("mkdir /tmp/x 2>&1; ls /proc/self/fd | tr '\\n' ' '");
	AUTO_FD listener = listen_at(socket_path);
	AUTO_FD fd = -1;
	char text[4096];
	const char *out;

	c->spec->process->no_new_privs = nnp;
	create(c);
	fd = receive_state(listener, text, sizeof(text));
	check_state(text, c->init->pid, "creating");
	start(c);
	answer(fd, ENOTTY);
	out = read_all(c->init, STREAMS_OUT);
	assert_contains(out, "Inappropriate ioctl");
	assert_contains(out, "\n0 1 2 3 ");
	drop(c);
}

static void listener(void **state UNUSED)
{
	handed_over(false);
	handed_over(true);
}

static void listener_of_an_exec(void **state UNUSED)
{
	AUTO_FD listener = listen_at(socket_path);
	struct container *c = notifying("sleep 1000");
	struct err e = { 0 };
	char text[4096];
	AUTO_FD fd = -1;
	AUTO_FD second = -1;
	struct process *p;

	create(c);
	fd = receive_state(listener, text, sizeof(text));
	start(c);
	p = EXEC(c, "e1", &e, "mkdir", "/tmp/x");
	if (!p)
		fail_msg("%s", e.msg);
	second = receive_state(listener, text, sizeof(text));
	check_state(text, p->pid, "running");
	answer(second, ENOSPC);
	assert_contains(read_all(p, STREAMS_ERR), "No space left");
	drop(c);
}

static void nobody_listens(void **state UNUSED)
{
	struct container *c = notifying("true");
	struct err e;

	unlink(socket_path);
	e = create_fails(c);
	assert_int_equal(e.rc, RC_NOT_FOUND);
	assert_contains(e.msg, "linux.seccomp.listenerPath");
	c = notifying("true");
	filter.listener_path = NULL;
	filter.listener_metadata = NULL;
	e = create_fails(c);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	assert_contains(e.msg, "linux.seccomp.listenerPath: missing");
}

/* The path means nothing where no rule notifies. */
static void path_without_notify(void **state UNUSED)
{
	struct container *c = notifying("echo fine");

	rule.action = "SCMP_ACT_ERRNO";
	assert_string_equal(output_of(c, 0), "fine\n");
}

static int setup(void **state)
{
	int r = fixture_group_setup(state);

	snprintf(socket_path, sizeof(socket_path), "%s/seccomp.sock", scratch);
	return r;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(actions),	      TEST(log_lets_pass),  TEST(own_errno),
		TEST(listener),	      TEST(listener_of_an_exec), TEST(nobody_listens),
		TEST(path_without_notify),
	};

	fixture_cgroups(0);
	return cmocka_run_group_tests(tests, setup, fixture_group_teardown);
}
