/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups of version 2 with every controller, and the calls that stand on them: limits,
 * counters, pause, out of memory, devices, groups of a container's own. For a VM, where all of it
 * is there.
 */
#include "lib/cases.h"

#include "base/json.h"
#include "ttrpc/pb.h"

#include "agent.pb-c.h"

#define RUN(r, id, what) assert_done(r, rig_run(r, id, what))

/* An exec's output. */
static void in_container(struct rig *r, const char *id, const char *exec_id, const char *script)
{
	assert_done(r, rig_exec(r, id, exec_id, script));
	if (rig_read(r, "ReadStdout", id, exec_id) < 0)
		fail_msg("%s", r->err.msg);
}

static int on_container(struct rig *r, const char *method, const char *id)
{
	return rig_call(r, method, "{\"container_id\":\"%s\"}", id);
}

/* A number of the last reply, by the names on the way to it; NULL ends them. 64-bit numbers are
 * texts in JSON. */
static uint64_t number_at(struct rig *r, const char *const *names)
{
	struct arena a;
	struct err e = { 0 };
	yyjson_doc *doc;
	yyjson_val *v;
	uint64_t n;

	arena_init(&a, 8 << 20);
	doc = json_read(&a, r->reply, r->reply_len, &e);
	if (!doc)
		fail_msg("%s", e.msg);
	v = yyjson_doc_get_root(doc);
	for (size_t i = 0; names[i]; i++) {
		v = yyjson_obj_get(v, names[i]);
		if (!v)
			fail_msg("no %s in: %s", names[i], r->reply);
	}
	n = yyjson_is_str(v) ? strtoull(yyjson_get_str(v), NULL, 10) : yyjson_get_uint(v);
	arena_fini(&a);
	return n;
}

#define NUMBER(r, ...) number_at(r, (const char *const[]){ __VA_ARGS__, NULL })

/* --- limits --- */

static void limits(void **state)
{
	static const char show[] =
		"cd /sys/fs/cgroup; cat memory.max memory.low memory.swap.max pids.max cpu.weight cpu.max";
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = {
		.args = "[\"sleep\",\"1000\"]",
		.linux =
			",\"Resources\":{\"Memory\":{\"Limit\":67108864,\"Reservation\":4096,\"Swap\":100663296,\"Swappiness\":60},"
			"\"CPU\":{\"Shares\":1024,\"Quota\":50000,\"Period\":20000},\"Pids\":{\"Limit\":50}}",
	};

	(void)state;
	RUN(r, id, &what);
	in_container(r, id, "a", show);
	assert_string_equal(r->reply, "67108864\n4096\n33554432\n50\n100\n50000 20000\n");
	assert_done(r, rig_call(r, "UpdateContainer",
				"{\"container_id\":\"%s\",\"resources\":{\"Memory\":{\"Limit\":-1},"
				"\"CPU\":{\"Shares\":512,\"Quota\":30000},\"Pids\":{\"Limit\":0}}}",
				id));
	in_container(r, id, "b", show);
	assert_string_equal(r->reply, "max\n4096\nmax\nmax\n59\n30000 20000\n");
	/* a new period keeps the quota, and the sum of memory and swap needs no memory again */
	assert_done(
		r,
		rig_call(
			r, "UpdateContainer",
			"{\"container_id\":\"%s\",\"resources\":{\"Memory\":{\"Limit\":33554432,\"Swap\":33554432},"
			"\"CPU\":{\"Period\":50000}}}",
			id));
	assert_done(
		r,
		rig_call(r, "UpdateContainer",
			 "{\"container_id\":\"%s\",\"resources\":{\"Memory\":{\"Swap\":50331648}}}",
			 id));
	in_container(r, id, "c", show);
	assert_string_equal(r->reply, "33554432\n4096\n16777216\nmax\n59\n30000 50000\n");
	assert_done(r, on_container(r, "UpdateContainer", id)); /* nothing is asked */
	assert_done(r, rig_remove(r, id));
}

