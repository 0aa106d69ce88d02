/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd's front: tasks (versions 2 and 3 from one table), sandboxes and streams as a shim
 * serves them, mote.v1.Events for what the guest cannot bring to containerd itself, and mote.v1.Ports
 * for connections into the pod. Thin: each
 * handler turns a message into a verb of the sandbox and its result into a reply. What the front
 * keeps beside the model: which streams go by which names (io.h), what happened and nobody has
 * acknowledged (events.h), and of each task what containerd asks back (task.h).
 */
#ifndef MOTE_SERVICE_CONTAINERD_CONTAINERD_H
#define MOTE_SERVICE_CONTAINERD_CONTAINERD_H

#include "containerd_sandbox.pb-c.h"
#include "containerd_task.pb-c.h"
#include "mote.pb-c.h"
#include "service/containerd/events.h"
#include "service/containerd/io.h"
#include "service/containerd/pod.h"
#include "service/containerd/ports.h"
#include "service/kata/kata.h"

struct ctd {
	struct sandbox *sandbox;
	struct ios ios;
	struct events events;
	struct pod pod;
	unsigned int n_ports; /* connections of mote.v1.Ports */
};

/* The context of every call. Kata's front comes first: its context is this one's address. */
struct fronts {
	struct kata kata;
	struct ctd ctd;
};

void fronts_init(struct fronts *f, struct sandbox *s);

/* Forgets what is kept, before the sandbox goes. */
void fronts_fini(struct fronts *f);

/* NULL-terminated: all that the agent serves. */
extern const struct rpc_service *const fronts_services[];

static inline struct ctd *ctd_of(const struct call *c)
{
	return &((struct fronts *)call_context(c))->ctd;
}

/* Handlers, by file; the tables are in services.c. */
void task_state(struct call *c);
void task_create(struct call *c);
void task_start(struct call *c);
void task_delete(struct call *c);
void task_pids(struct call *c);
void task_pause(struct call *c);
void task_resume(struct call *c);
void task_checkpoint(struct call *c);
void task_kill(struct call *c);
void task_exec(struct call *c);
void task_resize_pty(struct call *c);
void task_close_io(struct call *c);
void task_update(struct call *c);
void task_wait(struct call *c);
void task_stats(struct call *c);
void task_connect(struct call *c);
void task_shutdown(struct call *c);
void pod_create(struct call *c);
void pod_start(struct call *c);
void pod_platform(struct call *c);
void pod_stop(struct call *c);
void pod_wait(struct call *c);
void pod_status(struct call *c);
void pod_ping(struct call *c);
void pod_shutdown(struct call *c);
void pod_metrics(struct call *c);
void io_stream(struct call *c);
void events_subscribe(struct call *c);
void events_ack(struct call *c);
void kuasar_check(struct call *c);
void kuasar_setup(struct call *c);
void kuasar_update_interfaces(struct call *c);
void kuasar_update_routes(struct call *c);
void kuasar_exec(struct call *c);
void kuasar_sync_clock(struct call *c);
void kuasar_get_events(struct call *c);

#endif
