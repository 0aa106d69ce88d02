/* SPDX-License-Identifier: Apache-2.0 */
/* What containerd and the administrator write to a shim: flags, bootstrap, stdio's URLs, the
 * configuration. */
#include <setjmp.h>
#include <stdarg.h>

#include "shim/bootstrap.h"
#include "shim/conf.h"
#include "shim/url.h"
#include "ttrpc/wire.h"

#include <cmocka.h>

static struct arena a;
static struct err e;

static int setup(void **state UNUSED)
{
	arena_init(&a, 1u << 20);
	err_clear(&e);
	return 0;
}

static int teardown(void **state UNUSED)
{
	arena_fini(&a);
	return 0;
}

/* --- flags --- */

static int read_flags(struct shim_flags *f, const char *const *argv)
{
	err_clear(&e);
	return flags_read((char *const *)argv, f, &e);
}

static void flags_as_containerd_writes_them(void **state UNUSED)
{
	const char *const argv[] = { "shim",
				     "-namespace",
				     "k8s.io",
				     "--address=/run/c.sock",
				     "-publish-binary",
				     "/bin/c",
				     "-id",
				     "x-1",
				     "-debug",
				     "start",
				     NULL };
	const char *const more[] = { "shim", "-debug=false", "-bundle", "-odd", "delete", NULL };
	struct shim_flags f;

	assert_int_equal(read_flags(&f, argv), 0);
	assert_string_equal(f.namespace, "k8s.io");
	assert_string_equal(f.address, "/run/c.sock");
	assert_string_equal(f.publish_binary, "/bin/c");
	assert_string_equal(f.id, "x-1");
	assert_string_equal(f.action, "start");
	assert_true(f.debug);
	assert_null(f.bundle);
	assert_int_equal(read_flags(&f, more), 0);
	assert_false(f.debug);
	assert_string_equal(f.bundle, "-odd");
	assert_string_equal(f.action, "delete");
}

static void flags_that_are_none(void **state UNUSED)
{
	static const char *const cases[][4] = {
		{ "shim", "-what", NULL },        { "shim", "-id", NULL },
		{ "shim", "-debug=maybe", NULL }, { "shim", "start", "delete", NULL },
		{ "shim", "-", "x", NULL },       { "shim", "--=x", NULL },
	};
	struct shim_flags f;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(read_flags(&f, cases[i]), -1);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	}
}

static void names(void **state UNUSED)
{
	static const char *const good[] = { "a", "k8s.io", "a-b_c.d", "0123456789" };
	static const char *const bad[] = { "",   ".",    "..",  "a/b",      "-a",
					   "a-", "a..b", "a b", "\xc3\xa4", "a\n" };
	char text[SHIM_NAME_MAX + 2];

	for (size_t i = 0; i < COUNT_OF(good); i++)
		assert_true(flags_is_name(good[i]));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(flags_is_name(bad[i]));
	memset(text, 'x', sizeof(text));
	text[SHIM_NAME_MAX] = '\0';
	assert_true(flags_is_name(text));
	text[SHIM_NAME_MAX] = 'x';
	text[SHIM_NAME_MAX + 1] = '\0';
	assert_false(flags_is_name(text));
	assert_false(flags_is_name(NULL));
}

/* --- bootstrap --- */

static const struct shim_flags us = { .namespace = "ns", .id = "box" };

static uint8_t *params(const char *id, const char *ns, size_t *len)
{
	const struct wire_edit fields[] = {
		WIRE_TEXT(1, id),
		WIRE_TEXT(2, ns),
		{ .number = 3, .value = (uint64_t)-4 },
		WIRE_TEXT(5, "/run/c.ttrpc"),
		WIRE_TEXT(9, "/run/s"),
	};

	return wire_edit(&a, (const uint8_t *)"", 0, fields, COUNT_OF(fields), len);
}

static void the_newer_dialect(void **state UNUSED)
{
	const struct bootstrap_result r = { 3, "unix:///x" };
	struct bootstrap b;
	struct wire_field f;
	size_t len;
	uint8_t *in = params("box", "ns", &len), *out;

	bootstrap_read(&a, in, len, &us, &b);
	assert_true(b.is_params && b.debug);
	assert_string_equal(b.ttrpc_address, "/run/c.ttrpc");
	assert_string_equal(b.socket_dir, "/run/s");
	out = bootstrap_answer(&a, &b, &r, &len);
	assert_int_equal(wire_find(out, len, 1, WIRE_VARINT, &f), 1);
	assert_int_equal(f.value, 3);
	assert_string_equal(wire_text(&a, out, len, 2, 100), "unix:///x");
	assert_string_equal(wire_text(&a, out, len, 3, 100), "ttrpc");
}

