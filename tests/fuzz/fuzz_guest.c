/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that sends anything, on both of its connections, to a shim that waits for its answers:
 * calls of containerd's that are relayed, events, stdio, and a stream that is passed through.
 *
 * The first byte says how the bytes are torn. Then frames in short form: stream (the highest bit:
 * of the second connection), kind, length, and so many bytes, which by the kind are a frame's
 * payload as it is, the message in a response, a task's event (topic, number, then the message), or
 * a piece of output.
 *
 * containerd gets one answer to each call at most, and none that it did not ask for; what it is told
 * of a process is the host's word where only the host knows; an event is of the pod's containers.
 */
#include <fcntl.h>

#include "base/clock.h"
#include "shim/pump_in.h"
#include "shim/pump_out.h"
#include "shim_rig.h"

#define STREAM_ID  23 /* of containerd's stream */
#define STATE_ID   1
#define STATE_EXEC 3
#define BUDGET     (64u << 10)
#define PIECES     3 /* of a frame, at most: each costs a turn */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct shim_rig rig;
static struct pump_in in;
static struct pump_out out;
static unsigned int answers[STREAM_ID + 1];
static uint8_t buf[FRAME_MAX];

enum kind { KIND_PLAIN, KIND_LIE, KIND_REPLY, KIND_EVENT, KIND_OUTPUT };

/* --- containerd --- */

static void ask(void)
{
	static const struct {
		const char *method, *first, *second;
	} calls[] = { { "State", "a", "" },   { "State", "a", "e" },  { "Wait", "a", "" },
		      { "Start", "a", "e" },  { "Pids", "a", "" },    { "Stats", "a", "" },
		      { "Kill", "a", "" },    { "Delete", "a", "e" }, { "Delete", "a", "" },
		      { "Resume", "a", "" } };
	uint32_t id = 1;

	for (size_t i = 0; i < COUNT_OF(calls); i++, id += 2)
		rig_ask(&rig, id, "containerd.task.v2.Task", calls[i].method, calls[i].first,
			calls[i].second);
	rig_ask(&rig, id, "containerd.runtime.sandbox.v1.Sandbox", "SandboxMetrics", "pod", "");
	rig_must(id + 2 == STREAM_ID);
	rig_ask(&rig, STREAM_ID, "containerd.services.streaming.v1.Streaming", "Stream",
		"containerd.services.streaming.v1.StreamInit", "x");
}

static void check_state(struct arena *a, const struct envelope_response *r)
{
	struct wire_field f;
	const char *bundle = wire_text(a, r->payload.data, r->payload.len, 2, 100);

	rig_must(bundle && str_eq(bundle, "/bundle/a"));
	rig_must(wire_find(r->payload.data, r->payload.len, 3, WIRE_VARINT, &f) == 1 &&
		 f.value == RIG_PID);
}

static void read_answers(void)
{
	struct envelope_response r;
	struct err e = { 0 };
	struct arena a;
	struct frame f;

	while (rig_next(rig.containerd_fd, &f, buf, sizeof(buf))) {
		rig_must(f.stream % 2 && f.stream <= STREAM_ID);
		rig_must(f.type == FRAME_RESPONSE || f.stream == STREAM_ID);
		if (f.type != FRAME_RESPONSE)
			continue;
		rig_must(++answers[f.stream] == 1);
		arena_init(&a, BUDGET);
		rig_must(envelope_response_read(&a, buf, f.length, &r, &e) == 0);
		if (r.rc == 0 && (f.stream == STATE_ID || f.stream == STATE_EXEC))
			check_state(&a, &r);
		arena_fini(&a);
	}
}

/* A ForwardRequest: an envelope of containerd's namespace, with an event of ours. */
static void check_event(struct arena *a, const struct body *b)
{
	struct wire_field envelope, any, event;
	const char *ns, *id;

	rig_must(wire_find(b->data, b->len, 1, WIRE_BYTES, &envelope) == 1);
	ns = wire_text(a, envelope.data, envelope.len, 2, 100);
	rig_must(ns && str_eq(ns, "k8s.io"));
	rig_must(wire_find(envelope.data, envelope.len, 4, WIRE_BYTES, &any) == 1);
	rig_must(wire_find(any.data, any.len, 2, WIRE_BYTES, &event) == 1);
	id = wire_text(a, event.data, event.len, 1, 100);
	rig_must(id && str_eq(id, "a"));
}

