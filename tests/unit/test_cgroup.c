/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/str.h"
#include "container/spec_json_resources.h"
#include "kernel/cgroup_ops.h"

/* linux.resources as a config.json says them, and the files that either version is given:
 * "file=value;…", "?" after a file that may be missing, "|" after one that the next stands in for;
 * or "!CODE word of the error". */
static const struct {
	const char *json, *v1, *v2;
} rows[] = {
	{ "{}", "", "" },
	{ "{'memory':{},'cpu':{'cpus':'','mems':''},'pids':null}", "", "" },
	/* memory */
	{ "{'memory':{'limit':67108864}}", "memory.limit_in_bytes=67108864;",
	  "memory.max=67108864;" },
	{ "{'memory':{'limit':0,'reservation':0,'swap':0,'kernel':0}}", "", "" },
	{ "{'memory':{'limit':-1}}", "memory.limit_in_bytes?=-1;memory.memsw.limit_in_bytes?=-1;",
	  "memory.max?=max;memory.swap.max?=max;" },
	{ "{'memory':{'limit':-1,'reservation':-1,'swap':-1}}",
	  "memory.limit_in_bytes?=-1;memory.soft_limit_in_bytes?=-1;memory.memsw.limit_in_bytes?=-1;",
	  "memory.max?=max;memory.low?=max;memory.swap.max?=max;" },
	{ "{'memory':{'limit':67108864,'reservation':4096,'swap':100663296}}",
	  "memory.limit_in_bytes=67108864;memory.soft_limit_in_bytes=4096;"
	  "memory.memsw.limit_in_bytes?=100663296;",
	  "memory.max=67108864;memory.low=4096;memory.swap.max?=33554432;" },
	{ "{'memory':{'limit':67108864,'swap':67108864}}",
	  "memory.limit_in_bytes=67108864;memory.memsw.limit_in_bytes?=67108864;",
	  "memory.max=67108864;memory.swap.max?=0;" },
	{ "{'memory':{'limit':67108864,'swap':-1}}",
	  "memory.limit_in_bytes=67108864;memory.memsw.limit_in_bytes?=-1;",
	  "memory.max=67108864;memory.swap.max?=max;" },
	{ "{'memory':{'swap':67108864}}", "memory.memsw.limit_in_bytes?=67108864;",
	  "!3 memory.swap: a swap limit needs a memory limit" },
	{ "{'memory':{'limit':67108864,'swap':1}}",
	  "memory.limit_in_bytes=67108864;memory.memsw.limit_in_bytes?=1;", "!3 below" },
	{ "{'memory':{'kernel':4096,'kernelTCP':8192,'swappiness':0,'disableOOMKiller':true,"
	  "'useHierarchy':true}}",
	  "memory.use_hierarchy?=1;memory.kmem.limit_in_bytes?=4096;"
	  "memory.kmem.tcp.limit_in_bytes=8192;memory.swappiness=0;memory.oom_control=1;",
	  "" },
	{ "{'memory':{'swappiness':100}}", "memory.swappiness=100;", "" },
	{ "{'memory':{'swappiness':101}}", "!3 memory.swappiness", "!3 memory.swappiness" },
	{ "{'memory':{'swappiness':18446744073709551615}}", "!3 memory.swappiness",
	  "!3 memory.swappiness" },
	{ "{'memory':{'limit':1.5}}", "!3 memory.limit: not a whole number",
	  "!3 memory.limit: not a whole number" },
	{ "{'memory':{'useHierarchy':1}}", "!3 memory.useHierarchy", "!3 memory.useHierarchy" },
	{ "{'memory':[]}", "!3 memory: not an object", "!3 memory: not an object" },
	/* cpu */
	{ "{'cpu':{'shares':1024}}", "cpu.shares=1024;", "cpu.weight=100;" },
	{ "{'cpu':{'shares':2}}", "cpu.shares=2;", "cpu.weight=1;" },
	{ "{'cpu':{'shares':1}}", "cpu.shares=2;", "cpu.weight=1;" },
	{ "{'cpu':{'shares':0}}", "", "" },
	{ "{'cpu':{'shares':102}}", "cpu.shares=102;", "cpu.weight=17;" },
	{ "{'cpu':{'shares':512}}", "cpu.shares=512;", "cpu.weight=59;" },
	{ "{'cpu':{'shares':2000}}", "cpu.shares=2000;", "cpu.weight=170;" },
	{ "{'cpu':{'shares':22000}}", "cpu.shares=22000;", "cpu.weight=1204;" },
	{ "{'cpu':{'shares':262143}}", "cpu.shares=262143;", "cpu.weight=10000;" },
	{ "{'cpu':{'shares':262144}}", "cpu.shares=262144;", "cpu.weight=10000;" },
	{ "{'cpu':{'shares':18446744073709551615}}", "cpu.shares=262144;", "cpu.weight=10000;" },
	{ "{'cpu':{'shares':-2}}", "!3 cpu.shares", "!3 cpu.shares" },
	{ "{'cpu':{'quota':50000,'period':100000}}",
	  "cpu.cfs_period_us=100000;cpu.cfs_quota_us=50000;", "cpu.max=50000 100000;" },
	{ "{'cpu':{'quota':50000}}", "cpu.cfs_quota_us=50000;", "cpu.max=50000;" },
	{ "{'cpu':{'quota':-1}}", "cpu.cfs_quota_us?=-1;", "cpu.max?=max;" },
	{ "{'cpu':{'quota':-1,'period':20000}}", "cpu.cfs_period_us=20000;cpu.cfs_quota_us?=-1;",
	  "cpu.max?=max 20000;" },
	{ "{'cpu':{'period':20000}}", "cpu.cfs_period_us=20000;", "cpu.max?=max 20000;" },
	{ "{'cpu':{'period':-5}}", "!3 cpu.period", "!3 cpu.period" },
	{ "{'cpu':{'quota':50000,'burst':10000}}",
	  "cpu.cfs_burst_us?=0;cpu.cfs_quota_us=50000;cpu.cfs_burst_us=10000;",
	  "cpu.max.burst?=0;cpu.max=50000;cpu.max.burst=10000;" },
	{ "{'cpu':{'burst':0}}", "cpu.cfs_burst_us?=0;", "cpu.max.burst?=0;" },
	{ "{'cpu':{'burst':-1}}", "!3 cpu.burst", "!3 cpu.burst" },
	{ "{'cpu':{'realtimeRuntime':950000,'realtimePeriod':1000000}}",
	  "cpu.rt_period_us=1000000;cpu.rt_runtime_us=950000;", "!9 cpu.realtimePeriod" },
	{ "{'cpu':{'realtimeRuntime':0,'realtimePeriod':0}}", "", "" },
	{ "{'cpu':{'idle':1,'shares':512}}", "cpu.idle=1;", "cpu.idle=1;" },
	{ "{'cpu':{'idle':0,'shares':512}}", "cpu.idle?=0;cpu.shares=512;",
	  "cpu.idle?=0;cpu.weight=59;" },
	{ "{'cpu':{'idle':2}}", "!3 cpu.idle", "!3 cpu.idle" },
	{ "{'cpu':{'cpus':'0-1,3','mems':'0'}}", "cpuset.cpus=0-1,3;cpuset.mems=0;",
	  "cpuset.cpus=0-1,3;cpuset.mems=0;" },
	{ "{'cpu':{'cpus':3}}", "!3 cpu.cpus: not a text", "!3 cpu.cpus: not a text" },
	{ "{'cpu':{'cpus':'0\\u0000'}}", "!3 cpu.cpus", "!3 cpu.cpus" },
	/* pids */
	{ "{'pids':{'limit':100}}", "pids.max=100;", "pids.max=100;" },
	{ "{'pids':{'limit':-1}}", "pids.max?=max;", "pids.max?=max;" },
	{ "{'pids':{'limit':0}}", "pids.max?=max;", "pids.max?=max;" },
	{ "{'pids':{}}", "", "" },
	/* block I/O */
	{ "{'blockIO':{'weight':10}}", "blkio.bfq.weight|=10;blkio.weight=10;",
	  "io.bfq.weight|=10;io.weight=1;" },
	{ "{'blockIO':{'weight':1000}}", "blkio.bfq.weight|=1000;blkio.weight=1000;",
	  "io.bfq.weight|=1000;io.weight=10000;" },
	{ "{'blockIO':{'weight':0,'leafWeight':0}}", "", "" },
	{ "{'blockIO':{'weight':9}}", "!3 10..1000", "!3 10..1000" },
	{ "{'blockIO':{'leafWeight':20}}", "blkio.leaf_weight=20;", "!9 leafWeight" },
	{ "{'blockIO':{'weightDevice':[{'major':8,'minor':0,'weight':100,'leafWeight':20}]}}",
	  "blkio.bfq.weight_device|=8:0 100;blkio.weight_device=8:0 100;"
	  "blkio.leaf_weight_device=8:0 20;",
	  "!9 leafWeight" },
	{ "{'blockIO':{'weightDevice':[{'major':8,'minor':16,'weight':505}]}}",
	  "blkio.bfq.weight_device|=8:16 505;blkio.weight_device=8:16 505;",
	  "io.bfq.weight|=8:16 505;io.weight=8:16 5000;" },
	{ "{'blockIO':{'weightDevice':[{'minor':16,'weight':505}]}}", "!3 number", "!3 number" },
	{ "{'blockIO':{'throttleReadBpsDevice':[{'major':8,'minor':0,'rate':600}],"
	  "'throttleWriteBpsDevice':[{'major':8,'minor':0,'rate':0}],"
	  "'throttleReadIOPSDevice':[{'major':8,'minor':1,'rate':18446744073709551615}],"
	  "'throttleWriteIOPSDevice':[{'major':8,'minor':1,'rate':2},{'major':8,'minor':2,"
	  "'rate':3}]}}",
	  "blkio.throttle.read_bps_device=8:0 600;blkio.throttle.write_bps_device?=8:0 0;"
	  "blkio.throttle.read_iops_device=8:1 18446744073709551615;"
	  "blkio.throttle.write_iops_device=8:1 2;blkio.throttle.write_iops_device=8:2 3;",
	  "io.max=8:0 rbps=600;io.max?=8:0 wbps=max;io.max=8:1 riops=18446744073709551615;"
	  "io.max=8:1 wiops=2;io.max=8:2 wiops=3;" },
	{ "{'blockIO':{'throttleReadBpsDevice':[{'major':8,'minor':0}]}}", "!3 whole number",
	  "!3 whole number" },
	{ "{'blockIO':{'throttleReadBpsDevice':[{'major':8,'minor':-1,'rate':1}]}}",
	  "!3 throttleReadBpsDevice", "!3 throttleReadBpsDevice" },
	/* huge pages */
	{ "{'hugepageLimits':[{'pageSize':'2MB','limit':9},{'pageSize':'64KB','limit':0}]}",
	  "hugetlb.2MB.limit_in_bytes=9;hugetlb.2MB.rsvd.limit_in_bytes?=9;"
	  "hugetlb.64KB.limit_in_bytes=0;hugetlb.64KB.rsvd.limit_in_bytes?=0;",
	  "hugetlb.2MB.max=9;hugetlb.2MB.rsvd.max?=9;hugetlb.64KB.max=0;hugetlb.64KB.rsvd.max?=0;" },
	{ "{'hugepageLimits':[{'pageSize':'../../x','limit':9}]}", "!3 pageSize", "!3 pageSize" },
	{ "{'hugepageLimits':[{'pageSize':'2MBs','limit':9}]}", "!3 pageSize", "!3 pageSize" },
	{ "{'hugepageLimits':[{'pageSize':'MB','limit':9}]}", "!3 pageSize", "!3 pageSize" },
	{ "{'hugepageLimits':[{'pageSize':'2MB'}]}", "!3 hugepageLimits.limit",
	  "!3 hugepageLimits.limit" },
	/* network */
	{ "{'network':{'classID':1048577,'priorities':[{'name':'lo','priority':3},"
	  "{'name':'eth0','priority':0}]}}",
	  "net_cls.classid=1048577;net_prio.ifpriomap=lo 3;net_prio.ifpriomap=eth0 0;",
	  "!9 network.classID" },
	{ "{'network':{'classID':0,'priorities':[]}}", "", "" },
	{ "{'network':{'classID':4294967296}}", "!3 network.classID", "!3 network.classID" },
	{ "{'network':{'priorities':[{'name':'eth0 1\\neth1','priority':0}]}}", "!3 interface",
	  "!9 network.priorities" },
	/* rdma */
	{ "{'rdma':{'mlx5_1':{'hcaHandles':3,'hcaObjects':10000},'mlx4_0':{'hcaObjects':1},"
	  "'rxe3':{}}}",
	  "rdma.max=mlx5_1 hca_handle=3 hca_object=10000;rdma.max=mlx4_0 hca_object=1;",
	  "rdma.max=mlx5_1 hca_handle=3 hca_object=10000;rdma.max=mlx4_0 hca_object=1;" },
	{ "{'rdma':{'a b':{'hcaHandles':3}}}", "!3 rdma", "!3 rdma" },
	/* unified */
	{ "{'unified':{'memory.high':'1000000','io.max':'8:0 rbps=1\\n8:16 wbps=2\\n'}}",
	  "!9 unified", "memory.high=1000000;io.max=8:0 rbps=1;io.max=8:16 wbps=2;" },
	{ "{'unified':{'cgroup.max.depth':'2','hugetlb.2MB.max':''}}", "!9 unified",
	  "cgroup.max.depth=2;" },
	{ "{'memory':{'limit':4096},'unified':{'memory.max':'8192'}}", "!9 unified",
	  "memory.max=4096;memory.max=8192;" },
	{ "{'unified':{'../memory.max':'1'}}", "!9 unified", "!3 ../memory.max" },
	{ "{'unified':{'memory/x.max':'1'}}", "!9 unified", "!3 memory/x.max" },
	{ "{'unified':{'memory':'1'}}", "!9 unified", "!3 \"memory\"" },
	{ "{'unified':{'.x':'1'}}", "!9 unified", "!3 \".x\"" },
	{ "{'unified':{'memory.':'1'}}", "!9 unified", "!3 \"memory.\"" },
	{ "{'unified':{'cgroup.procs':'1'}}", "!9 unified", "!3 cgroup.procs" },
	{ "{'unified':{'cgroup.freeze':'1'}}", "!9 unified", "!3 cgroup.freeze" },
	{ "{'unified':{'cgroup.subtree_control':'+memory'}}", "!9 unified", "!3 subtree" },
	{ "{'unified':{'magic.max':'1'}}", "!9 unified", "!9 magic.max" },
	{ "{'unified':{'memory.max':1}}", "!3 not a text", "!3 not a text" },
	{ "{'unified':{}}", "", "" },
};

