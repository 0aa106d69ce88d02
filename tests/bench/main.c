/* SPDX-License-Identifier: Apache-2.0 */
/* make bench: one run, one table. */
#include <signal.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/num.h"
#include "bench/bench.h"
#include "event/child.h"
#include "lib/opt.h"
#include "vm/vm_accel.h"
#include "vm/vm_find.h"

#define ARENA_BYTES (256u << 20)

static const struct counts full = { .boots = 9,
				    .health = 5000,
				    .lives = 60,
				    .execs = 100,
				    .bulk = 5,
				    .created = 1000,
				    .containers = 50,
				    .execs_each = 4,
				    .plugs = 9,
				    .pods = 20,
				    .copies = 1000,
				    .bulk_bytes = 32ull << 20 };
static const struct counts smoke = { .boots = 1,
				     .health = 20,
				     .lives = 1,
				     .execs = 1,
				     .bulk = 1,
				     .created = 4,
				     .containers = 2,
				     .execs_each = 1,
				     .plugs = 1,
				     .pods = 1,
				     .copies = 4,
				     .bulk_bytes = 1ull << 20 };

static const struct {
	const char *name;
	int (*run)(struct bench *b, struct err *e);
	enum { ALWAYS, NO_SMOKE, NAMED } when; /* without its name */
} groups[] = {
	{ "sizes", bench_sizes, ALWAYS },
	{ "boot", bench_boot, ALWAYS },
	{ "memory", bench_memory, ALWAYS },
	{ "health", bench_health, ALWAYS },
	{ "life", bench_life, ALWAYS },
	{ "exec", bench_exec, ALWAYS },
	{ "bulk", bench_bulk, ALWAYS },
	{ "lives", bench_lives, NAMED },
	{ "pod", bench_pod, ALWAYS },
	{ "plug", bench_plug, ALWAYS },
	{ "many", bench_many, ALWAYS },
	{ "phases", bench_phases, ALWAYS },
	{ "containerd", bench_containerd, NO_SMOKE },
};

struct options {
	bool help, json, verbose, strict, smoke;
	struct opt_list only;
	const char *lives;
};

static const struct opt table[] = {
	{ "json", 0, NULL, "the table as JSON", OPT_FLAG, offsetof(struct options, json), NULL },
	{ "verbose", 'v', NULL, "the spread of the samples too", OPT_FLAG,
	  offsetof(struct options, verbose), NULL },
	{ "strict", 0, NULL, "a missed budget fails", OPT_FLAG, offsetof(struct options, strict),
	  NULL },
	{ "smoke", 0, NULL, "a few samples of each: only that everything can be measured", OPT_FLAG,
	  offsetof(struct options, smoke), NULL },
	{ "only", 0, "GROUP",
	  "sizes, boot, memory, health, life, exec, bulk, pod, plug, many, phases, containerd (with its\npackages; not with --smoke alone), or lives, which no run without its name has; may be repeated",
	  OPT_LIST, offsetof(struct options, only), NULL },
	{ "lives", 0, "N", "how many of the group lives (10000)", OPT_TEXT,
	  offsetof(struct options, lives), NULL },
	{ "help", 'h', NULL, "this text", OPT_FLAG, offsetof(struct options, help), NULL },
	{ 0 },
};

static const char usage[] =
	"usage: mote-bench [OPTION...]      (from the top of the source tree; MOTE_BUILD: where the build lies)\n\n"
	"Measures the agent beside floors, in one run, and prints a table: value, floor, their ratio, the\n"
	"budget, and whether it is kept. Exit status: 0 everything was measured, 1 something was not or,\n"
	"with --strict, misses its budget, 2 wrong options.\n";

static struct bench bench;

