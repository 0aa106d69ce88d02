/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of Kata's front, and what its handlers share. */
#include "service/kata/kata.h"

static const struct rpc_row agent_rows[] = {
	{ "CreateSandbox", kata_create_sandbox, 0 },
	{ "DestroySandbox", kata_destroy_sandbox, 0 },
	{ "GetGuestDetails", kata_get_guest_details, 0 },
	{ "CreateContainer", kata_create_container, 0 },
	{ "StartContainer", kata_start_container, 0 },
	{ "RemoveContainer", kata_remove_container, 0 },
	{ "UpdateContainer", kata_update_container, 0 },
	{ "StatsContainer", kata_stats_container, 0 },
	{ "PauseContainer", kata_pause_container, 0 },
	{ "ResumeContainer", kata_resume_container, 0 },
	{ "GetOOMEvent", kata_get_oom_event, 0 },
	{ "ExecProcess", kata_exec_process, 0 },
	{ "SignalProcess", kata_signal_process, 0 },
	{ "WaitProcess", kata_wait_process, 0 },
	{ "WriteStdin", kata_write_stdin, 0 },
	{ "ReadStdout", kata_read_stdout, 0 },
	{ "ReadStderr", kata_read_stderr, 0 },
	{ "CloseStdin", kata_close_stdin, 0 },
	{ "TtyWinResize", kata_tty_win_resize, 0 },
	{ "UpdateInterface", kata_update_interface, 0 },
	{ "UpdateRoutes", kata_update_routes, 0 },
	{ "ListInterfaces", kata_list_interfaces, 0 },
	{ "ListRoutes", kata_list_routes, 0 },
	{ "AddARPNeighbors", kata_add_arp_neighbors, 0 },
	{ "GetIPTables", kata_get_iptables, 0 },
	{ "SetIPTables", kata_set_iptables, 0 },
	{ "OnlineCPUMem", kata_online_cpu_mem, 0 },
	{ "MemHotplugByProbe", kata_mem_hotplug_by_probe, 0 },
	{ "AddSwap", kata_add_swap, 0 },
	{ "AddSwapPath", kata_add_swap_path, 0 },
	{ "SetGuestDateTime", kata_set_guest_date_time, 0 },
	{ "ReseedRandomDev", kata_reseed_random_dev, 0 },
	{ "GetMetrics", kata_get_metrics, 0 },
	{ "CopyFile", kata_copy_file, 0 },
	{ "GetVolumeStats", kata_get_volume_stats, 0 },
	{ "ResizeVolume", kata_resize_volume, 0 },
	{ "UpdateEphemeralMounts", kata_update_ephemeral_mounts, 0 },
	{ "RemoveStaleVirtiofsShareMounts", kata_remove_stale_virtiofs_share_mounts, 0 },
	{ "GetDiagnosticData", kata_get_diagnostic_data, 0 },
	{ "MemAgentMemcgSet", kata_mem_agent_memcg_set, 0 },
	{ "MemAgentCompactSet", kata_mem_agent_compact_set, 0 },
};

/* The rest of the schema, in its order. */
static const char *const agent_unimplemented[] = {
	"SetPolicy", NULL,
};

static const struct rpc_row health_rows[] = {
	{ "Check", kata_health_check, 0 },
	{ "Version", kata_health_version, 0 },
};

const struct rpc_service kata_agent_service = {
	.desc = &grpc__agent_service__descriptor,
	.rows = agent_rows,
	.n_rows = COUNT_OF(agent_rows),
	.unimplemented = agent_unimplemented,
};

const struct rpc_service kata_health_service = {
	.desc = &grpc__health__descriptor,
	.rows = health_rows,
	.n_rows = COUNT_OF(health_rows),
};

void kata_init(struct kata *k, struct sandbox *s)
{
	k->sandbox = s;
	list_init(&k->lingering);
}

struct taking {
	struct passed_want want;
	kata_streams_fn then;
};

static void streams_taken(struct passed_want *w)
{
	struct taking *t = container_of(w, struct taking, want);
	int fds[3] = { w->fds[0], w->fds[1], w->fds[2] };

	t->then(w->owner, fds); /* the call's memory may be gone with it */
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		auto_close(&fds[i]);
}

void kata_take_streams(struct call *c, const uint32_t ports[3], kata_streams_fn then)
{
	struct taking *t = ARENA_NEW(&c->arena, struct taking);

	if (!t) {
		call_failf(c, RC_RESOURCE_EXHAUSTED, "streams: no memory");
		return;
	}
	t->then = then;
	t->want.fn = streams_taken;
	t->want.owner = c;
	memcpy(t->want.ports, ports, sizeof(t->want.ports));
	passed_take(&kata_of(c)->sandbox->passed, &t->want);
}

struct container *kata_container(struct call *c, const char *id)
{
	struct err e = { 0 };
	struct container *found = sandbox_find(kata_of(c)->sandbox, id, &e);

	if (!found)
		call_fail(c, &e);
	return found;
}

struct process *kata_process(struct call *c, const char *container_id, const char *exec_id)
{
	struct err e = { 0 };
	struct container *found = sandbox_find(kata_of(c)->sandbox, container_id, &e);
	struct process *p;

	if (!found) {
		e.rc = RC_INVALID_ARGUMENT;
		call_fail(c, &e);
		return NULL;
	}
	p = process_find(found, exec_id);
	if (!p)
		call_failf(c, RC_NOT_FOUND, "container \"%s\": process \"%.64s\" not found (%s)",
			   found->id, exec_id, *exec_id ? "InvalidExecId" : "InitProcessNotFound");
	return p;
}
