/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From clone3 to execve, in one line of code from top to bottom: cgroup, descriptors, namespaces,
 * file tree, streams, identity, READY, START, exec. Everything that may read the container's files
 * comes after the descriptors of the agent are closed, and the process is not dumpable before
 * execve, so that processes that are in the namespaces already cannot look into it.
 *
 * With a helper there are two processes: the helper joins namespaces, clones the process as its own
 * sibling (a child of the agent), hands its pid and pidfd over, and exits.
 */
#include "container/stage.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/str.h"
#include "container/hooks.h"
#include "container/stage_parts.h"
#include "event/child.h"
#include "kernel/clone.h"
#include "kernel/oom_score.h"
#include "kernel/tty.h"

#define EXIT_SET_UP	1	/* before the start: nobody sees it but in an error's text */
#define EXIT_NOT_FOUND	127	/* as a shell says it */
#define EXIT_NO_EXEC	126

struct run {
	const struct stage *st;
	int sockfd;
	struct stage_labels labels;
	struct stage_listener listener;
	int ns_fds[NS_TYPES];		/* of namespaces to join by path; -1: none */
	int stdio[3];
	bool cwd_later;			/* only the process's user may go there */
	struct stage_self self;
	char path[4096];		/* of the command */
};

/* --- what the parts of a spec ask for --- */

static bool is_exec(const struct stage *st)
{
	return !st->rootfs;
}

static const struct spec_namespace *ns_of(const struct stage *st, int type)
{
	return &st->spec->linux.ns[type];
}

static bool ns_is_new(const struct stage *st, int type)
{
	return !is_exec(st) && ns_of(st, type)->want && str_empty(ns_of(st, type)->path);
}

static bool ns_is_joined(const struct stage *st, int type)
{
	return !is_exec(st) && ns_of(st, type)->want && !str_empty(ns_of(st, type)->path);
}

/* In version 2 a cgroup namespace is part of the bargain: a cgroup mount shall show the
 * container's own subtree. */
static bool has_cgroup_ns(const struct stage *st)
{
	return ns_of(st, NS_CGROUP)->want || st->cgroup_fd >= 0;
}

uint64_t stage_clone_flags(const struct stage *st)
{
	uint64_t flags = 0;

	for (int t = 0; t < NS_TYPES; t++)
		if (t != NS_CGROUP && ns_is_new(st, t))
			flags |= ns_info(t)->flag;
	if (stage_shifts_time(st))	/* made before, by the helper */
		flags &= ~(uint64_t)CLONE_NEWTIME;
	return flags;
}

static bool has_idmaps(const struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->ops[i].idmap)
			return true;
	return false;
}

bool stage_needs_helper(const struct stage *st)
{
	if (is_exec(st))
		return ns_of(st, NS_PID)->want;
	if (ns_is_joined(st, NS_PID) || ns_is_joined(st, NS_USER) || stage_shifts_time(st))
		return true;
	if (ns_is_new(st, NS_USER) && has_idmaps(st->rootfs))
		return true;
	if (ns_is_new(st, NS_USER))
		for (int t = 0; t < NS_TYPES; t++)
			if (ns_is_joined(st, t))
				return true;
	return false;
}

/* --- talking --- */

static void say(const struct run *r, const struct stage_msg *m)
{
	if (write(r->sockfd, m, sizeof(*m)) < 0)
		_exit(EXIT_SET_UP);	/* the agent has given up */
}

static void say_kind(const struct run *r, enum stage_msg_kind kind)
{
	const struct stage_msg m = { .kind = kind };

	say(r, &m);
}

static void NORETURN die(const struct run *r, const struct err *e, int status)
{
	const struct stage_msg m = { .kind = STAGE_MSG_ERR, .err = *e };

	say(r, &m);
	_exit(status);
}

static void await(const struct run *r, enum stage_msg_kind kind)
{
	struct stage_msg m;
	struct err e = { 0 };
	ssize_t n;

	do
		n = read(r->sockfd, &m, sizeof(m));
	while (n < 0 && errno == EINTR);
	if (n < 0) {	/* to end without a word would count as a good start */
		err_sys(&e, errno, "hear the agent");
		die(r, &e, EXIT_SET_UP);
	}
	if (n != sizeof(m) || m.kind != kind)
		_exit(EXIT_SET_UP);	/* the agent has given up */
}

