/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's sandboxes: a pod without a process, from its create to the machine's end. The last
 * table of a program: it ends the agent. */
#include "lib/cases.h"

#include "cri.pb-c.h"
#include "lib/rig_task.h"
#include "mote.pb-c.h"

#define SANDBOX "containerd.runtime.sandbox.v1.Sandbox/"

/* Everything that the guest reads of a pod, wrapped as a shim does it. */
static int create(struct rig *r, const char *config, const char *more)
{
	char *pod, *options;
	struct arena a;
	int rc;

	arena_init(&a, 1 << 20);
	pod = rig_any(&a, "runtime.v1.PodSandboxConfig", &runtime__v1__pod_sandbox_config__descriptor,
		      config);
	options = arena_printf(&a, "{\"config\":%s%s}", pod, more);
	rc = rig_call(r, SANDBOX "CreateSandbox",
		      "{\"sandbox_id\":\"pod-1\",\"netns_path\":\"/var/run/netns/x\",\"options\":%s}",
		      rig_any(&a, "mote.v1.SandboxOptions", &mote__v1__sandbox_options__descriptor,
			      options));
	arena_fini(&a);
	return rc;
}

static void nothing_yet(void **state UNUSED)
{
	struct rig *r = cases_rig;

	assert_rc(r, rig_call(r, SANDBOX "StartSandbox", "{\"sandbox_id\":\"pod-1\"}"), RC_NOT_FOUND,
		  "pod-1");
	assert_rc(r, rig_call(r, SANDBOX "SandboxStatus", "{\"sandbox_id\":\"pod-1\"}"), RC_NOT_FOUND,
		  "pod-1");
	assert_rc(r, rig_call(r, SANDBOX "WaitSandbox", "{\"sandbox_id\":\"pod-1\"}"), RC_NOT_FOUND,
		  "pod-1");
	assert_rc(r, rig_call(r, SANDBOX "PingSandbox", "{\"sandbox_id\":\"pod-1\"}"), RC_NOT_FOUND,
		  "pod-1");
	assert_done(r, rig_call(r, SANDBOX "ShutdownSandbox", "{\"sandbox_id\":\"pod-1\"}"));
	assert_done(r, rig_call(r, SANDBOX "Platform", "{}"));
	assert_output(r, "\"os\":\"linux\"");
}

/* A create that is refused can be tried again. */
static void refused(void **state UNUSED)
{
	static const char *const bad[] = {
		"{\"linux\":{\"sysctls\":{\"vm.swappiness\":\"1\"}}}",
		"{\"dns_config\":{\"servers\":[\"1.1.1.1\\nsearch evil\"]}}",
		"{\"hostname\":\"a-very-long-name-that-is-longer-than-the-sixty-four-characters-of-linux\"}",
	};
	struct rig *r = cases_rig;

	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_rc(r, create(r, bad[i], ""), RC_INVALID_ARGUMENT, "");
	assert_rc(r, rig_call(r, SANDBOX "CreateSandbox", "{}"), RC_INVALID_ARGUMENT, "sandbox_id");
}

