/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fault_walk.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "lib/fault_calls.h"
#include "lib/fault_rest.h"

#define CALL_MS 15000 /* then a call counts as hung */
#define REST_MS 20000 /* for what ends by itself, on a busy machine too: jobs, timers of 5 s */
#define BAD_MAX 100
#define FOREIGN_MAX 32 /* times that a call of a library is made to fail, unless all are */

struct tally {
	unsigned int sites, calls, allocations, walked, told, borne, missed, bad;
};

/* Of the scenario that is being walked. */
static struct fault_rest before;

int fault_wrong(struct rig *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->err.msg, sizeof(r->err.msg), fmt, ap);
	va_end(ap);
	r->err.rc = FAULT_WRONG;
	return FAULT_WRONG;
}

static void turn(struct timer *t)
{
	(void)t;
}

/* Back to what there was before? Some of it takes its time. */
static bool is_at_rest(struct fault *f, const char *const *ids, char *why, size_t cap)
{
	static struct fault_rest now;
	uint64_t until = clock_after(REST_MS);
	struct timer tick = { 0 };

	for (uint64_t pause = 2; f->rig->agent.pid; pause *= 2) {
		if (fault_rest_take(f, ids, &now) < 0) {
			snprintf(why, cap, "the agent does not answer: %s", f->rig->err.msg);
			return false;
		}
		/* what the first measure saw of a guest that lingers (linger.c) goes by itself */
		before.heap = MIN(before.heap, now.heap);
		if (fault_rest_same(&before, &now, why, cap))
			return true;
		if (clock_ms() >= until)
			return false;
		timer_arm(f->rig->loop, &tick, clock_after(pause), turn);
		while (tick.loop)
			loop_once(f->rig->loop, -1);
	}
	snprintf(why, cap, "the agent has ended (status %d)", f->rig->agent_status);
	return false;
}

/* What a failure left to its host to clear away. The connection may be the price of it. */
static void clear(struct rig *r, const struct fault_scenario *s)
{
	if (r->agent.pid && rig_call(r, "grpc.Health/Check", "{}")) {
		if (r->client)
			client_free(r->client);
		r->client = rig_connect(r);
	}
	for (size_t i = 0; r->client && s->ids && s->ids[i]; i++)
		rig_remove(r, s->ids[i]);
	/* what is kept for a host that has not seen it */
	if (r->client && s->ids)
		rig_call(r, "mote.v1.Events/Ack", "{\"seq\":\"18446744073709551615\"}");
}

static int start(struct fault_walk *w)
{
	static bool started;
	struct rig *r = w->f->rig;

	r->call_ms = CALL_MS;
	if (!started) {
		started = true;
		return rig_start(r, RIG_NAMESPACES);
	}
	return fault_renew(w->f) < 0 ? -1 : rig_restart(r);
}

/* A new agent where there is none, or where the scenario wants one, warm and measured. */
static int make_ready(struct fault_walk *w, const struct fault_scenario *s)
{
	struct rig *r = w->f->rig;
	bool fresh = s->flags & FAULT_FRESH;

	if (!fresh && r->agent.pid && r->client)
		return 0;
	if (start(w) < 0 || (!fresh && rig_call(r, "CreateSandbox", "{}")))
		return -1;
	if (s->before && s->before(r)) {
		printf("# %s: before: %s\n", s->name, r->err.msg);
		return -1;
	}
	/* the first time allocates what stays: tables, parents of directories and groups */
	for (int i = 0; !fresh && i < 2; i++)
		if (s->run(r)) {
			printf("# %s fails without a fault: %s\n", s->name, r->err.msg);
			return -1;
		}
	return fault_rest_take(w->f, s->ids, &before);
}

/* --- one fault ------------------------------------------------------------------------------- */

