/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that mean harm, each beside one that means well: after every attack the good one is still
 * served on the connection it had, and a new one can connect.
 */
#include "lib/cases.h"

#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "ttrpc/frame.h"

#define LIMIT_MS 60000 /* against hangs only */

static void still_served(struct rig *r)
{
	struct client *fresh;

	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
	fresh = rig_connect(r);
	if (!fresh)
		fail_msg("connect: %s", r->err.msg);
	assert_done(r, rig_call_on(r, fresh, 10000, "grpc.Health/Check", "{}"));
	client_free(fresh);
}

static int raw(struct rig *r)
{
	int fd = rig_connect_raw(r);

	if (fd < 0)
		fail_msg("connect: %s", r->err.msg);
	return fd;
}

static void put_header(uint8_t *out, uint32_t length, uint32_t stream, uint8_t type, uint8_t flags)
{
	frame_encode(&(struct frame){ length, stream, type, flags }, out);
}

/* As much as the socket takes; the peer may hang up. */
static void push(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		struct pollfd pfd = { .fd = fd, .events = POLLOUT };
		ssize_t k;

		if (poll(&pfd, 1, LIMIT_MS) <= 0)
			return;
		k = send(fd, p, MIN(n, (size_t)32768), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (k < 0 && errno != EAGAIN)
			return;
		if (k > 0) {
			p += k;
			n -= (size_t)k;
		}
	}
}

/* The header of the answer; false: hung up, or nothing comes. */
static bool take_header(int fd, struct frame *f)
{
	uint8_t h[FRAME_HEADER];
	size_t n = 0;

	while (n < sizeof(h)) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		ssize_t k;

		if (poll(&pfd, 1, LIMIT_MS) <= 0)
			return false;
		k = recv(fd, h + n, sizeof(h) - n, MSG_DONTWAIT);
		if (k == 0 || (k < 0 && errno != EAGAIN))
			return false;
		n += k > 0 ? (size_t)k : 0;
	}
	frame_decode(h, f);
	return true;
}

/* The body too: a vsock device that finds unread bytes when its client hangs up may never tell the
 * guest. */
static bool take_answer(int fd, struct frame *f)
{
	char body[256];

	if (!take_header(fd, f))
		return false;
	for (uint32_t left = f->length; left;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		ssize_t k = poll(&pfd, 1, LIMIT_MS) > 0
				    ? recv(fd, body, MIN((size_t)left, sizeof(body)), MSG_DONTWAIT)
				    : 0;

		if (k <= 0)
			return false;
		left -= (uint32_t)k;
	}
	return true;
}

/* A whole Health.Check request as one frame; its length. */
static size_t check_frame(uint8_t *out, uint32_t stream)
{
	static const char body[] = "\x0a\x0bgrpc.Health\x12\x05"
				   "Check";

	put_header(out, sizeof(body) - 1, stream, FRAME_REQUEST, 0);
	memcpy(out + FRAME_HEADER, body, sizeof(body) - 1);
	return FRAME_HEADER + sizeof(body) - 1;
}

static void torn_frames(void **state)
{
	struct rig *r = cases_rig;
	uint8_t buf[64];
	size_t n = check_frame(buf, 1);
	struct frame f;

	(void)state;
	for (size_t cut = 0; cut < n; cut++) {
		AUTO_FD fd = raw(r);

		push(fd, buf, cut); /* and hang up */
	}
	{
		AUTO_FD fd = raw(r);

		for (size_t i = 0; i < n; i++)
			push(fd, buf + i, 1);
		assert_true(take_answer(fd, &f));
		assert_int_equal(f.stream, 1);
		assert_int_equal(f.type, FRAME_RESPONSE);
	}
	still_served(r);
}

/* Above 4 MiB: read, thrown away, refused, and the connection goes on. */
static void oversized_frame(void **state)
{
	static uint8_t chunk[65536];
	struct rig *r = cases_rig;
	AUTO_FD fd = raw(r);
	uint8_t buf[64];
	struct frame f;
	size_t n;

	(void)state;
	put_header(buf, FRAME_MAX + 1, 1, FRAME_REQUEST, 0);
	push(fd, buf, FRAME_HEADER);
	for (size_t left = FRAME_MAX + 1; left; left -= MIN(left, sizeof(chunk)))
		push(fd, chunk, MIN(left, sizeof(chunk)));
	assert_true(take_header(fd, &f));
	assert_int_equal(f.stream, 1);
	while (f.length) {
		ssize_t k = recv(fd, chunk, MIN((size_t)f.length, sizeof(chunk)), 0);

		if (k <= 0 && errno != EAGAIN)
			fail_msg("hung up");
		f.length -= k > 0 ? (uint32_t)k : 0;
	}
	n = check_frame(buf, 3);
	push(fd, buf, n);
	assert_true(take_answer(fd, &f));
	assert_int_equal(f.stream, 3);
	still_served(r);
}

