/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every scenario of the create path again, with each of its system calls and allocations failing in
 * turn, and those of fault_sandbox.c: see fault_main.h. One program, since a place in the code that one
 * scenario has passed is not walked again in another.
 */
#include "lib/fault_main.h"

#include "lib/rig_task.h"

static int plain(struct rig *r)
{
	return fault_life(r,
		    &(struct rig_container){ .args = SH("echo hello $HOME; exit 7"),
					     .root = r->rootfs },
		    "hello /root\n", 7);
}

/* Each driver that needs no device, with and without a group; seen from inside. */
static int storages(struct rig *r)
{
	static const char more[] = TEXT(
		,{"driver":"ephemeral","source":"tmpfs","fstype":"tmpfs",
		  "mount_point":"/run/kata-containers/sandbox/ephemeral/e","options":["size=1m"],
		  "fs_group":{"group_id":1234}}
		,{"driver":"local","source":"local","fstype":"local",
		  "mount_point":"/run/kata-containers/shared/containers/l","options":["mode=0770","fsgid=7"]});
	static const char mounts[] = TEXT(
		,{"destination":"/e","type":"bind","source":"/run/kata-containers/sandbox/ephemeral/e",
		  "options":["rbind","rprivate","nosuid"]}
		,{"destination":"/l/deep","type":"bind",
		  "source":"/run/kata-containers/shared/containers/l","options":["rbind","ro"]});

	return fault_life(r,
		    &(struct rig_container){
			    .args = SH("touch /e/f /x; stat -c '%g %a' /e /l/deep; touch /l/deep/f 2>/dev/null"),
			    .storages = more,
			    .mounts = mounts,
		    },
		    "1234 3777\n7 2770\n", 1);
}

/* A disk of this machine, which the container knows by the guest's number. */
static int devices(struct rig *r)
{
	return fault_life(r,
		    &(struct rig_container){
			    .args = SH("stat -c %t:%T /dev/disk"),
			    .root = r->rootfs,
			    .linux = TEXT(,"Devices":[{"Path":"/dev/disk","Type":"b","Major":99,"Minor":9}]),
			    .request = TEXT(,"devices":[{"type":"mmioblk","vm_path":"/dev/loop0",
				    "container_path":"/dev/disk"}]),
		    },
		    "7:0\n", 0);
}

#define FILTER                                                                                     \
	"\"Seccomp\":{\"DefaultAction\":\"SCMP_ACT_ALLOW\",\"Architectures\":[\"SCMP_ARCH_X86_64\"],"  \
	"\"Syscalls\":[{\"Names\":[\"mkdir\",\"mkdirat\"],\"Action\":\"SCMP_ACT_ERRNO\",\"errnoret\":38},"  \
	"{\"Names\":[\"kill\"],\"Action\":\"SCMP_ACT_ERRNO\","                                         \
	"\"Args\":[{\"Index\":1,\"Value\":\"64\",\"Op\":\"SCMP_CMP_EQ\"}]}]}"

#define LOOK                                                                                       \
	"mkdir /tmp/x 2>&1 | grep -o 'not impl'; id -u; id -G; ulimit -n; cat /proc/self/oom_score_adj; " \
	"grep -E 'CapEff|CapBnd|CapAmb|NoNew' /proc/self/status | cut -f 2; "                 \
	"cat /proc/sys/net/ipv4/ip_default_ttl; pwd; echo $HOME"

#define USER                                                                                       \
	",\"User\":{\"UID\":1000,\"GID\":1000,\"AdditionalGids\":[4,5]},\"Cwd\":\"/tmp/new\","         \
	"\"Rlimits\":[{\"Type\":\"RLIMIT_NOFILE\",\"Soft\":\"64\",\"Hard\":\"128\"}],\"OOMScoreAdj\":\"77\","  \
	"\"Capabilities\":{\"Bounding\":[\"CAP_CHOWN\",\"CAP_KILL\"],\"Permitted\":[\"CAP_CHOWN\",\"CAP_KILL\"]," \
	"\"Effective\":[\"CAP_KILL\"],\"Inheritable\":[\"CAP_KILL\"],\"Ambient\":[\"CAP_KILL\"]}"