/* fd -1: none */
static void say_fd(const struct run *r, struct stage_msg *m, int fd)
{
	struct iovec iov = { .iov_base = m, .iov_len = sizeof(*m) };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { 0 };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *c;

		h.msg_control = u.buf;
		h.msg_controllen = sizeof(u.buf);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	if (sendmsg(r->sockfd, &h, MSG_NOSIGNAL) < 0)
		_exit(EXIT_SET_UP);
}

/* --- first steps: cgroup, descriptors --- */

static int join_cgroup(const struct stage *st, int cgroup_err, struct err *e)
{
	int r = cgroup_err;

	if (!st->cgroup_path)
		return 0;
	if (st->cgroup_fd < 0 || stage_joins_late(st))
		r = cgroup_add_pid(st->cgroups, st->cgroup_path, 0);
	return r < 0 ? err_sys(e, -r, "join cgroup %s", st->cgroup_path) : 0;
}

static int set_oom_score(const struct stage *st, struct err *e)
{
	const struct spec_i64 *score = &st->process->oom_score_adj;
	char text[16];
	struct str s = STR_OVER(text);
	int r;

	if (!score->set && st->spec->process)
		score = &st->spec->process->oom_score_adj;
	if (!score->set) {
		r = oom_score_restore();
		return r < 0 ? err_sys(e, -r, "restore oom_score_adj") : 0;
	}
	str_addf(&s, "%d", (int)score->v);
	r = io_write_file(AT_FDCWD, "/proc/self/oom_score_adj", text);
	return r < 0 ? err_sys(e, -r, "set oom_score_adj to %s", text) : 0;
}

static int know_self(struct run *r, struct err *e)
{
	struct stat st;

	if (stat("/proc/self/exe", &st) < 0)
		return err_sys(e, errno, "find the agent's program");
	r->self = (struct stage_self){ st.st_dev, st.st_ino };
	return 0;
}

static int open_namespaces(struct run *r, struct err *e)
{
	for (int t = 0; t < NS_TYPES; t++) {
		if (!ns_is_joined(r->st, t))
			continue;
		r->ns_fds[t] = ns_open(ns_of(r->st, t)->path, t, e);
		if (r->ns_fds[t] < 0)
			return err_ctx(e, "linux.namespaces (%s)", ns_info(t)->oci);
	}
	return 0;
}

/* What the child has from the agent goes away as soon as it can: connections, other containers'
 * streams. */
static int close_rest(const struct run *r, struct err *e)
{
	int keep[NS_TYPES + 6], n = 0, c;

	keep[n++] = r->sockfd;
	keep[n++] = r->listener.sockfd;
	keep[n++] = r->st->join_pidfd;
	for (int i = 0; i < 3; i++)
		keep[n++] = r->stdio[i];
	for (int t = 0; t < NS_TYPES; t++)
		keep[n++] = r->ns_fds[t];
	c = fd_close_except(keep, (size_t)n);
	return c < 0 ? err_sys(e, -c, "close descriptors") : 0;
}

/* Numbers 0 to 2 belong to the agent until the streams are put there. */
static int lift(int *fd, struct err *e)
{
	int to = *fd >= 0 && *fd < 3 ? fd_move_above(*fd, 3) : *fd;

	if (to < 0 && *fd >= 0)
		return err_sys(e, -to, "move a descriptor");
	*fd = to;
	return 0;
}

/* Before anything else: until then each descriptor is the agent's, too. */
static int own_descriptors(const struct run *r, struct err *e)
{
	const int keep[] = { r->sockfd, r->st->join_pidfd, r->stdio[0], r->stdio[1], r->stdio[2] };
	int c = fd_own(keep, COUNT_OF(keep));

	return c < 0 ? err_sys(e, -c, "have descriptors of its own") : 0;
}

static int begin(struct run *r, int cgroup_err, struct err *e)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "hide from the container's processes");
	if (lift(&r->sockfd, e) < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		if (lift(&r->stdio[i], e) < 0)
			return -1;
	if (stage_cpus_outside(r->st, e) < 0 || join_cgroup(r->st, cgroup_err, e) < 0 ||
	    stage_cpus_inside(r->st, e) < 0)
		return -1;
	if (know_self(r, e) < 0 || set_oom_score(r->st, e) < 0 || open_namespaces(r, e) < 0)
		return -1;
	if (stage_listener_connect(r->st, &r->listener, e) < 0)
		return -1;
	return close_rest(r, e);
}

