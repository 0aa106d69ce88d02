/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images, volumes and processes that attack who makes a container, each after a flaw that a runtime
 * had. The races on paths are in test_plan_race.c; descriptors that leak, in
 * test_container_rights.c and test_container_ns.c.
 */
#include "lib/container_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/path.h"
#include "kernel/ns.h"

static char outside[96]; /* a directory of the guest */

/* --- images ------------------------------------------------------------------------------- */

static const char *in_root(const char *name)
{
	static char path[192];

	snprintf(path, sizeof(path), "%s%s", rootfs, name);
	return path;
}

/* A symlink of the image in the place of a directory or of nothing; unlink_in puts it back. */
static void link_in(const char *name, const char *to)
{
	char away[200];

	snprintf(away, sizeof(away), "%s.away", in_root(name));
	if (access(in_root(name), F_OK) == 0)
		assert_int_equal(rename(in_root(name), away), 0);
	assert_int_equal(symlink(to, in_root(name)), 0);
}

static void unlink_in(const char *name)
{
	char away[200];

	snprintf(away, sizeof(away), "%s.away", in_root(name));
	assert_int_equal(unlink(in_root(name)), 0);
	rename(away, in_root(name));
}

static void put_in(const char *name, const char *text, mode_t mode)
{
	assert_int_equal(io_create_file(AT_FDCWD, in_root(name), text, strlen(text), mode), 0);
	assert_int_equal(chmod(in_root(name), mode), 0);
}

static struct spec_mount *mount_in(struct container *c, const char *at, const char *type,
				   const char *source)
{
	struct spec_mount *m = &c->spec->mounts[c->spec->n_mounts++];

	*m = (struct spec_mount){ .destination = at, .type = type, .source = source };
	return m;
}

static void assert_nothing_outside(void)
{
	DIR *dir = opendir(outside);
	const struct dirent *d;

	assert_non_null(dir);
	while ((d = readdir(dir)))
		if (d->d_name[0] != '.')
			fail_msg("made in the guest: %s", d->d_name);
	closedir(dir);
}

/* --- /proc and /sys ----------------------------------------------------------------------- */

/* CVE-2019-16884: a volume over /proc, or below it, took the place of the files that a label or a
 * profile is written to. */
static void volume_over_proc(void **state UNUSED)
{
	static const struct {
		const char *at, *type;
	} rows[] = {
		{ "/proc", "bind" },
		{ "/proc", "tmpfs" },
		{ "/proc/self/attr", "tmpfs" },
		{ "/proc/sys", "bind" },
		{ "/way/self", "tmpfs" },
		{ "/proc/../proc/1", "tmpfs" },
		{ "/way/sys/net", "bind" },
	};

	link_in("/way", "tmp/../proc");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct container *c = SHELL("c1", "true");
		struct err e;

		mount_in(c, rows[i].at, rows[i].type, rows[i].type[0] == 'b' ? outside : "tmpfs");
		e = create_fails(c);
		if (e.rc != RC_PERMISSION_DENIED && e.rc != RC_INVALID_ARGUMENT)
			fail_msg("%s: %s", rows[i].at, e.msg);
	}
	unlink_in("/way");
}

/* CVE-2019-19921 and its return CVE-2023-27561: /proc of the image was a symlink into a volume,
 * where a made-up /proc was prepared. CVE-2023-28642: the same with /sys, and with a bind. */
