/* SPDX-License-Identifier: Apache-2.0 */
/* The debug console: a shell of the image by vsock, and on /dev/console. */
#include "lib/cases.h"

#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "ttrpc/address.h"

#define PORT	  1026
#define LIMIT_MS  60000 /* against hangs only */
#define SESSIONS  16	/* CONSOLES_MAX */
#define FLOOD	  3000000

static struct rig rig;
static char initrd[256], with_shell[128];

static int add_shell(struct rig *r)
{
	char work[128];
	char *argv[] = { (char *)"tests/lib/make-shell", initrd, work, with_shell, NULL };

	snprintf(work, sizeof(work), "%s/shell", r->dir);
	snprintf(with_shell, sizeof(with_shell), "%s/initrd.img", r->dir);
	r->vm_opts.initrd = with_shell;
	return rig_program(r, argv) == 0 ? 0 : -1;
}

/* --- one end of a console ---------------------------------------------------------------------- */

static struct console {
	int fd;
	char text[1 << 16]; /* since the last line that was typed */
	size_t len;
} a, b;

static int dial(void)
{
	struct address at;

	assert_int_equal(address_parse(rig.address, &at, &rig.err), 0);
	at.port = PORT;
	return address_connect(&at, LIMIT_MS, &rig.err);
}

/* false: it was refused. */
static bool try_console(struct console *c)
{
	c->fd = dial();
	c->len = 0;
	c->text[0] = '\0';
	return c->fd >= 0;
}

static void open_console(struct console *c)
{
	if (!try_console(c))
		fail_msg("%s", rig.err.msg);
}

static void close_console(struct console *c)
{
	auto_close(&c->fd);
}

/* More of what it says, at most `max` bytes; 0: its end. The loop turns meanwhile. */
static size_t listen_on(struct console *c, char *to, size_t max)
{
	uint64_t until = clock_after(LIMIT_MS);

	for (;;) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };
		ssize_t n;

		if (clock_ms() >= until)
			fail_msg("nothing more after: %s", c->text);
		loop_once(rig.loop, 0);
		if (poll(&p, 1, 100) <= 0)
			continue;
		n = read(c->fd, to, max);
		if (n >= 0)
			return (size_t)n;
		if (errno != EAGAIN)
			return 0;
	}
}

/* false: its end came first. */
static bool hears(struct console *c, const char *part)
{
	while (!strstr(c->text, part)) {
		size_t n = listen_on(c, c->text + c->len, sizeof(c->text) - 1 - c->len);

		if (!n)
			return false;
		c->len += n;
		c->text[c->len] = '\0';
	}
	return true;
}

#define assert_hears(c, part)                                                      \
	do {                                                                       \
		if (!hears(c, part))                                               \
			fail_msg("the end instead of \"%s\" after: %s", part, (c)->text); \
	} while (0)