/* --- namespaces --- */

/* Full rights in a user namespace begin with its root. */
static int become_ns_root(struct err *e)
{
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_sys(e, errno, "become root of the user namespace");
	return 0;
}

static int join_one(struct run *r, int type, struct err *e)
{
	int c;

	if (r->ns_fds[type] < 0)
		return 0;
	c = ns_join(r->ns_fds[type], type);
	auto_close(&r->ns_fds[type]);
	if (c < 0)
		return err_sys(e, -c, "join the %s namespace", ns_info(type)->oci);
	return type == NS_USER ? become_ns_root(e) : 0;
}

/* All but the mount namespace, where the guest's /proc is out of sight. A namespace belongs to some
 * user namespace, and only who has rights in that one may join: the guest's (the sandbox's shared
 * ones) before the user namespace, those that it owns itself after it. */
static int join_namespaces(struct run *r, struct err *e)
{
	for (int t = 0; t < NS_TYPES && r->ns_fds[NS_USER] >= 0; t++)
		if (t != NS_USER && t != NS_MNT && r->ns_fds[t] >= 0 &&
		    ns_join(r->ns_fds[t], t) == 0)
			auto_close(&r->ns_fds[t]);
	for (int t = 0; t < NS_TYPES; t++)
		if (t != NS_MNT && join_one(r, t, e) < 0)
			return -1;
	return 0;
}

static int join_container(const struct run *r, uint64_t flags, struct err *e)
{
	if (setns(r->st->join_pidfd, (int)flags) == 0)
		return 0;
	if (errno == ESRCH)
		return err_set(e, RC_NOT_FOUND, "container %s: its first process is gone",
			       r->st->container_id);
	return err_sys(e, errno, "join the container's namespaces");
}

/* In the helper: what only a child sees, then that child. Returns in the process. */
static int split(struct run *r, struct err *e)
{
	struct clone_opts o = { .flags = stage_clone_flags(r->st) | CLONE_PARENT, .cgroup_fd = -1 };
	pid_t pid;

	/* while there are rights in the guest's user namespace */
	if (!is_exec(r->st) && plan_open_idmaps(r->st->rootfs, e) < 0)
		return -1;
	if (is_exec(r->st) ? join_container(r, CLONE_NEWPID, e) < 0 : join_namespaces(r, e) < 0)
		return -1;
	if (stage_shifts_time(r->st) && stage_time_unshare(r->st, e) < 0)
		return -1;
	pid = clone_process(&o);
	/* its pid 1 is dying: pid_namespaces(7) */
	if (pid < 0 && is_exec(r->st) && (pid == -ENOMEM || pid == -EINVAL))
		return err_set(e, RC_NOT_FOUND, "container %s: its first process is gone",
			       r->st->container_id);
	if (pid < 0)
		return err_sys(e, -pid, "clone");
	if (pid > 0) {
		struct stage_msg m = { .kind = STAGE_MSG_PID, .pid = pid };

		say_fd(r, &m, o.pidfd);
		_exit(0);
	}
	return 0;
}

static int join_as_exec(const struct run *r, struct err *e)
{
	static const int always[] = { NS_MNT };
	static const int wanted[] = { NS_IPC, NS_UTS, NS_NET, NS_USER, NS_TIME };
	uint64_t flags = has_cgroup_ns(r->st) ? CLONE_NEWCGROUP : 0;

	for (size_t i = 0; i < COUNT_OF(always); i++)
		flags |= ns_info(always[i])->flag;
	for (size_t i = 0; i < COUNT_OF(wanted); i++)
		if (ns_of(r->st, wanted[i])->want)
			flags |= ns_info(wanted[i])->flag;
	if (join_container(r, flags, e) < 0)
		return -1;
	/* setns shows the namespace's root, which the container's is only in one of its own */
	return str_empty(ns_of(r->st, NS_MNT)->path) ? 0 : stage_root_join(r->st, e);
}

/* The agent writes the id maps: only who stands outside of a user namespace may map more than
 * himself. */
