/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container: its spec, rootfs plan, cgroup and processes, and the verbs that change them. Nothing
 * here waits: verbs that take time tell `done` once, from the loop; only what is refused at once is
 * told inside the call. A verb that fails leaves nothing behind. The table of containers, storages
 * and namespaces shared between containers are the sandbox's.
 *
 *   container_new → fill c->spec from c->arena (which ends with container_create: what is still
 *   wanted of the spec is kept elsewhere) → container_create → container_start → (process_*)
 *   → container_remove → container_free
 */
#ifndef MOTE_CONTAINER_CONTAINER_H
#define MOTE_CONTAINER_CONTAINER_H

#include "container/freeze.h"
#include "container/hooks.h"
#include "container/oom.h"
#include "container/pci_env.h"
#include "container/process.h"
#include "container/rootfs.h"
#include "event/job.h"
#include "event/step.h"

/* bytes that one container's spec and plan may take */
#define CONTAINER_ARENA_MAX	(16u << 20)
#define CONTAINER_ID_MAX	128

enum container_state {
	CONTAINER_CREATING,
	CONTAINER_CREATED,
	CONTAINER_RUNNING,
	CONTAINER_PAUSING,
	CONTAINER_PAUSED,
	CONTAINER_RESUMING,
	CONTAINER_STOPPED,	/* the first process has exited */
	CONTAINER_REMOVING,
	CONTAINER_STATES
};

/* What a verb needs; state.c has the table state × verb. */
enum container_verb {
	CONTAINER_DO_START,
	CONTAINER_DO_EXEC,
	CONTAINER_DO_SIGNAL,
	CONTAINER_DO_UPDATE,
	CONTAINER_DO_STATS,
	CONTAINER_DO_PAUSE,
	CONTAINER_DO_RESUME,
	CONTAINER_DO_REMOVE,
	CONTAINER_VERBS
};

/* What all containers of an agent share; borrowed by each. */
struct container_host {
	struct loop *loop;
	const char *run_dir;	/* "/run/kata-containers"; bundles are made below */
	const struct cgroup_root *cgroups;
	size_t pipe_bytes;	/* agent.container_pipe_size; 0: the kernel's */
	/* A process of that container was killed for want of memory. NULL: nobody asks */
	void (*oom)(void *arg, const char *id);
	void *oom_arg;
	/* the guest's own: prestart, poststart and poststop only */
	struct spec_hooks guest_hooks;
};

struct container;

/* What the front that has made a container wants to hear of it. */
struct container_front {
	/* A process of it was killed for want of memory. NULL: the sandbox's queue keeps it */
	void (*oom)(struct container *c);
	/* It is being freed; its processes are gone already. May be NULL */
	void (*gone)(struct container *c);
};

struct container {
	struct list node;		/* the owner's table */
	const struct container_front *front; /* NULL: nothing */
	void *front_data;		/* the front's */
	const struct container_host *host;
	const char *id;
	struct arena arena;		/* until it is made */
	struct arena kept;		/* id, bundle, cgroup_path, and what stays of the spec */
	struct spec *spec;
	struct pci_map pci;		/* kept: devices handed through; for the environment of execs */
	char *bundle;			/* run_dir/id */
	/* relative to host->cgroups; NULL before container_create, or without cgroups */
	char *cgroup_path;
	bool has_cpuset; /* the host has chosen its processors */
	int cgroup_fd;			/* version 2: its directory; -1 else */
	enum container_state state;
	struct process *init;		/* never NULL */
	struct list processes;		/* the first process included */
	struct arena plan_arena;	/* while it is being made */
	struct plan rootfs;
	struct steps steps;		/* of create, and of what clears away */
	/* why the create failed, while what it made is cleared away */
	struct err failed;
	enum container_state paused_from;
	struct freeze freeze;
	struct oom_watch oom;
	struct job *job;		/* the one that runs for this container, or NULL */
	struct hooks_state hooks_state;	/* what the hooks that run now are told */
	const void *hooks;		/* hooks_job.c's; NULL: none run */
	void (*hooks_done)(struct container *c, const struct err *e);
	bool hooks_begun;		/* the create came to its hooks, if there were any */
	/* the steps of removal run; they go on when nobody waits for them any more */
	bool clearing;
	bool removed;
	void (*cleared)(struct container *c);
	uint32_t poll_ms;
	struct timer poll, deadline;
	struct deferred kick;
	uint64_t deadline_ms;
	/* of the create or remove that is under way; NULL: nobody waits */
	process_done_fn done;
	void *done_owner;
};

/* A container in state creating, with an empty spec. INVALID_ARGUMENT for an id that is not
 * [A-Za-z0-9][A-Za-z0-9_.-]+ . */
struct container *container_new(const struct container_host *h, const char *id, struct err *e);

/* Frees the object: before container_create, after its failure, or after a successful
 * container_remove. NULL is fine. */
void container_free(struct container *c);

/* Validates the spec, makes cgroup, streams and the first process up to the point before execve.
 * A command that cannot be found fails here. On failure everything is undone when done runs; the
 * object is then good for container_free only. */
void container_create(struct container *c, uint64_t deadline_ms, process_done_fn done, void *owner);

/* Why a create that is still under way will fail, once that is certain; else NULL. For a caller who
 * cannot wait until it is cleared away. */
const struct err *container_failure(const struct container *c);

/* Lets the first process go; done when execve has succeeded and the poststart hooks have run, or it
 * has failed (then it exits with 126 or 127). FAILED_PRECONDITION in
 * any state but created. */
void container_start(struct container *c, uint64_t deadline_ms, process_done_fn done, void *owner);

/* SIGKILL to every process in the container's cgroup. */
int container_kill_all(struct container *c, struct err *e);

/* Freezes or thaws every process in the cgroup; done when it is so, DEADLINE_EXCEEDED (and all go on
 * as before) when they do not in time. FAILED_PRECONDITION in the wrong state, without a freezer,
 * or when the container ends meanwhile. */
void container_pause(struct container *c, uint64_t deadline_ms, process_done_fn done, void *owner);
void container_resume(struct container *c, uint64_t deadline_ms, process_done_fn done, void *owner);

/* Sets limits, and device rules if there are any in the place of those that were; done when the job
 * has. What r does not say stays. r is the caller's until then. */
void container_update(struct container *c, const struct spec_resources *r, uint64_t deadline_ms,
		      process_done_fn done, void *owner);

/* Kills all, waits until all are reaped and the cgroup is empty, removes the cgroup and the
 * bundle's empty directories (nothing of the container is mounted in the guest's own namespace;
 * storages are the sandbox's). Parked readers get EOF, waiters their status. After success call
 * container_free. DEADLINE_EXCEEDED when processes do not die in time: the container stays in
 * state removing, the removal goes on, and calling again waits for it again. */
void container_remove(struct container *c, uint64_t deadline_ms, process_done_fn done, void *owner);

/* For process.c: the file tree is there, prestart and createRuntime hooks are due (answered by
 * spawn_hooks_done). */
void container_prestart(struct container *c, pid_t pid);

/* For process.c: the first process has executed, has exited; some process was reaped. true: there are
 * hooks to run, process_started comes when they have. */
bool container_init_started(struct container *c);
void container_init_exited(struct container *c);
void container_process_gone(struct container *c);

/* FAILED_PRECONDITION `container x is paused: cannot exec`, for the services too. */
int container_allows(const struct container *c, enum container_verb verb, struct err *e);
bool container_state_allows(enum container_state state, enum container_verb verb);
const char *container_state_name(enum container_state state);

/* The value of an annotation, or NULL. */
const char *container_annotation(const struct container *c, const char *key);

#endif