#define LINUX FILTER ",\"Sysctl\":{\"net.ipv4.ip_default_ttl\":\"33\"}"

/* The filter before the rights are dropped, … */
static int rights(struct rig *r)
{
	return fault_life(r,
		    &(struct rig_container){
			    .args = SH(LOOK),
			    .process = USER,
			    .linux = "," LINUX,
		    },
		    "not impl\n1000\n1000 4 5\n64\n77\n0000000000000020\n0000000000000021\n"
		    "0000000000000020\n0\n33\n/tmp/new\n/home/user\n",
		    0);
}

/* … and after. */
static int no_new_rights(struct rig *r)
{
	return fault_life(r,
		    &(struct rig_container){
			    .args = SH("grep -E 'NoNew|Seccomp:' /proc/self/status | cut -f 2"),
			    .process = USER ",\"NoNewPrivileges\":true",
			    .linux = "," LINUX,
			    .readonly = true,
		    },
		    "1\n2\n", 0);
}

/* Hooks of the guest's are this machine's; those of the container see its /proc/self. */
static int hooks(struct rig *r)
{
	static const char all[] = TEXT(
		,"Annotations":{"a":"b"},"Hooks":{
		"Prestart":[{"Path":"/bin/true"}],"CreateContainer":[{"Path":"/bin/true","Args":["true"]}],
		"StartContainer":[{"Path":"/bin/true","Env":["A=b"],"Timeout":5}],
		"Poststart":[{"Path":"/bin/true"}],"Poststop":[{"Path":"/bin/true"},{"Path":"/bin/false"}]});

	return fault_life(r, &(struct rig_container){ .args = SH("echo done"), .spec = all }, "done\n", 0);
}

/* A program that reads, one that is executed beside it, signals; removed while it runs. */
static int execs(struct rig *r)
{
	int rc = rig_run(r, FAULT_ID, &(struct rig_container){ .args = "[\"cat\"]" });

	if (!rc)
		rc = rig_exec(r, FAULT_ID, "e1", "echo there; exit 3");
	if (!rc)
		rc = fault_end_of(r, "e1", "there\n", 3);
	if (!rc)
		rc = rig_call(r, "WriteStdin",
			      "{\"container_id\":\"" FAULT_ID "\",\"exec_id\":\"" FAULT_ID "\",\"data\":\"aGk=\"}");
	if (!rc)
		rc = rig_exec(r, FAULT_ID, "e2", "sleep 1000");
	if (!rc)
		rc = rig_call(r, "SignalProcess",
			      "{\"container_id\":\"" FAULT_ID "\",\"exec_id\":\"e2\",\"signal\":15}");
	if (!rc)
		rc = fault_end_of(r, "e2", "", 143);
	return rc ? rc : rig_remove(r, FAULT_ID);
}

static int stdin_ends(struct rig *r)
{
	int rc = rig_run(r, FAULT_ID, &(struct rig_container){ .args = "[\"cat\"]" });

	if (!rc)
		rc = rig_call(r, "WriteStdin",
			      "{\"container_id\":\"" FAULT_ID "\",\"exec_id\":\"" FAULT_ID "\",\"data\":\"aGkK\"}");
	if (!rc)
		rc = rig_call(r, "CloseStdin", "{\"container_id\":\"" FAULT_ID "\",\"exec_id\":\"" FAULT_ID "\"}");
	if (!rc)
		rc = fault_end_of(r, FAULT_ID, "hi\n", 0);
	return rc ? rc : rig_remove(r, FAULT_ID);
}

#define SIZE ",\"ConsoleSize\":{\"Height\":30,\"Width\":100}"

