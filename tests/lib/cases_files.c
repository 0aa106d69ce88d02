/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a host without a shared filesystem sends, and volumes. What has come of them is seen by
 * a container that has the directory. */
#include "lib/cases.h"

#include "sandbox/last_word.h"

#define SHARE "/run/kata-containers/shared/containers/"

static int copy(const char *path, const char *more)
{
	return rig_call(cases_rig, "CopyFile",
			"{\"path\":\"" SHARE "%s\",\"dir_mode\":488,\"uid\":7,\"gid\":8%s}", path, more);
}

/* The output of a script in a container with the directory on /copied. */
static void look(const char *script, const char *want)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	char args[512];
	struct rig_container what = {
		.args = args,
		.mounts = ",{\"destination\":\"/copied\",\"type\":\"bind\",\"source\":\"" SHARE
			  "copied\",\"options\":[\"rbind\"]}",
	};

	snprintf(args, sizeof(args), "[\"sh\",\"-c\",\"%s\"]", script);
	assert_done(r, rig_run(r, id, &what));
	assert_true(rig_read(r, "ReadStdout", id, id) >= 0);
	assert_string_equal(r->reply, want);
	assert_int_equal(rig_wait(r, id, id), 0);
	assert_done(r, rig_remove(r, id));
}

/* 33188: a regular file, 0644. "aGVsbG8K": "hello\n". */
static void a_file_in_one(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, copy("copied/deep/file", ",\"file_mode\":33188,\"file_size\":6,\"data\":\"aGVsbG8K\""));
	look("cat /copied/deep/file; stat -c '%a %u:%g %F' /copied/deep /copied/deep/file",
	     "hello\n750 7:8 directory\n644 7:8 regular file\n");
	assert_done(r, copy("copied/empty", ",\"file_mode\":36352,\"file_size\":0"));
	look("stat -c '%s %a %F' /copied/empty", "0 7000 regular empty file\n");
}

/* Until it is whole the old one stays, and another attempt goes on. */
static void a_file_in_pieces(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, copy("copied/a.txt", ",\"file_mode\":33188,\"file_size\":4,\"data\":\"b2xkCg==\""));
	assert_done(r, copy("copied/a.txt", ",\"file_mode\":33188,\"file_size\":12,\"data\":\"aGVsbG8K\""));
	look("cat /copied/a.txt; ls /copied", "old\na.txt\ndeep\nempty\n");
	assert_rc(r, copy("copied/a.txt", ",\"file_mode\":33188,\"file_size\":12,\"offset\":8,\"data\":\"aGVs\""),
		  RC_FAILED_PRECONDITION, "bytes 6 to 8 are missing: go on at 6");
	assert_done(r, copy("copied/a.txt", ",\"file_mode\":33188,\"file_size\":12,\"offset\":3,\"data\":\"bG8K\""));
	assert_done(r, copy("copied/a.sh", ",\"file_mode\":33261,\"file_size\":6,\"data\":\"aGVsbG8K\""));
	assert_done(r, copy("copied/a.txt", ",\"file_mode\":33188,\"file_size\":12,\"offset\":6,\"data\":\"aGVsbG8K\""));
	look("cat /copied/a.txt; ls -A /copied", "hello\nhello\na.sh\na.txt\ndeep\nempty\n");
	/* the last piece again, as when its answer was lost: nothing is spoilt */
	assert_rc(r, copy("copied/a.txt", ",\"file_mode\":33188,\"file_size\":12,\"offset\":6,\"data\":\"aGVsbG8K\""),
		  RC_FAILED_PRECONDITION, "bytes 0 to 6 are missing: go on at 0");
	look("cat /copied/a.txt", "hello\nhello\n");
}

/* 41471: a link, 0777; 16893: a directory, 0775; "Li4vLi4vZXRj": "../../etc". */
static void links_and_directories(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, copy("copied/link", ",\"file_mode\":41471,\"data\":\"Li4vLi4vZXRj\""));
	assert_done(r, copy("copied/link", ",\"file_mode\":41471,\"data\":\"Li4vLi4vZXRj\""));
	look("readlink /copied/link; stat -c %u:%g /copied/link", "../../etc\n7:8\n");
	/* through a link that leads out: it ends inside */
	assert_done(r, copy("copied/link/file", ",\"file_mode\":33188,\"file_size\":6,\"data\":\"aGVsbG8K\""));
	look("ls /copied", "a.sh\na.txt\ndeep\nempty\nlink\n");
	/* each kind in the place of each other */
	assert_done(r, copy("copied/deep", ",\"file_mode\":33188,\"file_size\":6,\"data\":\"aGVsbG8K\""));
	assert_done(r, copy("copied/empty", ",\"file_mode\":16893"));
	assert_done(r, copy("copied/a.sh", ",\"file_mode\":41471,\"data\":\"Li4vLi4vZXRj\""));
	assert_done(r, copy("copied/link", ",\"file_mode\":33188,\"file_size\":6,\"data\":\"aGVsbG8K\""));
	look("cd /copied; stat -c '%n %a %F' *",
	     "a.sh 777 symbolic link\na.txt 644 regular file\ndeep 644 regular file\n"
	     "empty 775 directory\nlink 644 regular file\n");
}

