/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of processes over connections that the host has opened before: by the real vsock. */
#include "lib/cases.h"

#include <poll.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "base/clock.h"
#include "ttrpc/address.h"

#define PORT	 1027
#define LIMIT_MS 60000 /* against hangs only */
#define MUCH	 3000000

static struct rig rig;

struct stream {
	int fd;
	uint32_t port; /* of this side, by which the agent knows it */
};

static struct stream in, out, err;
static char text[MUCH + 64];

/* The hybrid vsock device does not tell which port of the host it has taken: the guest's log does. Each
 * connection has another one. */
static uint32_t port_in_log(void)
{
	static const char told[] = "a stream of port ";
	static uint32_t last;
	uint64_t until = clock_after(LIMIT_MS);
	uint32_t port = last;

	while (port == last) {
		const char *at;

		assert_true(clock_ms() < until);
		loop_once(rig.loop, 50);
		for (at = strstr(vm_console(rig.vm), told); at; at = strstr(at + 1, told))
			if (strchr(at, '\n'))
				port = (uint32_t)strtoul(at + sizeof(told) - 1, NULL, 10);
	}
	return last = port;
}

static void open_stream(struct stream *s)
{
	struct sockaddr_vm own;
	socklen_t n = sizeof(own);
	struct address at;

	assert_int_equal(address_parse(rig.address, &at, &rig.err), 0);
	at.port = PORT;
	s->fd = address_connect(&at, LIMIT_MS, &rig.err);
	if (s->fd < 0)
		fail_msg("%s", rig.err.msg);
	if (at.kind == ADDRESS_VSOCK) {
		assert_int_equal(getsockname(s->fd, (struct sockaddr *)&own, &n), 0);
		s->port = own.svm_port;
	} else {
		s->port = port_in_log();
	}
}

static int setup(void **state)
{
	(void)state;
	in.fd = out.fd = err.fd = -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	auto_close(&in.fd);
	auto_close(&out.fd);
	auto_close(&err.fd);
	return 0;
}

