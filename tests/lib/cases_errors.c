/* SPDX-License-Identifier: Apache-2.0 */
/* An error tells what and where, with the code that hosts know; and nothing is left of what failed.
 */
#include "lib/cases.h"

#include "agent.pb-c.h"
#include "base/clock.h"

#define LIMIT_MS 60000 /* against hangs only */

static void create_fails(struct rig *r, const struct rig_container *what, int code,
			 const char *part)
{
	const char *id = rig_id(r);

	assert_rc(r, rig_create(r, id, what), code, part);
	assert_rc(r, rig_call(r, "StartContainer", "{\"container_id\":\"%s\"}", id), RC_NOT_FOUND,
		  id);
}

static void missing_command(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = { .args = "[\"no-such-command\"]" };
	const char *id;

	(void)state;
	create_fails(r, &what, RC_NOT_FOUND, "no-such-command");
	what.args = "[\"/bin/none\"]";
	create_fails(r, &what, RC_NOT_FOUND, "/bin/none");
	what.args = "[\"/bin/plain\"]";
	create_fails(r, &what, RC_PERMISSION_DENIED, "/bin/plain");
	what.args = "[]";
	create_fails(r, &what, RC_INVALID_ARGUMENT, "rgs");

	id = rig_id(r);
	what.args = "[\"sleep\",\"100\"]";
	assert_done(r, rig_run(r, id, &what));
	assert_rc(
		r,
		rig_call(
			r, "ExecProcess",
			"{\"container_id\":\"%s\",\"exec_id\":\"e\",\"process\":{\"Args\":[\"gone\"],\"Cwd\":\"/\"}}",
			id),
		RC_NOT_FOUND, "gone");
	assert_rc(r, rig_call(r, "ExecProcess", "{\"container_id\":\"%s\",\"exec_id\":\"e\"}", id),
		  RC_INVALID_ARGUMENT, "process");
	assert_done(r, rig_remove(r, id));
}

static void missing_rootfs(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = { .root = "/run/kata-containers/shared/containers/nowhere" };

	(void)state;
	create_fails(r, &what, RC_NOT_FOUND, "nowhere");
	what.root = "relative/path";
	create_fails(r, &what, RC_INVALID_ARGUMENT, "root.path");
}

static void bad_storages(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = {
		.storages = ",{\"driver\":\"magic\",\"mount_point\":\"/run/kata-containers/x\"}"
	};

	(void)state;
	create_fails(r, &what, RC_INVALID_ARGUMENT, "magic");
	what.storages =
		",{\"driver\":\"ephemeral\",\"fstype\":\"tmpfs\",\"source\":\"t\",\"mount_point\":\"/proc/x\"}";
	create_fails(r, &what, RC_INVALID_ARGUMENT, "/proc/x");
	what.storages =
		",{\"driver\":\"blk\",\"fstype\":\"ext4\",\"source\":\"zz/2\",\"mount_point\":\"/run/kata-containers/x\"}";
	create_fails(r, &what, RC_INVALID_ARGUMENT, "zz");
	what.storages =
		",{\"driver\":\"ephemeral\",\"fstype\":\"no-such-fs\",\"source\":\"t\",\"mount_point\":\"/run/kata-containers/x\"}";
	create_fails(r, &what, RC_INVALID_ARGUMENT, "no-such-fs");
}

/* What hosts of confidential guests send: told what is missing, at once, and nothing else is done. */
static void confidential_storages(void **state)
{
	struct rig *r = cases_rig;
	struct rig_container what = {
		.storages =
			",{\"driver\":\"image_guest_pull\",\"source\":\"quay.io/image\",\"fstype\":\"overlay\","
			"\"mount_point\":\"/run/kata-containers/x\"}"
	};

	(void)state;
	create_fails(r, &what, RC_UNIMPLEMENTED,
		     "storage driver \"image_guest_pull\": needs a confidential data hub");
	what.storages =
		",{\"driver\":\"blk\",\"fstype\":\"ext4\",\"source\":\"1e\",\"mount_point\":\"/run/kata-containers/x\","
		"\"driver_options\":[\"create_filesystem\",\"encryption_key=ephemeral\"]}";
	create_fails(r, &what, RC_UNIMPLEMENTED, "encryption_key: needs a confidential data hub");
	what.storages =
		",{\"driver\":\"blk\",\"fstype\":\"erofs\",\"source\":\"1e\",\"mount_point\":\"/run/kata-containers/x\","
		"\"options\":[\"X-kata.multi-layer=true\"],\"driver_options\":[\"encryption_key=ephemeral\"]}";
	create_fails(r, &what, RC_UNIMPLEMENTED, "encryption_key: needs a confidential data hub");
}

