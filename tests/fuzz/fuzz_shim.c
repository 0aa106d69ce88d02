/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a shim reads that others have written: the first byte says which. Bootstrap, options,
 * stdio's URLs and config.json are containerd's; events, and replies that are edited, are the
 * guest's, which is hostile.
 */
#include <stdio.h>

#include "shim/bootstrap.h"
#include "shim/bundle.h"
#include "shim/conf.h"
#include "shim/event_text.h"
#include "shim/url.h"
#include "ttrpc/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BUDGET (4u << 20)

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* What is edited is protobuf again, holds what was put, and nothing that was to go. */
static void edit(struct arena *a, const uint8_t *data, size_t size)
{
	const struct wire_edit edits[] = { { .number = 3, .value = 99 },
					   WIRE_TEXT(2, "path"),
					   { .number = 5, .data = "" } };
	struct wire_field f;
	size_t len = 0;
	uint8_t *out = wire_edit(a, data, size, edits, COUNT_OF(edits), &len);
	struct wire w = wire_of(data, size);
	int r;

	while ((r = wire_next(&w, &f)) > 0)
		must(f.raw >= data && f.raw + f.raw_len <= data + size && f.raw_len > 0);
	must((r == 0) == (out != NULL));
	if (!out)
		return;
	must(wire_find(out, len, 3, WIRE_VARINT, &f) == 1 && f.value == 99);
	must(wire_find(out, len, 2, WIRE_BYTES, &f) == 1 && f.len == 4);
	must(wire_find(out, len, 5, WIRE_BYTES, &f) == 0);
}

static void event(struct arena *a, const uint8_t *data, size_t size)
{
	static const uint8_t rootfs[] = { 0x1a, 0 };
	struct event_host host = {
		.pid = 7, .bundle = "/b", .rootfs = rootfs, .rootfs_len = sizeof(rootfs)
	};
	struct wire_field f;
	struct event_in in;
	uint64_t seq = 0;
	const uint8_t *out;
	size_t len = 0;

	if (!event_text_read(a, data, size, &seq, &in))
		return;
	must(in.topic && in.id && in.exec_id && in.status <= 255 && in.at.tv_nsec < 1000000000);
	out = event_text_change(a, &in, &host, &len);
	if (out && in.topic->pid)
		must(wire_find(out, len, in.topic->pid, WIRE_VARINT, &f) == 1 && f.value == 7);
}

static void bootstrap(struct arena *a, const uint8_t *data, size_t size)
{
	static const struct shim_flags flags = { .namespace = "n", .id = "i" };
	const struct bootstrap_result r = { 2, "unix:///x" };
	struct bootstrap b;
	size_t len;

	bootstrap_read(a, data, size, &flags, &b);
	must(b.ttrpc_address && b.socket_dir);
	must(bootstrap_answer(a, &b, &r, &len) != NULL);
}

static void url(struct arena *a, const char *text)
{
	struct err e = { 0 };
	struct url u;

	if (url_parse(a, text, &u, &e) < 0) {
		must(err_is_set(&e));
		return;
	}
	must(!err_is_set(&e));
	must(u.kind == URL_NONE || u.kind == URL_STREAM || (u.path && *u.path == '/'));
}

static const char *carry(void *arg, size_t number UNUSED, const char *source, struct err *e UNUSED)
{
	return arena_printf(arg, "/guest%s", source);
}

/* Every path with its number is there once. */
static void devices_are_told_once(const struct bundle *b)
{
	must(b->n_devices <= BUNDLE_DEVICES_MAX);
	for (size_t i = 0; i < b->n_devices; i++) {
		must(*b->devices[i].path);
		for (size_t k = 0; k < i; k++)
			must(b->devices[i].major != b->devices[k].major ||
			     b->devices[i].minor != b->devices[k].minor ||
			     strcmp(b->devices[i].path, b->devices[k].path) != 0);
	}
}

/* What the guest gets has those devices and no others. */
static void devices_are_those(struct arena *a, const struct bundle *was, const char *text, size_t len)
{
	struct err e = { 0 };
	struct bundle b;

	must(bundle_parse(a, text, len, &b, &e) == 0 && bundle_find_devices(a, &b, &e) == 0);
	must(b.n_devices == was->n_devices);
	for (size_t i = 0; i < b.n_devices; i++)
		must(b.devices[i].major == was->devices[i].major &&
		     b.devices[i].minor == was->devices[i].minor &&
		     b.devices[i].readonly == was->devices[i].readonly &&
		     strcmp(b.devices[i].path, was->devices[i].path) == 0);
}

static void bundle(struct arena *a, const char *text, size_t size)
{
	struct err e = { 0 };
	struct bundle b;
	size_t len;
	char *out;

	if (bundle_parse(a, text, size, &b, &e) < 0)
		return;
	must(b.sandbox_id && b.netns && b.hostname);
	if (bundle_find_devices(a, &b, &e) < 0) {
		must(err_is_set(&e));
		return;
	}
	devices_are_told_once(&b);
	out = bundle_for_guest(a, &b, "pod", carry, a, &len, &e);
	must((out == NULL) == err_is_set(&e));
	if (out)
		devices_are_those(a, &b, out, len);
}

static void words(char *text)
{
	struct err e = { 0 };
	struct shim_flags f;
	char *argv[10] = { (char *)"shim" };

	for (int i = 1; i < 9 && text; i++)
		argv[i] = strsep(&text, " ");
	must(flags_read(argv, &f, &e) == 0 || err_is_set(&e));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { 0 };
	struct arena a;
	struct conf c;
	char *text;

	if (size < 1)
		return 0;
	arena_init(&a, BUDGET);
	text = arena_strndup(&a, (const char *)data + 1, size - 1);
	must(text);
	switch (data[0] % 7) {
	case 0:
		edit(&a, data + 1, size - 1);
		break;
	case 1:
		event(&a, data + 1, size - 1);
		break;
	case 2:
		bootstrap(&a, data + 1, size - 1);
		break;
	case 3:
		url(&a, text);
		break;
	case 4:
		bundle(&a, text, strlen(text));
		break;
	case 5:
		must(conf_parse(&a, text, &c, &e) == 0 || err_is_set(&e));
		break;
	default:
		words(text);
	}
	arena_fini(&a);
	must(arena_bytes_in_use() == 0);
	return 0;
}
