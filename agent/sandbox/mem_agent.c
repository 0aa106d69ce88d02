/* SPDX-License-Identifier: Apache-2.0 */
/* check-code: job */
#include "sandbox/mem_agent.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/num.h"
#include "sandbox/members.h"

#define GROUPS_MAX   256	    /* of one look */
#define PIECE	     (8u << 20)	    /* bytes asked for at once: pressure is looked at in between */
#define MEMCG_MS     60000	    /* that one look may take */
#define PRESSURE_MS  200	    /* between two looks at it while memory is compacted */
#define PRESSURE     "/proc/pressure/memory"

/* --- what the kernel tells --- */

uint64_t mem_agent_pressure(const char *text)
{
	const char *at = strstr(text, "some avg10=");
	uint64_t whole, part;
	char digits[12];
	size_t n;

	if (!at)
		return 0;
	at += strlen("some avg10=");
	n = strspn(at, "0123456789");
	if (!n || n > 3 || at[n] != '.' || !at[n + 1] || !strchr("0123456789", at[n + 1]) || !at[n + 2] ||
	    !strchr("0123456789", at[n + 2]))
		return 0;
	memcpy(digits, at, n);
	digits[n] = '\0';
	part = (uint64_t)(at[n + 1] - '0') * 10 + (uint64_t)(at[n + 2] - '0');
	return num_u64(digits, 999, &whole) == 0 ? whole * 100 + part : 0;
}

/* "Node 0, zone   Normal   12   3 …": blocks of 1, 2, 4… pages. */
uint64_t mem_agent_scattered(const char *text, uint64_t order)
{
	uint64_t pages = 0;

	while (*text) {
		const char *at = strstr(text, "zone"), *end = strchr(text, '\n');

		if (!end)
			end = text + strlen(text);
		at = at && at < end ? at + strlen("zone") : end;
		at += strspn(at, " ");
		at += strcspn(at, " \n"); /* its name */
		for (uint64_t o = 0; o < order && o < 32 && at < end; o++) {
			char *behind;
			unsigned long long n;

			at += strspn(at, " ");
			if (*at < '0' || *at > '9')
				break;
			n = strtoull(at, &behind, 10);
			pages += (uint64_t)(n & UINT32_MAX) << o;
			at = behind;
		}
		text = *end ? end + 1 : end;
	}
	return pages;
}

/* A kernel that does not tell counts as pressed: nothing is taken then. */
static bool is_pressed(const char *path, uint64_t percent)
{
	char text[512];

	return io_read_file(AT_FDCWD, path, text, sizeof(text)) <= 0 ||
	       mem_agent_pressure(text) > percent * 100;
}

/* --- reclaim --- */

struct look {
	struct mem_agent *m;
	struct mem_agent_memcg config;
	size_t n;
	char *paths[GROUPS_MAX]; /* whole, owned */
};

/* A counter of memory.stat; 0 when it is not there. */
static uint64_t counter(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *at = text; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
		if (strncmp(at, key, n) == 0 && at[n] == ' ')
			return strtoull(at + n + 1, NULL, 10);
	return 0;
}

/* What lies in the lists of what was not used lately. Bytes that were given back. */
static uint64_t reclaim(const char *dir, const struct mem_agent_memcg *c)
{
	char path[512], text[8192], words[64];
	uint64_t idle, done = 0;

	snprintf(path, sizeof(path), "%s/memory.stat", dir);
	if (io_read_file(AT_FDCWD, path, text, sizeof(text)) < 0)
		return 0;
	idle = counter(text, "inactive_file") + (c->swap ? counter(text, "inactive_anon") : 0);
	while (done < idle) {
		uint64_t piece = MIN(idle - done, (uint64_t)PIECE);

		snprintf(path, sizeof(path), "%s/memory.pressure", dir);
		if (is_pressed(path, c->eviction_psi))
			break;
		snprintf(path, sizeof(path), "%s/memory.reclaim", dir);
		snprintf(words, sizeof(words), "%llu swappiness=%llu", (unsigned long long)piece,
			 (unsigned long long)(c->swap ? c->swappiness_max : 0));
		if (io_write_file(AT_FDCWD, path, words) < 0)
			break; /* EAGAIN: there is no more to be had */
		done += piece;
	}
	return done;
}

