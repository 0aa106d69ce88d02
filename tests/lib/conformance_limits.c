/* SPDX-License-Identifier: Apache-2.0 */
/* config-linux.md: control groups and resources. What Kata's messages do not carry (unified, burst,
 * idle, rdma, …) is shown by the tables of unit/test_cgroup* and, on a real kernel, by
 * ns/test_container_cgroup in the guest. */
#include "lib/conformance.h"

#define GROUPS	"config-linux.md: Control groups"
#define OWNER	"config-linux.md: Cgroup ownership"
#define DEVICES "config-linux.md: Allowed device list"
#define MEMORY	"config-linux.md: Memory"
#define CPU	"config-linux.md: CPU"
#define PIDS	"config-linux.md: PIDs"
#define OTHER	"config-linux.md: Block IO, huge pages, network, RDMA"
#define UNIFIED "config-linux.md: Unified"

#define RESOURCES(text) ",\"Resources\":{" text "}"
#define RULES(text)	RESOURCES("\"Devices\":[" text "]")
#define DENY_ALL	"{\"Allow\":false,\"Access\":\"rwm\"}"
#define ALLOW_KMSG	"{\"Allow\":true,\"Type\":\"c\",\"Major\":1,\"Minor\":11,\"Access\":\"rwm\"}"
/* kmsg is none of the default devices. */
#define TRY_KMSG "mknod /tmp/k c 1 11 && (: </tmp/k) && echo opened || echo refused"
#define ALL_GROUPS ",{\"destination\":\"/groups\",\"type\":\"bind\",\"source\":\"/sys/fs/cgroup\",\"options\":[\"rbind\",\"ro\"]}"