/* What comes until the end, or `part`; the loop turns meanwhile. */
static size_t listen_to(struct stream *s, const char *part)
{
	uint64_t until = clock_after(LIMIT_MS);
	size_t len = 0;

	text[0] = '\0';
	while (len < sizeof(text) - 1 && !(part && strstr(text, part))) {
		struct pollfd p = { .fd = s->fd, .events = POLLIN };
		ssize_t n;

		assert_true(clock_ms() < until);
		loop_once(rig.loop, 0);
		if (poll(&p, 1, 100) <= 0)
			continue;
		n = recv(s->fd, text + len, sizeof(text) - 1 - len, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
		text[len] = '\0';
	}
	return len;
}

static void run(const char *id, const char *script, const char *process, uint32_t in_port,
		uint32_t out_port, uint32_t err_port)
{
	char args[256], request[128];
	struct rig_container what = { .args = args, .request = request, .process = process };

	snprintf(args, sizeof(args), "[\"sh\",\"-c\",\"%s\"]", script);
	snprintf(request, sizeof(request), ",\"stdin_port\":%u,\"stdout_port\":%u,\"stderr_port\":%u", in_port,
		 out_port, err_port);
	assert_done(&rig, rig_run(&rig, id, &what));
}

static void three_streams(void **state)
{
	(void)state;
	open_stream(&in);
	open_stream(&out);
	open_stream(&err);
	run("c1", "cat; echo wrong >&2; exit 5", NULL, in.port, out.port, err.port);
	assert_int_equal(send(in.fd, "hello\n", 6, 0), 6);
	(void)listen_to(&out, "hello\n");
	assert_string_equal(text, "hello\n");
	auto_close(&in.fd); /* the end of input */
	assert_int_equal(listen_to(&out, NULL), 0);
	(void)listen_to(&err, NULL);
	assert_string_equal(text, "wrong\n");
	assert_int_equal(rig_wait(&rig, "c1", ""), 5);
	assert_done(&rig, rig_remove(&rig, "c1"));
}

/* The host reads late: the process waits with its output, and nobody else does. */
static void the_exit_comes_last(void **state)
{
	static struct rig_pending p;

	(void)state;
	open_stream(&out);
	run("c2", "head -c 3000000 /dev/zero; exit 6", NULL, 0, out.port, 0);
	rig_send(&rig, rig.client, LIMIT_MS, &p, "WaitProcess", "{\"container_id\":\"c2\"}");
	for (int i = 0; i < 20; i++)
		assert_done(&rig, rig_call(&rig, "grpc.Health/Check", "{}"));
	assert_false(p.done);
	assert_int_equal(listen_to(&out, NULL), MUCH);
	assert_int_equal(rig_await(&rig, &p), RC_OK);
	assert_done(&rig, rig_remove(&rig, "c2"));
}

static void an_exec_with_a_terminal(void **state)
{
	(void)state;
	run("c3", "sleep 1000", NULL, 0, 0, 0);
	open_stream(&in);
	open_stream(&out);
	open_stream(&err);
	assert_done(&rig, rig_call(&rig, "ExecProcess",
				   "{\"container_id\":\"c3\",\"exec_id\":\"e\",\"stdin_port\":%u,\"stdout_port\":%u,"
				   "\"stderr_port\":%u,\"process\":{\"Args\":[\"sh\",\"-c\",\"tty; read x; stty size; exit 7\"],"
				   "\"Cwd\":\"/\",\"Terminal\":true,\"Env\":[\"PATH=/bin\"],\"User\":{}}}",
				   in.port, out.port, err.port));
	(void)listen_to(&out, "/dev/");
	assert_int_equal(listen_to(&err, NULL), 0); /* no part of a terminal */
	assert_done(&rig, rig_call(&rig, "TtyWinResize",
				   "{\"container_id\":\"c3\",\"exec_id\":\"e\",\"row\":11,\"column\":22}"));
	assert_int_equal(send(in.fd, "x\r", 2, 0), 2);
	(void)listen_to(&out, "11 22");
	(void)listen_to(&out, NULL);
	assert_int_equal(rig_wait(&rig, "c3", "e"), 7);
	assert_done(&rig, rig_remove(&rig, "c3"));
}

/* What never came is done without: the calls still carry it. */
static void a_port_that_is_nobody_s(void **state)
{
	(void)state;
	run("c4", "echo by call", NULL, 0, 4000000, 0);
	assert_true(rig_read(&rig, "ReadStdout", "c4", "") >= 0);
	assert_string_equal(rig.reply, "by call\n");
	assert_int_equal(rig_wait(&rig, "c4", ""), 0);
	assert_done(&rig, rig_remove(&rig, "c4"));
}

/* A host that is gone does not hold the process up, nor one that does not read the removal. */
static void hosts_that_do_not_read(void **state)
{
	(void)state;
	open_stream(&out);
	run("c5", "echo some; read x; head -c 3000000 /dev/zero; exit 8", NULL, 0, out.port, 0);
	(void)listen_to(&out, "some\n");
	auto_close(&out.fd);
	assert_done(&rig, rig_call(&rig, "WriteStdin", "{\"container_id\":\"c5\",\"data\":\"Cg==\"}"));
	assert_int_equal(rig_wait(&rig, "c5", ""), 8);
	assert_done(&rig, rig_remove(&rig, "c5"));

	open_stream(&out);
	run("c6", "head -c 3000000 /dev/zero", NULL, 0, out.port, 0);
	(void)listen_to(&out, "\0");
	assert_done(&rig, rig_remove(&rig, "c6"));
	(void)listen_to(&out, NULL);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(three_streams),
		CASE(the_exit_comes_last),
		CASE(an_exec_with_a_terminal),
		CASE(a_port_that_is_nobody_s),
		CASE(hosts_that_do_not_read),
	};
	const char *missing = rig_missing(RIG_VM);
	int failed;

	if (missing) {
		printf("%s\n", missing);
		return 77;
	}
	if (getenv("MOTE_ONLY"))
		cmocka_set_test_filter(getenv("MOTE_ONLY"));
	rig.vm_opts.cmdline = "agent.passfd_listener_port=1027 agent.log=debug";
	failed = rig_start(&rig, RIG_VM) < 0 ||
		 cmocka_run_group_tests_name("streams by vsock", tests, NULL, NULL);
	rig_stop(&rig);
	return failed;
}
