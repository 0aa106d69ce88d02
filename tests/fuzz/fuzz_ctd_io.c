/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams by name between two hosts and two processes, in any order: opened, granted, written, torn,
 * claimed, carried, ended. What a host sends may be no message of theirs at all. Afterwards nothing may be left,
 * no host may have got more than it granted, and each name is free.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "containerd_streaming.pb-c.h"
#include "containerd_transfer.pb-c.h"
#include "service/containerd/any.h"
#include "service/containerd/containerd.h"
#include "ttrpc/client.h"
#include "ttrpc/server.h"

#define HOSTS	  2
#define PROCESSES 2
#define SLOTS	  8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct rpc_row rows[] = { { "Stream", io_stream, RPC_STREAM } };
static const struct rpc_service streaming = {
	&containerd__services__streaming__v1__streaming__descriptor, NULL, rows, 1, NULL
};
static const struct rpc_service *const services[] = { &streaming, NULL };

static struct input {
	const uint8_t *at, *end;
} input;

static struct slot {
	struct client_stream *s;
	unsigned int host;
	int64_t granted, got;
} slots[SLOTS];

static struct proc {
	struct io_set set;
	struct streams streams;
	int child[3];
	bool claimed, open, exited;
} procs[PROCESSES];

static struct loop *loop;
static struct server *server;
static struct fronts fronts;
static struct client *hosts[HOSTS];

static uint8_t next(void)
{
	return input.at < input.end ? *input.at++ : 0;
}

static void turn(void)
{
	for (int i = 0; i < 200 && loop_once(loop, 0) > 0; i++)
		;
}

static void connect_host(unsigned int k)
{
	struct err e = { 0 };
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0 ||
	    server_adopt(server, sv[1]) < 0)
		abort();
	hosts[k] = client_new(loop, sv[0], &e);
	if (!hosts[k])
		abort();
}

static void on_message(void *arg, const struct err *e UNUSED, const uint8_t *payload, size_t len)
{
	struct slot *s = arg;
	struct err bad = { 0 };
	struct arena a;
	const Google__Protobuf__Any *any;

	if (!payload)
		return;
	arena_init(&a, 1 << 20);
	any = (void *)pb_unpack(&a, &google__protobuf__any__descriptor, payload, len, &bad);
	if (!any)
		abort();
	if (any_is(any, "containerd.types.transfer.Data")) {
		const Containerd__Types__Transfer__Data *d =
			(void *)any_open(any, &containerd__types__transfer__data__descriptor, &a, &bad);

		if (!d || !d->data.len || (s->got += (int64_t)d->data.len) > s->granted)
			abort();
	}
	arena_fini(&a);
}

static void send_any(struct slot *s, const char *type, const void *data, size_t len)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct err e = { 0 };
	struct arena a;
	uint8_t *packed;
	size_t n;

	if (!s->s)
		return;
	any.type_url = (char *)type;
	any.value.data = (void *)data;
	any.value.len = len;
	arena_init(&a, 1 << 20);
	packed = pb_pack(&a, &any.base, &n, &e);
	if (packed)
		client_stream_send(s->s, packed, n);
	arena_fini(&a);
}

static void open_slot(struct slot *s)
{
	Containerd__Services__Streaming__V1__StreamInit init =
		CONTAINERD__SERVICES__STREAMING__V1__STREAM_INIT__INIT;
	uint8_t packed[64], how = next();
	struct err e = { 0 };
	char id[8];

	if (s->s)
		client_stream_free(s->s);
	snprintf(id, sizeof(id), "s%u", how >> 1 & 3);
	*s = (struct slot){ .host = how & 1 };
	s->s = client_stream_open(hosts[s->host], streaming.desc->name, "Stream", NULL, 0, on_message, s,
				  &e);
	init.id = id;
	if (!(how & 0x80))
		send_any(s, "containerd.services.streaming.v1.StreamInit", packed,
			 containerd__services__streaming__v1__stream_init__pack(&init, packed));
}

static void grant(struct slot *s)
{
	Containerd__Types__Transfer__WindowUpdate w =
		CONTAINERD__TYPES__TRANSFER__WINDOW_UPDATE__INIT;
	uint8_t packed[16];

	w.update = (int32_t)((uint32_t)next() << (next() & 31));
	if (w.update > 0)
		s->granted += w.update;
	send_any(s, "x/containerd.types.transfer.WindowUpdate", packed,
		 containerd__types__transfer__window_update__pack(&w, packed));
}

