/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper of an agent in namespaces. It makes a control group for the agent alone, the root of
 * what the agent sees: programs that run at one time on one machine do not meet, whatever paths
 * their containers name. The keeper stays outside of the pid namespace, hands the agent's end on,
 * and removes the group with all that is left in it, however the test ends.
 */
#include "lib/rig_keeper.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/cgroup.h"
#include "kernel/mountinfo.h"

#define TREE "/sys/fs/cgroup"
#define LEAF "/agent" /* where the agent is below its root */

static struct cgroup_root tree; /* the machine's */
static char group[32];		/* the agent's root in it */

const char *rig_env(const char *name, const char *otherwise)
{
	const char *v = getenv(name);

	return v && *v ? v : otherwise;
}

static void give_up(const char *what)
{
	perror(what);
	_exit(126);
}

/* r: 0 or -errno. */
static void must(int r, const char *what)
{
	errno = -r;
	if (r < 0)
		give_up(what);
}

/* What is mounted, with its controllers for the groups below. */
static void set_up(struct cgroup_root *root)
{
	struct err e = { 0 };

	if (cgroup_setup_root(TREE, CGROUP_VERSION_2, root, &e) < 0) {
		fprintf(stderr, "rig: %s\n", e.msg);
		_exit(126);
	}
	cgroup_hand_down(root);
}

/* Is something that the test runs on below it? */
static bool is_needed(const char *target)
{
	const char *const ours[] = { ".", rig_env("MOTE_HOST", "build/host"), rig_env("MOTE_BUILD", "build/x86_64") };
	char real[PATH_MAX];

	for (size_t i = 0; i < COUNT_OF(ours); i++)
		if (realpath(ours[i], real) && (str_eq(real, target) || path_is_below(real, target)))
			return true;
	return false;
}

static int note_foreign(void *arg, const struct mountinfo *m)
{
	static const char *const where[] = { "/run", "/tmp", "/var" };
	struct str *s = arg;

	for (size_t i = 0; i < COUNT_OF(where); i++)
		if (path_is_below(m->target, where[i]) && !is_needed(m->target))
			str_addf(s, "%s\n", m->target);
	return 0;
}

void rig_drop_foreign_mounts(void)
{
	static char text[1 << 18];
	struct str s = STR_OVER(text);
	char *line;

	mountinfo_each("/proc/self/mountinfo", note_foreign, &s);
	while (s.len) { /* from the last on: what is on top goes first */
		text[--s.len] = '\0';
		line = strrchr(text, '\n');
		line = line ? line + 1 : text;
		umount2(line, MNT_DETACH);
		s.len = (size_t)(line - text);
	}
}

static void make_group(void)
{
	char path[64];

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		give_up("rig: make mounts private");
	rig_drop_foreign_mounts();
	umount2(TREE, MNT_DETACH); /* with the machine's own hierarchies below it, if any */
	if (mount("cgroup2", TREE, "cgroup2", 0, NULL) < 0)
		give_up("rig: mount the control groups");
	set_up(&tree);
	snprintf(group, sizeof(group), "/mote-rig-%d", (int)getpid());
	snprintf(path, sizeof(path), TREE "%s", group);
	if (mkdir(path, 0755) < 0)
		give_up("rig: make the agent's control group");
}

static void remove_group(void)
{
	int r = cgroup_remove(&tree, group);

	if (r < 0)
		fprintf(stderr, "rig: remove the group %s: %s\n", group, strerror(-r));
}

/* The namespace's root is the group that its maker is in; then out of it, since a group that has
 * controllers for those below takes no process. */
static void enter_group(void)
{
	struct cgroup_root own;

	must(cgroup_add_pid(&tree, group, 0), "rig: enter the group");
	if (unshare(CLONE_NEWCGROUP) < 0)
		give_up("rig: unshare the control groups");
	if (umount2(TREE, MNT_DETACH) < 0 || mount("cgroup2", TREE, "cgroup2", 0, NULL) < 0 ||
	    mkdir(TREE LEAF, 0755) < 0 || cgroup_detect(TREE, &own) < 0)
		give_up("rig: mount the agent's control groups");
	must(cgroup_add_pid(&own, LEAF, 0), "rig: leave the group");
	cgroup_root_fini(&own);
	set_up(&own);
	cgroup_root_fini(&own);
}

static void in_namespaces(const struct rig *r)
{
	AUTO_FD log = open(r->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	char program[256];

	snprintf(program, sizeof(program), "%s/%s", rig_env("MOTE_HOST", "build/host"),
		 r->program ? r->program : "mote-agent");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter_group();
	if (mount("proc", "/proc", "proc", 0, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=755") < 0)
		give_up("rig: mount");
	if (log < 0 || dup2(log, STDERR_FILENO) < 0)
		_exit(126);
	if (r->before_exec)
		r->before_exec(r->before_exec_arg);
	execl(program, program, "--service", "--listen", r->address, "--option",
	      rig_env("MOTE_LOG", "agent.log=info"), NULL);
	give_up(program);
}

void rig_keep_namespaces(const struct rig *r, int tell)
{
	sigset_t wanted;
	int status;
	pid_t pid;

	setsid(); /* who ends the test with its whole group leaves the keeper to clear away */
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGCHLD);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET) < 0)
		give_up("rig: unshare");
	make_group();
	pid = fork();
	if (pid == 0) {
		sigprocmask(SIG_UNBLOCK, &wanted, NULL);
		in_namespaces(r);
	}
	if (pid > 0 && write(tell, &pid, sizeof(pid)) != sizeof(pid))
		kill(pid, SIGKILL);
	while (pid > 0 && waitpid(pid, &status, WNOHANG) != pid)
		if (sigwaitinfo(&wanted, NULL) == SIGTERM)
			kill(pid, SIGKILL);
	remove_group();
	if (pid < 0)
		_exit(125);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