static void copies_refused(void **state)
{
	static const struct {
		const char *path, *more, *text;
	} rows[] = {
		{ "../../../etc/passwd", ",\"file_mode\":33188", "path: not below" },
		{ "", ",\"file_mode\":33188", "the directory of it" },
		{ "copied/x", ",\"file_mode\":8612", "not a file, a directory or a link" },
		{ "copied/x", ",\"file_mode\":33188,\"offset\":-1", "not below 0" },
		{ "copied/x", ",\"file_mode\":33188,\"file_size\":-1", "not below 0" },
		{ "copied/x", ",\"file_mode\":33188,\"file_size\":3,\"data\":\"aGVsbG8K\"",
		  "6 bytes at 0 are more than the file_size of 3" },
		{ "copied/x", ",\"file_mode\":33188,\"file_size\":9223372036854775807,\"offset\":9223372036854775807,\"data\":\"aGVs\"",
		  "are more than the file_size" },
		{ "copied/x", ",\"file_mode\":41471", "no place for a link" },
		{ "copied/x", ",\"file_mode\":41471,\"data\":\"YQBi\"", "no place for a link" },
	};
	struct rig *r = cases_rig;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_rc(r, copy(rows[i].path, rows[i].more), RC_INVALID_ARGUMENT, rows[i].text);
	assert_rc(r, rig_call(r, "CopyFile", "{\"path\":\"/etc/passwd\",\"file_mode\":33188}"),
		  RC_INVALID_ARGUMENT, "path: not below");
	look("ls -A /copied | grep -c x; true", "1\n"); /* a.txt */
}

/* FNV-1a, as the agent names what it has so far of "victim". */
#define PART ".mote-2b4fb9b471839815"

/* A container of the directory puts something in the way: a pipe that nobody reads, or a name of a file
 * that is not its own. Neither is written to. */
static void something_in_the_way(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, copy("copied", ",\"file_mode\":16877"));
	look("echo secret >/copied/secret; ln /copied/secret /copied/" PART, "");
	assert_rc(r, copy("copied/victim", ",\"file_mode\":33188,\"file_size\":12,\"offset\":3,\"data\":\"aGVsbG8K\""),
		  RC_FAILED_PRECONDITION, "begin again at 0");
	assert_done(r, copy("copied/victim", ",\"file_mode\":33188,\"file_size\":6,\"data\":\"aGVsbG8K\""));
	look("cat /copied/secret /copied/victim; rm /copied/secret; mkfifo /copied/" PART, "secret\nhello\n");
	assert_rc(r, copy("copied/victim", ",\"file_mode\":33188,\"file_size\":12,\"offset\":3,\"data\":\"aGVsbG8K\""),
		  RC_FAILED_PRECONDITION, "begin again at 0");
	assert_done(r, copy("copied/victim", ",\"file_mode\":33188,\"file_size\":3,\"data\":\"aGVs\""));
	look("cat /copied/victim; rm /copied/victim; ls -A /copied | grep -c mote; true", "hel0\n");
	look("mkdir /copied/" PART, "");
	assert_rc(r, copy("copied/victim", ",\"file_mode\":33188,\"file_size\":3,\"data\":\"aGVs\""), RC_INTERNAL, "directory");
	look("rmdir /copied/" PART, "");
}

/* --- volumes --- */

#define EPHEMERAL "/run/kata-containers/sandbox/ephemeral/sized"

static int update(const char *options)
{
	return rig_call(cases_rig, "UpdateEphemeralMounts",
			"{\"storages\":[{\"driver\":\"ephemeral\",\"source\":\"tmpfs\",\"fstype\":\"tmpfs\","
			"\"mount_point\":\"" EPHEMERAL "\",\"options\":[%s]}]}", options);
}

