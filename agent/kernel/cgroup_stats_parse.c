/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of a group's counters as numbers. Pure; the texts are the kernel's, and are taken for
 * anything all the same. */
#include "base/num.h"
#include "base/str.h"
#include "kernel/cgroup_stats.h"

#define TICKS_PER_SECOND 100 /* of what the kernel shows to programs, on every architecture */
#define NS_PER_TICK      (UINT64_C(1000000000) / TICKS_PER_SECOND)
#define NS_PER_US        UINT64_C(1000)

struct texts {
	const char *buf;
	size_t len;
	struct arena *a;
	bool no_memory;
};

const char *stat_texts_get(const char *buf, size_t len, const char *name)
{
	const char *end = buf + len;

	while (buf < end) {
		size_t name_len = strnlen(buf, (size_t)(end - buf));
		const char *text = buf + name_len + 1;
		size_t text_len = text < end ? strnlen(text, (size_t)(end - text)) : 0;

		if (text >= end || text + text_len >= end)
			break;
		if (str_eq(buf, name))
			return text;
		buf = text + text_len + 1;
	}
	return "";
}

/* --- numbers in texts --- */

/* Digits at the start of text, and no more. false: there are none, or too many. */
static bool take_u64(const char **text, uint64_t *out)
{
	char digits[24];
	size_t n = strspn(*text, "0123456789");

	if (!n || n >= sizeof(digits))
		return false;
	memcpy(digits, *text, n);
	digits[n] = '\0';
	*text += n;
	return num_u64(digits, UINT64_MAX, out) == 0;
}

static uint64_t number(const char *text, uint64_t otherwise)
{
	uint64_t n;

	return take_u64(&text, &n) ? n : otherwise;
}

/* The whole of a file is a number, or "max". */
static uint64_t file_number(const struct texts *t, const char *file, uint64_t otherwise)
{
	return number(stat_texts_get(t->buf, t->len, file), otherwise);
}

static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return line + (*line == '\n');
}

/* "key NUMBER" among the lines of a file. */
static uint64_t keyed(const struct texts *t, const char *file, const char *key, uint64_t otherwise)
{
	size_t n = strlen(key);

	for (const char *line = stat_texts_get(t->buf, t->len, file); *line; line = next_line(line))
		if (strncmp(line, key, n) == 0 && line[n] == ' ')
			return number(line + n + 1, otherwise);
	return otherwise;
}

static void *room(struct texts *t, size_t n, size_t size)
{
	void *p = n ? arena_calloc(t->a, n, size) : NULL;

	t->no_memory |= n && !p;
	return p;
}

static const char *copy(struct texts *t, const char *text, size_t n)
{
	const char *s = arena_strndup(t->a, text, n);

	t->no_memory |= !s;
	return s ? s : "";
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text = next_line(text))
		n++;
	return n;
}

/* --- parts of both versions --- */

static void parse_memory_stat(struct texts *t, struct cgroup_stats *out)
{
	const char *text = stat_texts_get(t->buf, t->len, "memory.stat");

	out->memory_stat = room(t, count_lines(text), sizeof(*out->memory_stat));
	for (; out->memory_stat && *text; text = next_line(text)) {
		size_t n = strcspn(text, " \n");
		const char *value = text + n + 1;
		struct cgroup_stat_pair p;

		if (!n || text[n] != ' ' || !take_u64(&value, &p.value))
			continue;
		p.key = copy(t, text, n);
		out->memory_stat[out->n_memory_stat++] = p;
	}
}

static void parse_pids(const struct texts *t, struct cgroup_stats *out)
{
	out->pids = file_number(t, "pids.current", 0);
	out->pids_limit = file_number(t, "pids.max", 0);
}

/* Each page size has a file of this name's form: the size is what stands between. */
static void parse_hugetlb(struct texts *t, const char *usage, const char *max, const char *failcnt,
			  struct cgroup_stats *out)
{
	const char *end = t->buf + t->len;
	size_t n = 0;

