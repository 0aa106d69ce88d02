/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream belongs to a call, to a process, or to both, and goes when it has neither. Which way it
 * goes is known when a process claims it; before, a host may only grant.
 */
#include "service/containerd/io.h"

#include "base/log.h"
#include "containerd_streaming.pb-c.h"
#include "containerd_transfer.pb-c.h"
#include "google/protobuf/empty.pb-c.h"
#include "service/containerd/any.h"
#include "service/containerd/containerd.h"

#define TYPE_INIT   "containerd.services.streaming.v1.StreamInit"
#define TYPE_DATA   "containerd.types.transfer.Data"
#define TYPE_WINDOW "containerd.types.transfer.WindowUpdate"
#define TYPE_EMPTY  "google.protobuf.Empty"

/* Of an output in one message: with what is around it, one send of SEND_MAX. */
#define PIECE 32640

enum io_way { IO_UNKNOWN, IO_IN, IO_OUT, IO_ERR };

enum io_bits {
	IO_READING = 0x1,
	IO_WRITING = 0x2,
	IO_FULL = 0x4,	  /* the connection takes no more for now */
	IO_EXITED = 0x8,  /* the process has */
	IO_OVER = 0x10,	  /* nothing more comes out, or is taken */
	IO_CLOSING = 0x20, /* an input that ends after what has come */
	IO_SINK = 0x40,	  /* nobody wants it */
	IO_LOOPS = 0x80,  /* go_input is on the stack */
};

/* Bytes of an input. */
struct bytes {
	char *buf;
	size_t len, cap;
};

struct io {
	struct list node;
	struct ios *all;
	enum io_way way;
	unsigned int bits;
	struct streams *streams; /* NULL: there is no process yet */
	struct call *call;	 /* NULL: there is no host */
	uint32_t window;	 /* bytes of output that the host takes */
	uint32_t credit;	 /* bytes of input that the host may send */
	struct streams_reader reader;
	struct streams_writer writer;
	struct bytes came, written; /* input that waits, and what the process is given now */
	char *held;		    /* output that could not be sent; NULL: none */
	size_t held_len;
	char id[];
};

static void go(struct io *io);

void ios_init(struct ios *s)
{
	list_init(&s->list);
	s->n_waiting = 0;
}

static struct io *io_new(struct ios *s, const char *id)
{
	size_t n = strlen(id) + 1;
	struct io *io = mem_new(1, sizeof(*io) + n);

	if (!io)
		return NULL;
	memcpy(io->id, id, n);
	io->all = s;
	list_init(&io->reader.node);
	list_init(&io->writer.node);
	list_append(&s->list, &io->node);
	return io;
}

static void drop(struct bytes *b)
{
	free(b->buf);
	*b = (struct bytes){ 0 };
}

static int add(struct bytes *b, const void *data, size_t len)
{
	size_t cap = MAX(b->cap, 512u);
	char *buf = b->buf;

	while (cap - b->len < len)
		cap *= 2;
	if (cap != b->cap)
		buf = realloc(buf, cap);
	if (!buf)
		return -ENOMEM;
	memcpy(buf + b->len, data, len);
	*b = (struct bytes){ buf, b->len + len, cap };
	return 0;
}

static void io_free(struct io *io)
{
	if (io->way == IO_UNKNOWN)
		io->all->n_waiting--;
	list_remove(&io->node);
	drop(&io->came);
	drop(&io->written);
	free(io->held);
	free(io);
}

static struct io *find(struct ios *s, const char *id)
{
	struct io *io;

	LIST_EACH(io, &s->list, struct io, node)
		if (*id && str_eq(io->id, id))
			return io;
	return NULL;
}

/* --- to the host --- */

static struct call *part(struct io *io)
{
	struct call *c = TAKE_PTR(io->call);

	c->state = NULL;
	return c;
}

static void end_call(struct io *io)
{
	if (io->call)
		call_stream_end(part(io));
}

static void lose_call(struct io *io, enum rc rc, const char *why)
{
	if (io->call)
		call_failf(part(io), rc, "stream \"%.64s\": %s", io->id, why);
}

/* What call_send says. */
static int send_any(struct io *io, const char *type, const void *data, size_t len)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	int r;

	any.type_url = (char *)type;
	any.value.data = (void *)data;
	any.value.len = len;
	r = call_send(io->call, &any.base);
	if (r == 0)
		io->bits |= IO_FULL;
	return r;
}