/* A length of 4 GiB promised, little sent, and left hanging beside many others of its kind. */
static void endless_frames(void **state)
{
	struct rig *r = cases_rig;
	int fds[40];
	uint8_t buf[FRAME_HEADER];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = raw(r);
		put_header(buf, i % 2 ? UINT32_MAX : FRAME_MAX, 1, FRAME_REQUEST, 0);
		push(fds[i], buf, sizeof(buf));
		push(fds[i], "some", 4);
	}
	still_served(r);
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		auto_close(&fds[i]);
	still_served(r);
}

static void random_bytes(void **state)
{
	struct rig *r = cases_rig;
	uint64_t x = 88172645463325252u;

	(void)state;
	for (int round = 0; round < 50; round++) {
		AUTO_FD fd = raw(r);
		uint8_t buf[2048];

		for (size_t i = 0; i < sizeof(buf); i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			buf[i] = (uint8_t)x;
		}
		if (round % 2) /* a sane header, so that the garbage reaches the envelope */
			put_header(buf, 1000, (uint32_t)(round | 1), FRAME_REQUEST,
				   (uint8_t)(round % 8));
		push(fd, buf, sizeof(buf));
	}
	still_served(r);
}

static void wrong_streams(void **state)
{
	struct rig *r = cases_rig;
	AUTO_FD fd = raw(r);
	uint8_t buf[64];
	struct frame f;
	size_t n;

	(void)state;
	n = check_frame(buf, 2); /* even ids are not a client's */
	push(fd, buf, n);
	assert_true(take_answer(fd, &f));
	assert_int_equal(f.stream, 2);
	assert_int_equal(f.type, FRAME_RESPONSE);
	still_served(r);
}

/* No time limit at all, whatever its number says; the longest one is none too soon. */
static void odd_timeouts(void **state)
{
	static const int64_t timeouts[] = { -1, INT64_MIN, INT64_MAX, INT64_MAX - 1 };
	struct rig *r = cases_rig;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(timeouts); i++) {
		AUTO_FD fd = raw(r);
		uint8_t buf[64], body = 0;
		size_t n = check_frame(buf, 1);
		struct frame f;

		buf[n++] = 4 << 3; /* timeout_nano */
		for (uint64_t v = (uint64_t)timeouts[i]; v || !body; v >>= 7) {
			body = v >> 7 == 0;
			buf[n++] = (uint8_t)((v & 0x7f) | (body ? 0 : 0x80));
		}
		put_header(buf, (uint32_t)(n - FRAME_HEADER), 1, FRAME_REQUEST, 0);
		push(fd, buf, n);
		assert_true(take_header(fd, &f));
		assert_true(f.length > 0);
		while (recv(fd, &body, 1, 0) < 0 && errno == EAGAIN)
			;
		assert_int_equal(body, 2 << 3 | 2); /* the reply's payload, and no status before it */
	}
	still_served(r);
}

static void many_connections(void **state)
{
	struct rig *r = cases_rig;
	int fds[200];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		fds[i] = raw(r);
	still_served(r);
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		uint8_t buf[64];
		struct frame f;

		push(fds[i], buf, check_frame(buf, 1));
		if (!take_answer(fds[i], &f))
			fail_msg("connection %zu is not served", i);
	}
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		auto_close(&fds[i]);
	still_served(r);
}