/* A device that never comes: the text names it, and other calls are answered meanwhile. */
static void device_never_comes(void **state)
{
	struct rig *r = cases_rig;
	static struct rig_pending p;
	struct rig_container what = {
		.storages =
			",{\"driver\":\"blk\",\"fstype\":\"ext4\",\"source\":\"1f/1e\",\"mount_point\":\"/run/kata-containers/x\"}",
	};

	(void)state;
	rig_send(
		r, r->client, 20000, &p, "CreateContainer",
		"{\"container_id\":\"dev\",\"OCI\":{\"Root\":{\"Path\":\"/x\"},\"Linux\":{},\"Process\":{\"Args\":[\"x\"],\"Cwd\":\"/\",\"Capabilities\":{}}},"
		"\"storages\":[%s]}",
		what.storages + 1);
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	assert_false(p.done);
	r->err.rc = (uint16_t)rig_await(r, &p);
	r->err = p.err;
	assert_rc(r, p.err.rc, RC_DEADLINE_EXCEEDED, "1f/1e");
}

static void bad_spec(void **state)
{
	static const struct {
		struct rig_container what;
		const char *part;
	} bad[] = {
		{ { .linux = ",\"Namespaces\":[{\"Type\":\"magic\"}]" }, "magic" },
		{ { .process = ",\"Capabilities\":{\"Bounding\":[\"CAP_NONE_SUCH\"]}" },
		  "CAP_NONE_SUCH" },
		{ { .process = ",\"Rlimits\":[{\"Type\":\"RLIMIT_X\"}]" }, "RLIMIT_X" },
		{ { .linux = ",\"Sysctl\":{\"kernel.panic\":\"1\"}" }, "kernel.panic" },
		{ { .linux = ",\"Devices\":[{\"Path\":\"/dev/x\",\"Type\":\"q\"}]" },
		  "linux.devices[0].type" },
		{ { .mounts =
			    ",{\"destination\":\"up/../..\",\"type\":\"tmpfs\",\"source\":\"t\"}" },
		  "destination" },
		{ { .process = ",\"Cwd\":\"not/absolute\"" }, "wd" },
		{ { .linux = ",\"CgroupsPath\":\"/../x\"" }, "group" },
	};
	struct rig *r = cases_rig;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		create_fails(r, &bad[i].what, RC_INVALID_ARGUMENT, bad[i].part);
	assert_rc(r, rig_call(r, "CreateContainer", "{\"container_id\":\"x1\"}"),
		  RC_INVALID_ARGUMENT, "OCI");
	assert_rc(r, rig_call(r, "CreateContainer", "{\"container_id\":\"../x\"}"),
		  RC_INVALID_ARGUMENT, "id");
	assert_rc(r, rig_call(r, "CreateContainer", "{}"), RC_INVALID_ARGUMENT, "id");
}

/* Nothing may be put over what the kernel says of itself. */
static void mount_over_proc(void **state)
{
	struct rig_container what = {
		.mounts =
			",{\"destination\":\"/proc/sys\",\"type\":\"bind\",\"source\":\"/tmp\",\"options\":[\"rbind\"]}",
	};

	(void)state;
	create_fails(cases_rig, &what, RC_PERMISSION_DENIED, "/proc/sys");
}

