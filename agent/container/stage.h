/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child's side of making a process: everything between clone3 and execve. It runs on a copy of
 * the agent's memory, single-threaded, in straight-line code that may wait; it never returns into
 * the agent's code and ends in execve or _exit. Messages to spawn.c are of one fixed size.
 */
#ifndef MOTE_CONTAINER_STAGE_H
#define MOTE_CONTAINER_STAGE_H

#include "container/spec.h"
#include "kernel/plan.h"

/* What the child shall become. All borrowed: the child has its copy. */
struct stage {
	const char *container_id;
	const struct spec *spec;	/* the container's */
	const struct spec_process *process;
	struct plan *rootfs;		/* the first process: its file tree; NULL in an exec */
	const char *bundle;		/* the container's directory in the guest */
	/* the first process: directory where the root is put together */
	const char *bundle_rootfs;
	/* there are hooks before the pivot: the agent is told, and runs those that are its own */
	bool hooks;
	int join_pidfd;			/* an exec: the container's first process; -1 else */
	const struct cgroup_root *cgroups;
	const char *cgroup_path;	/* NULL: no cgroup is joined */
	int cgroup_fd;			/* version 2: the group's directory; -1 else */
	int stdio[3];			/* may be equal */
};

/* Messages over the pair; ERR ends the conversation. */
enum stage_msg_kind {
	/* child: `pid`, with its pidfd: the process was made in a pid namespace that exists */
	STAGE_MSG_PID = 1,
	STAGE_MSG_MAPS,		/* child: write my id maps, please; agent: they are written */
	STAGE_MSG_HOOKS,	/* child: run the hooks outside, please; agent: they have run */
	/* child: with the master of a terminal of the container's own; agent: it has it */
	STAGE_MSG_TTY,
	STAGE_MSG_READY,	/* child: all is set up */
	STAGE_MSG_START,	/* agent: go */
	STAGE_MSG_ERR,		/* child: `err` */
};

struct stage_msg {
	uint32_t kind;
	int32_t pid;
	struct err err;
};

/* The namespaces that the clone of the process makes, CLONE_NEW*: without those that are joined
 * and without the cgroup namespace (unshared later, in the group). */
uint64_t stage_clone_flags(const struct stage *st);

/* Does it take two clones? A pid namespace that exists can be entered by a child only; who has a
 * new user namespace may not join others any more, nor map a mount's ids; in one that is joined the
 * new namespaces have to be made after that; and clocks are shifted before anybody is in their
 * namespace. */
bool stage_needs_helper(const struct stage *st);

/* Does the process enter its cgroup by itself, since something comes before? */
bool stage_joins_late(const struct stage *st);

/* The child's main. sockfd: its end of the pair. cgroup_err: what clone_process says. */
void stage_main(const struct stage *st, int sockfd, int cgroup_err) NORETURN;

/* Sets them in the caller's namespaces, by the caller's /proc/sys. What the kernel is built without is
 * left out. Jobs and container children only. */
int stage_sysctls(const struct spec_pairs *p, struct err *e);

#endif
