/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Request and Response that carry a message: encoded by hand straight into the output buffer,
 * the message packed in its place, and read where they lie, so that a message that is passed on is
 * copied once. Pure. Input is not trusted.
 */
#ifndef MOTE_TTRPC_ENVELOPE_H
#define MOTE_TTRPC_ENVELOPE_H

#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "base/mem.h"

/* A message, or the bytes of one. */
struct body {
	const ProtobufCMessage *msg;	/* NULL: data */
	const uint8_t *data;
	size_t len;			/* encoded; body_of_msg() counts it once */
};

static inline struct body body_of_msg(const ProtobufCMessage *msg)
{
	return (struct body){ .msg = msg, .len = protobuf_c_message_get_packed_size(msg) };
}

/* Writes len bytes; returns the end. */
uint8_t *body_write(const struct body *b, uint8_t *out);

struct envelope_request {
	const char *service, *method;
	struct body payload;
	int64_t timeout_nano;		/* 0 and below: none */
};

struct envelope_response {
	int rc;				/* whatever the peer sent; 0: success */
	const char *message;
	struct body payload;
};

/* Encoded sizes, and the encoding into exactly as many bytes. */
size_t envelope_request_size(const struct envelope_request *r);
void envelope_request_write(const struct envelope_request *r, uint8_t *out);
size_t envelope_response_size(const struct envelope_response *r);
void envelope_response_write(const struct envelope_response *r, uint8_t *out);

/* A response, OK, to a message that has `len` bytes in its field 1 and nothing else: what stands
 * before those bytes. How much that is, at most ENVELOPE_DATA_HEAD. */
#define ENVELOPE_DATA_HEAD 12
size_t envelope_data_head(size_t len, uint8_t out[ENVELOPE_DATA_HEAD]);

/* Texts are copied into a; the payload stays where it is, in data. 0, or -1 with e as pb_unpack. What
 * nobody knows is passed over, and so is a field of another type than its own. */
int envelope_request_read(struct arena *a, const uint8_t *data, size_t len,
			  struct envelope_request *out, struct err *e);
int envelope_response_read(struct arena *a, const uint8_t *data, size_t len,
			   struct envelope_response *out, struct err *e);

/* Bytes that are not UTF-8 become '?': one of them in a string makes a peer refuse the whole
 * message. */
void envelope_make_utf8(char *text);

#endif
