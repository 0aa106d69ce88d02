/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pod asks for in bulk: storages, files, routes, network cards. The floors do the same to the kernel of the same
 * guest by hand (tool.c); that of a file is the way of its bytes there and back.
 */
#include "bench/bench.h"

#include <stdio.h>

#include "base/str.h"

#define WARM	   3 /* of each, not counted */
#define STORAGES   64
#define ROUTES	   1000
#define CARDS	   32
#define FILE_BYTES 4096
#define TEXT	   (256u << 10)
#define NUMBER(n)  #n
#define WORD(n)	   NUMBER(n)

/* Adds what the calls take, and what the tool takes. */
static int compete(struct bench *b, const struct shot *s, const char *command, struct samples *calls,
		   struct samples *floors, struct err *e)
{
	char said[256];
	double began = wire_now();

	if (wire_fire(&b->agent, s, NULL, e) < 0)
		return -1;
	if (samples_add(calls, wire_now() - began) < 0)
		return -1;
	began = wire_now();
	if (bench_tool(b, command, said, sizeof(said), e) < 0)
		return -1;
	return samples_add(floors, wire_now() - began) < 0 ? -1 : bench_turn(b, e);
}

/* --- storages: what a create takes more when it has 64 of them ------------------------------------- */

static int shot_create(struct bench *b, struct shot *s, const char *storages, struct err *e)
{
	struct rig_container what = {
		.root = BENCH_ROOT, .readonly = true, .args = "[\"true\"]", .storages = storages
	};
	char *text = rig_create_text(&b->rig, &b->arena, "pod", &what);

	if (!text)
		return err_sys(e, ENOMEM, "a request");
	return shot_make(s, &b->arena, e, "CreateContainer", "%s", text);
}

static char *many_storages(struct bench *b)
{
	char *text = arena_alloc(&b->arena, TEXT);
	struct str s;

	if (!text)
		return NULL;
	str_init(&s, text, TEXT);
	for (int i = 0; i < STORAGES; i++)
		str_addf(&s, ",{\"driver\":\"ephemeral\",\"source\":\"tmpfs\",\"fstype\":\"tmpfs\",\"options\":[\"size=1m\"],"
			     "\"mount_point\":\"/run/kata-containers/sandbox/ephemeral/bench-%d\"}", i);
	return str_ok(&s) ? text : NULL;
}

static int timed(struct bench *b, const struct shot *s, const struct shot *gone, double *us, struct err *e)
{
	double began = wire_now();

	if (wire_fire(&b->agent, s, NULL, e) < 0)
		return -1;
	*us = wire_now() - began;
	return wire_fire(&b->agent, gone, NULL, e) < 0 ? -1 : 0;
}

static int bench_storages(struct bench *b, struct err *e)
{
	static struct samples calls, floors;
	const char *text = many_storages(b);
	struct shot with, without, gone;

	if (!text)
		return err_sys(e, ENOMEM, "a request");
	if (shot_create(b, &with, text, e) < 0 || shot_create(b, &without, NULL, e) < 0 ||
	    shot_make(&gone, &b->arena, e, "RemoveContainer", "{\"container_id\":\"pod\"}") < 0)
		return -1;
	for (size_t i = 0; i < b->counts->pods + WARM; i++) {
		double full, bare, began;
		char said[256];

		if (timed(b, &with, &gone, &full, e) < 0 || timed(b, &without, &gone, &bare, e) < 0)
			return -1;
		began = wire_now();
		if (bench_tool(b, "mounts " WORD(STORAGES), said, sizeof(said), e) < 0 || bench_turn(b, e) < 0)
			return -1;
		if (i < WARM)
			continue;
		samples_add(&calls, MAX(full - bare, 1.0));
		samples_add(&floors, wire_now() - began);
	}
	rows_set_samples(&b->rows, ROW_STORAGES, 0.5, &calls, &floors);
	return 0;
}

/* --- files ------------------------------------------------------------------------------------------ */

static int shot_copy(struct bench *b, struct shot *s, size_t i, struct err *e)
{
	static char data[FILE_BYTES / 3 * 4 + 1]; /* base64 of zeroes */

	memset(data, 'A', sizeof(data) - 1);
	return shot_make(s, &b->arena, e, "CopyFile",
			 "{\"path\":\"/run/kata-containers/shared/containers/bench/%zu\",\"file_mode\":33188,"
			 "\"dir_mode\":493,\"file_size\":%d,\"data\":\"%s\"}",
			 i, FILE_BYTES / 3 * 3, data);
}