static void create_and_start(void **state UNUSED)
{
	struct rig *r = cases_rig;

	assert_done(r, create(r,
			      "{\"hostname\":\"pod-host\",\"dns_config\":{\"servers\":[\"192.0.2.1\",\"192.0.2.2\"],"
			      "\"searches\":[\"a.test\",\"b.test\"],\"options\":[\"ndots:5\"]},\"linux\":{\"sysctls\":"
			      "{\"kernel.shm_rmid_forced\":\"1\",\"net.ipv4.ip_local_port_range\":\"20000 30000\"}}}",
			      ",\"dns\":[\"nameserver 203.0.113.1\"],\"hostname\":\"other\""));
	assert_rc(r, create(r, "{}", ""), RC_ALREADY_EXISTS, "pod-1");
	assert_done(r, rig_call(r, SANDBOX "SandboxStatus", "{\"sandbox_id\":\"pod-1\"}"));
	assert_output(r, "SANDBOX_NOTREADY");
	assert_done(r, rig_call(r, SANDBOX "StartSandbox", "{\"sandbox_id\":\"pod-1\"}"));
	assert_null(strstr(r->reply, "\"pid\":0"));
	assert_output(r, "\"created_at\":{\"seconds\":\"1");
	assert_rc(r, rig_call(r, SANDBOX "StartSandbox", "{\"sandbox_id\":\"pod-1\"}"),
		  RC_FAILED_PRECONDITION, "pod-1");
	assert_done(r, rig_call(r, SANDBOX "PingSandbox", "{\"sandbox_id\":\"pod-1\"}"));
	assert_done(r, rig_call(r, SANDBOX "SandboxStatus",
				"{\"sandbox_id\":\"pod-1\",\"verbose\":true}"));
	assert_output(r, "\"SANDBOX_READY\"");
	assert_output(r, "\"agent_version\":\"" MOTE_VERSION "\"");
	assert_done(r, rig_call(r, SANDBOX "SandboxMetrics", "{\"sandbox_id\":\"pod-1\"}"));
	assert_output(r, "\"type_url\":\"io.containerd.cgroups.v2.Metrics\"");
	assert_done(r, rig_task(r, "Shutdown", "{\"id\":\"pod-1\"}"));
	assert_done(r, rig_task(r, "Connect", "{\"id\":\"pod-1\"}"));
	assert_output(r, "\"task_pid\":0");
}

/* Runs a script in a task of the pod; what it says. */
static const char *run(struct rig *r, const struct rig_task *like, const char *script)
{
	static struct rig_stream out;
	struct rig_task what = *like;
	const char *id = rig_id(r);
	char args[8192];

	snprintf(args, sizeof(args), "[\"/bin/sh\",\"-c\",\"%s\"]", script);
	what.args = args;
	what.out = "stream://pod-out";
	rig_stream_open(r, r->client, &out, "pod-out", 65536);
	assert_int_equal(out.err.rc, RC_OK);
	assert_done(r, rig_task_run(r, id, &what));
	rig_stream_until(&out, NULL);
	if (rig_task_wait(r, id, ""))
		fail_msg("%s: %s (%s)", script, r->reply, out.data);
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
	rig_stream_close(&out);
	return out.data;
}

static void files(void **state UNUSED)
{
	static const struct rig_task usual = { 0 };
	static const struct rig_task own = {
		.mounts = ",{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":"
			  "\"/run/kata-containers/sandbox/hostname\",\"options\":[\"bind\"]}",
	};
	static const struct rig_task readonly = { .spec = "" };
	struct rig *r = cases_rig;

	assert_string_equal(run(r, &usual, "hostname; cat /etc/hostname"), "pod-host\npod-host\n");
	assert_string_equal(run(r, &usual, "cat /etc/resolv.conf"),
			    "search a.test b.test\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions ndots:5\n");
	assert_non_null(strstr(run(r, &usual, "cat /etc/hosts"), "127.0.0.1\tlocalhost\n"));
	assert_string_equal(run(r, &own, "cat /etc/hosts"), "pod-host\n");
	/* /dev/shm is the pod's, and large enough */
	run(r, &readonly, "echo shared > /dev/shm/x");
	assert_string_equal(run(r, &usual, "cat /dev/shm/x; df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2"),
			    "shared\n65536\n");
	assert_string_equal(run(r, &usual,
				"cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/ip_local_port_range"),
			    "1\n20000\t30000\n");
}

/* The pod's namespaces are the same for all, whatever paths of the host the specs name; a process
 * namespace only for those that ask. */
