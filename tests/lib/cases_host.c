/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request of an ordinary Kata host (its Go runtime, for a container of a Kubernetes pod) with all
 * that it holds: paths of namespaces cleared and pid, network and cgroup namespaces taken out, hooks
 * and devices removed, /dev/shm from the sandbox's, mount points with a slash at their end.
 */
#include "lib/cases.h"

#define SHARE "/run/kata-containers/shared/containers/"

#define HOST_CAPS                                                                                   \
	"[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FSETID\",\"CAP_FOWNER\",\"CAP_MKNOD\",\"CAP_NET_RAW\"," \
	"\"CAP_SETGID\",\"CAP_SETUID\",\"CAP_SETFCAP\",\"CAP_SETPCAP\",\"CAP_NET_BIND_SERVICE\"," \
	"\"CAP_SYS_CHROOT\",\"CAP_KILL\",\"CAP_AUDIT_WRITE\"]"

static const char storages[] =
	"\"storages\":[%s,"
	"{\"driver\":\"ephemeral\",\"driver_options\":[],\"source\":\"shm\",\"fstype\":\"tmpfs\","
	"\"options\":[\"noexec\",\"nosuid\",\"nodev\",\"mode=1777\",\"size=67108864\"],"
	"\"mount_point\":\"/run/kata-containers/sandbox/shm\"},"
	"{\"driver\":\"local\",\"source\":\"local\",\"fstype\":\"local\",\"options\":[\"mode=0777\"],"
	"\"mount_point\":\"" SHARE "%s/rootfs/local/cache\"},"
	"{\"driver\":\"ephemeral\",\"source\":\"tmpfs\",\"fstype\":\"tmpfs\",\"options\":[\"size=1048576\",\"fsgid=0\"],"
	"\"mount_point\":\"/run/kata-containers/sandbox/ephemeral/memory\"}]";

static const char process[] =
	"\"Process\":{\"User\":{\"UID\":65534,\"GID\":65534,\"AdditionalGids\":[65534,10],\"Username\":\"\"},"
	"\"Args\":[\"/bin/sh\",\"-c\",\"%s\"],"
	"\"Env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\"HOSTNAME=web-0\","
	"\"KUBERNETES_SERVICE_HOST=10.96.0.1\",\"KUBERNETES_PORT=tcp://10.96.0.1:443\"],\"Cwd\":\"/\","
	"\"Capabilities\":{\"Bounding\":" HOST_CAPS ",\"Effective\":" HOST_CAPS ",\"Permitted\":" HOST_CAPS "},"
	"\"Rlimits\":[{\"Type\":\"RLIMIT_NOFILE\",\"Hard\":1024,\"Soft\":1024}],"
	"\"NoNewPrivileges\":true,\"OOMScoreAdj\":1000}";

static const char mounts[] =
	"\"Mounts\":["
	"{\"destination\":\"/proc\",\"source\":\"proc\",\"type\":\"proc\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/dev\",\"source\":\"tmpfs\",\"type\":\"tmpfs\",\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/pts\",\"source\":\"devpts\",\"type\":\"devpts\","
	"\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"
	"{\"destination\":\"/dev/mqueue\",\"source\":\"mqueue\",\"type\":\"mqueue\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/sys\",\"source\":\"sysfs\",\"type\":\"sysfs\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
	"{\"destination\":\"/sys/fs/cgroup\",\"source\":\"cgroup\",\"type\":\"cgroup\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]},"
	"{\"destination\":\"/dev/shm\",\"source\":\"/run/kata-containers/sandbox/shm\",\"type\":\"bind\",\"options\":[\"rbind\"]},"
	"{\"destination\":\"/cache\",\"source\":\"" SHARE "%s/rootfs/local/cache\",\"type\":\"bind\","
	"\"options\":[\"rbind\",\"rprivate\",\"rw\"]},"
	"{\"destination\":\"/var/memory\",\"source\":\"/run/kata-containers/sandbox/ephemeral/memory\",\"type\":\"bind\","
	"\"options\":[\"rbind\",\"rprivate\",\"ro\"]}]";

/* The machine of the tests may lack the controllers. */
static const char limits[] =
	"\"Memory\":{\"Limit\":134217728,\"Swap\":134217728},\"CPU\":{\"Shares\":512,\"Period\":100000,\"Quota\":50000}";

