/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/proc.h"

#include <fcntl.h>

#include "base/io.h"
#include "base/num.h"
#include "base/str.h"

#define SPACES	" \t\n\r\v\f"

/* Copies the index-th white-space separated word of a line ("Uid:\t0\t0"; 0 is the first word
 * after the key). */
static int word(const char *line, unsigned int index, char *buf, size_t cap)
{
	struct str s;

	str_init(&s, buf, cap);
	for (;; index--) {
		size_t n;

		line += strspn(line, " \t");
		n = strcspn(line, " \t\n");
		if (n == 0)
			return -EINVAL;
		if (index == 0) {
			str_add_n(&s, line, n);
			return str_ok(&s) ? 0 : -EINVAL;
		}
		line += n;
	}
}

/* What follows "KEY:" at the start of a line, or NULL. */
static const char *line_of(const char *text, const char *key)
{
	size_t n = strlen(key);

	while (text) {
		if (strncmp(text, key, n) == 0 && text[n] == ':')
			return text + n + 1;
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return NULL;
}

static int number(const char *text, const char *key, unsigned int index, uint64_t max,
		  uint64_t *out)
{
	const char *line = line_of(text, key);
	char buf[24];

	if (!line || word(line, index, buf, sizeof(buf)) < 0)
		return -EINVAL;
	return num_u64(buf, max, out);
}

static int mask(const char *text, const char *key, uint64_t *out)
{
	const char *line = line_of(text, key);
	char buf[24];

	if (!line || word(line, 0, buf, sizeof(buf)) < 0)
		return -EINVAL;
	return num_hex(buf, UINT64_MAX, out);
}

/* "NSpid:\t123\t1": the last one. */
static pid_t innermost(const char *text, pid_t tgid)
{
	pid_t pid = tgid;
	uint64_t v;

	for (unsigned int i = 0; i < 32 && number(text, "NSpid", i, INT32_MAX, &v) == 0; i++)
		pid = (pid_t)v;
	return pid;
}

int proc_status_parse(const char *text, struct proc_status *out)
{
	const char *state = line_of(text, "State");
	uint64_t tgid, ppid, uid, gid, threads, thread_pending, pending, rss = 0;

	if (!state)
		return -EINVAL;
	state += strspn(state, " \t");
	if (!*state || *state == '\n' || number(text, "Tgid", 0, INT32_MAX, &tgid) < 0 ||
	    number(text, "PPid", 0, INT32_MAX, &ppid) < 0 ||
	    number(text, "Uid", 1, UINT32_MAX, &uid) < 0 ||
	    number(text, "Gid", 1, UINT32_MAX, &gid) < 0 ||
	    number(text, "Threads", 0, UINT32_MAX, &threads) < 0 ||
	    mask(text, "SigPnd", &thread_pending) < 0 || mask(text, "ShdPnd", &pending) < 0 ||
	    mask(text, "SigBlk", &out->sig_blocked) < 0 ||
	    mask(text, "SigIgn", &out->sig_ignored) < 0 ||
	    mask(text, "SigCgt", &out->sig_caught) < 0)
		return -EINVAL;
	(void)number(text, "VmRSS", 0, UINT64_MAX, &rss);	/* a zombie has none */
	out->state = *state;
	out->tgid = (pid_t)tgid;
	out->ppid = (pid_t)ppid;
	out->ns_pid = innermost(text, out->tgid);
	out->uid = (uid_t)uid;
	out->gid = (gid_t)gid;
	out->threads = (unsigned int)threads;
	out->sig_pending = thread_pending | pending;
	out->rss_kb = rss;
	return 0;
}

static int read_of(pid_t pid, const char *file, char *buf, size_t cap)
{
	char path[64];
	struct str s = STR_OVER(path);
	ssize_t n;

	if (pid)
		str_addf(&s, "/proc/%d/%s", pid, file);
	else
		str_addf(&s, "/proc/self/%s", file);
	n = io_read_file(AT_FDCWD, path, buf, cap);
	return n < 0 ? (int)n : 0;
}

int proc_status(pid_t pid, struct proc_status *out)
{
	char text[8192];	/* the lists of allowed CPUs and groups are the long part */
	int r = read_of(pid, "status", text, sizeof(text));

	return r < 0 ? r : proc_status_parse(text, out);
}

/* Field 2 is the command in parentheses, which may itself hold blanks and parentheses: count
 * from the last one. */
int proc_start_time_parse(const char *stat, uint64_t *ticks)
{
	const char *at = strrchr(stat, ')');
	char buf[24];

	if (!at || word(at + 1, 22 - 3, buf, sizeof(buf)) < 0)
		return -EINVAL;
	return num_u64(buf, UINT64_MAX, ticks);
}

int proc_start_time(pid_t pid, uint64_t *ticks)
{
	char text[1024];
	int r = read_of(pid, "stat", text, sizeof(text));

	return r < 0 ? r : proc_start_time_parse(text, ticks);
}

/* Removes one leading and, if there is one, one trailing quote, as the kernel's parser does. */
static char *unquote(char *s)
{
	size_t n;

	if (*s != '"')
		return s;
	s++;
	n = strlen(s);
	if (n > 0 && s[n - 1] == '"')
		s[n - 1] = '\0';
	return s;
}

bool proc_cmdline_next(char **cursor, char **key, char **value)
{
	char *at = *cursor + strspn(*cursor, SPACES);
	char *end = at, *equals = NULL;
	bool quoted = false;

	if (!*at)
		return false;
	for (; *end && (quoted || !strchr(SPACES, *end)); end++) {
		if (*end == '"')
			quoted = !quoted;
		else if (*end == '=' && !equals)
			equals = end;
	}
	*cursor = *end ? end + 1 : end;
	*end = '\0';
	*value = NULL;
	if (*at == '"') {
		/* "key=some value" in whole: the closing quote ends the value. */
		*key = unquote(at);
		if (equals) {
			*equals = '\0';
			*value = equals + 1;
		}
		return true;
	}
	*key = at;
	if (equals) {
		*equals = '\0';
		*value = unquote(equals + 1);
	}
	return true;
}
