/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pod as containerd sees it: a sandbox that was created, started, stopped. No process lives in
 * it. Its files (hosts, hostname, resolv.conf, /dev/shm) are the sandbox's.
 */
#ifndef MOTE_SERVICE_CONTAINERD_POD_H
#define MOTE_SERVICE_CONTAINERD_POD_H

#include "base/list.h"
#include "ttrpc/call.h"

enum pod_state { POD_NONE, POD_CREATING, POD_CREATED, POD_READY, POD_STOPPED };

struct pod {
	enum pod_state state;
	uint64_t created_ms, exited_ms;
	struct list waiters; /* struct call.park */
};

void pod_init(struct pod *p);

/* Answers the call (NOT_FOUND) and returns NULL when the id is not the sandbox's. */
struct pod *pod_find(struct call *c, const char *id);

#endif
