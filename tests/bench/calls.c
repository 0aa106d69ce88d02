/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls and their floors, all timed on the host around what goes through the socket. The agent's
 * sequence of create, start, wait and remove pays four round trips and an exec with its wait two;
 * crun pays one, that of the command to run it.
 */
#include "bench/bench.h"

#define WARM    3  /* of each, not counted: page cache, first use of code */
#define COUNTED 20 /* creates at each end of many */

#define CRUN    "run crun --cgroup-manager=cgroupfs "
#define CAPS                                                                                               \
	"[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FSETID\",\"CAP_FOWNER\",\"CAP_MKNOD\",\"CAP_NET_RAW\"," \
	"\"CAP_SETGID\",\"CAP_SETUID\",\"CAP_SETFCAP\",\"CAP_SETPCAP\",\"CAP_NET_BIND_SERVICE\","          \
	"\"CAP_SYS_CHROOT\",\"CAP_KILL\",\"CAP_AUDIT_WRITE\"]"

/* --- Health.Check and the echo --- */

static int round_trip(struct wire *w, const struct shot *s, struct samples *out, struct err *e)
{
	double began = wire_now();

	if (wire_round(w, s, e) < 0)
		return -1;
	return samples_add(out, wire_now() - began);
}

static int echo(struct wire *w, const struct shot *s, struct samples *out, struct err *e)
{
	double began = wire_now();

	if (wire_write(w, s->frame, s->len, e) < 0 || wire_read(w, w->buf, s->len, e) < 0)
		return -1;
	return samples_add(out, wire_now() - began);
}

int bench_health(struct bench *b, struct err *e)
{
	static struct samples calls, echoes;
	static struct wire raw;
	struct shot check;
	int r = -1;

	if (bench_guest(b, e) < 0)
		return -1;
	bench_say("%zu round trips", b->counts->health);
	if (shot_make(&check, &b->arena, e, "grpc.Health/Check", "{}") < 0 ||
	    wire_fire(&b->agent, &check, NULL, e) < 0 ||
	    wire_open(&raw, b->rig.address, BENCH_TOOL_PORT, e) < 0)
		return -1;
	if (wire_write(&raw, "echo\n", 5, e) == 0)
		r = 0;
	for (size_t i = 0; r == 0 && i < b->counts->health + WARM; i++) {
		if (i == WARM) {
			samples_clear(&calls);
			samples_clear(&echoes);
		}
		r = round_trip(&b->agent, &check, &calls, e) < 0 ||
				    echo(&raw, &check, &echoes, e) < 0 ||
				    (i % 64 == 0 && bench_turn(b, e) < 0)
			    ? -1
			    : 0;
	}
	wire_close(&raw);
	if (r < 0)
		return -1;
	rows_set_samples(&b->rows, ROW_HEALTH, 0.5, &calls, &echoes);
	rows_set_samples(&b->rows, ROW_HEALTH_P99, 0.99, &calls, &echoes);
	return 0;
}

/* --- a container's life, and an exec --- */

int bench_fire(struct bench *b, const struct contest *c, struct err *e)
{
	double began = wire_now();

	for (size_t i = 0; i < c->n; i++) {
		ssize_t n = wire_fire(&b->agent, &c->shots[i], NULL, e);

		if (n < 0)
			return -1;
		if (n > 0 && str_eq(c->shots[i].method, "WaitProcess"))
			return err_set(e, RC_INTERNAL, "the process failed");
	}
	return samples_add(c->calls, wire_now() - began);
}

static int run_floor(struct bench *b, const struct contest *c, struct err *e)
{
	char said[4096];
	double began = wire_now();

	if (bench_tool(b, c->floor, said, sizeof(said), e) < 0)
		return -1;
	return samples_add(c->floors, wire_now() - began);
}

static int compete(struct bench *b, const struct contest *c, size_t n, struct err *e)
{
	for (size_t i = 0; i < n + WARM; i++) {
		if (i == WARM) {
			samples_clear(c->calls);
			samples_clear(c->floors);
		}
		if (bench_fire(b, c, e) < 0 || run_floor(b, c, e) < 0 || bench_turn(b, e) < 0)
			return -1;
	}
	return 0;
}

