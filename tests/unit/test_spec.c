/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a spec: a good one passes, and each row spoils one thing and names the field that
 * must be complained about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "container/spec.h"

static struct arena arena;
static struct caps_sets caps;

static struct spec_strings words(const char *word)
{
	struct spec_strings s = { .v = ARENA_ARRAY(&arena, char *, 2), .n = 1 };

	assert_non_null(s.v);
	s.v[0] = arena_strdup(&arena, word);
	return s;
}

static struct spec *good(void)
{
	struct spec *s = spec_new(&arena);

	assert_non_null(s);
	s->process = ARENA_NEW(&arena, struct spec_process);
	assert_non_null(s->process);
	s->process->args = words("sh");
	s->process->caps = &caps;
	s->root.path = "/run/kata-containers/c1/rootfs";
	s->linux.ns[NS_MNT].want = s->linux.ns[NS_UTS].want = s->linux.ns[NS_IPC].want = true;
	s->hostname = "box";
	return s;
}

/* --- spoilers --- */

static struct spec_pair pair;

static void sysctl(struct spec *s, const char *key)
{
	pair = (struct spec_pair){ key, "1" };
	s->linux.sysctl = (struct spec_pairs){ &pair, 1 };
}

static void device(struct spec *s, const char *path, mode_t type, int64_t major)
{
	s->linux.devices = ARENA_NEW(&arena, struct spec_device);
	s->linux.n_devices = 1;
	s->linux.devices[0] = (struct spec_device){ .path = path, .type = type, .major = major };
}

static void limit(struct spec *s, const char *type, uint64_t soft, uint64_t hard)
{
	s->process->rlimits = ARENA_NEW(&arena, struct spec_rlimit);
	s->process->n_rlimits = 1;
	s->process->rlimits[0] = (struct spec_rlimit){ type, soft, hard };
}

static void limit_twice(struct spec *s)
{
	limit(s, "RLIMIT_NOFILE", 1, 2);
	s->process->rlimits = ARENA_ARRAY(&arena, struct spec_rlimit, 2);
	s->process->rlimits[0] = s->process->rlimits[1] =
		(struct spec_rlimit){ "RLIMIT_NOFILE", 1, 2 };
	s->process->n_rlimits = 2;
}

static void devices(struct spec *s, int64_t minor)
{
	s->linux.devices = ARENA_ARRAY(&arena, struct spec_device, 3);
	s->linux.n_devices = 3;
	s->linux.devices[0] = s->linux.devices[2] =
		(struct spec_device){ .path = "/dev/fuse", .type = S_IFCHR, .major = 10,
				      .minor = 229 };
	s->linux.devices[1] =
		(struct spec_device){ .path = "/dev/kvm", .type = S_IFCHR, .major = 10 };
	s->linux.devices[2].minor = minor;
}

static void pairs(struct spec_pairs *p, const char *a, const char *b, const char *c)
{
	const char *keys[] = { a, b, c };

	p->v = ARENA_ARRAY(&arena, struct spec_pair, 3);
	p->n = 3;
	for (size_t i = 0; i < 3; i++)
		p->v[i] = (struct spec_pair){ keys[i], "1" };
}

static void scheduler(struct spec *s, struct sched_params params)
{
	s->process->scheduler = arena_memdup(&arena, &params, sizeof(params));
}

static void memory(struct spec *s, uint32_t mode, uint32_t flags, const char *nodes)
{
	const struct spec_memory_policy p = { mode, flags, nodes };

	s->linux.memory_policy = arena_memdup(&arena, &p, sizeof(p));
}

static void hook(struct spec_hook_list *l, const char *path)
{
	l->v = ARENA_NEW(&arena, struct spec_hook);
	l->n = 1;
	l->v[0].path = path;
}

static void mount_at(struct spec *s, const char *path)
{
	s->mounts = ARENA_NEW(&arena, struct spec_mount);
	s->n_mounts = 1;
	s->mounts[0] = (struct spec_mount){ .destination = path, .source = "", .type = "tmpfs" };
}

