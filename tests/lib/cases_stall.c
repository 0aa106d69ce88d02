/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host's file server that stops answering: whatever waits for it is given up in time and told by
 * name, nothing else waits with it, and once the server goes on nothing of it is left. The server is
 * virtiofsd, stopped and continued by signals. In a VM with the share "rootfs" only.
 */
#include "lib/cases.h"

#include <signal.h>

#include "base/clock.h"

#define SHARED	   "/run/kata-containers/shared/containers"
#define TIMEOUT_MS 2000
#define LIMIT_MS   60000 /* against hangs only: of calls that are refused until the agent has cleared up */

static const char share[] = ",{\"driver\":\"virtio-fs\",\"source\":\"rootfs\",\"fstype\":\"virtiofs\","
			    "\"mount_point\":\"" SHARED "\"}";

/* The bystander has nothing to do with the share. */
static char bystander[32];

static void server(struct rig *r, int signo)
{
	assert_int_equal(kill(-vm_share_pid(r->vm, 0), signo), 0); /* it is more than one process */
}

static int set_up(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = { .args = "[\"cat\"]" };

	(void)state;
	snprintf(bystander, sizeof(bystander), "%s", rig_id(r));
	assert_done(r, rig_run(r, bystander, &what));
	return 0;
}

/* No mount, no process in the kernel's hands, no directory of a container that is gone. */
static int tear_down(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	server(r, SIGCONT); /* also when the case has failed */
	assert_done(r, rig_remove(r, bystander));
	/* one that only reads its program from the disk is in the kernel's hands for a moment */
	assert_int_equal(rig_guest(r, "n=0; while cat /guest/[0-9]*/status 2>/dev/null | grep -q '^State:.D' && [ $n -lt 100 ];"
				      "do n=$((n+1)); done; [ $n -lt 100 ] || grep -l '^State:.D' /guest/[0-9]*/status;"
				      "grep virtiofs /guest/1/mountinfo; cd /guest/1/root/run/kata-containers; ls -d stall-*; echo end"),
			 0);
	assert_string_equal(r->reply, "end\n");
	return 0;
}

/* Health is asked again and again until the other call is answered, which takes TIMEOUT_MS: time for a few
 * answers and an exec on any machine. An agent that hangs with it answers once, at the end. */
static void others_are_served(struct rig *r, const struct rig_pending *p)
{
	int checks = 0;

	while (!p->done) {
		assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
		checks++;
		if (checks == 3) {
			assert_done(r, rig_exec(r, bystander, "e", "exit 4"));
			assert_int_equal(rig_wait(r, bystander, "e"), 4);
		}
	}
	assert_true(checks > 3);
	assert_int_equal(rig_shell(r, "exit 6"), 6);
}

static void give_up(struct rig *r, struct rig_pending *p, const char *part)
{
	others_are_served(r, p);
	r->err = p->err;
	assert_rc(r, p->err.rc, RC_DEADLINE_EXCEEDED, part);
}

/* Creates as soon as the id is free. */
static void create_when_free(struct rig *r, const char *id, const struct rig_container *what)
{
	int rc = RC_ALREADY_EXISTS;

	for (uint64_t end = clock_after(LIMIT_MS); rc == RC_ALREADY_EXISTS && clock_ms() < end;)
		rc = rig_create(r, id, what);
	assert_done(r, rc);
}

static void run_to_end(struct rig *r, const char *id)
{
	assert_done(r, rig_call(r, "StartContainer", "{\"container_id\":\"%s\"}", id));
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
}

static void mount_never_returns(void **state)
{
	struct rig *r = cases_rig;
	static struct rig_pending p, again;
	struct rig_container what = { .storages = share, .root = SHARED, .args = "[\"true\"]" };

	(void)state;
	server(r, SIGSTOP);
	rig_send_create(r, r->client, TIMEOUT_MS, &p, "stall-1", &what);
	give_up(r, &p, "virtio-fs on " SHARED);
	rig_send_create(r, r->client, TIMEOUT_MS, &again, "stall-1", &what);
	give_up(r, &again, "another mount or unmount of " SHARED);
	server(r, SIGCONT);
	create_when_free(r, "stall-1", &what);
	run_to_end(r, "stall-1");
}

/* A later storage's device never comes, and what was mounted before cannot be taken back: it is the
 * device of which the host hears. */
