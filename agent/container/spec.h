/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI runtime spec (1.2, Linux, and the memory policy and network devices of 1.3) as plain
 * structs: what a container shall be, whoever asked. Two readers fill it: the Kata front from its
 * messages, and spec_json from a config.json. A field that is known and cannot be applied is here
 * too, so that spec_validate can name it; the sections of other systems (windows, solaris, vm, …)
 * are not. Everything
 * hangs in one arena, the container's (a process spec: the process's); nothing points outside of
 * it. A zeroed struct is a valid "not said": pointers are NULL, counts 0, `set` bits clear. Strings
 * that mean one of a few things (namespace types, capabilities, device types) are turned into
 * numbers by the readers with ns_by_name, caps_parse and the spec_parse_* functions below, so that
 * both refuse the same texts. Pure: nothing here waits or touches a file.
 */
#ifndef MOTE_CONTAINER_SPEC_H
#define MOTE_CONTAINER_SPEC_H

#include "base/err.h"
#include "base/mem.h"
#include "kernel/caps.h"
#include "kernel/cgroup_devices.h"
#include "kernel/cgroup_limits.h"
#include "kernel/ns.h"
#include "kernel/rlimit.h"
#include "kernel/sched.h"
#include "kernel/seccomp.h"

/* n strings, terminated by a NULL at v[n] once n > 0 (what execve wants). */
struct spec_strings {
	char **v;
	size_t n;
};

struct spec_pair {
	const char *key, *value;	/* never NULL */
};

struct spec_pairs {
	struct spec_pair *v;
	size_t n;
};

/* A number that may be absent. */
struct spec_i64 {
	int64_t v;
	bool set;
};

struct spec_u64 {
	uint64_t v;
	bool set;
};

struct spec_user {
	uint32_t uid, gid;
	uint32_t *groups;
	size_t n_groups;
	uint32_t umask;			/* valid with umask_set; 0022 else */
	bool umask_set;
};

struct spec_rlimit {
	const char *type;		/* "RLIMIT_NOFILE" */
	uint64_t soft, hard;		/* RLIMIT_NONE: none */
};

/* ioprio_set(2): of the classes 1 (real time), 2 (best effort), 3 (idle). */
struct spec_io_priority {
	uint32_t class;
	int32_t level;			/* 0 (first) to 7 */
	bool set;
};

struct spec_process {
	bool terminal;
	uint16_t console_rows, console_columns;	/* 0: not said */
	struct spec_user user;
	struct spec_strings args, env;
	const char *cwd;		/* NULL: "/" */
	/* NULL (none) in an exec: those of the container's first process */
	struct caps_sets *caps;
	struct spec_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privs;		/* an exec has it too when the first process has */
	/* NULL in an exec: those of the container's first process */
	const char *apparmor_profile, *selinux_label;
	/* Kata's hosts name a profile of their own kernel: not applied where this one has no
	 * AppArmor. Else that is an error */
	bool apparmor_if_there;
	/* not set (NULL) in an exec: as the container's first process */
	struct spec_i64 oom_score_adj;
	struct sched_params *scheduler;
	struct spec_io_priority io_priority;
	/* lists of processors for execs, "0-3,7": before and after the process is in its cgroup.
	 * NULL in an exec: what the container's first process says for its execs */
	const char *exec_cpus_initial, *exec_cpus_final;
};

struct spec_root {
	const char *path;		/* of the guest, absolute */
	bool readonly;
};

struct spec_id_map {
	uint32_t container_id, host_id, size;
};

struct spec_mount {
	const char *destination;
	const char *source, *type;	/* "" when not said */
	struct spec_strings options;
	/* of an id-mapped bind: container_id on the filesystem, host_id as seen through the mount.
	 * Both or none; none with the option idmap: the container's own */
	struct spec_id_map *uid_maps, *gid_maps;
	size_t n_uid_maps, n_gid_maps;
};

struct spec_hook {
	const char *path;
	struct spec_strings args, env;
	uint32_t timeout_s;		/* 0: not said */
};

struct spec_hook_list {
	struct spec_hook *v;
	size_t n;
};

struct spec_hooks {
	struct spec_hook_list prestart, create_runtime, create_container, start_container;
	struct spec_hook_list poststart, poststop;
};

/* One entry a type; `want` says that the list has it. */
struct spec_namespace {
	bool want;
	/* join this one; NULL: a new one. Also /proc/self/fd/N of a descriptor of the agent's */
	const char *path;
};

