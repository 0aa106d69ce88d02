/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox's beginning and end: a create that fails, DestroySandbox whatever is under way. Each case
 * has an agent of its own, whose exit status says whether the sanitizers found anything, leaks
 * included.
 */
#include "lib/cases.h"

#include <fcntl.h>

#include "base/io.h"

static struct rig rig;

static int start(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof(rig));
	return rig_start(&rig, RIG_NAMESPACES);
}

static int stop(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static void ends_well(void)
{
	int status = rig_end_agent(&rig);

	if (status)
		fail_msg("the agent ended with status %d", status);
}

static void create_sandbox(void)
{
	assert_done(&rig, rig_call(&rig, "CreateSandbox", "{\"hostname\":\"pod\"}"));
}

static void with_nothing(void **state)
{
	(void)state;
	ends_well();
}

static void with_containers(void **state)
{
	struct rig_container what = { .args = "[\"sleep\",\"1000\"]" };

	(void)state;
	create_sandbox();
	assert_done(&rig, rig_create(&rig, "created", &what));
	assert_done(&rig, rig_run(&rig, "running", &what));
	assert_done(&rig, rig_exec(&rig, "running", "e", "sleep 1000"));
	what.args = "[\"true\"]";
	assert_done(&rig, rig_run(&rig, "stopped", &what));
	assert_int_equal(rig_wait(&rig, "stopped", ""), 0);
	ends_well();
}

static void send_create(struct rig_pending *p, const char *id, const char *storage)
{
	static char storages[512];
	struct rig_container what = { .args = "[\"sleep\",\"1000\"]", .storages = storages };

	snprintf(storages, sizeof(storages), "%s", storage);
	rig_send_create(&rig, rig.client, RIG_CALL_MS, p, id, &what);
}

/* A create is at its mounts, at its process, and at a device that never comes. */
static void while_creates_are_under_way(void **state)
{
	static struct rig_pending p[3], late;

	(void)state;
	create_sandbox();
	send_create(&p[0], "never",
		    ",{\"driver\":\"blk\",\"fstype\":\"ext4\",\"source\":\"1f/1e\","
		    "\"mount_point\":\"/run/kata-containers/x\"}");
	for (int i = 0; i < 20; i++)
		loop_once(rig.loop, 1);
	send_create(&p[1], "first", "");
	for (int i = 0; i < 5; i++)
		loop_once(rig.loop, 1);
	send_create(&p[2], "second", "");
	rig_send(&rig, rig.client, 10000, &late, "DestroySandbox", "{}");
	assert_int_equal(rig_await(&rig, &late), RC_OK);
	for (size_t i = 0; i < COUNT_OF(p); i++)
		rig_await(&rig, &p[i]);
	ends_well();
}

/* The sandbox itself is still being created. */
static void while_the_sandbox_is_made(void **state)
{
	static struct rig_pending create, destroy, again;

	(void)state;
	rig_send(&rig, rig.client, 10000, &create, "CreateSandbox",
		 "{\"storages\":[{\"driver\":\"blk\",\"fstype\":\"ext4\",\"source\":\"1f/1e\","
		 "\"mount_point\":\"/run/kata-containers/x\"}]}");
	rig_send(&rig, rig.client, 10000, &destroy, "DestroySandbox", "{}");
	rig_send(&rig, rig.client, 10000, &again, "DestroySandbox", "{}");
	assert_int_equal(rig_await(&rig, &destroy), RC_OK);
	assert_int_equal(rig_await(&rig, &again), RC_FAILED_PRECONDITION);
	rig_await(&rig, &create);
	ends_well();
}

static size_t count_mounts(const char *at)
{
	static char text[1 << 16];
	char path[64];
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)rig.agent_pid);
	assert_true(io_read_file(AT_FDCWD, path, text, sizeof(text)) > 0);
	for (const char *s = text; (s = strstr(s, at)); s += strlen(at))
		n++;
	return n;
}

/* A sandbox that could not be made leaves nothing of itself mounted, and can be made. */
static void after_a_create_that_failed(void **state)
{
	static char long_line[5000];
	size_t before = count_mounts("/etc/resolv.conf");

	(void)state;
	memset(long_line, 'x', sizeof(long_line) - 1);
	for (int i = 0; i < 2; i++) {
		assert_rc(&rig, rig_call(&rig, "CreateSandbox", "{\"dns\":[\"%s\"]}", long_line),
			  RC_INVALID_ARGUMENT, "dns");
		assert_rc(&rig,
			  rig_call(&rig, "CreateSandbox",
				   "{\"dns\":[\"nameserver 192.0.2.1\"],\"storages\":[{\"driver\":\"none\"}]}"),
			  RC_INVALID_ARGUMENT, "storage");
		assert_int_equal(count_mounts("/run/sandbox-ns/"), 0);
		assert_int_equal(count_mounts("/etc/resolv.conf"), before);
	}
	create_sandbox();
	assert_int_equal(count_mounts("/run/sandbox-ns/"), 2);
	ends_well();
}

/* One that is nowhere fails the create before anything is made; one that is there already does not. */
static void modules(void **state)
{
	(void)state;
	assert_rc(&rig, rig_call(&rig, "CreateSandbox", "{\"kernel_modules\":[{\"name\":\"no-such\"}]}"),
		  RC_NOT_FOUND, "kernel_modules: \"no-such\": not in /lib/modules/");
	assert_int_equal(count_mounts("/run/sandbox-ns/"), 0);
	assert_done(&rig, rig_call(&rig, "CreateSandbox",
				   "{\"sandbox_id\":\"pod\",\"kernel_modules\":[{\"name\":\"kernel\"}]}"));
	ends_well();
}

/* Two runs on one machine name their containers and groups alike: the end of one is not the other's. */
static void beside_another_agent(void **state)
{
	struct rig_container what = { .args = "[\"sleep\",\"1000\"]" };
	static struct rig other;

	(void)state;
	other = (struct rig){ .loop = rig.loop };
	assert_int_equal(rig_start(&other, RIG_NAMESPACES), 0);
	create_sandbox();
	assert_done(&rig, rig_run(&rig, "c1", &what));
	assert_done(&other, rig_call(&other, "CreateSandbox", "{}"));
	assert_done(&other, rig_run(&other, "c1", &what));
	assert_done(&other, rig_remove(&other, "c1"));
	assert_done(&rig, rig_exec(&rig, "c1", "e", "exit 4"));
	assert_int_equal(rig_wait(&rig, "c1", "e"), 4);
	rig_stop(&other);
	assert_done(&rig, rig_remove(&rig, "c1"));
	ends_well();
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(with_nothing),
		TEST(with_containers),
		TEST(while_creates_are_under_way),
		TEST(while_the_sandbox_is_made),
		TEST(after_a_create_that_failed),
		TEST(modules),
		TEST(beside_another_agent),
	};
	const char *missing = rig_missing(RIG_NAMESPACES);

	if (missing) {
		printf("%s\n", missing);
		return 77;
	}
	return cmocka_run_group_tests_name("the sandbox", tests, NULL, NULL);
}
