/* SPDX-License-Identifier: Apache-2.0 */
/* Values at and beyond their bounds, in the calls of a container's life: a clear answer, and the next
 * call is served. */
#include "lib/cases.h"

#include "base/str.h"

/* The names of directories below the run directory are no container's. */
static void ids_of_the_agents_own(void **state)
{
	static const char *const ids[] = { "sandbox", "shared", "image", "virtual-volumes" };
	struct rig *r = cases_rig;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		struct rig_container what = { 0 };

		assert_rc(r, rig_create(r, ids[i], &what), RC_INVALID_ARGUMENT, ids[i]);
	}
	assert_int_equal(rig_shell(r, "true"), 0);
}

static void odd_ids(void **state)
{
	static char id[2][130];
	const char *bad[] = { "",    ".",	"..",	   "a",	     "a/b",    "-a",	 "_a", "a b",
			      "a\\n", "\u00e9\u00e9", "a:b", "a\\\\b", id[1] };
	struct rig *r = cases_rig;
	const char *own = rig_id(r);
	struct rig_container what = { .args = "[\"true\"]" };

	(void)state;
	memset(id[0], 'i', 128);
	memset(id[1], 'i', 129);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_rc(r, rig_create(r, bad[i], &what), RC_INVALID_ARGUMENT, "bad container id");
	assert_rc(r, rig_call(r, "CreateContainer", "{\"container_id\":\"%s\"}", id[0]),
		  RC_INVALID_ARGUMENT, "the spec is missing");

	what.args = "[\"sleep\",\"1000\"]";
	assert_done(r, rig_run(r, own, &what));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (strlen(bad[i]) != 1 && bad[i][0] != '-' && bad[i][0] != '_' && bad[i][0] != '.')
			assert_rc(r, rig_exec(r, own, bad[i], "true"), RC_INVALID_ARGUMENT,
				  "bad exec id");
	assert_rc(r, rig_exec(r, own, own, "true"), RC_ALREADY_EXISTS, own);
	assert_done(r, rig_exec(r, own, id[0], "exit 3"));
	assert_int_equal(rig_wait(r, own, id[0]), 3);
	assert_done(r, rig_remove(r, own));
}

static int send_signal(struct rig *r, const char *id, const char *exec_id, const char *signal)
{
	return rig_call(r, "SignalProcess",
			"{\"container_id\":\"%s\",\"exec_id\":\"%s\",\"signal\":%s}", id, exec_id,
			signal);
}

static void odd_signals(void **state)
{
	static const char *const bad[] = { "65", "128", "265", "2147483648", "4294967295" };
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sleep\",\"1000\"]" };

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_done(r, rig_exec(r, id, "e", "sleep 1000"));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_rc(r, send_signal(r, id, id, bad[i]), RC_INVALID_ARGUMENT, "no such signal");
	assert_done(r, send_signal(r, id, "e", "0")); /* is it there? */
	assert_done(r, send_signal(r, id, id, "64")); /* the kernel spares a PID 1 without handler */
	assert_done(r, send_signal(r, id, "e", "64"));
	assert_int_equal(rig_wait(r, id, "e"), 128 + 64);
	assert_done(r, send_signal(r, id, "", "9"));
	assert_int_equal(rig_wait(r, id, ""), 137);
	assert_done(r, rig_remove(r, id));
}

static void odd_sizes(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"sh\",\"-c\",\"read x; stty size\"]",
				      .process = ",\"Terminal\":true" };

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_done(r, rig_call(r, "TtyWinResize", "{\"container_id\":\"%s\"}", id));
	assert_done(r, rig_call(r, "TtyWinResize",
				"{\"container_id\":\"%s\",\"row\":4294967295,\"column\":65536}", id));
	assert_done(r, rig_call(r, "WriteStdin", "{\"container_id\":\"%s\",\"data\":\"Cg==\"}", id));
	/* no length asked for is one byte, not the end */
	assert_done(r, rig_call(r, "ReadStdout", "{\"container_id\":\"%s\"}", id));
	assert_output(r, "\"data\":\"");
	assert_false(strstr(r->reply, "\"data\":\"\""));
	assert_done(r, rig_call(r, "ReadStdout", "{\"container_id\":\"%s\",\"len\":4294967295}", id));
	assert_true(rig_read(r, "ReadStdout", id, id) >= 0);
	assert_int_equal(rig_wait(r, id, id), 0);
	assert_done(r, rig_remove(r, id));
}