static struct arena arena;

static const char *quoted(const char *json)
{
	char *text = arena_strdup(&arena, json);

	for (char *at = text; *at; at++)
		if (*at == '\'')
			*at = '"';
	return text;
}

static struct spec_resources *resources_of(const char *json, struct err *e)
{
	const char *text = quoted(json);
	yyjson_doc *doc = json_read(&arena, text, strlen(text), e);

	if (!doc)
		fail_msg("%s: %s", text, e->msg);
	return spec_json_resources(&arena, yyjson_doc_get_root(doc), e);
}

static void expect_error(const char *json, const struct err *e, const char *want)
{
	if (e->rc != strtol(want + 1, NULL, 10) || !strstr(e->msg, strchr(want, ' ') + 1))
		fail_msg("%s: \"%s\" (%d), not \"%s\"", json, e->msg, e->rc, want);
}

static void check(enum cgroup_version version, const char *json, const char *want)
{
	struct cgroup_values values = { 0 };
	struct err e = { 0 };
	const struct spec_resources *res = resources_of(json, &e);
	char text[1024];
	struct str s = STR_OVER(text);
	int r = res ? cgroup_limits_values(version, &res->limits, &arena, &values, &e) : -1;

	if (*want == '!') {
		assert_int_equal(r, -1);
		expect_error(json, &e, want);
		return;
	}
	if (r < 0)
		fail_msg("%s: %s", json, e.msg);
	for (size_t i = 0; i < values.n; i++)
		str_addf(&s, "%s%s=%s;", values.v[i].file,
			 values.v[i].flags & CGROUP_VALUE_OPTIONAL ? "?" :
			 values.v[i].flags & CGROUP_VALUE_OR_NEXT  ? "|" :
								     "",
			 values.v[i].text);
	if (!str_eq(text, want))
		fail_msg("%s: %s, not %s", json, text, want);
}

