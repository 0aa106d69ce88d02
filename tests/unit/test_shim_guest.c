/* SPDX-License-Identifier: Apache-2.0 */
/* A shim between containerd and a guest that says what it was not asked, too much, or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "shim_rig.h"

#define TASK    "containerd.task.v2.Task"
#define SANDBOX "containerd.runtime.sandbox.v1.Sandbox"
#define EVENTS  1 /* the stream of the guest's events */
#define FIRST   3 /* the first call to the guest after it */

static struct shim_rig rig;
static uint8_t buf[FRAME_MAX];
static struct arena a;

static int setup(void **state UNUSED)
{
	clock_fake(1000);
	arena_init(&a, 8u << 20);
	rig_open(&rig);
	rig_turn(&rig);
	return 0;
}

static int teardown(void **state UNUSED)
{
	rig_close(&rig);
	arena_fini(&a);
	clock_fake(CLOCK_NEVER);
	assert_int_equal(arena_bytes_in_use(), 0);
	return 0;
}

/* --- the guest --- */

static void say(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	while (len) {
		ssize_t n = send(rig.calls_fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			rig_turn(&rig);
			continue;
		}
		assert_true(n > 0);
		at += n;
		len -= (size_t)n;
	}
}

static void say_frame(uint32_t stream, uint8_t type, const void *payload, size_t len)
{
	const struct frame f = { (uint32_t)len, stream, type, 0 };
	uint8_t head[FRAME_HEADER];

	frame_encode(&f, head);
	say(head, sizeof(head));
	say(payload, len);
	rig_turn(&rig);
}

static void reply(uint32_t stream, const void *payload, size_t len)
{
	struct envelope_response r = { .payload = { .data = payload, .len = len }, .message = "" };
	uint8_t out[512];

	assert_true(envelope_response_size(&r) <= sizeof(out));
	envelope_response_write(&r, out);
	say_frame(stream, FRAME_RESPONSE, out, envelope_response_size(&r));
}

/* An event of container `id`, whose process is `exec`, with `extra` bytes of a field that nobody knows. */
static void tell(uint64_t seq, const char *topic, const char *id, const char *exec, size_t extra)
{
	static const char junk[FRAME_MAX / 2];
	const uint8_t *none = (const uint8_t *)"";
	const struct wire_edit event[] = { WIRE_TEXT(1, id),
					   WIRE_TEXT(2, exec),
					   { .number = 4, .value = 5 },
					   { .number = 99, .data = junk, .len = extra } };
	struct wire_edit any[] = { WIRE_TEXT(1, "type"), { .number = 2 } };
	struct wire_edit envelope[] = { WIRE_TEXT(3, topic), { .number = 4 } };
	struct wire_edit out[] = { { .number = 1, .value = seq }, { .number = 2 } };
	struct arena own;
	uint8_t *text;
	size_t len;

	arena_init(&own, 24u << 20);
	any[1].data = wire_edit(&own, none, 0, event, COUNT_OF(event), &any[1].len);
	envelope[1].data = wire_edit(&own, none, 0, any, COUNT_OF(any), &envelope[1].len);
	out[1].data = wire_edit(&own, none, 0, envelope, COUNT_OF(envelope), &out[1].len);
	text = wire_edit(&own, none, 0, out, COUNT_OF(out), &len);
	assert_non_null(text);
	say_frame(EVENTS, FRAME_DATA, text, len);
	arena_fini(&own);
}

/* What the guest was asked last: its stream, and the method as text that must not be freed. */
static uint32_t asked(char method[64])
{
	struct envelope_request q;
	struct err e = { 0 };
	struct frame f = { 0 };
	uint32_t stream = 0;

	*method = '\0';
	while (rig_next(rig.calls_fd, &f, buf, sizeof(buf))) {
		assert_int_equal(envelope_request_read(&a, buf, f.length, &q, &e), 0);
		snprintf(method, 64, "%s", q.method);
		stream = f.stream;
	}
	return stream;
}

/* --- containerd --- */

static void ask(uint32_t id, const char *method, const char *exec)
{
	rig_ask(&rig, id, TASK, method, "a", exec);
	rig_turn(&rig);
}

/* The status of the next answer, which is the one to `id`; -1: there is none. */
static int answer(uint32_t id, struct envelope_response *r)
{
	struct err e = { 0 };
	struct frame f;

	if (!rig_next(rig.containerd_fd, &f, buf, sizeof(buf)))
		return -1;
	assert_int_equal(f.type, FRAME_RESPONSE);
	assert_int_equal(f.stream, id);
	assert_int_equal(envelope_response_read(&a, arena_memdup(&a, buf, f.length), f.length, r, &e), 0);
	return r->rc;
}