static void send_data(struct slot *s)
{
	static uint8_t bytes[70000], packed[70016];
	Containerd__Types__Transfer__Data d = CONTAINERD__TYPES__TRANSFER__DATA__INIT;

	d.data.data = bytes;
	d.data.len = (size_t)next() * (next() & 1 ? 257 : 1);
	send_any(s, "containerd.types.transfer.Data", packed,
		 containerd__types__transfer__data__pack(&d, packed));
}

static void send_raw(struct slot *s)
{
	static const char *const types[] = { "containerd.types.transfer.Data", "",
					     "containerd.types.transfer.WindowUpdate", "other",
					     "containerd.services.streaming.v1.StreamInit" };
	uint8_t bytes[32];
	const char *type = types[next() % COUNT_OF(types)];
	size_t n = next() % sizeof(bytes);

	for (size_t i = 0; i < n; i++)
		bytes[i] = next();
	send_any(s, type, bytes, n);
}

static void close_child(struct proc *p)
{
	for (int i = 0; i < 3; i++)
		auto_close(&p->child[i]);
}

static void drop(struct proc *p)
{
	if (p->claimed)
		io_drop(&p->set);
	if (p->open)
		streams_close(&p->streams);
	close_child(p);
	*p = (struct proc){ .child = { -1, -1, -1 } };
}

static void claim(struct proc *p)
{
	static const char *const urls[] = { "", "stream://s0", "x?streaming_id=s1", "stream://s2",
					    "stream://s3", "stream://", "file:///x", "?a&b" };
	const char *three[3];
	struct err e = { 0 };

	drop(p);
	for (int i = 0; i < 3; i++)
		three[i] = urls[next() % COUNT_OF(urls)];
	p->claimed = io_claim(&fronts.ctd.ios, &p->set, three, &e) == 0;
	if (p->claimed == err_is_set(&e))
		abort();
}

static void attach(struct proc *p)
{
	struct err e = { 0 };

	if (!p->claimed || p->open)
		return;
	if (streams_open(&p->streams, loop, 0, 0, p->child, &e) < 0)
		abort();
	for (int i = 0; i < 3; i++)
		fcntl(p->child[i], F_SETFL, O_NONBLOCK);
	p->open = true;
	io_attach(&p->set, &p->streams);
}

static void work(struct proc *p)
{
	static char bytes[70000];

	if (!p->open || p->exited)
		return;
	(void)!write(p->child[1 + (next() & 1)], bytes, (size_t)next() * (next() & 1 ? 251 : 1));
	if (next() & 1)
		(void)!read(p->child[0], bytes, sizeof(bytes));
}

static void end(struct proc *p)
{
	if (!p->open || p->exited)
		return;
	close_child(p);
	p->exited = true;
	streams_process_exited(&p->streams);
	io_exited(&p->set);
}

static void lose(unsigned int k)
{
	client_free(hosts[k]);
	for (size_t i = 0; i < SLOTS; i++) {
		if (slots[i].s && slots[i].host == k)
			client_stream_free(TAKE_PTR(slots[i].s));
	}
	connect_host(k);
}

static void step(void)
{
	uint8_t what = next();
	struct slot *s = &slots[what >> 4 & (SLOTS - 1)];
	struct proc *p = &procs[what >> 4 & 1];

	switch (what & 15) {
	case 0: case 1: open_slot(s); break;
	case 2: case 3: grant(s); break;
	case 4: case 5: send_data(s); break;
	case 6: send_raw(s); break;
	case 7: if (s->s) client_stream_close_send(s->s); break;
	case 8: case 9: claim(p); break;
	case 10: attach(p); break;
	case 11: work(p); break;
	case 12: end(p); break;
	case 13: drop(p); break;
	case 14: lose(what >> 4 & 1); break;
	case 15: if (p->claimed) io_close_input(&p->set); break;
	}
	if (what & 0x80)
		turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { 0 };

	input = (struct input){ data, data + size };
	loop = loop_new();
	ios_init(&fronts.ctd.ios);
	server = server_new(loop, services, &fronts, SERVER_ANY_PEER, &e);
	if (!loop || !server)
		abort();
	for (size_t i = 0; i < PROCESSES; i++)
		procs[i] = (struct proc){ .child = { -1, -1, -1 } };
	for (unsigned int k = 0; k < HOSTS; k++)
		connect_host(k);
	for (int i = 0; i < 200 && input.at < input.end; i++)
		step();
	turn();
	for (size_t i = 0; i < PROCESSES; i++)
		drop(&procs[i]);
	for (unsigned int k = 0; k < HOSTS; k++)
		lose(k);
	turn();
	if (!list_empty(&fronts.ctd.ios.list) || fronts.ctd.ios.n_waiting)
		abort();
	for (unsigned int k = 0; k < HOSTS; k++)
		client_free(hosts[k]);
	turn();
	server_free(server);
	loop_free(loop);
	return 0;
}