static int become_mapped_root(const struct run *r, struct err *e)
{
	if (!ns_is_new(r->st, NS_USER))
		return 0;
	say_kind(r, STAGE_MSG_MAPS);
	await(r, STAGE_MSG_MAPS);
	return become_ns_root(e);
}

static int set_name(const char *want, const char *now, int (*set)(const char *name, size_t len),
		    const char *field, struct err *e)
{
	if (str_empty(want) || str_eq(want, now) || set(want, strlen(want)) == 0)
		return 0;
	return err_sys(e, errno, "%s", field);
}

/* A shared namespace has the host name of its pod: hosts send what the pod was made with, or
 * nothing of meaning. */
static int set_names(const struct stage *st, struct err *e)
{
	const struct spec *s = st->spec;
	struct utsname now;

	if (!ns_of(st, NS_UTS)->want)
		return 0;
	if (uname(&now) < 0)
		return err_sys(e, errno, "uname");
	if (ns_is_new(st, NS_UTS) &&
	    set_name(s->hostname, now.nodename, sethostname, "hostname", e) < 0)
		return -1;
	return set_name(s->domainname, now.domainname, setdomainname, "domainname", e);
}

static int run_hooks(const struct run *r, const struct spec_hook_list *l, const char *stage,
		     const char *status, struct err *e)
{
	const struct hooks_state s = {
		.spec = r->st->spec,
		.id = r->st->container_id,
		.bundle = r->st->bundle,
		.status = status,
		.pid = getpid(),
	};

	return hooks_run(l, stage, HOOKS_MUST, &s, e);
}

/* -1: there is none */
static void hand_over_terminal(struct run *r, int master)
{
	struct stage_msg m = { .kind = STAGE_MSG_TTY };

	if (master < 0)
		return;
	say_fd(r, &m, master);
	close(master);
	await(r, STAGE_MSG_TTY);
}

static int enter_root(struct run *r, struct err *e)
{
	const struct spec_hooks *h = &r->st->spec->hooks;
	int master = -1;
	AUTO_FD fd = stage_root_prepare(r->st, r->stdio, &master, e);

	if (fd < 0)
		return -1;
	hand_over_terminal(r, master);
	if (r->st->hooks) {	/* those of the agent's namespaces: it has them run */
		say_kind(r, STAGE_MSG_HOOKS);
		await(r, STAGE_MSG_HOOKS);
	}
	if (run_hooks(r, &h->create_container, "createContainer", "creating", e) < 0)
		return -1;
	return stage_root_switch(r->st, fd, e);
}

static int enter_as_first(struct run *r, struct err *e)
{
	if (become_mapped_root(r, e) < 0 || join_namespaces(r, e) < 0)
		return -1;
	if (has_cgroup_ns(r->st) && !ns_is_joined(r->st, NS_CGROUP) && unshare(CLONE_NEWCGROUP) < 0)
		return err_sys(e, errno, "make a cgroup namespace");
	if (set_names(r->st, e) < 0 || stage_sysctls(&r->st->spec->linux.sysctl, e) < 0)
		return -1;
	if (ns_is_joined(r->st, NS_MNT))
		return join_one(r, NS_MNT, e) < 0 ? -1 : stage_root_join(r->st, e);
	return enter_root(r, e);
}

/* --- streams, identity, exec --- */

/* In a mount namespace that was there before. */
static int find_own_terminal(struct run *r, struct err *e)
{
	AUTO_FD root = -1;

	if (!r->st->process->terminal || (!is_exec(r->st) && !ns_is_joined(r->st, NS_MNT)))
		return 0;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(e, errno, "open the container's root");
	hand_over_terminal(r, stage_tty_own(root, r->stdio));
	return 0;
}

