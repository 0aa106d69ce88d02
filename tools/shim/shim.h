/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server of one pod: what its files share. One thread, one loop.
 *
 * Whatever may turn the loop itself (booting the machine, mounting, calls to the guest that are
 * waited for) is work: a handler parks its call and queues it, and main runs it between two turns
 * of the loop, one piece at a time. So handlers never wait, and Create, Stop and the like come one
 * after the other, in the order in which they were asked for.
 *
 * When the machine has died, however, everything that containerd may still ask is answered here,
 * from what is known of the processes.
 */
#ifndef MOTE_SHIM_SHIM_H
#define MOTE_SHIM_SHIM_H

#include <limits.h>
#include <time.h>

#include "base/err.h"
#include "base/list.h"
#include "event/loop.h"
#include "shim/blocks.h"
#include "shim/conf.h"
#include "shim/disks.h"
#include "shim/outbox.h"
#include "shim/net.h"
#include "shim/share.h"
#include "shim/stdio.h"
#include "ttrpc/call.h"
#include "ttrpc/client.h"
#include "ttrpc/server.h"
#include "vm/vm.h"

#define STATUS_LOST 137 /* of a process whose machine died: as by SIGKILL */

enum proc_state { PROC_CREATED, PROC_RUNNING, PROC_STOPPED };

/* A process of a container, as containerd knows it. */
struct proc {
	struct list node; /* task.execs */
	struct task *task;
	char *exec_id; /* "": the container's first */
	char *urls[3]; /* stdin, stdout, stderr as containerd wrote them */
	bool terminal;
	enum proc_state state;
	uint32_t status; /* once stopped */
	struct timespec at;
	bool exit_told;      /* containerd knows of it, or will */
	struct stdio *stdio; /* NULL: none, or closed */
};

struct task {
	struct list node;
	char *id, *bundle;
	unsigned int hooks; /* enum bundle_hooks: those that there are */
	int disk;        /* slot of the one that its root file system is on; 0: none */
	uint32_t blocks; /* bit n: it has the host's block device in slot n */
	uint8_t *rootfs; /* the mounts of its request, as they were encoded */
	size_t rootfs_len;
	struct proc init;
	struct list execs;
	unsigned int holds;  /* work that turns the loop while it uses the task or its processes */
	bool freed;          /* … which was deleted meanwhile: the last of them frees it */
	struct list dropped; /* its execs of which the same is true */
};

struct work {
	struct list node;
	void (*fn)(struct work *w);
};

struct sandbox {
	bool created, started, down; /* by containerd's Sandbox calls */
	bool ended;
	struct timespec created_at, ended_at;
	uint32_t status;
	uint8_t *options; /* Any, as containerd sent it */
	size_t options_len;
	char netns[PATH_MAX];  /* "": none of its own, unless one is to be made */
	bool makes_netns;
	uint64_t memory, cpus; /* 0: not told */
	struct list waiters;   /* calls */
};

enum machine { MACHINE_NONE, MACHINE_UP, MACHINE_STOPPING, MACHINE_GONE };

struct shim {
	const char *ns, *id; /* containerd's namespace; the pod's id */
	struct conf conf;
	struct loop *loop;
	struct server *server;
	struct list work;
	struct list tasks;
	struct sandbox sandbox;
	struct share share;
	struct net net;
	struct outbox outbox;
	enum machine machine;
	struct vm *vm;        /* NULL: none */
	pid_t vm_pid;         /* what containerd is told as every process's */
	struct client *calls; /* to the guest; the VM's */
	struct client *streams;
	char *deleted[32]; /* ids of containers whose last event may be still to come */
	size_t next_deleted;
	uint32_t disks;   /* bit n: slot n is taken */
	struct block blocks[DISKS_SLOTS + 1];
	struct work lost; /* clears a machine away that has died */
	bool last;        /* it shall end with its last container */
	bool done;        /* the server shall end */
};

/* --- main.c, serve.c --- */

/* Of one that is zeroes. */
void shim_init(struct shim *s);

void shim_queue(struct shim *s, struct work *w, void (*fn)(struct work *w));

/* --- tasks.c: what is known of containers and their processes --- */

struct task *tasks_find(struct shim *s, const char *id);
struct proc *proc_find(struct shim *s, const char *id, const char *exec_id);

/* NULL: no memory. Everything is copied. */
struct task *tasks_new(struct shim *s, const char *id, const char *bundle);
struct proc *proc_new(struct task *t, const char *exec_id);
int proc_set_urls(struct proc *p, bool terminal, const char *const urls[3]);

/* Nobody finds it any more; closes its stdio, and takes what the host keeps for it away, at the latest
 * when it is held no more. */
void tasks_free(struct shim *s, struct task *t);
void proc_free(struct proc *p);

/* Keeps a task, with all of its processes, in memory while the loop turns. */
void tasks_hold(struct task *t);
void tasks_let_go(struct shim *s, struct task *t);

/* The guest has deleted it: its event may still be on the way. */
void tasks_deleted(struct shim *s, const struct task *t);

/* The first word counts. */
void proc_stopped(struct proc *p, uint32_t status, const struct timespec *at);

/* It has died with its machine: containerd is told, unless it knows. */
void proc_lost(struct shim *s, struct proc *p, const struct timespec *now);

/* --- guest.c: the machine --- */

#define TASK_SERVICE    "containerd.task.v2.Task"
#define SANDBOX_SERVICE "containerd.runtime.sandbox.v1.Sandbox"

/* Boots, and makes the guest's sandbox. 0 at once when it is up. In work only. */
int guest_up(struct shim *s, const char *hostname, struct err *e);

/* The connection is lost, or QEMU ended: every process is as good as killed. Harmless twice. */
void guest_lost(struct shim *s);

/* Stops what runs in it and ends it. In work only. */
void guest_stop(struct shim *s);

/* The host has removed what a container had of the share: lets the guest look there, so that it and the
 * file server forget it. Nobody waits. */
void guest_forget(struct shim *s);

/* Is e the end of the connection? */
bool guest_is_gone(const struct err *e);

/* A call with an encoded request that is waited for; the encoded reply is a's. NULL with e. In work
 * only. */
const uint8_t *guest_call(struct shim *s, struct arena *a, const char *service, const char *method,
			  const uint8_t *req, size_t len, uint64_t timeout_ms, size_t *reply_len,
			  struct err *e);

/* --- the services --- */

extern const struct rpc_service *const shim_services[];

/* Of sandbox_service.c: the pod has ended, who waits is told. */
void sandbox_ended(struct shim *s, uint32_t status);

#endif
