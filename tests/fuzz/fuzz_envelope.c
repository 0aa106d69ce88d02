/* SPDX-License-Identifier: Apache-2.0 */
/* The header and both envelopes: what can be read is written again, and reads the same; what the
 * generated code can read reads the same here. */
#include <stdlib.h>

#include "ttrpc.pb-c.h"
#include "ttrpc/envelope.h"
#include "ttrpc/frame.h"
#include "ttrpc/pb.h"
#include "ttrpc/wire.h"

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

static bool same(const struct body *mine, const ProtobufCBinaryData *theirs)
{
	return mine->len == theirs->len &&
	       (!mine->len || memcmp(mine->data, theirs->data, mine->len) == 0);
}

/* Refused here, and taken there: a text with a zero byte in it, which is cut there; the field 0, and
 * numbers of more bits than there are. */
static bool is_refused(const uint8_t *data, size_t len, uint32_t first, uint32_t last)
{
	struct wire w = wire_of(data, len);
	struct wire_field f;
	int r;

	while ((r = wire_next(&w, &f)) > 0)
		if (f.number >= first && f.number <= last && f.type == WIRE_BYTES && f.len &&
		    memchr(f.data, '\0', f.len))
			return true;
	return r < 0;
}

/* So too; and of a status that comes twice the generated code forgets the first one's numbers. */
static bool differs(const uint8_t *data, size_t len)
{
	struct wire w = wire_of(data, len);
	struct wire_field f;
	int r, n = 0;

	while ((r = wire_next(&w, &f)) > 0)
		if (f.number == 1 && f.type == WIRE_BYTES && (n++ || is_refused(f.data, f.len, 2, 2)))
			return true;
	return r < 0;
}

static void requests_as_generated(struct arena *a, const uint8_t *data, size_t size)
{
	struct envelope_request r;
	struct err e = { 0 };
	const Ttrpc__Request *pb =
		(void *)pb_unpack(a, &ttrpc__request__descriptor, data, size, &e);

	if (!pb || is_refused(data, size, 1, 2))
		return;
	must(envelope_request_read(a, data, size, &r, &e) == 0 || e.rc == RC_RESOURCE_EXHAUSTED);
	if (err_is_set(&e))
		return;
	must(str_eq(r.service, pb->service) && str_eq(r.method, pb->method));
	must(r.timeout_nano == pb->timeout_nano && same(&r.payload, &pb->payload));
}

static void responses_as_generated(struct arena *a, const uint8_t *data, size_t size)
{
	struct envelope_response r;
	struct err e = { 0 };
	const Ttrpc__Response *pb =
		(void *)pb_unpack(a, &ttrpc__response__descriptor, data, size, &e);

	if (!pb || differs(data, size))
		return;
	must(envelope_response_read(a, data, size, &r, &e) == 0 || e.rc == RC_RESOURCE_EXHAUSTED);
	if (err_is_set(&e))
		return;
	must(r.rc == (pb->status ? pb->status->code : 0) && same(&r.payload, &pb->payload));
	must(str_eq(r.message, pb->status ? pb->status->message : ""));
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
	requests_as_generated(&a, data, size);
	responses(&a, data, size);
	responses_as_generated(&a, data, size);
	arena_fini(&a);
	return 0;
}