static void limits_refused(void **state)
{
	static const struct {
		const char *resources;
		int code;
		const char *part;
	} bad[] = {
		{ "\"Memory\":{\"Swap\":1000000}", RC_INVALID_ARGUMENT, "memory.swap" },
		{ "\"Memory\":{\"Swappiness\":101}", RC_INVALID_ARGUMENT, "memory.swappiness" },
		{ "\"CPU\":{\"RealtimeRuntime\":5}", RC_FAILED_PRECONDITION, "realtimeRuntime" },
		{ "\"CPU\":{\"Cpus\":\"x\"}", RC_INVALID_ARGUMENT, "cpuset.cpus" },
		{ "\"HugepageLimits\":[{\"Pagesize\":\"3MB\",\"Limit\":1}]", RC_FAILED_PRECONDITION,
		  "hugetlb.3MB.max" },
		{ "\"HugepageLimits\":[{\"Pagesize\":\"2MB/../x\",\"Limit\":1}]",
		  RC_INVALID_ARGUMENT, "pageSize" },
		{ "\"BlockIO\":{\"Weight\":5}", RC_INVALID_ARGUMENT, "blockIO" },
		{ "\"BlockIO\":{\"LeafWeight\":100}", RC_FAILED_PRECONDITION, "leafWeight" },
		{ "\"Network\":{\"ClassID\":1}", RC_FAILED_PRECONDITION, "network.classID" },
		{ "\"Devices\":[{\"Allow\":true,\"Type\":\"a\",\"Major\":1,\"Access\":\"rwm\"}]",
		  RC_INVALID_ARGUMENT, "devices[0]" },
		{ "\"Devices\":[{\"Allow\":true,\"Type\":\"c\",\"Major\":1}]", RC_INVALID_ARGUMENT,
		  "devices[0]" },
	};
	struct rig *r = cases_rig;
	struct rig_container what = { .args = "[\"sleep\",\"1000\"]" };
	const char *id = rig_id(r);
	char linux_part[512];

	(void)state;
	RUN(r, id, &what);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_rc(r,
			  rig_call(r, "UpdateContainer",
				   "{\"container_id\":\"%s\",\"resources\":{%s}}", id,
				   bad[i].resources),
			  bad[i].code, bad[i].part);
		snprintf(linux_part, sizeof(linux_part), ",\"Resources\":{%s}", bad[i].resources);
		what.linux = linux_part;
		assert_rc(r, rig_create(r, "refused", &what), bad[i].code, bad[i].part);
	}
	assert_done(r, rig_remove(r, id));
}

/* What a controller can do is done, whatever the kernel's files are called. */
static void limits_of_devices(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = {
		.args = "[\"sleep\",\"1000\"]",
		.linux =
			",\"Resources\":{\"HugepageLimits\":[{\"Pagesize\":\"2MB\",\"Limit\":4194304}]}",
	};
	int major = 0, minor = 0;

	(void)state;
	RUN(r, id, &what);
	in_container(r, id, "a", "cat /sys/fs/cgroup/hugetlb.2MB.max /sys/block/vda/dev");
	assert_int_equal(sscanf(r->reply, "4194304\n%d:%d\n", &major, &minor), 2);
	assert_done(
		r,
		rig_call(
			r, "UpdateContainer",
			"{\"container_id\":\"%s\",\"resources\":{\"BlockIO\":{\"Weight\":500,"
			"\"ThrottleReadBpsDevice\":[{\"Major\":%d,\"Minor\":%d,\"Rate\":1048576}],"
			"\"ThrottleWriteIOPSDevice\":[{\"Major\":%d,\"Minor\":%d,\"Rate\":100}]}}}",
			id, major, minor, major, minor));
	in_container(r, id, "b", "cat /sys/fs/cgroup/io.max /sys/fs/cgroup/io.weight");
	assert_output(r, "rbps=1048576 wbps=max riops=max wiops=100\ndefault 4950\n");
	assert_done(r, rig_remove(r, id));
}

/* --- counters --- */

