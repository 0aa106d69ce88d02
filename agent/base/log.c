/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message becomes one JSON line, which goes to the ring and to the sink, and one plain
 * line, which goes to the console. Messages carry text from peers: JSON escapes it, and the
 * plain line loses every control character, so that nobody can forge a line or drive a terminal.
 *
 * The ring holds whole lines only, between two counters that only grow. Old lines leave
 * before a new one is copied in, and the new one is published after, so a signal handler
 * that interrupts the writer anywhere sees whole lines.
 *
 * A console that is full loses lines; their number is told before the next line that gets
 * through. poll(2) goes before each write, since the descriptor may be a blocking one that
 * others share. A forked child must use neither the ring nor the sink, which are the
 * parent's; a pid cannot tell (a child in a new pid namespace is 1 too), so a page that the
 * kernel wipes on fork does (MADV_WIPEONFORK, Linux 4.14).
 */
#include "base/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"

/* All other keys, and each byte of a message as \u00xx. */
#define JSON_MAX	(6 * LOG_LINE_MAX + 512)

#define barrier()	__atomic_signal_fence(__ATOMIC_SEQ_CST)

static const struct {
	const char *name;	/* of agent.log */
	const char *tag;	/* in the JSON line, as slog writes it */
	const char *plain;	/* on the console */
	char syslog;		/* its number there, as the journal reads it (sd-daemon) */
} levels[] = {
	[LOG_CRITICAL] = { "critical", "CRIT", "CRIT", '2' },
	[LOG_ERROR] = { "error", "ERRO", "ERROR", '3' },
	[LOG_WARN] = { "warn", "WARN", "WARN", '4' },
	[LOG_INFO] = { "info", "INFO", "INFO", '6' },
	[LOG_DEBUG] = { "debug", "DEBG", "DEBUG", '7' },
	[LOG_TRACE] = { "trace", "TRCE", "TRACE", '7' },
};

static struct {
	enum log_level level;
	int consolefd;
	bool journal;			/* consolefd is one of the journal's streams */
	bool torn;			/* the last console line is not whole */
	uint64_t dropped;		/* console lines since one got through */
	const char *version;
	log_sink_fn sink;
	void *sink_arg;
	const volatile bool *owner;	/* true in the process that called log_init() only */
	volatile size_t start, end;	/* bytes ever dropped from and added to the ring */
} lg = { .level = LOG_INFO, .consolefd = -1, .version = "" };

/* Apart, since what has an initial value lies in the program's file, zeros and all. */
static char ring[LOG_RING_BYTES];

/* Without the page every process counts as a child and has the console only. */
static const bool *owner_page(void)
{
	bool *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	if (madvise(page, 4096, MADV_WIPEONFORK) < 0) {
		munmap(page, 4096);
		return NULL;
	}
	*page = true;
	return page;
}

void log_init(enum log_level level, int consolefd, const char *version)
{
	if (!lg.owner || !*lg.owner)
		lg.owner = owner_page();
	log_set_level(level);
	lg.consolefd = consolefd;
	lg.journal = lg.torn = false;
	lg.dropped = 0;
	lg.version = version;
	lg.sink = NULL;
	lg.start = lg.end = 0;
}

void log_set_level(enum log_level level)
{
	lg.level = level;
}

void log_set_journal(bool on)
{
	lg.journal = on;
}

enum log_level log_get_level(void)
{
	return lg.level;
}

