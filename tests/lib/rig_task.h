/* SPDX-License-Identifier: Apache-2.0 */
/* A client as containerd is one: tasks, streams by name, events. */
#ifndef MOTE_TESTS_RIG_TASK_H
#define MOTE_TESTS_RIG_TASK_H

#include "lib/rig.h"

/* Of containerd.task.v2.Task, or of v3 while rig_task_v3 is set. As rig_call(). */
extern bool rig_task_v3;
int rig_task(struct rig *r, const char *method, const char *json, ...) PRINTF(3, 4);

/* {"type_url":…,"value":…} of a message in JSON, or of a text as it is (type NULL). In a. */
char *rig_any(struct arena *a, const char *name, const ProtobufCMessageDescriptor *type,
	      const char *text);

/* What a test wants of a task; zero is the usual: the machine's busybox, writable. */
struct rig_task {
	const char *args;	/* JSON array; NULL: ["/bin/sh"] */
	const char *process;	/* more members of process */
	const char *linux;	/* more members of linux */
	const char *namespaces;	/* instead of the usual ones */
	const char *mounts;	/* more mounts: ",{…}" */
	const char *spec;	/* more members of the spec */
	const char *options;	/* more members of mote.v1.TaskOptions */
	const char *in, *out, *err; /* addresses; NULL: "" */
	const char *request;	/* more members of the request */
	bool terminal;
	const char *bundle;	/* a directory of the guest that the spec is in; NULL: it is sent */
	bool no_root;		/* the request says what the root is */
};

/* The spec, as a config.json. */
char *rig_task_spec(struct arena *a, const struct rig_task *what);

int rig_task_create(struct rig *r, const char *id, const struct rig_task *what);
void rig_task_send_create(struct rig *r, struct rig_pending *p, const char *id,
			  const struct rig_task *what);
int rig_task_run(struct rig *r, const char *id, const struct rig_task *what); /* and Start */

/* Adds an exec of sh -c SCRIPT, not started. */
int rig_task_exec(struct rig *r, const char *id, const char *exec_id, const char *script,
		  const char *out);

/* The exit status by Wait, or -code. */
int rig_task_wait(struct rig *r, const char *id, const char *exec_id);

/* A stream of the Streaming service. */
struct rig_stream {
	struct rig *rig;
	struct client_stream *stream;
	bool acked, ended;
	struct err err;	     /* of the end */
	char data[1 << 17];  /* what came */
	size_t len;
	uint64_t total, largest; /* bytes that came; of the largest message */
	int64_t window;	     /* bytes that the guest has granted */
};

/* Opens it on c and waits for the first answer. window: granted at once; 0: nothing. */
void rig_stream_open(struct rig *r, struct client *c, struct rig_stream *s, const char *id,
		     int32_t window);
void rig_stream_grant(struct rig_stream *s, int32_t bytes);
void rig_stream_write(struct rig_stream *s, const void *data, size_t len);
void rig_stream_end_write(struct rig_stream *s);

/* Until `part` has come, or n bytes, or the end (part NULL, n 0). */
void rig_stream_until(struct rig_stream *s, const char *part);
void rig_stream_bytes(struct rig_stream *s, uint64_t n);
void rig_stream_close(struct rig_stream *s);

/* Events. */
struct rig_events {
	struct rig *rig;
	struct client_stream *stream;
	bool ended;
	struct err err;
	size_t n;
	struct {
		uint64_t seq;
		char topic[32], text[512]; /* the event in JSON */
	} v[512];
	size_t seen; /* of rig_events_next */
};

void rig_events_open(struct rig *r, struct client *c, struct rig_events *ev, uint64_t after);

/* The next event has this topic and these parts in its text (NULL-terminated), or the test fails. */
void rig_events_next(struct rig_events *ev, const char *topic, ...);

/* Until all that the agent keeps has come; what is on its way then is of something that goes on. ev's client is
 * the rig's. The number of the last one; 0: there was none. */
uint64_t rig_events_kept(struct rig_events *ev);

/* Passes over events of the topic that follow at once. */
void rig_events_skip(struct rig_events *ev, const char *topic);
void rig_events_close(struct rig_events *ev);

#endif
