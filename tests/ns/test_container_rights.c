/* SPDX-License-Identifier: Apache-2.0 */
/* What a container may not do: filters, working directories outside, mounts over /proc, links
 * that climb, descriptors that leak. */
#include "lib/container_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"

/* --- filters --- */

static struct seccomp_spec *no_mkdir(const char *action)
{
	static char mkdir_name[] = "mkdir", mkdirat_name[] = "mkdirat", nonsense[] = "no_such_call";
	static char *names[] = { mkdir_name, mkdirat_name, nonsense };
	static const unsigned int errnum = ENOTTY;
	static struct seccomp_rule rule;
	static struct seccomp_spec filter;

	rule = (struct seccomp_rule){
		.names = names, .n_names = 3, .action = action, .errno_ret = &errnum
	};
	filter = (struct seccomp_spec){ .default_action = "SCMP_ACT_ALLOW",
					.rules = &rule,
					.n_rules = 1 };
	return &filter;
}

static void filtered(bool nnp, uint32_t uid)
{
	struct container *c =
		SHELL("c1", "mkdir /tmp/x 2>&1; grep -E '^(NoNew|Seccomp:)' /proc/self/status");
	const char *out;

	c->spec->linux.seccomp = no_mkdir("SCMP_ACT_ERRNO");
	c->spec->process->no_new_privs = nnp;
	c->spec->process->user.uid = uid;
	out = output_of(c, 0);
	assert_contains(out, "Inappropriate ioctl");
	assert_contains(out, "Seccomp:\t2");
	assert_contains(out, nnp ? "NoNewPrivs:\t1" : "NoNewPrivs:\t0");
}

static void filter(void **state UNUSED)
{
	filtered(false, 0);
	filtered(true, 0);
	filtered(false, 1000);
	filtered(true, 1000);
}

static void filter_holds_for_execs(void **state UNUSED)
{
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e = { 0 };
	struct process *p;

	c->spec->linux.seccomp = no_mkdir("SCMP_ACT_ERRNO");
	create(c);
	start(c);
	p = EXEC(c, "e1", &e, "mkdir", "/tmp/x");
	assert_non_null(p);
	assert_contains(read_all(p, STREAMS_ERR), "Inappropriate ioctl");
	drop(c);
}

static void bad_filter(void **state UNUSED)
{
	struct container *c = SHELL("c1", "true");
	struct err e;

	c->spec->linux.seccomp = no_mkdir("SCMP_ACT_NONSENSE");
	e = create_fails(c);
	assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	assert_contains(e.msg, "SCMP_ACT_NONSENSE");
}

/* --- capabilities, groups, masks --- */

#define BIT(nr)		(UINT64_C(1) << (nr))
#define CHOWN		BIT(0)
#define BIND		BIT(10)
#define CAPS		"grep ^Cap /proc/self/status; id -G; umask"

/* Each set is its own, and what is ambient is effective for another user than root. */
static void five_sets(void **state UNUSED)
{
	static uint32_t groups[] = { 77, 4 };
	struct container *c = SHELL("c1", CAPS);
	struct spec_process *p = c->spec->process;
	const char *out;

	*p->caps = (struct caps_sets){ .bounding = CHOWN | BIND, .effective = BIND,
				       .permitted = CHOWN | BIND, .inheritable = BIND,
				       .ambient = BIND };
	p->user = (struct spec_user){ .uid = 1000, .gid = 1000, .groups = groups, .n_groups = 2,
				      .umask = 027, .umask_set = true };
	out = output_of(c, 0);
	assert_contains(out, "CapInh:\t0000000000000400\nCapPrm:\t0000000000000400\n"
			     "CapEff:\t0000000000000400\nCapBnd:\t0000000000000401\n"
			     "CapAmb:\t0000000000000400\n");
	assert_contains(out, "\n1000 4 77\n0027\n");
}

/* What the agent itself has in its ambient set stays with it, also when the process may inherit
 * it. */
static void ambient_is_cleared(void **state UNUSED)
{
	struct container *c = SHELL("c1", CAPS);
	struct caps_sets before, more;
	struct err e = { 0 };
	const char *out;

	assert_int_equal(caps_get(&before), 0);
	more = before;
	more.inheritable |= BIND;
	more.ambient |= BIND;
	assert_int_equal(caps_apply(&more, &e), 0);
	c->spec->process->caps->inheritable = BIND;
	out = output_of(c, 0);
	assert_int_equal(caps_apply(&before, &e), 0);
	assert_contains(out, "CapInh:\t0000000000000400\n");
	assert_contains(out, "CapAmb:\t0000000000000000\n");
}