static int terminal(struct rig *r)
{
	int rc = rig_run(r, FAULT_ID,
			 &(struct rig_container){ .args = SH("read x; stty size"),
						  .process = ",\"Terminal\":true" SIZE });

	if (!rc)
		rc = rig_call(r, "TtyWinResize",
			      "{\"container_id\":\"" FAULT_ID "\",\"exec_id\":\"" FAULT_ID "\",\"row\":40,\"column\":120}");
	if (!rc)
		rc = rig_call(r, "WriteStdin",
			      "{\"container_id\":\"" FAULT_ID "\",\"exec_id\":\"" FAULT_ID "\",\"data\":\"Cg==\"}");
	if (!rc)
		rc = fault_end_of(r, FAULT_ID, "\r\n40 120\r\n", 0);
	return rc ? rc : rig_remove(r, FAULT_ID);
}

static int user_namespace(struct rig *r)
{
	static const char ns[] = TEXT(
		,"Namespaces":[{"Type":"user"},{"Type":"ipc"},{"Type":"uts"},{"Type":"mount"},{"Type":"pid"},
			       {"Type":"network"},{"Type":"cgroup"}],
		"UIDMappings":[{"ContainerID":0,"HostID":0,"Size":65536}],
		"GIDMappings":[{"ContainerID":0,"HostID":0,"Size":65536}]);

	return fault_life(r,
		    &(struct rig_container){ .args = SH("cut -c -40 /proc/self/uid_map | tr -s ' '"),
					     .linux = ns },
		    " 0 0 65536\n", 0);
}

/* The second one lives in the first one's process namespace. */
static int shared_pids(struct rig *r)
{
	struct rig_container sleeps = { .args = "[\"sleep\",\"1000\"]",
					.request = ",\"sandbox_pidns\":true" };
	struct rig_container looks = { .args = SH("cat /proc/1/comm"),
				       .request = ",\"sandbox_pidns\":true",
				       .linux = TEXT(
					       ,"Namespaces":[{"Type":"ipc"},{"Type":"uts"},{"Type":"mount"}]) };
	int rc = rig_run(r, FAULT_OTHER_ID, &sleeps);

	if (!rc)
		rc = fault_life(r, &looks, "sleep\n", 0);
	if (!rc)
		rc = rig_call(r, "SignalProcess",
			      "{\"container_id\":\"" FAULT_OTHER_ID "\",\"exec_id\":\"\",\"signal\":9}");
	return rc ? rc : rig_remove(r, FAULT_OTHER_ID);
}

/* The process that holds the namespace is begun by the first one. */
static int pods_pids(struct rig *r)
{
	return fault_life(r,
		    &(struct rig_container){
			    .args = SH("cat /proc/1/comm"),
			    .request = ",\"sandbox_pidns\":true",
			    .spec = TEXT(
				    ,"Annotations":{"io.katacontainers.pkg.oci.container_type":"pod_container"}) },
		    "mote-pause\n", 0);
}

#define NAMED(name) ",\"Annotations\":{\"io.kubernetes.cri.container-name\":\"" name "\"}"

static int shared_mounts(struct rig *r)
{
	struct rig_container from = {
		.args = "[\"sleep\",\"1000\"]",
		.spec = NAMED("first"),
		.mounts = TEXT(,{"destination":"/vol","type":"tmpfs","source":"tmpfs"}),
	};
	struct rig_container to = {
		.args = SH("grep -c ' /deep/er tmpfs' /proc/mounts"),
		.spec = NAMED("second"),
		.request = TEXT(
			,"shared_mounts":[{"name":"vol","src_ctr":"first","src_path":"/vol",
					   "dst_ctr":"second","dst_path":"/deep/er"}]),
	};
	int rc = rig_run(r, FAULT_OTHER_ID, &from);

	if (!rc)
		rc = fault_life(r, &to, "1\n", 0);
	return rc ? rc : rig_remove(r, FAULT_OTHER_ID);
}

/* A number, or the code that came in its place. */
static int status_is(struct rig *r, int got, int want)
{
	if (got < 0)
		return -got;
	return got == want ? 0 : fault_wrong(r, "the status is %d, not %d", got, want);
}

/* What is kept of this life and of one that has failed before. */
static int forget_events(struct rig *r)
{
	return rig_call(r, "mote.v1.Events/Ack", "{\"seq\":\"18446744073709551615\"}");
}

