/* SPDX-License-Identifier: Apache-2.0 */
/* A config.json all the way: read, checked, planned, applied, and looked at from inside. */
#include "lib/container_fixture.h"

#include "container/spec_json.h"

#define CAPS	"[\"CAP_CHOWN\",\"CAP_NET_BIND_SERVICE\"]"

static const char config[] =
	"{\"ociVersion\":\"1.2.1\",\"process\":{\"cwd\":\"/tmp\",\"args\":[\"/bin/sh\",\"-c\",\"%s\"],"
	"\"env\":[\"PATH=/bin\"],\"user\":{\"uid\":1000,\"gid\":1000,\"umask\":23,\"additionalGids\":[7]},"
	"\"capabilities\":{\"bounding\":" CAPS ",\"permitted\":" CAPS "},\"noNewPrivileges\":true,"
	"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":33,\"hard\":44}],\"oomScoreAdj\":321,"
	"\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":4},"
	"\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":5}},"
	"\"root\":{\"path\":\"%s\",\"readonly\":true},\"hostname\":\"host\",\"domainname\":\"domain\","
	"\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\"},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"mode=755\"]},"
	"{\"destination\":\"/tmp\",\"type\":\"tmpfs\",\"options\":[\"mode=1777\",\"size=64k\"]}],"
	"\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"uts\"},"
	"{\"type\":\"ipc\"},{\"type\":\"time\"}],\"timeOffsets\":{\"boottime\":{\"secs\":90000000}},"
	"\"personality\":{\"domain\":\"LINUX32\"},\"sysctl\":{\"kernel.msgmax\":\"1234\"},"
	"\"maskedPaths\":[\"/proc/version\"],\"readonlyPaths\":[\"/proc/sys\"],"
	"\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\"],"
	"\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":33}]}}}";

static const char script[] =
	"id -u; id -G; umask; pwd; ulimit -n; cat /proc/self/oom_score_adj; ionice; uname -m;"
	"cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname /proc/sys/kernel/msgmax;"
	"wc -c </proc/version; touch /x 2>/dev/null || echo readonly; mkdir /tmp/x 2>&1;"
	"cut -c1 /proc/uptime; read -r line </proc/self/stat; set -- $line; echo ${19} ${41}";

static const char expected[] = "1000\n1000 7\n0027\n/tmp\n33\n321\nbest-effort: prio 5\ni686\n"
			       "host\ndomain\n1234\n0\nreadonly\n"
			       "mkdir: can't create directory '/tmp/x': Numerical argument out of domain\n"
			       "9\n4 3\n";

static void whole(void **state UNUSED)
{
	struct err e = { 0 };
	struct container *c = container_new(&host, "c1", &e);
	const char *text;

	assert_non_null(c);
	text = arena_printf(&c->arena, config, script, rootfs);
	assert_non_null(text);
	if (spec_json_read(text, strlen(text), &c->arena, c->spec, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(output_of(c, 0), expected);
}

/* An exec of the same, from a process as containerd sends it. */
static void exec_of_it(void **state UNUSED)
{
	static const char process[] =
		"{\"cwd\":\"/\",\"args\":[\"/bin/sh\",\"-c\",\"id -u; ulimit -n; cut -c1 /proc/uptime\"],"
		"\"env\":[\"PATH=/bin\"],\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":20,\"hard\":21}]}";
	struct err e = { 0 };
	struct container *c = container_new(&host, "c1", &e);
	struct told t = { 0 };
	struct process *p;
	const char *text;

	assert_non_null(c);
	text = arena_printf(&c->arena, config, "sleep 1000", rootfs);
	if (spec_json_read(text, strlen(text), &c->arena, c->spec, &e) < 0)
		fail_msg("%s", e.msg);
	create(c);
	start(c);
	p = process_new(c, "e1", &e);
	assert_non_null(p);
	p->spec = spec_json_read_process(process, strlen(process), &p->arena, &e);
	if (!p->spec)
		fail_msg("%s", e.msg);
	process_exec(p, UINT64_MAX, told_fn, &t);
	turn_until(&t.yes);
	if (err_is_set(&t.e))
		fail_msg("%s", t.e.msg);
	assert_string_equal(read_all(p, STREAMS_OUT), "0\n20\n9\n");
	drop(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(whole), TEST(exec_of_it) };

	fixture_cgroups(0);
	return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