const struct must conformance_limits[] = {
	{ GROUPS, "take an absolute cgroupsPath as relative to the mount point",
	  .what = { .linux = ",\"CgroupsPath\":\"/mote-must/absolute\"", .mounts = ALL_GROUPS },
	  .script = "grep -q 1 /groups/mote-must/absolute/cgroup.procs 2>/dev/null || grep -q . /groups/memory/mote-must/absolute/cgroup.procs && echo there",
	  .output = "there\n" },
	{ GROUPS, "put a relative cgroupsPath always at the same place",
	  .what = { .linux = ",\"CgroupsPath\":\"mote-must/relative\"", .mounts = ALL_GROUPS },
	  .script = "ls -d /groups/mote-must/relative /groups/memory/mote-must/relative 2>/dev/null | wc -l",
	  .output = "1\n" },
	{ GROUPS, "refuse a cgroupsPath that leads out",
	  .what = { .linux = ",\"CgroupsPath\":\"/a/../../b\"" }, .refused = "cgroup" },
	{ OWNER, "hand a writable cgroup mount's files to the user, with a cgroup namespace",
	  .elsewhere = "a SHOULD; see the sandbox's own cases" },

	{ DEVICES, "apply entries in the listed order: deny, then allow",
	  .what = { .linux = RULES(DENY_ALL "," ALLOW_KMSG) }, .script = TRY_KMSG, .output = "opened\n" },
	{ DEVICES, "apply entries in the listed order: allow, then deny",
	  .what = { .linux = RULES(ALLOW_KMSG "," DENY_ALL) }, .script = TRY_KMSG " 2>/dev/null",
	  .output = "refused\n" },
	{ DEVICES, "leave the default devices usable",
	  .what = { .linux = RULES(DENY_ALL) },
	  .script = "echo x >/dev/null && head -c 3 /dev/zero | wc -c", .output = "3\n" },
	{ DEVICES, "refuse an unknown type",
	  .what = { .linux = RULES("{\"Allow\":true,\"Type\":\"q\",\"Access\":\"r\"}") },
	  .refused = "linux.resources.devices[0]" },
	{ DEVICES, "refuse unknown access",
	  .what = { .linux = RULES("{\"Allow\":true,\"Type\":\"c\",\"Access\":\"rx\"}") },
	  .refused = "linux.resources.devices[0]" },

	{ MEMORY, "limit memory", .only = ON_V2,
	  .what = { .linux = RESOURCES("\"Memory\":{\"Limit\":33554432,\"Reservation\":16777216,\"Swap\":50331648}") },
	  .script = "cd /sys/fs/cgroup; cat memory.max memory.low memory.swap.max",
	  .output = "33554432\n16777216\n16777216\n" },
	{ MEMORY, "limit memory", .only = ON_V1,
	  .what = { .linux = RESOURCES("\"Memory\":{\"Limit\":33554432,\"Swap\":50331648}") },
	  /* the soft limit of this kernel's version 1 takes a number and keeps none */
	  .script = "cd /sys/fs/cgroup/memory; cat memory.limit_in_bytes memory.memsw.limit_in_bytes",
	  .output = "33554432\n50331648\n" },
	{ MEMORY, "set swappiness", .only = ON_V1,
	  .what = { .linux = RESOURCES("\"Memory\":{\"Swappiness\":17}") },
	  .script = "cat /sys/fs/cgroup/memory/memory.swappiness", .output = "17\n" },
	{ MEMORY, "kill what takes more than the limit",
	  .what = { .linux = RESOURCES("\"Memory\":{\"Limit\":16777216}") },
	  .script = "dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null; echo $?", .output = "137\n" },

	{ CPU, "limit CPU time", .only = ON_V2,
	  .what = { .linux = RESOURCES("\"CPU\":{\"Quota\":20000,\"Period\":50000}") },
	  .script = "cat /sys/fs/cgroup/cpu.max", .output = "20000 50000\n" },
	{ CPU, "limit CPU time", .only = ON_V1,
	  .what = { .linux = RESOURCES("\"CPU\":{\"Quota\":20000,\"Period\":50000,\"Shares\":512}") },
	  .script = "cd /sys/fs/cgroup/cpu; cat cpu.cfs_quota_us cpu.cfs_period_us cpu.shares",
	  .output = "20000\n50000\n512\n" },
	{ CPU, "choose processors",
	  .what = { .linux = RESOURCES("\"CPU\":{\"Cpus\":\"0\",\"Mems\":\"0\"}") },
	  .script = "grep Cpus_allowed_list /proc/self/status | cut -f 2", .output = "0\n" },
	{ CPU, "refuse processors that do not exist",
	  .what = { .linux = RESOURCES("\"CPU\":{\"Cpus\":\"77\"}") }, .refused = "cpuset.cpus" },

	{ PIDS, "limit the number of tasks", .only = ON_V2,
	  .what = { .linux = RESOURCES("\"Pids\":{\"Limit\":23}") },
	  .script = "cat /sys/fs/cgroup/pids.max", .output = "23\n" },
	{ PIDS, "limit the number of tasks", .only = ON_V1,
	  .what = { .linux = RESOURCES("\"Pids\":{\"Limit\":23}") },
	  .script = "cat /sys/fs/cgroup/pids/pids.max", .output = "23\n" },
	{ PIDS, "stop a fork bomb at the limit",
	  .what = { .linux = RESOURCES("\"Pids\":{\"Limit\":8}") },
	  .script = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 & done 2>/dev/null; echo not reached",
	  .output = "", .status = 2 },

	{ OTHER, "limit huge pages", .only = ON_V2,
	  .what = { .linux = RESOURCES("\"HugepageLimits\":[{\"Pagesize\":\"2MB\",\"Limit\":4194304}]") },
	  .script = "cat /sys/fs/cgroup/hugetlb.2MB.max", .output = "4194304\n" },
	{ OTHER, "limit huge pages", .only = ON_V1,
	  .what = { .linux = RESOURCES("\"HugepageLimits\":[{\"Pagesize\":\"2MB\",\"Limit\":4194304}]") },
	  .script = "cat /sys/fs/cgroup/hugetlb/hugetlb.2MB.limit_in_bytes", .output = "4194304\n" },
	{ OTHER, "refuse a page size that there is not",
	  .what = { .linux = RESOURCES("\"HugepageLimits\":[{\"Pagesize\":\"3MB\",\"Limit\":1}]") },
	  .refused = "3MB" },
	{ OTHER, "tag the network's packets", .only = ON_V1,
	  .what = { .linux = RESOURCES("\"Network\":{\"ClassID\":1048577}") },
	  .script = "cat /sys/fs/cgroup/net_cls/net_cls.classid", .output = "1048577\n" },
	{ OTHER, "throttle a block device", .only = ON_V2,
	  .what = { .linux = RESOURCES("\"BlockIO\":{\"ThrottleReadBpsDevice\":[{\"Major\":254,\"Minor\":0,\"Rate\":1048576}]}") },
	  .script = "cut -d ' ' -f 2 /sys/fs/cgroup/io.max", .output = "rbps=1048576\n" },
	{ OTHER, "throttle a block device", .only = ON_V1,
	  .what = { .linux = RESOURCES("\"BlockIO\":{\"ThrottleReadBpsDevice\":[{\"Major\":254,\"Minor\":0,\"Rate\":1048576}]}") },
	  .script = "cat /sys/fs/cgroup/blkio/blkio.throttle.read_bps_device", .output = "254:0 1048576\n" },
	{ OTHER, "limit RDMA", .elsewhere = "ns/test_container_cgroup in the guest (Kata's messages do not carry it)" },

	{ UNIFIED, "write unknown keys too, refuse controllers that there are not",
	  .elsewhere = "ns/test_container_cgroup in the guest (Kata's messages do not carry it)" },
	{ 0 },
};
