/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cpio writer, run whole: each case is a child with its own umask, time zone and environment, since the program
 * ends by exit(). What it wrote is read back by a reader of this test's own and by cpio(1).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/wait.h>

#define main mkinitrd_main
int mkinitrd_main(int argc, char **argv);
#include "../../initrd/mkinitrd.c"
#undef main

static char dir[] = "/tmp/test-mkinitrd-XXXXXX";

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* The file's bytes and a zero behind them; the caller frees. */
static char *read_file(const char *name, size_t *len)
{
	FILE *f = fopen(name, "re");
	char *buf = calloc(1, 1 << 20);

	assert_non_null(f);
	assert_non_null(buf);
	*len = fread(buf, 1, (1 << 20) - 1, f);
	fclose(f);
	return buf;
}

struct run {
	mode_t umask;
	const char *zone, *epoch, *define;
};

/* Runs the program on "manifest"; its exit status, its messages in "errors". */
static int run(const struct run *r, const char *out)
{
	char *argv[] = { "mkinitrd", "-D", (char *)(r->define ? r->define : "AGENT=agent"),
			 "manifest", (char *)out, NULL };
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		umask(r->umask);
		setenv("TZ", r->zone ? r->zone : "UTC", 1);
		if (r->epoch)
			setenv("SOURCE_DATE_EPOCH", r->epoch, 1);
		else
			unsetenv("SOURCE_DATE_EPOCH");
		if (!freopen("errors", "we", stderr))
			_exit(99);
		exit(mkinitrd_main(5, argv));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const char whole[] =
	"# comment\n"
	"\n"
	"dir /dev 0755 0 0\n"
	"dir /sbin 1777 7 4294967295\n"
	"nod /dev/console 0600 0 5 c 5 1\n"
	"nod /dev/vda 0660 0 6 b 254 1048575\n"
	"file /empty - 0644 0 0\n"
	"file /agent ${AGENT} 04755 1 2\n"
	"link /sbin/init /agent\n"
	"slink /bin sbin/../$AGENT\n"
	"link /init /sbin/init\n"
	"file /other agent 0400 0 0\n";

static void same_inputs_same_bits(void **state)
{
	static const struct run runs[] = {
		{ .umask = 022 },
		{ .umask = 077, .zone = "Asia/Tokyo" },
		{ .umask = 0, .zone = "EST5EDT", .epoch = "0" },
	};
	char *first = NULL, *next;
	size_t len, n;

	(void)state;
	write_file("manifest", whole);
	write_file("agent", "the agent");
	for (size_t i = 0; i < sizeof(runs) / sizeof(*runs); i++) {
		chmod("agent", i ? 0400 : 0777);
		assert_int_equal(run(&runs[i], "out"), 0);
		next = read_file("out", &n);
		if (first) {
			assert_int_equal(n, len);
			assert_memory_equal(next, first, len);
			free(next);
		} else {
			first = next;
			len = n;
		}
	}
	free(first);
}

static uint32_t field(const char *header, size_t i)
{
	char hex[9] = { 0 };

	memcpy(hex, header + 6 + 8 * i, 8);
	return (uint32_t)strtoul(hex, NULL, 16);
}

static void every_field_comes_back(void **state)
{
	/* inode, mode, uid, gid, links, major, minor */
	static const struct {
		const char *name;
		uint32_t ino, mode, uid, gid, links, major, minor;
		const char *data;
	} want[] = {
		{ "dev", 1, 040755, 0, 0, 2, 0, 0, "" },
		{ "sbin", 2, 041777, 7, 4294967295, 2, 0, 0, "" },
		{ "dev/console", 3, 020600, 0, 5, 1, 5, 1, "" },
		{ "dev/vda", 4, 060660, 0, 6, 1, 254, 1048575, "" },
		{ "empty", 5, 0100644, 0, 0, 1, 0, 0, "" },
		{ "agent", 6, 0104755, 1, 2, 3, 0, 0, "" },
		{ "sbin/init", 6, 0104755, 1, 2, 3, 0, 0, "" },
		{ "bin", 7, 0120777, 0, 0, 1, 0, 0, "sbin/../agent" },
		{ "init", 6, 0104755, 1, 2, 3, 0, 0, "the agent" },
		{ "other", 8, 0100400, 0, 0, 1, 0, 0, "the agent" },
		{ "TRAILER!!!", 0, 0, 0, 0, 1, 0, 0, "" },
	};
	const struct run r = { .epoch = "1234567890" };
	size_t len, at = 0, name_size;
	char *out, *h;

	(void)state;
	write_file("manifest", whole);
	write_file("agent", "the agent");
	assert_int_equal(run(&r, "out"), 0);
	out = read_file("out", &len);
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		assert_true(at + 110 <= len);
		h = out + at;
		assert_memory_equal(h, "070701", 6);
		assert_int_equal(field(h, 0), want[i].ino);
		assert_int_equal(field(h, 1), want[i].mode);
		assert_int_equal(field(h, 2), want[i].uid);
		assert_int_equal(field(h, 3), want[i].gid);
		assert_int_equal(field(h, 4), want[i].links);
		assert_int_equal(field(h, 5), want[i].ino ? 1234567890 : 0);
		assert_int_equal(field(h, 6), strlen(want[i].data));
		assert_int_equal(field(h, 9), want[i].major);
		assert_int_equal(field(h, 10), want[i].minor);
		name_size = field(h, 11);
		assert_string_equal(h + 110, want[i].name);
		assert_int_equal(name_size, strlen(want[i].name) + 1);
		at = (at + 110 + name_size + 3) & ~(size_t)3;
		assert_memory_equal(out + at, want[i].data, strlen(want[i].data));
		at = (at + strlen(want[i].data) + 3) & ~(size_t)3;
	}
	assert_int_equal(len, (at + 511) & ~(size_t)511);
	free(out);
}

