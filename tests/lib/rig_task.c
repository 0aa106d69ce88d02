/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/rig_task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"

#include "containerd_events.pb-c.h"
#include "containerd_streaming.pb-c.h"
#include "containerd_task.pb-c.h"
#include "containerd_transfer.pb-c.h"
#include "lib/base64.h"
#include "lib/pbjson.h"
#include "mote.pb-c.h"
#include "service/containerd/any.h"
#include "ttrpc/pb.h"

bool rig_task_v3;

#define TASK3	  "containerd.task.v3.Task"
#define STREAMING "containerd.services.streaming.v1.Streaming"
#define WAIT_MS	  60000

/* Also where there is no more of cmocka than this: the benchmark is linked with the rig. */
#define must_be(what)                                                         \
	do {                                                                  \
		if (!(what))                                                  \
			fail_msg("%s:%d: %s", __FILE__, __LINE__, #what);     \
	} while (0)

/* --- calls --- */

static ProtobufCMessage *message(struct arena *a, const ProtobufCMessageDescriptor *type,
				 const char *text)
{
	struct err e = { 0 };
	ProtobufCMessage *msg = pbjson_read(a, type, text, strlen(text), &e);

	if (!msg)
		fail_msg("%s: %s\n%s", type->name, e.msg, text);
	return msg;
}

static int call_v3(struct rig *r, const char *name, const char *text)
{
	const ProtobufCMethodDescriptor *m = protobuf_c_service_descriptor_get_method_by_name(
		&containerd__task__v2__task__descriptor, name);
	ProtobufCMessage *reply;
	struct arena a;
	size_t len;

	must_be(m);
	arena_init(&a, 32 << 20);
	err_clear(&r->err);
	*r->reply = '\0';
	reply = client_call_wait(r->client, TASK3, name, message(&a, m->input, text), m->output,
				 RIG_CALL_MS, &a, &r->err);
	if (reply) {
		char *json = pbjson_write(&a, reply, PBJSON_COMPACT | PBJSON_DEFAULTS, &len, &r->err);

		must_be(json && len < sizeof(r->reply));
		memcpy(r->reply, json, len + 1);
	}
	arena_fini(&a);
	return r->err.rc;
}

int rig_task(struct rig *r, const char *method, const char *json, ...)
{
	char full[64];
	struct arena a;
	va_list ap;
	char *text;
	int rc;

	arena_init(&a, 32 << 20);
	va_start(ap, json);
	text = arena_vprintf(&a, json, ap);
	va_end(ap);
	must_be(text);
	snprintf(full, sizeof(full), "containerd.task.v2.Task/%s", method);
	rc = rig_task_v3 ? call_v3(r, method, text) : rig_call(r, full, "%s", text);
	arena_fini(&a);
	return rc;
}

char *rig_any(struct arena *a, const char *name, const ProtobufCMessageDescriptor *type,
	      const char *text)
{
	const uint8_t *data = (const void *)text;
	size_t len = strlen(text);
	struct err e = { 0 };
	char *value;

	if (type)
		data = pb_pack(a, message(a, type, text), &len, &e);
	must_be(data);
	value = arena_alloc(a, base64_length(len) + 1);
	must_be(value);
	base64_encode(data, len, value);
	return arena_printf(a, "{\"type_url\":\"%s\",\"value\":\"%s\"}", name, value);
}

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

char *rig_task_spec(struct arena *a, const struct rig_task *what)
{
	return arena_printf(
		a,
		"{\"ociVersion\":\"1.1.0\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"args\":%s,\"cwd\":\"/\","
		"\"env\":[\"PATH=/bin\"],\"user\":{\"uid\":0,\"gid\":0}%s},\"mounts\":["
		"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"mode=755\"]},"
		"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[\"newinstance\",\"ptmxmode=0666\"]},"
		"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":[\"mode=1777\"]}%s],"
		"\"linux\":{\"namespaces\":%s%s}%s}",
		what->args ? what->args : "[\"/bin/sh\"]", or_empty(what->process),
		or_empty(what->mounts),
		what->namespaces ? what->namespaces :
				   "[{\"type\":\"pid\"},{\"type\":\"ipc\",\"path\":\"/proc/1/ns/ipc\"},"
				   "{\"type\":\"uts\",\"path\":\"/proc/1/ns/uts\"},{\"type\":\"mount\"},"
				   "{\"type\":\"network\",\"path\":\"/var/run/netns/cni\"}]",
		or_empty(what->linux), or_empty(what->spec));
}

static char *create_text(struct rig *r, struct arena *a, const char *id, const struct rig_task *what)
{
	char storages[1024] = "", at[256], *spec, *options;

	spec = rig_task_spec(a, what);
	snprintf(at, sizeof(at), "/run/kata-containers/%s/rootfs", id);
	if (!what->no_root)
		rig_root_storages(r, at, storages, sizeof(storages));
	if (what->bundle)
		spec = arena_strdup(a, "");
	options = arena_alloc(a, base64_length(strlen(spec)) + 1);
	base64_encode((const void *)spec, strlen(spec), options);
	options = arena_printf(a, "{\"spec\":\"%s\",\"storages\":[%s]%s}", options, storages,
			       or_empty(what->options));
	return arena_printf(
		a,
		"{\"id\":\"%s\",\"bundle\":\"%s\",\"terminal\":%s,\"stdin\":\"%s\",\"stdout\":\"%s\","
		"\"stderr\":\"%s\",\"options\":%s%s}",
		id, what->bundle ? what->bundle : "/host/bundle", what->terminal ? "true" : "false",
		or_empty(what->in), or_empty(what->out), or_empty(what->err),
		rig_any(a, "mote.v1.TaskOptions", &mote__v1__task_options__descriptor, options),
		or_empty(what->request));
}

int rig_task_create(struct rig *r, const char *id, const struct rig_task *what)
{
	struct arena a;
	int rc;

	arena_init(&a, 32 << 20);
	rc = rig_task(r, "Create", "%s", create_text(r, &a, id, what));
	arena_fini(&a);
	return rc;
}

void rig_task_send_create(struct rig *r, struct rig_pending *p, const char *id,
			  const struct rig_task *what)
{
	struct arena a;

	arena_init(&a, 32 << 20);
	rig_send(r, r->client, RIG_CALL_MS, p, "containerd.task.v2.Task/Create", "%s",
		 create_text(r, &a, id, what));
	arena_fini(&a);
}

int rig_task_run(struct rig *r, const char *id, const struct rig_task *what)
{
	int rc = rig_task_create(r, id, what);

	return rc ? rc : rig_task(r, "Start", "{\"id\":\"%s\"}", id);
}

int rig_task_exec(struct rig *r, const char *id, const char *exec_id, const char *script,
		  const char *out)
{
	char *process;
	struct arena a;
	int rc;

	arena_init(&a, 1 << 20);
	process = arena_printf(&a,
			       "{\"args\":[\"/bin/sh\",\"-c\",\"%s\"],\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],"
			       "\"user\":{\"uid\":0,\"gid\":0}}",
			       script);
	rc = rig_task(r, "Exec", "{\"id\":\"%s\",\"exec_id\":\"%s\",\"stdout\":\"%s\",\"spec\":%s}", id,
		      exec_id, or_empty(out),
		      rig_any(&a, "types.containerd.io/opencontainers/runtime-spec/1/Process", NULL,
			      process));
	arena_fini(&a);
	return rc;
}

int rig_task_wait(struct rig *r, const char *id, const char *exec_id)
{
	int rc = rig_task(r, "Wait", "{\"id\":\"%s\",\"exec_id\":\"%s\"}", id, exec_id), status = -1;

	if (rc)
		return -rc;
	if (sscanf(r->reply, "{\"exit_status\":%d", &status) != 1)
		fail_msg("Wait: %s", r->reply);
	if (strstr(r->reply, "\"seconds\":\"0\""))
		fail_msg("Wait: no time: %s", r->reply);
	return status;
}

/* --- streams --- */

static void turn(struct rig *r, uint64_t until, const char *what)
{
	if (clock_ms() > until)
		fail_msg("%s: not within %d ms", what, WAIT_MS);
	loop_once(r->loop, 1000);
}

static void took(struct rig_stream *s, const Google__Protobuf__Any *any, struct arena *a)
{
	struct err e = { 0 };

	if (!s->acked) {
		must_be(any_is(any, "google.protobuf.Empty"));
		s->acked = true;
	} else if (any_is(any, "containerd.types.transfer.Data")) {
		const Containerd__Types__Transfer__Data *d =
			(void *)any_open(any, &containerd__types__transfer__data__descriptor, a, &e);

		must_be(d);
		s->total += d->data.len;
		s->largest = MAX(s->largest, (uint64_t)d->data.len);
		if (s->len + d->data.len < sizeof(s->data)) {
			memcpy(s->data + s->len, d->data.data, d->data.len);
			s->len += d->data.len;
			s->data[s->len] = '\0';
		}
	} else {
		const Containerd__Types__Transfer__WindowUpdate *w = (void *)any_open(
			any, &containerd__types__transfer__window_update__descriptor, a, &e);

		must_be(w && any_is(any, "containerd.types.transfer.WindowUpdate"));
		s->window += w->update;
	}
}

static void on_stream(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct rig_stream *s = arg;
	struct err bad = { 0 };
	struct arena a;

	if (!payload) {
		s->ended = true;
		s->err = *e;
		return;
	}
	arena_init(&a, 1 << 20);
	took(s, (void *)pb_unpack(&a, &google__protobuf__any__descriptor, payload, len, &bad), &a);
	arena_fini(&a);
}

static void send_any(struct rig_stream *s, const char *type, const ProtobufCMessage *msg)
{
	struct err e = { 0 };
	Google__Protobuf__Any any;
	struct arena a;
	uint8_t *packed;
	size_t len;

	arena_init(&a, 8 << 20);
	must_be(any_make(&any, type, msg, &a, &e) == 0);
	packed = pb_pack(&a, &any.base, &len, &e);
	must_be(packed);
	client_stream_send(s->stream, packed, len);
	arena_fini(&a);
}

void rig_stream_open(struct rig *r, struct client *c, struct rig_stream *s, const char *id,
		     int32_t window)
{
	Containerd__Services__Streaming__V1__StreamInit init =
		CONTAINERD__SERVICES__STREAMING__V1__STREAM_INIT__INIT;
	uint64_t until = clock_after(WAIT_MS);
	struct err e = { 0 };

	memset(s, 0, sizeof(*s));
	s->rig = r;
	s->stream = client_stream_open(c, STREAMING, "Stream", NULL, 0, on_stream, s, &e);
	if (!s->stream)
		fail_msg("Stream: %s", e.msg);
	init.id = (char *)id;
	send_any(s, "containerd.services.streaming.v1.StreamInit", &init.base);
	while (!s->acked && !s->ended)
		turn(r, until, "the stream's first answer");
	if (window)
		rig_stream_grant(s, window);
}

void rig_stream_grant(struct rig_stream *s, int32_t bytes)
{
	Containerd__Types__Transfer__WindowUpdate w =
		CONTAINERD__TYPES__TRANSFER__WINDOW_UPDATE__INIT;

	w.update = bytes;
	send_any(s, "containerd.types.transfer.WindowUpdate", &w.base);
}

void rig_stream_write(struct rig_stream *s, const void *data, size_t len)
{
	Containerd__Types__Transfer__Data d = CONTAINERD__TYPES__TRANSFER__DATA__INIT;

	d.data.data = (void *)(uintptr_t)data;
	d.data.len = len;
	s->window -= (int64_t)len;
	send_any(s, "containerd.types.transfer.Data", &d.base);
}

void rig_stream_end_write(struct rig_stream *s)
{
	client_stream_close_send(s->stream);
}

void rig_stream_until(struct rig_stream *s, const char *part)
{
	uint64_t until = clock_after(WAIT_MS);

	while (!s->ended && !(part && strstr(s->data, part)))
		turn(s->rig, until, part ? part : "the stream's end");
}

void rig_stream_bytes(struct rig_stream *s, uint64_t n)
{
	uint64_t until = clock_after(WAIT_MS);

	while (!s->ended && s->total < n)
		turn(s->rig, until, "the stream's bytes");
}

void rig_stream_close(struct rig_stream *s)
{
	client_stream_free(s->stream);
	s->stream = NULL;
}

/* --- events --- */

static const struct {
	const char *name;
	const ProtobufCMessageDescriptor *type;
} kinds[] = {
	{ "/tasks/create", &containerd__events__task_create__descriptor },
	{ "/tasks/start", &containerd__events__task_start__descriptor },
	{ "/tasks/exit", &containerd__events__task_exit__descriptor },
	{ "/tasks/delete", &containerd__events__task_delete__descriptor },
	{ "/tasks/exec-added", &containerd__events__task_exec_added__descriptor },
	{ "/tasks/exec-started", &containerd__events__task_exec_started__descriptor },
	{ "/tasks/oom", &containerd__events__task_oom__descriptor },
	{ "/tasks/paused", &containerd__events__task_paused__descriptor },
	{ "/tasks/resumed", &containerd__events__task_resumed__descriptor },
};

static void told(struct rig_events *ev, const Mote__V1__Event *msg, struct arena *a)
{
	struct err e = { 0 };
	size_t k = 0, n = 0;
	char *text;

	must_be(msg && msg->envelope && msg->envelope->timestamp && msg->envelope->event);
	must_be(msg->envelope->timestamp->seconds > 0);
	must_be(str_empty(msg->envelope->namespace_));
	while (k < COUNT_OF(kinds) && !str_eq(kinds[k].name, msg->envelope->topic))
		k++;
	must_be(k < COUNT_OF(kinds) && ev->n < COUNT_OF(ev->v));
	must_be(any_is(msg->envelope->event, kinds[k].type->name));
	text = pbjson_write(a, any_open(msg->envelope->event, kinds[k].type, a, &e),
			    PBJSON_COMPACT | PBJSON_DEFAULTS, &n, &e);
	must_be(text);
	ev->v[ev->n].seq = msg->seq;
	snprintf(ev->v[ev->n].topic, sizeof(ev->v[0].topic), "%s", msg->envelope->topic);
	snprintf(ev->v[ev->n++].text, sizeof(ev->v[0].text), "%s", text);
}

static void on_event(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct rig_events *ev = arg;
	struct err bad = { 0 };
	struct arena a;

	if (!payload) {
		ev->ended = true;
		ev->err = *e;
		return;
	}
	arena_init(&a, 1 << 20);
	told(ev, (void *)pb_unpack(&a, &mote__v1__event__descriptor, payload, len, &bad), &a);
	arena_fini(&a);
}

void rig_events_open(struct rig *r, struct client *c, struct rig_events *ev, uint64_t after)
{
	Mote__V1__SubscribeRequest req = MOTE__V1__SUBSCRIBE_REQUEST__INIT;
	struct err e = { 0 };

	memset(ev, 0, sizeof(*ev));
	ev->rig = r;
	req.after = after;
	ev->stream = client_stream_open(c, "mote.v1.Events", "Subscribe", &req.base, 0, on_event, ev,
					&e);
	if (!ev->stream)
		fail_msg("Subscribe: %s", e.msg);
}

static void await_event(struct rig_events *ev, const char *topic)
{
	uint64_t until = clock_after(WAIT_MS);

	while (ev->n <= ev->seen && !ev->ended)
		turn(ev->rig, until, topic);
	if (ev->n <= ev->seen)
		fail_msg("%s: the events have ended: %s", topic, ev->err.msg);
}

void rig_events_next(struct rig_events *ev, const char *topic, ...)
{
	const char *part;
	size_t i = ev->seen;
	va_list ap;

	await_event(ev, topic);
	ev->seen++;
	if (!str_eq(ev->v[i].topic, topic))
		fail_msg("%s, not %s: %s", ev->v[i].topic, topic, ev->v[i].text);
	va_start(ap, topic);
	while ((part = va_arg(ap, const char *)))
		if (!strstr(ev->v[i].text, part))
			fail_msg("%s: no '%s' in %s", topic, part, ev->v[i].text);
	va_end(ap);
}

/* An answer on the same connection comes behind what was sent before it; while that grows, there may be more
 * than the connection took at once. */
uint64_t rig_events_kept(struct rig_events *ev)
{
	size_t n;

	do {
		n = ev->n;
		if (rig_call(ev->rig, "grpc.Health/Check", "{}"))
			fail_msg("Check: %s", ev->rig->err.msg);
	} while (ev->n != n);
	return n ? ev->v[n - 1].seq : 0;
}

void rig_events_skip(struct rig_events *ev, const char *topic)
{
	for (;;) {
		await_event(ev, "what follows");
		if (!str_eq(ev->v[ev->seen].topic, topic))
			return;
		ev->seen++;
	}
}

void rig_events_close(struct rig_events *ev)
{
	client_stream_free(ev->stream);
	ev->stream = NULL;
}