/* Also for the PATH by which the command is found. */
static void last_of_a_name_counts(void **state UNUSED)
{
	static const char *const env[] = { "PATH=/nowhere", "A=1", "B=2",
					   "PATH=/bin",	    "A=3", NULL };
	struct container *c = CONTAINER("c1", "env");

	c->spec->process->env = strings(&c->arena, env);
	assert_string_equal(output_of(c, 0), "B=2\nPATH=/bin\nA=3\nHOME=/root\n");
}

/* --- labels --- */

#define LABEL	"system_u:system_r:container_t:s0"

static bool kernel_has(const char *module)
{
	char text[8192];

	if (str_eq(module, "AppArmor"))
		return access("/sys/module/apparmor/parameters/enabled", F_OK) == 0;
	return io_read_file(AT_FDCWD, "/proc/filesystems", text, sizeof(text)) > 0 &&
	       strstr(text, "selinuxfs");
}

static void assert_no_module(struct container *c, const char *field, const char *module)
{
	struct err e = create_fails(c);
	char want[128];

	snprintf(want, sizeof(want), "process: %s: the kernel has no %s", field, module);
	assert_int_equal(e.rc, RC_FAILED_PRECONDITION);
	assert_string_equal(e.msg, want);
}

static void label_without_selinux(void **state UNUSED)
{
	struct container *c;

	if (kernel_has("SELinux"))
		skip();
	c = SHELL("c1", "true");
	c->spec->process->selinux_label = LABEL;
	assert_no_module(c, "process.selinuxLabel", "SELinux");
	c = SHELL("c1", "true");
	c->spec->linux.mount_label = LABEL;
	assert_no_module(c, "linux.mountLabel", "SELinux");
}

static void profile_without_apparmor(void **state UNUSED)
{
	struct container *c;

	if (kernel_has("AppArmor"))
		skip();
	c = SHELL("c1", "true");
	c->spec->process->apparmor_profile = "cri-containerd.apparmor.d";
	assert_no_module(c, "process.apparmorProfile", "AppArmor");
	c = SHELL("c1", "echo fine");
	c->spec->process->apparmor_profile = "unconfined";
	assert_string_equal(output_of(c, 0), "fine\n");
	c = SHELL("c1", "echo fine");
	c->spec->process->apparmor_profile = "cri-containerd.apparmor.d";
	c->spec->process->apparmor_if_there = true;
	assert_string_equal(output_of(c, 0), "fine\n");
}

/* --- the way out --- */

/* Descriptors of the guest's directories would be a way out, as a working directory
 * (CVE-2024-21626). */
static void cwd_of_a_descriptor(void **state UNUSED)
{
	int fd = open("/", O_PATH | O_DIRECTORY);	/* not close-on-exec, on purpose */
	struct container *c;
	struct err e;
	char cwd[64];

	assert_true(fd >= 0);
	snprintf(cwd, sizeof(cwd), "/proc/self/fd/%d", fd);
	c = SHELL("c1", "pwd");
	c->spec->process->cwd = cwd;
	e = create_fails(c);
	assert_true(err_is_set(&e));
	for (int i = 0; i < 20; i++) {
		struct err exec_error = { 0 };
		struct process *p;

		snprintf(cwd, sizeof(cwd), "/proc/self/fd/%d", i);
		c = SHELL("c1", "sleep 1000");
		create(c);
		start(c);
		p = process_new(c, "e1", &exec_error);
		assert_non_null(p);
		p->spec = process_spec(&p->arena, (const char *const[]){ "ls", NULL });
		p->spec->cwd = cwd;
		{
			struct told t = { 0 };

			process_exec(p, CLOCK_NEVER, told_fn, &t);
			turn_until(&t.yes);
			if (!err_is_set(&t.e))
				fail_msg("a working directory of %s", cwd);
		}
		drop(c);
	}
	close(fd);
}

static void exec_sees_no_descriptor(void **state UNUSED)
{
	int fd = open("/", O_PATH | O_DIRECTORY);	/* not close-on-exec, on purpose */
	struct container *c = SHELL("c1", "sleep 1000");
	struct err e = { 0 };
	struct process *p;

	create(c);
	start(c);
	p = EXEC(c, "e1", &e, "ls", "/proc/self/fd", "/proc/1/fd");
	assert_non_null(p);
	assert_string_equal(read_all(p, STREAMS_OUT),
			    "/proc/1/fd:\n0\n1\n2\n\n/proc/self/fd:\n0\n1\n2\n3\n");
	drop(c);
	close(fd);
}

