/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "lib/fault_main.h"

const char *const fault_one_id[] = { FAULT_ID, NULL };
const char *const fault_two_ids[] = { FAULT_ID, FAULT_OTHER_ID, NULL };

static struct rig rig;
static struct fault fault;
static struct fault_walk walk = { .f = &fault };

/* --- what scenarios are made of -------------------------------------------------------------- */

/* Reads both outputs to their end, waits. */
int fault_end_of(struct rig *r, const char *exec_id, const char *output, int status)
{
	ssize_t n = rig_read(r, "ReadStdout", FAULT_ID, exec_id);
	int got;

	if (n < 0)
		return (int)-n;
	if (strcmp(r->reply, output) != 0)
		return fault_wrong(r, "the output is \"%s\"", r->reply);
	n = rig_read(r, "ReadStderr", FAULT_ID, exec_id);
	if (n < 0)
		return (int)-n;
	got = rig_wait(r, FAULT_ID, exec_id);
	if (got < 0)
		return -got;
	return got == status ? 0 : fault_wrong(r, "the status is %d", got);
}

int fault_life(struct rig *r, const struct rig_container *what, const char *output, int status)
{
	int rc = rig_run(r, FAULT_ID, what);

	if (!rc)
		rc = fault_end_of(r, FAULT_ID, output, status);
	return rc ? rc : rig_remove(r, FAULT_ID);
}

/* --- their walk ------------------------------------------------------------------------------ */

static void walks(void **state)
{
	const struct fault_scenario *s = *state;

	if (fault_walk(&walk, s))
		fail_msg("%s: see above", s->name);
}

/* --- all at once ----------------------------------------------------------------------------- */

struct walker {
	pid_t pid;
	FILE *output;
};

/* This program again, for one scenario. */
static int start_walker(struct walker *w, const char *program, const char *scenario)
{
	w->output = tmpfile();
	w->pid = w->output ? fork() : -1;
	if (w->pid == 0) {
		dup2(fileno(w->output), STDOUT_FILENO);
		dup2(fileno(w->output), STDERR_FILENO);
		setenv("MOTE_ONLY", scenario, 1);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/proc/self/exe", program, (char *)NULL);
		_exit(127);
	}
	return w->pid < 0 ? -1 : 0;
}

static void print_output(FILE *from)
{
	char text[4096];
	size_t n;

	rewind(from);
	while ((n = fread(text, 1, sizeof(text), from)) > 0)
		fwrite(text, 1, n, stdout);
	fflush(stdout);
	fclose(from);
}

/* As many at a time as there are processors. */
static int walk_side_by_side(const char *program, const struct CMUnitTest *tests, size_t n)
{
	struct walker walkers[FAULT_MAX] = { 0 };
	long at_once = MAX(sysconf(_SC_NPROCESSORS_ONLN), 1), running = 0;
	size_t next = 0;
	int failed = 0, status;

	while (running || next < n) {
		pid_t pid;

		for (; running < at_once && next < n; running++, next++)
			if (start_walker(&walkers[next], program, tests[next].name) < 0)
				return 1;
		pid = wait(&status);
		for (size_t i = 0; i < next; i++)
			if (walkers[i].pid == pid)
				print_output(walkers[i].output);
		failed += status != 0;
		running--;
	}
	return failed ? 1 : 0;
}

static int walk_all(const char *program, const struct CMUnitTest *tests, size_t n)
{
	sigset_t none;
	int failed;

	sigemptyset(&none);
	reaper_block_signals(&none);
	rig.loop = loop_new();
	if (!rig.loop || reaper_start(rig.loop, &none, NULL) < 0 ||
	    fault_init(&fault, &rig, "mote-agent-fault") < 0)
		return 1;
	if (getenv("MOTE_ONLY"))
		cmocka_set_test_filter(getenv("MOTE_ONLY"));
	failed = _cmocka_run_group_tests(program, tests, n, NULL, NULL);
	/* the last scenario's agent ends in it; after another one the sanitizer is asked */
	if (rig.client && rig_end_agent(&rig) != 0) {
		printf("not ok - the agent ended with status %d\n", rig.agent_status);
		failed++;
	}
	rig_stop(&rig);
	fault_fini(&fault);
	reaper_stop();
	loop_free(rig.loop);
	return failed ? 1 : 0;
}

int fault_main(const char *program, const struct fault_scenario *const lists[])
{
	struct CMUnitTest tests[FAULT_MAX];
	const char *missing = rig_missing(RIG_NAMESPACES), *which = getenv("MOTE_FAULT");
	size_t n = 0;

	if (missing) {
		printf("%s\n", missing);
		return 77;
	}
	for (size_t i = 0; lists[i]; i++)
		for (const struct fault_scenario *s = lists[i]; s->name && n < FAULT_MAX; s++)
			tests[n++] = (struct CMUnitTest){ s->name, walks, NULL, NULL,
							  (void *)(uintptr_t)s };
	if (n == FAULT_MAX) {
		printf("more scenarios than FAULT_MAX\n");
		return 1;
	}
	walk.whole = which && !strcmp(which, "whole");
	if (walk.whole && !getenv("MOTE_ONLY"))
		return walk_side_by_side(program, tests, n);
	return walk_all(program, tests, n);
}