static void proc_is_a_link(void **state UNUSED)
{
	static const struct {
		const char *at, *type, *source;
	} rows[] = {
		{ "/proc", "proc", "proc" },
		{ "/sys", "sysfs", "sysfs" },
		{ "/proc", "bind", "/proc" },
		{ "/sys", "bind", "/sys" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct container *c = SHELL("c1", "true");
		struct err e;

		c->spec->n_mounts = 0;
		mount_in(c, "/root", "bind", outside);
		mount_in(c, rows[i].at, rows[i].type, rows[i].source);
		link_in(rows[i].at, "root/.made-up");
		e = create_fails(c);
		assert_contains(e.msg, "mounts[1]");
		assert_int_equal(e.sys, ELOOP);
		unlink_in(rows[i].at);
	}
	assert_nothing_outside();
}

/* CVE-2025-52881: what was meant for /proc/sys was written to a file of the container's. */
static void sysctl_goes_to_a_decoy(void **state UNUSED)
{
	static struct spec_pair pairs[] = { { "kernel.shmmni", "777" } };
	struct container *c = SHELL("c1", "cat /decoy; cat /proc/sys/kernel/shmmni");
	char text[16];

	c->spec->n_mounts = 0; /* no /proc: the image's own is what is there */
	mkdir(in_root("/proc/sys"), 0755);
	mkdir(in_root("/proc/sys/kernel"), 0755);
	put_in("/proc/sys/kernel/shmmni", "decoy", 0644);
	link_in("/decoy", "proc/sys/kernel/shmmni");
	c->spec->linux.sysctl = (struct spec_pairs){ pairs, 1 };
	assert_string_equal(output_of(c, 0), "decoydecoy");
	assert_int_equal(
		io_read_file(AT_FDCWD, in_root("/proc/sys/kernel/shmmni"), text, sizeof(text)), 5);
	unlink_in("/decoy");
	assert_int_equal(path_remove_tree(AT_FDCWD, in_root("/proc/sys")), 0);

	/* and where it was meant to go, it went */
	c = SHELL("c1", "cat /proc/sys/kernel/shmmni");
	c->spec->linux.sysctl = (struct spec_pairs){ pairs, 1 };
	assert_string_equal(output_of(c, 0), "777\n");
}

/* --- targets of mounts -------------------------------------------------------------------- */

/* CVE-2021-30465: a mount's target in a volume was a symlink that led out. CVE-2024-45310: the
 * directories on the way to it were made where the symlink led. */
static void target_leads_out(void **state UNUSED)
{
	static const char *const ways[] = { "/vol/abs", "/vol/abs/dir/er", "/vol/up",
					    "/vol/up/dir" };
	char volume[128], path[192], up[192];

	snprintf(volume, sizeof(volume), "%s/volume", scratch);
	assert_int_equal(mkdir(volume, 0755), 0);
	snprintf(path, sizeof(path), "%s/abs", volume);
	assert_int_equal(symlink(outside, path), 0);
	snprintf(up, sizeof(up), "../../../../../../../../../../../..%s", outside);
	snprintf(path, sizeof(path), "%s/up", volume);
	assert_int_equal(symlink(up, path), 0);
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		for (int file = 0; file < 2; file++) {
			struct container *c = SHELL("c1", "grep -c outside /proc/self/mountinfo");

			mount_in(c, "/vol", "bind", volume);
			mount_in(c, ways[i], file ? "bind" : "tmpfs",
				 file ? "/etc/passwd" : "tmpfs");
			/* a directory of the one row is a file of the other */
			path_remove_tree(AT_FDCWD, in_root("/tmp"));
			mkdir(in_root("/tmp"), 01777);
			assert_string_equal(output_of(c, 0), "1\n");
			assert_nothing_outside();
		}
	}
	assert_int_equal(path_remove_tree(AT_FDCWD, volume), 0);
}

/* The same with the node of a device, which may lie anywhere in the root. */
static void device_leads_out(void **state UNUSED)
{
	static struct spec_device device = {
		.path = "/lead/dir/null", .type = S_IFCHR, .major = 1, .minor = 3,
	};
	struct container *c = SHELL("c1", "stat -c %t:%T /lead/dir/null");
	char up[192];

	snprintf(up, sizeof(up), "../../../../../../../../../../../..%s", outside);
	path_remove_tree(AT_FDCWD, in_root("/tmp")); /* what the rows above have made */
	mkdir(in_root("/tmp"), 01777);
	link_in("/lead", up);
	c->spec->linux.devices = &device;
	c->spec->linux.n_devices = 1;
	assert_string_equal(output_of(c, 0), "1:3\n");
	assert_nothing_outside();
	unlink_in("/lead");
}

