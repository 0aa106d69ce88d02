/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thousands of containers in one guest, one after the other: nothing may be left of them, and the
 * last one may not take longer than the first. A group of its own, which runs only when it is
 * named: it takes its time, and its table is before and after.
 */
#include <string.h>

#include "bench/bench.h"

#define WARM    20  /* lives before the first look: caches, first use of code */
#define COUNTED 100 /* lives at each end */
#define RATIO   1.2
#define FLOOR   "run crun --cgroup-manager=cgroupfs run --bundle /bundle/true life"

/* What may grow by how much: room for what the kernel frees late, none for one thing a life. */
static const struct {
	const char *name, *command;
	const char *before; /* the word before the number; NULL: the first word */
	double scale, slack;
} looks[] = {
	{ "agent's memory, bytes", "read /guest-proc/1/smaps_rollup", "Anonymous:", 1024, 65536 },
	{ "agent's descriptors", "count /guest-proc/1/fd", NULL, 1, 0 },
	{ "mounts", "count /guest-proc/1/mountinfo", NULL, 1, 0 },
	{ "control groups", "read /sys/fs/cgroup/cgroup.stat", "nr_descendants", 1, 0 },
	{ "control groups that die", "read /sys/fs/cgroup/cgroup.stat", "nr_dying_descendants", 1,
	  64 },
	{ "directory entries of the kernel", "read /guest-proc/sys/fs/dentry-state", NULL, 1,
	  2000 },
};

struct state {
	double value[COUNT_OF(looks)];
};

static int look_once(struct bench *b, size_t i, double *out, struct err *e)
{
	char text[8192];
	const char *at = text;

	if (bench_tool(b, looks[i].command, text, sizeof(text), e) < 0)
		return -1;
	if (looks[i].before)
		at = strstr(text, looks[i].before);
	if (!at || sscanf(at + (looks[i].before ? strlen(looks[i].before) : 0), "%lf", out) != 1)
		return err_set(e, RC_INTERNAL, "%s: %.100s", looks[i].name, text);
	*out *= looks[i].scale;
	return 0;
}

static int look(struct bench *b, struct state *out, struct err *e)
{
	for (size_t i = 0; i < COUNT_OF(looks); i++)
		if (look_once(b, i, &out->value[i], e) < 0)
			return -1;
	return 0;
}

/* The lives at one end of the run, and what as many of crun take there, one of each in turn. */
struct ends {
	struct samples calls, floors;
};

static int floor_once(struct bench *b, struct ends *at, struct err *e)
{
	char said[4096];
	double began = wire_now();

	if (bench_tool(b, FLOOR, said, sizeof(said), e) < 0)
		return -1;
	return samples_add(&at->floors, wire_now() - began);
}

static int live(struct bench *b, struct contest *c, size_t n, struct ends *first, struct ends *last,
		struct err *e)
{
	static struct samples between;
	size_t counted = MIN((size_t)COUNTED, n / 2);

	for (size_t i = 0; i < n; i++) {
		struct ends *at = i < counted ? first : i < n - counted ? NULL : last;

		samples_clear(&between);
		c->calls = at ? &at->calls : &between;
		if (bench_fire(b, c, e) < 0)
			return err_ctx(e, "life %zu", i);
		if (at && floor_once(b, at, e) < 0)
			return -1;
		if (bench_turn(b, e) < 0)
			return -1;
		if (i % 1000 == 999)
			bench_say("%zu lives", i + 1);
	}
	return 0;
}

static bool tell(const struct state *before, const struct state *after, double ratio)
{
	bool flat = ratio <= RATIO;

	printf("%-34s %12s %12s  %s\n", "", "before", "after", "flat");
	for (size_t i = 0; i < COUNT_OF(looks); i++) {
		bool same = after->value[i] <= before->value[i] + looks[i].slack;

		printf("%-34s %12.0f %12.0f  %s\n", looks[i].name, before->value[i],
		       after->value[i], same ? "yes" : "NO");
		flat = flat && same;
	}
	return flat;
}

/* A machine that is busier at one end slows both. */
static double beside_floor(struct ends *at)
{
	return samples_median(&at->calls) / samples_median(&at->floors);
}

int bench_lives(struct bench *b, struct err *e)
{
	static struct ends warm, first, last;
	struct contest c = { 0 };
	struct state before, after;
	double ratio;

	if (bench_guest(b, e) < 0 || bench_life_calls(b, &c, e) < 0)
		return -1;
	bench_say("%zu lives, one after the other", b->lives);
	if (live(b, &c, WARM, &warm, &warm, e) < 0 || look(b, &before, e) < 0 ||
	    live(b, &c, b->lives, &first, &last, e) < 0 || look(b, &after, e) < 0)
		return -1;
	ratio = beside_floor(&last) / beside_floor(&first);
	if (!tell(&before, &after, ratio))
		err_set(e, RC_INTERNAL, "something grows with the lives");
	printf("%-34s %9.3f ms %9.3f ms\n", "a life, median of each end",
	       samples_median(&first.calls) / 1000, samples_median(&last.calls) / 1000);
	printf("%-34s %12.3f %12.3f  %s (ratio %.2f, at most %.2f)\n\n", "the same beside crun's there",
	       beside_floor(&first), beside_floor(&last), ratio <= RATIO ? "yes" : "NO", ratio, RATIO);
	return err_is_set(e) ? -1 : 0;
}