static void test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		arena_init(&arena, 1 << 20);
		check(CGROUP_VERSION_1, rows[i].json, rows[i].v1);
		check(CGROUP_VERSION_2, rows[i].json, rows[i].v2);
		arena_fini(&arena);
	}
}

/* Each row's controller is the one that has the file. */
static void test_controllers(void **state)
{
	static const struct { const char *json; unsigned int controllers; } all[] = {
		{ "{'memory':{'limit':1}}", CGROUP_MEMORY }, { "{'cpu':{'shares':3}}", CGROUP_CPU },
		{ "{'cpu':{'cpus':'0'}}", CGROUP_CPUSET },   { "{'pids':{'limit':1}}", CGROUP_PIDS },
		{ "{'blockIO':{'weight':10}}", CGROUP_IO },
		{ "{'hugepageLimits':[{'pageSize':'2MB','limit':9}]}", CGROUP_HUGETLB },
		{ "{'rdma':{'a':{'hcaHandles':3}}}", CGROUP_RDMA },
		{ "{'unified':{'cpuset.cpus.partition':'root'}}", CGROUP_CPUSET },
		{ "{'unified':{'cpu.idle':'1'}}", CGROUP_CPU },
		{ "{'unified':{'cgroup.max.depth':'1'}}", 0 },
	};

	(void)state;
	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		struct cgroup_values values;
		struct err e = { 0 };
		const struct spec_resources *res = resources_of(all[i].json, &e);

		assert_non_null(res);
		assert_int_equal(cgroup_limits_values(CGROUP_VERSION_2, &res->limits, &arena,
						      &values, &e),
				 0);
		assert_true(values.n > 0);
		for (size_t k = 0; k < values.n; k++)
			assert_int_equal(values.v[k].controller, all[i].controllers);
	}
	arena_fini(&arena);
}