/* A shortened list of a runtime, with names that other machines have. */
static const char allowed[] =
	"\"accept\",\"accept4\",\"access\",\"alarm\",\"bind\",\"brk\",\"capget\",\"capset\","
	"\"chdir\",\"chmod\",\"chown\",\"chown32\",\"clock_getres\",\"clock_gettime\","
	"\"clock_gettime64\",\"clock_nanosleep\",\"clock_nanosleep_time64\",\"close\","
	"\"close_range\",\"connect\",\"copy_file_range\",\"creat\",\"dup\",\"dup2\",\"dup3\","
	"\"epoll_create\",\"epoll_create1\",\"epoll_ctl\",\"epoll_pwait\",\"epoll_pwait2\","
	"\"epoll_wait\",\"eventfd2\",\"execve\",\"execveat\",\"exit\",\"exit_group\",\"faccessat\","
	"\"faccessat2\",\"fadvise64\",\"fchdir\",\"fchmod\",\"fchmodat\",\"fchmodat2\",\"fchown\","
	"\"fchownat\",\"fcntl\",\"fcntl64\",\"fdatasync\",\"flock\",\"fork\",\"fstat\",\"fstat64\","
	"\"fstatat64\",\"fstatfs\",\"fsync\",\"ftruncate\",\"futex\",\"futex_time64\",\"getcpu\","
	"\"getcwd\",\"getdents\",\"getdents64\",\"getegid\",\"geteuid\",\"getgid\",\"getgroups\","
	"\"getpgid\",\"getpgrp\",\"getpid\",\"getppid\",\"getpriority\",\"getrandom\","
	"\"getresgid\",\"getresuid\",\"getrlimit\",\"getrusage\",\"getsid\",\"getsockname\","
	"\"getsockopt\",\"gettid\",\"gettimeofday\",\"getuid\",\"ioctl\",\"kill\",\"lseek\","
	"\"lstat\",\"madvise\",\"map_shadow_stack\",\"membarrier\",\"mlock\",\"mmap\",\"mmap2\","
	"\"mprotect\",\"mremap\",\"munmap\",\"nanosleep\",\"newfstatat\",\"open\",\"openat\","
	"\"openat2\",\"pause\",\"pidfd_open\",\"pipe\",\"pipe2\",\"poll\",\"ppoll\",\"prctl\","
	"\"pread64\",\"prlimit64\",\"pselect6\",\"pwrite64\",\"read\",\"readlink\",\"readlinkat\","
	"\"readv\",\"recvfrom\",\"recvmsg\",\"rename\",\"renameat\",\"renameat2\",\"rseq\","
	"\"rt_sigaction\",\"rt_sigpending\",\"rt_sigprocmask\",\"rt_sigreturn\",\"rt_sigsuspend\","
	"\"rt_sigtimedwait\",\"sched_getaffinity\",\"sched_yield\",\"select\",\"sendfile\","
	"\"sendmsg\",\"sendto\",\"set_robust_list\",\"set_tid_address\",\"setgid\",\"setgroups\","
	"\"setitimer\",\"setpgid\",\"setresgid\",\"setresuid\",\"setsid\",\"setuid\","
	"\"sigaltstack\",\"socket\",\"stat\",\"stat64\",\"statfs\",\"statx\",\"symlink\","
	"\"symlinkat\",\"sysinfo\",\"tgkill\",\"time\",\"times\",\"umask\",\"uname\",\"unlink\","
	"\"unlinkat\",\"utimensat\",\"vfork\",\"wait4\",\"waitid\",\"waitpid\",\"write\","
	"\"writev\",\"arch_prctl\",\"modify_ldt\",\"sync_file_range2\",\"arm_fadvise64_64\","
	"\"s390_pci_mmio_read\",\"riscv_flush_icache\"";

static const char linux_part[] =
	"\"Linux\":{\"Resources\":{%s},"
	"\"CgroupsPath\":\"/kubepods/besteffort/pod4a0cd2c9/%s\","
	"\"Namespaces\":[{\"Type\":\"ipc\",\"Path\":\"\"},{\"Type\":\"uts\",\"Path\":\"\"},{\"Type\":\"mount\",\"Path\":\"\"}],"
	"\"Sysctl\":{\"net.ipv4.ip_unprivileged_port_start\":\"0\"},\"RootfsPropagation\":\"rslave\","
	"\"Seccomp\":{\"DefaultAction\":\"SCMP_ACT_ERRNO\","
	"\"Architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"],\"Flags\":[],"
	"\"Syscalls\":[{\"Names\":[%s],\"Action\":\"SCMP_ACT_ALLOW\"},"
	"{\"Names\":[\"clone\"],\"Action\":\"SCMP_ACT_ALLOW\",\"Args\":[{\"Index\":0,\"Value\":2114060288,"
	"\"ValueTwo\":0,\"Op\":\"SCMP_CMP_MASKED_EQ\"}]},"
	"{\"Names\":[\"clone3\"],\"Action\":\"SCMP_ACT_ERRNO\",\"errnoret\":38},"
	"{\"Names\":[\"personality\"],\"Action\":\"SCMP_ACT_ALLOW\",\"Args\":[{\"Index\":0,\"Value\":0,\"Op\":\"SCMP_CMP_EQ\"},"
	"{\"Index\":0,\"Value\":8,\"Op\":\"SCMP_CMP_EQ\"}]}]},"
	"\"MaskedPaths\":[\"/proc/asound\",\"/proc/acpi\",\"/proc/kcore\",\"/proc/keys\",\"/proc/latency_stats\","
	"\"/proc/timer_list\",\"/proc/timer_stats\",\"/proc/sched_debug\",\"/proc/scsi\",\"/sys/firmware\","
	"\"/sys/devices/virtual/powercap\"],"
	"\"ReadonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]}";