static void counters(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"head -c 3000000 /dev/zero >/dev/shm/x; sleep 1000 & sleep 1000 & sleep 1000 & wait\"]",
		.linux = ",\"Resources\":{\"Memory\":{\"Limit\":67108864},\"Pids\":{\"Limit\":50}}",
	};
	uint64_t usage, shmem, cpu;

	(void)state;
	RUN(r, id, &what);
	/* until the container has come so far; the shell of the exec is over when it is told */
	do {
		in_container(r, id, "a", "true");
		assert_int_equal(rig_wait(r, id, "a"), 0);
		assert_done(r, on_container(r, "StatsContainer", id));
	} while (NUMBER(r, "cgroup_stats", "pids_stats", "current") != 4);
	usage = NUMBER(r, "cgroup_stats", "memory_stats", "usage", "usage");
	shmem = NUMBER(r, "cgroup_stats", "memory_stats", "stats", "shmem");
	cpu = NUMBER(r, "cgroup_stats", "cpu_stats", "cpu_usage", "total_usage");
	assert_true(shmem >= 3000000 && usage > shmem && usage < 67108864);
	assert_true(cpu > 1000000);
	assert_true(NUMBER(r, "cgroup_stats", "cpu_stats", "cpu_usage", "usage_in_usermode") +
			    NUMBER(r, "cgroup_stats", "cpu_stats", "cpu_usage",
				   "usage_in_kernelmode") <=
		    cpu);
	assert_int_equal(NUMBER(r, "cgroup_stats", "memory_stats", "usage", "limit"), 67108864);
	assert_true(NUMBER(r, "cgroup_stats", "memory_stats", "usage", "max_usage") >= usage);
	assert_true(NUMBER(r, "cgroup_stats", "memory_stats", "cache") >= shmem);
	assert_int_equal(NUMBER(r, "cgroup_stats", "pids_stats", "limit"), 50);
	assert_output(r, "\"hugetlb_stats\":{");
	assert_output(r, "\"2MB\":{"); /* of several sizes, as the architecture has them */
	in_container(
		r, id, "b",
		"cd /sys/fs/cgroup; grep -w shmem memory.stat | cut -d' ' -f2; cat memory.max pids.max");
	{
		unsigned long long file_shmem = 0;

		assert_int_equal(sscanf(r->reply, "%llu\n67108864\n50\n", &file_shmem), 1);
		assert_int_equal(file_shmem, shmem);
	}
	assert_done(r, rig_remove(r, id));
	assert_rc(r, on_container(r, "StatsContainer", id), RC_NOT_FOUND, id);
}

/* --- pause --- */

static void pause_and_resume(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sh\",\"-c\",\"while true; do :; done\"]" };
	uint64_t before, after;

	(void)state;
	RUN(r, id, &what);
	assert_rc(r, on_container(r, "ResumeContainer", id), RC_FAILED_PRECONDITION, "is running");
	assert_done(r, on_container(r, "PauseContainer", id));
	assert_rc(r, on_container(r, "PauseContainer", id), RC_FAILED_PRECONDITION, "is paused");
	assert_rc(r, rig_exec(r, id, "e", "true"), RC_FAILED_PRECONDITION, "is paused");
	assert_done(r, on_container(r, "StatsContainer", id));
	before = NUMBER(r, "cgroup_stats", "cpu_stats", "cpu_usage", "total_usage");
	/* another container gets to run meanwhile, this one not */
	assert_int_equal(rig_shell(r, "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done"), 0);
	assert_done(r, on_container(r, "StatsContainer", id));
	after = NUMBER(r, "cgroup_stats", "cpu_stats", "cpu_usage", "total_usage");
	assert_int_equal(before, after);
	assert_done(r,
		    rig_call(r, "UpdateContainer",
			     "{\"container_id\":\"%s\",\"resources\":{\"CPU\":{\"Shares\":512}}}",
			     id));
	assert_done(r, on_container(r, "ResumeContainer", id));
	in_container(r, id, "f", "cat /sys/fs/cgroup/cpu.weight");
	assert_string_equal(r->reply, "59\n");
	assert_done(r, on_container(r, "StatsContainer", id));
	assert_true(NUMBER(r, "cgroup_stats", "cpu_stats", "cpu_usage", "total_usage") > after);
	assert_done(r, rig_remove(r, id));
	assert_rc(r, on_container(r, "PauseContainer", id), RC_NOT_FOUND, id);
}

static void end_of_a_paused_one(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sleep\",\"1000\"]" };

	(void)state;
	RUN(r, id, &what);
	assert_done(r, on_container(r, "PauseContainer", id));
	assert_done(r, rig_call(r, "SignalProcess", "{\"container_id\":\"%s\",\"signal\":9}", id));
	assert_int_equal(rig_wait(r, id, ""), 137);
	assert_rc(r, on_container(r, "ResumeContainer", id), RC_FAILED_PRECONDITION, "is stopped");
	assert_done(r, rig_remove(r, id));
	id = rig_id(r);
	RUN(r, id, &what);
	assert_done(r, on_container(r, "PauseContainer", id));
	assert_done(r, rig_remove(r, id));
}

/* --- out of memory --- */