/* A list of n times the same text, as JSON: "[text,text]". */
static char *list_of(size_t n, const char *text)
{
	size_t len = strlen(text) + 1;
	char *s = malloc(n * len + 2), *at = s;

	assert_non_null(s);
	for (size_t i = 0; i < n; i++) {
		*at = i ? ',' : '[';
		memcpy(at + 1, text, len);
		at += len;
	}
	memcpy(at, "]", 2);
	return s;
}

/* What the kernel takes no more at execve: told by the start, and the container can be removed. */
static void too_much_for_execve(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	size_t n = 3 << 20;
	char *process = malloc(n + 64);
	struct rig_container what = { .args = "[\"true\"]", .process = process };

	(void)state;
	assert_non_null(process);
	memset(process, 'x', n + 64);
	memcpy(process, ",\"Env\":[\"A=", strlen(",\"Env\":[\"A="));
	memcpy(process + n, "\"]", sizeof("\"]"));
	assert_done(r, rig_create(r, id, &what));
	free(process);
	assert_rc(r, rig_call(r, "StartContainer", "{\"container_id\":\"%s\"}", id), RC_INTERNAL,
		  "E2BIG");
	assert_int_equal(rig_wait(r, id, ""), 126);
	assert_done(r, rig_remove(r, id));
}

static void many_of_everything(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	char *env = list_of(5000, "\"NAME=value\"");
	char *mounts = list_of(
		300, "{\"destination\":\"/tmp\",\"type\":\"tmpfs\",\"source\":\"t\"}");
	char *process = malloc(strlen(env) + 64), *spec = malloc(200000);
	struct str s;
	struct rig_container what = { .args = "[\"sh\",\"-c\",\"mount | grep -c ' /tmp '\"]",
				      .process = process,
				      .mounts = mounts,
				      .spec = spec };

	(void)state;
	assert_true(process && spec);
	str_init(&s, process, strlen(env) + 64);
	str_addf(&s, ",\"Env\":%s", env);
	assert_true(str_ok(&s));
	mounts[0] = ',';
	mounts[strlen(mounts) - 1] = '\0';
	str_init(&s, spec, 200000);
	str_add(&s, ",\"Annotations\":{");
	for (int i = 0; i < 5000; i++)
		str_addf(&s, "%s\"key%d\":\"value of it\"", i ? "," : "", i);
	str_add(&s, "}");
	assert_true(str_ok(&s));
	assert_done(r, rig_run(r, id, &what));
	assert_true(rig_read(r, "ReadStdout", id, "") > 0);
	assert_string_equal(r->reply, "300\n");
	assert_int_equal(rig_wait(r, id, ""), 0);
	assert_done(r, rig_remove(r, id));
	free(env);
	free(mounts);
	free(process);
	free(spec);
}

static void answered(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct rig_pending *p = arg;

	(void)payload, (void)len;
	p->err = *e;
	p->done = true;
}

/* A request's bytes as they are. The code. */
static int call_raw(struct rig *r, const char *method, const void *bytes, size_t n)
{
	static struct rig_pending p;

	p.done = false;
	err_clear(&r->err);
	if (client_call(r->client, "grpc.AgentService", method, bytes, n, 20000, answered, &p,
			&r->err) < 0)
		fail_msg("%s: %s", method, r->err.msg);
	rig_await(r, &p);
	r->err = p.err;
	return p.err.rc;
}

/* Four megabytes of the shortest strings: decoded, each takes many times its two bytes. */
static void empty_strings_without_end(void **state)
{
	/* CreateContainerRequest.OCI (6), Process (2), Args (4) */
	static const uint8_t head[] = { 6 << 3 | 2, 0, 0, 0, 0, 2 << 3 | 2, 0, 0, 0, 0 };
	const size_t n = 4000000, sizes[] = { n + 5, n };
	struct rig *r = cases_rig;
	uint8_t *bytes = malloc(sizeof(head) + n);

	(void)state;
	assert_non_null(bytes);
	memcpy(bytes, head, sizeof(head));
	for (size_t i = 0; i < 2; i++) /* varints of four bytes */
		for (size_t k = 0; k < 4; k++)
			bytes[5 * i + 1 + k] = (uint8_t)((sizes[i] >> (7 * k) & 0x7f) | (k < 3 ? 0x80 : 0));
	for (size_t i = 0; i < n; i += 2) {
		bytes[sizeof(head) + i] = 4 << 3 | 2;
		bytes[sizeof(head) + i + 1] = 0;
	}
	assert_rc(r, call_raw(r, "CreateContainer", bytes, sizeof(head) + n), RC_RESOURCE_EXHAUSTED,
		  "memory");
	free(bytes);
	assert_done(r, rig_call(r, "grpc.Health/Check", "{}"));
}

