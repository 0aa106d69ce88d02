/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/event_text.h"

#include "shim/flags.h"
#include "ttrpc/wire.h"

#define TEXT_MAX  256
#define EVENT_MAX 16384 /* bytes: the guest's own are some hundred */
#define NS_PER_S  1000000000

const char event_exit_topic[] = "/tasks/exit", event_exit_type[] = "containerd.events.TaskExit";
const char event_delete_topic[] = "/tasks/delete",
	   event_delete_type[] = "containerd.events.TaskDelete";

static const struct event_topic topics[] = {
	{ .topic = "/tasks/create",
	  .type = "containerd.events.TaskCreate",
	  .pid = 6,
	  .is_create = true },
	{ .topic = "/tasks/start", .type = "containerd.events.TaskStart", .pid = 2 },
	{ .topic = event_exit_topic,
	  .type = event_exit_type,
	  .pid = 3,
	  .exec = 2,
	  .is_exit = true },
	{ .topic = event_delete_topic,
	  .type = event_delete_type,
	  .pid = 2,
	  .exec = 5,
	  .is_delete = true },
	{ .topic = "/tasks/exec-added", .type = "containerd.events.TaskExecAdded", .exec = 2 },
	{ .topic = "/tasks/exec-started",
	  .type = "containerd.events.TaskExecStarted",
	  .pid = 3,
	  .exec = 2 },
	{ .topic = "/tasks/oom", .type = "containerd.events.TaskOOM" },
	{ .topic = "/tasks/paused", .type = "containerd.events.TaskPaused" },
	{ .topic = "/tasks/resumed", .type = "containerd.events.TaskResumed" },
};

/* Fields. */
enum {
	EVENT_SEQ = 1,
	EVENT_ENVELOPE = 2,
	ENVELOPE_AT = 1,
	ENVELOPE_NAMESPACE = 2,
	ENVELOPE_TOPIC = 3,
	ENVELOPE_EVENT = 4,
	ANY_TYPE = 1,
	ANY_VALUE = 2,
	TASK_ID = 1,
	CREATE_BUNDLE = 2,
	CREATE_ROOTFS = 3,
	CREATE_IO = 4,
	CREATE_PID = 6,
	IO_TERMINAL = 4,
	EXIT_ID = 2,
	EXIT_PID = 3,
	EXIT_STATUS = 4,
	EXIT_AT = 5,
	DELETE_PID = 2,
	DELETE_STATUS = 3,
	DELETE_AT = 4,
	DELETE_ID = 5,
	TIME_SECONDS = 1,
	TIME_NANOS = 2,
	FORWARD_ENVELOPE = 1,
};

static const struct event_topic *find_topic(const char *text)
{
	for (size_t i = 0; text && i < COUNT_OF(topics); i++)
		if (str_eq(topics[i].topic, text))
			return &topics[i];
	return NULL;
}

void event_text_read_time(const uint8_t *data, size_t len, struct timespec *out)
{
	struct wire_field f;

	*out = (struct timespec){ 0 };
	if (wire_find(data, len, TIME_SECONDS, WIRE_VARINT, &f) > 0 &&
	    f.value <= INT32_MAX * (uint64_t)4)
		out->tv_sec = (time_t)f.value;
	if (wire_find(data, len, TIME_NANOS, WIRE_VARINT, &f) > 0 && f.value < NS_PER_S)
		out->tv_nsec = (long)f.value;
}

const uint8_t *event_text_time(struct arena *a, const struct timespec *at, size_t *len)
{
	const struct wire_edit fields[] = {
		{ .number = TIME_SECONDS, .value = (uint64_t)at->tv_sec },
		{ .number = TIME_NANOS, .value = (uint64_t)at->tv_nsec },
	};

	return wire_edit(a, (const uint8_t *)"", 0, fields, COUNT_OF(fields), len);
}

/* The payload of in->topic. */
static bool read_payload(struct arena *a, struct event_in *in)
{
	struct wire_field f;

	in->id = wire_text(a, in->data, in->len, TASK_ID, SHIM_NAME_MAX);
	in->exec_id =
		in->topic->exec ? wire_text(a, in->data, in->len, in->topic->exec, TEXT_MAX) : "";
	if (!in->id || !in->exec_id)
		return false;
	if (str_eq(in->exec_id, in->id))
		in->exec_id = ""; /* an exit names the container for its first process */
	if (!in->topic->is_exit)
		return true;
	if (wire_find(in->data, in->len, EXIT_STATUS, WIRE_VARINT, &f) > 0)
		in->status = (uint32_t)f.value & 0xff;
	if (wire_find(in->data, in->len, EXIT_AT, WIRE_BYTES, &f) > 0)
		event_text_read_time(f.data, f.len, &in->at);
	return true;
}

bool event_text_read(struct arena *a, const uint8_t *data, size_t len, uint64_t *seq,
		     struct event_in *out)
{
	struct wire_field envelope, any, value;

