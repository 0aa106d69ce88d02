/* SPDX-License-Identifier: Apache-2.0 */
/* runtime.md (lifecycle, operations) and config.md's hooks. */
#include "lib/conformance.h"

#define STATE "runtime.md: State"
#define LIFE  "runtime.md: Lifecycle"
#define OPS   "runtime.md: Operations"
#define HOOKS "config.md: Hooks"

#define LOG "/run/hooks"

static const struct rig_container usual;

/* --- operations -------------------------------------------------------------------------------- */

static void id_is_unique(struct rig *r)
{
	struct rig_container what = { .args = "[\"cat\"]" };
	const char *id = rig_id(r);

	assert_done(r, rig_run(r, id, &what));
	assert_rc(r, rig_create(r, id, &usual), RC_ALREADY_EXISTS, id);
	assert_done(r, rig_exec(r, id, "still", "exit 5"));
	assert_int_equal(rig_wait(r, id, "still"), 5);
	assert_done(r, rig_remove(r, id));
}

static void waits_for_start(struct rig *r)
{
	struct rig_container what = { .args = "[\"echo\",\"ran\"]" };
	static struct rig_pending p;
	const char *id = rig_id(r);

	assert_done(r, rig_create(r, id, &what));
	rig_send(r, r->client, 0, &p, "ReadStdout", "{\"container_id\":\"%s\",\"len\":100}", id);
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	assert_false(p.done);
	assert_done(r, rig_call(r, "StartContainer", "{\"container_id\":\"%s\"}", id));
	assert_done(r, rig_await(r, &p));
	assert_int_equal(rig_wait(r, id, id), 0);
	assert_done(r, rig_remove(r, id));
}

static void starts_once(struct rig *r)
{
	struct rig_container what = { .args = "[\"cat\"]" };
	const char *id = rig_id(r);

	assert_done(r, rig_run(r, id, &what));
	assert_rc(r, rig_call(r, "StartContainer", "{\"container_id\":\"%s\"}", id),
		  RC_FAILED_PRECONDITION, id);
	assert_done(r, rig_exec(r, id, "still", "exit 5"));
	assert_int_equal(rig_wait(r, id, "still"), 5);
	assert_done(r, rig_remove(r, id));
}

static void wants_an_id(struct rig *r)
{
	static const char *const methods[] = { "StartContainer", "RemoveContainer", "ExecProcess" };

	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		assert_true(rig_call(r, methods[i], "{}") != RC_OK);
		assert_true(rig_call(r, methods[i], "{\"container_id\":\"nobody\"}") != RC_OK);
	}
}

static void signals_arrive(struct rig *r)
{
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"trap 'echo got it; exit 9' USR1; echo ready; while :; do read x; done\"]" };
	const char *id = rig_id(r);

	assert_done(r, rig_run(r, id, &what));
	assert_done(r, rig_call(r, "ReadStdout", "{\"container_id\":\"%s\",\"len\":6}", id));
	assert_done(r, rig_call(r, "SignalProcess", "{\"container_id\":\"%s\",\"exec_id\":\"%s\",\"signal\":10}", id, id));
	assert_done(r, rig_call(r, "CloseStdin", "{\"container_id\":\"%s\"}", id));
	assert_true(rig_read(r, "ReadStdout", id, id) >= 0);
	assert_string_equal(r->reply, "got it\n");
	assert_int_equal(rig_wait(r, id, id), 9);
	assert_done(r, rig_remove(r, id));
}

static void deletes_what_it_made(struct rig *r)
{
	struct rig_container look = {
		.mounts = ",{\"destination\":\"/guest\",\"type\":\"bind\",\"source\":\"/run/kata-containers\",\"options\":[\"rbind\",\"ro\"]}"
			  ",{\"destination\":\"/groups\",\"type\":\"bind\",\"source\":\"/sys/fs/cgroup\",\"options\":[\"rbind\",\"ro\"]}" };
	struct rig_container what = { .linux = ",\"CgroupsPath\":\"/mote-must/gone\"" };
	const char *id = rig_id(r);
	char script[256];

	assert_done(r, rig_run(r, id, &what));
	assert_done(r, rig_remove(r, id));
	snprintf(script, sizeof(script),
		 "find /guest /groups -maxdepth 3 -name %s -o -maxdepth 3 -name gone; ls /guest/sandbox/storage", id);
	assert_int_equal(conformance_shell(r, &look, script), 0);
	assert_string_equal(r->reply, "rootfs\n");	/* which was there before */
}