static const char annotations[] = /* the container's kind, twice */
	"\"Annotations\":{\"io.katacontainers.pkg.oci.bundle_path\":\"/run/containerd/io.containerd.runtime.v2.task/k8s.io/x\","
	"\"io.katacontainers.pkg.oci.container_type\":\"pod_%s\",\"io.kubernetes.cri.container-name\":\"web\","
	"\"io.kubernetes.cri.container-type\":\"%s\",\"io.kubernetes.cri.image-name\":\"registry.example/web:1\","
	"\"io.kubernetes.cri.sandbox-id\":\"a1\",\"io.kubernetes.cri.sandbox-namespace\":\"default\"}";

static int create_pod_container(struct rig *r, const char *id, const char *pod, const char *script,
				const char *more)
{
	const char *kind = strcmp(id, pod) ? "container" : "sandbox";
	static char json[5][8192];
	char root[1024], at[128];

	snprintf(at, sizeof(at), SHARE "%s/rootfs/", id);
	rig_root_storages(r, at, root, sizeof(root));
	snprintf(json[0], sizeof(json[0]), storages, root, pod);
	snprintf(json[1], sizeof(json[1]), process, script);
	snprintf(json[2], sizeof(json[2]), mounts, pod);
	snprintf(json[3], sizeof(json[3]), linux_part, r->kind == RIG_VM ? limits : "", id, allowed);
	snprintf(json[4], sizeof(json[4]), annotations, kind, kind);
	return rig_call(r, "CreateContainer",
			"{\"container_id\":\"%s\",\"exec_id\":\"%s\",%s,\"devices\":[],\"OCI\":{"
			"\"Version\":\"1.1.0\",%s,\"Root\":{\"Path\":\"" SHARE
			"%s/rootfs\",\"Readonly\":false},\"Hostname\":\"web-0\",%s,%s,%s}%s}",
			id, id, json[0], json[1], id, json[2], json[4], json[3], more);
}

static void run_pod_container(struct rig *r, const char *id, const char *pod, const char *script,
			      const char *more)
{
	assert_done(r, create_pod_container(r, id, pod, script, more));
	assert_done(r, rig_call(r, "StartContainer", "{\"container_id\":\"%s\"}", id));
}

static void pod_of_two(void **state)
{
	struct rig *r = cases_rig;
	const char *pause = rig_id(r), *web = rig_id(r);

	(void)state;
	run_pod_container(r, pause, pause, "echo hello >/dev/shm/from-pause; exec sleep 1000",
			  ",\"sandbox_pidns\":true");
	run_pod_container(r, web, pause,
			  "id -u; id -G; grep -e NoNewPrivs -e Seccomp: /proc/self/status; ulimit -n;"
			  "cat /proc/self/oom_score_adj; cat /dev/shm/from-pause; touch /cache/x && echo cached;"
			  "touch /var/memory/x || echo read-only memory; mkdir /tmp/x || echo no mkdir;"
			  "cat /proc/keys /proc/timer_list | wc -c; set -- /proc/[0-9]*; echo $#; ls /proc/1/task",
			  ",\"sandbox_pidns\":true");
	assert_true(rig_read(r, "ReadStdout", web, web) > 0);
	assert_string_equal(r->reply,
			    "65534\n65534 10\nNoNewPrivs:\t1\nSeccomp:\t2\n1024\n1000\nhello\ncached\n"
			    "read-only memory\nno mkdir\n0\n2\n1\n"); /* sleep and sh */
	assert_int_equal(rig_wait(r, web, web), 0);
	assert_done(r, rig_remove(r, web));
	assert_done(r, rig_call(r, "SignalProcess", "{\"container_id\":\"%s\",\"signal\":9}", pause));
	assert_int_equal(rig_wait(r, pause, pause), 137);
	assert_done(r, rig_remove(r, pause));
}

const struct CMUnitTest cases_host[] = {
	cmocka_unit_test(pod_of_two),
	{ 0 },
};
