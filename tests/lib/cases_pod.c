/* SPDX-License-Identifier: Apache-2.0 */
/* What the containers of a pod share: processes, mounts, the guest's hooks. */
#include "lib/cases.h"

#define KIND(kind) ",\"Annotations\":{\"io.katacontainers.pkg.oci.container_type\":\"" kind "\"}"
#define NAME(name) ",\"Annotations\":{\"io.kubernetes.cri.container-name\":\"" name "\"}"
#define ALL_CAPS                                                                        \
	",\"Capabilities\":{\"Bounding\":[\"CAP_SYS_PTRACE\",\"CAP_DAC_READ_SEARCH\"]," \
	"\"Effective\":[\"CAP_SYS_PTRACE\",\"CAP_DAC_READ_SEARCH\"],\"Permitted\":["    \
	"\"CAP_SYS_PTRACE\",\"CAP_DAC_READ_SEARCH\"]}"

#define SHARE_PID ",\"sandbox_pidns\":true"

/* Runs it to its end; the output is in r->reply. */
static int output(struct rig *r, const char *id, const struct rig_container *what)
{
	static char text[sizeof(r->reply)];
	int status;

	assert_done(r, rig_run(r, id, what));
	assert_true(rig_read(r, "ReadStdout", id, id) >= 0);
	memcpy(text, r->reply, sizeof(text));
	status = rig_wait(r, id, "");
	assert_done(r, rig_remove(r, id));
	memcpy(r->reply, text, sizeof(text));
	return status;
}

/* With a pause container the pod's process namespace is that one's. */
static void pause_container(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container first = { .args = "[\"sleep\",\"1000\"]",
				       .spec = KIND("pod_sandbox"),
				       .request = SHARE_PID };
	struct rig_container second = { .args = "[\"sh\",\"-c\",\"echo $$; cat /proc/1/comm\"]",
					.spec = KIND("pod_container"),
					.request = SHARE_PID };

	(void)state;
	assert_done(r, rig_run(r, "pause", &first));
	assert_int_equal(output(r, "pod-app", &second), 0);
	assert_output(r, "\nsleep\n");
	assert_true(strncmp(r->reply, "1\n", 2) != 0);
	assert_done(r, rig_call(r, "SignalProcess", "{\"container_id\":\"pause\",\"signal\":9}"));
	assert_int_equal(rig_wait(r, "pause", ""), 137);
	assert_rc(r, rig_create(r, "pod-late", &second), RC_FAILED_PRECONDITION,
		  "container pause, whose process namespace the pod shares, has ended");
	assert_done(r, rig_remove(r, "pause"));
}

/* Without one a process of the agent's own holds it: containers come and go. */
static void no_pause_container(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container app = { .args = "[\"sleep\",\"1000\"]",
				     .spec = KIND("pod_container"),
				     .request = SHARE_PID };
	struct rig_container look = {
		.args = "[\"sh\",\"-c\",\"cat /proc/1/comm; ps | grep -c '[s]leep 1000'\"]",
		.spec = KIND("pod_container"),
		.request = SHARE_PID,
	};

	(void)state;
	assert_done(r, rig_run(r, "pod-a", &app));
	assert_int_equal(output(r, "pod-b", &look), 0);
	assert_string_equal(r->reply, "mote-pause\n1\n");
	assert_done(r, rig_remove(r, "pod-a"));
	assert_done(r, rig_run(r, "pod-c", &app));
	assert_done(r, rig_exec(r, "pod-c", "e", "cat /proc/1/comm"));
	assert_true(rig_read(r, "ReadStdout", "pod-c", "e") > 0);
	assert_string_equal(r->reply, "mote-pause\n");
	assert_done(r, rig_remove(r, "pod-c"));
}

/* Nothing of the agent can be seen through it, with whatever rights; and nobody gets at it without.
 */
