/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "lib/pbjson.h"
#include "lib/schema.h"
#include "ttrpc/address.h"
#include "ttrpc/envelope.h"
#include "ttrpc/frame.h"

#define CONNECT_MS 10000
#define READ_S     60

double wire_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

int wire_open(struct wire *w, const char *address, uint32_t port, struct err *e)
{
	struct timeval limit = { .tv_sec = READ_S };
	struct address a;
	int flags;

	w->fd = -1;
	w->stream = 0;
	if (address_parse(address, &a, e) < 0)
		return -1;
	a.port = port;
	w->fd = address_connect(&a, CONNECT_MS, e);
	if (w->fd < 0)
		return -1;
	flags = fcntl(w->fd, F_GETFL);
	if (flags < 0 || fcntl(w->fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ||
	    setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0) {
		err_sys(e, errno, "set up a connection");
		auto_close(&w->fd);
		return -1;
	}
	return 0;
}

void wire_close(struct wire *w)
{
	auto_close(&w->fd);
}

int wire_write(struct wire *w, const void *data, size_t n, struct err *e)
{
	const uint8_t *at = data;

	while (n) {
		ssize_t did = send(w->fd, at, n, MSG_NOSIGNAL);

		if (did < 0 && errno != EINTR)
			return err_sys(e, errno, "send");
		at += MAX(did, 0);
		n -= (size_t)MAX(did, 0);
	}
	return 0;
}

ssize_t wire_read_some(struct wire *w, void *data, size_t n, struct err *e)
{
	ssize_t did;

	do
		did = recv(w->fd, data, n, 0);
	while (did < 0 && errno == EINTR);
	if (did < 0 && errno == EAGAIN)
		return err_set(e, RC_DEADLINE_EXCEEDED, "no answer in %d s", READ_S);
	return did < 0 ? err_sys(e, errno, "receive") : did;
}

int wire_read(struct wire *w, void *data, size_t n, struct err *e)
{
	uint8_t *at = data;

	while (n) {
		ssize_t did = wire_read_some(w, at, n, e);

		if (did < 0)
			return -1;
		if (did == 0)
			return err_set(e, RC_UNAVAILABLE, "the guest hung up");
		at += did;
		n -= (size_t)did;
	}
	return 0;
}

int wire_read_line(struct wire *w, char *line, size_t cap, struct err *e)
{
	for (size_t n = 0; n < cap; n++) {
		if (wire_read(w, line + n, 1, e) < 0)
			return -1;
		if (line[n] == '\n') {
			line[n] = '\0';
			return 0;
		}
	}
	return err_set(e, RC_INTERNAL, "a line of more than %zu bytes", cap);
}

/* --- calls --- */

static int encode(struct shot *s, struct arena *a, const ProtobufCServiceDescriptor *service,
		  const ProtobufCMethodDescriptor *method, const ProtobufCMessage *msg,
		  struct err *e)
{
	struct envelope_request r = { .service = service->name,
				      .method = method->name,
				      .payload = body_of_msg(msg) };
	struct frame f = { .type = FRAME_REQUEST, .flags = FRAME_REMOTE_CLOSED };

	f.length = (uint32_t)envelope_request_size(&r);
	s->len = FRAME_HEADER + f.length;
	s->frame = arena_alloc(a, s->len);
	if (!s->frame)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	frame_encode(&f, s->frame);
	envelope_request_write(&r, s->frame + FRAME_HEADER);
	s->method = method->name;
	return 0;
}

int shot_make(struct shot *s, struct arena *a, struct err *e, const char *method, const char *json,
	      ...)
{
	const ProtobufCServiceDescriptor *service;
	const ProtobufCMethodDescriptor *m;
	ProtobufCMessage *msg;
	char name[128], *text;
	va_list ap;

	snprintf(name, sizeof(name), "%s%s", strchr(method, '/') ? "" : "grpc.AgentService/",
		 method);
	va_start(ap, json);
	text = arena_vprintf(a, json, ap);
	va_end(ap);
	if (!text)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	if (schema_find_method(name, &service, &m, e) < 0)
		return -1;
	msg = pbjson_read(a, m->input, text, strlen(text), e);
	return msg ? encode(s, a, service, m, msg, e) : -1;
}

static ssize_t open_reply(struct wire *w, const struct shot *s, size_t len, const uint8_t **payload,
			  struct err *e)
{
	struct envelope_response r;
	struct arena a;
	int rc;

	arena_init(&a, 4 << 20);
	rc = envelope_response_read(&a, w->buf + FRAME_HEADER, len, &r, e);
	if (rc == 0 && r.rc)
		rc = err_set(e, (enum rc)r.rc, "%s: %s", s->method, r.message ? r.message : "");
	if (rc == 0) {
		memmove(w->buf, r.payload.data, r.payload.len);
		if (payload)
			*payload = w->buf;
	}
	arena_fini(&a);
	return rc < 0 ? -1 : (ssize_t)r.payload.len;
}

ssize_t wire_round(struct wire *w, const struct shot *s, struct err *e)
{
	struct frame f = { .length = (uint32_t)(s->len - FRAME_HEADER),
			   .type = FRAME_REQUEST,
			   .flags = FRAME_REMOTE_CLOSED };
	size_t got = 0;

	f.stream = w->stream = w->stream ? w->stream + 2 : 1;
	frame_encode(&f, s->frame);
	if (wire_write(w, s->frame, s->len, e) < 0)
		return -1;
	do {
		ssize_t n = wire_read_some(w, w->buf + got, sizeof(w->buf) - got, e);

		if (n <= 0)
			return err_set(e, RC_UNAVAILABLE, "%s: the agent hung up", s->method);
		got += (size_t)n;
		if (got >= FRAME_HEADER)
			frame_decode(w->buf, &f);
	} while (got < FRAME_HEADER || (got < FRAME_HEADER + f.length && got < sizeof(w->buf)));
	if (f.stream != w->stream || got != FRAME_HEADER + f.length)
		return err_set(e, RC_INTERNAL, "%s: not one reply to one call", s->method);
	return f.length;
}

ssize_t wire_fire(struct wire *w, const struct shot *s, const uint8_t **payload, struct err *e)
{
	ssize_t len = wire_round(w, s, e);

	return len < 0 ? -1 : open_reply(w, s, (size_t)len, payload, e);
}

int wire_command(struct wire *w, const char *command, char *text, size_t cap, struct err *e)
{
	char head[64];
	int status;
	size_t n;

	if (wire_write(w, command, strlen(command), e) < 0 || wire_write(w, "\n", 1, e) < 0 ||
	    wire_read_line(w, head, sizeof(head), e) < 0)
		return err_ctx(e, "%s", command);
	if (sscanf(head, "%d %zu", &status, &n) != 2 || n >= cap)
		return err_set(e, RC_INTERNAL, "%s: answered '%s'", command, head);
	if (wire_read(w, text, n, e) < 0)
		return err_ctx(e, "%s", command);
	text[n] = '\0';
	return status;
}
