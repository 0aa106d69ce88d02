/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods by containerd with our shim, beside runc and a bare boot. What speaks to containerd is
 * measure-containerd; its lines "value NAME NUMBER", "floor NAME NUMBER" (in the row's unit) and
 * "why NAME TEXT" come here, all else that it says is progress.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "vm/vm_proc.h"

#define PROGRAM	 "tests/bench/measure-containerd"
#define LIMIT_MS 3600000 /* against hangs only */
#define END_MS	 60000   /* to clear its containerd away */

static struct samples values[ROWS], floors[ROWS];

static void on_line(void *arg, const char *line)
{
	struct bench *b = arg;
	enum row_id id = ROWS;
	char word[8], name[32];
	int at = 0;

	if (sscanf(line, "%7s %31s %n", word, name, &at) == 2 && at > 0)
		id = rows_find(name);
	if (id >= ROWS || id < ROW_POD_START)
		bench_say("%s", line);
	else if (str_eq(word, "value"))
		(void)samples_add(&values[id], strtod(line + at, NULL));
	else if (str_eq(word, "floor"))
		(void)samples_add(&floors[id], strtod(line + at, NULL));
	else if (str_eq(word, "why"))
		rows_tell_why(&b->rows, id, line + at);
	else
		bench_say("%s", line);
}

static int measure(struct bench *b, struct vm_proc *p, struct err *e)
{
	int r = vm_proc_wait(p, clock_after(LIMIT_MS), &b->interrupted);

	if (r < 0) { /* as by Ctrl-C, which does not reach it */
		vm_proc_signal(p, SIGINT);
		(void)vm_proc_wait(p, clock_after(END_MS), NULL);
		return err_set(e, RC_CANCELLED, "%s: %s", PROGRAM,
			       r == -ECANCELED ? "interrupted" : "never ends");
	}
	return p->status == 0 ? 0 : vm_proc_explain(p, e);
}

int bench_containerd(struct bench *b, struct err *e)
{
	const char *argv[] = { PROGRAM, b->smoke ? "--smoke" : NULL, NULL };
	struct vm_proc_opts opts = {
		.name = PROGRAM, .argv = argv, .line = on_line, .arg = b
	};
	static struct vm_proc p;
	int r;

	bench_say("pods by containerd");
	if (vm_proc_start(b->rig.loop, &p, &opts, e) < 0)
		return -1;
	r = measure(b, &p, e);
	vm_proc_stop(&p);
	for (size_t i = ROW_POD_START; i < ROWS; i++)
		if (values[i].n)
			rows_set_samples(&b->rows, (enum row_id)i, 0.5, &values[i], &floors[i]);
	return r;
}
