/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Id-mapped binds. check-code: job
 *
 * mount_setattr(2) takes the mapping as a user namespace that has it. Such a one is made with a
 * child that does nothing, and lives on in the mounts alone.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/num.h"
#include "kernel/clone.h"
#include "kernel/ns.h"
#include "kernel/plan_ops.h"
#include "kernel/sys.h"

static int write_map(pid_t pid, const char *file, const char *map)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return io_write_file(AT_FDCWD, path, map);
}

/* Tells its number as /proc has it: this may be in a pid namespace that /proc is not of. */
static void NORETURN keep_ns(int out)
{
	char text[16] = "";

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (readlink("/proc/self", text, sizeof(text) - 1) < 0 ||
	    io_write_full(out, text, sizeof(text)) < 0)
		_exit(1);
	for (;;)
		pause();
}

static int map_and_hold(int in, const struct plan_idmap *map)
{
	char text[16];
	uint64_t pid;
	int r;

	if (read(in, text, sizeof(text)) != sizeof(text) || text[sizeof(text) - 1] ||
	    num_u64(text, INT32_MAX, &pid) < 0)
		return -ESRCH;
	r = write_map((pid_t)pid, "gid_map", map->gid_map);
	if (r == 0)
		r = write_map((pid_t)pid, "uid_map", map->uid_map);
	return r < 0 ? r : ns_hold((pid_t)pid, NS_USER);
}

/* A descriptor of a user namespace with these maps, or -errno. */
static int make_user_ns(const struct plan_idmap *map)
{
	struct clone_opts o = { .flags = CLONE_NEWUSER, .cgroup_fd = -1 };
	int ends[2], fd;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = clone_process(&o);
	if (pid == 0)
		keep_ns(ends[1]);
	close(ends[1]);
	fd = pid < 0 ? pid : map_and_hold(ends[0], map);
	close(ends[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
			;
	}
	auto_close(&o.pidfd);
	return fd;
}

int plan_idmap_tree(const struct plan_op *op, int source)
{
	unsigned int deep = op->ms_flags & MS_REC ? AT_RECURSIVE : 0;
	AUTO_FD tree =
		sys_open_tree(source, "", OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | deep);
	AUTO_FD ns = tree < 0 ? tree : make_user_ns(op->idmap);
	struct sys_mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	int r = ns;

	if (ns >= 0) {
		attr.userns_fd = (uint64_t)ns;
		r = sys_mount_setattr(tree, "",
				      AT_EMPTY_PATH | (op->idmap->recursive ? AT_RECURSIVE : 0),
				      &attr, sizeof(attr));
	}
	return r < 0 ? r : TAKE_FD(tree);
}

static int open_one(struct plan_op *op, struct err *e)
{
	AUTO_FD source = plan_open_source(op, -1, O_PATH);
	int r = source < 0 ? source : plan_idmap_tree(op, source);

	if (r >= 0) {
		op->sourcefd = r;
		return 0;
	}
	plan_fail(e, r, op);
	return op->what ? err_ctx(e, "%s", op->what) : -1;
}

int plan_open_idmaps(struct plan *p, struct err *e)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->ops[i].idmap && p->ops[i].sourcefd < 0 && open_one(&p->ops[i], e) < 0)
			return -1;
	return 0;
}

void plan_close_sources(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->ops[i].idmap)
			auto_close(&p->ops[i].sourcefd);
}