static int install_streams(const struct run *r, struct err *e)
{
	const struct spec_process *p = r->st->process;
	const int keep[] = { r->sockfd, r->labels.selinux, r->labels.apparmor, r->listener.sockfd,
			     r->stdio[0], r->stdio[1], r->stdio[2] };
	const int last[] = { r->sockfd, r->labels.selinux, r->labels.apparmor,
			     r->listener.sockfd };
	int c = fd_close_except(keep, COUNT_OF(keep));

	for (int i = 0; i < 3 && c >= 0; i++) {
		c = fd_install(r->stdio[i], i);
		/* So that the process may open /dev/stdout again under its own id. Not possible
		 * everywhere, and not needed. */
		if (c >= 0 && p->user.uid && fchown(i, p->user.uid, (gid_t)-1) < 0)
			continue;
	}
	if (c >= 0)
		c = fd_close_except(last, COUNT_OF(last));
	if (c < 0)
		return err_sys(e, -c, "install the standard streams");
	if (setsid() < 0)
		return err_sys(e, errno, "setsid");
	c = p->terminal ? tty_set_controlling(0, TTY_CTTY) : 0;
	return c < 0 ? err_sys(e, -c, "make the terminal the controlling one") : 0;
}

/* As root where that may, else (a directory of a user's own on a filesystem that knows no root) once
 * the process is that user. */
static int change_dir(struct run *r, struct err *e)
{
	int c = stage_exec_chdir(r->st->process, e);

	r->cwd_later = c < 0 && e->sys == EACCES;
	if (r->cwd_later)
		err_clear(e);
	return r->cwd_later ? 0 : c;
}

/* The limits are last of what needs many descriptors or much memory, and first of what needs
 * root. In a user namespace of its own the process has not the right to raise them any more:
 * there they were set on the way in. */
static int take_identity(struct run *r, char ***env, struct err *e)
{
	const struct stage *st = r->st;
	const struct spec_process *p = st->process;

	if (find_own_terminal(r, e) < 0 || install_streams(r, e) < 0 || change_dir(r, e) < 0)
		return -1;
	*env = stage_exec_env(p, e);
	if (!*env || stage_labels_set(st, &r->labels, e) < 0 || stage_sched_apply(st, e) < 0)
		return -1;
	if (!ns_of(st, NS_USER)->want && stage_user_limits(st, e) < 0)
		return -1;
	if (stage_user_ids(st, e) < 0 || (r->cwd_later && stage_exec_chdir(p, e) < 0))
		return -1;
	if (stage_exec_find(p->args.v[0], *env, &r->self, r->path, sizeof(r->path), e) < 0)
		return -1;
	return stage_user_rights(st, &r->listener, e);
}

static int set_up(struct run *r, int cgroup_err, char ***env, struct err *e)
{
	if (begin(r, cgroup_err, e) < 0)
		return -1;
	if (ns_of(r->st, NS_USER)->want && stage_user_limits(r->st, e) < 0)
		return -1;
	if (stage_needs_helper(r->st) && split(r, e) < 0)
		return -1;
	/* From the guest's own /proc, and by the process itself: a label's file takes only what
	 * its opener writes. */
	if (stage_labels_open(r->st, &r->labels, e) < 0 || stage_listener_pid(&r->listener, e) < 0)
		return -1;
	if (is_exec(r->st) ? join_as_exec(r, e) < 0 : enter_as_first(r, e) < 0)
		return -1;
	return take_identity(r, env, e);
}

void stage_main(const struct stage *st, int sockfd, int cgroup_err)
{
	struct run r = { .st = st,
			 .sockfd = sockfd,
			 .labels = { -1, -1 },
			 .listener = { .sockfd = -1 } };
	struct err e = { 0 };
	char **env = NULL;
	int cause;

	memcpy(r.stdio, st->stdio, sizeof(r.stdio));
	if (own_descriptors(&r, &e) < 0)
		die(&r, &e, EXIT_SET_UP);
	reaper_reset_in_child();
	umask(0022);
	for (int t = 0; t < NS_TYPES; t++)
		r.ns_fds[t] = -1;

	if (set_up(&r, cgroup_err, &env, &e) < 0)
		die(&r, &e, EXIT_SET_UP);
	say_kind(&r, STAGE_MSG_READY);
	await(&r, STAGE_MSG_START);
	if (!is_exec(st) && run_hooks(&r, &st->spec->hooks.start_container, "startContainer",
				      "created", &e) < 0)
		die(&r, &e, EXIT_SET_UP);

	execve(r.path, st->process->args.v, env);
	cause = errno;
	err_sys(&e, cause, "exec %s", r.path);
	die(&r, &e, cause == ENOENT ? EXIT_NOT_FOUND : EXIT_NO_EXEC);
}
