/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks: which run where and when, what they are told, and that a bad one hurts nobody. */
#include "lib/container_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"

static char journal[128];

/* A hook of this machine that writes "NAME HOSTNAME STATE" into the journal. */
static struct spec_hook_list hook(struct container *c, const char *name, const char *script)
{
	struct spec_hook *h = ARENA_NEW(&c->arena, struct spec_hook);
	const char *text = arena_printf(&c->arena, script, name, journal);
	const char *const args[] = { "sh", "-c", text, NULL };
	const char *const env[] = { "PATH=/bin", "HOOK=yes", NULL };

	assert_true(h && text);
	*h = (struct spec_hook){
		.path = "/bin/sh",
		.args = strings(&c->arena, args),
		.env = strings(&c->arena, env),
		.timeout_s = 1,
	};
	return (struct spec_hook_list){ h, 1 };
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
	out = read_all(c->init, STREAMS_OUT);
	assert_string_equal(out, "start yes box\nmain\n");
	for (int i = 0; i < 200 && !strstr(read_journal(), "poststart"); i++)
		turn_for(10);
	wait_exit(c->init);
	drop(c);
	text = read_journal();
	assert_line(text, "prestart yes ", "\"status\":\"creating\",\"pid\":");
	assert_line(text, "runtime yes ", "\"status\":\"creating\",\"pid\":");
	assert_null(strstr(text, "runtime yes box "));
	assert_line(text, "create yes box ", "\"status\":\"creating\"");
	assert_line(text, "poststart yes ", "\"status\":\"running\"");
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

static void bad_ones_hurt_nobody(void **state UNUSED)
{
	struct container *c = SHELL("c1", "echo main");
	struct spec_hooks *h = &c->spec->hooks;
	uint64_t begin = clock_ms();

	h->prestart = hook(c, "x", "exit 3 # %s %s");
	h->create_container = hook(c, "x", "kill -9 $$ # %s %s");
	/* longer than its timeout */
	h->start_container = hook(c, "x", "exec sleep 1000 # %s %s");
	h->poststop = hook(c, "x", "exit 1 # %s %s");
	h->poststop.v->path = "/no/such/hook";
	assert_string_equal(output_of(c, 0), "main\n");
	assert_true(clock_ms() - begin >= 1000);
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
		TEST(each_in_its_place), TEST(create_runtime_alone), TEST(bad_ones_hurt_nobody),
		TEST(given_up_meanwhile),
	};

	fixture_cgroups(0);
	return cmocka_run_group_tests(tests, setup, fixture_group_teardown);
}
