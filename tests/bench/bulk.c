/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's output, read as a host reads it (one ReadStdout after the other), beside a raw
 * sender of as many bytes. Timed from the first bytes to the end of the stream, so that neither
 * pays for its start.
 */
#include "bench/bench.h"
#include "ttrpc/frame.h"

#define EMPTY_MAX 16 /* the encoded reply of a read that has no data is shorter */

static double rate(double bytes, double began)
{
	return bytes / (wire_now() - began); /* bytes in a microsecond: megabytes in a second */
}

/* Reads to the end. The rate goes to out. */
static int read_output(struct bench *b, const struct shot *read, struct samples *out, struct err *e)
{
	unsigned long long all = 0;
	ssize_t n = wire_round(&b->agent, read, e), first = n;
	double began = wire_now();

	while (n > EMPTY_MAX) {
		all += (unsigned long long)n;
		n = wire_round(&b->agent, read, e);
	}
	if (n < 0)
		return -1;
	if (all < b->counts->bulk_bytes)
		return err_set(e, RC_INTERNAL, "ReadStdout ended after %llu bytes", all);
	return samples_add(out, rate((double)(b->counts->bulk_bytes - (size_t)first), began));
}

static int one_container(struct bench *b, unsigned int len, struct samples *out, struct err *e)
{
	char args[80];
	struct rig_container what = { .root = BENCH_TOOLS, .readonly = true, .args = args };
	struct shot read;
	struct arena a;
	int r;

	snprintf(args, sizeof(args), "[\"/bin/tool\",\"write\",\"%llu\"]", b->counts->bulk_bytes);
	if (rig_run(&b->rig, "bulk", &what)) {
		*e = b->rig.err;
		return err_ctx(e, "bulk");
	}
	arena_init(&a, 65536);
	r = shot_make(&read, &a, e, "ReadStdout",
		      "{\"container_id\":\"bulk\",\"exec_id\":\"bulk\",\"len\":%u}", len);
	if (r == 0)
		r = read_output(b, &read, out, e);
	arena_fini(&a);
	if (rig_remove(&b->rig, "bulk")) {
		*e = b->rig.err;
		return err_ctx(e, "bulk");
	}
	return r < 0 ? -1 : 0;
}

static int one_sender(struct bench *b, struct samples *out, struct err *e)
{
	unsigned long long left = b->counts->bulk_bytes;
	static struct wire w;
	char command[64];
	double began = 0;
	ssize_t n = 1, first = 0;

	if (wire_open(&w, b->rig.address, BENCH_TOOL_PORT, e) < 0)
		return -1;
	snprintf(command, sizeof(command), "send %llu\n", left);
	if (wire_write(&w, command, strlen(command), e) < 0)
		n = -1;
	while (left && n > 0) {
		n = wire_read_some(&w, w.buf, MIN(sizeof(w.buf), (size_t)left), e);
		if (!first) {
			first = n;
			began = wire_now();
		}
		left -= (unsigned long long)MAX(n, 0);
	}
	if (left == 0)
		samples_add(out, rate((double)(b->counts->bulk_bytes - (size_t)first), began));
	else
		err_set(e, RC_UNAVAILABLE, "the raw sender hung up");
	wire_close(&w);
	return left ? -1 : 0;
}

int bench_bulk(struct bench *b, struct err *e)
{
	static struct samples small, large, raw;

	if (bench_guest(b, e) < 0)
		return -1;
	bench_say("%zu times %llu bytes of output", b->counts->bulk, b->counts->bulk_bytes);
	for (size_t i = 0; i < b->counts->bulk; i++) {
		if (one_container(b, 32768, &small, e) < 0 || one_sender(b, &raw, e) < 0 ||
		    one_container(b, 65536, &large, e) < 0 || bench_turn(b, e) < 0)
			return -1;
	}
	rows_set_samples(&b->rows, ROW_BULK, 0.5, &small, &raw);
	rows_set_samples(&b->rows, ROW_BULK_LARGE, 0.5, &large, &raw);
	return 0;
}
