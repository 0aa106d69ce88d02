/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time of a container's life goes. A guest of its own, whose agent tells on the console how
 * long each step of a create took; the other calls are timed around the socket. What no step
 * accounts for is the way of the request and its reading.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

#define PHASES	 8   /* of a kind, at most */
#define WARM	 3   /* lives that are not counted */
#define PATIENCE 200 /* turns that a line of the console may come after its call */

enum kind { CALLS, CREATE, CONTAINER, KINDS }; /* the last two: steps of the calls' first, of its "container" */

struct phase {
	char name[40];
	struct samples took; /* us */
};

static struct {
	struct phase phase[KINDS][PHASES];
	size_t n[KINDS];
	size_t creates; /* that were told */
	bool counted;
} told;

static void add(enum kind kind, const char *name, double us)
{
	struct phase *phases = told.phase[kind];
	size_t i = 0;

	while (i < told.n[kind] && !str_eq(phases[i].name, name))
		i++;
	if (i == PHASES)
		return;
	if (i == told.n[kind]) {
		snprintf(phases[i].name, sizeof(phases[i].name), "%s", name);
		told.n[kind]++;
	}
	if (told.counted)
		(void)samples_add(&phases[i].took, us);
}

/* "NAME N us, NAME N us": a name may hold blanks. Cuts the text. */
static void take_phases(enum kind kind, char *text)
{
	char *rest;

	for (char *at = strtok_r(text, ",", &rest); at; at = strtok_r(NULL, ",", &rest)) {
		size_t digits;

		at += *at == ' ';
		digits = strcspn(at, "0123456789");
		if (digits < 2 || !at[digits])
			continue;
		at[digits - 1] = '\0';
		add(kind, at, strtod(at + digits, NULL));
	}
}

static void on_line(void *arg, const char *line)
{
	static const struct {
		const char *begin;
		enum kind kind;
	} lines[] = { { "container: make life: ", CONTAINER }, { "sandbox: create life: ", CREATE } };
	char text[512];

	(void)arg;
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		const char *at = strstr(line, lines[i].begin);

		if (!at)
			continue;
		snprintf(text, sizeof(text), "%s", at + strlen(lines[i].begin));
		take_phases(lines[i].kind, text);
		told.creates += lines[i].kind == CREATE;
	}
}

static int call(struct bench *g, const struct shot *s, double *took, struct err *e)
{
	double began = wire_now();

	if (wire_fire(&g->agent, s, NULL, e) < 0)
		return -1;
	*took = wire_now() - began;
	return 0;
}

/* The agent's line may come after its answer. */
static int await_line(struct bench *b, struct bench *g, size_t creates, struct err *e)
{
	for (int i = 0; i < PATIENCE && told.creates < creates; i++) {
		if (b->interrupted)
			return err_set(e, RC_CANCELLED, "interrupted");
		loop_once(g->rig.loop, 50);
	}
	return told.creates >= creates ? 0 :
					 err_set(e, RC_INTERNAL, "the agent does not tell its steps");
}

static int live(struct bench *b, struct bench *g, const struct contest *c, struct err *e)
{
	static const char *const names[] = { "create", "start (exec)", "wait", "remove" };
	double took[COUNT_OF(names)];

	for (size_t i = 0; i < b->counts->lives + WARM; i++) {
		told.counted = i >= WARM;
		for (size_t k = 0; k < COUNT_OF(names); k++)
			if (call(g, &c->shots[k], &took[k], e) < 0)
				return -1;
		for (size_t k = 0; k < COUNT_OF(names); k++)
			add(CALLS, names[k], took[k]);
		if (await_line(b, g, i + 1, e) < 0)
			return -1;
	}
	return 0;
}

/* With what is a part of a phase below it. */
static void print(enum kind kind, int depth)
{
	for (size_t i = 0; i < told.n[kind]; i++) {
		struct phase *p = &told.phase[kind][i];

		printf("%*s%-*s %9.3f ms\n", depth, "", 34 - depth, p->name,
		       samples_median(&p->took) / 1000);
		if (kind == CALLS && str_eq(p->name, "create"))
			print(CREATE, depth + 2);
		if (kind == CREATE && str_eq(p->name, "container"))
			print(CONTAINER, depth + 2);
	}
}

int bench_phases(struct bench *b, struct err *e)
{
	static struct bench guest; /* the other one */
	struct contest c = { 0 };
	int r = -1;

	guest.counts = b->counts;
	guest.agent.fd = guest.tool.fd = -1;
	guest.rig.loop = b->rig.loop;
	guest.rig.vm_opts.cmdline = "agent.log=debug";
	guest.rig.vm_opts.console = on_line;
	arena_init(&guest.arena, 64u << 20);
	if (bench_guest(&guest, e) == 0 && bench_life_calls(&guest, &c, e) == 0) {
		bench_say("%zu lives by phase", b->counts->lives);
		r = live(b, &guest, &c, e);
	}
	wire_close(&guest.agent);
	wire_close(&guest.tool);
	rig_stop(&guest.rig);
	arena_fini(&guest.arena);
	if (r < 0 || b->json)
		return r;
	printf("\n%-34s %12s\n", "a life by phase", "median");
	print(CALLS, 0);
	printf("\n");
	return 0;
}