/* An arena that is exhausted is an error, not a row less. */
static void test_no_memory(void **state)
{
	struct cgroup_values values;
	struct cgroup_limits l;
	struct err e = { 0 };
	struct arena none;

	(void)state;
	arena_init(&none, 0);
	cgroup_limits_init(&l);
	l.memory = 4096;
	assert_int_equal(cgroup_limits_values(CGROUP_VERSION_2, &l, &none, &values, &e), -1);
	assert_int_equal(e.rc, RC_RESOURCE_EXHAUSTED);
	arena_fini(&none);
}

/* base "": this is PID 1; else another init's way of naming holds. */
static const struct path_row {
	const char *base, *in, *out; /* out NULL: refused */
} path_rows[] = {
	{ "", "", "/id1" },
	{ "", NULL, "/id1" },
	{ "", "/kubepods/pod1/c1", "/kubepods/pod1/c1" },
	{ "", "kubepods//c1/", "/kubepods/c1" },
	{ "", "system.slice:cri-containerd:abc", "/system.slice/cri-containerd/abc" },
	{ "", "/a:b:c", "/a:b:c" },
	{ "", "a:b", "/a:b" },
	{ "", ":cri:abc", "/cri/abc" },
	{ "", "pod1/c1", "/pod1/c1" },
	{ "", "a:b:c:d", "/a:b:c:d" },
	{ "", "../x", NULL },
	{ "", "/a/../../x", NULL },
	{ "", "/", NULL },
	{ "", "a:..:c", NULL },
	{ "/u/containers", "", "/u/containers/id1" },
	{ "/u/containers", "/kubepods/c1", "/u/containers/kubepods/c1" },
	{ "/u/containers", "/a:b:c", "/u/containers/a:b:c" },
	{ "/u/containers", "/", NULL },
	{ "/u/containers", "../agent", NULL },
	{ "/u/containers", "system.slice:cri:abc", "/u/containers/system.slice/cri-abc.scope" },
	{ "/u/containers", "a-b-c.slice:cri:x-y",
	  "/u/containers/a.slice/a-b.slice/a-b-c.slice/cri-x-y.scope" },
	{ "/u/containers", ":cri:abc", "/u/containers/system.slice/cri-abc.scope" },
	{ "/u/containers", "-.slice:cri:abc", "/u/containers/cri-abc.scope" },
	{ "/u/containers", "a.slice::abc", "/u/containers/a.slice/abc.scope" },
	{ "/u/containers", "a.slice::a-b.slice", "/u/containers/a.slice/a-b.slice" },
	{ "/u/containers", "a:cri:abc", NULL },
	{ "/u/containers", ".slice:cri:abc", NULL },
	{ "/u/containers", "a--b.slice:cri:abc", NULL },
	{ "/u/containers", "-a.slice:cri:abc", NULL },
	{ "/u/containers", "a-.slice:cri:abc", NULL },
	{ "/u/containers", "--.slice:cri:abc", NULL },
	{ "/u/containers", "a/b.slice:cri:abc", NULL },
	{ "/u/containers", "a.slice:cri/x:abc", NULL },
	{ "/u/containers", "a.slice:..:", NULL },
	{ "/u/containers", "a.slice::/../../../x", NULL },
	{ "/u/containers", "a.slice:cri:", NULL },
};