static void nothing_over_proc(void **state UNUSED)
{
	static const char *const places[] = { "/proc/sys", "/proc", "/proc/self/attr" };

	for (size_t i = 0; i < COUNT_OF(places); i++) {
		static char option[] = "rbind";
		static char *options[] = { option, NULL };
		struct container *c = SHELL("c1", "true");
		struct err e;

		c->spec->mounts[c->spec->n_mounts++] = (struct spec_mount){
			.destination = places[i], .source = "/tmp", .type = "bind",
			.options = { options, 1 },
		};
		e = create_fails(c);
		assert_contains(e.msg, "mounts[2]");
	}
}

/* The image has a link that points up: it is followed inside of the root, not of the guest. */
static void link_stays_inside(void **state UNUSED)
{
	struct container *c = SHELL("c1", "grep -c ' /escape ' /proc/self/mountinfo");
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/link", rootfs);
	assert_int_equal(symlink("../../../../../../../escape", path), 0);
	c->spec->mounts[c->spec->n_mounts++] = (struct spec_mount){
		.destination = "/link", .source = "tmpfs", .type = "tmpfs",
	};
	assert_string_equal(output_of(c, 0), "1\n");
	assert_int_equal(stat("/escape", &st), -1);
	assert_int_equal(unlink(path), 0);
}

static void root_through_a_link(void **state UNUSED)
{
	struct container *c = SHELL("c1", "true");
	char path[128];
	struct err e;

	snprintf(path, sizeof(path), "%s/link", scratch);
	assert_int_equal(symlink(rootfs, path), 0);
	c->spec->root.path = path;
	e = create_fails(c);
	assert_contains(e.msg, "root.path");
	assert_int_equal(unlink(path), 0);
}

/* What the guest mounts is not seen, and what the container mounts does not come back. */
static void mounts_are_its_own(void **state UNUSED)
{
	struct container *c = SHELL("c1", "mount -t tmpfs inside /tmp && cat /proc/self/mountinfo");
	char mounts[65536];

	assert_contains(output_of(c, 0), " - tmpfs inside ");
	assert_true(io_read_file(AT_FDCWD, "/proc/self/mountinfo", mounts, sizeof(mounts)) > 0);
	assert_null(strstr(mounts, " - tmpfs inside "));
}

static void shared_propagation(void **state UNUSED)
{
	struct container *c =
		SHELL("c1", "grep -cE '^([^ ]+ ){4}/ .* shared:' /proc/self/mountinfo");

	c->spec->linux.rootfs_propagation = "rshared";
	assert_string_equal(output_of(c, 0), "1\n");
}

/* A passwd file that is no file must not stop the agent's child. */
static void passwd_is_a_fifo(void **state UNUSED)
{
	struct container *c = SHELL("c1", "echo $HOME");
	char path[128], away[128];

	snprintf(path, sizeof(path), "%s/etc/passwd", rootfs);
	snprintf(away, sizeof(away), "%s/etc/passwd.away", rootfs);
	assert_int_equal(rename(path, away), 0);
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_string_equal(output_of(c, 0), "/\n");
	assert_int_equal(rename(away, path), 0);
}

/* The end of what is read of a large file may be in the middle of a line. */
static void passwd_is_large(void **state UNUSED)
{
	enum { READ = 65535 };
	static const char last[] = "last:x:2000:2000::/home/last:/bin/sh\n";
	static char text[READ + sizeof(last)];
	char path[128], away[128];
	struct container *c;

	memset(text, '\n', sizeof(text));
	memcpy(text + READ - 23, last, sizeof(last) - 1);	/* "/home" and no more */
	snprintf(path, sizeof(path), "%s/etc/passwd", rootfs);
	snprintf(away, sizeof(away), "%s/etc/passwd.away", rootfs);
	assert_int_equal(rename(path, away), 0);
	assert_int_equal(io_create_file(AT_FDCWD, path, text, sizeof(text), 0644), 0);
	c = SHELL("c1", "echo $HOME");
	c->spec->process->user.uid = 2000;
	assert_string_equal(output_of(c, 0), "/\n");
	assert_int_equal(rename(away, path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(filter),
		TEST(filter_holds_for_execs),
		TEST(bad_filter),
		TEST(five_sets),
		TEST(ambient_is_cleared),
		TEST(last_of_a_name_counts),
		TEST(label_without_selinux),
		TEST(profile_without_apparmor),
		TEST(cwd_of_a_descriptor),
		TEST(exec_sees_no_descriptor),
		TEST(nothing_over_proc),
		TEST(link_stays_inside),
		TEST(root_through_a_link),
		TEST(mounts_are_its_own),
		TEST(shared_propagation),
		TEST(passwd_is_a_fifo),
		TEST(passwd_is_large),
	};

	fixture_cgroups(0);
	return cmocka_run_group_tests(tests, fixture_group_setup, fixture_group_teardown);
}
