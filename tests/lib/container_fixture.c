/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "deny_syscall.h"
#include "kernel/mountinfo.h"
#include "kernel/sys.h"
#include "lib/rig_keeper.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

#define PATIENCE_MS 60000 /* against hangs only: an idle process on a busy machine hardly runs */

struct loop *loop;
struct container_host host;
char scratch[64], rootfs[96];

static struct cgroup_root cgroups;
static int fds_before, mounts_before;
static size_t bytes_before;

void told_fn(void *owner, const struct err *e)
{
	struct told *t = owner;

	assert_false(t->yes);
	t->yes = true;
	t->e = *e;
}

void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in: %s", part, text);
}

void turn_until(const bool *flag)
{
	uint64_t end = clock_after(PATIENCE_MS);

	while (!*flag) {
		assert_true(clock_ms() < end);
		loop_once(loop, 100);
	}
}

void turn_for(int ms)
{
	uint64_t end = clock_after((uint64_t)ms);

	while (clock_ms() < end)
		loop_once(loop, (int)(end - clock_ms()));
}

/* --- specs --- */

struct spec_strings strings(struct arena *a, const char *const *v)
{
	struct spec_strings out = { 0 };

	while (v[out.n])
		out.n++;
	out.v = ARENA_ARRAY(a, char *, out.n + 1);
	assert_non_null(out.v);
	for (size_t i = 0; i < out.n; i++)
		out.v[i] = arena_strdup(a, v[i]);
	return out;
}

struct spec_process *process_spec(struct arena *a, const char *const *argv)
{
	static const char *const env[] = { "PATH=/bin", "NAME=value", NULL };
	struct spec_process *p = ARENA_NEW(a, struct spec_process);

	assert_non_null(p);
	p->args = strings(a, argv);
	p->env = strings(a, env);
	p->cwd = "/";
	return p;
}

static void add_mount(struct container *c, const char *at, const char *type,
		      const char *const *options)
{
	c->spec->mounts[c->spec->n_mounts++] = (struct spec_mount){
		.destination = at,
		.source = type,
		.type = type,
		.options = strings(&c->arena, options),
	};
}

/* Of this program alone: the machine's tree of groups is one for all that run at a time. */
const char *group_of(const char *id)
{
	static char path[64];

	snprintf(path, sizeof(path), "/mote-%d-%s", (int)getpid(), id);
	return path;
}

struct container *container_with(const char *id, const char *const *argv)
{
	static const enum ns_type own[] = { NS_MNT, NS_PID, NS_IPC, NS_UTS };
	static const char *const dev[] = { "nosuid", "mode=755", "size=64k", NULL },
				 *const none[] = { NULL };
	struct err e = { 0 };
	struct container *c = container_new(&host, id, &e);

	if (!c)
		fail_msg("%s", e.msg);
	c->spec->process = process_spec(&c->arena, argv);
	c->spec->process->caps = ARENA_NEW(&c->arena, struct caps_sets);
	assert_non_null(c->spec->process->caps);
	c->spec->process->caps->bounding = c->spec->process->caps->effective =
		c->spec->process->caps->permitted = caps_all();
	c->spec->root.path = rootfs;
	c->spec->hostname = "box";
	c->spec->linux.cgroups_path = arena_strdup(&c->arena, group_of(id));
	for (size_t i = 0; i < COUNT_OF(own); i++)
		c->spec->linux.ns[own[i]].want = true;
	c->spec->mounts = ARENA_ARRAY(&c->arena, struct spec_mount, 8);
	assert_non_null(c->spec->mounts);
	add_mount(c, "/proc", "proc", none);
	add_mount(c, "/dev", "tmpfs", dev);
	return c;
}

/* --- verbs --- */

void create(struct container *c)
{
	struct told t = { 0 };

	container_create(c, clock_after(PATIENCE_MS), told_fn, &t);
	assert_false(t.yes);
	turn_until(&t.yes);
	if (err_is_set(&t.e))
		fail_msg("create: %s", t.e.msg);
	assert_int_equal(c->state, CONTAINER_CREATED);
}

struct err create_fails(struct container *c)
{
	struct told t = { 0 };

	container_create(c, clock_after(PATIENCE_MS), told_fn, &t);
	turn_until(&t.yes);
	assert_true(err_is_set(&t.e));
	container_free(c);
	return t.e;
}

void start(struct container *c)
{
	struct told t = { 0 };

	container_start(c, clock_after(PATIENCE_MS), told_fn, &t);
	turn_until(&t.yes);
	if (err_is_set(&t.e))
		fail_msg("start: %s", t.e.msg);
}

void drop(struct container *c)
{
	struct told t = { 0 };

	container_remove(c, clock_after(PATIENCE_MS), told_fn, &t);
	turn_until(&t.yes);
	if (err_is_set(&t.e))
		fail_msg("remove: %s", t.e.msg);
	container_free(c);
}

struct process *exec_with(struct container *c, const char *id, const char *const *argv,
			  struct err *e)
{
	struct process *p = process_new(c, id, e);
	struct told t = { 0 };

	if (!p)
		return NULL;
	p->spec = process_spec(&p->arena, argv);
	process_exec(p, clock_after(PATIENCE_MS), told_fn, &t);
	assert_false(t.yes);
	turn_until(&t.yes);
	*e = t.e;
	return err_is_set(e) ? NULL : p;
}