static int bench_copies(struct bench *b, struct err *e)
{
	static struct samples calls, echoes;
	static struct wire raw;
	int r;

	if (wire_open(&raw, b->rig.address, BENCH_TOOL_PORT, e) < 0)
		return -1;
	r = wire_write(&raw, "echo\n", 5, e);
	for (size_t i = 0; r == 0 && i < b->counts->copies + WARM; i++) {
		struct shot s;
		double began, done;

		r = shot_copy(b, &s, i, e);
		began = wire_now();
		r = r < 0 || wire_fire(&b->agent, &s, NULL, e) < 0 ? -1 : 0;
		done = wire_now();
		r = r < 0 || wire_write(&raw, s.frame, s.len, e) < 0 || wire_read(&raw, raw.buf, s.len, e) < 0 ? -1 : 0;
		if (r == 0 && i >= WARM) {
			samples_add(&calls, done - began);
			samples_add(&echoes, wire_now() - done);
		}
		r = r < 0 ? r : bench_turn(b, e);
	}
	wire_close(&raw);
	if (r == 0)
		rows_set_samples(&b->rows, ROW_COPY, 0.5, &calls, &echoes);
	return r;
}

/* --- routes: those that the tool makes are others, and are taken away by it --------------------------- */

static int bench_routes(struct bench *b, struct err *e)
{
	static struct samples calls, floors;
	char *text = arena_alloc(&b->arena, TEXT);
	struct shot s;
	struct str t;

	if (!text)
		return err_sys(e, ENOMEM, "a request");
	str_init(&t, text, TEXT);
	for (int i = 0; i < ROUTES; i++)
		str_addf(&t, "%s{\"dest\":\"10.%d.%d.0/24\",\"device\":\"lo\",\"scope\":253}", i ? "," : "", i / 250, i % 250);
	if (!str_ok(&t) || shot_make(&s, &b->arena, e, "UpdateRoutes", "{\"routes\":{\"Routes\":[%s]}}", text) < 0)
		return -1;
	for (size_t i = 0; i < b->counts->pods + WARM; i++) {
		if (i == WARM) {
			samples_clear(&calls);
			samples_clear(&floors);
		}
		if (compete(b, &s, "routes " WORD(ROUTES), &calls, &floors, e) < 0)
			return -1;
	}
	rows_set_samples(&b->rows, ROW_ROUTES, 0.5, &calls, &floors);
	return 0;
}

/* --- network cards: the second of each pair is the tool's --------------------------------------------- */

static int set_all(struct bench *b, const struct shot *shots, double *us, struct err *e)
{
	double began = wire_now();

	for (size_t i = 0; i < CARDS; i++)
		if (wire_fire(&b->agent, &shots[i], NULL, e) < 0)
			return -1;
	*us = wire_now() - began;
	return 0;
}

/* Another name, address and MTU each time, as of a card that has just come. */
static int shots_of_round(struct bench *b, struct shot *shots, size_t round, struct err *e)
{
	for (size_t i = 0; i < CARDS; i++)
		if (shot_make(&shots[i], &b->arena, e, "UpdateInterface",
			      "{\"interface\":{\"hwAddr\":\"02:00:00:00:ca:%02zx\",\"name\":\"%s%zu\",\"mtu\":%zu,"
			      "\"IPAddresses\":[{\"address\":\"10.%zu.%zu.1\",\"mask\":\"24\"}]}}",
			      i, round % 2 ? "cd" : "ca", i, 1400 + round % 2, 202 + round % 2, i) < 0)
			return -1;
	return 0;
}

static int bench_cards(struct bench *b, struct err *e)
{
	static struct samples calls, floors;
	struct shot shots[CARDS];
	char said[256];

	if (bench_tool(b, "cards " WORD(CARDS), said, sizeof(said), e) < 0)
		return -1;
	for (size_t i = 1; i <= b->counts->pods + WARM; i++) {
		double us, began;

		if (shots_of_round(b, shots, i, e) < 0 || set_all(b, shots, &us, e) < 0)
			return -1;
		began = wire_now();
		if (bench_tool(b, "set " WORD(CARDS), said, sizeof(said), e) < 0 || bench_turn(b, e) < 0)
			return -1;
		if (i <= WARM)
			continue;
		samples_add(&calls, us);
		samples_add(&floors, wire_now() - began);
	}
	rows_set_samples(&b->rows, ROW_CARDS, 0.5, &calls, &floors);
	return 0;
}

int bench_pod(struct bench *b, struct err *e)
{
	if (bench_guest(b, e) < 0)
		return -1;
	bench_say("storages, files, routes, network cards");
	return bench_storages(b, e) < 0 || bench_copies(b, e) < 0 || bench_routes(b, e) < 0 ? -1 : bench_cards(b, e);
}