	for (const char *name = t->buf; name < end; name += strlen(name) + 1)
		n++;
	out->hugetlb = room(t, n / 2, sizeof(*out->hugetlb));
	for (const char *name = t->buf; out->hugetlb && name < end;) {
		size_t len = strlen(name), skip = strlen("hugetlb."), tail = strlen(usage);
		char file[128];
		struct str s = STR_OVER(file);
		struct cgroup_hugetlb_usage *h = &out->hugetlb[out->n_hugetlb];

		if (str_starts(name, "hugetlb.") && len > skip + tail &&
		    str_eq(name + len - tail, usage)) {
			h->page_size = copy(t, name + skip, len - skip - tail);
			h->usage = file_number(t, name, 0);
			str_addf(&s, "hugetlb.%s%s", h->page_size, max);
			h->max_usage = file_number(t, file, INT64_MAX);
			str_reset(&s);
			str_addf(&s, "hugetlb.%s%s", h->page_size, failcnt);
			h->failcnt = file_number(t, file, keyed(t, file, "max", 0));
			out->n_hugetlb++;
		}
		name += len + 1;
		name += strlen(name) + 1;
	}
}

/* --- version 2 --- */

static void parse_memory_v2(struct texts *t, struct cgroup_stats *out)
{
	out->memory = (struct cgroup_memory_usage){
		.usage = file_number(t, "memory.current", 0),
		.max_usage = file_number(t, "memory.peak", 0),
		.limit = file_number(t, "memory.max", INT64_MAX),
		.failcnt = keyed(t, "memory.events", "max", 0),
	};
	out->swap = (struct cgroup_memory_usage){
		.usage = file_number(t, "memory.swap.current", 0),
		.max_usage = file_number(t, "memory.swap.peak", 0),
		.limit = file_number(t, "memory.swap.max", INT64_MAX),
		.failcnt = keyed(t, "memory.swap.events", "fail", 0),
	};
	out->oom_kill = keyed(t, "memory.events", "oom_kill", 0);
	/* counted, but not limited on its own */
	out->kernel = (struct cgroup_memory_usage){
		.usage = keyed(t, "memory.stat", "kernel", 0),
		.limit = UINT64_MAX,
	};
	out->cache = keyed(t, "memory.stat", "file", 0);
}

static const struct {
	const char *key, *bytes_op, *serviced_op;
} io_keys[] = {
	{ "rbytes", "read", NULL },  { "wbytes", "write", NULL },  { "rios", "rios", "read" },
	{ "wios", "wios", "write" }, { "dbytes", "dbytes", NULL }, { "dios", "dios", "discard" },
};

static void add_io(struct cgroup_io_list *l, const struct cgroup_io_entry *device, const char *op,
		   uint64_t value)
{
	l->v[l->n] = *device;
	l->v[l->n].op = op;
	l->v[l->n++].value = value;
}

/* "rbytes=4096", the end of it is *at's new place. */
static void parse_io_word(const char **at, const struct cgroup_io_entry *device,
			  struct cgroup_stats *out)
{
	size_t n = strcspn(*at, "= \n");
	const char *value = *at + n + 1;
	uint64_t v;

	for (size_t i = 0; (*at)[n] == '=' && i < COUNT_OF(io_keys); i++) {
		if (strlen(io_keys[i].key) != n || memcmp(io_keys[i].key, *at, n) != 0)
			continue;
		if (!take_u64(&value, &v))
			break;
		add_io(&out->io[CGROUP_IO_BYTES], device, io_keys[i].bytes_op, v);
		if (io_keys[i].serviced_op)
			add_io(&out->io[CGROUP_IO_SERVICED], device, io_keys[i].serviced_op, v);
		break;
	}
	*at += strcspn(*at, " \n");
}

static void parse_io_v2(struct texts *t, struct cgroup_stats *out)
{
	const char *text = stat_texts_get(t->buf, t->len, "io.stat");
	size_t words = count_lines(text);
	struct cgroup_io_list *bytes = &out->io[CGROUP_IO_BYTES];
	struct cgroup_io_list *serviced = &out->io[CGROUP_IO_SERVICED];

	for (const char *at = text; *at; at++)
		words += *at == ' ';
	bytes->v = room(t, words, sizeof(*bytes->v));
	serviced->v = room(t, words, sizeof(*serviced->v));
	for (; bytes->v && serviced->v && *text; text = next_line(text)) {
		struct cgroup_io_entry device = { 0 };
		const char *at = text;

		if (!take_u64(&at, &device.major) || *at++ != ':' || !take_u64(&at, &device.minor))
			continue;
		while (*at == ' ') {
			at++;
			parse_io_word(&at, &device, out);
		}
	}
}

