/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of tests/ns inside the guest, whose kernel has what the host may lack: every controller,
 * of either version. They run with the sanitizers, as a privileged container. They leave
 * a case out on a machine that has not what it needs; those that are named here must run.
 */
#include "lib/cases.h"

#define CAPS                                                                                      \
	"[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FOWNER\",\"CAP_FSETID\",\"CAP_KILL\",\"CAP_SETGID\"," \
	"\"CAP_SETUID\",\"CAP_SETPCAP\",\"CAP_NET_BIND_SERVICE\",\"CAP_NET_RAW\",\"CAP_SYS_CHROOT\","    \
	"\"CAP_MKNOD\",\"CAP_AUDIT_WRITE\",\"CAP_SETFCAP\",\"CAP_SYS_ADMIN\",\"CAP_SYS_PTRACE\","        \
	"\"CAP_SYS_RESOURCE\",\"CAP_NET_ADMIN\"]"

/* The cgroup namespace is the guest's: version 2 moves no process across the edge of one. */
static const struct rig_container privileged = {
	.process = ",\"Capabilities\":{\"Bounding\":" CAPS ",\"Effective\":" CAPS ",\"Permitted\":" CAPS "},"
		   "\"Env\":[\"PATH=/bin\",\"CMOCKA_MESSAGE_OUTPUT=TAP\",\"ASAN_OPTIONS=detect_leaks=1\"]",
	.mounts = ",{\"destination\":\"/sys/fs/cgroup\",\"type\":\"bind\",\"source\":\"/sys/fs/cgroup\","
		  "\"options\":[\"rbind\"]}",
	.linux = ",\"Namespaces\":[{\"Type\":\"ipc\"},{\"Type\":\"uts\"},{\"Type\":\"mount\"},"
		 "{\"Type\":\"cgroup\",\"Path\":\"/proc/1/ns/cgroup\"}]",
};

/* Each of the names (NULL-terminated) must have run and passed. only: the program's cases to run. */
static void run_inside(const char *program, const char *only, const char *const *names)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = privileged;
	char args[256];

	if (rig_is_foreign()) { /* they are programs of this machine */
		skip();
		return;
	}
	snprintf(args, sizeof(args), "[\"sh\",\"-c\",\"cd / && MOTE_ONLY='%s' tests/ns/%s 2>&1; exit $?\"]",
		 only, program);
	what.args = args;
	assert_done(r, rig_run(r, id, &what));
	assert_true(rig_read(r, "ReadStdout", id, id) >= 0);
	for (size_t i = 0; names[i]; i++) {
		const char *at = strstr(r->reply, names[i]);

		/* "ok 3 - NAME"; cmocka says "not ok" of what failed or was skipped */
		while (at && at > r->reply && at[-1] != '\n')
			at--;
		if (!at || strncmp(at, "ok ", 3) != 0)
			fail_msg("%s did not pass in the guest:\n%s", names[i], r->reply);
	}
	if (strstr(r->reply, "not ok"))
		fail_msg("%s", r->reply);
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
}

static void control_groups_v2(void **state)
{
	static const char *const names[] = { "test_v2", "test_v2_limits", "test_join_on_old_kernels",
					     "test_freeze", NULL };

	(void)state;
	run_inside("test_cgroup", "*", names);
}

static void control_groups_v1(void **state)
{
	static const char *const names[] = { "test_v1", "test_v1_limits", NULL };

	(void)state;
	run_inside("test_cgroup", "*", names);
}

static void container_groups(void **state)
{
	static const char *const names[] = { "limits_are_set",
					     "limit_without_file",
					     "config_json_limits",
					     "names_unknown_to_the_kernel",
					     "usage_is_checked",
					     "devices_are_denied",
					     "devices_are_allowed",
					     "devices_change",
					     "pause_and_resume",
					     "pause_before_the_start",
					     "pause_too_late",
					     "kill_paused",
					     "signal_paused",
					     "remove_while_pausing",
					     "counters",
					     "counters_of_one_that_goes",
					     "out_of_memory",
					     "own_groups",
					     NULL };

	(void)state;
	run_inside("test_container_cgroup", "*", names);
}

const char *const cases_inside_programs[] = { "test_cgroup", "test_container_cgroup", NULL };

const struct CMUnitTest cases_inside_v2[] = {
	cmocka_unit_test(control_groups_v2),
	cmocka_unit_test(container_groups),
	{ 0 },
};

const struct CMUnitTest cases_inside_v1[] = {
	cmocka_unit_test(control_groups_v1),
	cmocka_unit_test(container_groups),
	{ 0 },
};