static void has_size(const char *total)
{
	struct rig *r = cases_rig;
	char want[128];

	assert_done(r, rig_call(r, "GetVolumeStats", "{\"volume_guest_path\":\"" EPHEMERAL "\"}"));
	snprintf(want, sizeof(want),
		 "{\"usage\":[{\"available\":\"%s\",\"total\":\"%s\",\"used\":\"0\",\"unit\":\"BYTES\"}", total,
		 total);
	assert_output(r, want);
	assert_output(r, "\"unit\":\"INODES\"");
	assert_output(r, "\"volume_condition\":{\"abnormal\":false,\"message\":\"OK\"}");
}

static void a_volume_grows(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, update("\"size=1048576\",\"fsgid=5\""));
	has_size("1048576");
	assert_done(r, update("\"remount\",\"size=2097152\""));
	has_size("2097152");
	assert_done(r, update(""));
	assert_done(r, rig_call(r, "ResizeVolume",
				"{\"volume_guest_path\":\"" EPHEMERAL "\",\"size\":\"4194304\"}"));
	has_size("4194304");
}

static void volumes_refused(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_rc(r, rig_call(r, "GetVolumeStats", "{\"volume_guest_path\":\"/run/none\"}"),
		  RC_NOT_FOUND, "open volume /run/none");
	assert_rc(r, rig_call(r, "GetVolumeStats", "{\"volume_guest_path\":\"run\"}"),
		  RC_INVALID_ARGUMENT, "not an absolute path");
	assert_rc(r, rig_call(r, "ResizeVolume", "{\"volume_guest_path\":\"/proc\",\"size\":1}"),
		  RC_UNIMPLEMENTED, "resize volume /proc: proc cannot be resized");
	assert_rc(r, rig_call(r, "ResizeVolume", "{\"volume_guest_path\":\"" EPHEMERAL "\"}"),
		  RC_INVALID_ARGUMENT, "no device");
	assert_rc(r, rig_call(r, "UpdateEphemeralMounts", "{\"storages\":[{\"driver\":\"blk\"}]}"),
		  RC_INVALID_ARGUMENT, "driver \"blk\" is not ephemeral");
	assert_rc(r, rig_call(r, "UpdateEphemeralMounts",
			      "{\"storages\":[{\"driver\":\"ephemeral\",\"mount_point\":\"/etc\",\"options\":[\"remount\"]}]}"),
		  RC_INVALID_ARGUMENT, "storage 0 (/etc)");
	assert_rc(r, update("\"remount\",\"size=much\""), RC_INVALID_ARGUMENT, "storage 0");
	has_size("4194304");
	assert_done(r, rig_call(r, "RemoveStaleVirtiofsShareMounts", "{}"));
}

/* --- the last word --- */

static int last_word(const char *id)
{
	return rig_call(cases_rig, "GetDiagnosticData",
			"{\"log_type\":\"termination_log\",\"container_id\":\"%s\"}", id);
}

static void says(const char *id, const char *script, const char *want)
{
	struct rig *r = cases_rig;
	const char *exec = rig_id(r);

	assert_done(r, rig_exec(r, id, exec, script));
	assert_int_equal(rig_wait(r, id, exec), 0);
	assert_done(r, last_word(id));
	assert_string_equal(r->reply, want);
}

#define ANNOTATION ",\"Annotations\":{\"io.kubernetes.container.terminationMessagePath\":\"/dev/termination-log\"}"

/* The directory is there too, for one who would put something else in the file's place. */
static const struct rig_container speaker = {
	.args = "[\"cat\"]",
	.spec = ANNOTATION,
	.mounts = ",{\"destination\":\"/dev/termination-log\",\"type\":\"bind\",\"source\":\"" SHARE
		  "copied/word\",\"options\":[\"rbind\"]},{\"destination\":\"/copied\",\"type\":\"bind\",\"source\":\"" SHARE
		  "copied\",\"options\":[\"rbind\"]}",
};

static void a_last_word(void **state)
{
	struct rig *r = cases_rig;
	char id[32], many[LAST_WORD_BYTES + 32];

	(void)state;
	snprintf(id, sizeof(id), "%s", rig_id(r));
	assert_done(r, copy("copied/word", ",\"file_mode\":33206,\"file_size\":0"));
	assert_done(r, rig_run(r, id, &speaker));
	says(id, "true", "{\"data\":\"\"}");
	says(id, "echo out of luck >/dev/termination-log", "{\"data\":\"out of luck\\n\"}");
	says(id, "printf 'a\\\\377\\\\303\\\\251\\\\303' >/dev/termination-log",
	     "{\"data\":\"a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\"}");
	snprintf(many, sizeof(many), "{\"data\":\"%0*d\"}", LAST_WORD_BYTES, 0);
	says(id, "head -c 100000 /dev/zero | tr '\\\\0' 0 >/dev/termination-log", many);
	assert_done(r, rig_call(r, "SignalProcess", "{\"container_id\":\"%s\",\"signal\":9}", id));
	assert_int_equal(rig_wait(r, id, ""), 137);
	assert_done(r, last_word(id));
	assert_string_equal(r->reply, many);
	assert_done(r, rig_remove(r, id));
	assert_rc(r, last_word(id), RC_NOT_FOUND, id);
}

