/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened to tasks, for containerd. The guest cannot reach it: each event has a number and is
 * kept until a host has acknowledged it, so that one that starts anew loses none. At most EVENTS_MAX
 * of EVENTS_BYTES are kept; the oldest goes then, which its host sees by a gap.
 */
#ifndef MOTE_SERVICE_CONTAINERD_EVENTS_H
#define MOTE_SERVICE_CONTAINERD_EVENTS_H

#include <protobuf-c/protobuf-c.h>

#include "base/list.h"

#define EVENTS_MAX   4096
#define EVENTS_BYTES (1u << 20)

struct events {
	struct list kept, listeners;
	struct list pollers; /* struct call.park, of Kuasar's GetEvents */
	size_t n, bytes;
	uint64_t last; /* the newest one's number */
};

/* topic and type as containerd has them: "/tasks/exit", "containerd.events.TaskExit". */
enum event_kind {
	EVENT_CREATE,
	EVENT_START,
	EVENT_EXIT,
	EVENT_DELETE,
	EVENT_EXEC_ADDED,
	EVENT_EXEC_STARTED,
	EVENT_OOM,
	EVENT_PAUSED,
	EVENT_RESUMED,
	EVENT_KINDS
};

void events_init(struct events *s);
void events_fini(struct events *s);

/* Keeps it and tells who listens. Without memory for it its number is missing. */
void events_add(struct events *s, enum event_kind kind, const ProtobufCMessage *msg);

#endif
