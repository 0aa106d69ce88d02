/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/rig_port.h"

#include <string.h>

#include "base/clock.h"
#include "mote.pb-c.h"
#include "ttrpc/pb.h"

#define WAIT_MS 60000

static void on_message(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct rig_port *p = arg;
	const Mote__V1__PortPiece *msg;
	struct err bad = { 0 };
	struct arena a;
	size_t n;

	if (!payload) {
		p->over = true;
		p->err = *e;
		return;
	}
	arena_init(&a, 1 << 20);
	msg = (void *)pb_unpack(&a, &mote__v1__port_piece__descriptor, payload, len, &bad);
	if (msg) {
		n = MIN(msg->data.len, sizeof(p->data) - 1 - p->len);
		if (n)
			memcpy(p->data + p->len, msg->data.data, n);
		p->len += n;
		p->connected = p->connected || msg->window;
		p->ended = p->ended || msg->end;
	}
	arena_fini(&a);
}

static void say(struct rig_port *p, Mote__V1__PortPiece *msg)
{
	uint8_t packed[1024];

	if (mote__v1__port_piece__get_packed_size(msg) <= sizeof(packed))
		client_stream_send(p->stream, packed, mote__v1__port_piece__pack(msg, packed));
}

/* The code: OK when it has come. */
static int await(struct rig_port *p, const bool *come, const char *part)
{
	uint64_t until = clock_after(WAIT_MS);

	while (!p->over && !(come && *come) && !(part && strstr(p->data, part))) {
		if (clock_ms() > until) {
			err_set(&p->rig->err, RC_DEADLINE_EXCEEDED, "the test has waited enough");
			return p->rig->err.rc;
		}
		loop_once(p->rig->loop, 1000);
	}
	p->rig->err = p->err;
	return p->err.rc;
}

int rig_port_open(struct rig *r, struct client *c, struct rig_port *p, uint32_t port)
{
	Mote__V1__PortPiece msg = MOTE__V1__PORT_PIECE__INIT;

	memset(p, 0, sizeof(*p));
	p->rig = r;
	err_clear(&r->err);
	p->stream = client_stream_open(c, "mote.v1.Ports", "Connect", NULL, 0, on_message, p,
				       &r->err);
	if (!p->stream)
		return r->err.rc;
	msg.port = port;
	msg.window = sizeof(p->data) - 1;
	say(p, &msg);
	return await(p, &p->connected, NULL);
}

int rig_port_ask(struct rig_port *p, const char *text, const char *part)
{
	Mote__V1__PortPiece msg = MOTE__V1__PORT_PIECE__INIT;

	msg.data.data = (uint8_t *)(uintptr_t)text;
	msg.data.len = strlen(text);
	say(p, &msg);
	return await(p, NULL, part);
}

int rig_port_end(struct rig_port *p)
{
	Mote__V1__PortPiece msg = MOTE__V1__PORT_PIECE__INIT;

	msg.end = 1;
	say(p, &msg);
	return await(p, NULL, NULL);
}

void rig_port_close(struct rig_port *p)
{
	if (p->stream && !p->over)
		client_stream_close_send(p->stream);
	client_stream_free(p->stream);
	p->stream = NULL;
}