static void on_exit_told(struct process_waiter *w, struct process *p, int status)
{
	assert_int_equal(p->status, status);
	*(bool *)w->owner = true;
}

int wait_exit(struct process *p)
{
	struct process_waiter w;
	bool yes = false;

	if (!process_wait(p, &w, on_exit_told, &yes))
		turn_until(&yes);
	assert_int_equal(p->state, PROCESS_EXITED);
	return p->status;
}

/* --- output --- */

static struct {
	char text[65536];
	size_t n;
	bool got, end;
} output;

static void on_data(struct streams_reader *r UNUSED, const void *data, size_t len,
		    const struct err *e)
{
	assert_false(err_is_set(e));
	assert_true(output.n + len < sizeof(output.text));
	memcpy(output.text + output.n, data, len);
	output.n += len;
	output.got = true;
	output.end = !len;
}

const char *read_all(struct process *p, enum streams_kind kind)
{
	struct streams_reader r;

	memset(&output, 0, sizeof(output));
	while (!output.end) {
		output.got = false;
		streams_read(&p->streams, kind, &r, 4096, on_data, NULL);
		turn_until(&output.got);
	}
	return output.text;
}

const char *output_of(struct container *c, int status)
{
	create(c);
	start(c);
	read_all(c->init, STREAMS_OUT);
	assert_int_equal(wait_exit(c->init), status);
	drop(c);
	return output.text;
}

/* --- before and after --- */

static int count_mount(void *arg, const struct mountinfo *m UNUSED)
{
	++*(int *)arg;
	return 0;
}

static int mount_count(void)
{
	int n = 0;

	assert_int_equal(mountinfo_each("/proc/self/mountinfo", count_mount, &n), 0);
	return n;
}

static void make_rootfs(void)
{
	pid_t pid;
	int status;

	snprintf(rootfs, sizeof(rootfs), "%s/rootfs", scratch);
	pid = fork();
	if (pid == 0) {
		execl("tests/lib/make-rootfs", "make-rootfs", rootfs, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

bool fixture_cgroups(int version)
{
	static const char *const paths[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };

	host.cgroups = NULL;
	for (size_t i = 0; i < COUNT_OF(paths) && version; i++) {
		if (cgroup_detect(paths[i], &cgroups) < 0)
			continue;
		if (cgroups.version == (enum cgroup_version)version) {
			host.cgroups = &cgroups;
			return true;
		}
		cgroup_root_fini(&cgroups);
	}
	return !version;
}

int fixture_group_setup(void **state)
{
	static bool unshared;
	sigset_t none;
	cpu_set_t all;

	(void)state;
	if (geteuid() != 0 || access("/bin/busybox", X_OK) < 0) {
		print_message("1..0 # SKIP needs root and a static busybox\n");
		_exit(77);
	}
	/* Once: the descriptor of the cgroups lives in this namespace. */
	if (!unshared) {
		assert_int_equal(unshare(CLONE_NEWNS), 0);
		/* what others mount meanwhile is none of the counted */
		assert_int_equal(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL), 0);
		rig_drop_foreign_mounts();
		/* what is asked for, not what this program happens to be run with (nice, taskset) */
		memset(&all, 0xff, sizeof(all));
		assert_int_equal(setpriority(PRIO_PROCESS, 0, 0), 0);
		assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	}
	unshared = true;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	snprintf(scratch, sizeof(scratch), "/tmp/mote-container-XXXXXX");
	assert_non_null(mkdtemp(scratch));
	make_rootfs();
	sigemptyset(&none);
	reaper_block_signals(&none);
	host.run_dir = scratch;
	return 0;
}

int fixture_group_teardown(void **state)
{
	(void)state;
	if (host.cgroups)
		cgroup_root_fini(&cgroups);
	return path_remove_tree(AT_FDCWD, scratch);
}

int fixture_setup(void **state)
{
	sigset_t none;

	(void)state;
	fds_before = fd_count();
	mounts_before = mount_count();
	bytes_before = arena_bytes_in_use();
	sigemptyset(&none);
	loop = host.loop = loop_new();
	assert_non_null(loop);
	assert_int_equal(reaper_start(loop, &none, NULL), 0);
	return 0;
}

int fixture_teardown(void **state)
{
	uint64_t end = clock_after(PATIENCE_MS);

	(void)state;
	/* what was killed and is nobody's any more */
	while (child_count() && clock_ms() < end)
		loop_once(loop, 10);
	reaper_stop();
	loop_free(loop);
	assert_int_equal(child_count(), 0);
	assert_int_equal(fd_count(), fds_before);
	assert_int_equal(mount_count(), mounts_before);
	assert_int_equal(arena_bytes_in_use(), bytes_before);
	return 0;
}

static const unsigned int new_calls[] = { SYS_openat2,	 SYS_fsopen,	    SYS_fsconfig,
					  SYS_fsmount,	 SYS_open_tree,	    SYS_move_mount,
					  SYS_fchmodat2, SYS_mount_setattr };

int fixture_on_old_kernel(const struct CMUnitTest *tests, size_t n, int (*group_setup)(void **))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		for (size_t i = 0; i < COUNT_OF(new_calls); i++)
			if (deny_syscall(new_calls[i], ENOSYS) < 0)
				_exit(99);
		fixture_cgroups(0);
		exit(_cmocka_run_group_tests("an old kernel", tests, n, group_setup,
					     fixture_group_teardown));
	}
	return pid < 0 || waitpid(pid, &status, 0) != pid || status;
}