static void mount_maps(struct spec *s, size_t n_uid, size_t n_gid)
{
	static struct spec_id_map map = { 0, 1000, 1 };

	mount_at(s, "/m");
	s->mounts[0].uid_maps = s->mounts[0].gid_maps = &map;
	s->mounts[0].n_uid_maps = n_uid;
	s->mounts[0].n_gid_maps = n_gid;
}

static void user_ns(struct spec *s, uint32_t size)
{
	s->linux.ns[NS_USER].want = true;
	s->linux.uid_maps = s->linux.gid_maps = ARENA_NEW(&arena, struct spec_id_map);
	s->linux.n_uid_maps = s->linux.n_gid_maps = 1;
	s->linux.uid_maps[0].size = size;
}

static void seccomp(struct spec *s, const char *action)
{
	struct seccomp_spec *f = ARENA_NEW(&arena, struct seccomp_spec);

	f->default_action = action;
	s->linux.seccomp = f;
}

#define DO(name, ...)	static void name(struct spec *s) { __VA_ARGS__; }

DO(nothing, (void)s)
DO(no_process, s->process = NULL)
DO(no_caps, s->process->caps = NULL)
DO(no_args, s->process->args.n = 0)
DO(empty_arg, s->process->args = words(""))
DO(relative_cwd, s->process->cwd = "tmp")
DO(score, s->process->oom_score_adj = ((struct spec_i64){ 1001, true }))
DO(lowest_score, s->process->oom_score_adj = ((struct spec_i64){ -1000, true }))
DO(wide_umask, s->process->user.umask = 01000; s->process->user.umask_set = true)
DO(label, s->process->selinux_label = "system_u:system_r:container_t:s0:c1,c2")
DO(bad_label, s->process->selinux_label = "system_u:system_r:container:s0")
DO(short_label, s->process->selinux_label = "system_u:system_r:container_t")
DO(limit_unknown, limit(s, "RLIMIT_NONSENSE", 1, 2))
DO(limit_upside_down, limit(s, "RLIMIT_NOFILE", 3, 2))
DO(limit_good, limit(s, "RLIMIT_NOFILE", 2, RLIMIT_NONE))
DO(no_root, s->root.path = NULL)
DO(relative_root, s->root.path = "rootfs")
DO(climbing_root, s->root.path = "/run/../etc")
DO(no_mount_ns, s->linux.ns[NS_MNT].want = false)
DO(join_mount_ns, s->linux.ns[NS_MNT].path = "/proc/1/ns/mnt")
DO(join_and_mount, join_mount_ns(s); mount_at(s, "/data"))
DO(join_and_mask, join_mount_ns(s); s->linux.masked_paths = words("/proc/kcore"))
DO(join_and_readonly, join_mount_ns(s); s->root.readonly = true)
DO(relative_ns, s->linux.ns[NS_IPC].path = "ns/ipc")
DO(name_without_ns, s->linux.ns[NS_UTS].want = false)
DO(domain_without_ns, s->hostname = NULL; s->domainname = "d"; s->linux.ns[NS_UTS].want = false)
DO(long_name, s->hostname = "0123456789012345678901234567890123456789012345678901234567890123x")
DO(mount_relative, mount_at(s, "data"))
DO(mount_climbs, mount_at(s, "/data/../../etc"))
DO(mount_climbs_too, mount_at(s, "data/.."))
DO(mount_nowhere, mount_at(s, ""))
DO(mount_label, s->linux.mount_label = "nonsense")
DO(masked, s->linux.masked_paths = words("proc"))
DO(readonly, s->linux.readonly_paths = words("/proc/.."))
DO(maps_without_ns, user_ns(s, 1); s->linux.ns[NS_USER].want = false)
DO(empty_map, user_ns(s, 0))
DO(mapped, user_ns(s, 65536))
DO(sysctl_net, sysctl(s, "net.ipv4.ip_forward"))
DO(sysctl_dotted, sysctl(s, "net.ipv4.conf.eth0/100.forwarding"))
DO(sysctl_climbs, sysctl(s, "net.//.kernel.panic"))
DO(sysctl_climbs_too, sysctl(s, "net..kernel.panic"))
DO(sysctl_ipc, sysctl(s, "fs.mqueue.msg_max"))
DO(sysctl_prefix, sysctl(s, "fs.mqueue."))
DO(sysctl_ipc_without, sysctl(s, "kernel.shmmax"); s->linux.ns[NS_IPC].want = false)
DO(sysctl_domain, sysctl(s, "kernel.domainname"))
DO(sysctl_hostname, sysctl(s, "kernel.hostname"))
DO(sysctl_kernel, sysctl(s, "kernel.panic"))
DO(sysctl_longer, sysctl(s, "kernel.shmmaxx"))
DO(device_good, device(s, "/dev/fuse", S_IFCHR, 10))
DO(device_elsewhere, device(s, "/etc/fuse", S_IFCHR, 10))
DO(device_relative, device(s, "dev/fuse", S_IFCHR, 10))
DO(device_root, device(s, "//", S_IFCHR, 10))
DO(device_climbs, device(s, "/dev/../etc/fuse", S_IFCHR, 10))
DO(device_type, device(s, "/dev/fuse", S_IFREG, 10))
DO(device_number, device(s, "/dev/fuse", S_IFCHR, -1))
DO(device_fifo, device(s, "/dev/pipe", S_IFIFO, -1))
DO(filter_good, seccomp(s, "SCMP_ACT_ALLOW"))
DO(filter_unknown, seccomp(s, "SCMP_ACT_NOTHING"))
DO(version, s->version = "1.2.1-rc.1")
DO(version_2, s->version = "2.0.0")
DO(version_odd, s->version = "one")
DO(env_fine, s->process->env = words("A="))
DO(env_odd, s->process->env = words("A"))
DO(env_no_name, s->process->env = words("=A"))
DO(groups, s->process->user.groups = ARENA_ARRAY(&arena, uint32_t, 65537);
   s->process->user.n_groups = 65537)
