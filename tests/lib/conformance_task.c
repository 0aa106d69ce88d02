/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conformance_task.h"

static const struct row {
	const char *method, *must, *shown_by;
} rows[] = {
	{ "Task, both versions", "be one table by two names", "life_v3" },
	{ "Create", "make the process, run nothing of it, tell a pid", "life" },
	{ "Create", "refuse an id that is there (ALREADY_EXISTS)", "life" },
	{ "Create", "leave nothing after a failure", "refusals" },
	{ "Create", "read BUNDLE/config.json of the guest, and follow no link to it", "bundle" },
	{ "Create", "mount containerd's mount of the root", "root_mount" },
	{ "Start", "refuse a second one (FAILED_PRECONDITION)", "life" },
	{ "Start", "refuse an exec whose container has ended (FAILED_PRECONDITION)", "execs" },
	{ "Start", "tell why an exec's program cannot run, and tell no event of it", "exec_fails" },
	{ "Delete", "refuse what runs or is paused (FAILED_PRECONDITION)", "running_is_not_deleted" },
	{ "Delete", "take what was never started", "created_and_deleted" },
	{ "Delete", "answer NOT_FOUND the second time, as State and Wait do then", "life" },
	{ "Wait", "release all who wait, and answer at once after the exit", "running_is_not_deleted" },
	{ "Wait", "give status and time; 128 + n for signal n", "created_and_killed" },
	{ "Wait", "outlive the container's first process for its execs", "first_exits_last" },
	{ "Kill", "answer NOT_FOUND for what has ended", "life" },
	{ "Kill", "reach what is created and not started", "created_and_killed" },
	{ "Kill", "reach every process with all, by any signal", "pids" },
	{ "Exec", "only add the process, refuse an id that is there (ALREADY_EXISTS)", "execs" },
	{ "Exec", "refuse a container that does not run (FAILED_PRECONDITION)", "created_and_killed" },
	{ "State", "work in every state, with status and time once it is stopped", "life" },
	{ "Pids", "list every process, those of execs with their ids", "pids" },
	{ "Pause, Resume", "freeze and thaw, refuse the wrong state", "running_is_not_deleted" },
	{ "Update", "change what is named, leave the rest", "counters" },
	{ "Update", "leave the device rules, whose numbers are the host's", "updated_devices" },
	{ "Stats", "give io.containerd.cgroups.v2.Metrics with the numbers that are read", "counters" },
	{ "ResizePty", "set the size; be fine without a terminal", "terminal" },
	{ "CloseIO", "end the input after what has come; be fine twice", "close_io" },
	{ "Checkpoint", "answer UNIMPLEMENTED", "questions" },
	{ "Connect", "succeed for any id, the sandbox's too", "questions" },
	{ "Shutdown", "do nothing while there are containers, or a sandbox", "questions" },
	{ "events", "come in order: create, start, exit, delete; start first of what ends at once", "order" },
	{ "events", "tell the first process's exit last", "first_exits_last" },
	{ "events", "tell a kill for want of memory", "out_of_memory" },
	{ "events", "be kept until they are acknowledged, for a host that starts anew", "kept" },
	{ "Stream", "be open before its container is there", "before_the_task" },
	{ "Stream", "go to a newer client, what was not sent kept", "taken_over" },
	{ "Stream", "never send beyond the window", "output_window" },
	{ "Stream", "grant an input's window, refuse more", "input_window" },
	{ "Stream", "end when the process has exited, not at Delete, whoever holds the pipe", "grandchild" },
	{ "Stream", "take an input's end that comes before the container", "empty_input" },
	{ "Ports/Connect", "reach what listens on 127.0.0.1 alone, or on ::1", "localhost_alone" },
	{ "Ports/Connect", "say so at once where nobody listens", "nobody_listens" },
	{ "Ports/Connect", "end with the server, and with the host's connection", "the_host_goes" },
	{ "CreateSandbox", "make a pod without a process; be tried again after a failure", "refused" },
	{ "CreateSandbox", "make hosts, hostname, resolv.conf, shm, and set sysctls", "files" },
	{ "CreateSandbox", "hold the pod's namespaces, share processes where asked", "namespaces" },
	{ "StartSandbox", "tell when it was created; refuse a second one", "create_and_start" },
	{ "SandboxStatus", "say READY and NOTREADY, after the end too", "stop" },
	{ "WaitSandbox", "release all who wait when the pod is stopped, and answer at once after", "stop" },
	{ "StopSandbox", "end what runs; be fine twice", "stop" },
	{ "ShutdownSandbox", "be fine for one that is not there; end the machine", "shutdown_ends" },
	{ "Platform, PingSandbox, SandboxMetrics", "answer", "create_and_start" },
};

static bool has_case(const struct CMUnitTest *const *tables, const char *name)
{
	for (; *tables; tables++)
		for (const struct CMUnitTest *t = *tables; t->name; t++)
			if (str_eq(t->name, name))
				return true;
	return false;
}

int conformance_task_print(const struct CMUnitTest *const *tables)
{
	printf("| call | what containerd relies on: it must | shown by (`tests/vm/test_task`) |\n| --- | --- | --- |\n");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (!has_case(tables, rows[i].shown_by)) {
			fprintf(stderr, "no case \"%s\"\n", rows[i].shown_by);
			return -1;
		}
		printf("| %s | %s | %s |\n", rows[i].method, rows[i].must, rows[i].shown_by);
	}
	return 0;
}