static void tell(const struct fault_walk *w, const struct fault_scenario *s,
		 const struct fault_target *t, const char *verdict, const char *text)
{
	printf("# %s: %s: time %u of %s with %s in %s: %s\n", s->name, verdict, t->occurrence,
	       fault_site_name(w->f, t->site), strerrorname_np(t->errnum),
	       fault_site_process(w->f, t->site), text);
	fflush(stdout);
}

static bool is_told(const struct err *e)
{
	return *e->msg && e->rc != RC_OK && !strstr(e->msg, "without a reason") &&
	       !strstr(e->msg, "Success");
}

/* A failure of the machine is not the caller's. Libraries of others say what they will. */
static bool blames_the_caller(const struct fault *f, const struct err *e)
{
	if (fault_site_is_foreign(f, f->target.site) || f->target.errnum == ENOSYS)
		return false; /* nor is there a kernel that has a call in one place only */
	return e->rc == RC_INVALID_ARGUMENT || e->rc == RC_ALREADY_EXISTS ||
	       (e->rc == RC_NOT_FOUND && f->target.errnum != ENOENT) ||
	       (e->rc == RC_PERMISSION_DENIED && f->target.errnum != EPERM);
}

static bool answer_was_lost(const struct err *e)
{
	return strstr(e->msg, "no memory for a reply") || strstr(e->msg, "ttrpc: closed");
}

/* It was never begun, or all of it is there. */
static bool has_an_outcome(struct rig *r, const struct fault_scenario *s)
{
	int rc = r->agent.pid && r->client ? s->run(r) : 0;

	return !rc || rc == RC_FAILED_PRECONDITION ||
	       ((s->flags & FAULT_ENDS) && (rc == RC_UNAVAILABLE || !r->agent.pid));
}

/* NULL, or what is wrong with how the fault was borne. */
static const char *borne_badly(struct fault_walk *w, const struct fault_scenario *s, int rc,
			       bool hit, struct err *told, char *why, size_t cap)
{
	struct rig *r = w->f->rig;

	bool over = !rc && (s->flags & FAULT_FRESH);

	if (!r->agent.pid && !(over && (s->flags & FAULT_ENDS)))
		return "the agent died";
	if (rc == FAULT_WRONG)
		return "OK was said of what did not work";
	if (rc && !hit)
		return "failed without the fault";
	if (rc == RC_DEADLINE_EXCEEDED)
		return "hung";
	if (rc && !is_told(told))
		return "no reason told";
	if (rc && hit && blames_the_caller(w->f, told))
		return "the wrong reason told";
	if (over)
		return NULL;
	clear(r, s);
	if ((s->flags & FAULT_ONCE) && answer_was_lost(told))
		return has_an_outcome(r, s) ? NULL : "half done";
	if ((s->flags & FAULT_RESUMES) && rc && s->run(r))
		return "does not go on";
	if (s->kept && strstr(told->msg, "gave no answer"))
		return s->run(r) ? "does not work any more" : NULL;
	if (!(s->flags & FAULT_ENDS) && !is_at_rest(w->f, s->ids, why, cap))
		return "left over";
	if (!rc || !s->run(r)) /* one that was borne has just shown it */
		return NULL;
	snprintf(why, cap, "%s", r->err.msg);
	return "does not work any more";
}

static void walk_one(struct fault_walk *w, const struct fault_scenario *s,
		     const struct fault_target *t, struct tally *n)
{
	struct rig *r = w->f->rig;
	char why[1024] = "", text[2048];
	struct err told;
	uint64_t began = clock_ms();
	const char *bad;
	int rc;

	if (n->bad >= BAD_MAX)
		return;
	if (make_ready(w, s) < 0) {
		printf("# %s: the agent does not start\n", s->name);
		n->bad = BAD_MAX;
		return;
	}
	fault_arm(w->f, t);
	rc = s->run(r);
	fault_disarm(w->f);
	told = r->err;
	n->walked++;
	n->missed += !w->f->hit;
	n->told += w->f->hit && rc;
	n->borne += w->f->hit && !rc;
	bad = borne_badly(w, s, rc, w->f->hit, &told, why, sizeof(why));
	snprintf(text, sizeof(text), "%u ms: %s%s%s%s", (unsigned int)(clock_ms() - began), rc ? told.msg : "OK", *why ? " [" : "", why,
		 *why ? "]" : "");
	if (bad) {
		n->bad++;
		tell(w, s, t, bad, text);
		if (getenv("MOTE_SHOW_LOG"))
			rig_show_log(r);
		if (r->client) /* the next one begins anew */
			client_free(TAKE_PTR(r->client));
	} else if (getenv("MOTE_FAULT_SHOW")) {
		tell(w, s, t, !w->f->hit ? "not met" : rc ? "told" : "borne", text);
	}
}

