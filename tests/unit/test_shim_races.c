/* SPDX-License-Identifier: Apache-2.0 */
/* A shim whose containerd, guest and programs do things at the same time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "shim_rig.h"

#define TASK	 "containerd.task.v2.Task"
#define FIRST	 3 /* the first call to the guest, after its stream of events */
#define RETRY_MS 500

static struct shim_rig rig;
static uint8_t buf[8192];
static struct arena a;

static int setup(void **state UNUSED)
{
	clock_fake(1000);
	arena_init(&a, 1u << 20);
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

static void send_all(int fd, const void *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

static void answer_with(int fd, uint32_t stream, int rc, const char *words)
{
	struct envelope_response r = { .rc = rc, .message = words };
	struct frame f = { 0, stream, FRAME_RESPONSE, 0 };
	uint8_t out[512];

	f.length = (uint32_t)envelope_response_size(&r);
	assert_true(FRAME_HEADER + f.length <= sizeof(out));
	frame_encode(&f, out);
	envelope_response_write(&r, out + FRAME_HEADER);
	send_all(fd, out, FRAME_HEADER + f.length);
	rig_turn(&rig);
}

/* The status of the next answer to containerd; -1: there is none. */
static int answered(struct envelope_response *r)
{
	struct err e = { 0 };
	struct frame f;

	if (!rig_next(rig.containerd_fd, &f, buf, sizeof(buf)))
		return -1;
	assert_int_equal(envelope_response_read(&a, buf, f.length, r, &e), 0);
	return r->rc;
}

/* --- the guest's word is not the end of its connection --- */

/* An exec that is killed on its way, as by a Kill of all, is told with a code that a client's own end has,
 * too. */
static void a_process_that_was_killed_on_its_way(void **state UNUSED)
{
	static const struct {
		enum rc rc;
		const char *words;
	} said[] = { { RC_CANCELLED, "killed while it was set up" },
		     { RC_UNAVAILABLE, "no tty" } };
	struct envelope_response r;

	for (uint32_t i = 0; i < COUNT_OF(said); i++) {
		rig_ask(&rig, 1 + 2 * i, TASK, "Start", "a", "e");
		rig_turn(&rig);
		answer_with(rig.calls_fd, FIRST + 2 * i, (int)said[i].rc, said[i].words);
		assert_int_equal(answered(&r), said[i].rc);
		assert_string_equal(r.message, said[i].words);
		assert_int_equal(rig.s.machine, MACHINE_UP);
	}
}

/* --- containerd that goes while it is told --- */

static uint32_t next_event(void)
{
	struct frame f;

	return rig_next(rig.events_fd, &f, buf, sizeof(buf)) ? f.stream : 0;
}

static void an_event_that_containerd_gave_up(void **state UNUSED)
{
	uint32_t stream;

	outbox_tell(&rig.s, "/tasks/exit", "type", (const uint8_t *)"", 0);
	rig_turn(&rig);
	stream = next_event();
	assert_true(stream);
	answer_with(rig.events_fd, stream, RC_CANCELLED, "context canceled");
	assert_int_equal(rig.s.outbox.n, 1);
	auto_close(&rig.events_fd);
	rig.s.outbox.containerd = rig_client(&rig, &rig.events_fd); /* it is there again */
	clock_fake(1000 + RETRY_MS);
	rig_turn(&rig);
	stream = next_event();
	assert_true(stream);
	answer_with(rig.events_fd, stream, RC_OK, "");
	assert_int_equal(rig.s.outbox.n, 0);
}

/* --- a container that is deleted while an exec of it is made --- */

static struct {
	struct timer timer;
	char dir[64], fifo[96];
	int fd;
	bool asked;
} logger;

/* The program that takes the output says that it is ready once the container is gone. */
static void look(struct timer *t)
{
	bool there = proc_find(&rig.s, "a", "x");

	timer_arm(rig.s.loop, t, clock_ms(), look);
	if (there && !logger.asked)
		rig_ask(&rig, 3, TASK, "Delete", "a", "");
	else if (logger.asked && !tasks_find(&rig.s, "a"))
		timer_cancel(t);
	logger.asked |= there;
	if (!t->loop)
		assert_int_equal(write(logger.fd, "\n", 1), 1);
}

static void ask_for_exec(uint32_t id)
{
	const char *url = arena_printf(&a, "binary:///usr/bin/head?-c=1&%s", logger.fifo);
	const struct wire_edit fields[] = { WIRE_TEXT(1, "a"), WIRE_TEXT(2, "x"), WIRE_TEXT(5, url) };
	struct envelope_request q = { .service = TASK, .method = "Exec" };
	struct frame f = { 0, id, FRAME_REQUEST, 0 };

	q.payload.data = wire_edit(&a, (const uint8_t *)"", 0, fields, COUNT_OF(fields), &q.payload.len);
	f.length = (uint32_t)envelope_request_size(&q);
	frame_encode(&f, buf);
	envelope_request_write(&q, buf + FRAME_HEADER);
	send_all(rig.containerd_fd, buf, FRAME_HEADER + f.length);
}

static void deleted_while_an_exec_is_made(void **state UNUSED)
{
	struct envelope_response r;

	memset(&logger, 0, sizeof(logger));
	snprintf(logger.dir, sizeof(logger.dir), "/tmp/mote-shim-XXXXXX");
	assert_non_null(mkdtemp(logger.dir));
	snprintf(logger.fifo, sizeof(logger.fifo), "%s/fifo", logger.dir);
	assert_int_equal(mkfifo(logger.fifo, 0600), 0);
	logger.fd = open(logger.fifo, O_RDWR | O_CLOEXEC);
	assert_true(logger.fd >= 0);
	rig.s.machine = MACHINE_GONE; /* what is asked of it is answered here */
	timer_arm(rig.s.loop, &logger.timer, clock_ms(), look);
	ask_for_exec(1);
	for (int i = 0; i < 100000 && (logger.timer.loop || !list_empty(&rig.s.work)); i++)
		rig_turn_once(&rig);
	rig_turn(&rig);
	assert_int_equal(answered(&r), RC_OK); /* the deletion */
	assert_true(answered(&r) > 0);
	assert_null(tasks_find(&rig.s, "a"));
	waitpid(-1, NULL, 0);
	close(logger.fd);
	unlink(logger.fifo);
	rmdir(logger.dir);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(a_process_that_was_killed_on_its_way),
		TEST(an_event_that_containerd_gave_up),
		TEST(deleted_while_an_exec_is_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