	memset(out, 0, sizeof(*out));
	if (wire_find(data, len, EVENT_SEQ, WIRE_VARINT, &value) <= 0)
		return false;
	*seq = value.value;
	if (wire_find(data, len, EVENT_ENVELOPE, WIRE_BYTES, &envelope) <= 0)
		return false;
	out->topic =
		find_topic(wire_text(a, envelope.data, envelope.len, ENVELOPE_TOPIC, TEXT_MAX));
	if (!out->topic ||
	    wire_find(envelope.data, envelope.len, ENVELOPE_EVENT, WIRE_BYTES, &any) <= 0 ||
	    wire_find(any.data, any.len, ANY_VALUE, WIRE_BYTES, &value) <= 0 ||
	    value.len > EVENT_MAX)
		return false;
	out->data = value.data;
	out->len = value.len;
	return read_payload(a, out);
}

static const uint8_t *change_create(struct arena *a, const struct event_in *in,
				    const struct event_host *h, size_t *len)
{
	struct wire_edit io[4] = { { .number = IO_TERMINAL, .value = h->terminal } };
	struct wire_edit edits[] = {
		WIRE_TEXT(CREATE_BUNDLE, h->bundle),
		{ .number = CREATE_ROOTFS, .data = "" },
		{ .number = CREATE_IO },
		{ .number = CREATE_PID, .value = h->pid },
	};
	uint8_t *out, *whole;

	for (uint32_t i = 0; i < 3; i++)
		io[i + 1] = (struct wire_edit)WIRE_TEXT(i + 1, h->urls[i] ? h->urls[i] : "");
	edits[2].data = wire_edit(a, (const uint8_t *)"", 0, io, COUNT_OF(io), &edits[2].len);
	out = edits[2].data ? wire_edit(a, in->data, in->len, edits, COUNT_OF(edits), len) : NULL;
	whole = out ? arena_alloc(a, *len + h->rootfs_len) : NULL;
	if (!whole)
		return NULL;
	memcpy(whole, out, *len);
	if (h->rootfs_len)
		memcpy(whole + *len, h->rootfs, h->rootfs_len);
	*len += h->rootfs_len;
	return whole;
}

const uint8_t *event_text_change(struct arena *a, const struct event_in *in,
				 const struct event_host *h, size_t *len)
{
	const struct wire_edit pid = { .number = in->topic->pid, .value = h->pid };

	if (in->topic->is_create)
		return change_create(a, in, h, len);
	return wire_edit(a, in->data, in->len, &pid, in->topic->pid ? 1 : 0, len);
}

const uint8_t *event_text_forward(struct arena *a, const struct event_text *t, size_t *len)
{
	const struct wire_edit any[] = {
		WIRE_TEXT(ANY_TYPE, t->type),
		{ .number = ANY_VALUE, .data = t->event, .len = t->len },
	};
	struct wire_edit envelope[] = {
		{ .number = ENVELOPE_AT },
		WIRE_TEXT(ENVELOPE_NAMESPACE, t->ns),
		WIRE_TEXT(ENVELOPE_TOPIC, t->topic),
		{ .number = ENVELOPE_EVENT },
	};
	struct wire_edit forward = { .number = FORWARD_ENVELOPE };
	const uint8_t *none = (const uint8_t *)"";

	envelope[0].data = event_text_time(a, &t->at, &envelope[0].len);
	envelope[3].data = wire_edit(a, none, 0, any, COUNT_OF(any), &envelope[3].len);
	if (!envelope[0].data || !envelope[3].data)
		return NULL;
	forward.data = wire_edit(a, none, 0, envelope, COUNT_OF(envelope), &forward.len);
	return forward.data ? wire_edit(a, none, 0, &forward, 1, len) : NULL;
}

const uint8_t *event_text_exit(struct arena *a, const struct event_in *in, uint32_t pid,
			       size_t *len)
{
	struct wire_edit fields[] = {
		WIRE_TEXT(TASK_ID, in->id),
		WIRE_TEXT(EXIT_ID, *in->exec_id ? in->exec_id : in->id),
		{ .number = EXIT_PID, .value = pid },
		{ .number = EXIT_STATUS, .value = in->status },
		{ .number = EXIT_AT },
	};

	fields[4].data = event_text_time(a, &in->at, &fields[4].len);
	return fields[4].data ? wire_edit(a, (const uint8_t *)"", 0, fields, COUNT_OF(fields), len)
			      : NULL;
}

const uint8_t *event_text_delete(struct arena *a, const struct event_in *in, uint32_t pid,
				 size_t *len)
{
	struct wire_edit fields[] = {
		WIRE_TEXT(TASK_ID, in->id),
		{ .number = DELETE_PID, .value = pid },
		{ .number = DELETE_STATUS, .value = in->status },
		{ .number = DELETE_AT },
	};

	fields[3].data = event_text_time(a, &in->at, &fields[3].len);
	return fields[3].data ? wire_edit(a, (const uint8_t *)"", 0, fields, COUNT_OF(fields), len)
			      : NULL;
}
