/* SPDX-License-Identifier: Apache-2.0 */
/* config.md: root, process, user, hostname, annotations, and that bad values are refused. */
#include "lib/conformance.h"

#define ROOT	"config.md: Root"
#define PROCESS "config.md: Process"
#define USER	"config.md: User"
#define NAMES	"config.md: Hostname"
#define REST	"config.md: Annotations, extensibility, valid values"

#define CAPS(names) ",\"Capabilities\":{\"Bounding\":[" names "],\"Effective\":[" names \
		    "],\"Permitted\":[" names "],\"Inheritable\":[" names "],\"Ambient\":[" names "]}"

const struct must conformance_config[] = {
	{ ROOT, "refuse a root directory that does not exist",
	  .what = { .root = "/run/no/such" }, .refused = "root.path" },
	{ ROOT, "make the root read-only when asked", .what = { .readonly = true },
	  .script = "touch /x 2>/dev/null; echo $?", .output = "1\n" },
	{ ROOT, "leave the root writable else", .script = "touch /x && echo fine",
	  .output = "fine\n" },

	{ PROCESS, "ignore consoleSize without a terminal",
	  .what = { .process = ",\"ConsoleSize\":{\"Height\":3,\"Width\":5}" },
	  .script = "echo fine", .output = "fine\n" },
	{ PROCESS, "set consoleSize on a terminal",
	  .what = { .process = ",\"Terminal\":true,\"ConsoleSize\":{\"Height\":33,\"Width\":55}" },
	  .script = "stty size", .output = "33 55\r\n" },
	{ PROCESS, "start in cwd", .what = { .process = ",\"Cwd\":\"/tmp\"" }, .script = "pwd",
	  .output = "/tmp\n" },
	{ PROCESS, "refuse a cwd that is not absolute",
	  .what = { .process = ",\"Cwd\":\"tmp\"" }, .refused = "process.cwd" },
	{ PROCESS, "give env as it is",
	  .what = { .process = ",\"Env\":[\"PATH=/bin\",\"A=b c\",\"E=\"]" },
	  .script = "echo \"$A/$E\"", .output = "b c/\n" },
	{ PROCESS, "find args[0] by PATH", .what = { .args = "[\"echo\",\"by path\"]" },
	  .output = "by path\n" },
	{ PROCESS, "refuse empty args", .what = { .args = "[]" }, .refused = "process.args" },
	{ PROCESS, "set every rlimit to its values",
	  .what = { .process = ",\"Rlimits\":[{\"Type\":\"RLIMIT_NOFILE\",\"Soft\":64,\"Hard\":128},"
			       "{\"Type\":\"RLIMIT_CORE\",\"Soft\":0,\"Hard\":0},"
			       "{\"Type\":\"RLIMIT_STACK\",\"Soft\":1048576,\"Hard\":2097152}]" },
	  .script = "ulimit -Sn; ulimit -Hn; ulimit -Hc; ulimit -Ss; ulimit -Hs",
	  .output = "64\n128\n0\n1024\n2048\n" },
	{ PROCESS, "refuse an rlimit that the kernel does not know",
	  .what = { .process = ",\"Rlimits\":[{\"Type\":\"RLIMIT_NOPE\"}]" },
	  .refused = "process.rlimits[0]" },
	{ PROCESS, "refuse one rlimit given twice",
	  .what = { .process = ",\"Rlimits\":[{\"Type\":\"RLIMIT_CORE\"},{\"Type\":\"RLIMIT_CORE\"}]" },
	  .refused = "process.rlimits[1]" },
	{ PROCESS, "set oom_score_adj when given",
	  .what = { .process = ",\"OOMScoreAdj\":321" },
	  .script = "cat /proc/self/oom_score_adj", .output = "321\n" },
	{ PROCESS, "leave oom_score_adj alone when not given",
	  .what = { .mounts = ",{\"destination\":\"/guest\",\"type\":\"bind\",\"source\":\"/proc\",\"options\":[\"rbind\",\"ro\"]}" },
	  .script = "cmp /proc/self/oom_score_adj /guest/1/oom_score_adj && echo same",
	  .output = "same\n" },
	{ PROCESS, "set the capability sets",
	  .what = { .process = ",\"User\":{\"UID\":1000,\"GID\":1000}" CAPS("\"CAP_KILL\",\"CAP_CHOWN\"") },
	  .script = "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | cut -f 2 | sort -u",
	  .output = "0000000000000021\n" },
	{ PROCESS, "set no_new_privs", .what = { .process = ",\"NoNewPrivileges\":true" },
	  .script = "grep NoNewPrivs /proc/self/status | cut -f 2", .output = "1\n" },
	{ PROCESS, "refuse an AppArmor profile that cannot be applied",
	  .elsewhere = "ns layer, from a config.json; a Kata host's is of another kernel: logged" },
	{ PROCESS, "refuse an SELinux label that cannot be applied",
	  .what = { .process = ",\"SelinuxLabel\":\"system_u:system_r:container_t:s0\"" },
	  .refused = "SELinux" },
	{ PROCESS, "apply scheduler, ioPriority and execCPUAffinity",
	  .elsewhere = "ns layer (Kata's messages do not carry them)" },

	{ USER, "run as uid, gid and additional groups",
	  .what = { .process = ",\"User\":{\"UID\":7,\"GID\":8,\"AdditionalGids\":[9,10]}" },
	  .script = "id -u; id -g; id -G", .output = "7\n8\n8 9 10\n" },
	{ USER, "set the umask", .elsewhere = "ns layer (Kata's messages do not carry it)" },

	{ NAMES, "set the hostname in a UTS namespace of its own",
	  .what = { .spec = ",\"Annotations\":{\"a\":\"b\"}" }, .script = "hostname | cut -c 1",
	  .output = "c\n" },
	{ NAMES, "set the domainname", .elsewhere = "ns layer (Kata's messages do not carry it)" },

	{ REST, "ignore unknown annotations",
	  .what = { .spec = ",\"Annotations\":{\"org.example.unknown\":\"x\",\"empty\":\"\"}" },
	  .script = "echo fine", .output = "fine\n" },
	{ REST, "ignore unknown properties",
	  .elsewhere = "unit/test_spec_json; in protobuf unknown fields are skipped" },
	{ REST, "refuse unsupported values: a namespace type",
	  .what = { .linux = ",\"Namespaces\":[{\"Type\":\"mount\"},{\"Type\":\"moon\"}]" },
	  .refused = "linux.namespaces" },
	{ REST, "refuse unsupported values: a rootfs propagation",
	  .what = { .linux = ",\"RootfsPropagation\":\"sideways\"" },
	  .refused = "linux.rootfsPropagation" },
	{ 0 },
};
