/* SPDX-License-Identifier: Apache-2.0 */
/* Containers in namespaces of every kind, new and joined, and what they have open and see there. */
#include "lib/container_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "kernel/ns.h"

/* A process that is alone in new namespaces, until the test ends it. */
static pid_t keeper(int flags, const char *map)
{
	int pair[2];
	char byte = 0, path[64];
	pid_t pid;

	assert_int_equal(pipe(pair), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(flags) < 0)
			_exit(1);
		if (write(pair[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	assert_int_equal(read(pair[0], &byte, 1), 1);
	close(pair[0]);
	close(pair[1]);
	for (size_t i = 0; map && i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%cid_map", pid, i ? 'u' : 'g');
		assert_int_equal(io_write_file(AT_FDCWD, path, map), 0);
	}
	return pid;
}

static void end(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void in_user_ns(struct container *c)
{
	static struct spec_id_map map = { .container_id = 0, .host_id = 100000, .size = 65536 };

	chmod(scratch, 0755);
	c->spec->linux.ns[NS_USER].want = true;
	c->spec->linux.uid_maps = c->spec->linux.gid_maps = &map;
	c->spec->linux.n_uid_maps = c->spec->linux.n_gid_maps = 1;
}

static const char *join(struct container *c, enum ns_type type, pid_t pid)
{
	const char *path = arena_printf(&c->arena, "/proc/%d/ns/%s", (int)pid, ns_info(type)->file);

	assert_non_null(path);
	c->spec->linux.ns[type] = (struct spec_namespace){ true, path };
	return path;
}

static struct spec_mount *mount_in(struct container *c, const char *at, const char *type,
				   const char *source, const char *const *options)
{
	struct spec_mount *m = &c->spec->mounts[c->spec->n_mounts++];

	*m = (struct spec_mount){ .destination = at, .type = type, .source = source };
	m->options = strings(&c->arena, options);
	return m;
}

#define MOUNT(c, at, type, source, ...) \
	mount_in(c, at, type, source, (const char *const[]){ __VA_ARGS__, NULL })

/* --- new ones ----------------------------------------------------------------------------- */

static void all_new(void **state UNUSED)
{
	struct container *c = SHELL("c1", "for n in ipc uts net pid mnt cgroup time user; do "
					  "readlink /proc/self/ns/$n; done");
	const char *out;
	char own[64];

	for (int t = 0; t < NS_TYPES; t++)
		c->spec->linux.ns[t].want = ns_supported(t);
	in_user_ns(c);
	out = output_of(c, 0);
	for (int t = 0; t < NS_TYPES; t++) {
		char path[64];
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/ns/%s", ns_info(t)->file);
		n = readlink(path, own, sizeof(own) - 1);
		if (n < 0)
			continue;
		own[n] = '\0';
		assert_null(strstr(out, own));
	}
}

/* The guest's sysfs, since the pod's network namespace is the guest's; nothing of it can be
 * written, also not below it. */
static void sysfs_in_a_user_ns(void **state UNUSED)
{
	struct container *c = SHELL("c1", "ls /sys/class/net >/dev/null && echo seen; "
					  "awk '$5 ~ \"^/sys\" {print substr($6, 1, 3)}' "
					  "/proc/self/mountinfo | sort -u");

	in_user_ns(c);
	MOUNT(c, "/sys", "sysfs", "sysfs", "nosuid", "nodev", "noexec", "ro");
	assert_string_equal(output_of(c, 0), "seen\nro,\n");
}

static void sysfs_in_a_net_ns(void **state UNUSED)
{
	struct container *c = SHELL("c1", "ls /sys/class/net");

	c->spec->linux.ns[NS_NET].want = true;
	MOUNT(c, "/sys", "sysfs", "sysfs", "ro");
	assert_string_equal(output_of(c, 0), "lo\n");
}

static void terminal_in_a_user_ns(void **state UNUSED)
{
	struct container *c =
		SHELL("c1", "tty; stty size; echo hi >/dev/tty; echo there >/dev/console");

	in_user_ns(c);
	c->spec->process->terminal = true;
	c->spec->process->console_rows = 3;
	c->spec->process->console_columns = 4;
	assert_string_equal(output_of(c, 0), "/dev/console\r\n3 4\r\nhi\r\nthere\r\n");
}

/* Its pipes are the guest's root's: they are given away, an exec's as well. */
static void streams_in_a_user_ns(void **state UNUSED)
{
	struct container *c = SHELL("c1", "echo first >/dev/stdout; echo and >/dev/stderr");
	struct err e = { 0 };
	struct process *p;

	in_user_ns(c);
	assert_string_equal(output_of(c, 0), "first\n");
	c = SHELL("c1", "exec sleep 1000");
	in_user_ns(c);
	create(c);
	start(c);
	p = EXEC(c, "e1", &e, "sh", "-c", "echo next >/dev/stdout");
	assert_non_null(p);
	assert_string_equal(read_all(p, STREAMS_OUT), "next\n");
	drop(c);
}

static void no_terminal_no_console(void **state UNUSED)
{
	assert_string_equal(output_of(SHELL("c1", "ls /dev/console 2>&1; tty"), 1),
			    "ls: /dev/console: No such file or directory\nnot a tty\n");
}

/* Files of the guest's root appear as the container's own, and what it makes is the guest root's.
 */
static void idmapped_volume(void **state UNUSED)
{
	static struct spec_id_map map = { .container_id = 0, .host_id = 100000, .size = 65536 };
	char volume[128], made[160];
	struct container *c =
		SHELL("c1", "stat -c '%u %g' /vol; echo x >/vol/made; stat -c %u /vol/made");
	struct spec_mount *m;
	struct stat st;

	snprintf(volume, sizeof(volume), "%s/vol", scratch);
	snprintf(made, sizeof(made), "%s/made", volume);
	assert_int_equal(mkdir(volume, 0700), 0);
	in_user_ns(c);
	assert_int_equal(mkdir(arena_printf(&c->arena, "%s/vol", rootfs), 0755), 0);
	m = MOUNT(c, "/vol", "bind", volume, "rbind", "idmap");
	m->uid_maps = m->gid_maps = &map;
	m->n_uid_maps = m->n_gid_maps = 1;
	assert_string_equal(output_of(c, 0), "0 0\n0\n");
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_uid, 0);
}

/* The same without a user namespace of its own. */
static void idmapped_for_a_user(void **state UNUSED)
{
	static struct spec_id_map map = { .container_id = 0, .host_id = 1000, .size = 1 };
	char volume[128];
	struct container *c = SHELL("c1", "stat -c '%u %g' /vol2; echo x >/vol2/made && echo yes");
	struct spec_mount *m;

	snprintf(volume, sizeof(volume), "%s/vol2", scratch);
	assert_int_equal(mkdir(volume, 0700), 0);
	c->spec->process->user = (struct spec_user){ .uid = 1000, .gid = 1000 };
	m = MOUNT(c, "/vol2", "bind", volume, "bind");
	m->uid_maps = m->gid_maps = &map;
	m->n_uid_maps = m->n_gid_maps = 1;
	assert_string_equal(output_of(c, 0), "1000 1000\nyes\n");
}

/* --- /dev --------------------------------------------------------------------------------- */

/* The multiplexer is that of the container's own devpts: its first terminal is number 0. */
static void own_terminals(void **state UNUSED)
{
	for (int user_ns = 0; user_ns < 2; user_ns++) {
		struct container *c =
			SHELL("c1", "exec 3<>/dev/ptmx; ls /dev/pts; readlink /dev/ptmx");

		if (user_ns)
			in_user_ns(c);
		MOUNT(c, "/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance",
		      "ptmxmode=0666", "mode=0620", "gid=5");
		assert_string_equal(output_of(c, 0), "0\nptmx\npts/ptmx\n");
	}
}

static void devices_of_the_spec(void **state UNUSED)
{
	static struct spec_device devices[] = {
		{ .path = "/dev/deep/zero",
		  .type = S_IFCHR,
		  .major = 1,
		  .minor = 5,
		  .mode = 0640,
		  .mode_set = true,
		  .uid = 5,
		  .gid = 6 },
		{ .path = "/dev/plain", .type = S_IFCHR, .major = 1, .minor = 3 },
		{ .path = "/dev/pipe", .type = S_IFIFO, .mode = 0600, .mode_set = true },
		{ .path = "/dev/full",
		  .type = S_IFCHR,
		  .major = 1,
		  .minor = 7,
		  .mode = 0600,
		  .mode_set = true },
	};
	static const char script[] = "umask; for n in deep/zero plain pipe full null; do "
				     "stat -c '%a %u %g %t:%T' /dev/$n; done";
	struct container *c = SHELL("c1", script);

	c->spec->linux.devices = devices;
	c->spec->linux.n_devices = COUNT_OF(devices);
	assert_string_equal(output_of(c, 0), "0022\n640 5 6 1:5\n666 0 0 1:3\n600 0 0 0:0\n"
					     "600 0 0 1:7\n666 0 0 1:3\n");
	/* bound there, as they are in the guest; the pipe is made */
	c = SHELL("c1", "test -c /dev/deep/zero && test -c /dev/plain && test -p /dev/pipe && "
			"head -c 4 /dev/deep/zero | wc -c; echo gone >/dev/plain && echo yes");
	in_user_ns(c);
	c->spec->linux.devices = devices;
	c->spec->linux.n_devices = COUNT_OF(devices);
	assert_string_equal(output_of(c, 0), "4\nyes\n");
}

/* Who says no mode gets the guest's, and not everybody's. */
static void mode_of_the_guest(void **state UNUSED)
{
	static struct spec_device device = {
		.path = "/dev/log-of-kernel", .type = S_IFCHR, .major = 1, .minor = 11
	};
	struct container *c = SHELL("c1", "stat -c %a /dev/log-of-kernel");
	char want[16];
	struct stat st;

	assert_int_equal(stat("/dev/kmsg", &st), 0);
	assert_int_not_equal(st.st_mode & 0777, 0666);
	snprintf(want, sizeof(want), "%o\n", st.st_mode & 0777);
	c->spec->linux.devices = &device;
	c->spec->linux.n_devices = 1;
	assert_string_equal(output_of(c, 0), want);
}

static void own_queues(void **state UNUSED)
{
	struct container *c = SHELL("c1", "touch /dev/mqueue/q && ls /dev/mqueue");

	if (access("/proc/sys/fs/mqueue", F_OK) < 0) {
		print_message("skip: no mqueue here\n");
		container_free(c);
		skip();
	}
	MOUNT(c, "/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev");
	assert_string_equal(output_of(c, 0), "q\n");
}

/* --- joined ones -------------------------------------------------------------------------- */

static void joins_each(void **state UNUSED)
{
	static const enum ns_type types[] = { NS_IPC, NS_UTS, NS_NET, NS_CGROUP, NS_TIME };

	for (size_t i = 0; i < COUNT_OF(types); i++) {
		enum ns_type t = types[i];
		struct container *c;
		char script[64], want[64];
		pid_t pid;
		ssize_t n;

		if (!ns_supported(t))
			continue;
		pid = keeper((int)ns_info(t)->flag, NULL);
		snprintf(script, sizeof(script), "readlink -n /proc/self/ns/%s", ns_info(t)->file);
		c = SHELL("c1", script);
		c->spec->hostname = NULL;
		/* what unshare made is the children's, in the case of a time namespace */
		n = readlink(arena_printf(&c->arena, "/proc/%d/ns/%s%s", (int)pid, ns_info(t)->file,
					  t == NS_TIME ? "_for_children" : ""),
			     want, sizeof(want) - 1);
		assert_true(n > 0);
		want[n] = '\0';
		join(c, t, pid);
		if (t == NS_TIME)
			c->spec->linux.ns[t].path =
				arena_printf(&c->arena, "/proc/%d/ns/time_for_children", (int)pid);
		assert_string_equal(output_of(c, 0), want);
		end(pid);
	}
}

/* The user namespace owns one of the others, and the guest the rest (the sandbox's shared ones). */
static void joins_a_user_ns(void **state UNUSED)
{
	pid_t pid = keeper(CLONE_NEWUSER | CLONE_NEWUTS, "0 100000 65536\n");
	struct container *c = SHELL("c1", "id -u; hostname; readlink /proc/self/ns/ipc");
	char path[64], ipc[64];
	int fd = ns_make(NS_IPC);
	ssize_t n;

	assert_true(fd >= 0);
	chmod(scratch, 0755);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, ipc, sizeof(ipc) - 1);
	assert_true(n > 0);
	ipc[n] = '\0';
	join(c, NS_USER, pid);
	join(c, NS_UTS, pid);
	c->spec->hostname = NULL;
	c->spec->linux.ns[NS_IPC].path = path;
	assert_contains(output_of(c, 0), ipc);
	close(fd);
	end(pid);
}

/* It is taken as it is, and the root is a directory of it; execs are in the same one. */
static void joins_a_mount_ns(void **state UNUSED)
{
	pid_t pid = keeper(CLONE_NEWNS, NULL);
	struct container *c = SHELL("c1", "ls /bin/busybox; exec sleep 1000");
	struct err e = { 0 };
	struct process *p;

	join(c, NS_MNT, pid);
	c->spec->n_mounts = 0;
	create(c);
	start(c);
	p = EXEC(c, "e1", &e, "ls", "/bin/busybox");
	if (!p)
		fail_msg("%s", e.msg);
	assert_string_equal(read_all(p, STREAMS_OUT), "/bin/busybox\n");
	assert_int_equal(wait_exit(p), 0);
	drop(c);
	end(pid);
}

static void not_a_namespace(void **state UNUSED)
{
	struct container *c = SHELL("c1", "true");
	struct err e;

	c->spec->hostname = NULL;
	c->spec->linux.ns[NS_UTS].path = "/proc/self/ns/ipc";
	e = create_fails(c);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	assert_contains(e.msg, "linux.namespaces (uts): /proc/self/ns/ipc is not a uts namespace");
}

/* --- what is open ------------------------------------------------------------------------- */

#define LIST "ls /proc/self/fd"
#define ONLY "0\n1\n2\n3\n" /* 3 is the directory that ls reads */

static void fds_of_a_first_process(void **state UNUSED)
{
	struct container *c;

	assert_string_equal(output_of(SHELL("c1", LIST), 0), ONLY);
	c = SHELL("c1", LIST);
	in_user_ns(c);
	assert_string_equal(output_of(c, 0), ONLY);
	c = SHELL("c1", LIST);
	c->spec->process->terminal = true;
	assert_string_equal(output_of(c, 0), "0  1  2  3\r\n");
}

static void fds_with_joined_namespaces(void **state UNUSED)
{
	pid_t pid = keeper(CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET, NULL);
	struct container *first = SHELL("c1", "sleep 1000"), *c;

	create(first);
	start(first);
	c = SHELL("c2", LIST);
	join(c, NS_IPC, pid);
	join(c, NS_UTS, pid);
	join(c, NS_NET, pid);
	join(c, NS_PID, first->init->pid);
	c->spec->hostname = NULL;
	assert_string_equal(output_of(c, 0), ONLY);
	drop(first);
	end(pid);
}

static void fds_of_an_exec(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e = { 0 };
	struct process *p;

	create(c);
	start(c);
	for (int tty = 0; tty < 2; tty++) {
		struct told t = { 0 };

		p = process_new(c, tty ? "e2" : "e1", &e);
		assert_non_null(p);
		p->spec = process_spec(&p->arena,
				       (const char *const[]){ "ls", "/proc/self/fd", NULL });
		p->spec->terminal = tty;
		process_exec(p, UINT64_MAX, told_fn, &t);
		turn_until(&t.yes);
		assert_string_equal(read_all(p, STREAMS_OUT), tty ? "0  1  2  3\r\n" : ONLY);
		assert_int_equal(wait_exit(p), 0);
	}
	drop(c);
}

static void fds_of_hooks(void **state UNUSED)
{
	static char sh[] = "sh", dash_c[] = "-c";
	struct container *c = SHELL("c1", "cat /tmp/fds");
	char *script = arena_printf(&c->arena, "ls /proc/self/fd >>%s/fds", scratch);
	char *inside = arena_strdup(&c->arena, "ls /proc/self/fd >/tmp/fds");
	char *argv[] = { sh, dash_c, script, NULL }, *argv_in[] = { sh, dash_c, inside, NULL };
	struct spec_hook hook = { .path = "/bin/sh", .args = { argv, 3 } },
			 in = { .path = "/bin/sh", .args = { argv_in, 3 } };
	struct spec_hook_list list = { &hook, 1 };
	char path[128], text[256];

	c->spec->hooks = (struct spec_hooks){ .prestart = list,
					      .create_runtime = list,
					      .create_container = list,
					      .poststart = list,
					      .poststop = list,
					      .start_container = { &in, 1 } };
	assert_string_equal(output_of(c, 0), ONLY);
	snprintf(path, sizeof(path), "%s/fds", scratch);
	assert_true(io_read_file(AT_FDCWD, path, text, sizeof(text)) > 0);
	for (const char *at = text; *at; at += strlen(ONLY))
		assert_memory_equal(at, ONLY, strlen(ONLY));
}

/* --- cgroups, working directory ----------------------------------------------------------- */

/* Version 2 shows the container's own group as its root, version 1 its directory of each
 * controller; read-only where the spec says so, also to the root of a user namespace. */
static void own_cgroup(void **state UNUSED)
{
	for (int i = 0; i < 4; i++) {
		bool user_ns = i & 1;
		bool v2 = host.cgroups->version == CGROUP_VERSION_2;
		struct container *c = SHELL(
			"c-ns", v2 ? "grep -c . /cg/cgroup.procs >/dev/null && echo seen; "
				     "mkdir /cg/x 2>/dev/null || echo ro; cat /proc/self/cgroup"
				   : "grep -qx $$ /cg/pids/cgroup.procs; ls /cg | grep -x pids; "
				     "mkdir /cg/pids/x 2>/dev/null || echo ro");

		if (user_ns)
			in_user_ns(c);
		c->spec->linux.ns[NS_CGROUP].want = i & 2;
		MOUNT(c, "/cg", "cgroup", "cgroup", "nosuid", "nodev", "noexec", "ro");
		assert_contains(output_of(c, 0), v2 ? "seen\nro\n" : "pids\nro\n");
	}
}

/* The container's root may not go there (its owner is not of this user namespace), its user may. */
static void cwd_of_the_user(void **state UNUSED)
{
	char volume[128];
	struct container *c = CONTAINER("c1", "pwd");
	struct err e;

	snprintf(volume, sizeof(volume), "%s/vol3", scratch);
	assert_int_equal(mkdir(volume, 0700), 0);
	assert_int_equal(chown(volume, 0, 101000), 0);
	assert_int_equal(chmod(volume, 0070), 0);
	assert_int_equal(mkdir(arena_printf(&c->arena, "%s/vol3", rootfs), 0755), 0);
	in_user_ns(c);
	c->spec->process->user = (struct spec_user){ .uid = 1000, .gid = 1000 };
	c->spec->process->cwd = "/vol3";
	MOUNT(c, "/vol3", "bind", volume, "bind");
	assert_string_equal(output_of(c, 0), "/vol3\n");

	c = CONTAINER("c1", "pwd");
	in_user_ns(c);
	c->spec->process->user = (struct spec_user){ .uid = 1000, .gid = 1001 };
	c->spec->process->cwd = "/vol3";
	MOUNT(c, "/vol3", "bind", volume, "bind");
	e = create_fails(c);
	assert_contains(e.msg, "process.cwd /vol3: Permission denied");
}

int main(void)
{
	const struct CMUnitTest with_cgroups[] = { TEST(own_cgroup) };
	const struct CMUnitTest tests[] = {
		TEST(all_new),
		TEST(sysfs_in_a_user_ns),
		TEST(sysfs_in_a_net_ns),
		TEST(terminal_in_a_user_ns),
		TEST(streams_in_a_user_ns),
		TEST(no_terminal_no_console),
		TEST(idmapped_volume),
		TEST(idmapped_for_a_user),
		TEST(own_terminals),
		TEST(devices_of_the_spec),
		TEST(mode_of_the_guest),
		TEST(own_queues),
		TEST(joins_each),
		TEST(joins_a_user_ns),
		TEST(joins_a_mount_ns),
		TEST(not_a_namespace),
		TEST(fds_of_a_first_process),
		TEST(fds_with_joined_namespaces),
		TEST(fds_of_an_exec),
		TEST(fds_of_hooks),
		TEST(cwd_of_the_user),
	};
	int failed;

	fixture_cgroups(0);
	failed = cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
	for (int version = 1; version <= 2; version++)
		if (fixture_cgroups(version))
			failed += cmocka_run_group_tests(with_cgroups, fixture_group_setup,
							 fixture_group_teardown);
	return failed;
}
