/* SPDX-License-Identifier: Apache-2.0 */
/* config.md, Mounts and Linux mount options. /proc/mounts shows the flags of the mount and of its
 * file system in one list; a word is looked for between commas. */
#include "lib/conformance.h"

#define MOUNTS	"config.md: Mounts"
#define OPTIONS "config.md: Linux mount options"

#define MOUNT(destination, type, source, options)                                    \
	",{\"destination\":\"" destination "\",\"type\":\"" type "\",\"source\":\"" source \
	"\",\"options\":[" options "]}"
#define TMPFS(destination, options) MOUNT(destination, "tmpfs", "tmpfs", options)
#define BIND(source, options)	    MOUNT("/b", "bind", source, options)

#define COUNT(word) \
	"awk '$2 == \"/m\" { o = $4 } END { print \",\" o \",\" }' /proc/mounts | grep -c ',"word",'; true"

/* On a tmpfs: the word is there, or it is not. */
#define ON(option, options, word)                                         \
	{ OPTIONS, "honour `" option "`", .what = { .mounts = TMPFS("/m", options) }, \
	  .script = COUNT(word), .output = "1\n" }
#define OFF(option, options, word)                                        \
	{ OPTIONS, "honour `" option "`", .what = { .mounts = TMPFS("/m", options) }, \
	  .script = COUNT(word), .output = "0\n" }

/* On a bind mount: the kernel's word for its propagation. */
#define PROPAGATION(option, expect, ...)                                                        \
	{ OPTIONS, "honour `" option "`",                                                  \
	  .what = { .mounts = BIND("/run", "\"bind\",\"" option "\"") },                   \
	  .script = "grep ' /b ' /proc/self/mountinfo | grep -oE 'shared|master|unbindable'; true", \
	  .output = expect, __VA_ARGS__ }

/* On a recursive bind of a tree with mounts below: every mount of it has the word. */
#define RECURSIVE(option, first, word)                                                     \
	{ OPTIONS, "honour `" option "`",                                                  \
	  .what = { .mounts = BIND("/sys", "\"rbind\"," first "\"" option "\"") },         \
	  .script = "awk '$2 ~ \"^/b\" { n++; if (\",\" $4 \",\" ~ /," word ",/) r++ } "    \
		    "END { print (n > 1), (n == r) }' /proc/mounts",                       \
	  .output = "1 1\n" }