int log_level_parse(const char *name, enum log_level *out)
{
	static const struct {
		const char *name;
		enum log_level level;
	} also[] = { { "fatal", LOG_CRITICAL }, { "panic", LOG_CRITICAL }, { "warning", LOG_WARN } };

	if (!name)
		return -EINVAL;
	for (size_t i = 0; i < COUNT_OF(levels); i++) {
		if (str_eq(name, levels[i].name)) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	for (size_t i = 0; i < COUNT_OF(also); i++) {
		if (str_eq(name, also[i].name)) {
			*out = also[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
	return (size_t)level < COUNT_OF(levels) ? levels[level].name : "?";
}

void log_set_sink(log_sink_fn fn, void *arg)
{
	lg.sink = fn;
	lg.sink_arg = arg;
}

/* Moves the ring's start behind the next newline. */
static size_t skip_line(size_t pos, size_t end)
{
	while (pos != end && ring[pos % LOG_RING_BYTES] != '\n')
		pos++;
	return pos == end ? end : pos + 1;
}

/* line ends in a newline and is shorter than the ring. */
static void ring_add(const char *line, size_t len)
{
	size_t end = lg.end, start = lg.start;
	size_t at = end % LOG_RING_BYTES;
	size_t first = MIN(len, LOG_RING_BYTES - at);

	while (end + len - start > LOG_RING_BYTES)
		start = skip_line(start, end);
	lg.start = start;
	barrier();
	memcpy(ring + at, line, first);
	memcpy(ring, line + first, len - first);
	barrier();
	lg.end = end + len;
}

size_t log_ring_copy(char *buf, size_t cap)
{
	size_t end = lg.end, start = lg.start;
	size_t at, len, first;

	while (end - start > cap)
		start = skip_line(start, end);
	at = start % LOG_RING_BYTES;
	len = end - start;
	first = MIN(len, LOG_RING_BYTES - at);
	memcpy(buf, ring + at, first);
	memcpy(buf + first, ring, len - first);
	return len;
}

static void console_write(enum log_level level, const char *subsystem, const char *text)
{
	struct pollfd p = { .fd = lg.consolefd, .events = POLLOUT };
	char buf[LOG_LINE_MAX + 256];
	struct str s = STR_OVER(buf);
	size_t told;
	ssize_t n = -1;

	if (lg.consolefd < 0)
		return;
	if (lg.torn)
		str_add_char(&s, '\n');
	if (lg.dropped)
		str_addf(&s, "%sWARN log: %llu lines dropped\n", lg.journal ? "<4>" : "",
			 (unsigned long long)lg.dropped);
	told = s.len;
	if (lg.journal)
		str_addf(&s, "<%c>", levels[level].syslog);
	str_addf(&s, "%s %.64s: ", levels[level].plain, subsystem);
	str_add(&s, text);
	str_add_char(&s, '\n');

	if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT))
		n = write(lg.consolefd, buf, s.len);
	if (n > 0) {
		lg.torn = (size_t)n < s.len;
		if ((size_t)n >= told)
			lg.dropped = 0;
	}
	if (n <= 0 || lg.torn)
		lg.dropped++;
}

static void json_line(struct str *s, enum log_level level, const char *subsystem, const char *text)
{
	char ts[32];

	str_add(s, "{\"msg\":");
	json_add_string(s, text);
	str_addf(s, ",\"level\":\"%s\",\"ts\":\"%s\",\"version\":", levels[level].tag,
		 clock_rfc3339(ts));
	json_add_string(s, lg.version);
	str_add(s, ",\"subsystem\":");
	json_add_string(s, subsystem);
	/* A string: that is what Kata's agent sends. */
	str_addf(s, ",\"pid\":\"%d\",\"name\":\"kata-agent\",\"source\":\"agent\"}", (int)getpid());
}

/* Safe when the sink makes a line of its own after all: that line does not reach the sink. */
static void own_write(enum log_level level, const char *subsystem, const char *text)
{
	char buf[JSON_MAX];
	struct str s = STR_OVER(buf);
	log_sink_fn sink = lg.sink;

	json_line(&s, level, subsystem, text);
	if (!str_ok(&s))
		return;
	if (sink) {
		lg.sink = NULL;
		sink(lg.sink_arg, buf, s.len);
		lg.sink = sink;
	}
	str_add_char(&s, '\n');
	ring_add(buf, s.len);
}

void log_at(enum log_level level, const char *subsystem, const char *fmt, ...)
{
	char text[LOG_LINE_MAX + 1];
	struct str s = STR_OVER(text);
	int saved = errno;
	va_list ap;

	if (level > lg.level)
		return;
	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	if (!str_ok(&s))
		str_cut(text, LOG_LINE_MAX, "...");

	if (lg.owner && *lg.owner)
		own_write(level, subsystem, text);
	str_sanitize(text);
	console_write(level, subsystem, text);
	errno = saved;
}