DO(nobody, s->process->user.uid = s->process->user.gid = UINT32_MAX - 1)
DO(no_user, s->process->user.uid = UINT32_MAX)
DO(no_group, s->process->user.gid = UINT32_MAX)
DO(no_other_group, s->process->user.groups = arena_memdup(&arena, (uint32_t[]){ 1, UINT32_MAX }, 8);
   s->process->user.n_groups = 2)
DO(device_twice, devices(s, 229))
DO(device_two, devices(s, 230))
DO(sysctl_twice, pairs(&s->linux.sysctl, "net.b", "net.a", "net.b"))
DO(sysctl_once, pairs(&s->linux.sysctl, "net.b", "net.a", "net.c"))
DO(annotation_twice, pairs(&s->annotations, "a", "a", ""))
DO(annotation_again, pairs(&s->annotations, "c", "a", "c"))
DO(propagation, s->linux.rootfs_propagation = "rshared")
DO(propagation_odd, s->linux.rootfs_propagation = "both")
DO(mount_mapped, mount_maps(s, 1, 1))
DO(mount_half_mapped, mount_maps(s, 1, 0))
DO(mount_half_mapped_too, mount_maps(s, 0, 1))
DO(sched_idle, scheduler(s, ((struct sched_params){ .policy = 5 })))
DO(sched_nice, scheduler(s, ((struct sched_params){ .nice = 20 })))
DO(sched_fifo, scheduler(s, ((struct sched_params){ .policy = 1, .priority = 99 })))
DO(sched_fifo_0, scheduler(s, ((struct sched_params){ .policy = 1 })))
DO(sched_fifo_100, scheduler(s, ((struct sched_params){ .policy = 1, .priority = 100 })))
DO(sched_fifo_nice, scheduler(s, ((struct sched_params){ .policy = 1, .priority = 1, .nice = 1 })))
DO(sched_other_1, scheduler(s, ((struct sched_params){ .priority = 1 })))
DO(sched_other_runtime, scheduler(s, ((struct sched_params){ .runtime_ns = 1 })))
DO(sched_deadline, scheduler(s, ((struct sched_params){ .policy = 6, .runtime_ns = 1 })))
DO(sched_deadline_0, scheduler(s, ((struct sched_params){ .policy = 6, .period_ns = 1 })))
DO(io, s->process->io_priority = ((struct spec_io_priority){ 2, 7, true }))
DO(io_8, s->process->io_priority = ((struct spec_io_priority){ 2, 8, true }))
DO(io_below, s->process->io_priority = ((struct spec_io_priority){ 2, -1, true }))
DO(io_class, s->process->io_priority = ((struct spec_io_priority){ 0, 1, true }))
DO(cpus, s->process->exec_cpus_initial = "0-3, 7"; s->process->exec_cpus_final = "")
DO(cpus_first, s->process->exec_cpus_initial = "0-")
DO(cpus_last, s->process->exec_cpus_final = "8192")
DO(hook_path, hook(&s->hooks.create_runtime, "/bin/true"))
DO(hook_relative, hook(&s->hooks.create_runtime, "bin/true"))
DO(hook_last, hook(&s->hooks.poststop, ""))
DO(time_shift, s->linux.boottime.set = s->linux.ns[NS_TIME].want = true)
DO(time_no_ns, s->linux.boottime.set = true)
DO(time_joined, s->linux.monotonic.set = s->linux.ns[NS_TIME].want = true;
   s->linux.ns[NS_TIME].path = "/proc/1/ns/time")