/* CVE-2021-25741: a part of a volume was asked for, and a container had put a symlink there that
 * led into the machine. */
static void source_leads_out(void **state UNUSED)
{
	static const char *const ways[] = { "/abs", "/abs/deeper", "/up" };
	char volume[128], path[192], up[192];

	snprintf(volume, sizeof(volume), "%s/volume", scratch);
	assert_int_equal(mkdir(volume, 0755), 0);
	assert_int_equal(mount("tmpfs", volume, "tmpfs", 0, NULL), 0);
	snprintf(path, sizeof(path), "%s/abs", volume);
	assert_int_equal(symlink("/etc", path), 0);
	snprintf(up, sizeof(up), "../../../../../../../../../../../..%s", outside);
	snprintf(path, sizeof(path), "%s/up", volume);
	assert_int_equal(symlink(up, path), 0);
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		struct container *c = SHELL("c1", "true");
		struct err e;

		mount_in(c, "/mnt", "bind", arena_printf(&c->arena, "%s%s", volume, ways[i]));
		e = create_fails(c);
		if (e.rc != RC_PERMISSION_DENIED || !strstr(e.msg, "a symbolic link"))
			fail_msg("%s: %s", ways[i], e.msg);
	}
	assert_int_equal(umount2(volume, MNT_DETACH), 0);
	assert_int_equal(rmdir(volume), 0);
}

/* CVE-2020-28914: a volume that was asked for read-only could be written to; as one mount, with the
 * mounts below it, and as a file. */
static void readonly_volume(void **state UNUSED)
{
	static const char *const one[] = { "bind", "ro", NULL }, *const tree[] = { "rbind", "rro", NULL };
	struct container *c = SHELL("c1", "for f in /one /tree /tree/sub /file; do [ -d $f ] && f=$f/x; "
					  "{ echo x >$f; } 2>&1 | grep -c Read-only; done");
	char volume[128], sub[160], file[160];

	snprintf(volume, sizeof(volume), "%s/volume", scratch);
	snprintf(sub, sizeof(sub), "%s/sub", volume);
	snprintf(file, sizeof(file), "%s/file", volume);
	assert_int_equal(mkdir(volume, 0777), 0);
	assert_int_equal(mkdir(sub, 0777), 0);
	assert_int_equal(mount("tmpfs", sub, "tmpfs", 0, NULL), 0);
	assert_int_equal(io_create_file(AT_FDCWD, file, "text", 4, 0666), 0);
	mount_in(c, "/one", "bind", volume)->options = strings(&c->arena, one);
	mount_in(c, "/tree", "bind", volume)->options = strings(&c->arena, tree);
	mount_in(c, "/file", "bind", file)->options = strings(&c->arena, one);
	assert_string_equal(output_of(c, 0), "1\n1\n1\n1\n");
	assert_int_equal(umount2(sub, MNT_DETACH), 0);
	assert_int_equal(path_remove_tree(AT_FDCWD, volume), 0);
}

/* --- /dev --------------------------------------------------------------------------------- */

/* CVE-2025-31133: the image's /dev/null was a symlink, and what it led to was bound over the masked
 * paths, writable. */
static void null_is_a_link(void **state UNUSED)
{
	static const char *const masked[] = { "/proc/version", NULL };
	char dev[128], path[160];
	struct container *c = SHELL("c1", "stat -c '%F %t:%T' /proc/version; cat /proc/version");
	struct err e;

	/* a /dev of the container's own choice */
	snprintf(dev, sizeof(dev), "%s/dev", scratch);
	assert_int_equal(mkdir(dev, 0755), 0);
	snprintf(path, sizeof(path), "%s/null", dev);
	assert_int_equal(symlink("/proc/sys/kernel/domainname", path), 0);
	c->spec->n_mounts = 1;
	mount_in(c, "/dev", "bind", dev);
	c->spec->linux.masked_paths = strings(&c->arena, masked);
	assert_string_equal(output_of(c, 0), "character special file 1:3\n");
	assert_int_equal(path_remove_tree(AT_FDCWD, dev), 0);

	/* the image's */
	c = SHELL("c1", "true");
	c->spec->n_mounts = 1;
	link_in("/dev/null", "/proc/sys/kernel/domainname");
	e = create_fails(c);
	assert_contains(e.msg, "mknod /dev/null");
	unlink_in("/dev/null");
}