static int memcg_job(void *arg, void *out, size_t out_cap UNUSED, size_t *out_len, struct err *e UNUSED)
{
	const struct look *l = arg;
	uint64_t bytes = 0;

	if (is_pressed(PRESSURE, l->config.period_psi))
		return 0;
	for (size_t i = 0; i < l->n; i++)
		bytes += reclaim(l->paths[i], &l->config);
	memcpy(out, &bytes, sizeof(bytes));
	*out_len = sizeof(bytes);
	return 0;
}

static void memcg_late(void *owner)
{
	struct look *l = owner;

	l->m->memcg_busy = false;
	for (size_t i = 0; i < l->n; i++)
		free(l->paths[i]);
	free(l);
}

static void memcg_done(void *owner, const struct err *e, const void *out, size_t len)
{
	struct look *l = owner;
	uint64_t bytes = 0;

	if (len == sizeof(bytes))
		memcpy(&bytes, out, sizeof(bytes));
	if (err_is_set(e))
		log_warn("mem-agent", "%s", e->msg);
	else if (bytes)
		log_debug("mem-agent", "%llu bytes of %zu containers are reclaimed",
			  (unsigned long long)bytes, l->n);
	if (e->rc != RC_DEADLINE_EXCEEDED)
		memcg_late(l);
}

static void add_group(struct look *l, struct member *m)
{
	const struct cgroup_root *root = m->container->host->cgroups;
	size_t cap = sizeof(root->path) + 1;

	if (m->state != MEMBER_LIVE || !m->container->cgroup_path || l->n == GROUPS_MAX)
		return;
	if (m->mem_looks < l->config.aging_min) {
		m->mem_looks++;
		return;
	}
	cap += strlen(m->container->cgroup_path) + 1;
	l->paths[l->n] = mem_new(cap, 1);
	if (l->paths[l->n])
		snprintf(l->paths[l->n++], cap, "%s/%s", root->path, m->container->cgroup_path);
}

static void memcg_look(struct timer *t)
{
	struct mem_agent *m = container_of(t, struct mem_agent, memcg_timer);
	const struct job_opts opts = { .what = "reclaim memory",
				       .deadline_ms = clock_after(MEMCG_MS),
				       .out_max = sizeof(uint64_t),
				       .late = memcg_late };
	struct err e = { 0 };
	struct member *member;
	struct look *l;

	timer_arm(m->sandbox->loop, t, clock_after(m->config.memcg.period_secs * 1000), memcg_look);
	l = m->memcg_busy ? NULL : mem_new(1, sizeof(*l));
	if (!l)
		return;
	l->m = m;
	l->config = m->config.memcg;
	LIST_EACH(member, &m->sandbox->containers, struct member, node)
		add_group(l, member);
	m->memcg_busy = true;
	if (!l->n || !job_start(m->sandbox->loop, &opts, memcg_job, l, memcg_done, l, &e))
		memcg_late(l);
	if (err_is_set(&e))
		log_warn("mem-agent", "%s", e.msg);
}

/* --- compaction --- */

struct compact_result {
	uint64_t scattered;
	bool compacted;
};

static uint64_t scattered_now(uint64_t order)
{
	char text[16384];

	return io_read_file(AT_FDCWD, "/proc/buddyinfo", text, sizeof(text)) > 0
		       ? mem_agent_scattered(text, order)
		       : 0;
}

/* The write lasts as long as the compaction: by another process, which a signal ends. */
static void compact(const struct mem_agent_compact *c)
{
	uint64_t until = clock_after(c->sec_max * 1000);
	pid_t pid = fork();

	if (pid == 0)
		_exit(io_write_file(AT_FDCWD, "/proc/sys/vm/compact_memory", "1") < 0);
	while (pid > 0 && waitpid(pid, NULL, WNOHANG) == 0) {
		if (clock_ms() >= until || is_pressed(PRESSURE, c->compact_psi)) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			return;
		}
		poll(NULL, 0, PRESSURE_MS);
	}
}