/* --- all of them ----------------------------------------------------------------------------- */

/* Two runs, since processes run side by side and not always in the same way. */
static int count(struct fault_walk *w, const struct fault_scenario *s, struct tally *n)
{
	struct fault *f = w->f;

	for (size_t i = 0; i < f->n_sites; i++)
		f->sites[i].expect = 0;
	for (int i = 0; i < 2; i++) {
		if (make_ready(w, s) < 0)
			return -1;
		fault_arm(f, &(struct fault_target){ 0 });
		if (s->run(f->rig)) {
			printf("# %s fails without a fault: %s\n", s->name, f->rig->err.msg);
			return -1;
		}
		fault_disarm(f);
		for (size_t k = 0; k < f->n_sites; k++)
			f->sites[k].expect = MAX(f->sites[k].expect, f->sites[k].times);
	}
	for (size_t i = 0; i < f->n_sites; i++) {
		bool alloc = !strcmp(fault_call_name(f->sites[i].nr), "allocation");

		n->sites += f->sites[i].expect > 0;
		n->allocations += alloc ? f->sites[i].expect : 0;
		n->calls += alloc ? 0 : f->sites[i].expect;
	}
	return 0;
}

static void walk_site(struct fault_walk *w, const struct fault_scenario *s, struct fault_site *site,
		      struct tally *n)
{
	const struct fault_call *c = fault_call_find(site->nr);
	unsigned int most = fault_site_is_foreign(w->f, site) ? FOREIGN_MAX : 1;
	unsigned int times = w->whole ? site->expect : MIN(site->expect, most);

	for (unsigned int i = 0; c && c->errnos[i]; i++) {
		if (!w->whole && (site->walked & (1u << i)))
			continue;
		site->walked |= 1u << i;
		for (unsigned int k = 1; k <= times; k++)
			walk_one(w, s, &(struct fault_target){ site, k, c->errnos[i] }, n);
	}
}

unsigned int fault_walk(struct fault_walk *w, const struct fault_scenario *s)
{
	const char *only = getenv("MOTE_FAULT_SITE");
	struct fault *f = w->f;
	struct tally n = { 0 };
	size_t n_sites;
	uint64_t began = clock_ms();

	if (f->rig->client) /* measured anew for each scenario */
		client_free(TAKE_PTR(f->rig->client));
	if (count(w, s, &n) < 0)
		return 1;
	n_sites = getenv("MOTE_FAULT") && !strcmp(getenv("MOTE_FAULT"), "none") ? 0 : f->n_sites; /* what faults bring about themselves is not walked */
	for (size_t i = 0; i < n_sites; i++)
		if (!only || strstr(fault_site_name(f, &f->sites[i]), only))
			walk_site(w, s, &f->sites[i], &n);
	if (*f->unknown) {
		printf("# %s: the table of tests/lib/fault_calls.c has no %s\n", s->name,
		       f->unknown);
		n.bad++;
	}
	printf("# %s: %u system calls and %u allocations at %u sites; %u faults: %u told, %u borne, %u not met, "
	       "%u bad (%llu ms)\n",
	       s->name, n.calls, n.allocations, n.sites, n.walked, n.told, n.borne, n.missed, n.bad,
	       (unsigned long long)(clock_ms() - began));
	fflush(stdout);
	return n.bad;
}
