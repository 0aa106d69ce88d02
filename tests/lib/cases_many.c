/* SPDX-License-Identifier: Apache-2.0 */
/* Many containers, one after another and at once: nothing of them stays. */
#include "lib/cases.h"

#define ONE_AFTER_ANOTHER 100
#define AT_ONCE           50
#define EXECS             4

/* Lines of a file of the agent's, as this machine sees it. */
static size_t count_lines(struct rig *r, const char *file)
{
	static char text[1 << 20];
	char path[64];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)r->agent_pid, file);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(text, sizeof(text), f))
		n++;
	fclose(f);
	return n;
}

struct footprint {
	struct rig_status status;
	size_t mounts;
};

static void measure(struct rig *r, struct footprint *out)
{
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	assert_int_equal(rig_status(r, &out->status), 0);
	out->mounts = count_lines(r, "mountinfo");
}

static void compare(const struct footprint *before, const struct footprint *after)
{
	assert_int_equal(after->status.connections, before->status.connections);
	assert_int_equal(after->status.calls, before->status.calls);
	assert_int_equal(after->status.containers, before->status.containers);
	assert_int_equal(after->status.storages, before->status.storages);
	assert_int_equal(after->status.children, before->status.children);
	assert_int_equal(after->status.jobs, before->status.jobs);
	assert_int_equal(after->status.fds, before->status.fds);
	assert_int_equal(after->status.arena_bytes, before->status.arena_bytes);
	assert_int_equal(after->mounts, before->mounts);
}

static bool in_namespaces(const struct rig *r)
{
	return r->kind == RIG_NAMESPACES;
}

static void one_after_another(void **state)
{
	struct rig *r = cases_rig;
	struct footprint before, after;

	(void)state;
	assert_int_equal(rig_shell(r, "true"), 0);
	if (in_namespaces(r))
		measure(r, &before);
	for (int i = 0; i < ONE_AFTER_ANOTHER; i++) {
		assert_int_equal(rig_shell(r, "echo $PPID"), 0);
		assert_string_equal(r->reply, "0\n");
	}
	if (in_namespaces(r)) {
		measure(r, &after);
		compare(&before, &after);
	}
}

/* All of them wait on stdin; the execs run meanwhile; then all end. */
static void at_once(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = { .args = "[\"cat\"]" };
	struct footprint before, after;
	char id[32], exec_id[32];

	(void)state;
	if (in_namespaces(r))
		measure(r, &before);
	for (int i = 0; i < AT_ONCE; i++) {
		snprintf(id, sizeof(id), "many-%d-%d", (int)getpid(), i);
		assert_done(r, rig_run(r, id, &what));
	}
	for (int i = 0; i < AT_ONCE * EXECS; i++) {
		snprintf(id, sizeof(id), "many-%d-%d", (int)getpid(), i % AT_ONCE);
		snprintf(exec_id, sizeof(exec_id), "exec-%d", i / AT_ONCE);
		assert_done(r, rig_exec(r, id, exec_id, "cat /proc/1/comm; exit 3"));
	}
	for (int i = 0; i < AT_ONCE * EXECS; i++) {
		snprintf(id, sizeof(id), "many-%d-%d", (int)getpid(), i % AT_ONCE);
		snprintf(exec_id, sizeof(exec_id), "exec-%d", i / AT_ONCE);
		assert_int_equal(rig_read(r, "ReadStdout", id, exec_id), 4);
		assert_int_equal(rig_read(r, "ReadStderr", id, exec_id), 0);
		assert_int_equal(rig_wait(r, id, exec_id), 3);
	}
	for (int i = 0; i < AT_ONCE; i++) {
		snprintf(id, sizeof(id), "many-%d-%d", (int)getpid(), i);
		assert_done(r, rig_call(r, "CloseStdin", "{\"container_id\":\"%s\"}", id));
		assert_int_equal(rig_wait(r, id, id), 0);
		assert_done(r, rig_remove(r, id));
	}
	if (in_namespaces(r)) {
		measure(r, &after);
		compare(&before, &after);
	}
}

/* The guest's own view, from a container that is shown the guest's /proc and cgroups: no process,
 * descriptor, mount or group is left of the containers before. */
static void nothing_in_the_guest(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"ls /guest/1/fd | wc -l; grep -c kata /guest/1/mountinfo; cd /groups/mote-test 2>/dev/null || cd /groups/memory/mote-test; ls -d */; "
			"for p in /guest/[0-9]*; do tr '\\\\0' ' ' <$p/cmdline | grep -xE 'cat |sleep 1000 '; done; echo end\"]",
		.mounts =
			",{\"destination\":\"/guest\",\"type\":\"bind\",\"source\":\"/proc\",\"options\":[\"rbind\",\"ro\"]}"
			",{\"destination\":\"/groups\",\"type\":\"bind\",\"source\":\"/sys/fs/cgroup\",\"options\":[\"rbind\",\"ro\"]}",
	};
	int fds = 0, mounts = 0;
	const char *id = rig_id(r);

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_true(rig_read(r, "ReadStdout", id, id) > 0);
	assert_int_equal(sscanf(r->reply, "%d\n%d\n", &fds, &mounts), 2);
	if (fds >= 30)
		fail_msg("%s", r->reply);
	assert_true(mounts < 10);
	{
		char expect[64];

		snprintf(expect, sizeof(expect), "%d\n%d\n%s/\nend\n", fds, mounts, id);
		assert_string_equal(r->reply, expect);
	}
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
}

const struct CMUnitTest cases_many[] = {
	cmocka_unit_test(one_after_another),
	cmocka_unit_test(at_once),
	{ 0 },
};

/* After the others, in a VM only: outside of one they have been measured from the outside. */
const struct CMUnitTest cases_guest[] = {
	cmocka_unit_test(nothing_in_the_guest),
	{ 0 },
};
