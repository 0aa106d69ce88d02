/* SPDX-License-Identifier: Apache-2.0 */
#include "ttrpc/envelope.h"

#include "ttrpc.pb-c.h"
#include "ttrpc/pb.h"

/* Tags of the fields: number << 3 | wire type, all in one byte. */
enum {
	WIRE_VARINT = 0,
	WIRE_BYTES = 2,
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

static uint8_t *varint_write(uint64_t v, uint8_t *out)
{
	for (; v >= 0x80; v >>= 7)
		*out++ = (uint8_t)(v | 0x80);
	*out++ = (uint8_t)v;
	return out;
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
	return body_write(b, varint_write(b->len, out));
}

static struct body body_of_text(const char *text)
{
	return (struct body){ .data = (const uint8_t *)text, .len = text ? strlen(text) : 0 };
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
	varint_write((uint64_t)r->timeout_nano, out);
}

int envelope_request_read(struct arena *a, const uint8_t *data, size_t len,
			  struct envelope_request *out, struct err *e)
{
	ProtobufCMessage *msg = pb_unpack(a, &ttrpc__request__descriptor, data, len, e);
	const Ttrpc__Request *req = (const Ttrpc__Request *)msg;

	if (!msg)
		return -1;
	*out = (struct envelope_request){
		.service = req->service,
		.method = req->method,
		.payload = { .data = req->payload.data, .len = req->payload.len },
		.timeout_nano = req->timeout_nano,
	};
	return 0;
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
		out = varint_write(status, out);
		*out++ = STATUS_CODE;
		out = varint_write((uint64_t)(int64_t)r->rc, out);
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
	at = varint_write(bytes_size(len), at);
	*at++ = DATA_BYTES;
	return (size_t)(varint_write(len, at) - out);
}

int envelope_response_read(struct arena *a, const uint8_t *data, size_t len,
			   struct envelope_response *out, struct err *e)
{
	ProtobufCMessage *msg = pb_unpack(a, &ttrpc__response__descriptor, data, len, e);
	const Ttrpc__Response *resp = (const Ttrpc__Response *)msg;

	if (!msg)
		return -1;
	*out = (struct envelope_response){
		.rc = resp->status ? resp->status->code : RC_OK,
		.message = resp->status ? resp->status->message : "",
		.payload = { .data = resp->payload.data, .len = resp->payload.len },
	};
	return 0;
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
