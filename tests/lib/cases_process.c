/* SPDX-License-Identifier: Apache-2.0 */
/* What a container's process finds: its root, devices, identity, limits, and nothing of the
 * agent's. */
#include <sys/resource.h>

#include "lib/cases.h"

/* The output of one command line in a container made for it. */
static void shell(const char *script, const struct rig_container *more, int status)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = *more;
	static char args[4096];
	static char output[sizeof(r->reply)];

	snprintf(args, sizeof(args), "[\"/bin/sh\",\"-c\",\"%s\"]", script);
	what.args = args;
	assert_done(r, rig_run(r, id, &what));
	assert_true(rig_read(r, "ReadStdout", id, id) >= 0);
	memcpy(output, r->reply, r->reply_len + 1);
	assert_int_equal(rig_wait(r, id, ""), status);
	assert_done(r, rig_remove(r, id));
	memcpy(r->reply, output, sizeof(output));
}

static const struct rig_container usual;

static void is_pid_1(void **state)
{
	(void)state;
	shell("echo $$; ls /proc | grep -c '^[0-9]'", &usual, 0);
	assert_true(str_starts(cases_rig->reply, "1\n"));
}

/* Only 0, 1, 2, and the one that ls itself opens. */
static void no_descriptors(void **state)
{
	(void)state;
	shell("ls /proc/self/fd | tr '\\\\n' ' '", &usual, 0);
	assert_string_equal(cases_rig->reply, "0 1 2 3 ");
}

static void identity(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = { 0 };
	const char *id;

	(void)state;
	id = rig_id(r);
	what.args =
		"[\"sh\",\"-c\",\"id -u; id -g; id -G; umask; grep Cap /proc/self/status; pwd; echo $HOME\"]";
	what.process =
		",\"User\":{\"UID\":1000,\"GID\":1000,\"AdditionalGids\":[4,5]},\"Cwd\":\"/tmp/made/deep\",\"NoNewPrivileges\":true";
	assert_done(r, rig_run(r, id, &what));
	assert_true(rig_read(r, "ReadStdout", id, id) > 0);
	assert_output(r, "1000\n1000\n1000 4 5\n0022\n");
	assert_output(r, "CapEff:\t0000000000000000");
	assert_output(r, "/tmp/made/deep\n/home/user\n");
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
}

static void capabilities(void **state)
{
	(void)state;
	shell("grep -E 'CapEff|CapBnd|CapPrm|CapInh|CapAmb|NoNewPrivs' /proc/self/status", &usual,
	      0);
	assert_output(cases_rig, "CapEff:\t00000000a80425fb");
	assert_output(cases_rig, "CapBnd:\t00000000a80425fb");
	assert_output(cases_rig, "CapInh:\t0000000000000000");
	assert_output(cases_rig, "CapAmb:\t0000000000000000");
}

static void limits(void **state)
{
	struct rig_container what = {
		.process =
			",\"Rlimits\":[{\"Type\":\"RLIMIT_NOFILE\",\"Soft\":\"64\",\"Hard\":\"128\"}],\"OOMScoreAdj\":\"77\""
	};

	(void)state;
	shell("ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj", &what, 0);
	assert_string_equal(cases_rig->reply, "64\n128\n77\n");
}

/* The agent may hold many descriptors; what it runs gets the limits that the agent was given. */
static void limits_of_the_agent_are_its_own(void **state)
{
	struct rig_container what = {
		.mounts =
			",{\"destination\":\"/guest\",\"type\":\"bind\",\"source\":\"/proc\",\"options\":[\"rbind\",\"ro\"]}"
	};
	/* the kernel's own start for PID 1 */
	struct rlimit given = { .rlim_cur = 1024, .rlim_max = 4096 };
	char expect[64];

	(void)state;
	if (cases_rig->kind == RIG_NAMESPACES)
		assert_int_equal(getrlimit(RLIMIT_NOFILE, &given), 0);
	snprintf(expect, sizeof(expect), "%llu\n%llu\n", (unsigned long long)given.rlim_cur,
		 (unsigned long long)given.rlim_max);
	shell("ulimit -Sn; ulimit -Hn", &usual, 0);
	assert_string_equal(cases_rig->reply, expect);
	shell("grep 'open files' /guest/1/limits", &what, 0);
	if (cases_rig->kind == RIG_VM)
		assert_output(cases_rig, "262144");
}

static void devices(void **state)
{
	(void)state;
	shell("for d in null zero full random urandom tty; do stat -c '%n %t:%T %a %F' /dev/$d; done; "
	      "for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done; echo x >/dev/null; head -c 2 /dev/zero | wc -c",
	      &usual, 0);
	assert_output(cases_rig, "/dev/null 1:3 666 character special file");
	assert_output(cases_rig, "/dev/zero 1:5 666");
	assert_output(cases_rig, "/dev/tty 5:0 666");
	assert_output(
		cases_rig,
		"/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n");
	assert_output(cases_rig, "\n2\n");
}