DO(time_nanosecs, s->linux.monotonic = ((struct spec_time_offset){ 1, 1000000000, true });
   s->linux.ns[NS_TIME].want = true)
DO(memory_bind, memory(s, 2, 1u << 15, "0-1"))
DO(memory_preferred, memory(s, 1, 0, NULL))
DO(memory_local, memory(s, 4, 0, NULL))
DO(memory_bind_none, memory(s, 2, 0, NULL))
DO(memory_local_some, memory(s, 4, 0, "0"))
DO(memory_mode, memory(s, 7, 0, "0"))
DO(memory_list, memory(s, 2, 0, "zero"))
DO(memory_both, memory(s, 2, 3u << 14, "0"))

static const struct row {
	const char *name;
	void (*spoil)(struct spec *s);
	const char *field;	/* the error begins with it; NULL: it is good */
} rows[] = {
#define GOOD(f)		{ #f, f, NULL }
#define BAD(f, field)	{ #f, f, field }
	GOOD(nothing),
	BAD(no_process, "process: missing"),
	BAD(no_caps, "process.capabilities"),
	BAD(no_args, "process.args"),
	BAD(empty_arg, "process.args"),
	BAD(relative_cwd, "process.cwd"),
	BAD(score, "process.oomScoreAdj"),
	GOOD(lowest_score),
	BAD(wide_umask, "process.user.umask"),
	GOOD(label),
	BAD(bad_label, "process.selinuxLabel"),
	BAD(short_label, "process.selinuxLabel"),
	BAD(limit_unknown, "process.rlimits[0].type: unknown \"RLIMIT_NONSENSE\""),
	BAD(limit_upside_down, "process.rlimits[0] (RLIMIT_NOFILE)"),
	GOOD(limit_good),
	BAD(no_root, "root.path"),
	BAD(relative_root, "root.path"),
	BAD(climbing_root, "root.path"),
	BAD(no_mount_ns, "linux.namespaces"),
	GOOD(join_mount_ns),
	BAD(join_and_mount, "mounts: not in a mount namespace that is joined"),
	BAD(join_and_mask, "linux.maskedPaths: not in"),
	BAD(join_and_readonly, "root.readonly: not in"),
	BAD(relative_ns, "linux.namespaces (ipc)"),
	BAD(name_without_ns, "hostname"),
	BAD(domain_without_ns, "domainname"),
	BAD(long_name, "hostname"),
	GOOD(mount_relative),
	BAD(mount_climbs, "mounts[0].destination"),
	BAD(mount_climbs_too, "mounts[0].destination"),
	BAD(mount_nowhere, "mounts[0].destination"),
	BAD(mount_label, "linux.mountLabel"),
	BAD(masked, "linux.maskedPaths[0]"),
	BAD(readonly, "linux.readonlyPaths[0]"),
	BAD(maps_without_ns, "linux.uidMappings"),
	BAD(empty_map, "linux.uidMappings"),
	GOOD(mapped),
	GOOD(sysctl_net),
	GOOD(sysctl_dotted),
	BAD(sysctl_climbs, "linux.sysctl"),
	BAD(sysctl_climbs_too, "linux.sysctl"),
	GOOD(sysctl_ipc),
	BAD(sysctl_prefix, "linux.sysctl"),
	BAD(sysctl_ipc_without, "linux.sysctl: \"kernel.shmmax\" needs"),
	GOOD(sysctl_domain),
	BAD(sysctl_hostname, "linux.sysctl: \"kernel.hostname\" is not"),
	BAD(sysctl_kernel, "linux.sysctl"),
	BAD(sysctl_longer, "linux.sysctl"),
	GOOD(device_good),
	GOOD(device_elsewhere),
	BAD(device_relative, "linux.devices[0].path"),
	BAD(device_root, "linux.devices[0].path"),
	BAD(device_climbs, "linux.devices[0].path"),
	BAD(device_type, "linux.devices[0] (/dev/fuse): unknown type"),
	BAD(device_number, "linux.devices[0] (/dev/fuse): bad number"),
	GOOD(device_fifo),
	GOOD(filter_good),
	BAD(filter_unknown, "linux.seccomp.defaultAction: unknown \"SCMP_ACT_NOTHING\""),
	GOOD(version),
	BAD(version_odd, "ociVersion"),
	GOOD(env_fine),
	BAD(env_odd, "process.env[0]"),
	BAD(env_no_name, "process.env[0]"),
	BAD(groups, "process.user.additionalGids: more than"),
	GOOD(nobody),
	BAD(no_user, "process.user.uid"),
	BAD(no_group, "process.user.gid"),
	BAD(no_other_group, "process.user.additionalGids: 4294967295"),
	BAD(limit_twice, "process.rlimits[1]: a second RLIMIT_NOFILE"),
	GOOD(device_twice),
	BAD(device_two, "linux.devices: \"/dev/fuse\" twice"),
	BAD(sysctl_twice, "linux.sysctl: \"net.b\" twice"),
	GOOD(sysctl_once),
	BAD(annotation_twice, "annotations: an empty key"),
	BAD(annotation_again, "annotations: \"c\" twice"),
	GOOD(propagation),
	BAD(propagation_odd, "linux.rootfsPropagation: unknown \"both\""),
	GOOD(mount_mapped),
	BAD(mount_half_mapped, "mounts[0].gidMappings"),
	BAD(mount_half_mapped_too, "mounts[0].uidMappings"),
	GOOD(sched_idle),
	BAD(sched_nice, "process.scheduler.nice"),
	GOOD(sched_fifo),
	BAD(sched_fifo_0, "process.scheduler.priority"),
	BAD(sched_fifo_100, "process.scheduler.priority"),
	BAD(sched_fifo_nice, "process.scheduler.nice"),
	BAD(sched_other_1, "process.scheduler.priority"),
	BAD(sched_other_runtime, "process.scheduler: only SCHED_DEADLINE"),
	GOOD(sched_deadline),
	BAD(sched_deadline_0, "process.scheduler.runtime"),
	GOOD(io),
	BAD(io_8, "process.ioPriority.priority"),
	BAD(io_below, "process.ioPriority.priority"),
	BAD(io_class, "process.ioPriority.class"),
	GOOD(cpus),
	BAD(cpus_first, "process.execCPUAffinity.initial"),
	BAD(cpus_last, "process.execCPUAffinity.final"),
	GOOD(hook_path),
	BAD(hook_relative, "hooks.createRuntime[0].path"),
	BAD(hook_last, "hooks.poststop[0].path"),
	GOOD(time_shift),
	BAD(time_no_ns, "linux.timeOffsets"),
	BAD(time_joined, "linux.timeOffsets"),
	BAD(time_nanosecs, "linux.timeOffsets"),
	GOOD(memory_bind),
	GOOD(memory_preferred),
	GOOD(memory_local),
	BAD(memory_bind_none, "linux.memoryPolicy.nodes: missing"),
	BAD(memory_local_some, "linux.memoryPolicy.nodes: the mode takes none"),
	BAD(memory_mode, "linux.memoryPolicy.mode"),
	BAD(memory_list, "linux.memoryPolicy.nodes: not a list"),
	BAD(memory_both, "linux.memoryPolicy.flags"),
};

