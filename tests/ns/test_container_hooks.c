/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks: which run where and when, what they are told, and that a bad one hurts nobody. */
#include "lib/container_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"

static char journal[128];

/* A hook of this machine that writes "NAME HOSTNAME STATE" into the journal. In a. */
static struct spec_hook_list hook_in(struct arena *a, const char *name, const char *script)
{
	struct spec_hook *h = ARENA_NEW(a, struct spec_hook);
	const char *text = arena_printf(a, script, name, journal);
	const char *const args[] = { "sh", "-c", text, NULL };
	const char *const env[] = { "PATH=/bin", "HOOK=yes", NULL };

	assert_true(h && text);
	*h = (struct spec_hook){
		.path = "/bin/sh",
		.args = strings(a, args),
		.env = strings(a, env),
		.timeout_s = 60, /* against hangs only: a shell takes its time on a busy machine */
	};
	return (struct spec_hook_list){ h, 1 };
}

static struct spec_hook_list hook(struct container *c, const char *name, const char *script)
{
	return hook_in(&c->arena, name, script);
}

#define WRITE	"echo %s $HOOK $(uname -n) $(cat) >>%s"

static const char *read_journal(void)
{
	static char text[8192];

	if (io_read_file(AT_FDCWD, journal, text, sizeof(text)) < 0)
		text[0] = 0;
	return text;
}

static void assert_line(const char *text, const char *begin, const char *part)
{
	const char *line = strstr(text, begin);

	if (!line || !strstr(line, part))
		fail_msg("no line \"%s…%s\" in:\n%s", begin, part, text);
}

static void each_in_its_place(void **state UNUSED)
{
	static struct spec_pair note = { "a\"b", "1 2" };
	struct container *c = SHELL("c1", "cat /tmp/inside; echo main");
	struct spec_hooks *h = &c->spec->hooks;
	const char *out, *text;

	c->spec->annotations = (struct spec_pairs){ &note, 1 };
	h->prestart = hook(c, "prestart", WRITE);
	h->create_runtime = hook(c, "runtime", WRITE);
	h->create_container = hook(c, "create", WRITE);
	h->start_container = hook(c, "start", "echo %s $HOOK $(hostname) >/tmp/inside # %s");
	h->poststart = hook(c, "poststart", WRITE);
	h->poststop = hook(c, "poststop", WRITE);
	create(c);
	assert_null(strstr(read_journal(), "poststart"));
	start(c);
	/* the start is answered when its hooks have run */
	assert_line(read_journal(), "poststart yes ", "\"status\":\"running\",\"pid\":");
	out = read_all(c->init, STREAMS_OUT);
	assert_string_equal(out, "start yes box\nmain\n");
	wait_exit(c->init);
	drop(c);
	text = read_journal();
	assert_line(text, "prestart yes ", "\"status\":\"creating\",\"pid\":");
	assert_line(text, "runtime yes ", "\"status\":\"creating\",\"pid\":");
	assert_null(strstr(text, "runtime yes box "));
	assert_line(text, "create yes box ", "\"status\":\"creating\"");
	assert_line(text, "poststop yes ", "\"status\":\"stopped\"");
	assert_line(text, "poststop yes ", "\"annotations\":{\"a\\\"b\":\"1 2\"}");
	assert_true(strstr(text, "prestart") < strstr(text, "runtime"));
	assert_true(strstr(text, "runtime") < strstr(text, "create yes"));
	assert_true(strstr(text, "create yes") < strstr(text, "poststart"));
	assert_true(strstr(text, "poststart") < strstr(text, "poststop"));
}

/* Also where there is no prestart hook that would stop the process for it. */
static void create_runtime_alone(void **state UNUSED)
{
	struct container *c = SHELL("c1", "echo main");

	c->spec->hooks.create_runtime = hook(c, "alone", WRITE);
	create(c);
	assert_line(read_journal(), "alone yes ", "\"status\":\"creating\",\"pid\":");
	drop(c);
}

/* The container is deleted when the poststop hooks run, and a bad one changes nothing. */
static void after_the_end(void **state UNUSED)
{
	struct container *c = SHELL("c1", "echo main");
	char script[256];

	snprintf(script, sizeof(script), "test -e %s || echo %%s-gone >>%%s; exit 1", c->bundle);
	c->spec->hooks.poststop = hook(c, "bundle", script);
	assert_string_equal(output_of(c, 0), "main\n");
	assert_contains(read_journal(), "bundle-gone");
}

/* What must succeed before the process is made ends the create, and the poststop hooks run. */
static void bad_ones_end_the_create(void **state UNUSED)
{
	static const struct {
		size_t list;
		const char *script, *why;
	} rows[] = {
		{ offsetof(struct spec_hooks, prestart), "exit 3 # %s %s",
		  "process: hooks.prestart[0] (/bin/sh): status 3" },
		{ offsetof(struct spec_hooks, create_runtime), "kill -9 $$ # %s %s",
		  "process: hooks.createRuntime[0] (/bin/sh): signal 9" },
		{ offsetof(struct spec_hooks, create_container), "exit 4 # %s %s",
		  "process: hooks.createContainer[0] (/bin/sh): status 4" },
	};

	static const char *const names[] = { "after-prestart", "after-runtime", "after-create" };

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct container *c = SHELL("c1", "echo main");
		struct spec_hook_list *l =
			(void *)((char *)&c->spec->hooks + rows[i].list);
		struct err e;

		*l = hook(c, "x", rows[i].script);
		c->spec->hooks.poststop = hook(c, names[i], WRITE);
		e = create_fails(c);
		assert_string_equal(e.msg, rows[i].why);
		assert_contains(read_journal(), names[i]);
	}
}

