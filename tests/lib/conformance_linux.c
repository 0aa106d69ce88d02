/* SPDX-License-Identifier: Apache-2.0 */
/* config-linux.md, but for control groups and resources: namespaces, devices, sysctls, seccomp,
 * hidden paths, propagation. */
#include "lib/conformance.h"

#define FILESYSTEMS "config-linux.md: Default filesystems"
#define NAMESPACES  "config-linux.md: Namespaces"
#define DEVICES	    "config-linux.md: Devices"
#define SYSCTL	    "config-linux.md: Sysctl"
#define SECCOMP	    "config-linux.md: Seccomp"
#define PATHS	    "config-linux.md: Masked and read-only paths"
#define REST	    "config-linux.md: Rootfs mount propagation, mount label, personality"
#define LINKS	    "runtime-linux.md: Dev symbolic links"

/* The guest's own /proc, and the right to look at its namespaces. */
#define GUEST ",{\"destination\":\"/guest\",\"type\":\"bind\",\"source\":\"/proc\",\"options\":[\"rbind\",\"ro\"]}"
#define PEEK  "\"CAP_SYS_PTRACE\",\"CAP_SYS_ADMIN\",\"CAP_DAC_READ_SEARCH\""
#define MAY_PEEK ",\"Capabilities\":{\"Bounding\":[" PEEK "],\"Effective\":[" PEEK "],\"Permitted\":[" PEEK "]}"
#define COMPARE(list)                                                                  \
	"for n in " list "; do if [ \"$(readlink /proc/self/ns/$n)\" = "                \
	"\"$(readlink /guest/1/ns/$n)\" ]; then echo $n same; else echo $n new; fi; done"

#define NS(types) ",\"Namespaces\":[{\"Type\":\"mount\"}" types "]"
#define T(type)	  ",{\"Type\":\"" type "\"}"
#define AT(type, path) ",{\"Type\":\"" type "\",\"Path\":\"" path "\"}"

#define DEVICE(path, type, more) ",\"Devices\":[{\"Path\":\"" path "\",\"Type\":\"" type "\"" more "}]"
#define FILTER(action, more) ",\"Seccomp\":{\"DefaultAction\":\"" action "\"" more "}"
#define RULES(rules) FILTER("SCMP_ACT_ALLOW", ",\"Syscalls\":[" rules "]")