/* Bytes that are no UTF-8: refused where a name is wanted, and never in an answer. */
static void not_utf8(void **state)
{
	static const uint8_t id[] = { 1 << 3 | 2, 4, 'c', 0xff, 0xc0, '1' };
	static const char *const calls[] = { "RemoveContainer", "StartContainer", "WaitProcess",
					     "CreateContainer" };
	struct rig *r = cases_rig;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(calls); i++) {
		assert_int_not_equal(call_raw(r, calls[i], id, sizeof(id)), RC_OK);
		for (const char *s = r->err.msg; *s; s++)
			assert_true(*s >= ' ' && *s <= '~');
	}
}

/* "" where there should be a word. */
static void empty_strings(void **state)
{
	static const struct rig_container bad[] = {
		{ .args = "[\"\"]" },
		{ .mounts = ",{\"destination\":\"\",\"type\":\"\",\"source\":\"\",\"options\":[\"\"]}" },
		{ .mounts = ",{\"destination\":\"/tmp\",\"options\":[\"\"]}" },
		{ .mounts = ",{\"destination\":\"/tmp\",\"type\":\"bind\"}" },
		{ .storages = ",{}" },
		{ .storages = ",{\"driver\":\"local\",\"options\":[\"\"],\"driver_options\":[\"\"]}" },
		{ .linux = ",\"Sysctl\":{\"\":\"\"}" },
		{ .linux = ",\"Devices\":[{}]" },
		{ .linux = ",\"Namespaces\":[{}]" },
		{ .linux = ",\"Seccomp\":{\"Syscalls\":[{}]}" },
		{ .process = ",\"Rlimits\":[{}]" },
		{ .process = ",\"Capabilities\":{\"Bounding\":[\"\"]}" },
	};
	struct rig *r = cases_rig;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		const char *id = rig_id(r);
		int rc = rig_create(r, id, &bad[i]);

		if (rc != RC_INVALID_ARGUMENT)
			fail_msg("%zu: %s: %s", i, err_rc_name(rc), r->err.msg);
		assert_rc(r, rig_remove(r, id), RC_NOT_FOUND, id);
	}
}

const struct CMUnitTest cases_bounds[] = {
	cmocka_unit_test(ids_of_the_agents_own),
	cmocka_unit_test(odd_ids),
	cmocka_unit_test(odd_signals),
	cmocka_unit_test(odd_sizes),
	cmocka_unit_test(too_much_for_execve),
	cmocka_unit_test(many_of_everything),
	cmocka_unit_test(empty_strings_without_end),
	cmocka_unit_test(empty_strings),
	cmocka_unit_test(not_utf8),
	{ 0 },
};

/* For namespaces: the agent is asked what it holds. */
/* A mount point has one spelling, whatever the host's: mounted once, and found as the rootfs. */
static void mount_points_spelled_otherwise(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	char storages[1024];
	struct rig_container what = { .root = "/run/kata-containers/none",
				      .args = "[\"sleep\",\"100\"]",
				      .storages = storages };
	struct rig_status before, after;

	(void)state;
#define LAYER "{\"driver\":\"overlayfs\",\"fstype\":\"overlay\",\"mount_point\":"
#define LOWER ",\"options\":[\"lowerdir=%s\",\"io.katacontainers.fs-opt.overlay-rw\"]}"
	snprintf(storages, sizeof(storages),
		 LAYER "\"/run/kata-containers//%s/./rootfs/\"" LOWER "," LAYER
		       "\"/run/kata-containers/%s/rootfs\"" LOWER,
		 id, r->rootfs, id, r->rootfs);
	assert_int_equal(rig_status(r, &before), 0);
	assert_done(r, rig_run(r, id, &what));
	assert_int_equal(rig_status(r, &after), 0);
	assert_int_equal(after.storages, before.storages + 1);
	assert_done(r, rig_remove(r, id));
	assert_int_equal(rig_status(r, &after), 0);
	assert_int_equal(after.storages, before.storages);
}

const struct CMUnitTest cases_spelling[] = {
	cmocka_unit_test(mount_points_spelled_otherwise),
	{ 0 },
};
