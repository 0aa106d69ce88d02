/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kata's front: grpc.AgentService and grpc.Health. One file per group of methods; each handler
 * turns a message into a verb of the sandbox and its result into a reply. The front has no state of
 * its own but the processes that were waited for and linger until their output is read.
 */
#ifndef MOTE_SERVICE_KATA_KATA_H
#define MOTE_SERVICE_KATA_KATA_H

#include "agent.pb-c.h"
#include "health.pb-c.h"
#include "sandbox/sandbox.h"
#include "service/verb.h"

/* The API version that this front speaks, as Kata's hosts compare it. */
#define KATA_API_VERSION "0.0.1"

/* The context of every call. */
struct kata {
	struct sandbox *sandbox;
	struct list lingering; /* struct linger of linger.c */
};

void kata_init(struct kata *k, struct sandbox *s);

extern const struct rpc_service kata_agent_service, kata_health_service;

static inline struct kata *kata_of(const struct call *c)
{
	return call_context(c);
}

/* Answers the call with the failure and returns NULL when there is no such container or process.
 * The codes are those that Kata's hosts know: an unknown container is INVALID_ARGUMENT
 * (InvalidContainerId) for the calls of a process, an unknown process NOT_FOUND (InvalidExecId). */
struct container *kata_container(struct call *c, const char *id);
struct process *kata_process(struct call *c, const char *container_id, const char *exec_id);

/* Takes the streams that a request names by ports (where hosts carry them so), and goes on with the call
 * when they are there or do not come. fds: `then`s to take; what it leaves is closed. */
typedef void (*kata_streams_fn)(struct call *c, int fds[3]);
void kata_take_streams(struct call *c, const uint32_t ports[3], kata_streams_fn then);

/* Handlers, by file; the table is in services.c. */
void kata_health_check(struct call *c);
void kata_health_version(struct call *c);
void kata_create_sandbox(struct call *c);
void kata_destroy_sandbox(struct call *c);
void kata_get_guest_details(struct call *c);
void kata_create_container(struct call *c);
void kata_start_container(struct call *c);
void kata_remove_container(struct call *c);
void kata_update_container(struct call *c);
void kata_stats_container(struct call *c);
void kata_pause_container(struct call *c);
void kata_resume_container(struct call *c);
void kata_get_oom_event(struct call *c);
void kata_exec_process(struct call *c);
void kata_signal_process(struct call *c);
void kata_wait_process(struct call *c);
void kata_write_stdin(struct call *c);
void kata_read_stdout(struct call *c);
void kata_read_stderr(struct call *c);
void kata_close_stdin(struct call *c);
void kata_tty_win_resize(struct call *c);
void kata_update_interface(struct call *c);
void kata_update_routes(struct call *c);
void kata_list_interfaces(struct call *c);
void kata_list_routes(struct call *c);
void kata_add_arp_neighbors(struct call *c);
void kata_get_iptables(struct call *c);
void kata_set_iptables(struct call *c);
void kata_online_cpu_mem(struct call *c);
void kata_mem_hotplug_by_probe(struct call *c);
void kata_add_swap(struct call *c);
void kata_add_swap_path(struct call *c);
void kata_set_guest_date_time(struct call *c);
void kata_reseed_random_dev(struct call *c);
void kata_get_metrics(struct call *c);
void kata_copy_file(struct call *c);
void kata_get_volume_stats(struct call *c);
void kata_resize_volume(struct call *c);
void kata_update_ephemeral_mounts(struct call *c);
void kata_remove_stale_virtiofs_share_mounts(struct call *c);
void kata_get_diagnostic_data(struct call *c);
void kata_mem_agent_memcg_set(struct call *c);
void kata_mem_agent_compact_set(struct call *c);

#endif