static void masked_and_readonly(void **state)
{
	(void)state;
	shell("cat /proc/kcore /proc/keys 2>/dev/null | wc -c; ls /sys/firmware | wc -l; echo 1 >/proc/sys/kernel/core_pattern || echo refused; "
	      "echo b >/proc/sysrq-trigger || echo refused; mkdir /sys/x || echo refused",
	      &usual, 0);
	assert_string_equal(cases_rig->reply, "0\n0\nrefused\nrefused\nrefused\n");
}

static void readonly_root(void **state)
{
	struct rig_container what = { .readonly = true };

	(void)state;
	shell("touch /x || echo refused; touch /dev/shm/x && echo fine", &what, 0);
	assert_string_equal(cases_rig->reply, "refused\nfine\n");
}

/* Nothing of the guest can be seen from inside: one mount for each that the spec wants. */
static void own_mounts(void **state)
{
	(void)state;
	shell("grep -c . /proc/self/mountinfo; grep -E ' /(run|old|host|tmp) ' /proc/self/mountinfo; ls / | tr '\\\\n' ' '",
	      &usual, 0);
	assert_output(cases_rig, "bin dev etc home proc root sys tmp ");
	assert_null(strstr(cases_rig->reply, "kata"));
}

static void environment(void **state)
{
	struct rig_container what = { .process =
					      ",\"Env\":[\"PATH=/bin\",\"A=one two\",\"EMPTY=\"]" };

	(void)state;
	shell("env | grep -v -E '^(SHLVL|PWD|_)=' | sort", &what, 0);
	assert_string_equal(cases_rig->reply, "A=one two\nEMPTY=\nHOME=/root\nPATH=/bin\n");
}

/* Each of the five sets is its own; what is ambient stays for another user than root. */
static void five_sets(void **state)
{
	struct rig_container what = {
		.process =
			",\"User\":{\"UID\":1000,\"GID\":1000},\"Capabilities\":{\"Bounding\":[\"CAP_CHOWN\",\"NET_BIND_SERVICE\"],"
			"\"Inheritable\":[\"CAP_NET_BIND_SERVICE\"],\"Permitted\":[\"CAP_NET_BIND_SERVICE\"],"
			"\"Effective\":[\"CAP_NET_BIND_SERVICE\"],\"Ambient\":[\"CAP_NET_BIND_SERVICE\"]}"
	};

	(void)state;
	shell("grep ^Cap /proc/self/status", &what, 0);
	assert_output(cases_rig, "CapInh:\t0000000000000400\nCapPrm:\t0000000000000400\n"
				 "CapEff:\t0000000000000400\nCapBnd:\t0000000000000401\n"
				 "CapAmb:\t0000000000000400\n");
}

/* One host says errnoret 0 for every rule that has none: the call is refused all the same. */
static void refused_is_not_done(void **state)
{
	struct rig_container what = {
		.linux =
			",\"Seccomp\":{\"DefaultAction\":\"SCMP_ACT_ALLOW\",\"Syscalls\":[{\"Names\":[\"mkdir\",\"mkdirat\"],"
			"\"Action\":\"SCMP_ACT_ERRNO\",\"errnoret\":0}]}"
	};

	(void)state;
	shell("mkdir /tmp/refused 2>&1 || echo refused", &what, 0);
	assert_output(cases_rig, "Operation not permitted\nrefused\n");
}

/* Hosts send the name of a profile of their own kernel. */
static void profile_of_the_host(void **state)
{
	struct rig_container what = {
		.process = ",\"ApparmorProfile\":\"unconfined\""
	};

	(void)state;
	shell("echo fine", &what, 0);
	assert_string_equal(cases_rig->reply, "fine\n");
	what.process = ",\"ApparmorProfile\":\"cri-containerd.apparmor.d\"";
	if (access("/sys/module/apparmor", F_OK) == 0)	/* this kernel has no such profile */
		return;
	shell("echo fine", &what, 0);
	assert_string_equal(cases_rig->reply, "fine\n");
}

