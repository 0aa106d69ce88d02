/* SPDX-License-Identifier: Apache-2.0 */
/* A config.json of containerd on its way into the guest, and the guest's events on their way out.
 */
#include <setjmp.h>
#include <stdarg.h>

#include "shim/bundle.h"
#include "shim/event_text.h"
#include "ttrpc/wire.h"

#include <cmocka.h>

static struct arena a;
static struct err e;

static int setup(void **state UNUSED)
{
	arena_init(&a, 4u << 20);
	err_clear(&e);
	return 0;
}

static int teardown(void **state UNUSED)
{
	arena_fini(&a);
	return 0;
}

static int parse(struct bundle *b, const char *text)
{
	err_clear(&e);
	return bundle_parse(&a, text, strlen(text), b, &e);
}

/* --- what the host has to know --- */

static void annotations(void **state UNUSED)
{
	struct bundle b;

	assert_int_equal(
		parse(&b,
		      "{\"hostname\":\"h\",\"annotations\":{\"io.kubernetes.cri.container-type\":\"container\","
		      "\"io.kubernetes.cri.sandbox-id\":\"pod\",\"io.kubernetes.cri.sandbox-memory\":\"1048576\","
		      "\"io.kubernetes.cri.sandbox-cpu-quota\":\"150000\",\"io.kubernetes.cri.sandbox-cpu-period\":\"100000\"},"
		      "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\",\"path\":\"/run/netns/x\"}]}}"),
		0);
	assert_string_equal(b.sandbox_id, "pod");
	assert_false(b.is_pause);
	assert_string_equal(b.netns, "/run/netns/x");
	assert_string_equal(b.hostname, "h");
	assert_int_equal(b.memory, 1 << 20);
	assert_int_equal(b.cpus, 2);
	assert_int_equal(
		parse(&b,
		      "{\"annotations\":{\"io.kubernetes.cri-o.ContainerType\":\"sandbox\",\"io.kubernetes.cri-o.SandboxID\":\"s\"}}"),
		0);
	assert_string_equal(b.sandbox_id, "s");
	assert_true(b.is_pause);
}

static void root_and_namespace(void **state UNUSED)
{
	struct bundle b;

	assert_int_equal(parse(&b, "{\"root\":{\"path\":\"/r\"},\"linux\":{\"namespaces\":[{\"type\":\"network\"}]}}"), 0);
	assert_string_equal(b.root, "/r");
	assert_true(b.makes_netns);
	assert_int_equal(parse(&b, "{\"root\":[],\"linux\":{\"namespaces\":[{\"type\":\"pid\"}]}}"), 0);
	assert_string_equal(b.root, "");
	assert_false(b.makes_netns);
}

static void hooks_of_the_host(void **state UNUSED)
{
	static const struct {
		const char *hooks;
		unsigned int want;
	} rows[] = {
		{ "{}", 0 },
		{ "[]", 0 },
		{ "{\"prestart\":[],\"poststop\":{}}", 0 },
		{ "{\"prestart\":[{}]}", BUNDLE_HOOKS_CREATE },
		{ "{\"createRuntime\":[{}],\"createContainer\":[{}]}", BUNDLE_HOOKS_CREATE },
		{ "{\"startContainer\":[{}],\"createContainer\":[{}]}", 0 },
		{ "{\"poststart\":[{}],\"poststop\":[{}]}", BUNDLE_HOOKS_STARTED | BUNDLE_HOOKS_STOPPED },
	};
	struct bundle b;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(parse(&b, arena_printf(&a, "{\"hooks\":%s}", rows[i].hooks)), 0);
		assert_int_equal(b.hooks, rows[i].want);
	}
}