static void read_events(void)
{
	uint8_t reply[FRAME_HEADER];
	struct envelope_request q;
	struct err e = { 0 };
	struct arena a;
	struct frame f;

	while (rig_next(rig.events_fd, &f, buf, sizeof(buf))) {
		rig_must(f.type == FRAME_REQUEST);
		arena_init(&a, BUDGET);
		rig_must(envelope_request_read(&a, buf, f.length, &q, &e) == 0);
		check_event(&a, &q.payload);
		arena_fini(&a);
		f = (struct frame){ 0, f.stream, FRAME_RESPONSE, 0 };
		frame_encode(&f, reply);
		rig_must(send(rig.events_fd, reply, sizeof(reply), MSG_NOSIGNAL) ==
			 (ssize_t)sizeof(reply));
		rig_turn(&rig);
	}
}

static void drop(int fd)
{
	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
}

static void turn(void)
{
	rig_turn(&rig);
	read_answers();
	read_events();
	drop(rig.calls_fd);
	drop(rig.streams_fd);
}

/* --- the guest --- */

static uint8_t *put(uint8_t *at, uint32_t number, const void *bytes, size_t n)
{
	at += wire_head(number, n, at);
	memcpy(at, bytes, n);
	return at + n;
}

static size_t spell_event(const uint8_t *data, size_t n, uint8_t *to)
{
	static const char *const topics[] = {
		"create", "start", "exit", "delete", "exec-added", "exec-started", "oom", "paused", "x"
	};
	uint8_t any[400], envelope[600], *at;
	char topic[32];
	int len;

	if (n < 2)
		return 0;
	len = snprintf(topic, sizeof(topic), "/tasks/%s", topics[data[0] % COUNT_OF(topics)]);
	at = put(any, 1, "type", 4);
	at = put(at, 2, data + 2, n - 2);
	n = (size_t)(put(put(envelope, 3, topic, (size_t)len), 4, any, (size_t)(at - any)) -
		     envelope);
	*to = 1 << 3 | WIRE_VARINT;
	to[1] = data[1] & 0x7f;
	return (size_t)(put(to + 2, 2, envelope, n) - to);
}

static size_t spell(enum kind kind, const uint8_t *data, size_t n, uint8_t *to)
{
	size_t head;

	switch (kind) {
	case KIND_REPLY:
		return (size_t)(put(to, 2, data, n) - to);
	case KIND_EVENT:
		return spell_event(data, n, to);
	case KIND_OUTPUT:
		head = pump_write_data_head(n, to);
		memcpy(to + head, data, n);
		return head + n;
	default:
		memcpy(to, data, n);
		return n;
	}
}

/* false: the connection is no more. */
static bool say(int fd, const uint8_t *bytes, size_t len, size_t piece)
{
	piece = MAX(piece, (len + PIECES - 1) / PIECES);
	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, bytes + at, MIN(piece, len - at), MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		at += (size_t)n;
		turn();
	}
	return true;
}

static void talk(const uint8_t *data, size_t size, size_t piece)
{
	uint8_t frame[2048];

	for (size_t at = 0, n; size - at >= 3; at += 3 + n) {
		enum kind kind = data[at + 1] >> 5;
		struct frame f = { 0, data[at] & 0x7f, data[at + 1] & 3, data[at + 1] >> 2 & 7 };

		n = MIN((size_t)data[at + 2], size - at - 3);
		f.length = (uint32_t)spell(kind, data + at + 3, n, frame + FRAME_HEADER);
		size_t len = FRAME_HEADER + f.length;

		if (kind == KIND_LIE)
			f.length += FRAME_MAX - 100;
		frame_encode(&f, frame);
		if (!say(data[at] & 0x80 ? rig.streams_fd : rig.calls_fd, frame, len, piece))
			return;
	}
}

static void begin_pumps(int fds[4])
{
	struct err e = { 0 };

	rig_must(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
	rig_must(pipe2(fds + 2, O_CLOEXEC | O_NONBLOCK) == 0);
	rig_must(write(fds[1], "input", 5) == 5);
	pump_in_init(&in, rig.s.loop, fds[0]);
	pump_out_init(&out, rig.s.loop, fds[3]);
	rig_must(pump_in_begin(&in, rig.s.streams, "a//stdin", &e) == 0);
	rig_must(pump_out_begin(&out, rig.s.streams, "a//stdout", &e) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fds[4];

	if (!size)
		return 0;
	clock_fake(1000);
	memset(answers, 0, sizeof(answers));
	rig_open(&rig);
	begin_pumps(fds);
	ask();
	turn();
	talk(data + 1, size - 1, 1 + data[0] * 4u);
	turn();
	rig_must(rig.s.outbox.n <= OUTBOX_QUEUE);
	pump_in_fini(&in);
	pump_out_fini(&out);
	close(fds[1]);
	close(fds[2]);
	rig_close(&rig);
	rig_must(arena_bytes_in_use() == 0);
	return 0;
}