/* What cpio(1) lists of the archive of a manifest; the caller frees. */
static char *listed(const char *manifest)
{
	const struct run r = { 0 };
	size_t len;
	int status;
	pid_t pid;

	write_file("manifest", manifest);
	write_file("agent", "the agent");
	assert_int_equal(run(&r, "out"), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (!freopen("out", "r", stdin) || !freopen("list", "w", stdout))
			_exit(99);
		execlp("cpio", "cpio", "-it", "--quiet", (char *)NULL);
		_exit(98);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return read_file("list", &len);
}

/* In the manifest's order. */
static void cpio_agrees(void **state)
{
	char *list = listed(whole);

	(void)state;
	assert_string_equal(list, "dev\nsbin\ndev/console\ndev/vda\nempty\nagent\nsbin/init\nbin\ninit\nother\n");
	free(list);
}

static void escapes_are_bytes(void **state)
{
	char *list = listed("dir /a\\040b 0755 0 0\nfile /a\\040b/\\044x\\134 ag\\145nt 0644 0 0\n"
			    "slink /s\\303\\251 $AGENT\\040x\nlink /l /a\\040b/\\044x\\134\n");

	(void)state;
	assert_string_equal(list, "a b\na b/$x\\\ns\303\251\nl\n");
	free(list);
}

/* A whole distribution: what takes a walk for each entry would take minutes here. */
static void many_entries(void **state)
{
	char *text = NULL, *list, *p;
	size_t size, lines = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	fputs("file /first agent 0644 0 0\n", out);
	for (int i = 0; i < 30000; i++)
		fprintf(out, i % 2 ? "link /d%d /first\n" : "dir /d%d 0755 0 0\n", i);
	assert_int_equal(fclose(out), 0);
	list = listed(text);
	for (p = list; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 30001);
	free(list);
	free(text);
}

static void errors_name_file_and_line(void **state)
{
	static const struct {
		const char *manifest, *message;
	} cases[] = {
		{ "dir /a 0755 0\n", "manifest:1: 3 words after 'dir', want: dir PATH MODE UID GID" },
		{ "\n\nfifo /a 0755 0 0\n", "manifest:3: unknown entry 'fifo'" },
		{ "dir a 0755 0 0\n", "manifest:1: path 'a' is not absolute" },
		{ "dir / 0755 0 0\n", "manifest:1: path '/' is not absolute, or is the root" },
		{ "dir /a/ 0755 0 0\n", "manifest:1: path '/a/' has an empty" },
		{ "dir /../a 0755 0 0\n", "manifest:1: path '/../a' has an empty" },
		{ "dir /a/. 0755 0 0\n", "manifest:1: path '/a/.' has an empty" },
		{ "dir //a 0755 0 0\n", "manifest:1: path '//a' has an empty" },
		{ "dir /a/b 0755 0 0\n", "manifest:1: no 'dir /a' above /a/b" },
		{ "file /a - 0644 0 0\ndir /a/b 0755 0 0\n", "manifest:2: no 'dir /a' above /a/b" },
		{ "dir /a 0755 0 0\ndir /a 0755 0 0\n", "manifest:2: /a stands twice" },
		{ "dir /a 0758 0 0\n", "manifest:1: mode '0758' is not an octal number up to 7777" },
		{ "dir /a 10000 0 0\n", "manifest:1: mode '10000' is not an octal" },
		{ "dir /a -1 0 0\n", "manifest:1: mode '-1' is not an octal" },
		{ "dir /a 0755 4294967296 0\n", "manifest:1: uid '4294967296' is not a number" },
		{ "dir /a 0755 0 root\n", "manifest:1: gid 'root' is not a number" },
		{ "nod /a 0600 0 0 p 1 1\n", "manifest:1: device type 'p' is neither c nor b" },
		{ "nod /a 0600 0 0 c 4096 1\n", "manifest:1: major number '4096'" },
		{ "link /a /b\n", "manifest:1: no 'file /b' above this link" },
		{ "dir /b 0755 0 0\nlink /a /b\n", "manifest:2: no 'file /b' above this link" },
		{ "file /a $NONE 0644 0 0\n", "manifest:1: $NONE is not defined: give -D NONE=VALUE" },
		{ "file /a ${AGENT 0644 0 0\n", "manifest:1: a $ without a name" },
		{ "file /a $ 0644 0 0\n", "manifest:1: a $ without a name" },
		{ "dir /a\\04 0755 0 0\n", "manifest:1: a \\ without three octal digits" },
		{ "dir /a\\ 0755 0 0\n", "manifest:1: a \\ without three octal digits" },
		{ "dir /a\\048 0755 0 0\n", "manifest:1: a \\ without three octal digits" },
		{ "dir /a\\000 0755 0 0\n", "manifest:1: \\000 is no byte of a name" },
		{ "dir /a\\400 0755 0 0\n", "manifest:1: \\400 is no byte of a name" },
		{ "dir /a/\\056\\056 0755 0 0\n", "manifest:1: path '/a/..' has an empty" },
		{ "dir /a 1 2 3 4 5 6 7 8\n", "manifest:1: more than 8 words" },
		{ "file /a missing 0644 0 0\n", "missing (for /a): No such file or directory" },
		{ "file /a . 0644 0 0\n", ". (for /a): no regular file" },
	};
	const struct run r = { 0 };
	size_t len;
	char *text;

	(void)state;
	write_file("agent", "the agent");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unlink("fresh");
		write_file("manifest", cases[i].manifest);
		assert_int_equal(run(&r, "fresh"), 1);
		text = read_file("errors", &len);
		if (!strstr(text, cases[i].message))
			fail_msg("want '%s', got '%s'", cases[i].message, text);
		free(text);
		/* nothing half is left under the name that was asked for */
		assert_int_equal(access("fresh", F_OK), -1);
	}
}

static void bad_options_are_refused(void **state)
{
	static const struct run runs[] = {
		{ .epoch = "yesterday" },
		{ .epoch = "4294967296" },
		{ .define = "=x" },
		{ .define = "AGENT" },
	};

	(void)state;
	write_file("manifest", "dir /a 0755 0 0\n");
	for (size_t i = 0; i < sizeof(runs) / sizeof(*runs); i++)
		assert_int_equal(run(&runs[i], "out"), 1);
}

static int enter(void **state)
{
	(void)state;
	return !mkdtemp(dir) || chdir(dir) < 0;
}

static int leave(void **state)
{
	static const char *const files[] = { "manifest", "agent", "out", "out.part", "fresh",
					     "fresh.part", "errors", "list" };

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		unlink(files[i]);
	return chdir("/") < 0 || rmdir(dir) < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_inputs_same_bits),
		cmocka_unit_test(every_field_comes_back),
		cmocka_unit_test(cpio_agrees),
		cmocka_unit_test(escapes_are_bytes),
		cmocka_unit_test(many_entries),
		cmocka_unit_test(errors_name_file_and_line),
		cmocka_unit_test(bad_options_are_refused),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