/* CVE-2025-52565: /dev/console was a symlink, and the terminal was bound on what it led to. */
static void console_is_a_link(void **state UNUSED)
{
	struct container *c = SHELL("c1", "true");
	struct err e;

	c->spec->n_mounts = 1;
	c->spec->process->terminal = true;
	link_in("/dev/console", "/proc/sysrq-trigger");
	e = create_fails(c);
	assert_contains(e.msg, "console");
	assert_int_equal(e.sys, ELOOP);
	unlink_in("/dev/console");
}

/* --- the working directory, the program --------------------------------------------------- */

/* CVE-2024-21626: the working directory was a symlink to a descriptor that had leaked. */
static void cwd_through_the_image(void **state UNUSED)
{
	int fd = open("/", O_PATH | O_DIRECTORY); /* not close-on-exec, on purpose */
	char to[64];

	assert_true(fd >= 0);
	for (int n = 3; n <= fd + 3; n++) {
		struct container *c = SHELL("c1", "pwd");
		struct err e;

		snprintf(to, sizeof(to), "/proc/self/fd/%d", n);
		link_in("/work", to);
		c->spec->process->cwd = "/work";
		e = create_fails(c);
		assert_true(err_is_set(&e));
		c = SHELL("c1", "pwd");
		c->spec->process->cwd = "/work/../../..";
		e = create_fails(c);
		assert_true(err_is_set(&e));
		unlink_in("/work");
	}
	close(fd);
}

/* CVE-2019-5736: the container ran the runtime's own program, by a link of /proc, and wrote to it
 * once it could. */
static void runs_the_agent(void **state UNUSED)
{
	static const char *const commands[] = { "/proc/self/exe", "/bin/script", "/bin/again",
						"/bin/link" };

	put_in("/bin/script", "#!/proc/self/exe\n", 0755);
	put_in("/bin/again", "#! /bin/script -x\n", 0755);
	link_in("/bin/link", "/proc/thread-self/exe");
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		struct err e = create_fails(CONTAINER("c1", commands[i]));

		if (e.rc != RC_PERMISSION_DENIED || !strstr(e.msg, "is the agent's own"))
			fail_msg("%s: %s", commands[i], e.msg);
	}
	unlink_in("/bin/link");
	unlink_in("/bin/script");
	unlink_in("/bin/again");
}

/* --- processes ---------------------------------------------------------------------------- */

/* What a container usually has: no right to trace. */
#define COMMON_CAPS 0xa80425fbull

/* Has it a socket? Only who makes a process has one here. */
static bool has_socket(const char *pid)
{
	char path[300], to[64];
	const struct dirent *d;
	bool seen = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), d->d_name, to, sizeof(to) - 1);

		seen |= n > 7 && memcmp(to, "socket:", 7) == 0;
	}
	if (dir)
		closedir(dir);
	return seen;
}

static bool sees_a_socket(void)
{
	DIR *proc = opendir("/proc");
	const struct dirent *p;
	bool seen = false;

	while (proc && (p = readdir(proc)))
		if (p->d_name[0] >= '1' && p->d_name[0] <= '9')
			seen |= has_socket(p->d_name);
	if (proc)
		closedir(proc);
	return seen;
}

/* A process of the container, as it may be there: it looks until it is told to stop, and exits with
 * what it saw. */