/* --- hooks ------------------------------------------------------------------------------------- */

#define GUEST_HOOK(script) "{\"Path\":\"" GUEST_BUSYBOX "\",\"Args\":[\"sh\",\"-c\",\"" script "\"]}"
#define OWN_HOOK(script)   "{\"Path\":\"/bin/busybox\",\"Args\":[\"sh\",\"-c\",\"" script "\"]}"
#define BB		   GUEST_BUSYBOX " "
/* Its state, and whether it is in the guest's mount namespace. */
#define NOTE(name, file)                                                                    \
	"{ echo -n '" name " '; " BB "grep -o 'status[^,]*' ; if [ $(" BB "readlink /proc/self/ns/mnt) = " \
	"$(" BB "readlink /proc/1/ns/mnt) ]; then echo guest; else echo own; fi; } >>" file

static void reset_log(struct rig *r)
{
	struct rig_container what = { .mounts = ",{\"destination\":\"/r\",\"type\":\"bind\",\"source\":\"/run\",\"options\":[\"bind\"]}" };

	assert_int_equal(conformance_shell(r, &what, "rm -f /r/hooks; :>/r/hooks"), 0);
}

static void read_log(struct rig *r)
{
	struct rig_container what = { .mounts = ",{\"destination\":\"/r\",\"type\":\"bind\",\"source\":\"/run\",\"options\":[\"bind\"]}" };

	assert_int_equal(conformance_shell(r, &what, "tr -d '\" ' </r/hooks"), 0);
}

static void hooks_in_order(struct rig *r)
{
	struct rig_container what = {
		.args = "[\"cat\",\"/tmp/log\"]",
		.spec = ",\"Hooks\":{\"Prestart\":[" GUEST_HOOK(NOTE("prestart1", LOG)) "," GUEST_HOOK(NOTE("prestart2", LOG)) "],"
			"\"CreateRuntime\":[" GUEST_HOOK(NOTE("createRuntime", LOG)) "],"
			"\"CreateContainer\":[" GUEST_HOOK(NOTE("createContainer", LOG)) "],"
			"\"StartContainer\":[" OWN_HOOK("{ echo -n 'startContainer '; grep -o 'status[^,]*'; } >/tmp/log") "],"
			"\"Poststart\":[" GUEST_HOOK(NOTE("poststart", LOG)) "],"
			"\"Poststop\":[" GUEST_HOOK(NOTE("poststop", LOG)) "]}",
	};
	const char *id = rig_id(r);

	reset_log(r);
	assert_done(r, rig_create(r, id, &what));
	read_log(r);
	assert_string_equal(r->reply, "prestart1status:creating\nguest\nprestart2status:creating\nguest\n"
				      "createRuntimestatus:creating\nguest\ncreateContainerstatus:creating\nown\n");
	assert_done(r, rig_call(r, "StartContainer", "{\"container_id\":\"%s\"}", id));
	assert_true(rig_read(r, "ReadStdout", id, id) >= 0);
	assert_output(r, "startContainer status\":\"created");
	assert_int_equal(rig_wait(r, id, id), 0);
	assert_done(r, rig_remove(r, id));
	read_log(r);
	assert_output(r, "createContainerstatus:creating\nown\npoststartstatus:running\nguest\n"
			 "poststopstatus:stopped\nguest\n");
}