static void grant(struct io *io, uint32_t bytes)
{
	Containerd__Types__Transfer__WindowUpdate update =
		CONTAINERD__TYPES__TRANSFER__WINDOW_UPDATE__INIT;
	uint8_t packed[16];

	if (!io->call || !bytes)
		return;
	io->credit += bytes;
	update.update = (int32_t)bytes;
	send_any(io, TYPE_WINDOW, packed,
		 containerd__types__transfer__window_update__pack(&update, packed));
}

/* The header of Data is written in front of what the process wrote, where there is room for it: so
 * the bytes are copied once, into the frame. */
static int send_data(struct io *io, char *data, size_t len)
{
	uint8_t *at = (uint8_t *)data, head[8];
	size_t n = 0;

	head[n++] = 1 << 3 | 2; /* field 1, bytes */
	for (size_t v = len; n == 1 || v; v >>= 7)
		head[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
	memcpy(at - n, head, n);
	return send_any(io, TYPE_DATA, at - n, len + n);
}

/* --- output --- */

static void hold(struct io *io, const char *data, size_t len)
{
	char *copy = malloc(STREAMS_HEADROOM + len);

	if (!copy) {
		log_warn("io", "stream %s: %zu bytes are lost for want of memory", io->id, len);
		return;
	}
	memcpy(copy + STREAMS_HEADROOM, data, len);
	free(io->held);
	io->held = copy;
	io->held_len = len;
}

/* As much as the window lets; what stays is held. */
static void give(struct io *io, char *data, size_t len)
{
	size_t n = io->call && !(io->bits & IO_FULL) ? MIN(len, io->window) : 0;
	int r = n ? send_data(io, data, n) : 0;

	if (r < 0) /* a peer that is gone: its cancel comes */
		n = 0;
	if (r == -ENOMEM)
		lose_call(io, RC_RESOURCE_EXHAUSTED, "no memory");
	io->window -= (uint32_t)n;
	if (n < len)
		hold(io, data + n, len - n);
}

static void on_output(struct streams_reader *r, const void *data, size_t len, const struct err *e)
{
	struct io *io = r->owner;

	io->bits &= ~(unsigned int)IO_READING;
	if (err_is_set(e))
		log_warn("io", "stream %s: %s", io->id, e->msg);
	if (!len)
		io->bits |= IO_OVER;
	else if (!(io->bits & IO_SINK))
		give(io, (char *)(uintptr_t)data, len);
	go(io);
}

/* How much to read now; 0: nothing. After the exit the end has to be found, which one byte that
 * nobody has asked for yet cannot hinder. */
static size_t wanted(const struct io *io)
{
	if (io->bits & IO_SINK)
		return STREAMS_READ_MAX;
	if (!io->call || io->held || io->bits & IO_FULL)
		return 0;
	return io->window ? MIN(io->window, (uint32_t)PIECE) : io->bits & IO_EXITED ? 1 : 0;
}

static void go_output(struct io *io)
{
	if (io->held && io->call && io->window && !(io->bits & IO_FULL)) {
		char *data = TAKE_PTR(io->held);

		give(io, data + STREAMS_HEADROOM, io->held_len);
		free(data);
	}
	if (io->bits & IO_OVER && !io->held) {
		end_call(io);
		return;
	}
	if (!io->streams || io->bits & (IO_READING | IO_OVER) || !wanted(io))
		return;
	io->bits |= IO_READING;
	streams_read(io->streams, io->way == IO_OUT ? STREAMS_OUT : STREAMS_ERR, &io->reader,
		     wanted(io), on_output, io);
}

/* --- input --- */

static void input_over(struct io *io)
{
	io->bits |= IO_OVER;
	drop(&io->came);
	end_call(io);
}

static void on_written(struct streams_writer *w, const struct err *e)
{
	struct io *io = w->owner;
	size_t len = io->written.len;

	io->bits &= ~(unsigned int)IO_WRITING;
	drop(&io->written);
	if (err_is_set(e)) {
		input_over(io);
		return;
	}
	grant(io, (uint32_t)len);
	if (!(io->bits & IO_LOOPS))
		go(io);
}

static void write_on(struct io *io)
{
	io->bits |= IO_LOOPS;
	while (io->came.len && !(io->bits & (IO_WRITING | IO_OVER))) {
		io->bits |= IO_WRITING;
		io->written = io->came;
		io->came = (struct bytes){ 0 };
		streams_write(io->streams, &io->writer, io->written.buf, io->written.len,
			      on_written, io);
	}
	io->bits &= ~(unsigned int)IO_LOOPS;
}

static void go_input(struct io *io)
{
	if (!io->streams || io->bits & IO_WRITING)
		return;
	write_on(io);
	if (io->bits & IO_WRITING)
		return;
	if (io->bits & IO_CLOSING && !(io->bits & IO_OVER)) {
		streams_close_stdin(io->streams);
		input_over(io);
	} else if (io->bits & IO_OVER) {
		end_call(io);
	}
}

static void go(struct io *io)
{
	if (io->way == IO_IN)
		go_input(io);
	else if (io->way != IO_UNKNOWN)
		go_output(io);
}

/* --- the host's call --- */

static void on_window(struct io *io, const Google__Protobuf__Any *any)
{
	Containerd__Types__Transfer__WindowUpdate *update;
	struct err e = { 0 };
	struct arena scratch;

	arena_init(&scratch, pb_budget(any->value.len));
	update = (void *)any_open(any, &containerd__types__transfer__window_update__descriptor,
				  &scratch, &e);
	if (!update || update->update <= 0)
		lose_call(io, RC_INVALID_ARGUMENT, "not a window");
	else
		io->window = MIN(io->window, (uint32_t)INT32_MAX) + (uint32_t)update->update;
	arena_fini(&scratch);
	if (io->call)
		go(io);
}

static void take_data(struct io *io, const uint8_t *data, size_t len)
{
	if (!len || io->bits & (IO_OVER | IO_CLOSING))
		return;
	if (len > io->credit) {
		lose_call(io, RC_RESOURCE_EXHAUSTED, "more than its window");
	} else if (add(&io->came, data, len) < 0) {
		lose_call(io, RC_RESOURCE_EXHAUSTED, "no memory");
	} else {
		io->credit -= (uint32_t)len;
		go(io);
	}
}

static void on_bytes(struct io *io, const Google__Protobuf__Any *any)
{
	Containerd__Types__Transfer__Data *msg;
	struct err e = { 0 };
	struct arena scratch;

	arena_init(&scratch, pb_budget(any->value.len));
	msg = (void *)any_open(any, &containerd__types__transfer__data__descriptor, &scratch, &e);
	if (msg)
		take_data(io, msg->data.data, msg->data.len);
	else
		lose_call(io, RC_INVALID_ARGUMENT, "not bytes");
	arena_fini(&scratch);
}

/* An output's host that sends no more wants no more; an input's has come to its end, which may be
 * before there is a process. */
static void on_half(struct io *io)
{
	if (io->way > IO_IN) {
		end_call(io);
		return;
	}
	io->bits |= IO_CLOSING;
	go(io);
}

/* A call whose stream is gone has been answered; one that has none yet is not cancelled here. */
static void on_cancel(struct call *c)
{
	struct io *io = c->state;

	if (io) {
		io->call = NULL;
		c->state = NULL;
		if (io->way == IO_UNKNOWN)
			io_free(io);
	}
	call_failf(c, RC_CANCELLED, "Stream: cancelled");
}

/* What may be sent beyond what has been, and is being, taken. */
static uint32_t room_of(const struct io *io)
{
	return (uint32_t)(IO_WINDOW - io->came.len - io->written.len);
}

/* What the new call may send and take begins anew. */
static void take_over(struct io *io, struct call *c)
{
	lose_call(io, RC_ABORTED, "taken over");
	io->call = c;
	c->state = io;
	io->window = io->credit = 0;
	io->bits &= ~(unsigned int)IO_FULL;
	send_any(io, TYPE_EMPTY, NULL, 0);
	if (io->way == IO_IN && !(io->bits & (IO_OVER | IO_CLOSING)))
		grant(io, room_of(io));
	go(io);
}

static struct io *wait_for_process(struct ios *s, const char *id)
{
	struct io *io = s->n_waiting < IO_WAITING ? io_new(s, id) : NULL;

	if (io)
		s->n_waiting++;
	return io;
}

static void on_init(struct call *c, struct ios *s, const Google__Protobuf__Any *any)
{
	Containerd__Services__Streaming__V1__StreamInit *init;
	struct err e = { 0 };
	struct io *io;

	if (!any_is(any, TYPE_INIT)) {
		call_failf(c, RC_INVALID_ARGUMENT, "the first message is not StreamInit");
		return;
	}
	init = (void *)any_open(any, &containerd__services__streaming__v1__stream_init__descriptor,
				&c->arena, &e);
	if (!init) {
		call_fail(c, &e);
		return;
	}
	if (!*init->id || strlen(init->id) > IO_ID_MAX) {
		call_failf(c, RC_INVALID_ARGUMENT, "id: 1 to %d bytes", IO_ID_MAX);
		return;
	}
	io = find(s, init->id);
	if (!io)
		io = wait_for_process(s, init->id);
	if (io)
		take_over(io, c);
	else
		call_failf(c, RC_RESOURCE_EXHAUSTED, "too many streams that no process has");
}

static void on_message(struct call *c, const ProtobufCMessage *msg)
{
	const Google__Protobuf__Any *any = (const void *)msg;
	struct io *io = c->state;

	if (!io && !any)
		call_failf(c, RC_INVALID_ARGUMENT, "ended before its StreamInit");
	else if (!io)
		on_init(c, &ctd_of(c)->ios, any);
	else if (!any)
		on_half(io);
	else if (any_is(any, TYPE_WINDOW))
		on_window(io, any);
	else if (any_is(any, TYPE_DATA))
		on_bytes(io, any);
	else
		lose_call(io, RC_INVALID_ARGUMENT, "neither Data nor WindowUpdate");
	if (io && !io->call && io->way == IO_UNKNOWN)
		io_free(io);
}

static void on_room(struct call *c)
{
	struct io *io = c->state;

	if (!io)
		return;
	io->bits &= ~(unsigned int)IO_FULL;
	go(io);
}

void io_stream(struct call *c)
{
	static const struct call_stream_ops ops = { on_message, on_room };

	c->cancel = on_cancel;
	call_stream_start(c, &ops);
	if (c->req)
		on_init(c, &ctd_of(c)->ios, (const void *)c->req);
}

/* --- processes --- */

static const char *id_of(const char *url)
{
	static const char key[] = "streaming_id=";
	const char *query = strchr(url, '?');

	if (strncmp(url, "stream://", 9) == 0)
		return url + 9;
	while (query) {
		if (strncmp(query + 1, key, sizeof(key) - 1) == 0)
			return query + sizeof(key);
		query = strchr(query + 1, '&');
	}
	return NULL;
}

static struct io *claim(struct ios *s, const char *url, enum io_way way, struct err *e)
{
	static const char *const names[] = { "", "stdin", "stdout", "stderr" };
	const char *id = *url ? id_of(url) : "";
	struct io *io = id ? find(s, id) : NULL;

	if (!id || strlen(id) > IO_ID_MAX || (*url && !*id) || strchr(id, '&')) {
		err_set(e, RC_INVALID_ARGUMENT, "%s: \"%.64s\" names no stream", names[way], url);
		return NULL;
	}
	if (io && io->way != IO_UNKNOWN) {
		err_set(e, RC_ALREADY_EXISTS, "%s: stream \"%.64s\" is another's", names[way], id);
		return NULL;
	}
	if (io)
		s->n_waiting--;
	else
		io = io_new(s, id);
	if (!io) {
		err_sys(e, ENOMEM, "%s", names[way]);
		return NULL;
	}
	io->way = way;
	if (!*url)
		io->bits |= way == IO_IN ? IO_CLOSING : IO_SINK;
	else if (way != IO_IN && io->bits & IO_CLOSING)
		on_half(io);
	return io;
}

int io_claim(struct ios *s, struct io_set *set, const char *const urls[3], struct err *e)
{
	for (int i = 0; i < 3; i++) {
		set->v[i] = claim(s, urls[i], (enum io_way)(IO_IN + i), e);
		if (!set->v[i]) {
			io_drop(set);
			return -1;
		}
	}
	return 0;
}

void io_attach(struct io_set *set, struct streams *streams)
{
	for (int i = 0; i < 3; i++) {
		struct io *io = set->v[i];

		if (!io)
			continue;
		io->streams = streams;
		if (io->way == IO_IN && !(io->bits & IO_CLOSING))
			grant(io, room_of(io) - io->credit);
		go(io);
	}
}

void io_exited(struct io_set *set)
{
	for (int i = 0; i < 3; i++) {
		struct io *io = set->v[i];

		if (!io)
			continue;
		io->bits |= IO_EXITED;
		if (io->way != IO_IN)
			go(io);
		else if (!(io->bits & IO_WRITING)) /* else the writer is told */
			input_over(io);
	}
}

void io_close_input(struct io_set *set)
{
	if (!set->v[0])
		return;
	set->v[0]->bits |= IO_CLOSING;
	go(set->v[0]);
}

void io_drop(struct io_set *set)
{
	for (int i = 0; i < 3; i++) {
		struct io *io = TAKE_PTR(set->v[i]);

		if (!io)
			continue;
		streams_read_cancel(&io->reader);
		if (io->bits & IO_WRITING)
			streams_write_cancel(io->streams, &io->writer);
		end_call(io);
		io_free(io);
	}
}

void ios_fini(struct ios *s)
{
	struct io *io;

	LIST_EACH(io, &s->list, struct io, node) {
		if (io->call)
			part(io);
		io_free(io);
	}
}