static void unknown_container(void **state)
{
	static const char *const process_calls[] = { "WaitProcess", "ReadStdout",   "ReadStderr",
						     "CloseStdin",  "TtyWinResize", "WriteStdin" };
	struct rig *r = cases_rig;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(process_calls); i++)
		assert_rc(r,
			  rig_call(r, process_calls[i],
				   "{\"container_id\":\"nobody\",\"exec_id\":\"e\"}"),
			  RC_INVALID_ARGUMENT, "InvalidContainerId");
	assert_rc(r,
		  rig_call(r, "SignalProcess",
			   "{\"container_id\":\"nobody\",\"exec_id\":\"e\",\"signal\":15}"),
		  RC_INVALID_ARGUMENT, "InvalidContainerId");
	assert_rc(r, rig_call(r, "SignalProcess", "{\"container_id\":\"nobody\",\"signal\":9}"),
		  RC_NOT_FOUND, "nobody");
	assert_rc(r, rig_call(r, "StartContainer", "{\"container_id\":\"nobody\"}"), RC_NOT_FOUND,
		  "nobody");
	assert_rc(r, rig_call(r, "RemoveContainer", "{\"container_id\":\"nobody\"}"), RC_NOT_FOUND,
		  "nobody");
	assert_rc(r, rig_exec(r, "nobody", "e", "true"), RC_NOT_FOUND, "nobody");
}

/* What is not there yet says so, from one list; all of it is asked. */
static void unimplemented(void **state)
{
	static const char *const missing[] = {
		"SetPolicy",
	};
	struct rig *r = cases_rig;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(missing); i++)
		assert_rc(r, rig_call(r, missing[i], "{}"), RC_UNIMPLEMENTED, missing[i]);
}

#define CONDITION(index, op) "{\"Index\":" #index ",\"Value\":\"0\",\"Op\":\"SCMP_CMP_" #op "\"}"
#define CALLS(action, args) "{\"Names\":[\"mmap\"],\"Action\":\"SCMP_ACT_" action "\",\"Args\":[" args "]}"

/* libseccomp (2.5, 2.6) never comes back from these two rules: that is the create's time, and nobody
 * else's. */
static void a_filter_without_end(void **state)
{
	static struct rig_pending p;
	struct rig_container what = {
		.linux = ",\"Seccomp\":{\"DefaultAction\":\"SCMP_ACT_ALLOW\",\"Syscalls\":["
			 CALLS("KILL", CONDITION(3, LT) "," CONDITION(0, NE)) ","
			 CALLS("ERRNO", CONDITION(3, NE) "," CONDITION(0, NE)) "]}",
	};
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	uint64_t end = clock_after(LIMIT_MS);
	int rc;

	(void)state;
	rig_send_create(r, r->client, 2000, &p, rig_id(r), &what);
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	assert_int_equal(rig_await(r, &p), RC_DEADLINE_EXCEEDED);
	assert_create_is_late(r, id, &what, 2000, "not set up in time");
	/* a process that was killed need not be gone when the host hears of the deadline */
	what.linux = NULL;
	do
		rc = rig_run(r, id, &what);
	while (rc == RC_ALREADY_EXISTS && clock_ms() < end);
	assert_done(r, rc);
	assert_done(r, rig_remove(r, id));
}

/* A part that is off by the command line. */
static void disabled(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_rc(r, rig_call(r, "MemAgentMemcgSet", "{\"disabled\":true}"), RC_INTERNAL, "mem-agent is disabled");
	assert_rc(r, rig_call(r, "MemAgentCompactSet", "{}"), RC_INTERNAL, "mem-agent is disabled");
}

const struct CMUnitTest cases_errors[] = {
	cmocka_unit_test(missing_command),
	cmocka_unit_test(missing_rootfs),
	cmocka_unit_test(bad_storages),
	cmocka_unit_test(confidential_storages),
	cmocka_unit_test(device_never_comes),
	cmocka_unit_test(bad_spec),
	cmocka_unit_test(mount_over_proc),
	cmocka_unit_test(unknown_container),
	cmocka_unit_test(unimplemented),
	cmocka_unit_test(a_filter_without_end),
	cmocka_unit_test(disabled),
	{ 0 },
};
