/* SPDX-License-Identifier: Apache-2.0 */
/* A task's events in their encoded form: what the guest sends, and what containerd is to get. Pure;
 * what the guest sends is not trusted. */
#ifndef MOTE_SHIM_EVENT_TEXT_H
#define MOTE_SHIM_EVENT_TEXT_H

#include <time.h>

#include "base/defs.h"
#include "base/mem.h"

struct event_topic {
	const char *topic, *type;
	unsigned int pid;  /* number of the field; 0: it has none */
	unsigned int exec; /* likewise of the process's id */
	bool is_create, is_exit, is_delete;
};

struct event_in {
	const struct event_topic *topic;
	const char *id, *exec_id; /* exec_id "": the container's first process */
	uint32_t status;          /* of an exit */
	struct timespec at;
	const uint8_t *data; /* the payload, in the input */
	size_t len;
};

/* A mote.v1.Event. *seq is set as soon as it is known. false: nothing that containerd knows, or
 * larger than any of ours. */
bool event_text_read(struct arena *a, const uint8_t *data, size_t len, uint64_t *seq,
		     struct event_in *out);

/* What the host knows better. */
struct event_host {
	uint32_t pid;
	const char *bundle;    /* of a create, as all below */
	const uint8_t *rootfs; /* encoded fields of number 3 */
	size_t rootfs_len;
	char *urls[3];
	bool terminal;
};

/* The payload for containerd, in a; NULL: malformed, or no memory. */
const uint8_t *event_text_change(struct arena *a, const struct event_in *in,
				 const struct event_host *h, size_t *len);

struct event_text {
	const char *ns, *topic, *type;
	struct timespec at;
	const uint8_t *event;
	size_t len;
};

/* A ForwardRequest, in a; NULL: no memory. */
const uint8_t *event_text_forward(struct arena *a, const struct event_text *t, size_t *len);

/* A TaskExit. */
const uint8_t *event_text_exit(struct arena *a, const struct event_in *in, uint32_t pid,
			       size_t *len);

/* A TaskDelete of a container. */
const uint8_t *event_text_delete(struct arena *a, const struct event_in *in, uint32_t pid,
				 size_t *len);

/* google.protobuf.Timestamp, both ways. */
const uint8_t *event_text_time(struct arena *a, const struct timespec *at, size_t *len);
void event_text_read_time(const uint8_t *data, size_t len, struct timespec *out);

extern const char event_exit_topic[], event_exit_type[], event_delete_topic[], event_delete_type[];

#endif