void bench_say(const char *fmt, ...)
{
	va_list ap;

	fputs("bench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void on_signal(int signo)
{
	(void)signo;
	bench.interrupted = true;
}

/* Also when a failure deep inside ends the program. */
static void clean_up(void)
{
	wire_close(&bench.agent);
	wire_close(&bench.tool);
	if (!bench.rig.loop)
		return;
	if (bench.rig.vm)
		vm_stop(bench.rig.vm, VM_STOP_KILL);
	bench.rig.vm = NULL;
	rig_stop(&bench.rig);
	reaper_stop();
	loop_free(TAKE_PTR(bench.rig.loop));
}

static int start(struct err *e)
{
	sigset_t wanted;

	sigemptyset(&wanted);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGTERM);
	reaper_block_signals(&wanted);
	bench.agent.fd = bench.tool.fd = -1;
	bench.rig.loop = loop_new();
	if (!bench.rig.loop || reaper_start(bench.rig.loop, &wanted, on_signal) < 0)
		return err_set(e, RC_INTERNAL, "no event loop");
	atexit(clean_up);
	return 0;
}

static bool chosen(const struct options *o, size_t group)
{
	for (size_t i = 0; i < o->only.n; i++)
		if (str_eq(o->only.items[i], groups[group].name))
			return true;
	return o->only.n == 0 && groups[group].when <= (o->smoke ? ALWAYS : NO_SMOKE);
}

static int read_lives(const struct options *o, struct err *e)
{
	uint64_t n = 10000;

	if (o->lives && (num_u64(o->lives, 100000000, &n) < 0 || n < 2))
		return err_set(e, RC_INVALID_ARGUMENT, "--lives %.40s: not a number from 2 on",
			       o->lives);
	bench.lives = (size_t)n;
	return 0;
}

static int check_groups(const struct options *o, struct err *e)
{
	for (size_t i = 0; i < o->only.n; i++) {
		size_t k = 0;

		while (k < COUNT_OF(groups) && !str_eq(groups[k].name, o->only.items[i]))
			k++;
		if (k == COUNT_OF(groups))
			return err_set(e, RC_INVALID_ARGUMENT, "no group '%s'", o->only.items[i]);
	}
	return 0;
}

/* Where it was measured: date, processors, how the guest ran. */
static void about(const struct options *o)
{
	char qemu[PATH_MAX], date[32], json[256];
	struct err e = { 0 };
	time_t now = time(NULL);
	struct tm tm;
	const char *accel = vm_find(VM_FIND_QEMU, NULL, qemu, &e) < 0
				    ? "none"
				    : vm_accel_choose(bench.rig.loop, vm_arch_host(), qemu,
						      &bench.interrupted);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	strftime(date, sizeof(date), "%Y-%m-%d", gmtime_r(&now, &tm));
	if (!o->json) {
		printf("%s, %ld processors, accelerator %s\n\n", date, cpus, accel);
		rows_print(&bench.rows, stdout, o->verbose);
		return;
	}
	snprintf(json, sizeof(json), "\"date\":\"%s\",\"processors\":%ld,\"accelerator\":\"%s\",",
		 date, cpus, accel);
	rows_print_json(&bench.rows, stdout, json);
}

static int run(const struct options *o)
{
	int failed = 0;

	bench.counts = o->smoke ? &smoke : &full;
	bench.json = o->json;
	bench.smoke = o->smoke;
	for (size_t i = 0; i < COUNT_OF(groups) && !bench.interrupted; i++) {
		struct err e = { 0 };

		if (!chosen(o, i) || groups[i].run(&bench, &e) == 0)
			continue;
		bench_say("%s: %s", groups[i].name, e.msg);
		failed = 1;
	}
	if (bench.interrupted)
		return 130;
	if (rows_missing(&bench.rows) < ROWS)
		about(o);
	if (o->only.n == 0 && rows_missing(&bench.rows))
		failed = 1;
	return failed || (o->strict && rows_over(&bench.rows)) ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	struct opt_rest rest = { 0 };
	struct err e = { 0 };

	(void)argc;
	arena_init(&bench.arena, ARENA_BYTES);
	if (opt_read(&bench.arena, table, &o, argv, &rest, &e) < 0 || check_groups(&o, &e) < 0 ||
	    read_lives(&o, &e) < 0 || rest.args.n) {
		fprintf(stderr, "mote-bench: %s\n", e.rc ? e.msg : "takes no argument");
		fputs("mote-bench: try --help\n", stderr);
		return 2;
	}
	if (o.help) {
		fputs(usage, stdout);
		fputc('\n', stdout);
		opt_print_help(stdout, table);
		return 0;
	}
	if (start(&e) < 0) {
		fprintf(stderr, "mote-bench: %s\n", e.msg);
		return 1;
	}
	return run(&o);
}