/* The wrong type, or a text with a zero byte inside, is as good as nothing. */
static void annotations_that_are_none(void **state UNUSED)
{
	static const char *const cases[] = {
		"{}",
		"[]",
		"3",
		"{\"annotations\":[]}",
		"{\"annotations\":{\"io.kubernetes.cri.sandbox-id\":\"alone\"}}",
		"{\"annotations\":{\"io.kubernetes.cri.container-type\":\"container\",\"io.kubernetes.cri.sandbox-id\":7}}",
		"{\"annotations\":{\"io.kubernetes.cri.container-type\":\"container\",\"io.kubernetes.cri.sandbox-id\":\"a\\u0000b\"}}",
		"{\"linux\":{\"namespaces\":{\"type\":\"network\"}}}",
		"{\"annotations\":{\"io.kubernetes.cri.sandbox-cpu-quota\":\"-1\",\"io.kubernetes.cri.sandbox-cpu-period\":\"1\"}}",
	};
	struct bundle b;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(parse(&b, cases[i]), 0);
		assert_string_equal(b.sandbox_id, "");
		assert_string_equal(b.netns, "");
		assert_int_equal(b.cpus, 0);
	}
	assert_int_equal(parse(&b, "{"), -1);
}

/* --- what the guest gets --- */

static const char *carry(void *arg UNUSED, size_t number, const char *source, struct err *x)
{
	if (str_eq(source, "/none")) {
		err_set(x, RC_NOT_FOUND, "not there");
		return NULL;
	}
	return arena_printf(&a, "guest:%zu:%s", number, source);
}

static const char *changed(const char *text, const char *pod)
{
	struct bundle b;
	size_t len;

	assert_int_equal(parse(&b, text), 0);
	return bundle_for_guest(&a, &b, pod, carry, NULL, &len, &e);
}