static void undoing_never_returns(void **state)
{
	struct rig *r = cases_rig;
	static struct rig_pending p;
	struct rig_container good = { .storages = share, .root = SHARED, .args = "[\"true\"]" }, what = good;
	const struct rig_container looks = {
		.args = "[\"sh\",\"-c\",\"echo ready; until grep -q virtiofs /guest/1/mountinfo; do usleep 10000; done; echo mounted\"]",
		.mounts = ",{\"destination\":\"/guest\",\"type\":\"bind\",\"source\":\"/proc\",\"options\":[\"rbind\"]}",
	};
	const char *look = rig_id(r);
	char both[512];

	(void)state;
	assert_done(r, rig_run(r, look, &looks));
	assert_true(rig_read_until(r, "ReadStdout", look, "", "ready\n") > 0);
	snprintf(both, sizeof(both), "%s,{\"driver\":\"blk\",\"source\":\"1e/00\",\"fstype\":\"ext4\",\"mount_point\":\"" SHARED
		 "-disk\"}", share);
	what.storages = both;
	rig_send_create(r, r->client, 3 * TIMEOUT_MS, &p, "stall-1", &what);
	assert_true(rig_read_until(r, "ReadStdout", look, "", "mounted\n") > 0);
	server(r, SIGSTOP);
	assert_false(p.done);
	assert_done(r, rig_remove(r, look));
	give_up(r, &p, "device 1e/00 (virtio-blk): not there");
	server(r, SIGCONT);
	create_when_free(r, "stall-1", &good);
	run_to_end(r, "stall-1");
}

/* The share is mounted and has been used; its server stops later. */
static void root_or_volume_stalls(void **state)
{
	static const struct rig_container bad[] = {
		{ .root = SHARED, .storages = share, .args = "[\"true\"]" },
		{ .mounts = ",{\"destination\":\"/mnt\",\"type\":\"bind\",\"source\":\"" SHARED
			    "/home/user\",\"options\":[\"rbind\"]}",
		  .storages = share,
		  .args = "[\"true\"]" },
	};
	struct rig *r = cases_rig;
	static struct rig_pending p;
	struct rig_container user = { .root = SHARED, .storages = share, .args = "[\"cat\"]" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_done(r, rig_run(r, "stall-user", &user));
		server(r, SIGSTOP);
		rig_send_create(r, r->client, TIMEOUT_MS, &p, "stall-2", &bad[i]);
		give_up(r, &p, bad[i].root ? "root " SHARED : "not set up in time");
		server(r, SIGCONT);
		create_when_free(r, "stall-2", &bad[i]);
		run_to_end(r, "stall-2");
		assert_done(r, rig_remove(r, "stall-user"));
	}
}

static const struct rig_container sleeper = {
	.root = SHARED,
	.storages = share,
	.args = "[\"sleep\",\"1000\"]",
};

static void send_remove(struct rig *r, struct rig_pending *p)
{
	rig_send(r, r->client, TIMEOUT_MS, p, "RemoveContainer",
		 "{\"container_id\":\"stall-3\"}");
}

/* The processes end, the unmount does not: the container and its directory are gone all the same. */
static void unmount_stalls(void **state)
{
	struct rig *r = cases_rig;
	static struct rig_pending p;
	struct rig_container what = { .storages = share, .args = "[\"cat\"]" };

	(void)state;
	assert_done(r, rig_run(r, "stall-3", &what));
	server(r, SIGSTOP);
	assert_done(r, rig_call(r, "SignalProcess",
				"{\"container_id\":\"stall-3\",\"signal\":9}"));
	assert_int_equal(rig_wait(r, "stall-3", ""), 137);
	send_remove(r, &p);
	give_up(r, &p, "unmount " SHARED);
	assert_rc(r, rig_remove(r, "stall-3"), RC_NOT_FOUND, "stall-3");
	assert_int_equal(rig_guest(r, "ls -d /guest/1/root/run/kata-containers/stall-3"), 1);
	server(r, SIGCONT);
	assert_done(r, rig_run(r, "stall-3", &what));
	assert_done(r, rig_remove(r, "stall-3"));
}

/* A process with a file of the share cannot be killed: its end waits for the server to close it. */
static void exec_stalls(void **state)
{
	struct rig *r = cases_rig;
	static struct rig_pending p;
	int rc = RC_INTERNAL;

	(void)state;
	assert_done(r, rig_run(r, "stall-3", &sleeper));
	server(r, SIGSTOP);
	rig_send(r, r->client, TIMEOUT_MS, &p, "ExecProcess",
		 "{\"container_id\":\"stall-3\",\"exec_id\":\"e\",\"process\":{\"Args\":[\"/bin/"
		 "sh\"],\"Cwd\":\"/root\"}}");
	give_up(r, &p, "in time (root " SHARED);
	send_remove(r, &p);
	give_up(r, &p, "stall-3: its processes do not end");
	server(r, SIGCONT);
	for (uint64_t end = clock_after(LIMIT_MS); rc && rc != RC_NOT_FOUND && clock_ms() < end;)
		rc = rig_remove(r, "stall-3");
	create_when_free(r, "stall-3", &sleeper);
	assert_done(r, rig_remove(r, "stall-3"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

const struct CMUnitTest cases_stall[] = {
	CASE(mount_never_returns),
	CASE(undoing_never_returns),
	CASE(root_or_volume_stalls),
	CASE(unmount_stalls),
	CASE(exec_stalls),
	{ 0 },
};