/* containerd takes the next event: its topic and process; "": none. */
static const char *take_event(void)
{
	static char text[600];
	struct wire_field f, event;
	struct envelope_request q;
	uint8_t head[FRAME_HEADER];
	struct err e = { 0 };
	struct frame in;

	if (!rig_next(rig.events_fd, &in, buf, sizeof(buf)))
		return "";
	assert_int_equal(envelope_request_read(&a, arena_memdup(&a, buf, in.length), in.length, &q, &e), 0);
	assert_int_equal(wire_find(q.payload.data, q.payload.len, 1, WIRE_BYTES, &f), 1);
	assert_string_equal(wire_text(&a, f.data, f.len, 2, 99), "k8s.io");
	assert_int_equal(wire_find(f.data, f.len, 4, WIRE_BYTES, &event), 1);
	assert_int_equal(wire_find(event.data, event.len, 2, WIRE_BYTES, &event), 1);
	assert_string_equal(wire_text(&a, event.data, event.len, 1, 99), "a");
	snprintf(text, sizeof(text), "%s %s", wire_text(&a, f.data, f.len, 3, 99),
		 wire_text(&a, event.data, event.len, 2, 99));
	in = (struct frame){ 0, in.stream, FRAME_RESPONSE, 0 };
	frame_encode(&in, head);
	assert_int_equal(send(rig.events_fd, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
	rig_turn(&rig);
	return text;
}

/* --- replies --- */

static void replies_never_asked_for_go_nowhere(void **state UNUSED)
{
	struct envelope_response r;

	ask(1, "Pids", "");
	reply(99, "x", 1);
	reply(2, "x", 1);
	reply(0, "x", 1);
	reply(UINT32_MAX, "x", 1);
	say_frame(FIRST, FRAME_REQUEST, "x", 1);
	say_frame(FIRST, 77, "x", 1);
	assert_int_equal(answer(1, &r), -1);
	reply(FIRST, "\x0a\x00", 2);
	reply(FIRST, "\x0a\x00", 2);
	assert_int_equal(answer(1, &r), 0);
	assert_int_equal(answer(1, &r), -1);
	assert_int_equal(rig.s.machine, MACHINE_UP);
}

static void a_reply_that_is_too_long_fails_its_call(void **state UNUSED)
{
	const struct frame f = { FRAME_MAX + 1, FIRST, FRAME_RESPONSE, 0 };
	struct envelope_response r;
	uint8_t head[FRAME_HEADER];

	ask(1, "Stats", "");
	ask(3, "Pids", "");
	frame_encode(&f, head);
	say(head, sizeof(head));
	say(buf, FRAME_MAX);
	say("x", 1);
	rig_turn(&rig);
	assert_int_equal(answer(1, &r), RC_RESOURCE_EXHAUSTED);
	reply(FIRST + 2, "\x0a\x00", 2);
	assert_int_equal(answer(3, &r), 0);
}

static void junk_fails_its_call(void **state UNUSED)
{
	struct envelope_response r;

	ask(1, "Stats", "");
	ask(3, "State", "");
	ask(5, "Pids", "");
	say_frame(FIRST, FRAME_RESPONSE, "\x12\x7fx", 3);
	assert_true(answer(1, &r) > 0);
	reply(FIRST + 2, "\x0a\x7fx", 3); /* what is edited on the way must be a message */
	assert_int_equal(answer(3, &r), RC_INTERNAL);
	say_frame(FIRST + 4, FRAME_DATA, "x", 1);
	assert_int_equal(answer(5, &r), RC_INTERNAL);
	assert_int_equal(rig.s.machine, MACHINE_UP);
}

static void paths_and_pids_are_the_hosts(void **state UNUSED)
{
	/* bundle, pid, stdout */
	static const char said[] = "\x0a\x01" "a\x12\x04/etc\x18\x01\x32\x04/dev";
	struct envelope_response r;
	struct wire_field f;

	ask(1, "State", "");
	reply(FIRST, said, sizeof(said) - 1);
	assert_int_equal(answer(1, &r), 0);
	assert_string_equal(wire_text(&a, r.payload.data, r.payload.len, 2, 99), "/bundle/a");
	assert_string_equal(wire_text(&a, r.payload.data, r.payload.len, 6, 99), "/fifo");
	assert_int_equal(wire_find(r.payload.data, r.payload.len, 3, WIRE_VARINT, &f), 1);
	assert_int_equal(f.value, RIG_PID);
}

/* --- events --- */

static void events_of_others_stay_here(void **state UNUSED)
{
	tell(1, "/tasks/exit", "z", "z", 0);
	tell(2, "/tasks/exit", "../a", "", 0);
	tell(3, "/tasks/exit", "a", "nobody", 0);
	tell(4, "/images/delete", "a", "a", 0);
	tell(5, "/tasks/delete", "z", "", 0);
	assert_string_equal(take_event(), "");
	tell(6, "/tasks/exit", "a", "e", 0);
	assert_string_equal(take_event(), "/tasks/exit e");
	tell(6, "/tasks/exit", "a", "a", 0); /* not a new one */
	tell(5, "/tasks/exit", "a", "a", 0);
	tell(7, "/tasks/exit", "a", "e", 0); /* it has ended already */
	assert_string_equal(take_event(), "");
	assert_int_equal(rig.s.machine, MACHINE_UP);
}

static void a_large_event_is_none(void **state UNUSED)
{
	tell(1, "/tasks/exit", "a", "e", FRAME_MAX / 2);
	tell(2, "/tasks/oom", "a", "", 20000);
	assert_string_equal(take_event(), "");
	tell(3, "/tasks/exit", "a", "e", 100);
	assert_string_equal(take_event(), "/tasks/exit e");
}

/* containerd takes none: the guest is listened to no more, until there is room. */
static void flood(size_t extra)
{
	char method[64];
	size_t kept;

	asked(method);
	for (uint64_t i = 1; i <= 4 * OUTBOX_QUEUE; i++)
		tell(i, "/tasks/oom", "a", "", extra);
	kept = rig.s.outbox.n;
	assert_null(rig.s.outbox.stream);
	assert_true(kept > 0 && kept <= OUTBOX_QUEUE);
	assert_true(rig.s.outbox.bytes <= OUTBOX_BYTES + 20000);
	assert_int_equal(rig.s.outbox.seen, kept);
	for (size_t i = 0; i < kept; i++)
		assert_string_equal(take_event(), "/tasks/oom ");
	assert_int_equal(rig.s.outbox.bytes, 0);
	assert_non_null(rig.s.outbox.stream);
	assert_true(asked(method) > EVENTS);
}

static void a_flood_of_events(void **state UNUSED)
{
	flood(0);
}

static void a_flood_of_large_events(void **state UNUSED)
{
	flood(10000);
}

/* --- the end --- */

static void a_guest_that_ends_its_events_is_lost(void **state UNUSED)
{
	struct envelope_response r;
	struct wire_field f;

	ask(1, "Wait", "");
	say_frame(EVENTS, FRAME_RESPONSE, "", 0);
	assert_int_equal(rig.s.machine, MACHINE_GONE);
	assert_null(rig.s.streams); /* cleared away, without anybody's asking */
	rig_turn(&rig);
	assert_string_equal(take_event(), "/tasks/exit e");
	assert_string_equal(take_event(), "/tasks/exit a");
	client_free(TAKE_PTR(rig.calls)); /* as the machine's end does */
	rig_turn(&rig);
	assert_int_equal(answer(1, &r), 0);
	assert_int_equal(wire_find(r.payload.data, r.payload.len, 1, WIRE_VARINT, &f), 1);
	assert_int_equal(f.value, STATUS_LOST);
}

/* --- containerd's own --- */

/* Shutdown is said once, when others are still there: the last one's deletion ends the server. */
static void it_ends_with_its_last_container(void **state UNUSED)
{
	struct envelope_response r;

	rig.s.sandbox.created = false;
	ask(1, "Shutdown", "");
	assert_int_equal(answer(1, &r), 0);
	assert_false(rig.s.done);
	ask(3, "Delete", "");
	reply(FIRST, "\x10\x05", 2);
	assert_int_equal(answer(3, &r), 0);
	assert_true(rig.s.done);
}

static void a_sandbox_ends_by_its_own_call(void **state UNUSED)
{
	struct envelope_response r;

	ask(1, "Shutdown", "");
	assert_int_equal(answer(1, &r), 0);
	ask(3, "Delete", "");
	reply(FIRST, "\x10\x05", 2);
	assert_int_equal(answer(3, &r), 0);
	assert_false(rig.s.done);
	rig_ask(&rig, 5, SANDBOX, "PingSandbox", "pod", "");
	rig_turn(&rig);
	assert_int_equal(answer(5, &r), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(replies_never_asked_for_go_nowhere),
		TEST(a_reply_that_is_too_long_fails_its_call),
		TEST(junk_fails_its_call),
		TEST(paths_and_pids_are_the_hosts),
		TEST(events_of_others_stay_here),
		TEST(a_large_event_is_none),
		TEST(a_flood_of_events),
		TEST(a_flood_of_large_events),
		TEST(a_guest_that_ends_its_events_is_lost),
		TEST(it_ends_with_its_last_container),
		TEST(a_sandbox_ends_by_its_own_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