static void namespaces(void **state UNUSED)
{
	static const char script[] =
		"for i in ipc uts net pid; do readlink /proc/self/ns/$i; done";
	static const struct rig_task usual = { 0 };
	static const struct rig_task shared = {
		.namespaces = "[{\"type\":\"pid\",\"path\":\"/proc/77/ns/pid\"},{\"type\":\"ipc\",\"path\":\"/proc/77/ns/ipc\"},"
			      "{\"type\":\"uts\",\"path\":\"/proc/77/ns/uts\"},{\"type\":\"mount\"},{\"type\":\"network\"}]",
		.spec = ",\"annotations\":{\"io.kubernetes.cri.container-type\":\"container\"}",
	};
	struct rig *r = cases_rig;
	char first[512], second[512];

	snprintf(first, sizeof(first), "%s", run(r, &usual, script));
	snprintf(second, sizeof(second), "%s", run(r, &shared, script));
	assert_memory_equal(first, second, (size_t)(strstr(first, "pid:") - first));
	assert_string_not_equal(strstr(first, "pid:"), strstr(second, "pid:"));
	assert_string_equal(run(r, &shared, script), second);
	/* the first process is the agent's own, and reaps */
	assert_string_equal(run(r, &shared, "(sleep 0.1 &); tr '\\\\0' ' ' < /proc/1/cmdline"),
			    "mote-pause ");
}

/* The bundle may lie in the guest. Here it is made by a container that sees the guest's directory. */
#define BUNDLES "/run/kata-containers/sandbox"

static void make_bundles(struct rig *r)
{
	static const struct rig_task maker = {
		.mounts = ",{\"destination\":\"/run\",\"type\":\"bind\",\"source\":\"" BUNDLES "\",\"options\":[\"rbind\"]}",
	};
	const struct rig_task what = { .args = "[\"sh\",\"-c\",\"cat /etc/hostname; exit 6\"]" };
	char text[8192];
	size_t n = 0;
	struct arena a;

	arena_init(&a, 1 << 20);
	for (const char *spec = rig_task_spec(&a, &what); *spec && n < sizeof(text) - 8; spec++) {
		if (*spec == '"' || *spec == '\\')
			text[n++] = '\\';
		text[n++] = *spec;
	}
	text[n] = '\0';
	run(r, &maker,
	    arena_printf(&a,
			 "mkdir -p /run/good /run/link /run/fifo /run/large /run/dir/config.json && "
			 "ln -s ../good/config.json /run/link/ && ln -s good /run/other && mkfifo /run/fifo/config.json && "
			 "dd if=/dev/zero of=/run/large/config.json bs=1024 count=4097 2>/dev/null && "
			 "echo '%s' > /run/good/config.json",
			 text));
	arena_fini(&a);
}

static void bundle(void **state UNUSED)
{
	static const struct {
		const char *bundle;
		int rc;
		const char *part;
	} rows[] = {
		{ BUNDLES "/none", RC_NOT_FOUND, "config.json" },
		{ BUNDLES "/link", RC_INTERNAL, "ELOOP" },
		{ BUNDLES "/other", RC_INTERNAL, "config.json" },
		{ BUNDLES "/fifo", RC_INVALID_ARGUMENT, "no file" },
		{ BUNDLES "/dir", RC_INVALID_ARGUMENT, "no file" },
		{ BUNDLES "/large", RC_INVALID_ARGUMENT, "too large" },
		{ BUNDLES "/good/../good", RC_INVALID_ARGUMENT, "bundle" },
	};
	struct rig *r = cases_rig;
	struct rig_task what = { .bundle = BUNDLES "/good" };
	const char *id = rig_id(r);

	make_bundles(r);
	assert_done(r, rig_task_run(r, id, &what));
	assert_int_equal(rig_task_wait(r, id, ""), 6);
	assert_done(r, rig_task(r, "State", "{\"id\":\"%s\"}", id));
	assert_output(r, "\"bundle\":\"" BUNDLES "/good\"");
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		what.bundle = rows[i].bundle;
		assert_rc(r, rig_task_create(r, id, &what), rows[i].rc, rows[i].part);
	}
}