static int shot_create(struct bench *b, struct shot *s, const char *id, const char *args,
		       struct err *e)
{
	struct rig_container what = { .root = BENCH_ROOT, .readonly = true, .args = args };
	char *text = rig_create_text(&b->rig, &b->arena, id, &what);

	if (!text)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	return shot_make(s, &b->arena, e, "CreateContainer", "%s", text);
}

int bench_life_calls(struct bench *b, struct contest *c, struct err *e)
{
	static const char *const rest[] = { "StartContainer", "WaitProcess", "RemoveContainer" };

	if (shot_create(b, &c->shots[0], "life", "[\"true\"]", e) < 0)
		return -1;
	for (size_t i = 0; i < COUNT_OF(rest); i++)
		if (shot_make(&c->shots[i + 1], &b->arena, e, rest[i],
			      "{\"container_id\":\"life\"}") < 0)
			return -1;
	c->n = 1 + COUNT_OF(rest);
	return 0;
}

int bench_life(struct bench *b, struct err *e)
{
	static struct samples calls, floors;
	struct contest c = { .calls = &calls,
			     .floors = &floors,
			     .floor = CRUN "run --bundle /bundle/true life" };

	if (bench_guest(b, e) < 0)
		return -1;
	bench_say("%zu lives of a container", b->counts->lives);
	if (bench_life_calls(b, &c, e) < 0)
		return -1;
	if (compete(b, &c, b->counts->lives, e) < 0)
		return -1;
	rows_set_samples(&b->rows, ROW_LIFE, 0.5, &calls, &floors);
	return 0;
}

int bench_exec(struct bench *b, struct err *e)
{
	static struct samples calls, floors;
	struct contest c = {
		.n = 2, .calls = &calls, .floors = &floors, .floor = CRUN "exec holder true"
	};
	char said[4096];

	if (bench_guest(b, e) < 0)
		return -1;
	bench_say("%zu execs", b->counts->execs);
	if (bench_hold(b, "holder", "[\"sleep\",\"1000000\"]", e) < 0 ||
	    bench_tool(b, CRUN "run --detach --bundle /bundle/sleep holder", said, sizeof(said),
		       e) < 0)
		return -1;
	if (shot_make(
		    &c.shots[0], &b->arena, e, "ExecProcess",
		    "{\"container_id\":\"holder\",\"exec_id\":\"e\",\"process\":{\"Args\":[\"true\"],\"Cwd\":\"/\","
		    "\"Env\":[\"PATH=/bin\"],\"User\":{},\"Capabilities\":{\"Bounding\":" CAPS
		    ",\"Effective\":" CAPS ",\"Permitted\":" CAPS "}}}") < 0 ||
	    shot_make(&c.shots[1], &b->arena, e, "WaitProcess",
		      "{\"container_id\":\"holder\",\"exec_id\":\"e\"}") < 0)
		return -1;
	if (compete(b, &c, b->counts->execs, e) < 0)
		return -1;
	rows_set_samples(&b->rows, ROW_EXEC, 0.5, &calls, &floors);
	return 0;
}

/* --- many containers --- */

/* Created and left waiting for their start: what there is of each is all that a later create could
 * stumble over, and a thousand of them fit in the guest. Nothing is removed, the guest ends here.
 */
int bench_many(struct bench *b, struct err *e)
{
	static struct samples first, last;
	size_t n = b->counts->created, counted = MIN((size_t)COUNTED, n / 2);

	if (bench_guest(b, e) < 0)
		return -1;
	bench_say("%zu containers", n);
	for (size_t i = 0; i < n + WARM; i++) {
		struct shot s;
		double began;
		char id[32];

		snprintf(id, sizeof(id), "many-%zu", i);
		if (shot_create(b, &s, id, "[\"true\"]", e) < 0)
			return -1;
		began = wire_now();
		if (wire_fire(&b->agent, &s, NULL, e) < 0)
			return err_ctx(e, "container %zu", i);
		if (i >= WARM && i < WARM + counted)
			samples_add(&first, wire_now() - began);
		if (i >= WARM + n - counted)
			samples_add(&last, wire_now() - began);
		if (bench_turn(b, e) < 0)
			return -1;
	}
	rows_set_samples(&b->rows, ROW_MANY, 0.5, &last, &first);
	return 0;
}
