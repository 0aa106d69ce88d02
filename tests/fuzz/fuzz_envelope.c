/* SPDX-License-Identifier: Apache-2.0 */
/* The header and both envelopes: what can be read is written again, and reads the same. */
#include <stdlib.h>

#include "ttrpc/envelope.h"
#include "ttrpc/frame.h"
#include "ttrpc/pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void frames(const uint8_t *data, size_t size)
{
	uint8_t back[FRAME_HEADER];
	struct frame f;

	if (size < FRAME_HEADER)
		return;
	frame_decode(data, &f);
	frame_encode(&f, back);
	must(memcmp(data, back, FRAME_HEADER) == 0);
}

static void requests(struct arena *a, const uint8_t *data, size_t size)
{
	struct envelope_request r, again;
	struct err e = { 0 };
	uint8_t *out;

	if (envelope_request_read(a, data, size, &r, &e) < 0)
		return;
	out = malloc(envelope_request_size(&r) + 1);
	envelope_request_write(&r, out);
	if (envelope_request_read(a, out, envelope_request_size(&r), &again, &e) == 0) {
		must(str_eq(r.service, again.service) && str_eq(r.method, again.method));
		must(r.timeout_nano == again.timeout_nano || r.timeout_nano <= 0);
		must(r.payload.len == again.payload.len);
	}
	free(out);
}

static void responses(struct arena *a, const uint8_t *data, size_t size)
{
	struct envelope_response r, again;
	struct err e = { 0 };
	uint8_t *out;
	char *text;

	if (envelope_response_read(a, data, size, &r, &e) < 0)
		return;
	out = malloc(envelope_response_size(&r) + 1);
	envelope_response_write(&r, out);
	if (envelope_response_read(a, out, envelope_response_size(&r), &again, &e) == 0) {
		must(r.rc == again.rc && r.payload.len == again.payload.len);
		must(r.rc == 0 || str_eq(r.message, again.message));
	}
	free(out);
	text = arena_strdup(a, r.message);
	if (!text)
		return;
	envelope_make_utf8(text);
	out = (uint8_t *)arena_strdup(a, text);
	must(strlen(text) == strlen(r.message));
	envelope_make_utf8(text);
	must(!out || str_eq((char *)out, text));	/* a second time changes nothing */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;

	arena_init(&a, pb_budget(size));
	frames(data, size);
	requests(&a, data, size);
	responses(&a, data, size);
	arena_fini(&a);
	return 0;
}
