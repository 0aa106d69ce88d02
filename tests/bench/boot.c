/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the exec of /init to its listener, for the agent and for the bare init: the same kernel,
 * initrd, machine and command line but its last word, in turn. Both ends are the guest's real time
 * clock, read inside the guest: guest/start.c reads it and becomes the program; the bare init says
 * its own on the console, and the agent's is that of its log's line "serves on".
 */
#include <time.h>

#include "base/clock.h"
#include "bench/bench.h"

#define BOOT_MS    120000
#define SILENT_MS  10000 /* a line on the console may be lost: then the log port is asked anyway */
#define START_PORT 1026  /* guest/start.c */
#define LOG_PORT   1025

struct boot {
	bool agent, seen;
	double end_us;
};

static void on_line(void *arg, const char *line)
{
	struct boot *boot = arg;
	long long s;
	long ns;

	if (getenv("MOTE_CONSOLE"))
		fprintf(stderr, "console: %s\n", line);
	if (boot->agent && strstr(line, " serves on "))
		boot->seen = true;
	if (boot->agent || sscanf(line, "bench: listens %lld.%ld", &s, &ns) != 2)
		return;
	boot->end_us = (double)s * 1e6 + (double)ns / 1e3;
	boot->seen = true;
}

static int start_time(const struct vm *vm, double *us, struct err *e)
{
	static struct wire w;
	char line[64];
	long long s;
	long ns;

	if (wire_open(&w, vm_address(vm), START_PORT, e) < 0)
		return err_ctx(e, "start time");
	if (wire_read_line(&w, line, sizeof(line), e) == 0 &&
	    sscanf(line, "%lld.%ld", &s, &ns) == 2)
		*us = (double)s * 1e6 + (double)ns / 1e3;
	else
		err_set(e, RC_INTERNAL, "the guest told no start time");
	wire_close(&w);
	return err_is_set(e) ? -1 : 0;
}

/* "2026-11-24T03:51:36.123456789Z" */
static double time_of(const char *ts)
{
	struct tm t = { 0 };
	long ns = 0;

	if (sscanf(ts, "%d-%d-%dT%d:%d:%d.%9ldZ", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour,
		   &t.tm_min, &t.tm_sec, &ns) != 7)
		return 0;
	t.tm_year -= 1900;
	t.tm_mon--;
	return (double)timegm(&t) * 1e6 + (double)ns / 1e3;
}

/* The log port gives the log from its first line on. */
static int serve_time(const struct vm *vm, double *us, struct err *e)
{
	static struct wire w;
	char line[2048];
	const char *ts;

	if (wire_open(&w, vm_address(vm), LOG_PORT, e) < 0)
		return err_ctx(e, "log port");
	while (wire_read_line(&w, line, sizeof(line), e) == 0 && !strstr(line, " serves on "))
		;
	wire_close(&w);
	if (err_is_set(e))
		return err_ctx(e, "log port");
	ts = strstr(line, "\"ts\":\"");
	*us = ts ? time_of(ts + 6) : 0;
	return *us > 0 ? 0 : err_set(e, RC_INTERNAL, "no time in the log: %.100s", line);
}

static int boot_times(struct bench *b, struct vm *vm, struct boot *boot, double *us, struct err *e)
{
	uint64_t deadline = clock_after(BOOT_MS), silent = clock_after(SILENT_MS);
	double start = 0;

	while (!boot->seen && !(boot->agent && clock_ms() > silent)) {
		if (clock_ms() > deadline || !vm_is_alive(vm) || b->interrupted)
			return err_set(e, RC_UNAVAILABLE, "it does not come up: %.150s",
				       vm_console(vm));
		loop_once(b->rig.loop, 100);
	}
	if (boot->agent && serve_time(vm, &boot->end_us, e) < 0)
		return -1;
	if (start_time(vm, &start, e) < 0)
		return -1;
	*us = boot->end_us - start;
	return *us > 0 ? 0 : err_set(e, RC_INTERNAL, "the guest's clock went backwards");
}

static int boot_once(struct bench *b, bool agent, double *us, struct err *e)
{
	const char *build = getenv("MOTE_BUILD");
	struct boot boot = { .agent = agent };
	char kernel[PATH_MAX], initrd[PATH_MAX], cmdline[128];
	struct vm_opts opts = { .kernel = kernel,
				.initrd = initrd,
				.cmdline = cmdline,
				.console = on_line,
				.arg = &boot,
				.cancel = &b->interrupted };
	struct vm *vm;
	int r;

	snprintf(kernel, sizeof(kernel), "%s/vmlinuz", build ? build : "build/x86_64");
	snprintf(initrd, sizeof(initrd), "%s/bench/initrd.img", build ? build : "build/x86_64");
	snprintf(cmdline, sizeof(cmdline), "agent.log_vport=%d rdinit=/bench/start -- %s", LOG_PORT,
		 agent ? "/usr/bin/kata-agent" : "/bench/bare");
	vm = vm_start(b->rig.loop, &opts, e);
	if (!vm)
		return -1;
	r = boot_times(b, vm, &boot, us, e);
	vm_stop(vm, VM_STOP_KILL);
	return r < 0 ? err_ctx(e, "boot of the %s", agent ? "agent" : "bare init") : 0;
}

int bench_boot(struct bench *b, struct err *e)
{
	static struct samples agent, bare;

	for (size_t i = 0; i < b->counts->boots; i++) {
		double it, floor;

		bench_say("boot %zu of %zu", i + 1, b->counts->boots);
		if (boot_once(b, true, &it, e) < 0 || boot_once(b, false, &floor, e) < 0)
			return -1;
		samples_add(&agent, it);
		samples_add(&bare, floor);
	}
	rows_set_samples(&b->rows, ROW_BOOT, 0.5, &agent, &bare);
	return 0;
}