#define OOM_LIMIT ",\"Resources\":{\"Memory\":{\"Limit\":16777216,\"Swap\":16777216}}"

static bool is_event_of(struct rig *r, struct rig_pending *p, const char *id)
{
	struct err e = { 0 };
	struct arena a;
	Grpc__OOMEvent *ev;
	bool is;

	assert_int_equal(rig_await(r, p), 0);
	arena_init(&a, 65536);
	ev = (Grpc__OOMEvent *)pb_unpack(&a, &grpc__oomevent__descriptor, p->payload, p->len, &e);
	assert_non_null(ev);
	is = str_eq(ev->container_id, id);
	arena_fini(&a);
	return is;
}

static void expect_event(struct rig *r, struct rig_pending *p, const char *id)
{
	assert_true(is_event_of(r, p, id));
}

/* Two wait, and a third asks after it has happened; the process that filled the memory is gone, the
 * container's first one goes on. */
static void out_of_memory(void **state)
{
	struct rig *r = cases_rig;
	static struct rig_pending first, second, third;
	const char *id = rig_id(r), *nested;
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"tail /dev/zero; echo $?; read x; tail /dev/zero; echo $?; read x\"]",
		.linux = OOM_LIMIT,
	};

	(void)state;
	rig_send(r, r->client, 0, &first, "GetOOMEvent", "{}");
	rig_send(r, r->client, 0, &second, "GetOOMEvent", "{}");
	RUN(r, id, &what);
	expect_event(r, &first, id);
	assert_true(!second.done || rig_has_cgroup_v1(r));
	assert_done(r,
		    rig_call(r, "WriteStdin", "{\"container_id\":\"%s\",\"data\":\"Cg==\"}", id));
	expect_event(r, &second, id);
	assert_done(r, on_container(r, "StatsContainer", id));
	assert_true(NUMBER(r, "cgroup_stats", "memory_stats", "usage", "failcnt") > 0);
	assert_done(r, rig_call(r, "CloseStdin", "{\"container_id\":\"%s\"}", id));
	assert_true(rig_read(r, "ReadStdout", id, id) > 0);
	assert_string_equal(r->reply, "137\n137\n");
	assert_int_equal(rig_wait(r, id, ""), 1);
	assert_done(r, rig_remove(r, id));

	nested = rig_id(r);
	what.args = "[\"tail\",\"/dev/zero\"]";
	RUN(r, nested, &what);
	assert_int_equal(rig_wait(r, nested, ""), 137);
	assert_done(r, rig_remove(r, nested));
	rig_send(r, r->client, 0, &third, "GetOOMEvent", "{}");
	if (!is_event_of(r, &third, nested)) {
		assert_true(rig_has_cgroup_v1(r));
		rig_send(r, r->client, 0, &third, "GetOOMEvent", "{}");
		expect_event(r, &third, nested);
	}
}

/* A host that goes while it waits takes no event along. */
static void oom_waiter_goes(void **state)
{
	struct rig *r = cases_rig;
	static struct rig_pending gone, here;
	struct client *other = rig_connect(r);
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"tail\",\"/dev/zero\"]", .linux = OOM_LIMIT };

	(void)state;
	assert_non_null(other);
	rig_send(r, other, 0, &gone, "GetOOMEvent", "{}");
	assert_done(r, rig_call_on(r, other, 10000, "grpc.Health/Check", "{}"));
	client_free(other);
	rig_send(r, r->client, 0, &here, "GetOOMEvent", "{}");
	RUN(r, id, &what);
	expect_event(r, &here, id);
	assert_int_equal(rig_wait(r, id, ""), 137);
	assert_done(r, rig_remove(r, id));
}

/* --- devices --- */

/* The disk of the guest, by a node that the container makes itself. */
#define OPEN_DISK                                                                               \
	"d=$(cat /sys/block/vda/dev); rm -f /tmp/d; mknod /tmp/d b ${d%:*} ${d#*:} || exit 1; " \
	"head -c 1 /tmp/d >/dev/null 2>&1 && echo open || echo denied; "