const struct must conformance_mounts[] = {
	{ MOUNTS, "mount the entries in the listed order",
	  .what = { .mounts = TMPFS("/m", "") TMPFS("/m/sub", "") TMPFS("/o/sub", "") TMPFS("/o", "") },
	  .script = "awk '$2 ~ \"^/[mo]\" { print $2 }' /proc/mounts; ls /m; ls /o",
	  .output = "/m\n/m/sub\n/o/sub\n/o\nsub\n" },
	{ MOUNTS, "take a relative destination as relative to /",
	  .what = { .mounts = TMPFS("rel/ative", "") },
	  .script = "awk '$2 ~ \"ative\" { print $2 }' /proc/mounts", .output = "/rel/ative\n" },
	{ MOUNTS, "refuse an entry that cannot be mounted",
	  .what = { .mounts = MOUNT("/m", "nosuchfs", "x", "") }, .refused = "mounts[" },
	{ MOUNTS, "refuse a bind whose source is missing",
	  .what = { .mounts = BIND("/run/no/such", "\"bind\"") }, .refused = "mounts[" },
	{ MOUNTS, "take uidMappings and gidMappings only together",
	  .elsewhere = "unit/test_spec (Kata's messages do not carry them)" },

	OFF("async", "\"sync\",\"async\"", "sync"),
	OFF("atime", "\"noatime\",\"atime\"", "noatime"),
	{ OPTIONS, "honour `bind`: the one mount",
	  .what = { .mounts = BIND("/sys", "\"bind\"") },
	  .script = "grep -c ' /b/' /proc/mounts; ls /b | grep kernel", .output = "0\nkernel\n" },
	ON("defaults", "\"defaults\"", "rw"),
	OFF("dev", "\"nodev\",\"dev\"", "nodev"),
	OFF("diratime", "\"nodiratime\",\"diratime\"", "nodiratime"),
	ON("dirsync", "\"dirsync\"", "dirsync"),
	OFF("exec", "\"noexec\",\"exec\"", "noexec"),
	ON("iversion", "\"iversion\"", "rw"),
	ON("lazytime", "\"lazytime\"", "lazytime"),
	ON("loud", "\"loud\"", "rw"),
	ON("noatime", "\"noatime\"", "noatime"),
	ON("nodev", "\"nodev\"", "nodev"),
	ON("nodiratime", "\"nodiratime\"", "nodiratime"),
	ON("noexec", "\"noexec\"", "noexec"),
	ON("noiversion", "\"noiversion\"", "rw"),
	OFF("nolazytime", "\"lazytime\",\"nolazytime\"", "lazytime"),
	ON("norelatime", "\"norelatime\"", "rw"),
	ON("nostrictatime", "\"strictatime\",\"nostrictatime\"", "relatime"),
	ON("nosuid", "\"nosuid\"", "nosuid"),
	ON("nosymfollow", "\"nosymfollow\"", "nosymfollow"),
	{ OPTIONS, "honour `rbind`: the whole tree",
	  .what = { .mounts = BIND("/sys", "\"rbind\"") },
	  .script = "grep -c ' /b/fs/cgroup ' /proc/mounts", .output = "1\n" },
	ON("relatime", "\"relatime\"", "relatime"),
	{ OPTIONS, "honour `remount`",
	  .what = { .mounts = TMPFS("/m", "\"size=64k\"") TMPFS("/m", "\"remount\",\"ro\",\"size=64k\"") },
	  .script = COUNT("ro"), .output = "1\n" },
	ON("ro", "\"ro\"", "ro"),
	ON("rw", "\"ro\",\"rw\"", "rw"),
	ON("silent", "\"silent\"", "rw"),
	OFF("strictatime", "\"strictatime\"", "relatime"),
	OFF("suid", "\"nosuid\",\"suid\"", "nosuid"),
	OFF("symfollow", "\"nosymfollow\",\"symfollow\"", "nosymfollow"),
	ON("sync", "\"sync\"", "sync"),

	PROPAGATION("private", ""),
	PROPAGATION("rprivate", ""),
	PROPAGATION("shared", "shared\n"),
	PROPAGATION("rshared", "shared\n"),
	PROPAGATION("slave", ""),
	PROPAGATION("rslave", ""),
	PROPAGATION("unbindable", "unbindable\n"),
	PROPAGATION("runbindable", "unbindable\n"),

	RECURSIVE("rro", "", "ro"),
	RECURSIVE("rnosuid", "", "nosuid"),
	RECURSIVE("rnodev", "", "nodev"),
	RECURSIVE("rnoexec", "", "noexec"),
	RECURSIVE("rnoatime", "", "noatime"),
	RECURSIVE("rnodiratime", "", "nodiratime"),
	RECURSIVE("rrelatime", "\"rnoatime\",", "relatime"),
	RECURSIVE("rnosymfollow", "", "nosymfollow"),

	{ OPTIONS, "honour `tmpcopyup`",
	  .what = { .mounts = TMPFS("/etc", "\"tmpcopyup\"") },
	  .script = "head -c 5 /etc/passwd; awk '$2 == \"/etc\" { print $3 }' /proc/mounts",
	  .output = "root:tmpfs\n" },
	{ OPTIONS, "refuse `idmap` when there is no mapping to use",
	  .what = { .mounts = BIND("/run", "\"bind\",\"idmap\"") }, .refused = "mounts[" },
	{ 0 },
};
