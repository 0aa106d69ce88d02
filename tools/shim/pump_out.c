/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/pump_out.h"

#include <limits.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "ttrpc/wire.h"

#define STREAMING "containerd.services.streaming.v1.Streaming"
#define INIT      "containerd.services.streaming.v1.StreamInit"
#define ANY_TYPE  1
#define ANY_VALUE 2
#define HELLO_MAX 512

const char pump_data[] = "containerd.types.transfer.Data",
	   pump_window[] = "containerd.types.transfer.WindowUpdate";

/* --- messages --- */

static uint8_t *write_text(uint8_t *out, uint32_t number, const char *text, size_t len)
{
	out += wire_head(number, len, out);
	memcpy(out, text, len);
	return out + len;
}

static size_t varint_len(uint64_t v)
{
	size_t n = 1;

	while (v >>= 7)
		n++;
	return n;
}

size_t pump_write_window(uint64_t update, uint8_t *out)
{
	uint8_t *at = write_text(out, ANY_TYPE, pump_window, strlen(pump_window));

	at += wire_head(ANY_VALUE, 1 + varint_len(update), at);
	*at++ = 1 << 3 | WIRE_VARINT;
	for (; update >= 0x80; update >>= 7)
		*at++ = (uint8_t)(update | 0x80);
	*at++ = (uint8_t)update;
	return (size_t)(at - out);
}

size_t pump_write_data_head(size_t len, uint8_t *out)
{
	uint8_t *at = write_text(out, ANY_TYPE, pump_data, strlen(pump_data));

	at += wire_head(ANY_VALUE, 1 + varint_len(len) + len, at);
	return (size_t)(at + wire_head(1, len, at) - out);
}

int pump_hello(struct client_stream *s, const char *id)
{
	uint8_t out[HELLO_MAX], *at = write_text(out, ANY_TYPE, INIT, strlen(INIT));
	size_t n = strlen(id);
	int r;

	if (n == 0 || n > UINT8_MAX)
		return -EINVAL;
	at += wire_head(ANY_VALUE, 1 + varint_len(n) + n, at);
	at = write_text(at, 1, id, n);
	r = client_stream_send(s, out, (size_t)(at - out));
	return r < 0 ? r : 0;
}

int pump_open(const uint8_t *any, size_t len, const char *name, const uint8_t **data, size_t *n)
{
	struct wire_field type, value;
	size_t name_len = strlen(name);
	int r = wire_find(any, len, ANY_TYPE, WIRE_BYTES, &type);

	if (r <= 0)
		return r;
	if (type.len < name_len || memcmp(type.data + type.len - name_len, name, name_len) != 0)
		return 0;
	r = wire_find(any, len, ANY_VALUE, WIRE_BYTES, &value);
	*data = r > 0 ? value.data : any;
	*n = r > 0 ? value.len : 0;
	return r < 0 ? r : 1;
}

/* --- the pump --- */

static void close_fd(struct pump_out *p)
{
	watch_del(&p->watch);
	auto_close(&p->fd);
	free(TAKE_PTR(p->rest));
}

/* Grants what is written, once it is worth a message. */
static void grant(struct pump_out *p)
{
	uint8_t out[PUMP_HEAD];

	if (!p->stream || p->ended || p->owed < PUMP_WINDOW / 2)
		return;
	if (client_stream_send(p->stream, out, pump_write_window(p->owed, out)) < 0)
		return; /* the stream's end follows */
	p->granted += p->owed;
	p->owed = 0;
}

/* How much our side took; the rest is dropped where nobody will ever read it. */
static size_t write_some(struct pump_out *p, const uint8_t *data, size_t len)
{
	size_t done = 0;

	while (done < len && p->fd >= 0) {
		ssize_t n = write(p->fd, data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return done;
		if (n < 0) {
			log_warn("stdio", "write: %s", strerror(errno));
			close_fd(p);
			break;
		}
		done += (size_t)n;
	}
	return len;
}

static void on_writable(struct watch *w, uint32_t events UNUSED)
{
	struct pump_out *p = container_of(w, struct pump_out, watch);
	size_t n = write_some(p, p->rest + p->start, p->len);

	p->owed += n;
	if (p->fd >= 0) {
		p->start += n;
		p->len -= n;
		if (p->len)
			return;
		free(TAKE_PTR(p->rest));
		watch_del(&p->watch);
	}
	if (p->ended)
		close_fd(p);
	grant(p);
}

/* The rest waits behind what waits already: there is room for all that was granted. */
static int keep(struct pump_out *p, const uint8_t *data, size_t len)
{
	int r;

	if (!p->rest) {
		p->rest = malloc(PUMP_WINDOW);
		p->start = p->len = 0;
		r = p->rest ? watch_add(p->loop, &p->watch, p->fd, EPOLLOUT, on_writable) : -ENOMEM;
		if (r < 0)
			return r;
	}
	if (p->start + p->len + len > PUMP_WINDOW) {
		memmove(p->rest, p->rest + p->start, p->len);
		p->start = 0;
	}
	if (p->len + len > PUMP_WINDOW)
		return -ENOBUFS;
	memcpy(p->rest + p->start + p->len, data, len);
	p->len += len;
	return 0;
}

static int take(struct pump_out *p, const uint8_t *any, size_t len)
{
	const uint8_t *msg, *data;
	struct wire_field f;
	size_t n, done;
	int r;

	if (!p->open) { /* whatever it says: the stream is there */
		p->open = true;
		p->owed = PUMP_WINDOW;
		grant(p);
		return 0;
	}
	r = pump_open(any, len, pump_data, &msg, &n);
	if (r <= 0)
		return r;
	r = wire_find(msg, n, 1, WIRE_BYTES, &f);
	if (r <= 0)
		return r;
	data = f.data;
	n = f.len;
	if (n > p->granted)
		return -EPROTO;
	p->granted -= n;
	done = p->rest ? 0 : write_some(p, data, n);
	p->owed += done;
	r = done < n ? keep(p, data + done, n - done) : 0;
	grant(p);
	return r;
}

static void on_message(void *arg, const struct err *e, const uint8_t *payload, size_t len)
{
	struct pump_out *p = arg;
	int r = payload ? take(p, payload, len) : 0;

	if (payload && r == 0)
		return;
	if (r < 0)
		log_warn("stdio", "the guest's stream is given up: %s", strerror(-r));
	else if (err_is_set(e) && e->rc != RC_CANCELLED)
		log_debug("stdio", "a stream ended: %s", e->msg);
	p->ended = true;
	client_stream_free(TAKE_PTR(p->stream));
	if (!p->rest)
		close_fd(p);
}

void pump_out_init(struct pump_out *p, struct loop *l, int fd)
{
	*p = (struct pump_out){ .loop = l, .fd = fd };
}

int pump_out_begin(struct pump_out *p, struct client *c, const char *id, struct err *e)
{
	int r;

	p->stream = client_stream_open(c, STREAMING, "Stream", NULL, 0, on_message, p, e);
	if (!p->stream)
		return -1;
	r = pump_hello(p->stream, id);
	return r < 0 ? err_sys(e, -r, "stream %s", id) : 0;
}

void pump_out_fini(struct pump_out *p)
{
	client_stream_free(TAKE_PTR(p->stream));
	close_fd(p);
}