static void devices(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sleep\",\"1000\"]" };
	int major = 0, minor = 0;

	(void)state;
	RUN(r, id, &what);
	in_container(r, id, "a",
		     OPEN_DISK
		     "echo x >/dev/null && head -c 2 /dev/urandom | wc -c; cat /sys/block/vda/dev");
	assert_int_equal(sscanf(r->reply, "denied\n2\n%d:%d\n", &major, &minor), 2);
	assert_done(
		r,
		rig_call(
			r, "UpdateContainer",
			"{\"container_id\":\"%s\",\"resources\":{\"Devices\":[{\"Access\":\"rwm\"},"
			"{\"Allow\":true,\"Type\":\"b\",\"Major\":%d,\"Minor\":%d,\"Access\":\"r\"}]}}",
			id, major, minor));
	in_container(r, id, "b", OPEN_DISK "echo y >/dev/null && echo null");
	assert_string_equal(r->reply, "open\nnull\n");
	/* limits alone leave the rules as they are; new rules take the place of the old */
	assert_done(r, rig_call(r, "UpdateContainer",
				"{\"container_id\":\"%s\",\"resources\":{\"Pids\":{\"Limit\":99}}}",
				id));
	in_container(r, id, "c", OPEN_DISK);
	assert_string_equal(r->reply, "open\n");
	assert_done(
		r,
		rig_call(
			r, "UpdateContainer",
			"{\"container_id\":\"%s\",\"resources\":{\"Devices\":[{\"Access\":\"rwm\"}]}}",
			id));
	in_container(r, id, "d", OPEN_DISK "echo z >/dev/null && echo null");
	assert_string_equal(r->reply, "denied\nnull\n");
	assert_done(r, rig_remove(r, id));
}

static void every_device(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"" OPEN_DISK "\"]",
		.linux =
			",\"Resources\":{\"Devices\":[{\"Allow\":true,\"Type\":\"a\",\"Access\":\"rwm\"}]}",
	};

	(void)state;
	RUN(r, id, &what);
	assert_true(rig_read(r, "ReadStdout", id, id) > 0);
	assert_string_equal(r->reply, "open\n");
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
}

/* --- groups of its own --- */

/* A container that is its own init: it moves below, and controls what is there; its own limits it
 * cannot touch. An exec goes where the kernel lets it in. */
static void own_groups(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"cd /groups || exit 1; mkdir -p init app/deep/er || exit 2; echo 1 >init/cgroup.procs || exit 3; "
			"echo '+memory +pids' >cgroup.subtree_control || exit 4; echo 10 >app/pids.max || exit 5; "
			"(echo 0 >app/deep/er/cgroup.procs; echo made; exec sleep 1000) & exec sleep 1000\"]",
		.linux = ",\"Resources\":{\"Pids\":{\"Limit\":50}}",
		.mounts =
			",{\"destination\":\"/groups\",\"type\":\"cgroup\",\"source\":\"cgroup\",\"options\":[\"rw\",\"nosuid\",\"nodev\",\"noexec\"]}",
	};

	(void)state;
	RUN(r, id, &what);
	/* an exec before would keep it from making an inner group */
	assert_done(r, rig_call(r, "ReadStdout", "{\"container_id\":\"%s\",\"len\":100}", id));
	assert_string_equal(r->reply, "{\"data\":\"bWFkZQo=\"}");
	assert_done(r, on_container(r, "StatsContainer", id));
	assert_int_equal(NUMBER(r, "cgroup_stats", "pids_stats", "current"), 2);
	in_container(
		r, id, "b",
		"cat /proc/self/cgroup /groups/app/pids.max; echo max >/groups/pids.max || echo refused; "
		"cat /groups/app/deep/er/cgroup.procs | wc -l");
	assert_string_equal(r->reply, "0::/init\n10\nrefused\n1\n");
	assert_int_equal(rig_wait(r, id, "b"), 0);
	assert_done(r, on_container(r, "PauseContainer", id));
	assert_done(r, on_container(r, "ResumeContainer", id));
	assert_done(r, rig_call(r, "SignalProcess", "{\"container_id\":\"%s\",\"signal\":9}", id));
	assert_int_equal(rig_wait(r, id, ""), 137);
	assert_done(r, rig_remove(r, id));
	/* its name is free: the groups are gone */
	what.args = "[\"sh\",\"-c\",\"ls -d /groups/*/ 2>/dev/null; cat /groups/pids.max\"]";
	RUN(r, id, &what);
	assert_true(rig_read(r, "ReadStdout", id, id) > 0);
	assert_string_equal(r->reply, "50\n");
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
}

/* --- places --- */

