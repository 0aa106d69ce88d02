/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/conf.h"

#include <fcntl.h>

#include "base/io.h"
#include "lib/parse.h"

#define FILE_MAX 65536
#define MEMORY   (256u << 20)
#define BOOT_MS  120000
#define CPUS_MAX 256
#define BLANKS   " \t\r"

static int parse_text(const char *text, void *member, struct err *e)
{
	if (!*text)
		return err_set(e, RC_INVALID_ARGUMENT, "no value");
	*(const char **)member = text;
	return 0;
}

static int parse_bytes(const char *text, void *member, struct err *e)
{
	return parse_size(text, member, e);
}

static int parse_cpu_count(const char *text, void *member, struct err *e)
{
	return parse_count(text, CPUS_MAX, member, e);
}

static int parse_ms(const char *text, void *member, struct err *e)
{
	return parse_seconds(text, member, e);
}

static int parse_version(const char *text, void *member, struct err *e)
{
	if (!str_eq(text, "2") && !str_eq(text, "3"))
		return err_set(e, RC_INVALID_ARGUMENT, "neither 2 nor 3");
	*(uint64_t *)member = (uint64_t)(*text - '0');
	return 0;
}

static const struct row {
	const char *key;
	int (*parse)(const char *text, void *member, struct err *e);
	size_t offset;
} rows[] = {
	{ "kernel", parse_text, offsetof(struct conf, kernel) },
	{ "initrd", parse_text, offsetof(struct conf, initrd) },
	{ "qemu", parse_text, offsetof(struct conf, qemu) },
	{ "accel", parse_text, offsetof(struct conf, accel) },
	{ "append", parse_text, offsetof(struct conf, append) },
	{ "memory", parse_bytes, offsetof(struct conf, memory) },
	{ "cpus", parse_cpu_count, offsetof(struct conf, cpus) },
	{ "boot_timeout", parse_ms, offsetof(struct conf, boot_ms) },
	{ "task_version", parse_version, offsetof(struct conf, task_version) },
};

static char *trim(char *text)
{
	size_t n;

	text += strspn(text, BLANKS);
	for (n = strlen(text); n && strchr(BLANKS, text[n - 1]); n--)
		;
	text[n] = '\0';
	return text;
}

static int set(struct conf *out, const char *key, const char *value, struct err *e)
{
	if (!value)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "no memory");
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (str_eq(rows[i].key, key))
			return rows[i].parse(value, (char *)out + rows[i].offset, e) < 0
				       ? err_ctx(e, "%s", key)
				       : 0;
	return err_set(e, RC_INVALID_ARGUMENT, "'%.40s' is not known", key);
}

int conf_parse(struct arena *a, char *text, struct conf *out, struct err *e)
{
	unsigned int number = 0;
	char *next;

	*out = (struct conf){ .memory = MEMORY, .cpus = 1, .boot_ms = BOOT_MS };
	for (; text; text = next) {
		char *line = text, *equals;

		next = strchr(text, '\n');
		if (next)
			*next++ = '\0';
		number++;
		line = trim(line);
		if (!*line || *line == '#')
			continue;
		equals = strchr(line, '=');
		if (!equals)
			return err_set(e, RC_INVALID_ARGUMENT, "line %u: not 'key = value'",
				       number);
		*equals = '\0';
		if (set(out, trim(line), arena_strdup(a, trim(equals + 1)), e) < 0)
			return err_ctx(e, "line %u", number);
	}
	return 0;
}

int conf_read(struct arena *a, struct conf *out, struct err *e)
{
	const char *named = getenv("MOTE_SHIM_CONFIG");
	const char *path = named && *named ? named : CONF_FILE;
	char *text = NULL;
	ssize_t n = io_read_file_arena(AT_FDCWD, path, a, FILE_MAX, &text);

	if (n == -ENOENT && path != named)
		return conf_parse(a, arena_strdup(a, ""), out, e);
	if (n < 0)
		return err_sys(e, (int)-n, "%s", path);
	return conf_parse(a, text, out, e) < 0 ? err_ctx(e, "%s", path) : 0;
}