static void a_hook_that_fails(struct rig *r, const char *name, const char *hook)
{
	struct rig_container what = { 0 };
	const char *id = rig_id(r);
	char spec[1024];

	snprintf(spec, sizeof(spec), ",\"Hooks\":{\"%s\":[%s],\"Poststop\":[%s]}", name, hook,
		 GUEST_HOOK("echo poststop >>" LOG));
	what.spec = spec;
	reset_log(r);
	assert_true(rig_create(r, id, &what) != RC_OK);
	if (!strstr(r->err.msg, "hook"))
		fail_msg("%s", r->err.msg);
	assert_int_equal(rig_call(r, "StartContainer", "{\"container_id\":\"%s\"}", id), RC_NOT_FOUND);
	read_log(r);
	assert_string_equal(r->reply, "poststop\n");
}

static void prestart_fails(struct rig *r)
{
	a_hook_that_fails(r, "Prestart", GUEST_HOOK("exit 3"));
}

static void create_runtime_fails(struct rig *r)
{
	a_hook_that_fails(r, "CreateRuntime", GUEST_HOOK("exit 3"));
}

static void create_container_fails(struct rig *r)
{
	a_hook_that_fails(r, "CreateContainer", GUEST_HOOK("exit 3"));
}

static void start_container_fails(struct rig *r)
{
	struct rig_container what = { .args = "[\"echo\",\"must not run\"]",
				      .spec = ",\"Hooks\":{\"StartContainer\":[" OWN_HOOK("exit 3") "]}" };
	const char *id = rig_id(r);

	assert_done(r, rig_create(r, id, &what));
	assert_true(rig_call(r, "StartContainer", "{\"container_id\":\"%s\"}", id) != RC_OK);
	if (!strstr(r->err.msg, "hook"))
		fail_msg("%s", r->err.msg);
	assert_done(r, rig_remove(r, id));
}

static void late_hooks_fail(struct rig *r)
{
	struct rig_container what = { .args = "[\"echo\",\"runs\"]",
				      .spec = ",\"Hooks\":{\"Poststart\":[" GUEST_HOOK("exit 3") "],\"Poststop\":["
					      GUEST_HOOK("exit 3") "," GUEST_HOOK("echo second >>" LOG) "]}" };

	reset_log(r);
	assert_int_equal(conformance_shell(r, &what, NULL), 0);
	assert_string_equal(r->reply, "runs\n");
	read_log(r);
	assert_string_equal(r->reply, "second\n");
}

const struct must conformance_runtime[] = {
	{ STATE, "keep ids unique, and leave the first of a name untouched", .show = id_is_unique },
	{ STATE, "tell a container's state", .elsewhere = "no such call in Kata's protocol; hooks are given it" },
	{ LIFE, "not run the program before start", .show = waits_for_start },
	{ LIFE, "undo what create made", .show = deletes_what_it_made },
	{ LIFE, "leave nothing after an error", .elsewhere = "the fault layer" },
	{ OPS, "refuse what names no container, or one that does not exist", .show = wants_an_id },
	{ OPS, "refuse create without a process", .what = { .process = NULL, .args = "[\"\"]" },
	  .refused = "process.args" },
	{ OPS, "refuse start of what is not created", .show = starts_once },
	{ OPS, "send the signal that kill names", .show = signals_arrive },
	{ OPS, "refuse kill of what has stopped",
	  .elsewhere = "differs: success, as Kata's hosts rely on" },
	{ OPS, "refuse delete of what has not stopped",
	  .elsewhere = "differs: RemoveContainer kills and deletes, as Kata's protocol has it" },

	{ HOOKS, "call them in order, in their namespaces, with the state on standard input",
	  .show = hooks_in_order },
	{ HOOKS, "fail create when a prestart hook fails, and run poststop hooks", .show = prestart_fails },
	{ HOOKS, "fail create when a createRuntime hook fails", .show = create_runtime_fails },
	{ HOOKS, "fail create when a createContainer hook fails", .show = create_container_fails },
	{ HOOKS, "fail start when a startContainer hook fails", .show = start_container_fails },
	{ HOOKS, "only warn when a poststart or poststop hook fails", .show = late_hooks_fail },
	{ HOOKS, "end a hook at its timeout", .elsewhere = "ns/test_container_hooks" },
	{ 0 },
};
