/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The benchmark: what the agent takes, beside floors that are measured in the same run and, where
 * there is a guest, in the same guest, one sample of each in turn, so that a busy machine slows
 * both.
 */
#ifndef MOTE_BENCH_BENCH_H
#define MOTE_BENCH_BENCH_H

#include <stdio.h>

#include "bench/rows.h"
#include "bench/wire.h"
#include "lib/rig.h"

#define BENCH_TOOL_PORT 5000
#define BENCH_BRIDGE	"05" /* of the guest's, behind which disks are plugged; hot in QEMU */

/* How much of everything. */
struct counts {
	size_t boots, health, lives, execs, bulk, created;
	size_t plugs; /* disks, one after the other */
	size_t pods, copies; /* requests with many storages or routes; files */
	size_t containers, execs_each; /* whose memory is counted */
	unsigned long long bulk_bytes;
};

struct bench {
	struct rows rows;
	const struct counts *counts;
	bool interrupted; /* by a signal */
	bool json;	  /* one object and nothing else is printed */
	bool smoke;	  /* a few samples of each */
	struct arena arena;
	struct rig rig; /* the guest; runs once bench_guest() was called */
	struct wire agent, tool;
	size_t lives; /* of the group of that name */
	enum { GUEST_NONE, GUEST_UP, GUEST_FAILED } guest;
};

/* Some calls in a row, timed together, beside a command of the tool. WaitProcess must tell status
 * 0, whose reply is empty. */
struct contest {
	struct shot shots[4];
	size_t n;
	const char *floor;
	struct samples *calls, *floors;
};

/* The calls, once; their time goes to c->calls. */
int bench_fire(struct bench *b, const struct contest *c, struct err *e);

/* Makes the calls of a container's life from create to remove. */
int bench_life_calls(struct bench *b, struct contest *c, struct err *e);

/* Progress, on stderr. */
void bench_say(const char *fmt, ...) PRINTF(1, 2);

/* The guest with its privileged container of floors, which is started when it is not there yet. */
int bench_guest(struct bench *b, struct err *e);

/* Between samples: lets the VM's console drain. -1 with e when a signal has come. */
int bench_turn(struct bench *b, struct err *e);

/* A command of the tool that must end with status 0; its text in text. */
int bench_tool(struct bench *b, const char *command, char *text, size_t cap, struct err *e);

/* A root of the busybox image or of the tools' one, read-only, mounted once by bench_guest(). */
#define BENCH_ROOT  "/run/kata-containers/sandbox/storage/rootfs"
#define BENCH_TOOLS "/run/kata-containers/sandbox/storage/tools"

/* A container of the busybox image that is there when it returns. */
int bench_hold(struct bench *b, const char *id, const char *args, struct err *e);

/* The groups of rows. Each fills its rows, or fails with e. */
int bench_sizes(struct bench *b, struct err *e);
int bench_boot(struct bench *b, struct err *e);
int bench_memory(struct bench *b, struct err *e);
int bench_health(struct bench *b, struct err *e);
int bench_life(struct bench *b, struct err *e);
int bench_lives(struct bench *b, struct err *e); /* only when it is named */
int bench_exec(struct bench *b, struct err *e);
int bench_phases(struct bench *b, struct err *e); /* prints a table of its own */
int bench_pod(struct bench *b, struct err *e);
int bench_plug(struct bench *b, struct err *e);
int bench_bulk(struct bench *b, struct err *e);
int bench_many(struct bench *b, struct err *e);
int bench_containerd(struct bench *b, struct err *e); /* not of a smoke run that does not name it */

#endif
