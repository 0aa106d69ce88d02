/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vsock peer that is not the host: two guests of one vsock device, which lets them reach each
 * other. What a container of the second one asks for is refused by the first one's agent, and given
 * by a program beside it that serves anyone: the same agent, in a container.
 */
#include "lib/cases.h"

#define SHARED	  "/run/kata-containers/shared/containers"
#define OPEN_PORT 2024
#define LOG_PORT  1025
#define CONSOLE_PORT 1026

static struct rig served, stranger;

/* Both are static programs. */
static int add_programs(struct rig *r)
{
	char *argv[] = { (char *)"sh", (char *)"-c",
			 (char *)"cp \"$MOTE_BUILD/guest/motectl\" \"$MOTE_BUILD/mote-agent\" \"$1/bin/\"",
			 (char *)"sh", r->rootfs, NULL };

	return rig_program(r, argv) == 0 ? 0 : -1;
}

static struct rig_container of_shared(const char *args)
{
	return (struct rig_container){
		.args = args,
		.root = SHARED,
		.storages = ",{\"driver\":\"virtio-fs\",\"source\":\"rootfs\",\"fstype\":\"virtiofs\","
			    "\"mount_point\":\"" SHARED "\"}",
	};
}

static int start(void **state)
{
	(void)state;
	served.prepare = stranger.prepare = add_programs;
	served.vm_opts = (struct vm_opts){ .n_shares = 1,
					   .siblings = 1,
					   .cmdline = "agent.log_vport=1025 agent.debug_console "
						      "agent.debug_console_vport=1026" };
	stranger.vm_opts = (struct vm_opts){ .n_shares = 1 };
	if (rig_start(&served, RIG_VM) < 0)
		return -1;
	stranger.vm_opts.joins = served.vm;
	return rig_start(&stranger, RIG_VM);
}

static int stop(void **state)
{
	(void)state;
	rig_stop(&stranger);
	rig_stop(&served);
	return 0;
}

/* A container of the stranger's asks for the health of what listens there. What motectl says; in a
 * buffer that the next call takes. */
static const char *answer_of(unsigned int port)
{
	static char answer[1024];
	struct rig *r = &stranger;
	const char *id = rig_id(r);
	struct rig_container what;
	char args[256];

	snprintf(args, sizeof(args),
		 "[\"sh\",\"-c\",\"motectl call -t 60 vsock://%u:%u grpc.Health/Check 2>&1\"]",
		 vm_cid(served.vm), port);
	what = of_shared(args);
	assert_done(r, rig_run(r, id, &what));
	assert_true(rig_read(r, "ReadStdout", id, "") >= 0);
	snprintf(answer, sizeof(answer), "%.1000s", r->reply);
	assert_true(rig_wait(r, id, "") >= 0);
	assert_done(r, rig_remove(r, id));
	return answer;
}

static void assert_part(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in: %s", part, text);
}

/* Without this the next case would hold between guests that cannot reach each other at all. */
static void guests_reach_each_other(void **state)
{
	struct rig_container what = of_shared(
		"[\"mote-agent\",\"--service\",\"--any-peer\",\"--listen\",\"vsock://-1:2024\"]");

	(void)state;
	assert_true(vm_cid(stranger.vm) != vm_cid(served.vm));
	assert_done(&served, rig_run(&served, "open", &what));
	assert_true(rig_read_until(&served, "ReadStderr", "open", "", "serves on") >= 0);
	assert_output(&served, "serves on");
	assert_part(answer_of(OPEN_PORT), "\"status\": \"SERVING\"");
}

/* The connection comes about, and is closed without a word; who it was is on the console. */
static void the_agent_refuses_another_guest(void **state)
{
	char told[64];
	struct client *c;

	(void)state;
	snprintf(told, sizeof(told), "of vsock CID %u: not the host", vm_cid(stranger.vm));
	assert_null(strstr(vm_console(served.vm), told));
	assert_part(answer_of(VM_PORT), "ttrpc: closed");
	assert_console(&served, told);

	assert_done(&served, rig_call(&served, "grpc.Health/Check", "{}"));
	c = rig_connect(&served);
	assert_non_null(c);
	assert_done(&served, rig_call_on(&served, c, RIG_CALL_MS, "grpc.Health/Check", "{}"));
	client_free(c);
}

static void so_does_the_log_port(void **state)
{
	char told[64];

	(void)state;
	snprintf(told, sizeof(told), "the log to vsock CID %u: not the host", vm_cid(stranger.vm));
	assert_null(strstr(vm_console(served.vm), told));
	assert_part(answer_of(LOG_PORT), "ttrpc: closed");
	assert_console(&served, told);
}

static void so_does_the_debug_console(void **state)
{
	char told[64];

	(void)state;
	snprintf(told, sizeof(told), "the debug console to vsock CID %u: not the host", vm_cid(stranger.vm));
	assert_part(answer_of(CONSOLE_PORT), "ttrpc: closed");
	assert_console(&served, told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guests_reach_each_other),
		cmocka_unit_test(the_agent_refuses_another_guest),
		cmocka_unit_test(so_does_the_log_port),
		cmocka_unit_test(so_does_the_debug_console),
	};
	const char *missing = rig_missing(RIG_VM);
	sigset_t none;

	if (missing) {
		printf("%s\n", missing);
		return 77;
	}
	sigemptyset(&none);
	reaper_block_signals(&none);
	served.loop = stranger.loop = loop_new();
	if (!served.loop || reaper_start(served.loop, &none, NULL) < 0)
		return 1;
	return cmocka_run_group_tests_name("a peer that is not the host", tests, start, stop);
}
