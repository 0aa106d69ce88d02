/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes of files, and the memory of PID 1 as the guest's kernel counts it in smaps_rollup. Idle:
 * Rss, every page of the agent that is in memory, its text included. Per container and exec: the
 * growth of Anonymous, since that is what PID 1 has allocated; pages that it shares with stages
 * which have not executed anything yet are in it, text pages that were merely run for the first
 * time are not. The container that reads this counts as part of idle.
 */
#include <sys/stat.h>

#include "bench/bench.h"

static int size_of(struct bench *b, enum row_id row, const char *name, struct err *e)
{
	const char *build = getenv("MOTE_BUILD");
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", build ? build : "build/x86_64", name);
	if (stat(path, &st) < 0)
		return err_sys(e, errno, "%s", path);
	rows_set(&b->rows, row, (double)st.st_size);
	return 0;
}

int bench_sizes(struct bench *b, struct err *e)
{
	if (size_of(b, ROW_AGENT_SIZE, "mote-agent", e) < 0 ||
	    size_of(b, ROW_INITRD_SIZE, "initrd.img", e) < 0)
		return -1;
	return size_of(b, ROW_KERNEL_SIZE, "vmlinuz", e);
}

struct footprint {
	double rss, anonymous; /* bytes */
};

static int look(struct bench *b, struct footprint *out, struct err *e)
{
	unsigned long rss, anonymous;
	const char *a, *r;
	char text[8192];

	if (bench_tool(b, "read /guest-proc/1/smaps_rollup", text, sizeof(text), e) < 0)
		return -1;
	r = strstr(text, "\nRss:");
	a = strstr(text, "\nAnonymous:");
	if (!r || !a || sscanf(r, " Rss: %lu kB", &rss) != 1 ||
	    sscanf(a, " Anonymous: %lu kB", &anonymous) != 1)
		return err_set(e, RC_INTERNAL, "smaps_rollup: %.120s", text);
	*out = (struct footprint){ (double)rss * 1024, (double)anonymous * 1024 };
	return 0;
}

/* Running containers with a writable root, as a host makes them; and execs in them. */
static int start_containers(struct bench *b, struct err *e)
{
	struct rig_container what = { .args = "[\"cat\"]" };
	char id[32];

	for (size_t i = 0; i < b->counts->containers; i++) {
		snprintf(id, sizeof(id), "memory-%zu", i);
		if (rig_run(&b->rig, id, &what)) {
			*e = b->rig.err;
			return err_ctx(e, "container %s", id);
		}
	}
	return 0;
}

static int start_execs(struct bench *b, struct err *e)
{
	char id[32], exec_id[32];

	for (size_t i = 0; i < b->counts->containers * b->counts->execs_each; i++) {
		snprintf(id, sizeof(id), "memory-%zu", i % b->counts->containers);
		snprintf(exec_id, sizeof(exec_id), "exec-%zu", i / b->counts->containers);
		if (rig_exec(&b->rig, id, exec_id, "cat")) {
			*e = b->rig.err;
			return err_ctx(e, "exec in %s", id);
		}
	}
	return 0;
}

static int remove_containers(struct bench *b, struct err *e)
{
	char id[32];

	for (size_t i = 0; i < b->counts->containers; i++) {
		snprintf(id, sizeof(id), "memory-%zu", i);
		if (rig_remove(&b->rig, id)) {
			*e = b->rig.err;
			return err_ctx(e, "container %s", id);
		}
	}
	return 0;
}

int bench_memory(struct bench *b, struct err *e)
{
	struct footprint idle, containers, execs;
	double n = (double)b->counts->containers;

	if (bench_guest(b, e) < 0)
		return -1;
	bench_say("memory of %zu containers and %zu execs", b->counts->containers,
		  b->counts->containers * b->counts->execs_each);
	if (look(b, &idle, e) < 0 || start_containers(b, e) < 0 || look(b, &containers, e) < 0 ||
	    start_execs(b, e) < 0 || look(b, &execs, e) < 0 || remove_containers(b, e) < 0)
		return -1;
	rows_set(&b->rows, ROW_MEMORY_IDLE, idle.rss);
	rows_set(&b->rows, ROW_MEMORY_CONTAINER, (containers.anonymous - idle.anonymous) / n);
	rows_set(&b->rows, ROW_MEMORY_EXEC,
		 (execs.anonymous - containers.anonymous) / (n * (double)b->counts->execs_each));
	return 0;
}
