/* SPDX-License-Identifier: Apache-2.0 */
#include "ttrpc/envelope.h"

#include "ttrpc/wire.h"

/* Tags of the fields: number << 3 | wire type, all in one byte. */
enum {
	REQUEST_SERVICE = 1 << 3 | WIRE_BYTES,
	REQUEST_METHOD = 2 << 3 | WIRE_BYTES,
	REQUEST_PAYLOAD = 3 << 3 | WIRE_BYTES,
	REQUEST_TIMEOUT = 4 << 3 | WIRE_VARINT,
	RESPONSE_STATUS = 1 << 3 | WIRE_BYTES,
	RESPONSE_PAYLOAD = 2 << 3 | WIRE_BYTES,
	DATA_BYTES = 1 << 3 | WIRE_BYTES,
	STATUS_CODE = 1 << 3 | WIRE_VARINT,
	STATUS_MESSAGE = 2 << 3 | WIRE_BYTES,
};

/* --- pieces --- */

static size_t varint_size(uint64_t v)
{
	size_t n = 1;

	while (v >>= 7)
		n++;
	return n;
}

/* A field that is empty is left out, as proto3 wants. */
static size_t bytes_size(size_t len)
{
	return len ? 1 + varint_size(len) + len : 0;
}

static uint8_t *bytes_write(uint8_t tag, const struct body *b, uint8_t *out)
{
	if (!b->len)
		return out;
	*out++ = tag;
	return body_write(b, wire_varint(b->len, out));
}

static struct body body_of_text(const char *text)
{
	return (struct body){ .data = (const uint8_t *)text, .len = text ? strlen(text) : 0 };
}

static struct body body_of_field(const struct wire_field *f)
{
	return (struct body){ .data = f->data, .len = f->len };
}

static int undecodable(const char *type, struct err *e)
{
	return err_set(e, RC_INVALID_ARGUMENT, "cannot decode %s", type);
}

static int read_text(struct arena *a, const struct wire_field *f, const char *type,
		     const char **out, struct err *e)
{
	if (f->len && memchr(f->data, '\0', f->len))
		return undecodable(type, e);
	*out = arena_strndup(a, f->len ? (const char *)f->data : "", f->len);
	return *out ? 0 : err_set(e, RC_RESOURCE_EXHAUSTED, "no memory to decode %s", type);
}

uint8_t *body_write(const struct body *b, uint8_t *out)
{
	if (b->msg)
		protobuf_c_message_pack(b->msg, out);
	else if (b->len)
		memcpy(out, b->data, b->len);
	return out + b->len;
}

/* --- request --- */

size_t envelope_request_size(const struct envelope_request *r)
{
	size_t n = bytes_size(strlen(r->service)) + bytes_size(strlen(r->method)) +
		   bytes_size(r->payload.len);

	return r->timeout_nano > 0 ? n + 1 + varint_size((uint64_t)r->timeout_nano) : n;
}

void envelope_request_write(const struct envelope_request *r, uint8_t *out)
{
	struct body service = body_of_text(r->service), method = body_of_text(r->method);

	out = bytes_write(REQUEST_SERVICE, &service, out);
	out = bytes_write(REQUEST_METHOD, &method, out);
	out = bytes_write(REQUEST_PAYLOAD, &r->payload, out);
	if (r->timeout_nano <= 0)
		return;
	*out++ = REQUEST_TIMEOUT;
	wire_varint((uint64_t)r->timeout_nano, out);
}

int envelope_request_read(struct arena *a, const uint8_t *data, size_t len,
			  struct envelope_request *out, struct err *e)
{
	static const char type[] = "ttrpc.Request";
	struct wire w = wire_of(data, len);
	struct wire_field f, service = { 0 }, method = { 0 };
	int r;

	*out = (struct envelope_request){ 0 };
	while ((r = wire_next(&w, &f)) > 0) {
		switch (f.number << 3 | f.type) {
		case REQUEST_SERVICE:
			service = f;
			break;
		case REQUEST_METHOD:
			method = f;
			break;
		case REQUEST_PAYLOAD:
			out->payload = body_of_field(&f);
			break;
		case REQUEST_TIMEOUT:
			out->timeout_nano = (int64_t)f.value;
			break;
		}
	}
	if (r < 0)
		return undecodable(type, e);
	r = read_text(a, &service, type, &out->service, e);
	return r < 0 ? r : read_text(a, &method, type, &out->method, e);
}

/* --- response --- */

static size_t status_size(const struct envelope_response *r)
{
	if (r->rc == RC_OK)
		return 0;
	return 1 + varint_size((uint64_t)(int64_t)r->rc) +
	       bytes_size(r->message ? strlen(r->message) : 0);
}

size_t envelope_response_size(const struct envelope_response *r)
{
	return bytes_size(status_size(r)) + bytes_size(r->payload.len);
}

void envelope_response_write(const struct envelope_response *r, uint8_t *out)
{
	size_t status = status_size(r);
	struct body message = body_of_text(r->message);

	if (status) {
		*out++ = RESPONSE_STATUS;
		out = wire_varint(status, out);
		*out++ = STATUS_CODE;
		out = wire_varint((uint64_t)(int64_t)r->rc, out);
		out = bytes_write(STATUS_MESSAGE, &message, out);
	}
	bytes_write(RESPONSE_PAYLOAD, &r->payload, out);
}

size_t envelope_data_head(size_t len, uint8_t out[ENVELOPE_DATA_HEAD])
{
	uint8_t *at = out;

	if (!len)
		return 0;
	*at++ = RESPONSE_PAYLOAD;
	at = wire_varint(bytes_size(len), at);
	*at++ = DATA_BYTES;
	return (size_t)(wire_varint(len, at) - out);
}

/* One that comes twice is merged, as protobuf has it. */
static int read_status(const struct wire_field *status, int *rc, struct wire_field *message)
{
	struct wire w = wire_of(status->data, status->len);
	struct wire_field f;
	int r;

	while ((r = wire_next(&w, &f)) > 0) {
		switch (f.number << 3 | f.type) {
		case STATUS_CODE:
			*rc = (int32_t)(uint32_t)f.value;
			break;
		case STATUS_MESSAGE:
			*message = f;
			break;
		}
	}
	return r;
}

int envelope_response_read(struct arena *a, const uint8_t *data, size_t len,
			   struct envelope_response *out, struct err *e)
{
	static const char type[] = "ttrpc.Response";
	struct wire w = wire_of(data, len);
	struct wire_field f, message = { 0 };
	int r;

	*out = (struct envelope_response){ .rc = RC_OK };
	while ((r = wire_next(&w, &f)) > 0) {
		switch (f.number << 3 | f.type) {
		case RESPONSE_STATUS:
			if (read_status(&f, &out->rc, &message) < 0)
				return undecodable(type, e);
			break;
		case RESPONSE_PAYLOAD:
			out->payload = body_of_field(&f);
			break;
		}
	}
	return r < 0 ? undecodable(type, e) : read_text(a, &message, type, &out->message, e);
}

/* --- text --- */

/* Length of the UTF-8 sequence at p, 0 when there is none (overlong, surrogate, too high, cut). */
static size_t utf8_length(const uint8_t *p)
{
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t v;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	n = p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
	if (n == 0)
		return 0;
	v = p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		v = v << 6 | (p[i] & 0x3f);
	}
	return v < lowest[n] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000) ? 0 : n;
}

void envelope_make_utf8(char *text)
{
	uint8_t *p = (uint8_t *)text;

	while (*p) {
		size_t n = utf8_length(p);

		if (n == 0)
			*p = '?';
		p += MAX(n, (size_t)1);
	}
}