/* containerd's way, with streams that wait, and an exec. */
static int task(struct rig *r)
{
	const struct rig_task what = { .args = SH("sleep 1000"), .out = "stream://out" };
	int rc = forget_events(r);

	if (!rc)
		rc = rig_task_run(r, FAULT_ID, &what);
	if (!rc)
		rc = rig_task_exec(r, FAULT_ID, "e", "exit 5", "stream://e-out");
	if (!rc)
		rc = rig_task(r, "Start", "{\"id\":\"" FAULT_ID "\",\"exec_id\":\"e\"}");
	if (!rc)
		rc = status_is(r, rig_task_wait(r, FAULT_ID, "e"), 5);
	if (!rc)
		rc = rig_task(r, "Delete", "{\"id\":\"" FAULT_ID "\",\"exec_id\":\"e\"}");
	if (!rc)
		rc = rig_task(r, "Pids", "{\"id\":\"" FAULT_ID "\"}");
	if (!rc)
		rc = rig_task(r, "Kill", "{\"id\":\"" FAULT_ID "\",\"signal\":9}");
	if (!rc)
		rc = status_is(r, rig_task_wait(r, FAULT_ID, ""), 137);
	if (!rc)
		rc = rig_task(r, "Delete", "{\"id\":\"" FAULT_ID "\"}");
	return rc ? rc : forget_events(r);
}

static int sandbox(struct rig *r)
{
	return rig_call(r, "CreateSandbox", TEXT({
		"hostname":"pod-host","sandbox_id":"pod","dns":["nameserver 192.0.2.1"],
		"kernel_modules":[{"name":"kernel","parameters":["panic=0"]}],"storages":[
		{"driver":"ephemeral","source":"shm","fstype":"tmpfs",
		 "mount_point":"/run/kata-containers/sandbox/shm","options":["nosuid","mode=1777","size=1m"]}]}));
}

static int sandbox_with_container(struct rig *r)
{
	int rc = sandbox(r);

	return rc ? rc : rig_run(r, FAULT_ID, &(struct rig_container){ .args = "[\"sleep\",\"1000\"]" });
}

/* Only the agent's own end is the end. */
static int destroy(struct rig *r)
{
	int rc = rig_call(r, "DestroySandbox", "{}");

	while (!rc && r->agent.pid)
		loop_once(r->loop, -1);
	if (!rc && r->agent_status)
		return fault_wrong(r, "the agent ended with status %d", r->agent_status);
	return rc;
}

static const struct fault_scenario scenarios[] = {
	{ "plain", plain, NULL, fault_one_id, 0, NULL },
	{ "storages", storages, NULL, fault_one_id, 0, NULL },
	{ "devices", devices, NULL, fault_one_id, 0, NULL },
	{ "rights", rights, NULL, fault_one_id, 0, NULL },
	{ "no_new_rights", no_new_rights, NULL, fault_one_id, 0, NULL },
	{ "hooks", hooks, NULL, fault_one_id, 0, NULL },
	{ "execs", execs, NULL, fault_one_id, 0, NULL },
	{ "stdin_ends", stdin_ends, NULL, fault_one_id, 0, NULL },
	{ "terminal", terminal, NULL, fault_one_id, 0, NULL },
	{ "user_namespace", user_namespace, NULL, fault_one_id, 0, NULL },
	{ "shared_pids", shared_pids, NULL, fault_two_ids, 0, NULL },
	{ "pods_pids", pods_pids, NULL, fault_one_id, 0, NULL },
	{ "shared_mounts", shared_mounts, NULL, fault_two_ids, 0, NULL },
	{ "task", task, NULL, fault_one_id, 0, NULL },
	{ "sandbox", sandbox, NULL, NULL, FAULT_FRESH | FAULT_ONCE,
	  "/run/kata-containers/sandbox/shm" },
	{ "destroy", destroy, sandbox_with_container, fault_one_id, FAULT_FRESH | FAULT_ENDS | FAULT_ONCE, NULL },
	{ 0 },
};

int main(void)
{
	const struct fault_scenario *const lists[] = { scenarios, fault_sandbox, NULL };

	return fault_main("test_create", lists);
}