static void rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct err e = { 0 };
		struct spec *s = good();
		int r;

		rows[i].spoil(s);
		r = spec_validate(s, &e);
		if (!rows[i].field) {
			if (r < 0)
				fail_msg("%s: %s", rows[i].name, e.msg);
			continue;
		}
		if (r == 0 || e.rc != RC_INVALID_ARGUMENT || !str_starts(e.msg, rows[i].field))
			fail_msg("%s: not \"%s…\" but %d \"%s\"", rows[i].name, rows[i].field, e.rc,
				 e.msg);
	}
}

DO(sched_iso, scheduler(s, ((struct sched_params){ .policy = 4 })))
DO(rdt, s->linux.intel_rdt = ARENA_NEW(&arena, struct spec_intel_rdt))
DO(interfaces, pairs(&s->linux.net_devices, "eth0", "eth1", "eth2"))

/* Known, and not there: another code, and the field all the same. */
static void unimplemented(void **state)
{
	static const struct row missing[] = {
		BAD(version_2, "ociVersion: 2.0.0"),
		BAD(sched_iso, "process.scheduler.policy: Linux has no SCHED_ISO"),
		BAD(rdt, "linux.intelRdt"),
		BAD(interfaces, "linux.netDevices"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(missing); i++) {
		struct spec *s = good();
		struct err e = { 0 };

		missing[i].spoil(s);
		assert_int_equal(spec_validate(s, &e), -1);
		if (e.rc != RC_UNIMPLEMENTED || !str_starts(e.msg, missing[i].field))
			fail_msg("%s: %d \"%s\"", missing[i].name, e.rc, e.msg);
	}
}

static void words_of_devices(void **state)
{
	unsigned int access;
	mode_t type;

	(void)state;
	assert_int_equal(spec_parse_device_type("c", &type), 0);
	assert_int_equal(type, S_IFCHR);
	assert_int_equal(spec_parse_device_type("u", &type), 0);
	assert_int_equal(type, S_IFCHR);
	assert_int_equal(spec_parse_device_type("b", &type), 0);
	assert_int_equal(type, S_IFBLK);
	assert_int_equal(spec_parse_device_type("p", &type), 0);
	assert_int_equal(type, S_IFIFO);
	assert_int_equal(spec_parse_device_type("a", &type), -EINVAL);
	assert_int_equal(spec_parse_device_type("", &type), -EINVAL);
	assert_int_equal(spec_parse_device_access("mwr", &access), 0);
	assert_int_equal(access, CGROUP_DEV_READ | CGROUP_DEV_WRITE | CGROUP_DEV_MKNOD);
	assert_int_equal(spec_parse_device_access("", &access), 0);
	assert_int_equal(access, 0);
	assert_int_equal(spec_parse_device_access("rx", &access), -EINVAL);
}

static void new_resources_say_nothing(void **state)
{
	const struct spec_resources *r = spec_resources_new(&arena);

	(void)state;
	assert_non_null(r);
	assert_int_equal(r->limits.memory, CGROUP_UNSET);
	assert_int_equal(r->limits.pids, CGROUP_UNSET);
}

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rules),
		TEST(unimplemented),
		TEST(words_of_devices),
		TEST(new_resources_say_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