/* A command that is not there or cannot run is told at once, with the reason. */
static void no_such_command(void **state)
{
	static const struct { const char *args, *text; int rc; } rows[] = {
		{ "[\"nosuch\"]", "the file nosuch was not found: No such file or directory (ENOENT)",
		  RC_NOT_FOUND },
		{ "[\"/bin/busybox/x\"]", "the file /bin/busybox/x was not found: Not a directory "
		  "(ENOTDIR)", RC_NOT_FOUND },
		{ "[\"/bin/plain\"]", "the file /bin/plain is not executable: Permission denied "
		  "(EACCES)", RC_PERMISSION_DENIED },
		{ "[\"/tmp\"]", "the file /tmp is not executable: Permission denied (EACCES)",
		  RC_PERMISSION_DENIED },
		{ "[]", "process.args: no command", RC_INVALID_ARGUMENT },
	};
	struct rig *r = cases_rig;
	const char *id = rig_id(r);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct rig_container what = { .args = rows[i].args };

		assert_rc(r, rig_create(r, rig_id(r), &what), rows[i].rc, rows[i].text);
	}
	assert_done(r, rig_run(r, id, &(struct rig_container){ .args = "[\"sleep\",\"1000\"]" }));
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_rc(r, rig_call(r, "ExecProcess",
				      "{\"container_id\":\"%s\",\"exec_id\":\"e%zu\",\"process\":"
				      "{\"Args\":%s,\"Env\":[\"PATH=/bin\"],\"Cwd\":\"/\"}}",
				      id, i, rows[i].args), rows[i].rc, rows[i].text);
	assert_done(r, rig_remove(r, id));
}

/* A program whose loader is missing is found out by execve itself. */
static void no_such_loader(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);

	(void)state;
	assert_done(r, rig_run(r, id, &(struct rig_container){ .args = "[\"sleep\",\"1000\"]" }));
	assert_rc(r, rig_call(r, "ExecProcess",
			      "{\"container_id\":\"%s\",\"exec_id\":\"e\",\"process\":{\"Args\":"
			      "[\"/bin/badloader\"],\"Cwd\":\"/\"}}", id),
		  RC_NOT_FOUND, "exec /bin/badloader: No such file or directory (ENOENT)");
	assert_done(r, rig_remove(r, id));
}

/* What is wrong with a spec is told by its field, before anything is made. */
static void wrong_fields(void **state)
{
	static const struct { struct rig_container what; const char *text; int rc; } rows[] = {
		{ { .process = ",\"Rlimits\":[{\"Type\":\"RLIMIT_CPU\",\"Hard\":1,\"Soft\":1},"
		    "{\"Type\":\"RLIMIT_CPU\",\"Hard\":2,\"Soft\":2}]" },
		  "process.rlimits[1]: a second RLIMIT_CPU", RC_INVALID_ARGUMENT },
		{ { .process = ",\"Env\":[\"PATH=/bin\",\"ODD\"]" },
		  "process.env[1]: not NAME=value", RC_INVALID_ARGUMENT },
		{ { .linux = ",\"RootfsPropagation\":\"both\"" },
		  "linux.rootfsPropagation: unknown \"both\"", RC_INVALID_ARGUMENT },
		{ { .linux = ",\"Seccomp\":{\"DefaultAction\":\"SCMP_ACT_NONE\"}" },
		  "linux.seccomp.defaultAction: unknown \"SCMP_ACT_NONE\"", RC_INVALID_ARGUMENT },
		{ { .linux = ",\"IntelRdt\":{\"L3CacheSchema\":\"L3:0=f\"}" },
		  "linux.intelRdt: a guest has no resctrl", RC_UNIMPLEMENTED },
		{ { .linux = ",\"MountLabel\":\"x\"" }, "linux.mountLabel: not an SELinux context",
		  RC_INVALID_ARGUMENT },
	};
	struct rig *r = cases_rig;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_rc(r, rig_create(r, rig_id(r), &rows[i].what), rows[i].rc, rows[i].text);
}

/* Signals start out as a shell would want them: nothing blocked, nothing ignored. */
static void signal_state(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = {
		.args = "[\"grep\",\"-E\",\"SigBlk|SigIgn\",\"/proc/self/status\"]"
	};

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_true(rig_read(r, "ReadStdout", id, id) > 0);
	assert_string_equal(r->reply, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
}

const struct CMUnitTest cases_process[] = {
	cmocka_unit_test(is_pid_1),
	cmocka_unit_test(no_descriptors),
	cmocka_unit_test(identity),
	cmocka_unit_test(capabilities),
	cmocka_unit_test(limits),
	cmocka_unit_test(limits_of_the_agent_are_its_own),
	cmocka_unit_test(devices),
	cmocka_unit_test(masked_and_readonly),
	cmocka_unit_test(readonly_root),
	cmocka_unit_test(own_mounts),
	cmocka_unit_test(environment),
	cmocka_unit_test(signal_state),
	cmocka_unit_test(five_sets),
	cmocka_unit_test(refused_is_not_done),
	cmocka_unit_test(profile_of_the_host),
	cmocka_unit_test(no_such_command),
	cmocka_unit_test(no_such_loader),
	cmocka_unit_test(wrong_fields),
	{ 0 },
};