/* Asks and asks and never reads an answer. */
static void never_reads(void **state)
{
	struct rig *r = cases_rig;
	AUTO_FD fd = raw(r);
	uint8_t buf[64];

	(void)state;
	for (uint32_t stream = 1; stream < 200000; stream += 2) {
		struct pollfd pfd = { .fd = fd, .events = POLLOUT };
		size_t n = check_frame(buf, stream);

		if (poll(&pfd, 1, 0) <= 0 ||
		    send(fd, buf, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
			break;
	}
	still_served(r);
}

/* The connection is cut in the middle of each call; what the call was about lives on or is gone,
 * and nothing hangs. */
static void cut_in_each_call(void **state)
{
	static const char *const calls[][2] = {
		{ "WaitProcess", "{\"container_id\":\"%s\"}" },
		{ "ReadStdout", "{\"container_id\":\"%s\",\"len\":10}" },
		{ "ReadStderr", "{\"container_id\":\"%s\",\"len\":10}" },
		{ "WriteStdin", "{\"container_id\":\"%s\",\"data\":\"aGVsbG8K\"}" },
		{ "CloseStdin", "{\"container_id\":\"%s\"}" },
		{ "TtyWinResize", "{\"container_id\":\"%s\"}" },
		{ "StartContainer", "{\"container_id\":\"%s\"}" },
		{ "ExecProcess",
		  "{\"container_id\":\"%s\",\"exec_id\":\"cut\",\"process\":{\"Args\":[\"true\"],\"Cwd\":\"/\"}}" },
		{ "SignalProcess", "{\"container_id\":\"%s\",\"signal\":12}" },
		{ "CreateContainer",
		  "{\"container_id\":\"%s-2\",\"OCI\":{\"Linux\":{},\"Root\":{\"Path\":\"/x\"}}}" },
		{ "GetGuestDetails", "{\"mem_block_size\":true}" },
		{ "RemoveContainer", "{\"container_id\":\"%s\"}" },
	};
	struct rig *r = cases_rig;
	static struct rig_pending p;
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"trap : USR2; while :; do sleep 1000; done\"]"
	};
	const char *id = rig_id(r);

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	for (size_t i = 0; i < COUNT_OF(calls); i++) {
		struct client *c = rig_connect(r);

		assert_non_null(c);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-security"
		rig_send(r, c, 10000, &p, calls[i][0], calls[i][1], id);
#pragma GCC diagnostic pop
		loop_once(r->loop, 0); /* the request leaves */
		client_free(c);
		still_served(r);
	}
	/* the removal whose asker has gone is carried out all the same, or is waited for here */
	for (uint64_t end = clock_after(LIMIT_MS); rig_remove(r, id) != RC_NOT_FOUND && clock_ms() < end;)
		;
	assert_rc(r, r->err.rc, RC_NOT_FOUND, id);
}

/* A container leaves a link in a volume that others will have: it leads nobody out of it. */
static void links_in_a_volume(void **state)
{
#define VOLUME "/run/kata-containers/shared/containers/attacked"
	static const char local[] =
		",{\"driver\":\"local\",\"fstype\":\"local\",\"mount_point\":\"" VOLUME "\"}";
	static const char below[] =
		",{\"driver\":\"local\",\"fstype\":\"local\",\"options\":[\"mode=0777\"],"
		"\"mount_point\":\"" VOLUME "/root/tmp/made\"}";
	static const char *const sources[] = { VOLUME, VOLUME "/root", VOLUME "/root/etc" };
	struct rig *r = cases_rig;
	char mounts[256];
	struct rig_container what = { .args = "[\"ln\",\"-s\",\"/\",\"/volume/root\"]",
				      .storages = local,
				      .mounts = mounts };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sources); i++) {
		const char *id = rig_id(r);

		snprintf(mounts, sizeof(mounts),
			 ",{\"destination\":\"/volume\",\"type\":\"bind\",\"source\":\"%s\","
			 "\"options\":[\"rbind\"]}",
			 sources[i]);
		if (i) {
			assert_rc(r, rig_create(r, id, &what), RC_PERMISSION_DENIED, "symbolic link");
			continue;
		}
		assert_done(r, rig_run(r, id, &what));
		assert_int_equal(rig_wait(r, id, ""), 0);
		assert_done(r, rig_remove(r, id));
	}
	what.storages = below;
	what.mounts = "";
	assert_rc(r, rig_create(r, rig_id(r), &what), RC_PERMISSION_DENIED, "symbolic link");
}

/* A container that may write its own cgroups makes them as deep as it can, and as many. */
static void cgroups_without_end(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = {
		.args = "[\"sh\",\"-c\",\"cd /own; for i in 1 2 3 4 5; do for k in 1 2 3 4 5 6 7 8 9; do"
			" mkdir g && cd g || exit 0; done; done\"]",
		.mounts = ",{\"destination\":\"/own\",\"type\":\"cgroup\",\"source\":\"cgroup\",\"options\":[\"rw\"]}",
	};

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
	if (r->kind == RIG_NAMESPACES) {
		char path[128];

		snprintf(path, sizeof(path), "/proc/%d/root/sys/fs/cgroup/mote-test/%s",
			 (int)r->agent_pid, id);
		assert_int_equal(access(path, F_OK), -1);
	}
}

const struct CMUnitTest cases_hostile[] = {
	cmocka_unit_test(torn_frames),
	cmocka_unit_test(oversized_frame),
	cmocka_unit_test(endless_frames),
	cmocka_unit_test(random_bytes),
	cmocka_unit_test(wrong_streams),
	cmocka_unit_test(odd_timeouts),
	cmocka_unit_test(many_connections),
	cmocka_unit_test(never_reads),
	cmocka_unit_test(cut_in_each_call),
	cmocka_unit_test(links_in_a_volume),
	cmocka_unit_test(cgroups_without_end),
	{ 0 },
};