/* What the container has put there is not opened. */
static void a_last_word_that_is_a_trap(void **state)
{
	static const struct {
		const char *script, *part;
	} rows[] = {
		{ "ln -s /etc/resolv.conf word", "copied/word: reached by a symbolic link" },
		{ "ln -s word word", "copied/word: reached by a symbolic link" },
		{ "mkfifo word", "copied/word: not a regular file" },
		{ "mkdir word", "copied/word: not a regular file" },
	};
	struct rig *r = cases_rig;
	char id[32], script[256];

	(void)state;
	snprintf(id, sizeof(id), "%s", rig_id(r));
	assert_done(r, copy("copied/word", ",\"file_mode\":33206,\"file_size\":0"));
	assert_done(r, rig_run(r, id, &speaker));
	says(id, "rm /copied/word", "{\"data\":\"\"}");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *exec = rig_id(r);

		snprintf(script, sizeof(script), "cd /copied; rm -rf word; %s", rows[i].script);
		assert_done(r, rig_exec(r, id, exec, script));
		assert_int_equal(rig_wait(r, id, exec), 0);
		assert_rc(r, last_word(id), RC_FAILED_PRECONDITION, rows[i].part);
	}
	assert_done(r, rig_remove(r, id));
}

static void no_last_word(void **state)
{
	struct rig *r = cases_rig;
	const char *id = rig_id(r);
	struct rig_container what = { .args = "[\"cat\"]" };

	(void)state;
	assert_done(r, rig_run(r, id, &what));
	assert_rc(r, last_word(id), RC_NOT_FOUND, "terminationMessagePath");
	assert_done(r, rig_remove(r, id));
	what.spec = ANNOTATION;
	assert_done(r, rig_run(r, id, &what));
	assert_rc(r, last_word(id), RC_NOT_FOUND, "terminationMessagePath");
	assert_rc(r, rig_call(r, "GetDiagnosticData", "{\"log_type\":\"log\",\"container_id\":\"%s\"}", id),
		  RC_INVALID_ARGUMENT, "log_type \"log\"");
	assert_done(r, rig_remove(r, id));
}

#define AT_ONCE 4

/* Several calls that copy one file: each leaves a whole one, as if they had come one after the other. */
static void one_file_at_once(void **state)
{
	/* "aaaa\n" to "dddd\n" */
	static const char *const texts[AT_ONCE] = { "YWFhYQo=", "YmJiYgo=", "Y2NjYwo=", "ZGRkZAo=" };
	static struct rig_pending p[AT_ONCE];
	struct rig *r = cases_rig;

	(void)state;
	for (int round = 0; round < 64; round++) {
		for (int i = 0; i < AT_ONCE; i++)
			rig_send(r, r->client, RIG_CALL_MS, &p[i], "CopyFile",
				 "{\"path\":\"" SHARE "copied/once\",\"file_mode\":33188,\"file_size\":5,"
				 "\"dir_mode\":488,\"data\":\"%s\"}", texts[i]);
		for (int i = 0; i < AT_ONCE; i++)
			if (rig_await(r, &p[i]))
				fail_msg("round %d: %s", round, p[i].err.msg);
	}
	look("cat /copied/once; rm /copied/once; ls -A /copied | grep mote-; true", "dddd\n");
}

const struct CMUnitTest cases_files[] = {
	cmocka_unit_test(a_file_in_one),
	cmocka_unit_test(a_file_in_pieces),
	cmocka_unit_test(one_file_at_once),
	cmocka_unit_test(links_and_directories),
	cmocka_unit_test(copies_refused),
	cmocka_unit_test(something_in_the_way),
	cmocka_unit_test(a_volume_grows),
	cmocka_unit_test(volumes_refused),
	cmocka_unit_test(a_last_word),
	cmocka_unit_test(a_last_word_that_is_a_trap),
	cmocka_unit_test(no_last_word),
	{ 0 },
};