struct spec_device {
	const char *path;
	mode_t type;			/* S_IFCHR, S_IFBLK, S_IFIFO */
	int64_t major, minor;
	uint32_t mode;			/* permission bits; valid with mode_set */
	/* else the mode of the guest's node of that number, or 0666 */
	bool mode_set;
	uint32_t uid, gid;
};

/* What the cgroup shall hold. */
struct spec_resources {
	struct cgroup_limits limits;	/* cgroup_limits_init()ed by spec_resources_new */
	struct cgroup_device_rule *devices;	/* in the spec's order: the last that matches wins */
	size_t n_devices;
};

/* Of a clock of a new time namespace, relative to the guest's. */
struct spec_time_offset {
	int64_t secs;
	uint32_t nanosecs;		/* below 1e9 */
	bool set;
};

/* set_mempolicy(2). */
struct spec_memory_policy {
	uint32_t mode, flags;		/* MPOL_*, MPOL_F_* */
	const char *nodes;		/* "0-1"; NULL: none */
};

/* Intel's resource director: known, and refused by spec_validate. */
struct spec_intel_rdt {
	const char *clos_id, *l3_cache_schema, *mem_bw_schema;
	struct spec_strings schemata;
	bool monitoring;
};

struct spec_linux {
	struct spec_id_map *uid_maps, *gid_maps;
	size_t n_uid_maps, n_gid_maps;
	struct spec_pairs sysctl;
	struct spec_resources *resources;	/* NULL: not said */
	const char *cgroups_path;		/* NULL: "/<container id>" */
	struct spec_namespace ns[NS_TYPES];
	struct spec_device *devices;
	size_t n_devices;
	/* text, as libseccomp reads it in the container's own child */
	struct seccomp_spec *seccomp;
	const char *rootfs_propagation;		/* NULL: "rslave" */
	struct spec_strings masked_paths, readonly_paths;
	const char *mount_label;
	struct spec_u64 personality;		/* PER_* of personality(2) */
	struct spec_time_offset monotonic, boottime;
	struct spec_memory_policy *memory_policy;	/* NULL: not said */
	struct spec_intel_rdt *intel_rdt;		/* NULL: not said */
	/* interfaces to move, by their names here and in the container: refused by spec_validate */
	struct spec_pairs net_devices;
};

struct spec {
	const char *version;
	struct spec_process *process;	/* NULL is refused by spec_validate */
	struct spec_root root;
	const char *hostname, *domainname;
	struct spec_mount *mounts;
	size_t n_mounts;
	struct spec_hooks hooks;
	struct spec_pairs annotations;
	struct spec_linux linux;
};

/* An empty spec. NULL: the arena is exhausted. */
struct spec *spec_new(struct arena *a);

/* Resources that say nothing: every limit unset. */
struct spec_resources *spec_resources_new(struct arena *a);

/* What is asked for after the first process was set up, copied into a: what execs take over from that
 * process, namespaces with their id maps, the numbers of devices, the filter of system calls,
 * annotations, the mount of the termination log, and the hooks of later moments. Nothing points into s. NULL: the arena is
 * exhausted. */
struct spec *spec_keep(struct arena *a, const struct spec *s);

/* The mount that the pod's spec names as the place for a last word, by this annotation; NULL: none. */
#define SPEC_TERMINATION_LOG "io.kubernetes.container.terminationMessagePath"
const struct spec_mount *spec_termination_log(const struct spec *s);

/* The annotation's or sysctl's value, or NULL. */
const char *spec_pairs_get(const struct spec_pairs *p, const char *key);

/* The rules that hold for every container. -1 with e INVALID_ARGUMENT naming the field
 * ("linux.sysctl: \"kernel.panic\" is not namespaced"), or UNIMPLEMENTED for what is known but not
 * applied. Says nothing about files: a rootfs that is missing is found when it is used. */
int spec_validate(const struct spec *s, struct err *e);

/* The rules for linux.sysctl, of who has namespaces of every type. */
int spec_validate_sysctls(const struct spec_pairs *p, struct err *e);

/* The rules for a process alone (an exec). */
int spec_validate_process(const struct spec_process *p, struct err *e);

/* What both readers use besides ns_by_name, caps_parse: "c", "u", "b", "p", and "rwm" ("" is
 * none). -EINVAL. */
int spec_parse_device_type(const char *name, mode_t *out);
int spec_parse_device_access(const char *text, unsigned int *out);

#endif