static void the_older_dialect(void **state UNUSED)
{
	const struct bootstrap_result r = { 2, "unix:///x" };
	static const char want[] =
		"{\"version\":2,\"address\":\"unix:///x\",\"protocol\":\"ttrpc\"}";
	struct bootstrap b;
	uint8_t *inputs[3], *out;
	size_t lens[3], len;

	inputs[0] = (uint8_t *)"";
	lens[0] = 0;
	/* an Any whose bytes decode as the newer message: what it says is not what our command line
	 * says */
	inputs[1] = params("containerd.runc.v1.Options", "ns", &lens[1]);
	inputs[2] = params("box", "other", &lens[2]);
	for (size_t i = 0; i < COUNT_OF(inputs); i++) {
		bootstrap_read(&a, inputs[i], lens[i], &us, &b);
		assert_false(b.is_params);
		assert_string_equal(b.socket_dir, "");
		out = bootstrap_answer(&a, &b, &r, &len);
		assert_int_equal(len, strlen(want));
		assert_memory_equal(out, want, len);
	}
}

static void other_answers(void **state UNUSED)
{
	struct wire_field f;
	size_t len;
	uint8_t *out = bootstrap_info(&a, "name", "1.2", &len);

	assert_string_equal(wire_text(&a, out, len, 1, 100), "name");
	assert_int_equal(wire_find(out, len, 2, WIRE_BYTES, &f), 1);
	assert_string_equal(wire_text(&a, f.data, f.len, 1, 100), "1.2");
	out = bootstrap_deleted(&a, 0, 137, 99, &len);
	assert_int_equal(wire_find(out, len, 2, WIRE_VARINT, &f), 1);
	assert_int_equal(f.value, 137);
	assert_int_equal(wire_find(out, len, 3, WIRE_BYTES, &f), 1);
}

/* --- URLs --- */

static void urls_of_stdio(void **state UNUSED)
{
	static const struct {
		const char *text;
		enum url_kind kind;
		const char *what;
	} cases[] = {
		{ "", URL_NONE, NULL },
		{ "/run/fifo/x", URL_FIFO, "/run/fifo/x" },
		{ "/run/%41", URL_FIFO, "/run/%41" },
		{ "fifo:///run/a%20b", URL_FIFO, "/run/a b" },
		{ "file:///var/log/x", URL_FILE, "/var/log/x" },
		{ "binary:///bin/log?a=1&b&c=d%26e+f", URL_BINARY, "/bin/log" },
		{ "ttrpc+unix:///run/s?streaming_id=c-stdin", URL_STREAM, "c-stdin" },
		{ "ttrpc+hvsock:///x:1024?a=b&streaming_id=y%2fz", URL_STREAM, "y/z" },
	};
	struct url u;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(url_parse(&a, cases[i].text, &u, &e), 0);
		assert_int_equal(u.kind, cases[i].kind);
		if (cases[i].what)
			assert_string_equal(u.kind == URL_STREAM ? u.stream : u.path,
					    cases[i].what);
		if (u.kind != URL_BINARY)
			continue;
		assert_int_equal(u.n_args, 3);
		assert_string_equal(u.args[1].key, "b");
		assert_string_equal(u.args[1].value, "");
		assert_string_equal(u.args[2].value, "d&e f");
	}
}

static void urls_that_are_refused(void **state UNUSED)
{
	static const char *const cases[] = {
		"relative",         "/a/../b",         "fifo://a",
		"file:///a%2",      "file:///a%zz",    "file:///a%00",
		"binary:///a?x=%",  "ttrpc+unix:///s", "ttrpc+unix:///s?streaming_id=",
		"stream",           "file://",         "fifo:///../x",
		"file:///%2e%2e/x",
	};
	struct url u;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		err_clear(&e);
		assert_int_equal(url_parse(&a, cases[i], &u, &e), -1);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
	}
}

/* --- the configuration --- */

static void a_configuration(void **state UNUSED)
{
	char text[] =
		"# comment\n\n kernel = /boot/guest \nmemory=64M\ncpus = 3\r\nappend = a=b c=d\ntask_version=3\nboot_timeout = 5";
	char empty[] = "";
	struct conf c;

	assert_int_equal(conf_parse(&a, text, &c, &e), 0);
	assert_string_equal(c.kernel, "/boot/guest");
	assert_string_equal(c.append, "a=b c=d");
	assert_int_equal(c.memory, 64 << 20);
	assert_int_equal(c.cpus, 3);
	assert_int_equal(c.task_version, 3);
	assert_int_equal(c.boot_ms, 5000);
	assert_null(c.qemu);
	assert_int_equal(conf_parse(&a, empty, &c, &e), 0);
	assert_int_equal(c.cpus, 1);
}

static void a_wrong_configuration(void **state UNUSED)
{
	static const char *const cases[] = { "what = 1", "kernel",     "kernel =",
					     "cpus = 0", "memory = x", "task_version = 4" };
	struct conf c;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char *text = arena_printf(&a, "\n%s\n", cases[i]);

		err_clear(&e);
		assert_int_equal(conf_parse(&a, text, &c, &e), -1);
		assert_int_equal(e.rc, RC_INVALID_ARGUMENT);
		assert_non_null(strstr(e.msg, "line 2"));
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(flags_as_containerd_writes_them),
		TEST(flags_that_are_none),
		TEST(names),
		TEST(the_newer_dialect),
		TEST(the_older_dialect),
		TEST(other_answers),
		TEST(urls_of_stdio),
		TEST(urls_that_are_refused),
		TEST(a_configuration),
		TEST(a_wrong_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
