/* SPDX-License-Identifier: Apache-2.0 */
/* The server's life: set up, turn, and take everything back. */
#include <signal.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "event/child.h"
#include "shim/shim.h"
#include "shim/start.h"

#define ARENA_BYTES 65536
#define FLUSH_MS    3000 /* for containerd to take the last events */
#define HANG_UP_MS  2000
#define DRAIN_MS    2000 /* for the last replies */

static struct shim the_shim; /* signals carry no argument */

void shim_init(struct shim *s)
{
	list_init(&s->work);
	list_init(&s->lost.node);
	list_init(&s->tasks);
	list_init(&s->sandbox.waiters);
	net_init(&s->net);
	outbox_init(s);
}

void shim_queue(struct shim *s, struct work *w, void (*fn)(struct work *w))
{
	w->fn = fn;
	list_append(&s->work, &w->node);
}

/* As a service manager wants it; containerd itself never signals its shims. */
static void on_signal(int signo UNUSED)
{
	the_shim.done = true;
}

static void on_drained(void *arg)
{
	*(bool *)arg = true;
}

static void turn(struct shim *s)
{
	struct work *w;

	while (!s->done) {
		if (loop_once(s->loop, -1) < 0)
			return;
		while ((w = LIST_FIRST(&s->work, struct work, node))) {
			list_remove(&w->node);
			w->fn(w);
		}
	}
}

static int set_up(struct shim *s, const struct serve_opts *o, struct arena *a, struct err *e)
{
	struct address address = { .kind = ADDRESS_UNIX };
	struct str path = STR_OVER(address.path);
	sigset_t signals;
	int rc;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	reaper_block_signals(&signals);
	s->loop = loop_new();
	rc = s->loop ? reaper_start(s->loop, &signals, on_signal) : -ENOMEM;
	if (rc < 0)
		return err_sys(e, -rc, "start");
	if (conf_read(a, &s->conf, e) < 0 || share_open(s->loop, &s->share, e) < 0)
		return -1;
	s->server = server_new(s->loop, shim_services, s, SERVER_ANY_PEER, e);
	if (!s->server)
		return -1;
	str_add(&path, o->socket);
	return server_listen(s->server, &address, e);
}

/* containerd closes once it has read the last reply. Were we to close first, its client could take
 * the end for the answer (both are there, and it looks at either). */
static void await_hang_up(struct shim *s)
{
	uint64_t deadline = clock_after(HANG_UP_MS), now;
	struct server_stats stats;

	for (;;) {
		server_stats(s->server, &stats);
		now = clock_ms();
		if (!stats.conns || now >= deadline ||
		    loop_once(s->loop, (int)(deadline - now)) < 0)
			return;
	}
}

static void take_back(struct shim *s, const char *socket)
{
	struct task *t;
	bool drained = false;

	unlink(socket); /* who comes now shall find nobody, and start anew */
	guest_stop(s);
	outbox_flush(s, FLUSH_MS);
	if (s->server) {
		await_hang_up(s);
		server_drain(s->server, DRAIN_MS, on_drained, &drained);
		while (!drained && loop_once(s->loop, -1) >= 0)
			;
		server_free(s->server);
	}
	while ((t = LIST_FIRST(&s->tasks, struct task, node)))
		tasks_free(s, t);
	outbox_fini(s);
	net_close(&s->net);
	share_close(&s->share);
	free(s->sandbox.options);
}

int serve(const struct serve_opts *o, void (*ready)(void *arg), void *arg, struct err *e)
{
	struct shim *s = &the_shim;
	struct arena a;
	int rc;

	arena_init(&a, 2 * ARENA_BYTES);
	s->ns = o->ns;
	s->id = o->id;
	shim_init(s);
	s->outbox.address = o->ttrpc_address;
	rc = set_up(s, o, &a, e);
	if (rc == 0) {
		log_info("shim", "serves %s of %s", s->id, s->ns);
		ready(arg);
		turn(s);
		take_back(s, o->socket);
		log_info("shim", "ends");
	} else if (s->share.scratch.loop) {
		share_close(&s->share);
	}
	if (s->loop) {
		reaper_stop();
		loop_free(s->loop);
	}
	arena_fini(&a);
	return rc < 0 ? 1 : 0;
}