const struct must conformance_linux[] = {
	{ FILESYSTEMS, "show proc, sysfs, devpts and /dev/shm where they are asked for",
	  .script = "for p in /proc /sys /dev/pts /dev/shm; do awk -v p=$p '$2 == p { t = $3 } END { print t }' /proc/mounts; done",
	  .output = "proc\nsysfs\ndevpts\ntmpfs\n" },

	{ NAMESPACES, "make a new namespace of every listed type",
	  .what = { .linux = NS(T("ipc") T("uts") T("pid") T("cgroup") T("network") T("time")),
		    .mounts = GUEST, .process = MAY_PEEK },
	  .script = COMPARE("ipc uts mnt pid cgroup net time"),
	  .output = "ipc new\nuts new\nmnt new\npid new\ncgroup new\nnet new\ntime new\n" },
	{ NAMESPACES, "inherit what is not listed",
	  .what = { .linux = NS(T("pid") T("ipc") T("uts")), .mounts = GUEST, .process = MAY_PEEK },
	  .script = COMPARE("net time user"), .output = "net same\ntime same\nuser same\n" },
	{ NAMESPACES, "join the namespace of a path",
	  .what = { .linux = NS(T("pid") T("ipc") T("uts") AT("network", "/proc/1/ns/net")),
		    .mounts = GUEST, .process = MAY_PEEK },
	  .script = COMPARE("net"), .output = "net same\n" },
	{ NAMESPACES, "refuse a path of another type",
	  .what = { .linux = NS(T("pid") T("ipc") T("uts") AT("network", "/proc/1/ns/ipc")) },
	  .refused = "linux.namespaces (network)" },
	{ NAMESPACES, "refuse a path that is no namespace",
	  .what = { .linux = NS(T("pid") T("ipc") T("uts") AT("network", "/proc/1/comm")) },
	  .refused = "linux.namespaces (network)" },
	{ NAMESPACES, "refuse a path that is not absolute",
	  .what = { .linux = NS(T("pid") T("ipc") T("uts") AT("network", "proc/1/ns/net")) },
	  .refused = "linux.namespaces (network)" },
	{ NAMESPACES, "refuse a type listed twice",
	  .what = { .linux = NS(T("pid") T("ipc") T("ipc") T("uts")) },
	  .refused = "linux.namespaces" },
	{ NAMESPACES, "map users and groups in a user namespace",
	  .what = { .linux = NS(T("pid") T("ipc") T("uts") T("user") T("cgroup") T("network"))
		    ",\"UIDMappings\":[{\"HostID\":0,\"ContainerID\":0,\"Size\":1},{\"HostID\":100000,\"ContainerID\":1,\"Size\":65535}]"
		    ",\"GIDMappings\":[{\"HostID\":0,\"ContainerID\":0,\"Size\":65536}]" },
	  .script = "awk '{ print $1, $2, $3 }' /proc/self/uid_map /proc/self/gid_map",
	  .output = "0 0 1\n1 100000 65535\n0 0 65536\n" },
	{ NAMESPACES, "refuse mappings without a user namespace",
	  .what = { .linux = NS(T("pid") T("ipc") T("uts"))
		    ",\"UIDMappings\":[{\"HostID\":0,\"ContainerID\":0,\"Size\":1}]" },
	  .refused = "linux.uidMappings" },
	{ NAMESPACES, "set the offsets of a time namespace",
	  .elsewhere = "ns layer (Kata's messages do not carry them)" },

	{ DEVICES, "supply a listed device with its mode and owner",
	  .what = { .linux = DEVICE("/dev/mine", "c", ",\"Major\":1,\"Minor\":3,\"FileMode\":416,\"UID\":1,\"GID\":2") },
	  .script = "stat -c '%F %t:%T %a %u:%g' /dev/mine",
	  .output = "character special file 1:3 640 1:2\n" },
	{ DEVICES, "supply a block device",
	  .what = { .linux = DEVICE("/dev/disk", "b", ",\"Major\":7,\"Minor\":9,\"FileMode\":384") },
	  .script = "stat -c '%F %t:%T %a' /dev/disk", .output = "block special file 7:9 600\n" },
	{ DEVICES, "supply type u",
	  .what = { .linux = DEVICE("/dev/u", "u", ",\"Major\":1,\"Minor\":5,\"FileMode\":438") },
	  .script = "stat -c '%F %t:%T' /dev/u", .output = "character special file 1:5\n" },
	{ DEVICES, "supply type p",
	  .what = { .linux = DEVICE("/dev/pipe", "p", ",\"FileMode\":420") },
	  .script = "stat -c '%F %a' /dev/pipe", .output = "fifo 644\n" },
	{ DEVICES, "supply a device outside of /dev",
	  .what = { .linux = DEVICE("/opt/d/null", "c", ",\"Major\":1,\"Minor\":3,\"FileMode\":438") },
	  .script = "stat -c '%t:%T' /opt/d/null", .output = "1:3\n" },
	{ DEVICES, "refuse a device where another file is",
	  .what = { .linux = DEVICE("/etc/passwd", "c", ",\"Major\":1,\"Minor\":3,\"FileMode\":438") },
	  .refused = "linux.devices" },
	{ DEVICES, "refuse an unknown type",
	  .what = { .linux = DEVICE("/dev/x", "z", ",\"Major\":1,\"Minor\":3") },
	  .refused = "linux.devices[0]" },
	{ DEVICES, "supply the default devices",
	  .script = "for d in null zero full random urandom tty ptmx; do [ -c /dev/$d ] && echo $d; done",
	  .output = "null\nzero\nfull\nrandom\nurandom\ntty\nptmx\n" },
	{ DEVICES, "bind the terminal to /dev/console",
	  .what = { .process = ",\"Terminal\":true" },
	  .script = "[ \"$(stat -c %t:%T /dev/console)\" = \"$(stat -L -c %t:%T /proc/self/fd/0)\" ] && echo same",
	  .output = "same\r\n" },
	{ LINKS, "make the symbolic links of /dev",
	  .script = "for l in fd stdin stdout stderr; do readlink /dev/$l; done",
	  .output = "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\n" },

	{ SYSCTL, "set the kernel's parameters",
	  .what = { .linux = ",\"Sysctl\":{\"kernel.shmmni\":\"123\",\"kernel.msgmax\":\"4321\"}" },
	  .script = "cat /proc/sys/kernel/shmmni /proc/sys/kernel/msgmax", .output = "123\n4321\n" },
	{ SYSCTL, "refuse one that is the whole guest's",
	  .what = { .linux = ",\"Sysctl\":{\"kernel.panic\":\"5\"}" }, .refused = "kernel.panic" },

	{ SECCOMP, "apply the rules, EPERM by default",
	  .what = { .linux = RULES("{\"Names\":[\"mkdir\",\"mkdirat\"],\"Action\":\"SCMP_ACT_ERRNO\"}") },
	  .script = "mkdir /tmp/a 2>&1 | grep -o 'Operation not permitted'; rmdir /tmp/b 2>&1 | grep -o 'No such'",
	  .output = "Operation not permitted\nNo such\n" },
	{ SECCOMP, "give the errno that a rule names",
	  .what = { .linux = RULES("{\"Names\":[\"mkdir\",\"mkdirat\"],\"Action\":\"SCMP_ACT_ERRNO\",\"errnoret\":28}") },
	  .script = "mkdir /tmp/a 2>&1 | grep -o 'No space'", .output = "No space\n" },
	{ SECCOMP, "match arguments",
	  .what = { .linux = RULES("{\"Names\":[\"chmod\"],\"Action\":\"SCMP_ACT_ERRNO\",\"Args\":[{\"Index\":1,\"Value\":511,\"Op\":\"SCMP_CMP_EQ\"}]},"
				   "{\"Names\":[\"fchmodat\"],\"Action\":\"SCMP_ACT_ERRNO\",\"Args\":[{\"Index\":2,\"Value\":511,\"Op\":\"SCMP_CMP_EQ\"}]}") },
	  .script = "touch /tmp/f; chmod 700 /tmp/f && echo allowed; chmod 777 /tmp/f 2>/dev/null || echo refused",
	  .output = "allowed\nrefused\n" },
	{ SECCOMP, "kill the process for SCMP_ACT_KILL_PROCESS",
	  .what = { .linux = RULES("{\"Names\":[\"mkdir\",\"mkdirat\"],\"Action\":\"SCMP_ACT_KILL_PROCESS\"}") },
	  .script = "mkdir /tmp/a; echo $?", .output = "159\n" },
	{ SECCOMP, "refuse a rule without names",
	  .what = { .linux = RULES("{\"Names\":[],\"Action\":\"SCMP_ACT_ERRNO\"}") },
	  .refused = "linux.seccomp.syscalls[0]" },
	{ SECCOMP, "refuse an unknown action",
	  .what = { .linux = FILTER("SCMP_ACT_DANCE", "") }, .refused = "SCMP_ACT_DANCE" },
	{ SECCOMP, "refuse an unknown architecture",
	  .what = { .linux = FILTER("SCMP_ACT_ALLOW", ",\"Architectures\":[\"SCMP_ARCH_PDP11\"]") },
	  .refused = "SCMP_ARCH_PDP11" },
	{ SECCOMP, "refuse an errno for an action that has none",
	  .what = { .linux = RULES("{\"Names\":[\"mkdir\"],\"Action\":\"SCMP_ACT_KILL_PROCESS\",\"errnoret\":1}") },
	  .refused = "errnoRet" },
	{ SECCOMP, "accept the flags of seccomp(2)",
	  .what = { .linux = FILTER("SCMP_ACT_ALLOW", ",\"Flags\":[\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"]") },
	  .script = "grep -w Seccomp /proc/self/status | cut -f 2", .output = "2\n" },
	{ SECCOMP, "hand a notification's descriptor to listenerPath, once",
	  .elsewhere = "ns layer (Kata's messages do not carry it)" },

	{ PATHS, "make masked files and directories unreadable",
	  .what = { .mounts = ",{\"destination\":\"/m\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[]}" },
	  .script = "cat /proc/kcore | wc -c; ls /sys/firmware | wc -l", .output = "0\n0\n" },
	{ PATHS, "make read-only paths read-only",
	  .script = "echo 1 >/proc/sys/kernel/shmmni; echo $?", .output = "1\n" },
	{ PATHS, "refuse paths that are not absolute", .elsewhere = "unit/test_spec" },

	{ REST, "set the propagation of the root: shared",
	  .what = { .linux = ",\"RootfsPropagation\":\"shared\"" },
	  .script = "awk '$5 == \"/\" { print $7 }' /proc/self/mountinfo | cut -d : -f 1", .output = "shared\n" },
	{ REST, "set the propagation of the root: private",
	  .what = { .linux = ",\"RootfsPropagation\":\"private\"" },
	  .script = "awk '$5 == \"/\" { print $7 }' /proc/self/mountinfo", .output = "-\n" },
	{ REST, "set the propagation of the root: unbindable",
	  .what = { .linux = ",\"RootfsPropagation\":\"unbindable\"" },
	  .script = "awk '$5 == \"/\" { print $7 }' /proc/self/mountinfo", .output = "unbindable\n" },
	{ REST, "refuse a mount label that is none",
	  .what = { .linux = ",\"MountLabel\":\"nonsense\"" }, .refused = "linux.mountLabel" },
	{ REST, "set the personality", .elsewhere = "ns layer (Kata's messages do not carry it)" },
	{ REST, "refuse intelRdt without a resctrl file system",
	  .what = { .linux = ",\"IntelRdt\":{\"L3CacheSchema\":\"L3:0=f\"}" },
	  .refused = "linux.intelRdt" },
	{ 0 },
};
