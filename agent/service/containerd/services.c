/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of containerd's front, and all services of the agent. */
#include "containerd_streaming.pb-c.h"
#include "kuasar.pb-c.h"
#include "service/containerd/containerd.h"

static const struct rpc_row task_rows[] = {
	{ "State", task_state, 0 },
	{ "Create", task_create, 0 },
	{ "Start", task_start, 0 },
	{ "Delete", task_delete, 0 },
	{ "Pids", task_pids, 0 },
	{ "Pause", task_pause, 0 },
	{ "Resume", task_resume, 0 },
	{ "Checkpoint", task_checkpoint, 0 },
	{ "Kill", task_kill, 0 },
	{ "Exec", task_exec, 0 },
	{ "ResizePty", task_resize_pty, 0 },
	{ "CloseIO", task_close_io, 0 },
	{ "Update", task_update, 0 },
	{ "Wait", task_wait, 0 },
	{ "Stats", task_stats, 0 },
	{ "Connect", task_connect, 0 },
	{ "Shutdown", task_shutdown, 0 },
};

static const struct rpc_row pod_rows[] = {
	{ "CreateSandbox", pod_create, 0 },
	{ "StartSandbox", pod_start, 0 },
	{ "Platform", pod_platform, 0 },
	{ "StopSandbox", pod_stop, 0 },
	{ "WaitSandbox", pod_wait, 0 },
	{ "SandboxStatus", pod_status, 0 },
	{ "PingSandbox", pod_ping, 0 },
	{ "ShutdownSandbox", pod_shutdown, 0 },
	{ "SandboxMetrics", pod_metrics, 0 },
};

static const struct rpc_row streaming_rows[] = {
	{ "Stream", io_stream, RPC_STREAM },
};

static const struct rpc_row kuasar_rows[] = {
	{ "Check", kuasar_check, 0 },
	{ "SetupSandbox", kuasar_setup, 0 },
	{ "UpdateInterfaces", kuasar_update_interfaces, 0 },
	{ "UpdateRoutes", kuasar_update_routes, 0 },
	{ "ExecVMProcess", kuasar_exec, 0 },
	{ "SyncClock", kuasar_sync_clock, 0 },
	{ "GetEvents", kuasar_get_events, 0 },
};

static const struct rpc_row events_rows[] = {
	{ "Subscribe", events_subscribe, RPC_STREAM },
	{ "Ack", events_ack, 0 },
};

static const struct rpc_row ports_rows[] = {
	{ "Connect", ports_connect, RPC_STREAM | RPC_RAW },
};

#define SERVICE(descriptor, rows_, ...) \
	{ .desc = &descriptor, .rows = rows_, .n_rows = COUNT_OF(rows_), ##__VA_ARGS__ }

static const struct rpc_service task2 = SERVICE(containerd__task__v2__task__descriptor, task_rows);

/* The same messages by another name. */
static const struct rpc_service task3 = SERVICE(containerd__task__v2__task__descriptor, task_rows,
						.name = "containerd.task.v3.Task");

static const struct rpc_service pod =
	SERVICE(containerd__runtime__sandbox__v1__sandbox__descriptor, pod_rows);

static const struct rpc_service streaming =
	SERVICE(containerd__services__streaming__v1__streaming__descriptor, streaming_rows);

static const struct rpc_service events = SERVICE(mote__v1__events__descriptor, events_rows);

static const struct rpc_service ports = SERVICE(mote__v1__ports__descriptor, ports_rows);

/* Its package is Kata's on the wire. */
static const struct rpc_service kuasar = SERVICE(kuasar__sandbox_service__descriptor, kuasar_rows,
						 .name = "grpc.SandboxService");

const struct rpc_service *const fronts_services[] = {
	&kata_agent_service, &kata_health_service, &task2, &task3, &pod, &streaming, &events,
	&ports, &kuasar, NULL,
};

void fronts_init(struct fronts *f, struct sandbox *s)
{
	kata_init(&f->kata, s);
	f->ctd.sandbox = s;
	ios_init(&f->ctd.ios);
	events_init(&f->ctd.events);
	pod_init(&f->ctd.pod);
}

void fronts_fini(struct fronts *f)
{
	events_fini(&f->ctd.events);
}