static void pause_gives_nothing_away(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"ls /proc/1/fd | wc -l; ls -A /proc/1/root/ | wc -l; "
			"tr '\\\\0' ' ' </proc/1/environ | wc -c; grep CapEff /proc/1/status; "
			"grep -c heap /proc/1/maps; tr '\\\\0' '.' </proc/1/cmdline\"]",
		.process = ALL_CAPS,
		.spec = KIND("pod_container"),
		.request = SHARE_PID,
	};

	(void)state;
	assert_int_equal(output(r, "pod-d", &what), 0);
	assert_output(r, "0\n0\n0\nCapEff:\t0000000000000000\n");
	assert_output(r, "mote-pause.");
	what.process = NULL;
	what.args = "[\"sh\",\"-c\",\"ls /proc/1/fd; ls -d /proc/1/root/; cat /proc/1/environ\"]";
	assert_int_equal(output(r, "pod-e", &what), 1);
	assert_string_equal(r->reply, "");
}

/* Orphans become its children, and are reaped. */
static void orphans_are_reaped(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"(sh -c 'until grep -q ^PPid:.1$ /proc/$$/status; do :; done; "
			"echo $$ >/tmp/orphan; echo' &); read x\"]",
		.spec = KIND("pod_container"),
		.request = SHARE_PID,
	};

	(void)state;
	assert_done(r, rig_run(r, "pod-f", &what));
	assert_done(r, rig_call(r, "ReadStdout", "{\"container_id\":\"pod-f\",\"len\":100}"));
	assert_done(r, rig_exec(r, "pod-f", "e",
				"read o </tmp/orphan; while [ -e /proc/$o ]; do :; done; echo ok"));
	assert_true(rig_read(r, "ReadStdout", "pod-f", "e") > 0);
	assert_string_equal(r->reply, "ok\n");
	assert_done(r, rig_remove(r, "pod-f"));
}

#define SHARED(from, path, to, at)                                                               \
	"{\"name\":\"vol\",\"src_ctr\":\"" from "\",\"src_path\":\"" path "\",\"dst_ctr\":\"" to \
	"\",\"dst_path\":\"" at "\"}"

/* A mount of one container appears in another, and what is written there in both. */
static void shared_mounts(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container from = {
		.args = "[\"sh\",\"-c\",\"echo one >/vol/a; ln -s /etc/passwd /vol/link; read x\"]",
		.spec = NAME("first"),
		.mounts = ",{\"destination\":\"/vol\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}",
	};
	struct rig_container to = {
		.args = "[\"sh\",\"-c\",\"cat /deep/er/a; echo two >/deep/er/b; ls /other 2>&1\"]",
		.spec = NAME("second"),
		.request = ",\"shared_mounts\":[" SHARED(
			"first", "/vol", "second",
			"/deep/er") "," SHARED("nobody", "/vol", "second",
					       "/other") "," SHARED("first", "/vol", "third",
								    "/other") "]",
	};

	(void)state;
	assert_done(r, rig_run(r, "sh-a", &from));
	assert_done(r, rig_exec(r, "sh-a", "w", "while ! [ -L /vol/link ]; do :; done"));
	assert_int_equal(rig_wait(r, "sh-a", "w"), 0);
	assert_int_equal(output(r, "sh-b", &to), 1);
	assert_string_equal(r->reply, "one\nls: /other: No such file or directory\n");
	assert_done(r, rig_exec(r, "sh-a", "e", "cat /vol/b"));
	assert_true(rig_read(r, "ReadStdout", "sh-a", "e") > 0);
	assert_string_equal(r->reply, "two\n");

	/* where it may not be */
	to.request = ",\"shared_mounts\":[" SHARED("first", "/vol", "second", "/proc/sys") "]";
	assert_rc(r, rig_create(r, "sh-c", &to), RC_PERMISSION_DENIED,
		  "shared_mounts (vol): mount on /proc/sys");
	assert_rc(r, rig_remove(r, "sh-c"), RC_NOT_FOUND, "sh-c");
	assert_done(r, rig_remove(r, "sh-a"));
}

const struct CMUnitTest cases_pod[] = {
	cmocka_unit_test(pause_container),
	cmocka_unit_test(no_pause_container),
	cmocka_unit_test(pause_gives_nothing_away),
	cmocka_unit_test(orphans_are_reaped),
	cmocka_unit_test(shared_mounts),
	{ 0 },
};