static void mounts(void **state UNUSED)
{
	assert_string_equal(
		changed("{\"hooks\":{\"prestart\":[{}],\"startContainer\":[{}],\"createContainer\":[{}]},\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
			"{\"destination\":\"/v\",\"type\":\"bind\",\"source\":\"/host/v\"},"
			"{\"destination\":\"/s\",\"type\":\"bind\",\"source\":\"/sys/x\"},"
			"{\"destination\":\"/w\",\"type\":\"none\",\"source\":\"/w\",\"options\":[\"rbind\",\"ro\"]}]}",
			""),
		"{\"hooks\":{\"startContainer\":[{}]},\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		"{\"destination\":\"/v\",\"type\":\"bind\",\"source\":\"guest:1:/host/v\"},"
		"{\"destination\":\"/s\",\"type\":\"bind\",\"source\":\"/sys/x\"},"
		"{\"destination\":\"/w\",\"type\":\"none\",\"options\":[\"rbind\",\"ro\"],\"source\":\"guest:3:/w\"}]}");
	assert_null(changed(
		"{\"mounts\":[{\"destination\":\"/v\",\"type\":\"bind\",\"source\":\"/none\"}]}",
		""));
	assert_non_null(strstr(e.msg, "mounts[0]"));
	assert_non_null(strstr(
		changed("{\"mounts\":[{\"destination\":\"/dev/shm\",\"type\":\"bind\",\"source\":\"/x/shm\"}]}",
			""),
		"\"tmpfs\""));
	assert_non_null(strstr(
		changed("{\"mounts\":[{\"destination\":\"/v\",\"type\":\"bind\",\"source\":\"/sys/../etc\"}]}",
			""),
		"guest:0:/sys/../etc"));
	assert_null(changed("[]", ""));
}

/* containerd's own files go where the guest makes them; a kubelet's stay, and so does one of
 * another pod. */
static void files_of_the_pod(void **state UNUSED)
{
	static const char text[] =
		"{\"mounts\":[{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":\"/c/pod/hosts\"},"
		"{\"destination\":\"/etc/resolv.conf\",\"type\":\"bind\",\"source\":\"/c/pod/resolv.conf\"},"
		"{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":\"/kubelet/etc-hosts\"},"
		"{\"destination\":\"/etc/hostname\",\"type\":\"bind\",\"source\":\"/c/xpod/hostname\"}]}";

	assert_string_equal(
		changed(text, "pod"),
		"{\"mounts\":[{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":\"guest:2:/kubelet/etc-hosts\"},"
		"{\"destination\":\"/etc/hostname\",\"type\":\"bind\",\"source\":\"guest:3:/c/xpod/hostname\"}]}");
	assert_non_null(strstr(changed(text, ""), "guest:0:/c/pod/hosts"));
}

/* --- events --- */

static uint8_t *event(const char *topic, const uint8_t *payload, size_t n, size_t *len)
{
	const struct wire_edit any[] = { { .number = 2, .data = payload, .len = n } };
	struct wire_edit envelope[] = { WIRE_TEXT(3, topic), { .number = 4 } };
	struct wire_edit whole[] = { { .number = 1, .value = 7 }, { .number = 2 } };

	envelope[1].data = wire_edit(&a, (const uint8_t *)"", 0, any, 1, &envelope[1].len);
	whole[1].data = wire_edit(&a, (const uint8_t *)"", 0, envelope, 2, &whole[1].len);
	return wire_edit(&a, (const uint8_t *)"", 0, whole, 2, len);
}

static void an_exit(void **state UNUSED)
{
	const struct event_in told = { .id = "c", .exec_id = "e", .status = 300, .at = { 5, 6 } };
	const struct event_host host = { .pid = 42 };
	const uint8_t *payload, *out;
	struct wire_field f;
	struct event_in in;
	uint64_t seq = 0;
	size_t n, len;

	payload = event_text_exit(&a, &told, 9, &n);
	out = event("/tasks/exit", payload, n, &len);
	assert_true(event_text_read(&a, out, len, &seq, &in));
	assert_int_equal(seq, 7);
	assert_string_equal(in.id, "c");
	assert_string_equal(in.exec_id, "e");
	assert_int_equal(in.status, 300 & 0xff);
	assert_int_equal(in.at.tv_sec, 5);
	out = event_text_change(&a, &in, &host, &len);
	assert_int_equal(wire_find(out, len, 3, WIRE_VARINT, &f), 1);
	assert_int_equal(f.value, 42);
	out = event("/tasks/checkpointed", payload, n, &len);
	assert_false(event_text_read(&a, out, len, &seq, &in));
	out = event("/tasks/exit", (const uint8_t *)"\x0a\x09x", 3, &len);
	assert_false(event_text_read(&a, out, len, &seq, &in));
}

static void a_create(void **state UNUSED)
{
	static const uint8_t payload[] = { 0x0a, 1, 'c', 0x12, 1, 'g', 0x1a, 0, 0x30, 1 },
			     mount[] = { 0x1a, 3, 0x0a, 1, 't' };
	struct event_host host = {
		.pid = 42, .bundle = "/b", .rootfs = mount, .rootfs_len = sizeof(mount)
	};
	const uint8_t *out;
	struct wire_field f;
	struct event_in in;
	uint64_t seq = 0;
	size_t len;

	host.urls[1] = (char *)"/out";
	out = event("/tasks/create", payload, sizeof(payload), &len);
	assert_true(event_text_read(&a, out, len, &seq, &in));
	out = event_text_change(&a, &in, &host, &len);
	assert_string_equal(wire_text(&a, out, len, 2, 100), "/b");
	assert_int_equal(wire_find(out, len, 3, WIRE_BYTES, &f), 1);
	assert_int_equal(f.len, 3);
	assert_int_equal(wire_find(out, len, 4, WIRE_BYTES, &f), 1);
	assert_string_equal(wire_text(&a, f.data, f.len, 2, 100), "/out");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(annotations),
		TEST(root_and_namespace),
		TEST(hooks_of_the_host), TEST(annotations_that_are_none),
		TEST(mounts),      TEST(files_of_the_pod),
		TEST(an_exit),     TEST(a_create),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
