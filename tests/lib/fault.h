/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes one chosen system call or allocation of a running agent fail: in PID 1, in its jobs and in
 * the processes on their way into a container alike.
 *
 * A seccomp filter, inherited by all of them, has the kernel ask this program before each call; a
 * watch of the rig's loop answers. An allocation is a call too (fault_alloc.h), in an agent that is
 * linked with tests/fault/alloc.c. What a container's program does is nobody's business: the
 * supervisor tells by /proc/PID/exe.
 *
 * Processes run side by side, so "the n-th call" would be another one each time. A call is named
 * by its site instead (the system call and the return addresses below it), and by how many times
 * the site had been passed since arming.
 */
#ifndef MOTE_TESTS_FAULT_H
#define MOTE_TESTS_FAULT_H

#include "lib/fault_stack.h"
#include "lib/rig.h"

#define FAULT_FRAMES 40
#define FAULT_SITES  4096

struct fault_site {
	int nr;     /* the system call, or FAULT_ALLOC */
	bool child; /* not of PID 1 */
	size_t n_frames;
	uint64_t frames[FAULT_FRAMES];
	unsigned int times;  /* passed since fault_arm */
	unsigned int expect; /* the caller's: passed in a run without a fault */
	unsigned int walked; /* the caller's: bits of errnos */
};

struct fault_target {
	struct fault_site *site; /* NULL: only count */
	unsigned int occurrence; /* 1: the first time */
	int errnum;
};

struct fault {
	struct rig *rig;
	struct fault_image image;
	int handover[2]; /* sockets: the new listener comes by the first one */
	int listener;    /* where the kernel asks; -1: none */
	struct watch handover_watch, watch;
	bool armed, hit;
	struct fault_target target;
	pid_t hit_pid;
	char unknown[64]; /* a call that the table does not have */
	uint64_t heap;    /* bytes in use in PID 1 before the last allocation there */
	struct fault_site *sites;
	size_t n_sites;
};

/* Before rig_start, with a loop: prepares the rig to start its agent under supervision. 0, or -1 with the reason
 * on stderr. */
int fault_init(struct fault *f, struct rig *r, const char *program);
int fault_renew(struct fault *f); /* before rig_restart */
void fault_fini(struct fault *f);

/* From now on the agent's calls are counted, and the target fails. */
void fault_arm(struct fault *f, const struct fault_target *target);
void fault_disarm(struct fault *f);

/* "openat < path_open_in < plan_run < stage_main"; in a buffer that the next call takes. */
const char *fault_site_name(const struct fault *f, const struct fault_site *s);

/* "PID 1", "a job" or "a stage" (a process on its way into a container). */
const char *fault_site_process(const struct fault *f, const struct fault_site *s);

/* Is it made by a library of others, which has many places for one of ours? */
bool fault_site_is_foreign(const struct fault *f, const struct fault_site *s);

#endif