/* Every form of cgroupsPath, as the guest's own tree shows it. */
static void paths(void **state)
{
	static const struct {
		const char *path, *at;
	} forms[] = {
		{ "", "%s" },
		{ "/mote-test/abs/%s", "mote-test/abs/%s" },
		{ "mote-test/rel/%s", "mote-test/rel/%s" },
		{ "mote-test:cri:%s", "mote-test/cri/%s" },
	};
	struct rig *r = cases_rig;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		const char *id = rig_id(r);
		char path[128], at[128], linux_part[256], args[256];
		struct rig_container what = {
			.args = args,
			.mounts =
				",{\"destination\":\"/tree\",\"type\":\"bind\",\"source\":\"/sys/fs/cgroup\",\"options\":[\"rbind\",\"ro\"]}",
			.linux = linux_part,
		};

		snprintf(path, sizeof(path), forms[i].path, id);
		snprintf(at, sizeof(at), forms[i].at, id);
		snprintf(linux_part, sizeof(linux_part), ",\"CgroupsPath\":\"%s\"", path);
		snprintf(args, sizeof(args),
			 "[\"sh\",\"-c\",\"grep -c ^1$ /tree/%s/cgroup.procs\"]", at);
		RUN(r, id, &what);
		assert_true(rig_read(r, "ReadStdout", id, id) > 0);
		assert_string_equal(r->reply, "1\n");
		assert_int_equal(rig_wait(r, id, ""), 0);
		assert_done(r, rig_remove(r, id));
		snprintf(args, sizeof(args), "[\"sh\",\"-c\",\"[ ! -e /tree/%s ]\"]", at);
		what.linux = NULL;
		id = rig_id(r);
		RUN(r, id, &what);
		assert_int_equal(rig_wait(r, id, ""), 0);
		assert_done(r, rig_remove(r, id));
	}
	/* for who looks at what is left in there */
	{
		struct rig_container what = {
			.args = "[\"rmdir\",\"/tree/mote-test/abs\",\"/tree/mote-test/rel\",\"/tree/mote-test/cri\"]",
			.mounts =
				",{\"destination\":\"/tree\",\"type\":\"bind\",\"source\":\"/sys/fs/cgroup\",\"options\":[\"rbind\"]}",
		};
		const char *id = rig_id(r);

		RUN(r, id, &what);
		assert_int_equal(rig_wait(r, id, ""), 0);
		assert_done(r, rig_remove(r, id));
	}
}

/* For every agent: a freezer is in every tree of version 2. Earlier cases may have left events. One
 * waiter goes, the other is still there when the agent ends. */
static void oom_waiters_park(void **state)
{
	struct rig *r = cases_rig;
	static struct rig_pending gone, stays;
	struct client *other = rig_connect(r);

	(void)state;
	assert_non_null(other);
	do {
		rig_send(r, r->client, 0, &stays, "GetOOMEvent", "{}");
		assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	} while (stays.done);
	rig_send(r, other, 0, &gone, "GetOOMEvent", "{}");
	assert_done(r, rig_call_on(r, other, 10000, "grpc.Health/Check", "{}"));
	client_free(other);
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	assert_false(stays.done);
}

static void counters_anywhere(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sleep\",\"1000\"]" };

	(void)state;
	assert_done(r, rig_create(r, id, &what));
	assert_done(r, on_container(r, "StatsContainer", id));
	assert_true(NUMBER(r, "cgroup_stats", "cpu_stats", "cpu_usage", "total_usage") > 0);
	assert_done(r, on_container(r, "StartContainer", id));
	assert_done(r, on_container(r, "UpdateContainer", id));
	assert_done(r, rig_remove(r, id));
}

const struct CMUnitTest cases_freezer[] = {
	cmocka_unit_test(end_of_a_paused_one),
	cmocka_unit_test(counters_anywhere),
	cmocka_unit_test(oom_waiters_park),
	{ 0 },
};

const struct CMUnitTest cases_cgroup[] = {
	cmocka_unit_test(limits),
	cmocka_unit_test(limits_refused),
	cmocka_unit_test(limits_of_devices),
	cmocka_unit_test(counters),
	cmocka_unit_test(pause_and_resume),
	cmocka_unit_test(out_of_memory),
	cmocka_unit_test(oom_waiter_goes),
	cmocka_unit_test(devices),
	cmocka_unit_test(every_device),
	cmocka_unit_test(own_groups),
	cmocka_unit_test(paths),
	{ 0 },
};