static void type(struct console *c, const char *text)
{
	c->len = 0;
	c->text[0] = '\0';
	assert_int_equal(send(c->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* The shell's end and all that it says before: a vsock device may hide from its guest that somebody has
 * closed with something unread. */
static void finish(struct console *c)
{
	if (c->fd < 0)
		return;
	(void)!send(c->fd, "\nexit\n", 6, MSG_NOSIGNAL);
	while (listen_on(c, c->text, sizeof(c->text)))
		;
	close_console(c);
}

static int teardown(void **state)
{
	(void)state;
	finish(&a);
	finish(&b);
	return 0;
}

/* Until the guest has none of these any more; each look is a container's life. */
static void none_is_left(const char *part)
{
	char script[128];

	/* not itself, whose pattern is no such text; a file that goes meanwhile is none of it */
	snprintf(script, sizeof(script), "! cat /guest/[0-9]*/cmdline 2>/dev/null | grep '[%c]%s'", *part, part + 1);
	assert_comes_true(&rig, script);
}

/* Each has a terminal of the guest's. */
static void no_shell_is_left(void)
{
	assert_comes_true(&rig, "! ls /guest/1/root/dev/pts | grep -v ptmx");
}

/* --- the cases --------------------------------------------------------------------------------- */

static void a_shell(void **state)
{
	(void)state;
	open_console(&a);
	assert_hears(&a, "# ");
	type(&a, "echo $((6*7)) $(tty) $$ $HOME; cat /proc/1/comm\n");
	assert_hears(&a, "42 /dev/pts/");
	assert_hears(&a, "/root");
	assert_hears(&a, "init");
	/* the terminal is the session's: its keys make signals */
	type(&a, "sh -c 'echo re\"\"ady; sleep 1000'\n");
	assert_hears(&a, "ready");
	type(&a, "\003");
	assert_hears(&a, "# ");
	type(&a, "echo $?\n");
	assert_hears(&a, "130");
}

static void several_at_once(void **state)
{
	(void)state;
	open_console(&a);
	open_console(&b);
	type(&a, "x=first; tty >/tmp/a\n");
	type(&b, "x=second; tty >/tmp/b\n");
	type(&a, "echo $x-$x $(tty)\n");
	type(&b, "echo $x-$x $(tty)\n");
	assert_hears(&a, "first-first /dev/pts/");
	assert_hears(&b, "second-second /dev/pts/");
	type(&b, "read l </tmp/a; read m </tmp/b; [ $l != $m ] && echo dif''fers\n");
	assert_hears(&b, "differs");
}

/* What it said last comes whole, then the end. */
static void a_shell_that_ends(void **state)
{
	(void)state;
	open_console(&a);
	type(&a, "stty -echo -opost; echo be''gin; yes | head -c 100000; echo la''st; exit 3\n");
	assert_hears(&a, "begin\n");
	for (size_t n; (n = listen_on(&a, a.text, sizeof(a.text) - 1)) > 0; a.len = n)
		a.text[n] = '\0';
	if (a.len < 5 || !str_eq(a.text + a.len - 5, "last\n"))
		fail_msg("not the last word: %s", a.text + MAX(a.len, 20u) - 20);
	open_console(&b);
	/* one that is left behind with the terminal does not keep the connection */
	type(&b, "nohup sleep 23451 </dev/null & exit\n");
	assert_false(hears(&b, "never said"));
	assert_int_equal(rig_guest(&rig, "for p in /guest/[0-9]*; do grep -q 23451 $p/cmdline && kill -9 ${p##*/}; done; true"), 0);
}

static void a_listener_that_is_slow(void **state)
{
	static char piece[1 << 16];
	size_t have = 0, n;

	(void)state;
	open_console(&a);
	assert_hears(&a, "# ");
	type(&a, "stty -echo -opost; PS1=; echo be''gin; yes $(busybox printf %063d 0) | head -c 3000000; echo e''nd\n");
	assert_hears(&a, "begin\n");
	/* it waits, and nobody else does */
	for (int i = 0; i < 20; i++)
		assert_done(&rig, rig_call(&rig, "grpc.Health/Check", "{}"));
	have = a.len - (size_t)(strstr(a.text, "begin\n") + 6 - a.text);
	while (have < FLOOD + 4) {
		n = listen_on(&a, piece, sizeof(piece));
		assert_true(n > 0);
		have += n;
		if (have == FLOOD + 4)
			assert_memory_equal(piece + n - 4, "end\n", 4);
	}
	assert_int_equal(have, FLOOD + 4);
}

/* Nobody reads what is typed, for a while; nothing of it is lost. */
static void a_talker_that_is_not_heard(void **state)
{
	static char piece[4096];
	char want[64];
	size_t sent = 0;
	ssize_t n;

	(void)state;
	open_console(&a);
	open_console(&b);
	assert_hears(&a, "# ");
	type(&a, "busybox mkfifo /tmp/go; stty raw -echo; echo re''ady; read n </tmp/go; head -c $n | busybox wc -c; exit\n");
	assert_hears(&a, "ready");
	memset(piece, 'x', sizeof(piece));
	while (sent < 64u << 20) {
		struct pollfd p = { .fd = a.fd, .events = POLLOUT };

		if (poll(&p, 1, 1000) == 0)
			break; /* full from end to end */
		n = send(a.fd, piece, sizeof(piece), MSG_NOSIGNAL | MSG_DONTWAIT);
		assert_true(n > 0 || errno == EAGAIN);
		sent += n > 0 ? (size_t)n : 0;
	}
	assert_true(sent < 64u << 20);
	assert_done(&rig, rig_call(&rig, "grpc.Health/Check", "{}"));
	snprintf(want, sizeof(want), "echo %zu >/tmp/go\n", sent);
	type(&b, want);
	snprintf(want, sizeof(want), "%zu\n", sent);
	assert_hears(&a, want);
	assert_false(hears(&a, "never said"));
}

/* All of it, also what would outlive its shell. */
static void the_session_ends_with_the_connection(void **state)
{
	(void)state;
	open_console(&a);
	assert_hears(&a, "# ");
	type(&a, "nohup sleep 45123 </dev/null >/dev/null 2>&1 & (trap '' HUP TERM; sleep 45123; sleep 45123) & "
		 "echo star''ted; sleep 45123\n");
	assert_hears(&a, "started");
	assert_int_equal(rig_guest(&rig, "cat /guest/[0-9]*/cmdline 2>/dev/null | grep '[4]5123'"), 0);
	close_console(&a);
	none_is_left("45123");
}

static void too_many(void **state)
{
	static struct console many[SESSIONS + 1];

	(void)state;
	no_shell_is_left();
	for (int i = 0; i < SESSIONS; i++) {
		open_console(&many[i]);
		assert_hears(&many[i], "# ");
	}
	assert_false(try_console(&many[SESSIONS]) && hears(&many[SESSIONS], "# "));
	type(&many[0], "echo st''ill\n");
	assert_hears(&many[0], "still");
	for (int i = 0; i < SESSIONS; i++)
		finish(&many[i]);
	close_console(&many[SESSIONS]);
	no_shell_is_left();
}

/* --- on /dev/console --------------------------------------------------------------------------- */

static int boot(const char *cmdline)
{
	rig = (struct rig){ .prepare = add_shell, .vm_opts = { .cmdline = cmdline } };
	return rig_start(&rig, RIG_VM);
}

static void local_shell(void **state)
{
	(void)state;
	assert_console(&rig, "built-in shell (ash)");
	assert_null(strstr(vm_console(rig.vm), "job control turned off"));
	assert_int_equal(dial(), -1); /* and no port */
}

#define CASE(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
	const struct CMUnitTest by_vsock[] = {
		CASE(a_shell),
		CASE(several_at_once),
		CASE(a_shell_that_ends),
		CASE(a_listener_that_is_slow),
		CASE(a_talker_that_is_not_heard),
		CASE(the_session_ends_with_the_connection),
		CASE(too_many),
	};
	const struct CMUnitTest by_console[] = { cmocka_unit_test(local_shell) };
	const char *build = getenv("MOTE_BUILD"), *missing = rig_missing(RIG_VM);
	int failed;

	if (missing) {
		printf("%s\n", missing);
		return 77;
	}
	a.fd = b.fd = -1;
	snprintf(initrd, sizeof(initrd), "%s/initrd.img", build ? build : "build/x86_64");
	if (getenv("MOTE_ONLY"))
		cmocka_set_test_filter(getenv("MOTE_ONLY"));
	failed = boot("agent.debug_console agent.debug_console_vport=1026") < 0 ||
		 cmocka_run_group_tests_name("debug console by vsock", by_vsock, NULL, NULL);
	rig_stop(&rig);
	failed |= boot("agent.debug_console") < 0 ||
		  cmocka_run_group_tests_name("debug console", by_console, NULL, NULL);
	rig_stop(&rig);
	return failed;
}