static void test_paths(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, 65536);
	for (size_t i = 0; i < COUNT_OF(path_rows); i++) {
		const struct path_row *row = &path_rows[i];
		struct cgroup_root root = { .fd = -1 };
		struct err e = { 0 };
		char *got;

		snprintf(root.base, sizeof(root.base), "%s", row->base);
		got = cgroup_path_of_spec(&root, &a, row->in, "id1", &e);
		if (row->out) {
			assert_non_null(got);
			assert_string_equal(got, row->out);
			continue;
		}
		assert_null(got);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	}
	arena_fini(&a);
}

/* Levels grow with the square of a name: what does not fit in a path is refused. */
static void test_path_of_many_slices(void **state)
{
	struct cgroup_root root = { .fd = -1, .base = "/u/containers" };
	struct err e = { 0 };
	struct arena a;
	char text[1024];
	struct str s = STR_OVER(text);

	(void)state;
	for (int i = 0; i < 200; i++)
		str_add(&s, "a-");
	str_add(&s, "a.slice:cri:abc");
	arena_init(&a, 65536);
	assert_null(cgroup_path_of_spec(&root, &a, text, "id1", &e));
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	assert_non_null(strstr(e.msg, "cgroupsPath"));
	arena_fini(&a);
}

static void test_relative(void **state)
{
	(void)state;
	assert_string_equal(cgroup_relative("//a/b"), "a/b");
	assert_null(cgroup_relative("/"));
	assert_null(cgroup_relative(""));
	assert_null(cgroup_relative("/a/../b"));
	assert_null(cgroup_relative("/a/./b"));
	assert_null(cgroup_relative("/a//b"));
	assert_null(cgroup_relative("/a/"));
	assert_string_equal(cgroup_relative("/a/..b"), "a/..b");
}

static void test_nothing_mounted(void **state)
{
	struct cgroup_root root;

	(void)state;
	assert_int_equal(cgroup_detect("/nonexistent", &root), 0);
	assert_int_equal(root.version, CGROUP_VERSION_NONE);
	assert_int_equal(cgroup_detect("/tmp", &root), 0);
	assert_int_equal(root.version, CGROUP_VERSION_NONE);
	assert_int_equal(root.fd, -1);
	assert_int_equal(cgroup_open(&root, "/a", 0), -ENODEV);
	assert_int_equal(cgroup_remove(&root, "/a"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_controllers),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_path_of_many_slices),
		cmocka_unit_test(test_relative),
		cmocka_unit_test(test_nothing_mounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
