/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of a process that a host carries over sockets of its own instead of calls. The process has its
 * usual pipes or terminal; the copying begins once it is set up, since a terminal is exchanged until
 * then, and its exit is told when the outputs have been copied.
 */
#include "container/process.h"
#include "container/pump.h"

#define WAYS 3

struct process_pumps {
	struct process *owner;
	int fds[WAYS]; /* until they are started */
	struct pump pumps[WAYS];
};

static const enum pump_way ways[WAYS] = { PUMP_IN, PUMP_OUT, PUMP_ERR };

int process_pass(struct process *p, int fds[3], struct err *e)
{
	struct process_pumps *pp;

	if (fds[0] < 0 && fds[1] < 0 && fds[2] < 0)
		return 0;
	pp = mem_new(1, sizeof(*pp));
	if (!pp)
		return err_sys(e, ENOMEM, "streams of process %s", p->id);
	pp->owner = p;
	for (size_t i = 0; i < WAYS; i++) {
		pump_init(&pp->pumps[i]);
		pp->fds[i] = TAKE_FD(fds[i]);
	}
	p->pumps = pp;
	return 0;
}

bool process_pumps_carry(const struct process *p)
{
	for (size_t i = 1; p->pumps && i < WAYS; i++)
		if (pump_is_open(&p->pumps->pumps[i]))
			return true;
	return false;
}

static void output_over(struct pump *pump, bool lost UNUSED)
{
	struct pump *first = pump - (pump->way == PUMP_ERR ? 2 : 1);
	struct process *p = container_of(first, struct process_pumps, pumps[0])->owner;

	if (!process_pumps_carry(p))
		process_outputs_over(p);
}

static void input_over(struct pump *pump UNUSED, bool lost UNUSED)
{
}

/* An error output is no part of a terminal: its stream is closed. */
void process_pumps_start(struct process *p)
{
	struct process_pumps *pp = p->pumps;

	if (!pp)
		return;
	for (size_t i = 0; i < WAYS; i++) {
		if (ways[i] == PUMP_ERR && p->streams.tty)
			auto_close(&pp->fds[i]);
		if (pp->fds[i] >= 0)
			pump_start(&pp->pumps[i], p->streams.loop, &p->streams, ways[i],
				   TAKE_FD(pp->fds[i]), ways[i] == PUMP_IN ? input_over : output_over);
	}
}

void process_pumps_stop(struct process *p)
{
	struct process_pumps *pp = TAKE_PTR(p->pumps);

	if (!pp)
		return;
	for (size_t i = 0; i < WAYS; i++) {
		pump_stop(&pp->pumps[i]);
		auto_close(&pp->fds[i]);
	}
	free(pp);
}
