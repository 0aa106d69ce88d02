/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream belongs to a call, to a process, or to both, and goes when it has neither. Which way it
 * goes is known when a process claims it; before, a host may only grant.
 */
#include "base/log.h"
#include "service/containerd/io_parts.h"

/* Of an output in one message: with what is around it, one send of SEND_MAX. */
#define PIECE 32640

void ios_init(struct ios *s)
{
	list_init(&s->list);
	s->n_waiting = 0;
}

struct io *io_new(struct ios *s, const char *id)
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

int io_keep(struct io *io, const void *data, size_t len)
{
	struct bytes *b = &io->came;
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

void io_free(struct io *io)
{
	if (io->way == IO_UNKNOWN)
		io->all->n_waiting--;
	list_remove(&io->node);
	drop(&io->came);
	drop(&io->written);
	free(io->held);
	free(io);
}

struct io *io_find(struct ios *s, const char *id)
{
	struct io *io;

	LIST_EACH(io, &s->list, struct io, node)
		if (*id && str_eq(io->id, id))
			return io;
	return NULL;
}

uint32_t io_room(const struct io *io)
{
	return (uint32_t)(IO_WINDOW - io->came.len - io->written.len);
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
	int r = n ? io_send(io, data, n) : 0;

	if (r < 0) /* a peer that is gone: its cancel comes */
		n = 0;
	if (r == -ENOMEM)
		io_lose_call(io, RC_RESOURCE_EXHAUSTED, "no memory");
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
	io_go(io);
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
		io_end_call(io);
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
	io_end_call(io);
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
	io_grant(io, (uint32_t)len);
	if (!(io->bits & IO_LOOPS))
		io_go(io);
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
		io_end_call(io);
	}
}

void io_go(struct io *io)
{
	if (io->way == IO_IN)
		go_input(io);
	else if (io->way != IO_UNKNOWN)
		go_output(io);
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
	struct io *io = id ? io_find(s, id) : NULL;

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
		io_half(io);
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
			io_grant(io, io_room(io) - io->credit);
		io_go(io);
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
			io_go(io);
		else if (!(io->bits & IO_WRITING)) /* else the writer is told */
			input_over(io);
	}
}

void io_close_input(struct io_set *set)
{
	if (!set->v[0])
		return;
	set->v[0]->bits |= IO_CLOSING;
	io_go(set->v[0]);
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
		io_end_call(io);
		io_free(io);
	}
}

void ios_fini(struct ios *s)
{
	struct io *io;

	LIST_EACH(io, &s->list, struct io, node) {
		if (io->call)
			io_part(io);
		io_free(io);
	}
}