/* What never came to its hooks has nothing that they would have to clear away. */
static void not_after_nothing(void **state UNUSED)
{
	struct container *c = SHELL("c1", "echo main");

	c->spec->root.path = "/no/such/root";
	c->spec->hooks.create_container = hook(c, "never", WRITE);
	c->spec->hooks.poststop = hook(c, "never", WRITE);
	create_fails(c);
	assert_null(strstr(read_journal(), "never"));
}

/* Longer than its timeout: the first one of two, so that the second never runs. */
static void late_one_ends_the_start(void **state UNUSED)
{
	struct container *c = SHELL("c1", "echo main");
	struct told t = { 0 };

	c->spec->hooks.start_container = hook(c, "x", "exec sleep 1000 # %s %s");
	c->spec->hooks.start_container.v->timeout_s = 1;
	create(c);
	container_start(c, UINT64_MAX, told_fn, &t);
	turn_until(&t.yes);
	assert_contains(t.e.msg, "hooks.startContainer[0] (/bin/sh)");
	assert_int_equal(t.e.sys, ETIMEDOUT);
	assert_string_equal(read_all(c->init, STREAMS_OUT), "");
	assert_int_equal(wait_exit(c->init), 1);
	drop(c);
}

static void poststart_changes_nothing(void **state UNUSED)
{
	struct container *c = SHELL("c1", "echo main");

	c->spec->hooks.poststart = hook(c, "x", "echo %s >>%s; exit 5");
	create(c);
	start(c);
	assert_string_equal(read_all(c->init, STREAMS_OUT), "main\n");
	assert_int_equal(wait_exit(c->init), 0);
	assert_contains(read_journal(), "x\n");
	drop(c);
}

/* Removed while its poststart hooks run: who waits for the start is told. */
static void removed_meanwhile(void **state UNUSED)
{
	struct container *c = SHELL("c1", "exec sleep 1000");
	struct told t = { 0 };

	c->spec->hooks.poststart = hook(c, "begun", "echo %s >>%s; exec sleep 1000");
	c->spec->hooks.poststart.v->timeout_s = 1000;
	create(c);
	container_start(c, UINT64_MAX, told_fn, &t);
	while (!strstr(read_journal(), "begun"))
		turn_for(10);
	assert_false(t.yes);
	drop(c);
	assert_true(t.yes);
	assert_int_equal(t.e.rc, RC_CANCELLED);
}

/* The guest's run after the spec's, and hurt nobody. */
static void hooks_of_the_guest(void **state UNUSED)
{
	struct container *c = SHELL("c1", "echo main");
	struct arena own; /* a container's is another one once it is created */

	arena_init(&own, 1 << 16);
	host.guest_hooks.prestart = hook_in(&own, "guest-pre", WRITE);
	host.guest_hooks.poststart = hook_in(&own, "guest-post", "echo %s >>%s; exit 5");
	c->spec->hooks.prestart = hook(c, "spec-pre", WRITE);
	create(c);
	host.guest_hooks.prestart.n = 0;
	start(c);
	assert_string_equal(read_all(c->init, STREAMS_OUT), "main\n");
	assert_int_equal(wait_exit(c->init), 0);
	host.guest_hooks.poststart.n = 0;
	drop(c);
	arena_fini(&own);
	assert_contains(read_journal(), "guest-post\n");
	assert_true(strstr(read_journal(), "spec-pre yes") <
		    strstr(read_journal(), "guest-pre yes"));
	assert_non_null(strstr(read_journal(), "spec-pre yes"));
}

/* The process dies while the agent runs its prestart hook. */
static void given_up_meanwhile(void **state UNUSED)
{
	struct container *c = SHELL("c1", "echo main");
	struct told t = { 0 };

	c->spec->hooks.prestart = hook(c, "x", "exec sleep 1000 # %s %s");
	c->spec->hooks.prestart.v->timeout_s = 1000;
	container_create(c, clock_after(300), told_fn, &t);
	turn_until(&t.yes);
	assert_int_equal(t.e.rc, RC_DEADLINE_EXCEEDED);
	container_free(c);
}

static int setup(void **state)
{
	int r = fixture_group_setup(state);

	snprintf(journal, sizeof(journal), "%s/journal", scratch);
	return r;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_in_its_place),
		TEST(create_runtime_alone),
		TEST(after_the_end),
		TEST(bad_ones_end_the_create),
		TEST(not_after_nothing),
		TEST(late_one_ends_the_start),
		TEST(poststart_changes_nothing),
		TEST(removed_meanwhile),
		TEST(hooks_of_the_guest),
		TEST(given_up_meanwhile),
	};

	fixture_cgroups(0);
	return cmocka_run_group_tests(tests, setup, fixture_group_teardown);
}