static void NORETURN watch(int pidfd, int in)
{
	struct caps_sets caps = { .effective = COMMON_CAPS, .permitted = COMMON_CAPS };
	struct err e = { 0 };
	bool seen = false;
	char byte;
	pid_t pid;
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setns(pidfd, CLONE_NEWPID | CLONE_NEWNS) < 0)
		_exit(2);
	pid = fork();
	if (pid > 0) {
		waitpid(pid, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 3);
	}
	close_range(3, ~0u, 1 << 2 /* close on exec: they are not needed but "in" */);
	if (caps_apply(&caps, &e) < 0)
		_exit(4);
	while (read(in, &byte, 1) < 0)
		seen |= sees_a_socket();
	_exit(seen);
}

/* CVE-2016-9962: a process of the container traced another one on its way in, and took the
 * descriptors that it still had. */
static void looks_into_an_exec(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	int pair[2], status;
	pid_t pid;

	c->spec->process->caps->bounding = c->spec->process->caps->effective =
		c->spec->process->caps->permitted = COMMON_CAPS;
	create(c);
	start(c);
	assert_int_equal(pipe2(pair, O_NONBLOCK), 0);
	pid = fork();
	if (pid == 0) {
		close(pair[1]);
		watch(c->init->pidfd, pair[0]);
	}
	for (int i = 0; i < 50; i++) {
		struct err e = { 0 };
		struct process *p;
		char id[16];

		snprintf(id, sizeof(id), "e%d", i);
		p = EXEC(c, id, &e, "true");
		if (!p)
			fail_msg("%s", e.msg);
		wait_exit(p);
	}
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	drop(c);
}

/* CVE-2022-24769 and CVE-2022-29162: inheritable capabilities that nobody asked for, of a
 * container's first process and of its execs, came back with any program that had file
 * capabilities. */
static void nothing_inheritable(void **state UNUSED)
{
	static const char none[] = "CapInh:\t0000000000000000\n";
	struct container *c = SHELL("c1", "grep CapInh /proc/self/status; exec sleep 1000");
	struct err e = { 0 };
	struct process *p;
	char line[64];
	struct told t = { 0 };
	struct caps_sets caps = { .bounding = COMMON_CAPS,
				  .effective = COMMON_CAPS,
				  .permitted = COMMON_CAPS };

	create(c);
	start(c);
	p = process_new(c, "e1", &e);
	assert_non_null(p);
	p->spec = process_spec(&p->arena, (const char *const[]){ "grep", "CapInh",
								 "/proc/self/status", NULL });
	p->spec->caps = &caps;
	process_exec(p, CLOCK_NEVER, told_fn, &t);
	turn_until(&t.yes);
	assert_string_equal(read_all(p, STREAMS_OUT), none);
	p = EXEC(c, "e2", &e, "grep", "CapInh", "/proc/self/status", "/proc/1/status");
	assert_non_null(p);
	snprintf(line, sizeof(line), "/proc/1/status:%s", none);
	assert_contains(read_all(p, STREAMS_OUT), line);
	drop(c);
}

static int setup(void **state)
{
	int r = fixture_group_setup(state);

	char made_up[128];

	snprintf(outside, sizeof(outside), "%s/outside", scratch);
	snprintf(made_up, sizeof(made_up), "%s/.made-up", outside);
	return r || mkdir(outside, 0755) || mkdir(made_up, 0755);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(volume_over_proc),   TEST(proc_is_a_link),        TEST(sysctl_goes_to_a_decoy),
		TEST(target_leads_out),   TEST(device_leads_out),      TEST(source_leads_out),
		TEST(null_is_a_link),     TEST(console_is_a_link),     TEST(cwd_through_the_image),
		TEST(runs_the_agent),     TEST(looks_into_an_exec),    TEST(nothing_inheritable),
	};
	/* with recursive options of mounts, which older kernels have not */
	const struct CMUnitTest newer[] = { TEST(readonly_volume) };
	int failed;

	fixture_cgroups(0);
	failed = cmocka_run_group_tests(tests, setup, fixture_group_teardown);
	failed += cmocka_run_group_tests(newer, setup, fixture_group_teardown);
	return failed + fixture_on_old_kernel(tests, COUNT_OF(tests), setup);
}
