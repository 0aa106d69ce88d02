/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/generation.h"

#include <sys/epoll.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "kernel/kmsg.h"
#include "kernel/ptp.h"
#include "sandbox/machine.h"

#define WORD	       "random: crng reseeded due to virtual machine fork"
#define RECORDS_A_TURN 64
#define REST_MS	       1000

static int64_t ms_between(const struct timespec *a, const struct timespec *b)
{
	return (int64_t)(b->tv_sec - a->tv_sec) * 1000 + (b->tv_nsec - a->tv_nsec) / 1000000;
}

/* Where the hypervisor gives no clock only the host can set it (SetGuestDateTime). */
static void changed(struct generation *g)
{
	static const char what[] = "the machine is of a new generation: the kernel has reseeded";
	struct timespec host, own;
	struct err e = { 0 };
	int r = ptp_host_time("/sys/class/ptp", "/dev", &host);

	g->changes++;
	if (r < 0) {
		log_warn("sandbox", "%s; the clock is the old one's (%s): the host must set it", what,
			 r == -ENODEV ? "the hypervisor gives none" : err_errno_name(-r));
		return;
	}
	clock_gettime(CLOCK_REALTIME, &own);
	if (machine_set_clock(host.tv_sec, host.tv_nsec / 1000, &e) < 0) {
		log_error("sandbox", "%s; %s", what, e.msg);
		return;
	}
	g->stepped++;
	log_info("sandbox", "%s; the clock was set by the hypervisor's, by %lld ms", what,
		 (long long)ms_between(&own, &host));
}

bool generation_is_new(const struct kmsg *m)
{
	return m->facility == 0 && str_eq(m->text, WORD);
}

static void on_records(struct watch *w, uint32_t events);

static void rest_over(struct timer *t)
{
	struct generation *g = container_of(t, struct generation, rest);

	if (watch_add(g->loop, &g->watch, g->fd, EPOLLIN, on_records) < 0)
		timer_arm(g->loop, t, clock_after(REST_MS), rest_over);
}

/* The log is not given up: memory that is gone comes again, and what is written meanwhile stays there. */
static void take_rest(struct generation *g, int r)
{
	if (!g->failing)
		log_error("sandbox", "/dev/kmsg: %s; a new generation of the machine is noticed late",
			  err_errno_name(-r));
	g->failing = true;
	watch_del(&g->watch);
	timer_arm(g->loop, &g->rest, clock_after(REST_MS), rest_over);
}

static void on_records(struct watch *w, uint32_t events UNUSED)
{
	struct generation *g = container_of(w, struct generation, watch);
	char buf[KMSG_MAX];
	struct kmsg m;
	int r = 1;

	for (int i = 0; i < RECORDS_A_TURN && r == 1; i++) {
		r = kmsg_read(g->fd, buf, &m);
		if (r == 1 && generation_is_new(&m))
			changed(g);
	}
	if (r < 0)
		take_rest(g, r);
	else
		g->failing = false;
}

void generation_start(struct generation *g, struct loop *l)
{
	int r;

	*g = (struct generation){ .fd = kmsg_open(), .loop = l };
	r = g->fd < 0 ? g->fd : watch_add(l, &g->watch, g->fd, EPOLLIN, on_records);
	if (r == 0)
		return;
	auto_close(&g->fd);
	log_info("sandbox", "/dev/kmsg: %s; a new generation of the machine is not noticed",
		 err_errno_name(-r));
}

void generation_stop(struct generation *g)
{
	timer_cancel(&g->rest);
	if (g->fd >= 0)
		watch_del(&g->watch);
	auto_close(&g->fd);
}