/* The root as containerd's mount: here another container's. */
static void root_mount(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task lender = { .args = "[\"sleep\",\"1000\"]" };
	char request[256];
	struct rig_task what = { .args = "[\"sh\",\"-c\",\"test -e /mark\"]",
				 .request = request,
				 .no_root = true };
	const char *id = rig_id(r), *other = rig_id(r);

	assert_done(r, rig_task_run(r, id, &lender));
	assert_done(r, rig_task_exec(r, id, "e", "touch /mark", NULL));
	assert_done(r, rig_task(r, "Start", "{\"id\":\"%s\",\"exec_id\":\"e\"}", id));
	assert_int_equal(rig_task_wait(r, id, "e"), 0);
	snprintf(request, sizeof(request),
		 ",\"rootfs\":[{\"type\":\"bind\",\"source\":\"/run/kata-containers/%s/rootfs\",\"options\":[\"rbind\"]}]",
		 id);
	assert_done(r, rig_task_run(r, other, &what));
	assert_int_equal(rig_task_wait(r, other, ""), 0);
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", other));
	assert_done(r, rig_task(r, "Kill", "{\"id\":\"%s\",\"signal\":9}", id));
	rig_task_wait(r, id, "");
	assert_done(r, rig_task(r, "Delete", "{\"id\":\"%s\"}", id));
}

static void stop(void **state UNUSED)
{
	struct rig *r = cases_rig;
	struct rig_task what = { .args = "[\"sleep\",\"1000\"]" };
	static struct rig_pending waits[2], late;
	const char *id = rig_id(r);

	assert_done(r, rig_task_run(r, id, &what));
	for (size_t i = 0; i < COUNT_OF(waits); i++)
		rig_send(r, r->client, 0, &waits[i], SANDBOX "WaitSandbox", "{\"sandbox_id\":\"pod-1\"}");
	assert_rc(r, rig_call(r, SANDBOX "StopSandbox", "{\"sandbox_id\":\"pod-2\"}"), RC_NOT_FOUND,
		  "pod-2");
	rig_task_send_create(r, &late, "late", &what);
	assert_done(r, rig_call(r, SANDBOX "StopSandbox",
				"{\"sandbox_id\":\"pod-1\",\"timeout_secs\":10}"));
	for (size_t i = 0; i < COUNT_OF(waits); i++)
		assert_int_equal(rig_await(r, &waits[i]), RC_OK);
	assert_int_equal(rig_task_wait(r, id, ""), 137);
	assert_int_equal(rig_await(r, &late), RC_OK); /* it was being made */
	assert_int_equal(rig_task_wait(r, "late", ""), 137);
	assert_done(r, rig_call(r, SANDBOX "StopSandbox", "{\"sandbox_id\":\"pod-1\"}"));
	assert_done(r, rig_call(r, SANDBOX "WaitSandbox", "{\"sandbox_id\":\"pod-1\"}"));
	assert_output(r, "\"exited_at\":{\"seconds\":\"1");
	assert_done(r, rig_call(r, SANDBOX "SandboxStatus", "{\"sandbox_id\":\"pod-1\"}"));
	assert_output(r, "SANDBOX_NOTREADY");
	assert_output(r, "\"exited_at\":{\"seconds\":\"1");
	assert_rc(r, rig_task_create(r, "after", &what), RC_FAILED_PRECONDITION, "stopped");
}

/* It takes along what is left. */
static void shutdown_ends(void **state UNUSED)
{
	struct rig *r = cases_rig;

	assert_done(r, rig_call(r, SANDBOX "ShutdownSandbox", "{\"sandbox_id\":\"pod-1\"}"));
	if (r->kind == RIG_VM)
		assert_console(r, "Power down");
}

const struct CMUnitTest cases_task_pod[] = {
	cmocka_unit_test(nothing_yet), cmocka_unit_test(refused),
	cmocka_unit_test(create_and_start), cmocka_unit_test(files),
	cmocka_unit_test(namespaces), cmocka_unit_test(bundle),
	cmocka_unit_test(root_mount),
	cmocka_unit_test(stop), cmocka_unit_test(shutdown_ends),
	{ 0 },
};