static void parse_v2(struct texts *t, struct cgroup_stats *out)
{
	out->cpu_total = keyed(t, "cpu.stat", "usage_usec", 0) * NS_PER_US;
	out->cpu_user = keyed(t, "cpu.stat", "user_usec", 0) * NS_PER_US;
	out->cpu_kernel = keyed(t, "cpu.stat", "system_usec", 0) * NS_PER_US;
	out->periods = keyed(t, "cpu.stat", "nr_periods", 0);
	out->throttled_periods = keyed(t, "cpu.stat", "nr_throttled", 0);
	out->throttled_ns = keyed(t, "cpu.stat", "throttled_usec", 0) * NS_PER_US;
	parse_memory_v2(t, out);
	parse_io_v2(t, out);
	parse_hugetlb(t, ".current", ".max", ".events", out);
}

/* --- version 1 --- */

static void parse_percpu(struct texts *t, struct cgroup_stats *out)
{
	const char *text = stat_texts_get(t->buf, t->len, "cpuacct.usage_percpu");

	out->percpu = room(t, strlen(text) / 2 + 1, sizeof(*out->percpu));
	while (out->percpu && take_u64(&text, &out->percpu[out->n_percpu])) {
		out->n_percpu++;
		text += strspn(text, " ");
	}
}

static void parse_usage_v1(const struct texts *t, const char *prefix,
			   struct cgroup_memory_usage *out)
{
	static const char *const files[] = { "usage_in_bytes", "max_usage_in_bytes",
					     "limit_in_bytes", "failcnt" };
	uint64_t *const to[] = { &out->usage, &out->max_usage, &out->limit, &out->failcnt };

	for (size_t i = 0; i < COUNT_OF(files); i++) {
		char name[64];
		struct str s = STR_OVER(name);

		str_addf(&s, "%s%s", prefix, files[i]);
		*to[i] = file_number(t, name, 0);
	}
}

/* Whatever scheduler counts. The throttling layer counts when none does, the first two alone. */
static const char *const io_files[CGROUP_IO_KINDS][3] = {
	[CGROUP_IO_BYTES] = { "blkio.bfq.io_service_bytes_recursive",
			      "blkio.io_service_bytes_recursive",
			      "blkio.throttle.io_service_bytes_recursive" },
	[CGROUP_IO_SERVICED] = { "blkio.bfq.io_serviced_recursive", "blkio.io_serviced_recursive",
				 "blkio.throttle.io_serviced_recursive" },
	[CGROUP_IO_QUEUED] = { "blkio.bfq.io_queued_recursive", "blkio.io_queued_recursive" },
	[CGROUP_IO_SERVICE_TIME] = { "blkio.bfq.io_service_time_recursive",
				     "blkio.io_service_time_recursive" },
	[CGROUP_IO_WAIT_TIME] = { "blkio.bfq.io_wait_time_recursive",
				  "blkio.io_wait_time_recursive" },
	[CGROUP_IO_MERGED] = { "blkio.bfq.io_merged_recursive", "blkio.io_merged_recursive" },
	[CGROUP_IO_TIME] = { "blkio.bfq.time_recursive", "blkio.time_recursive" },
	[CGROUP_IO_SECTORS] = { "blkio.bfq.sectors_recursive", "blkio.sectors_recursive" },
};

/* "8:0 Read 4096", or "8:0 4096" where there is no operation; "Total 4096" is of no device. */
static void parse_io_line(struct texts *t, const char *at, struct cgroup_io_list *l)
{
	struct cgroup_io_entry x = { .op = "" };
	size_t n;

	if (!take_u64(&at, &x.major) || *at++ != ':' || !take_u64(&at, &x.minor) || *at++ != ' ')
		return;
	n = strcspn(at, " \n");
	if (at[n] == ' ') {
		char *op = (char *)copy(t, at, n);

		for (char *c = op; *c; c++)
			*c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
		x.op = op;
		at += n + 1;
	}
	if (take_u64(&at, &x.value))
		l->v[l->n++] = x;
}