static int compact_job(void *arg, void *out, size_t out_cap UNUSED, size_t *out_len, struct err *e UNUSED)
{
	const struct mem_agent *m = arg;
	const struct mem_agent_compact *c = &m->config.compact;
	struct compact_result r = { 0 };

	if (is_pressed(PRESSURE, c->period_psi))
		return 0;
	r.scattered = scattered_now(c->order);
	if (r.scattered > m->scattered + c->threshold || m->rounds >= c->force_times) {
		compact(c);
		r.compacted = true;
		r.scattered = scattered_now(c->order);
	}
	memcpy(out, &r, sizeof(r));
	*out_len = sizeof(r);
	return 0;
}

static void compact_late(void *owner)
{
	((struct mem_agent *)owner)->compact_busy = false;
}

static void compact_done(void *owner, const struct err *e, const void *out, size_t len)
{
	struct mem_agent *m = owner;
	struct compact_result r = { 0 };

	if (len == sizeof(r))
		memcpy(&r, out, sizeof(r));
	if (err_is_set(e))
		log_warn("mem-agent", "%s", e->msg);
	m->rounds = r.compacted ? 0 : m->rounds + 1;
	if (r.compacted) {
		m->scattered = r.scattered;
		log_debug("mem-agent", "memory is compacted: %llu pages in small blocks",
			  (unsigned long long)r.scattered);
	}
	if (e->rc != RC_DEADLINE_EXCEEDED)
		m->compact_busy = false;
}

static void compact_look(struct timer *t)
{
	struct mem_agent *m = container_of(t, struct mem_agent, compact_timer);
	const struct job_opts opts = {
		.what = "compact memory",
		.deadline_ms = clock_after(m->config.compact.sec_max * 1000 + MEMCG_MS),
		.out_max = sizeof(struct compact_result),
		.late = compact_late,
	};
	struct err e = { 0 };

	timer_arm(m->sandbox->loop, t, clock_after(m->config.compact.period_secs * 1000), compact_look);
	if (m->compact_busy)
		return;
	m->compact_busy = job_start(m->sandbox->loop, &opts, compact_job, m, compact_done, m, &e);
	if (err_is_set(&e))
		log_warn("mem-agent", "%s", e.msg);
}

/* --- settings --- */

static void arm(struct mem_agent *m, struct timer *t, bool disabled, uint64_t secs, timer_fn fn)
{
	if (disabled || !m->config.enabled)
		timer_cancel(t);
	else
		timer_arm(m->sandbox->loop, t, clock_after(secs * 1000), fn);
}

void mem_agent_init(struct mem_agent *m, struct sandbox *s, const struct mem_agent_config *config)
{
	const struct mem_agent_memcg *g = &config->memcg;
	const struct mem_agent_compact *c = &config->compact;

	*m = (struct mem_agent){ .sandbox = s, .config = *config };
	arm(m, &m->memcg_timer, g->disabled || s->cgroups.version != CGROUP_VERSION_2, g->period_secs,
	    memcg_look);
	arm(m, &m->compact_timer, c->disabled, c->period_secs, compact_look);
}

void mem_agent_fini(struct mem_agent *m)
{
	timer_cancel(&m->memcg_timer);
	timer_cancel(&m->compact_timer);
}

int mem_agent_set_memcg(struct mem_agent *m, const struct mem_agent_memcg *c, struct err *e)
{
	if (!m->config.enabled)
		return err_set(e, RC_INTERNAL, "mem-agent is disabled");
	m->config.memcg = *c;
	arm(m, &m->memcg_timer, c->disabled || m->sandbox->cgroups.version != CGROUP_VERSION_2,
	    c->period_secs, memcg_look);
	return 0;
}

int mem_agent_set_compact(struct mem_agent *m, const struct mem_agent_compact *c, struct err *e)
{
	if (!m->config.enabled)
		return err_set(e, RC_INTERNAL, "mem-agent is disabled");
	m->config.compact = *c;
	arm(m, &m->compact_timer, c->disabled, c->period_secs, compact_look);
	return 0;
}