static void parse_io_v1(struct texts *t, struct cgroup_stats *out)
{
	for (size_t kind = 0; kind < CGROUP_IO_KINDS; kind++) {
		struct cgroup_io_list *l = &out->io[kind];

		for (size_t i = 0; i < COUNT_OF(io_files[0]) && io_files[kind][i] && !l->n; i++) {
			const char *text = stat_texts_get(t->buf, t->len, io_files[kind][i]);

			l->v = room(t, count_lines(text), sizeof(*l->v));
			for (; l->v && *text; text = next_line(text))
				parse_io_line(t, text, l);
		}
	}
}

static void parse_v1(struct texts *t, struct cgroup_stats *out)
{
	out->cpu_total = file_number(t, "cpuacct.usage", 0);
	out->cpu_user = keyed(t, "cpuacct.stat", "user", 0) * NS_PER_TICK;
	out->cpu_kernel = keyed(t, "cpuacct.stat", "system", 0) * NS_PER_TICK;
	parse_percpu(t, out);
	out->periods = keyed(t, "cpu.stat", "nr_periods", 0);
	out->throttled_periods = keyed(t, "cpu.stat", "nr_throttled", 0);
	out->throttled_ns = keyed(t, "cpu.stat", "throttled_time", 0);
	parse_usage_v1(t, "memory.", &out->memory);
	parse_usage_v1(t, "memory.memsw.", &out->swap);
	parse_usage_v1(t, "memory.kmem.", &out->kernel);
	out->use_hierarchy = file_number(t, "memory.use_hierarchy", 0) == 1;
	/* with the groups below, as all the other numbers are */
	out->cache = keyed(t, "memory.stat", out->use_hierarchy ? "total_cache" : "cache", 0);
	parse_io_v1(t, out);
	parse_hugetlb(t, ".usage_in_bytes", ".max_usage_in_bytes", ".failcnt", out);
}

/* Names and texts take turns, and the last one ends. */
static bool are_pairs(const char *buf, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += !buf[i];
	return n % 2 == 0 && (!len || !buf[len - 1]);
}

int cgroup_stats_parse(enum cgroup_version v, const char *buf, size_t len, struct arena *a,
		       struct cgroup_stats *out)
{
	struct texts t = { .buf = buf, .len = len, .a = a };

	*out = (struct cgroup_stats){ 0 };
	if (!are_pairs(buf, len))
		return -EINVAL;
	parse_memory_stat(&t, out);
	parse_pids(&t, out);
	if (v == CGROUP_VERSION_1)
		parse_v1(&t, out);
	else
		parse_v2(&t, out);
	return t.no_memory ? -ENOMEM : 0;
}

/* --- network --- */

enum {
	RX_BYTES,
	RX_PACKETS,
	RX_ERRORS,
	RX_DROPPED,
	TX_BYTES = 8,
	TX_PACKETS,
	TX_ERRORS,
	TX_DROPPED,
	NET_COLUMNS = 16
};

/* "  eth0: 1 2 …": the two lines of headings have no colon. */
static bool parse_link(struct texts *t, const char *line, struct net_link_stats *out)
{
	uint64_t c[NET_COLUMNS] = { 0 };
	size_t n;

	line += strspn(line, " ");
	n = strcspn(line, ":\n ");
	if (line[n] != ':' || !n || (n == 2 && memcmp(line, "lo", n) == 0))
		return false;
	out->name = copy(t, line, n);
	line += n + 1;
	for (size_t i = 0; i < NET_COLUMNS; i++) {
		line += strspn(line, " ");
		if (!take_u64(&line, &c[i]))
			return false;
	}
	*out = (struct net_link_stats){ out->name,     c[RX_BYTES],   c[RX_PACKETS],
					c[RX_ERRORS],  c[RX_DROPPED], c[TX_BYTES],
					c[TX_PACKETS], c[TX_ERRORS],  c[TX_DROPPED] };
	return true;
}

int net_links_parse(const char *text, struct arena *a, struct net_link_stats **out, size_t *n)
{
	struct texts t = { .a = a };

	*n = 0;
	*out = room(&t, count_lines(text) + 1, sizeof(**out));
	for (; *out && *text; text = next_line(text))
		*n += parse_link(&t, text, &(*out)[*n]);
	return t.no_memory ? -ENOMEM : 0;
}
